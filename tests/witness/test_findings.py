import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.witness.findings import MAX_PER_FILE, MAX_SHOWN, FindingCode, Findings, shown


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.integers())))
def test_whatever_is_shown_is_one_bounded_line_of_printable_ascii(value: object) -> None:
    """No value of a run can break out of its place in a finding."""
    text = shown(value)
    assert len(text) <= MAX_SHOWN
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        ("a\nb", "a\\nb"),
        ("\ud800é", "\\ud800\\xe9"),
        ({"a": 1}, "an object"),
        ([1], "a list"),
        ("x" * 201, "x" * 197 + "..."),
        ("x" * 200, "x" * 200),
    ],
)
def test_a_value_is_shown_as_people_expect(value: object, text: str) -> None:
    """Words for what is no text, escapes for what is no ASCII, a mark where it was cut."""
    assert shown(value) == text


def test_a_finding_is_told_in_one_line_and_as_plain_values() -> None:
    """People get a line, programs a mapping."""
    findings = Findings()
    findings.add(FindingCode.EVENT_ID_WRONG, "events.jsonl", 3, expected="a", seen="b", event_id="c")
    (finding,) = findings.all()
    assert finding.text() == "EVENT_ID_WRONG events.jsonl:3 expected a, seen b (event c)"
    assert finding.facts() == {
        "code": "EVENT_ID_WRONG",
        "file": "events.jsonl",
        "line": 3,
        "event_id": "c",
        "expected": "a",
        "seen": "b",
    }


def test_the_findings_of_one_file_are_capped_and_the_last_one_tells_how_many_more() -> None:
    """A wreck of a file does not drown the findings of the others."""
    findings = Findings()
    for line in range(MAX_PER_FILE + 5):
        findings.add(FindingCode.MALFORMED_LINE, "events.jsonl", line + 1)
    findings.add(FindingCode.CHAIN_BROKEN, "audit.jsonl", 3)
    every = findings.all()
    assert len(every) == MAX_PER_FILE + 2
    assert every[-2].file == "audit.jsonl"
    assert (every[-1].code, every[-1].line, every[-1].seen) == (
        FindingCode.MALFORMED_LINE,
        0,
        "5 more findings, left out",
    )


def test_a_secret_in_a_foreign_run_is_not_shown() -> None:
    """Also one that begins where a long text is cut."""
    secret = "AK" + "IA" + "QWERTYUIOP012345"
    assert shown(f"x {secret} y") == "x [REDACTED:aws-key-id] y"
    assert "QWERTY" not in shown("x" * 190 + " " + secret)
