"""The events and audit entries of two runs, compared pair by pair."""

from typing import Any

import pytest

from c2lib.witness.align import Line
from c2lib.witness.diff import MAX_FIELDS, Comparison, LineDiff, Names, first_differences
from c2lib.witness.foreign import MAX_NAMES, OTHERS, FloatText
from tests.witness.event_lines import NAMES, entry, event, fill, order, tick


def compared(a: list[Line], b: list[Line], other: Names = NAMES) -> Comparison:
    """Return what comparing two files gives."""
    return LineDiff(NAMES, other).compare(a, b)


def first(a: list[Line], b: list[Line], other: Names = NAMES) -> str | None:
    """Return the first difference as text."""
    found = compared(a, b, other).first
    return found.text() if found else None


def counts(found: Comparison) -> list[str]:
    """Return the counts of the kinds, in the order the same, differing, only in A, only in B."""
    return [f"{row.kind} {row.same} {row.differing} {row.only_a} {row.only_b}" for row in found.counts]


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


def test_first_difference_is_in_substance() -> None:
    """The first pair that differs in more than names, ids, numbers and times is the first difference."""
    found = compared(
        [tick(0), tick(1, close="1"), order("a", 1), fill("a", 2, price="1"), tick(2)],
        [tick(0), tick(1, close="1"), order("b", 1), fill("b", 2, price="2"), tick(2, "BUY")],
    )
    assert found.first is not None
    assert found.first.text() == "FILL bar 2 (A line 1, B line 1) client_order_id=a price=1; price: 1 | 2"
    assert counts(found) == ["all 3 2 0 0", "FILL 0 1 0 0", "ORDER_SUBMITTED 1 0 0 0", "STRATEGY_TICK 2 1 0 0"]


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (order("b", 1), "client_order_id: a | b"),
        (
            order("a", 1)._replace(value={**order("a", 1).value, "ts_sim": 7}),
            "ts_sim: 0 | 7",
        ),
    ],
)
def test_lone_lesser_difference_is_first(other: Line, text: str) -> None:
    """A name, number, time or id is the first difference of two runs that differ in nothing else."""
    other = other._replace(data=b"other")
    found = compared([order("a", 1)], [other])
    assert found.first is not None
    assert [field.text() for field in found.first.fields] == [text]
    assert counts(found)[0] == "all 1 0 0 0"
    assert first([order("a", 1), tick(2)], [other, tick(2, "BUY")]) == (
        "STRATEGY_TICK bar 2 (A line 1, B line 1) decision=HOLD; decision: HOLD | BUY"
    )


def test_event_without_counterpart_differs() -> None:
    """An event without a counterpart is a difference on either side, counted by its kind."""
    found = compared([order("a", 1), event("NOTE", 1)], [fill("b", 1)])
    assert found.first is not None
    assert found.first.text() == (
        "ORDER_SUBMITTED bar 1 (A line 1, nothing in B) client_order_id=a side=BUY quantity=1"
    )
    assert counts(found) == ["all 0 0 2 1", "FILL 0 0 0 1", "NOTE 0 0 1 0", "ORDER_SUBMITTED 0 0 1 0"]


def test_start_fields_are_causes() -> None:
    """Differing fields of the first SESSION_START are kept apart, and those of a second one are event differences."""
    diff = LineDiff(NAMES, NAMES)
    starts = [event("SESSION_START", steps=steps) for steps in (1, 2)]
    found = diff.compare([starts[0], tick(0)], [starts[1], tick(0, "BUY")])
    assert [field.text() for field in diff.start] == ["steps: 1 | 2"]
    assert found.first is not None
    assert found.first.kind == "STRATEGY_TICK"
    assert first([starts[0]], [starts[1]]) == "SESSION_START (A line 1, B line 1); steps: 1 | 2"
    assert counts(compared([starts[0]] * 2, [starts[1]] * 2))[0] == "all 1 1 0 0"


def test_event_of_another_run_differs() -> None:
    """An event is compared with its own run's name, so that an event of another run is a difference."""
    other = Names("other", "s")
    assert first([tick(0)], [event("STRATEGY_TICK", 0, names=other, decision="HOLD")], other) is None
    assert str(first([tick(0)], [tick(0)._replace(data=b"other")], other)).endswith("; run_id: (nothing) | r")


@pytest.mark.parametrize("other", [Names("other", "s"), Names("r", "other"), Names("other", "other")])
def test_other_names_hide_nothing(other: Names) -> None:
    """The names of two runs are no difference and hide no other difference."""
    good = event("STRATEGY_TICK", 1, names=other, decision="HOLD", close="1")
    bad = event("STRATEGY_TICK", 1, names=other, decision="HOLD", close="2")
    assert first([tick(1, close="1")], [good], other) is None
    assert counts(compared([tick(1, close="1")], [bad], other))[0] == "all 0 1 0 0"


def test_ids_need_one_run_id() -> None:
    """Event ids of the same event are compared only between runs of the same run_id."""
    good = tick(1)
    bad = good._replace(value={**good.value, "event_id": "1" * 64}, data=b"other")
    assert "event_id: 0000" in str(first([good], [bad]))
    renamed = bad._replace(value={**bad.value, "run_id": "other"})
    assert first([good], [renamed], Names("other", "s")) is None


def test_kinds_are_bounded() -> None:
    """Kinds of events beyond the bound are counted together."""
    found = compared([event(f"K{number:03}") for number in range(MAX_NAMES + 5)], [])
    assert len(found.counts) == MAX_NAMES + 2
    assert f"{OTHERS} 0 0 5 0" in counts(found)


def test_equal_trails_have_no_difference() -> None:
    """The same two audit trails differ in no entry."""
    trail = [entry(1), entry(2, "C2_PHASE_TRANSITION", to="STOPPED", ts_sim=7)]
    found = compared(trail, trail)
    assert (found.first, counts(found)[0]) == (None, "all 2 0 0 0")


def test_first_differing_entry_is_named() -> None:
    """The first audit entry that differs is named by its field, and the codes are counted to the end."""
    found = compared([entry(1), entry(2, step=1), entry(3)], [entry(1), entry(2, step=2), entry(3, "C2_OTHER")])
    assert found.first is not None
    assert found.first.text() == "C2_NOTE (A line 2, B line 2); meta.step: 1 | 2"
    assert counts(found) == ["all 1 1 1 1", "C2_NOTE 1 1 1 0", "C2_OTHER 0 0 0 1"]


def test_entry_without_counterpart_differs() -> None:
    """An audit entry without a counterpart is a difference on either side."""
    assert first([entry(1)], []) == "C2_NOTE (A line 1, nothing in B)"
    assert first([], [entry(1)]) == "C2_NOTE (nothing in A, B line 1)"


def test_hash_differs_when_alone() -> None:
    """A hash, a time or the event at which a phase moved is a difference of entries that differ in nothing else."""
    assert first([entry(1), entry(2)], [entry(1), entry(2, entry_hash="x")]) == (
        "C2_NOTE (A line 2, B line 2); entry_hash: h | x"
    )
    assert "; ts: 1 | 2" in str(first([entry(1, ts="1")], [entry(1, ts="2")]))
    assert "; meta.ts_sim: 5 | 6" in str(first([entry(1, ts_sim=5)], [entry(1, ts_sim=6)]))
    assert "; meta.trigger: " in str(first([entry(1, entry_hash="a", trigger="X")], [entry(1, trigger="Y")]))
