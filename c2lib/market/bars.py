"""Cells of a market file as bars of integers, or the one row and column that forbids it.

Rules kept here, whatever kind of file the cells come from:

* low ≤ open, close ≤ high, in ticks; each bar lies after the one before it;
* cells come and bars go in blocks, column by column, which is what makes it fast; a block that cannot be used is
  read again row by row, so that the first row at fault is the one that is named.

>>> from c2lib.core.text import quoted
from c2lib.market.cells import TimeCells
>>> from c2lib.market.bars import find_columns
>>> from c2lib.core.text import quoted
from c2lib.market.cells import price_grid
>>> columns = find_columns(["Date", "Open", "High", "Low", "Close"], 0)
>>> reader = BarReader(columns, TimeCells().micros, price_grid("0.5"), VolumeCells("1"))
>>> reader.read(Cells(["1970-01-01 00:01"], ["10.5"], ["11"], ["10"], ["10.5"], None))
BarBlock(scale=1, columns=([60000000], [105], [110], [100], [105], [0]))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from operator import le, lt
from typing import Any, NamedTuple

from c2lib.core.clock import micros_text
from c2lib.core.text import quoted
from c2lib.market.cells import CellError, PriceGrid, VolumeCells

_NO_TIME = -(2**63)


class Cells(NamedTuple):
    """The cells of some rows, column by column; without ``volumes`` they are 0."""

    times: Sequence[Any]
    opens: Sequence[Any]
    highs: Sequence[Any]
    lows: Sequence[Any]
    closes: Sequence[Any]
    volumes: Sequence[Any] | None = None

    @property
    def prices(self) -> tuple[Sequence[Any], ...]:
        """The columns open, high, low, close."""
        return self.opens, self.highs, self.lows, self.closes

    def row(self, index: int) -> Cells:
        """Return one row of them."""
        return Cells(*(column[index : index + 1] for column in self if column is not None))


class BarBlock(NamedTuple):
    """Some bars, column by column: microseconds of epoch, open, high, low, close at ``scale``, lots."""

    scale: int
    columns: tuple[list[int], ...]


class BarReader:
    """Turns the cells of one file into bars.

    ``micros`` returns the times of cells and raises :class:`CellError` when one has none.
    """

    def __init__(
        self, columns: Columns, micros: Callable[[Any], list[int]], prices: PriceGrid, volumes: VolumeCells
    ) -> None:
        self._columns = columns
        self._micros = micros
        self._prices = prices
        self._volumes = volumes
        self._last_time = _NO_TIME

    def read(self, cells: Cells) -> BarBlock:
        """Return the next bars; raise :class:`CellError`, with its ``row``, for the first row that is none."""
        mark = self._prices.mark()
        try:
            return self._bars(cells)
        except CellError:
            self._prices.reset(mark)
        complaints = map(self._complaint, repeat(cells), range(len(cells.times)))
        raise next(filter(None, complaints))

    def _complaint(self, cells: Cells, index: int) -> CellError | None:
        row = cells.row(index)
        try:
            self._bars(row)
        except CellError as error:
            label = self._columns.label(self._blamed(error, row))
            text = f"{quoted(row.times[0])} " if error.role == "time" and isinstance(row.times[0], str) else ""
            return CellError(f"{label}: {text}{error.problem}", hint=error.hint, row=index)
        return None

    def _bars(self, cells: Cells) -> BarBlock:
        prices, scale = self._prices, -1
        times = self._micros(cells.times)
        volumes = [0] * len(times) if cells.volumes is None else list(map(self._volumes.__getitem__, cells.volumes))
        while scale != prices.scale:
            # once more when a price was finer than all before it, so that all stand at the same scale
            scale = prices.scale
            start, high, low, close = (list(map(prices.__getitem__, column)) for column in cells.prices)
        inside = (map(le, low, start), map(le, start, high), map(le, low, close), map(le, close, high))
        if not all(map(all, inside)):
            raise _shape_error(cells, start[0], high[0], low[0], close[0])
        later = list(map(lt, chain((self._last_time,), times), times))
        if not all(later):
            at = later.index(False)
            raise _order_error(cells.times[at], times[at], (self._last_time, *times)[at])
        self._last_time = times[-1]
        return BarBlock(scale, (times, start, high, low, close, volumes))

    def _blamed(self, error: CellError, row: Cells) -> int:
        columns = self._columns
        if error.role == "price":
            texts = [str(cell) for (cell,) in row.prices]
            return columns.prices[texts.index(error.text)]
        if error.role in PRICE_NAMES:
            return columns.prices[PRICE_NAMES.index(error.role)]
        return columns.volume if error.role == "volume" and columns.volume is not None else columns.time


def _order_error(cell: object, time: int, last: int) -> CellError:
    shown = "" if isinstance(cell, str) else f"{micros_text(time)} "
    hint = "sort the file by time and drop what stands twice"
    return CellError(f"{shown}is not after {micros_text(last)}, the bar before it", hint=hint, role="time")


def _shape_error(cells: Cells, start: int, high: int, low: int, close: int) -> CellError:
    """Say what is wrong with the first row."""
    text = {name: quoted(str(column[0])) for name, column in zip(PRICE_NAMES, cells.prices, strict=True)}
    if high < low:
        upper, lower = "high", "low"
    elif high < max(start, close):
        upper, lower = "high", "open" if start > high else "close"
    else:
        upper, lower = "open" if start < low else "close", "low"
    problem = f"{upper} {text[upper]} is below {lower} {text[lower]}"
    blamed = "high" if upper == "high" else "low"
    return CellError(problem, hint="high and low enclose open and close", role=blamed)


TIME_NAMES = ("timestamp", "date", "timestamp_utc")
PRICE_NAMES = ("open", "high", "low", "close")
VOLUME_NAME = "volume"

_MAX_NAMES_SHOWN = 10


class Columns(NamedTuple):
    """Where in a row the cells of a bar stand; ``volume`` is ``None`` when the file has none."""

    names: tuple[str, ...]
    time: int
    prices: tuple[int, ...]
    volume: int | None

    @property
    def used(self) -> tuple[int, ...]:
        """Where the time, open, high, low, close and, when there is one, the volume stand."""
        return (self.time, *self.prices) if self.volume is None else (self.time, *self.prices, self.volume)

    def label(self, index: int) -> str:
        """Return how a message calls a column."""
        return f"column {quoted(self.names[index])}" if self.names[index] else f"column {index + 1}"


def find_columns(cells: Sequence[str], unnamed_time: int | None) -> Columns:
    """Return where the columns stand; raise :class:`CellError` when the names do not say it.

    ``unnamed_time`` is where the time stands when no column has a name of a time, ``None`` when nowhere.
    """
    names = [cell.strip().lower() for cell in cells]
    for name, count in Counter(names).items():
        if name and count > 1:
            raise CellError(f"column {quoted(name)} stands {count} times", hint="names differ by more than letter case")
    missing = [name for name in PRICE_NAMES if name not in names]
    if missing:
        found = ", ".join(quoted(name) for name in cells[:_MAX_NAMES_SHOWN]) or "none"
        raise CellError(
            f"no column is named {' or '.join(missing)}; found {found}",
            hint="name the columns; in a CSV file the first line does, with commas between",
        )
    return Columns(
        names=tuple(cell.strip() for cell in cells),
        time=_time_index(names, unnamed_time),
        prices=tuple(names.index(name) for name in PRICE_NAMES),
        volume=names.index(VOLUME_NAME) if VOLUME_NAME in names else None,
    )


def _time_index(names: Sequence[str], unnamed: int | None) -> int:
    named = [index for index, name in enumerate(names) if name in TIME_NAMES]
    if len(named) > 1:
        both = " and ".join(quoted(names[index]) for index in named)
        raise CellError(f"columns {both} could each be the time", hint="rename all but one of them")
    if named:
        return named[0]
    if unnamed is None or names[unnamed] in (*PRICE_NAMES, VOLUME_NAME):
        raise CellError("no column is the time", hint="name it timestamp, date or timestamp_utc")
    return unnamed
