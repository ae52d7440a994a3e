"""A long series as pictures need it: each point of a short one, the outlines of a long one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

MAX_POINTS = 8192
"""Most points of a series."""


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
