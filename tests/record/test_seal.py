import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.core.canon import GENESIS_HASH, canonical_json, canonical_sha256, run_digest
from c2lib.core.contract import MANIFEST_FIELDS
from c2lib.core.vocabulary import BEHAVIOUR_VERSION
from c2lib.record.seal import ArtifactDigest, AuditChain, build_manifest
from tests.record.contract_check import checked_audit, hold

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
TS = "2026-01-01T00:00:00+00:00"


def chained(count: int) -> list[str]:
    """Return the lines of a chain of ``count`` entries."""
    chain, lines = AuditChain(), []
    for number in range(count):
        line, digest = chain.line(TS, "INFO", "C2_DRYRUN_START", f"entry {number}", {})
        chain.advance(digest, TS)
        lines.append(line)
    return lines


@given(st.lists(st.lists(st.text().map(lambda text: text.replace("\n", "") + "\n")), max_size=6))
def test_digest_ignores_batches(batches: list[list[str]]) -> None:
    """The hash, size and line count of a file are the same however its lines are split into batches."""
    digest = ArtifactDigest()
    for batch in batches:
        digest.update("".join(batch).encode("utf-8", "replace"), len(batch))
    whole = "".join(line for batch in batches for line in batch).encode("utf-8", "replace")
    assert digest.facts() == {
        "sha256": hashlib.sha256(whole).hexdigest(),
        "bytes": len(whole),
        "lines": whole.count(b"\n"),
    }


def test_chain_moves_on_advance() -> None:
    """The audit chain begins at the genesis hash and moves only when advanced past a taken line."""
    chain = AuditChain()
    first = chain.line(TS, "INFO", "C2_DRYRUN_START", "m", {})
    assert chain.line(TS, "INFO", "C2_DRYRUN_START", "m", {}) == first
    assert (chain.entries, chain.last_hash, chain.last_ts) == (0, GENESIS_HASH, None)
    chain.advance(first[1], TS)
    assert (chain.entries, chain.last_hash, chain.last_ts) == (1, first[1], TS)


@pytest.mark.parametrize("tamper", ["drop", "swap", "edit"])
def test_tampered_chain_breaks(tamper: str) -> None:
    """An audit entry that was taken out, moved or changed breaks the chain."""
    lines = chained(4)
    assert len(checked_audit(lines)) == 4
    if tamper == "drop":
        del lines[1]
    elif tamper == "swap":
        lines[1], lines[2] = lines[2], lines[1]
    else:
        lines[1] = lines[1].replace("entry 1", "entry 9")
    with pytest.raises(AssertionError):
        checked_audit(lines)


def test_manifest_seals_itself() -> None:
    """A manifest has the fields of the contract, the hash of the criteria, and a digest over all else."""
    manifest = build_manifest(**FACTS)
    hold(manifest, MANIFEST_FIELDS)
    assert manifest["run_digest"] == run_digest(manifest)
    assert manifest["config_sha256"] == canonical_sha256(FACTS["config"])
    assert manifest["criteria_sha256"] == canonical_sha256({"min_fills": 1})
    assert manifest["behaviour_version"] == BEHAVIOUR_VERSION


def test_manifest_follows_from_facts() -> None:
    """The same facts make the same manifest."""
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
def test_digest_covers_every_fact(change: dict[str, Any]) -> None:
    """No fact of a manifest can change without its digest."""
    assert build_manifest(**FACTS | change)["run_digest"] != build_manifest(**FACTS)["run_digest"]
