r"""Heads and digests: what makes a record tell-tale.

Rules kept here:

* an audit entry carries the hash of the one before it, so that no entry can be taken out or moved;
* an artifact's digest is taken over the bytes as they are handed on, in batches, and never by reading back.

>>> digest = ArtifactDigest()
>>> digest.update(b"{}\n", 1)
>>> digest.facts()["bytes"], digest.facts()["lines"]
(3, 1)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from c2lib.core.canon import GENESIS_HASH, canonical_sha256, run_digest
from c2lib.core.vocabulary import BEHAVIOUR_VERSION, MANIFEST_SCHEMA
from c2lib.record.lines import audit_line


class ArtifactDigest:
    """Running sha256, size in bytes and number of lines of one file."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._bytes = 0
        self._lines = 0

    def update(self, data: bytes, lines: int) -> None:
        """Take in the next bytes, which hold ``lines`` line ends."""
        self._hash.update(data)
        self._bytes += len(data)
        self._lines += lines

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says of the file."""
        return {"sha256": self._hash.hexdigest(), "bytes": self._bytes, "lines": self._lines}


class AuditChain:
    """The head of the audit chain: number of entries and hash of the last."""

    def __init__(self) -> None:
        self.entries = 0
        self.last_hash = GENESIS_HASH
        self.last_ts: str | None = None

    def line(self, ts: str, level: str, code: str, message: str, meta: dict[str, Any]) -> tuple[str, str]:
        """Return the line of the next entry and its hash, without moving the head."""
        return audit_line(
            {
                "seq": self.entries,
                "ts": ts,
                "level": level,
                "code": code,
                "message": message,
                "meta": meta,
                "prev_hash": self.last_hash,
            }
        )

    def advance(self, entry_hash: str, ts: str) -> None:
        """Move the head behind an entry that its sink has taken."""
        self.entries += 1
        self.last_hash = entry_hash
        self.last_ts = ts


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the manifest is made of; the mappings are plain JSON values."""

    run_id: str
    strategy_id: str
    status: str
    config: Mapping[str, Any]
    config_sha256: str
    market: Mapping[str, Any]
    strategy: Mapping[str, Any]
    inputs: Mapping[str, Any]
    artifacts: Mapping[str, Any]
    audit: Mapping[str, Any]


def build_manifest(facts: RunFacts) -> dict[str, Any]:
    """Return the manifest object, its ``run_digest`` included."""
    manifest: dict[str, Any] = {
        "schema_version": MANIFEST_SCHEMA,
        "run_id": facts.run_id,
        "strategy_id": facts.strategy_id,
        "status": facts.status,
        "behaviour_version": BEHAVIOUR_VERSION,
        "config": dict(facts.config),
        "config_sha256": facts.config_sha256,
        "criteria_sha256": canonical_sha256(facts.config["criteria"]),
        "market": dict(facts.market),
        "strategy": dict(facts.strategy),
        "inputs": dict(facts.inputs),
        "artifacts": dict(facts.artifacts),
        "audit": dict(facts.audit),
    }
    manifest["run_digest"] = run_digest(manifest)
    return manifest
