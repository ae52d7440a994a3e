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


def test_the_report_is_plain_json() -> None:
    """As the command line prints it."""
    facts = json.loads(json.dumps(diff(Outcome.DIFFERENT).facts()))
    assert (facts["same"], facts["outcome"], facts["causes"]) == (
        False,
        "DIFFERENT",
        [{"name": "seed", "a": "1", "b": "2"}],
    )
    assert facts["events"]["asides"]["names"]["first"][0]["a"]["facts"] == {"price": "5"}


def test_another_name_is_still_the_same() -> None:
    """Only DIFFERENT is not."""
    assert [outcome.value for outcome in Outcome if diff(outcome).same] == ["IDENTICAL", "SAME_BUT_FOR_RUN_ID"]


def test_an_event_is_told_in_one_line() -> None:
    """With what it says in short."""
    assert EVENT.text() == "FILL bar 1 (ts_sim 2, line 3) price=5"
    assert EventDifference(None, EVENT).text() == "nothing in A | B FILL bar 1 (ts_sim 2, line 3) price=5"
    assert EventFact(1, "NOTE", 0, None, "").text() == "NOTE (ts_sim 0, line 1)"


def test_asides_are_differences_too() -> None:
    """They never pass for the same."""
    assert EventComparison().same
    assert not EventComparison(asides={"times": Examples(1)}).same
    assert not EventComparison(quiet_ticks=FieldDifference("ticks", 0, 1)).same
    assert not EventComparison(first=EventDifference(EVENT, None)).same
