"""The events of a run in steps, and the steps of two runs side by side."""

from collections.abc import Sequence

import pytest

from c2lib.witness import align as module
from c2lib.witness.align import Event, side_by_side, steps
from tests.witness.event_lines import event, fill, tick

START, STOP = event("SESSION_START"), event("SESSION_STOP")
NEWS = event("RECONCILED", mismatches=[])


def cut(*events: Event) -> list[tuple[tuple[int, int, int], list[str]]]:
    """Return the steps of some events, those without an event left out."""
    return [(key, [one.kind for one in here]) for key, here in steps(events) if here]


def test_an_event_belongs_to_its_bar() -> None:
    """What names none belongs to the bar before it."""
    assert cut(START, tick(0), NEWS, tick(1), fill("c", 1)) == [
        ((0, 0, 0), ["SESSION_START"]),
        ((1, 0, 0), ["STRATEGY_TICK", "RECONCILED"]),
        ((1, 1, 0), ["STRATEGY_TICK", "FILL"]),
    ]


def test_what_no_bar_follows_belongs_to_the_close() -> None:
    """With everything behind the stop."""
    assert cut(START, tick(3), NEWS, STOP, tick(4))[-2:] == [
        ((1, 3, 0), ["STRATEGY_TICK"]),
        ((2, 0, 0), ["RECONCILED", "SESSION_STOP", "STRATEGY_TICK"]),
    ]
    assert cut(tick(3), NEWS)[-1] == ((2, 0, 0), ["RECONCILED"])
    assert cut(event("REJECTED")) == [((2, 0, 0), ["REJECTED"])]
    assert cut() == []


def test_what_comes_before_the_first_bar_is_the_start() -> None:
    """A run that was stopped before it stepped has a start and a close."""
    assert cut(NEWS, tick(0)) == [((0, 0, 0), ["RECONCILED"]), ((1, 0, 0), ["STRATEGY_TICK"])]
    assert cut(START, STOP) == [((0, 0, 0), ["SESSION_START"]), ((2, 0, 0), ["SESSION_STOP"])]


def test_a_bar_that_goes_back_stays_where_it_came() -> None:
    """The keys never go back."""
    assert cut(tick(5), tick(2), tick(6)) == [
        ((1, 5, 0), ["STRATEGY_TICK", "STRATEGY_TICK"]),
        ((1, 6, 0), ["STRATEGY_TICK"]),
    ]


def test_ticks_that_name_no_bar_are_counted() -> None:
    """Each begins the next one; a bar that is no integer is none."""
    odd = event("STRATEGY_TICK", bar_index="7")
    assert [key for key, _ in cut(START, event("STRATEGY_TICK"), odd, event("STRATEGY_TICK", bar_index=True))] == [
        (0, 0, 0),
        (1, 0, 0),
        (1, 1, 0),
        (1, 2, 0),
    ]


@pytest.mark.parametrize("events", [[tick(1)] * 7, [START] * 7, [NEWS] * 7, [STOP] * 7])
def test_a_step_is_bounded(events: Sequence[Event], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much for one part goes on in the next."""
    monkeypatch.setattr(module, "MAX_EVENTS", 2)
    sizes = [len(kinds) for _, kinds in cut(*events)]
    assert (sum(sizes), max(sizes)) == (7, 2)
    keys = [key for key, _ in cut(*events)]
    assert keys == sorted(set(keys))
    monkeypatch.setattr(module, "MAX_EVENTS", 1000)
    monkeypatch.setattr(module, "MAX_BYTES", 1)
    assert [len(kinds) for _, kinds in cut(*events)] == [1] * 7


def test_steps_of_two_runs_stand_side_by_side() -> None:
    """Whichever has one that the other has not."""
    a, b = [START, tick(1), tick(2), STOP], [tick(2), tick(3), STOP]
    pairs = [
        [[one.bar_index for one in side] for side in pair]
        for pair in side_by_side(steps(a), steps(b))
        if pair[0] or pair[1]
    ]
    assert pairs == [[[None], []], [[1], []], [[2], [2]], [[], [3]], [[None], [None]]]
