"""The events of two runs, compared pair by pair."""

from typing import Any

import pytest

from c2lib.witness.align import (
    MAX_EXAMPLES,
    MAX_FIELDS,
    Event,
    EventComparison,
    EventDiff,
    Line,
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
def test_fields_have_dotted_names(a: Any, b: Any, expected: list[str]) -> None:
    """A differing field is named with dots, and each of its two values is one line."""
    assert [difference.text() for difference in first_differences(a, b)] == expected


@pytest.mark.parametrize(("a", "b", "at"), [("y " * 250 + "1", "y " * 250 + "2", 500), ("y " * 250, "y " * 251, 500)])
def test_cut_sides_stay_different(a: str, b: str, at: int) -> None:
    """Two long texts that are shown alike are shown with the place of their first difference."""
    (found,) = first_differences({"x": a}, {"x": b})
    assert str(found.a).endswith(f"... ({len(a)} characters, another from {at} on)")
    assert str(found.b).endswith(f"... ({len(b)} characters, another from {at} on)")


def test_differing_secrets_stay_secret() -> None:
    """Of two differing secrets no piece is shown, not even the piece in which the secrets differ."""
    a, b = ({"x": f"password=hunter2hunter2{end}"} for end in ("abcdef", "ghijkl"))
    (found,) = first_differences(a, b)
    assert "another from 23 on" in found.text()
    assert not [piece for piece in ("hunter", "abcdef", "ghijkl") if piece in found.text()]


def test_field_differences_are_bounded() -> None:
    """Of an object with very many differing fields only the first ones are reported."""
    assert len(first_differences({str(number): number for number in range(1000)}, {})) == MAX_FIELDS


def test_first_difference_is_no_aside() -> None:
    """The first difference of two runs is the first pair of events that differ in more than an aside."""
    found = compared(
        ([tick(0)], [tick(0)]),
        ([tick(1, close="1"), order("a", 1)], [tick(1, close="1"), order("b", 1)]),
        ([fill("a", 2, price="1"), tick(2)], [fill("b", 2, price="2"), tick(2, "BUY")]),
    )
    assert found.first is not None
    assert found.first.text().endswith("; price: 1 | 2")
    assert (found.aligned, found.differing, found.asides["names"].count) == (5, 2, 2)
    assert found.fills_differing.count == 1


def test_event_without_counterpart_differs() -> None:
    """An event without a counterpart is a difference on either side, listed with the events of its kind."""
    found = compared(([order("a", 1), event("NOTE", 1)], [fill("b", 1)]))
    assert found.first is not None
    assert (
        found.first.text()
        == "A ORDER_SUBMITTED bar 1 (ts_sim 0, line 1) client_order_id=a side=BUY quantity=1 | nothing in B"
    )
    assert (found.orders_only_a.count, found.fills_only_b.count, found.others_only_a.count) == (1, 1, 1)


def test_quiet_ticks_may_be_absent() -> None:
    """Ticks without a decision are no difference where one run records none at all, and are one otherwise."""
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


def test_start_fields_are_causes() -> None:
    """Differing fields of the first SESSION_START are causes, and those of a second one are event differences."""
    diff = EventDiff(NAMES, NAMES)
    starts = [event("SESSION_START", steps=1)], [event("SESSION_START", steps=2)]
    diff.take(*starts)
    assert [field.text() for field in diff.start] == ["steps: 1 | 2"]
    assert diff.result().first is None
    diff.take(*starts)
    assert diff.result().first is not None


def test_event_of_another_run_differs() -> None:
    """An event is compared with its own run's name, so that an event of another run is a difference."""
    other = Names("other", "s")
    assert compared(([tick(0)], [event("STRATEGY_TICK", 0, names=other, decision="HOLD")]), other=other).same
    found = compared(([tick(0)], [tick(0)]), other=other)
    assert found.first is not None
    assert [field.text() for field in found.first.fields] == ["(run_id): (nothing) | r"]


@pytest.mark.parametrize("other", [Names("other", "s"), Names("r", "other"), Names("other", "other")])
def test_other_names_hide_nothing(other: Names) -> None:
    """The fast comparison of lines of runs with other names finds every other difference."""
    good = event("STRATEGY_TICK", 1, names=other, decision="HOLD", close="1")
    bad = event("STRATEGY_TICK", 1, names=other, decision="HOLD", close="2")
    assert compared(([tick(1, close="1")], [good]), other=other).same
    assert compared(([tick(1, close="1")], [bad]), other=other).differing == 1


def test_ids_need_one_run_id() -> None:
    """Event ids of the same event are compared only between runs of the same run_id."""
    good = tick(1)
    bad = Event.of(Line(2, {**good.line.value, "event_id": "1" * 64}, b"other"))
    assert list(compared(([good], [bad])).asides) == ["ids"]
    assert compared(([good], [bad]), other=Names("other", "s")).asides == {}


def test_examples_are_bounded() -> None:
    """Only the first examples of a kind of difference are kept, and all are counted."""
    found = compared(*(([order(f"a{bar}", bar)], []) for bar in range(50)))
    assert (found.orders_only_a.count, len(found.orders_only_a.first)) == (50, MAX_EXAMPLES)
    assert [count.text() for count in found.counts] == ["ORDER_SUBMITTED: 50 | 0"]
