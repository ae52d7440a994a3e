"""The phases and statuses of a run as bands over the events emitted so far.

Rules kept here:

* a band begins where its phase or status was entered and ends where the next one was, the last at the last event;
* what a damaged log tells is told as it is: nothing is sorted, joined or left out.

>>> [(band.label, band.start, band.end) for band in status_bands(RunSummary(statuses=(("INIT", 0), ("RUNNING", 1))), 9)]
[('INIT', 0, 1), ('RUNNING', 1, 9)]
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from c2lib.witness.facts import RunSummary


class Band(NamedTuple):
    """A phase or a status from one number of events to another, and what led to it."""

    label: str
    start: int
    end: int
    note: str


def event_total(summary: RunSummary) -> int:
    """Return the number of events that the bands of a run lie over."""
    moments = [move.ts_sim for move in summary.phases] + [events for _, events in summary.statuses]
    return max([*moments, sum(summary.event_counts.values())], default=0)


def phase_bands(summary: RunSummary, last: int) -> list[Band]:
    """Return a band for the first phase and for each move, up to ``last`` events."""
    moves = summary.phases
    if not moves:
        return []
    starts = [*(move.ts_sim for move in moves), last]
    first = Band(moves[0].before, 0, starts[0], "")
    rest = (
        Band(move.after, start, end, f"{move.trigger} at ts_sim {start}")
        for move, (start, end) in zip(moves, pairwise(starts), strict=True)
    )
    return [first, *rest]


def status_bands(summary: RunSummary, last: int) -> list[Band]:
    """Return a band for each snapshot, up to ``last`` events."""
    starts = [*(events for _, events in summary.statuses), last]
    return [
        Band(status, start, end, f"at ts_sim {start}")
        for (status, _), (start, end) in zip(summary.statuses, pairwise(starts), strict=True)
    ]
