"""Validated bars, packed into a stream and streamed out of it again.

Rules kept here:

* a bar is seven 64-bit integers; they are written and read in chunks, so memory does not grow with their number;
* bars are written once, in order, before the first is read; prices become ticks when they are read, for the
  grid may be known only then;
* every reader has its own place: reading goes by offset and moves nothing that is shared.

>>> import io
>>> stream = io.BytesIO()
>>> spill = Spill(stream.write)
>>> spill.fill(iter([(0, 60, 10, 12, 9, 11, 5)]), PriceCells("1"))
>>> list(spill.bars(1, lambda size, offset: stream.getvalue()[offset : offset + size], PriceCells("1")))
[Bar(bar_index=0, time=60, open=10, high=12, low=9, close=11, volume=5)]
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from c2lib.core.errors import OutputError
from c2lib.core.model import Bar
from c2lib.market.cells import PriceCells
from c2lib.market.csv_rows import BarRow

CHUNK_BARS = 8192
"""Most bars of a chunk."""

_FIELDS = len(Bar._fields)
_RECORD = struct.Struct(f"<{_FIELDS}q")

ReadAt = Callable[[int, int], bytes]
"""Returns as many bytes as asked for first, from the offset asked for second."""

_make_bar = partial(tuple.__new__, Bar)


class _Chunk(NamedTuple):
    offset: int
    bars: int
    scale: int


class Spill:
    """Bars put away in a stream; ``bar_count`` tells how many."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._chunks: list[_Chunk] = []
        self.bar_count = 0

    def fill(self, rows: Iterable[BarRow], prices: PriceCells) -> None:
        """Take in all rows; their prices stand at the scale that ``prices`` has when they come."""
        flat: list[int] = []
        scale = prices.scale
        full = CHUNK_BARS * _FIELDS
        for row in rows:
            if prices.scale != scale or len(flat) >= full:
                self._put(flat, scale)
                flat.clear()
                scale = prices.scale
            flat += row
        self._put(flat, scale)

    def _put(self, flat: list[int], scale: int) -> None:
        bars = len(flat) // _FIELDS
        if bars:
            self._write(struct.pack(f"<{len(flat)}q", *flat))
            self._chunks.append(_Chunk(self.bar_count * _RECORD.size, bars, scale))
            self.bar_count += bars

    def bars(self, count: int, read_at: ReadAt, prices: PriceCells) -> Iterator[Bar]:
        """Yield the first ``count`` bars, prices in ticks; raise :class:`OutputError` when the stream lost some."""
        left = count
        for chunk in self._chunks:
            size = min(chunk.bars, left) * _RECORD.size
            if size <= 0:
                return
            data = read_at(size, chunk.offset)
            if len(data) != size:
                raise OutputError("the temporary file of the market data is shorter than what was written to it")
            yield from _in_ticks(data, *prices.ratio(chunk.scale))
            left -= chunk.bars


def _in_ticks(data: bytes, factor: int, divisor: int) -> Iterator[Bar]:
    records = _RECORD.iter_unpack(data)
    if factor == divisor:
        return map(_make_bar, records)
    if factor == 1:
        return (
            _make_bar((index, time, start // divisor, high // divisor, low // divisor, close // divisor, volume))
            for index, time, start, high, low, close, volume in records
        )
    return (
        _make_bar((index, time, *(price * factor // divisor for price in prices), volume))
        for index, time, *prices, volume in records
    )
