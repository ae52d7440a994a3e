"""Validated bars, packed into a stream and streamed out of it again.

Rules kept here:

* a bar is six 64-bit integers, in chunks of columns; a chunk is written and read whole, so memory does not grow
  with the number of bars;
* bars are written once, in order, before the first is read; prices become ticks when they are read, for the
  grid may be known only then;
* every reader has its own place: reading goes by offset and moves nothing that is shared.

>>> import io
>>> from c2lib.market.prices import price_grid
>>> stream = io.BytesIO()
>>> spill = Spill(stream.write)
>>> spill.fill(iter([BarBlock(0, ([60], [10], [12], [9], [11], [5]))]))
>>> list(spill.bars(1, lambda size, offset: stream.getvalue()[offset : offset + size], price_grid("1")))
[Bar(bar_index=0, time=60, open=10, high=12, low=9, close=11, volume=5)]
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat
from operator import floordiv
from typing import NamedTuple

from c2lib.core.errors import OutputError
from c2lib.core.model import Bar
from c2lib.market.bars import BarBlock
from c2lib.market.prices import PriceGrid

_COLUMNS = len(Bar._fields) - 1
_INTEGER = "q"
_INTEGER_BYTES = array(_INTEGER).itemsize

ReadAt = Callable[[int, int], bytes]
"""Returns as many bytes as asked for first, from the offset asked for second."""

_make_bar = partial(tuple.__new__, Bar)


class _Chunk(NamedTuple):
    first: int
    bars: int
    scale: int


class Spill:
    """Bars put away in a stream; ``bar_count`` tells how many."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._chunks: list[_Chunk] = []
        self.bar_count = 0

    def fill(self, blocks: Iterable[BarBlock]) -> None:
        """Take in all bars."""
        for block in blocks:
            for column in block.columns:
                self._write(array(_INTEGER, column).tobytes())
            bars = len(block.columns[0])
            self._chunks.append(_Chunk(self.bar_count, bars, block.scale))
            self.bar_count += bars

    def bars(self, count: int, read_at: ReadAt, prices: PriceGrid) -> Iterator[Bar]:
        """Yield the first ``count`` bars, prices in ticks; raise :class:`OutputError` when the stream lost some."""
        bar_size = _COLUMNS * _INTEGER_BYTES
        for chunk in self._chunks:
            if chunk.first >= count:
                return
            data = read_at(chunk.bars * bar_size, chunk.first * bar_size)
            if len(data) != chunk.bars * bar_size:
                raise OutputError("the temporary file of the market data is shorter than what was written to it")
            numbers = array(_INTEGER, data)
            times, *grid, volumes = (numbers[at : at + chunk.bars] for at in range(0, len(numbers), chunk.bars))
            factor, divisor = prices.ratio(chunk.scale)
            ticks = grid if factor == divisor else [_in_ticks(column, factor, divisor) for column in grid]
            indices = range(chunk.first, min(count, chunk.first + chunk.bars))
            yield from map(_make_bar, zip(indices, times, *ticks, volumes, strict=False))


def _in_ticks(column: Iterable[int], factor: int, divisor: int) -> Iterable[int]:
    # a chunk that stands at the final scale already is the rule, and worth a multiplication saved
    finest = column if factor == 1 else map(factor.__mul__, column)
    return map(floordiv, finest, repeat(divisor))
