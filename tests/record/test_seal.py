import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.core.canon import GENESIS_HASH
from c2lib.record.seal import ArtifactDigest, AuditChain
from tests.record.contract_check import checked_audit

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
def test_a_digest_does_not_depend_on_the_batches(batches: list[list[str]]) -> None:
    """Hash, size and line count are those of the whole."""
    digest = ArtifactDigest()
    for batch in batches:
        digest.update("".join(batch).encode("utf-8", "replace"), len(batch))
    whole = "".join(line for batch in batches for line in batch).encode("utf-8", "replace")
    assert digest.facts() == {
        "sha256": hashlib.sha256(whole).hexdigest(),
        "bytes": len(whole),
        "lines": whole.count(b"\n"),
    }


def test_the_chain_begins_at_genesis_and_its_head_moves_only_when_told() -> None:
    """A line that no sink took leaves no trace in the chain."""
    chain = AuditChain()
    first = chain.line(TS, "INFO", "C2_DRYRUN_START", "m", {})
    assert chain.line(TS, "INFO", "C2_DRYRUN_START", "m", {}) == first
    assert (chain.entries, chain.last_hash, chain.last_ts) == (0, GENESIS_HASH, None)
    chain.advance(first[1], TS)
    assert (chain.entries, chain.last_hash, chain.last_ts) == (1, first[1], TS)


@pytest.mark.parametrize("tamper", ["drop", "swap", "edit"])
def test_a_chain_that_was_tampered_with_does_not_hold(tamper: str) -> None:
    """An entry taken out, moved or changed breaks what comes after it."""
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
