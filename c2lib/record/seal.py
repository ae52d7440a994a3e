"""What makes a record show that it was altered: the audit chain, the digest of each file, and the manifest."""

from __future__ import annotations

import hashlib
from typing import Any

from c2lib.core.canon import GENESIS_HASH, canonical_sha256, run_digest
from c2lib.core.contract import MANIFEST_FIELDS
from c2lib.core.vocabulary import BEHAVIOUR_VERSION, MANIFEST_SCHEMA
from c2lib.record.lines import audit_line


class ArtifactDigest:
    """Running sha256, size in bytes and number of lines of one file, taken over what is written and never read back."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._bytes = 0
        self._lines = 0

    def update(self, data: bytes, lines: int) -> None:
        """Take in the next bytes, which hold ``lines`` line ends."""
        self._hash.update(data)
        self._bytes += len(data)
        self._lines += lines

    @classmethod
    def of(cls, data: bytes) -> ArtifactDigest:
        """Return the digest of a whole file."""
        digest = cls()
        digest.update(data, data.count(b"\n"))
        return digest

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says of the file."""
        return {"sha256": self._hash.hexdigest(), "bytes": self._bytes, "lines": self._lines}


class AuditChain:
    """The head of the audit chain; each entry has the hash of the one before it, so that none can go or move."""

    def __init__(self) -> None:
        self.entries = 0
        self.last_hash = GENESIS_HASH
        self.last_ts: str | None = None

    def line(self, ts: str, level: str, code: str, message: str, meta: dict[str, Any]) -> tuple[str, str]:
        """Return the line of the next entry and its hash, without moving the head."""
        entry = {"seq": self.entries, "ts": ts, "level": level, "code": code, "message": message, "meta": meta}
        return audit_line({**entry, "prev_hash": self.last_hash})

    def advance(self, entry_hash: str, ts: str) -> None:
        """Move the head to an entry that its sink has taken."""
        self.entries += 1
        self.last_hash = entry_hash
        self.last_ts = ts


def build_manifest(**facts: Any) -> dict[str, Any]:
    """Return the manifest of a run: the fields of the contract, the hashes among them made of ``facts``, the others."""
    facts |= {
        "schema_version": MANIFEST_SCHEMA,
        "behaviour_version": BEHAVIOUR_VERSION,
        "config_sha256": canonical_sha256(facts["config"]),
        "criteria_sha256": canonical_sha256(facts["config"]["criteria"]),
    }
    manifest = {field.name: facts[field.name] for field in MANIFEST_FIELDS if field.name != "run_digest"}
    return {**manifest, "run_digest": run_digest(manifest)}
