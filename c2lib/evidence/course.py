"""What a run went through, in words of a draft: its bars and what its trades came to."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from c2lib.evidence.figures import Measured
from c2lib.witness.lines import at
from c2lib.witness.refold import decimal_text
from c2lib.witness.run import Run

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Course(NamedTuple):
    """The bars with a tick, the smallest interval between two neighbours, closed trades, money, and what was imported.

    ``first`` and ``last`` are the times of bars to the minute. What the log does not have is 0 or ``None``.
    """

    bars: int = 0
    first: str | None = None
    last: str | None = None
    interval: str | None = None
    trades: int = 0
    winning: int = 0
    pnl: str | None = None
    drawdown: str | None = None
    imports: Any = None


def course_of(run: Run, measured: Measured | None) -> Course:
    """Return the course of a run that was measured; an empty one where its log could not be read."""
    if measured is None:
        return Course()
    figures, times = measured.figures, [(index, datetime.fromisoformat(time)) for index, time, *_ in measured.bars]
    gaps = (later - earlier for (before, earlier), (after, later) in pairwise(times) if after == before + 1)
    first, last = (f"{times[end][1]:%Y-%m-%d %H:%M}" if times else None for end in (0, -1))
    fall = None if figures.pnl is None else decimal_text(figures.max_drawdown)
    pnl = None if figures.pnl is None else decimal_text(figures.pnl)
    interval, imports = _interval(min(gaps, default=timedelta(0))), at(run.manifest, "strategy", "imports")
    return Course(figures.bars, first, last, interval, figures.trades, figures.winning_trades, pnl, fall, imports)


def _interval(gap: timedelta) -> str | None:
    """Return an interval in its largest whole unit, ``None`` for one below a second.

    >>> _interval(timedelta(minutes=90)), _interval(timedelta(hours=4))
    ('90 min', '4 h')
    """
    seconds = int(gap.total_seconds())
    named = (f"{seconds // size} {unit}" for size, unit in _UNITS if seconds % size == 0)
    return next(named) if seconds > 0 else None
