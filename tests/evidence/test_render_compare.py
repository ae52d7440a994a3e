"""What an evidence file states of itself, and where it parts from the draft."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.evidence.render import MAX_EVIDENCE, difference, stated
from c2lib.witness.findings import Findings
from tests.evidence.runs import clean_summary, digest
from tests.evidence.test_render import PLOTS, draft

EV = "EV-20260131-FINISH_C2-ORCH-DRYRUN-PASS.md"


def problems(data: bytes) -> list[str]:
    """Return the findings on bytes that state nothing."""
    findings = Findings()
    assert stated(data, EV, findings) is None
    return [finding.text() for finding in findings.all()]


def test_a_draft_states_its_date_owner_and_pictures() -> None:
    """The owner is the one that was given, not its encoded form."""
    findings = Findings()
    seen = stated(draft(clean_summary(), owner="A. (B) <c>|ü").encode(), EV, findings)
    assert seen is not None
    assert (seen.date, seen.owner, dict(seen.pictures)) == ("2026-01-31", "A. (B) <c>|ü", dict(PLOTS))
    assert findings.all() == ()


def test_pictures_are_those_of_the_last_section() -> None:
    """A table like it in front of it names none, and neither does a name that leads elsewhere."""
    row = f"| <code>{{}}</code> | <code>{digest('x')}</code> |"
    text = "\n".join(["- **Date:** 2026-01-31", "- **Owner:** Q", row.format("a.png"), "## Plots", row.format("b.png")])
    seen = stated(f"{text}\n{row.format('../c.png')}\n{row.format('D.png')}\n".encode(), EV, Findings())
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
def test_bytes_that_state_nothing_are_a_finding(data: bytes, expected: str) -> None:
    """The finding says what a file must have."""
    assert problems(data) == [f"EVIDENCE_MALFORMED {EV} expected {expected}"]


@given(st.binary(max_size=400))
def test_no_bytes_are_an_error(data: bytes) -> None:
    """Whatever they are."""
    findings = Findings()
    seen = stated(b"- **Date:** 2026-01-31\n- **Owner:** Q\n" + data, EV, findings)
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
def test_first_different_line(text: str, line: int, expected: str, seen: str) -> None:
    """With both sides from shortly before the first character that differs."""
    findings = Findings()
    difference(text, "a\nb\n", EV, findings)
    (finding,) = findings.all()
    assert (finding.line, finding.expected, finding.seen) == (line, expected, seen)


def test_the_same_text_is_no_finding() -> None:
    """A draft is equal to itself."""
    findings = Findings()
    difference("a\nb\n", "a\nb\n", EV, findings)
    assert findings.all() == ()
