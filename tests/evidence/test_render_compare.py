"""What an evidence file states of itself, and its first difference from the draft."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.evidence.render import MAX_EVIDENCE, compare_evidence, parse_evidence
from c2lib.witness.findings import Findings
from tests.evidence.runs import clean_summary, digest
from tests.evidence.test_render import PLOTS, draft

EV = "EV-20260131-FINISH_C2-ORCH-DRYRUN-PASS.md"


def problems(data: bytes) -> list[str]:
    """Return the findings on bytes that state nothing."""
    findings = Findings()
    assert parse_evidence(data, EV, findings) is None
    return [finding.text() for finding in findings.all()]


def test_draft_states_its_inputs() -> None:
    """Reading a draft returns its date, its owner as given and its pictures, without a finding."""
    findings = Findings()
    seen = parse_evidence(draft(clean_summary(), owner="A. (B) <c>|ü").encode(), EV, findings)
    assert seen is not None
    assert (seen.date, seen.owner, dict(seen.pictures)) == ("2026-01-31", "A. (B) <c>|ü", dict(PLOTS))
    assert findings.all() == ()


def test_pictures_come_from_last_section() -> None:
    """Pictures are read from the appendix alone, and only under plain names."""
    row = f"| 1 | picture {{}} | `{digest('x')}` |"
    text = "\n".join(
        ["- **Date:** 2026-01-31", "- **Owner:** Q", row.format("a.png"), "## Appendix: hashes", row.format("b.png")]
    )
    seen = parse_evidence(f"{text}\n{row.format('../c.png')}\n{row.format('D.png')}\n".encode(), EV, Findings())
    assert seen is not None
    assert list(seen.pictures) == ["b.png"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "a line - **Date:** YYYY-MM-DD, seen none"),
        (b"- **Date:** 2026-1-31\n- **Owner:** Q\n", "a line - **Date:** YYYY-MM-DD, seen none"),
        (b"- **Date:** 2026-01-31\n", "a line - **Owner:** NAME, seen none"),
        (b"- **Date:** 2026-01-31\n- **Owner:** " + b"x" * 1001, "a line - **Owner:** NAME, seen none"),
        (b"abc\xff", "UTF-8, seen other bytes from byte 3 on"),
        (b"a" * (MAX_EVIDENCE + 1), "at most 1048576 bytes, seen more"),
    ],
)
def test_malformed_evidence_is_a_finding(data: bytes, expected: str) -> None:
    """Evidence without a date or owner line, not in UTF-8 or too large is one EVIDENCE_MALFORMED finding."""
    assert problems(data) == [f"EVIDENCE_MALFORMED {EV} expected {expected}"]


@given(st.binary(max_size=400))
def test_arbitrary_evidence_never_raises(data: bytes) -> None:
    """Reading evidence of arbitrary bytes returns the stated values or one finding, and never raises."""
    findings = Findings()
    seen = parse_evidence(b"- **Date:** 2026-01-31\n- **Owner:** Q\n" + data, EV, findings)
    assert (seen is None) is (len(findings.all()) == 1)


@pytest.mark.parametrize(
    ("text", "line", "expected", "seen"),
    [
        ("a\nc\n", 2, "b", "c"),
        ("a\nb", 3, "nothing", "no line"),
        ("a\nb\n\n", 4, "no line", "nothing"),
        ("", 1, "a", "nothing"),
        ("a\r\nb\n", 1, "a", "a\\r"),
    ],
)
def test_first_different_line_is_reported(text: str, line: int, expected: str, seen: str) -> None:
    """A text that differs from the draft is a finding with the first different line, expected and seen."""
    findings = Findings()
    compare_evidence(text, "a\nb\n", EV, findings)
    (finding,) = findings.all()
    assert (finding.line, finding.expected, finding.seen) == (line, expected, seen)


def test_equal_text_is_no_finding() -> None:
    """A text that equals the draft is no finding."""
    findings = Findings()
    compare_evidence("a\nb\n", "a\nb\n", EV, findings)
    assert findings.all() == ()
