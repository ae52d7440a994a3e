"""The figures of a run, exact, and the points that its pictures draw: made of its rows, in memory that does not grow.

What each figure means, with its formula, stands in ``docs/figures.md``. Points are binary floats, for drawing alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Context, Decimal
from itertools import pairwise
from operator import itemgetter
from typing import Any

from c2lib.witness.lines import at
from c2lib.witness.run import Run
from c2lib.witness.series import Thinned

MOST_MARKS = 500
"""Most fills that are drawn one by one; of more, how many there were in each of :data:`BINS` parts of the run."""

BINS = 120

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
EXACT = Context(prec=2400)
_add, _subtract = EXACT.add, EXACT.subtract
_divide = Context(prec=28).divide
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run came to, in money of the quote currency, trades and bars; ratios have 28 digits.

    A figure is ``None`` where it has no meaning: a rate without trades, a profit factor without a losing trade,
    exposure without bars, a drawdown's share without a drawdown, profit and loss without a session.
    """

    pnl: Decimal | None = None
    trades: int = 0
    winning_trades: int = 0
    win_rate: Decimal | None = None
    profit_factor: Decimal | None = None
    max_drawdown: Decimal = _ZERO
    max_drawdown_share: Decimal | None = None
    bars: int = 0
    exposure: Decimal | None = None
    fees: Decimal = _ZERO


@dataclass(frozen=True, slots=True)
class Measured:
    """A run's figures and points, and what its strategy's file imports; nothing, where its log could not be read.

    ``bars`` are ``(bar_index, bar_time, close, position, pnl)``, ``trades`` ``(bar_index of the exit, pnl)``, both
    thinned; ``fills`` are ``(bar_index, price)`` by side, and ``density`` is how many fills of each side lie in each
    part of ``bin_width`` bars, where there are more than :data:`MOST_MARKS`; ``fill_counts`` counts them by side.
    """

    figures: Figures = Figures()
    bars: tuple[tuple[int, str, float, float, float], ...] = ()
    trades: tuple[tuple[int, float], ...] = ()
    fills: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    fill_counts: Mapping[str, int] = field(default_factory=Counter)
    density: Mapping[tuple[str, int], int] = field(default_factory=dict)
    bin_width: int = 1
    imports: Any = None

    @property
    def period(self) -> tuple[str, ...]:
        """The time of the first bar and of the last, to the minute; one where they are the same, none without bars."""
        return tuple(dict.fromkeys(bar[1][:16].replace("T", " ") for bar in (*self.bars[:1], *self.bars[-1:])))

    @property
    def interval(self) -> str | None:
        """The smallest interval between two neighbours in its largest whole unit; ``None`` for one below a second."""
        times = [(bar[0], datetime.fromisoformat(bar[1])) for bar in self.bars]
        gaps = (later - earlier for (before, earlier), (after, later) in pairwise(times) if after == before + 1)
        seconds = int(min(gaps, default=timedelta(0)).total_seconds())
        named = (f"{seconds // size} {unit}" for size, unit in _UNITS if seconds % size == 0)
        return next(named) if seconds > 0 else None


def measure(run: Run) -> Measured:
    """Return the figures and the points of a run; raise :class:`RunPathError` when its log cannot be read."""
    bars, facts = _bars(run)
    trades, results = _trades(run)
    made = Figures(pnl=profit(run), fees=Decimal(run.summary.fees), **facts, **results)
    many = run.summary.fills > MOST_MARKS
    fills: dict[str, list[tuple[int, float]]] = {}
    counts, density = Counter[str](), Counter[tuple[str, int]]()
    first, last = (bars[0][0], bars[-1][0]) if bars else (0, 0)
    width = max(math.ceil((last - first + 1) / BINS), 1)
    for row in run.fills():
        counts[row.side] += 1
        if many:
            density[row.side, (row.bar_index - first) // width] += 1
        else:
            fills.setdefault(row.side, []).append((row.bar_index, float(row.price)))
    kept = {side: tuple(points) for side, points in fills.items()}
    imports = at(run.manifest, "strategy", "imports")
    return Measured(made, bars, trades, kept, counts, density, width, imports)


def profit(run: Run) -> Decimal | None:
    """Return the money that a run made or lost, ``None`` where its log does not begin with a session's start."""
    cash = run.summary.initial_cash
    return None if cash is None else _subtract(Decimal(run.summary.equity), Decimal(cash))


def _bars(run: Run) -> tuple[tuple[Any, ...], dict[str, Any]]:
    points = Thinned(2, 3, 4)
    cash = Decimal(run.summary.initial_cash or "0")
    peak, deepest, top, held = cash, _ZERO, _ZERO, 0
    for row in run.equity():
        equity = Decimal(row.equity)
        peak = max(peak, equity)
        deepest, top = max((deepest, top), (_subtract(peak, equity), peak), key=itemgetter(0))
        held += row.position != "0"
        pnl = float(_subtract(equity, cash))
        points.add((row.bar_index, row.bar_time, float(row.close), float(row.position), pnl))
    # the last fills and the last close may be those of a bar without a tick
    deepest, top = max((deepest, top), (_subtract(peak, Decimal(run.summary.equity)), peak), key=itemgetter(0))
    exposure = _ratio(Decimal(held), Decimal(points.total))
    facts = {"max_drawdown": deepest, "max_drawdown_share": _ratio(deepest, top), "exposure": exposure}
    return tuple(points.points()), {**facts, "bars": points.total}


def _trades(run: Run) -> tuple[tuple[Any, ...], dict[str, Any]]:
    points = Thinned(1)
    won = lost = _ZERO
    winning = 0
    for row in run.round_trips():
        pnl = Decimal(row.pnl)
        points.add((row.exit_bar, float(pnl)))
        winning += pnl > _ZERO
        won, lost = (_add(won, pnl), lost) if pnl > _ZERO else (won, _subtract(lost, pnl))
    rate, factor = _ratio(Decimal(winning), Decimal(points.total)), _ratio(won, lost)
    results = {"trades": points.total, "winning_trades": winning, "win_rate": rate, "profit_factor": factor}
    return tuple(points.points()), results


def _ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    return _divide(part, whole) if whole > _ZERO else None
