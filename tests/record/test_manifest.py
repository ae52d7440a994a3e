from typing import Any

import pytest

from c2lib.core.canon import canonical_json, canonical_sha256, run_digest
from c2lib.core.contract import MANIFEST_FIELDS
from c2lib.core.vocabulary import BEHAVIOUR_VERSION
from c2lib.record.seal import build_manifest
from tests.record.contract_check import hold

HASH = "0" * 64
FACTS: dict[str, Any] = {
    "run_id": "run_demo_001",
    "strategy_id": "strat_demo",
    "status": "COMPLETED",
    "config": {"criteria": {"min_fills": 1}},
    "market": {"source": "synthetic", "sha256": HASH, "bars": 64},
    "strategy": {"origin": "built-in", "sha256": None},
    "inputs": {"cancel": None},
    "artifacts": {"events.jsonl": {"sha256": HASH, "bytes": 1, "lines": 1}},
    "audit": {"entries": 1, "last_hash": HASH},
}


def test_a_manifest_has_the_fields_of_the_contract_and_seals_itself() -> None:
    """The digest is over everything else; criteria and behaviour version stand in it."""
    manifest = build_manifest(**FACTS)
    hold(manifest, MANIFEST_FIELDS)
    assert manifest["run_digest"] == run_digest(manifest)
    assert manifest["config_sha256"] == canonical_sha256(FACTS["config"])
    assert manifest["criteria_sha256"] == canonical_sha256({"min_fills": 1})
    assert manifest["behaviour_version"] == BEHAVIOUR_VERSION


def test_a_manifest_is_a_pure_function_of_the_facts() -> None:
    """Asked twice, the same text."""
    assert canonical_json(build_manifest(**FACTS)) == canonical_json(build_manifest(**FACTS))


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": "other"},
        {"strategy_id": "other"},
        {"status": "FAILED"},
        {"config": {"criteria": {}}},
        {"market": {}},
        {"strategy": {}},
        {"inputs": {}},
        {"artifacts": {}},
        {"audit": {}},
    ],
)
def test_no_fact_can_change_without_the_digest(change: dict[str, Any]) -> None:
    """Each fact is under the seal."""
    assert build_manifest(**FACTS | change)["run_digest"] != build_manifest(**FACTS)["run_digest"]
