"""Bars, orders and fills of a run as pictures need them: each of a short run, the outlines of a long one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any

from c2lib.core.contract import SIDES
from c2lib.core.vocabulary import EventKind
from c2lib.witness.events import Event
from c2lib.witness.refold import Books, decimal_text
from c2lib.witness.summary import RunSummary

MAX_POINTS = 8192
"""Most points of a series; of orders and fills, those of a side are a series."""


@dataclass(frozen=True, slots=True)
class BarPoint:
    """A bar that has a tick, with position and equity after it; prices, quantities and money are decimal text."""

    bar_index: int
    bar_time: str
    close: str
    position: str
    equity: str


@dataclass(frozen=True, slots=True)
class OrderPoint:
    """An order where it was submitted: its bar, its side, and the last close before it."""

    bar_index: int
    side: str
    close: str


@dataclass(frozen=True, slots=True)
class FillPoint:
    """A fill: its bar, its side and its price."""

    bar_index: int
    side: str
    price: str


@dataclass(frozen=True, slots=True)
class RunSeries:
    """Points in the order of the log; ``totals`` counts what there was: ``bars``, ``BUY orders``, ``SELL fills``."""

    summary: RunSummary
    bars: tuple[BarPoint, ...] = ()
    orders: tuple[OrderPoint, ...] = ()
    fills: tuple[FillPoint, ...] = ()
    totals: Mapping[str, int] = field(default_factory=Counter)


class Thinned:
    """A series of at most :data:`MAX_POINTS` points: all of them, or the outlines of buckets of neighbours.

    A bucket keeps its last point and, by each key, its least and its greatest; the first bucket also its first. Its
    size doubles until the points are few enough. A point is a tuple, a key an index into it.

    >>> series = Thinned(0)
    >>> for at in range(20_000):
    ...     series.add((at % 100,))
    >>> series.total, len(series.points()) <= MAX_POINTS, min(series.points()), max(series.points())
    (20000, True, (0,), (99,))
    """

    def __init__(self, *keys: int) -> None:
        self.total = 0
        self._keys = [itemgetter(key + 1) for key in keys]
        self._kept: list[tuple[Any, ...]] = []
        self._size = 1

    def add(self, point: tuple[Any, ...]) -> None:
        """Take the next point in."""
        self._kept.append((self.total, *point))
        self.total += 1
        if len(self._kept) > MAX_POINTS:
            while len(self._kept) > MAX_POINTS // 2:
                self._size *= 2
                self._merge()

    def points(self) -> list[tuple[Any, ...]]:
        """Return the points that are left."""
        if self._size > 1:
            self._merge()
        return [point[1:] for point in self._kept]

    def _merge(self) -> None:
        buckets = groupby(self._kept, key=lambda point: point[0] // self._size)
        self._kept = [point for _, bucket in buckets for point in self._outline(list(bucket))]

    def _outline(self, bucket: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        ends = [bucket[-1], *(bucket[:1] if bucket[0][0] == 0 else ())]
        extremes = [pick(bucket, key=key) for key in self._keys for pick in (min, max)]
        return sorted({point[0]: point for point in (*ends, *extremes)}.values())


class SeriesCollector:
    """Collects the series of a run."""

    def __init__(self) -> None:
        self._bars = Thinned(2, 3, 4)
        self._orders = {side: Thinned(2) for side in SIDES}
        self._fills = {side: Thinned(2) for side in SIDES}

    def take(self, event: Event, books: Books) -> None:
        """Take the next event in, with the books after it."""
        if event.kind == EventKind.STRATEGY_TICK:
            index, time, close, _ = event.values
            self._bars.add((index, time, close, books.position, books.equity))
        elif event.kind == EventKind.ORDER_SUBMITTED and books.mark is not None:
            index, _, _, _, _, side, *_ = event.values
            self._orders[side].add((index, side, books.mark))
        elif event.kind == EventKind.FILL:
            index, *_, price, _, side, _ = event.values
            self._fills[side].add((index, side, price))

    def series(self, summary: RunSummary) -> RunSeries:
        """Return the series of a run with this summary."""
        totals = {"bars": self._bars.total}
        totals |= {f"{side} orders": thinned.total for side, thinned in self._orders.items()}
        totals |= {f"{side} fills": thinned.total for side, thinned in self._fills.items()}
        orders, fills = _as(OrderPoint, *self._orders.values()), _as(FillPoint, *self._fills.values())
        return RunSeries(summary, _as(BarPoint, self._bars), orders, fills, totals)


def _as(kind: Any, *series: Thinned) -> tuple[Any, ...]:
    points = sorted((point for thinned in series for point in thinned.points()), key=itemgetter(0))
    return tuple(kind(*[decimal_text(value) if isinstance(value, Decimal) else value for value in p]) for p in points)
