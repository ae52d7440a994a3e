"""What a run went through: the bars that it saw and what its trades came to, read from its log."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Context, Decimal
from typing import Any, NamedTuple

from c2lib.core.errors import RunPathError
from c2lib.witness.manifest import at
from c2lib.witness.refold import decimal_text
from c2lib.witness.run import Run

_subtract = Context(prec=2400).subtract

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Course(NamedTuple):
    """The bars with a tick, the smallest interval between two neighbours, closed trades, money, and what was imported.

    ``first`` and ``last`` are the times of bars to the minute.
    What the log does not have is 0 or ``None``.
    """

    bars: int = 0
    first: str | None = None
    last: str | None = None
    interval: str | None = None
    trades: int = 0
    pnl: str | None = None
    drawdown: str | None = None
    imports: Any = None


def course_of(run: Run) -> Course:
    """Return the course of an open run; an empty one when its log or its initial cash cannot be read."""
    imports, cash = at(run.manifest, "strategy", "imports"), at(run.manifest, "config", "broker", "initial_cash")
    try:
        start, equity = Decimal(cash), Decimal(run.summary.equity)
        peak, fall, times, smallest = start, Decimal(0), list[str](), timedelta.max
        number, index = 0, -2
        for row in run.equity():
            number += 1
            peak = max(peak, Decimal(row.equity))
            fall = max(fall, _subtract(peak, Decimal(row.equity)))
            if row.bar_index == index + 1:
                gap = datetime.fromisoformat(row.bar_time) - datetime.fromisoformat(times[-1])
                smallest = min(smallest, gap)
            index, times = row.bar_index, [*times[:1], row.bar_time]
        trades = sum(1 for _ in run.round_trips())
    except (RunPathError, TypeError, ValueError, ArithmeticError):
        return Course()
    first, last = (time[:16].replace("T", " ") for time in (times[0], times[-1])) if times else (None, None)
    pnl = decimal_text(_subtract(equity, start))
    return Course(number, first, last, _interval(smallest), trades, pnl, decimal_text(fall), imports)


def _interval(gap: timedelta) -> str | None:
    """Return an interval in its largest whole unit, ``None`` for one that there is not.

    >>> _interval(timedelta(minutes=90)), _interval(timedelta(hours=4))
    ('90 min', '4 h')
    """
    seconds = int(gap.total_seconds())
    if gap == timedelta.max or seconds <= 0:
        return None
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds // size} {unit}"
