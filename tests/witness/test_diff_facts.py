"""What comparing two runs gave, as facts."""

import json

from c2lib.witness.diff import Comparison, FieldDifference, LineDifference, Outcome, RunDiff, RunSide, Tally
from c2lib.witness.findings import Verdict

SIDE = RunSide("/a", Verdict.SEALED, "r", "s", None, ())


def diff(outcome: Outcome) -> RunDiff:
    """Return a report with everything that a JSON form must have."""
    field = FieldDifference("seed", "1", None)
    first = LineDifference("FILL", 2, 3, None, {"price": "5"}, (field,))
    lines = Comparison(first, (Tally("all", 1, 2, 3, 4),))
    return RunDiff(SIDE, SIDE, outcome, (field,), lines, lines, (field,), ("file",), ("note",))


def test_report_is_plain_json() -> None:
    """The facts of a diff report are the JSON that the command line prints."""
    facts = json.loads(json.dumps(diff(Outcome.DIFFERENT).facts()))
    assert (facts["same"], facts["outcome"], facts["causes"]) == (
        False,
        "DIFFERENT",
        [{"name": "seed", "a": "1", "b": None}],
    )
    assert facts["events"]["first"]["facts"] == {"price": "5"}
    assert facts["audit"]["counts"] == [{"kind": "all", "same": 1, "differing": 2, "only_a": 3, "only_b": 4}]


def test_only_different_is_not_same() -> None:
    """DIFFERENT is the only outcome of a diff that is not the same."""
    assert [outcome.value for outcome in Outcome if diff(outcome).same] == ["IDENTICAL", "SAME_BUT_FOR_RUN_ID"]


def test_difference_is_one_line() -> None:
    """A difference is shown as one line with its place on both sides."""
    first = diff(Outcome.DIFFERENT).events.first
    assert first is not None
    assert first.text() == "FILL bar 2 (A line 3, nothing in B) price=5; seed: 1 | (nothing)"
    assert LineDifference("NOTE", None, 1, 2, {}, ()).text() == "NOTE (A line 1, B line 2)"
