"""The events of two runs, compared pair by pair."""

from typing import Any

import pytest

from c2lib.witness.align import (
    MAX_EXAMPLES,
    MAX_FIELDS,
    Event,
    EventComparison,
    EventDiff,
    Names,
    first_differences,
)
from c2lib.witness.foreign import FloatText
from tests.witness.event_lines import NAMES, event, fill, order, tick


def compared(*steps: tuple[list[Event], list[Event]], other: Names = NAMES) -> EventComparison:
    """Return what comparing some steps gives."""
    diff = EventDiff(NAMES, other)
    for step in steps:
        diff.take(*step)
    return diff.result()


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ({"x": 1}, {"x": 1}, []),
        ({"x": 1}, {"x": True}, ["x: 1 | true"]),
        ({"x": None}, {}, ["x: null | (nothing)"]),
        ({"x": {"y": 1, "z": 2}}, {"x": {"y": 1, "z": 3}}, ["x.z: 2 | 3"]),
        ({"x": [1, 2]}, {"x": [1, 3, 4]}, ["x[1]: 2 | 3", "x[2]: (nothing) | 4"]),
        ({"x": {"y": 1}}, {"x": []}, ['x: {"y":1} | []']),
        ({"x": FloatText("1.0")}, {"x": FloatText("1.00")}, ["x: 1.0 | 1.00"]),
        ({"a\nb": "1\n2"}, {"a\nb": "1"}, ["a\\nb: 1\\n2 | 1"]),
    ],
)
def test_fields_differ_by_dotted_names(a: Any, b: Any, expected: list[str]) -> None:
    """Each side is one bounded line, and a cut never makes them look the same."""
    assert [difference.text() for difference in first_differences(a, b)] == expected


@pytest.mark.parametrize(("a", "b", "at"), [("y " * 250 + "1", "y " * 250 + "2", 500), ("y " * 250, "y " * 251, 500)])
def test_a_cut_makes_no_two_sides_look_the_same(a: str, b: str, at: int) -> None:
    """Where they part is told beside what is shown."""
    (found,) = first_differences({"x": a}, {"x": b})
    assert str(found.a).endswith(f"... ({len(a)} characters, another from {at} on)")
    assert str(found.b).endswith(f"... ({len(b)} characters, another from {at} on)")


def test_a_secret_is_not_told_by_the_piece_in_which_it_differs() -> None:
    """Neither side's, nor a tail of it."""
    a, b = ({"x": f"password=hunter2hunter2{end}"} for end in ("abcdef", "ghijkl"))
    (found,) = first_differences(a, b)
    assert "another from 23 on" in found.text()
    assert not [piece for piece in ("hunter", "abcdef", "ghijkl") if piece in found.text()]


def test_differences_of_one_object_are_bounded() -> None:
    """A stranger's object can have a field for every letter ever written."""
    assert len(first_differences({str(number): number for number in range(1000)}, {})) == MAX_FIELDS


def test_the_first_pair_that_differs_is_where_runs_part() -> None:
    """In the order of events, and asides are none."""
    found = compared(
        ([tick(0)], [tick(0)]),
        ([tick(1, close="1"), order("a", 1)], [tick(1, close="1"), order("b", 1)]),
        ([fill("a", 2, price="1"), tick(2)], [fill("b", 2, price="2"), tick(2, "BUY")]),
    )
    assert found.first is not None
    assert found.first.text().endswith("; price: 1 | 2")
    assert (found.aligned, found.differing, found.asides["names"].count) == (5, 2, 2)
    assert found.fills_differing.count == 1


def test_an_event_without_a_counterpart_is_a_place_to_part() -> None:
    """On either side, and by what it is."""
    found = compared(([order("a", 1), event("NOTE", 1)], [fill("b", 1)]))
    assert found.first is not None
    assert (
        found.first.text()
        == "A ORDER_SUBMITTED bar 1 (ts_sim 0, line 1) client_order_id=a side=BUY quantity=1 | nothing in B"
    )
    assert (found.orders_only_a.count, found.fills_only_b.count, found.others_only_a.count) == (1, 1, 1)


def test_quiet_ticks_are_no_place_to_part_when_one_side_tells_none() -> None:
    """But they are, when it tells others."""
    decided = ([tick(1, "BUY")], [tick(1, "BUY")])
    found = compared(([tick(0)], []), decided)
    assert (found.first, found.quiet_ticks.a, found.quiet_ticks.b, found.same) == (None, 1, 0, False)
    found = compared(([], [tick(0)]), decided)
    assert (found.first, found.quiet_ticks.b) == (None, 1)
    found = compared(([tick(0)], []), decided, ([tick(2)], [tick(2)]))
    assert found.first is not None
    assert found.quiet_ticks.a == 0
    found = compared(([tick(0, "BUY")], []), ([tick(1)], []))
    assert found.first is not None
    assert found.others_only_a.count == 1


def test_the_start_is_a_cause() -> None:
    """Its fields are told apart; a second one is an event as any other."""
    diff = EventDiff(NAMES, NAMES)
    starts = [event("SESSION_START", steps=1)], [event("SESSION_START", steps=2)]
    diff.take(*starts)
    assert [field.text() for field in diff.start] == ["steps: 1 | 2"]
    assert diff.result().first is None
    diff.take(*starts)
    assert diff.result().first is not None


def test_an_event_of_another_run_is_told() -> None:
    """A run is compared with its own name, not with the other's."""
    other = Names("other", "s")
    assert compared(([tick(0)], [event("STRATEGY_TICK", 0, names=other, decision="HOLD")]), other=other).same
    found = compared(([tick(0)], [tick(0)]), other=other)
    assert found.first is not None
    assert [field.text() for field in found.first.fields] == ["(run_id): (nothing) | r"]


@pytest.mark.parametrize("other", [Names("other", "s"), Names("r", "other"), Names("other", "other")])
def test_other_names_hide_no_other_difference(other: Names) -> None:
    """The quick look at lines that differ in names alone sees the rest."""
    good = event("STRATEGY_TICK", 1, names=other, decision="HOLD", close="1")
    bad = event("STRATEGY_TICK", 1, names=other, decision="HOLD", close="2")
    assert compared(([tick(1, close="1")], [good]), other=other).same
    assert compared(([tick(1, close="1")], [bad]), other=other).differing == 1


def test_ids_are_compared_where_they_must_be_the_same() -> None:
    """Of the same event of a run of the same name."""
    good = tick(1)
    bad = Event(2, {**good.value, "event_id": "1" * 64}, b"other")
    assert list(compared(([good], [bad])).asides) == ["ids"]
    assert compared(([good], [bad]), other=Names("other", "s")).asides == {}


def test_examples_are_bounded_and_counts_are_not() -> None:
    """The first are kept."""
    found = compared(*(([order(f"a{bar}", bar)], []) for bar in range(50)))
    assert (found.orders_only_a.count, len(found.orders_only_a.first)) == (50, MAX_EXAMPLES)
    assert [count.text() for count in found.counts] == ["ORDER_SUBMITTED: 50 | 0"]
