"""The manifest: what a run was made from and what it left, sealed by one digest.

Rules kept here:

* a pure function of facts; it is written last, so that a directory with a manifest is whole;
* it names no path and nothing of the machine, so that the same run has the same digest anywhere.

>>> facts = RunFacts("r", "s", "COMPLETED", {"criteria": {}}, "0" * 64, {}, {}, {}, {}, {})
>>> len(build_manifest(facts)["run_digest"])
64
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from c2lib.core.canon import canonical_sha256, run_digest
from c2lib.core.vocabulary import BEHAVIOUR_VERSION, MANIFEST_SCHEMA


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
