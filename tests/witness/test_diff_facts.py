"""What comparing two runs gave, as facts."""

import json

from c2lib.witness.align import EventComparison, EventDifference, EventFact, Examples, FieldDifference
from c2lib.witness.diff import Outcome, RunDiff, RunSide
from c2lib.witness.findings import Verdict

SIDE = RunSide("/a", Verdict.SEALED, "r", "s", None, ())
EVENT = EventFact(3, "FILL", 2, 1, "0" * 64, {"price": "5"})


def diff(outcome: Outcome) -> RunDiff:
    """Return a report with everything that a JSON form must bear."""
    asides = {"names": Examples(1, (EventDifference(EVENT, None, (FieldDifference("x", "1", None),)),))}
    events = EventComparison(1, counts=(FieldDifference("FILL", 1, 0),), asides=asides)
    field = FieldDifference("seed", "1", "2")
    return RunDiff(SIDE, SIDE, outcome, (field,), events, (field,), field, None, (), (), ("file",), ("note",))


def test_report_is_plain_json() -> None:
    """The facts of a diff report are the JSON that the command line prints."""
    facts = json.loads(json.dumps(diff(Outcome.DIFFERENT).facts()))
    assert (facts["same"], facts["outcome"], facts["causes"]) == (
        False,
        "DIFFERENT",
        [{"name": "seed", "a": "1", "b": "2"}],
    )
    assert facts["events"]["asides"]["names"]["first"][0]["a"]["facts"] == {"price": "5"}


def test_only_different_is_not_same() -> None:
    """DIFFERENT is the only outcome of a diff that is not the same."""
    assert [outcome.value for outcome in Outcome if diff(outcome).same] == ["IDENTICAL", "SAME_BUT_FOR_RUN_ID"]


def test_event_is_one_line() -> None:
    """An event of a diff is shown as one line with its kind, bar, place and main values."""
    assert EVENT.text() == "FILL bar 1 (ts_sim 2, line 3) price=5"
    assert EventDifference(None, EVENT).text() == "nothing in A | B FILL bar 1 (ts_sim 2, line 3) price=5"
    assert EventFact(1, "NOTE", 0, None, "").text() == "NOTE (ts_sim 0, line 1)"


def test_asides_are_differences() -> None:
    """Events that differ in asides or left-out ticks alone are not the same."""
    assert EventComparison().same
    assert not EventComparison(asides={"times": Examples(1)}).same
    assert not EventComparison(quiet_ticks=FieldDifference("ticks", 0, 1)).same
    assert not EventComparison(first=EventDifference(EVENT, None)).same
