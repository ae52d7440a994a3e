"""The events of a run in steps, and the steps of two runs side by side."""

from collections.abc import Sequence

import pytest

from c2lib.witness import align as module
from c2lib.witness.align import Line, side_by_side, steps
from tests.witness.event_lines import event, fill, tick

START, STOP = event("SESSION_START"), event("SESSION_STOP")
NEWS = event("RECONCILED", mismatches=[])


def cut(*events: Line) -> list[tuple[tuple[int, int, int], list[str]]]:
    """Return the steps of some events, those without an event left out."""
    return [(key, [one.kind for one in here]) for key, here in steps(events) if here]


def test_event_belongs_to_its_bar() -> None:
    """An event belongs to the bar that its payload names, and an event without a bar to the bar before."""
    assert cut(START, tick(0), NEWS, tick(1), fill("c", 1)) == [
        ((0, 0, 0), ["SESSION_START"]),
        ((1, 0, 0), ["STRATEGY_TICK", "RECONCILED"]),
        ((1, 1, 0), ["STRATEGY_TICK", "FILL"]),
    ]


def test_last_events_belong_to_close() -> None:
    """Events after the last bar belong to the close, and so does everything after SESSION_STOP."""
    assert cut(START, tick(3), NEWS, STOP, tick(4))[-2:] == [
        ((1, 3, 0), ["STRATEGY_TICK"]),
        ((2, 0, 0), ["RECONCILED", "SESSION_STOP", "STRATEGY_TICK"]),
    ]
    assert cut(tick(3), NEWS)[-1] == ((2, 0, 0), ["RECONCILED"])
    assert cut(event("REJECTED")) == [((2, 0, 0), ["REJECTED"])]
    assert cut() == []


def test_first_events_belong_to_start() -> None:
    """Events before the first bar are the start, and a run without a step has a start and a close."""
    assert cut(NEWS, tick(0)) == [((0, 0, 0), ["RECONCILED"]), ((1, 0, 0), ["STRATEGY_TICK"])]
    assert cut(START, STOP) == [((0, 0, 0), ["SESSION_START"]), ((2, 0, 0), ["SESSION_STOP"])]


def test_bars_never_go_back() -> None:
    """An event of an earlier bar stays in the current step, so that the keys of steps never go back."""
    assert cut(tick(5), tick(2), tick(6)) == [
        ((1, 5, 0), ["STRATEGY_TICK", "STRATEGY_TICK"]),
        ((1, 6, 0), ["STRATEGY_TICK"]),
    ]


def test_ticks_without_bar_count() -> None:
    """Each tick without a bar_index, or with one that is no integer, begins the next bar."""
    odd = event("STRATEGY_TICK", bar_index="7")
    assert [key for key, _ in cut(START, event("STRATEGY_TICK"), odd, event("STRATEGY_TICK", bar_index=True))] == [
        (0, 0, 0),
        (1, 0, 0),
        (1, 1, 0),
        (1, 2, 0),
    ]


@pytest.mark.parametrize("events", [[tick(1)] * 7, [START] * 7, [NEWS] * 7, [STOP] * 7])
def test_steps_are_bounded(events: Sequence[Line], monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of too many events or bytes is cut into several."""
    monkeypatch.setattr(module, "MAX_EVENTS", 2)
    sizes = [len(kinds) for _, kinds in cut(*events)]
    assert (sum(sizes), max(sizes)) == (7, 2)
    keys = [key for key, _ in cut(*events)]
    assert keys == sorted(set(keys))
    monkeypatch.setattr(module, "MAX_EVENTS", 1000)
    monkeypatch.setattr(module, "MAX_BYTES", 1)
    assert [len(kinds) for _, kinds in cut(*events)] == [1] * 7


def test_steps_are_paired_by_key() -> None:
    """The steps of two runs are paired by their bars, with an empty side where one run lacks a step."""
    a, b = [START, tick(1), tick(2), STOP], [tick(2), tick(3), STOP]
    pairs = [
        [[one.bar_index for one in side] for side in pair]
        for pair in side_by_side(steps(a), steps(b))
        if pair[0] or pair[1]
    ]
    assert pairs == [[[None], []], [[1], []], [[2], [2]], [[], [3]], [[None], [None]]]
