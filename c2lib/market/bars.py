"""Cells of a market file as checked bars: blocks of rows, column by column, which is what makes it fast.

In a bar low ≤ open, close ≤ high, in ticks, and each bar lies after the one before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from operator import le, lt
from typing import Any, NamedTuple

from c2lib.core.clock import micros_text
from c2lib.core.text import quoted
from c2lib.market.cells import CellError, PriceGrid, VolumeCells

TIME_NAMES = ("timestamp", "date", "timestamp_utc")
OTHER_TIME_NAMES = ("datetime", "time")
"""Names of the time where no column has one of :data:`TIME_NAMES`."""

PRICE_NAMES = ("open", "high", "low", "close")
BAR_NAMES = (*PRICE_NAMES, "volume")

_NO_TIME = -(2**63)
_LOWER_UPPER = (("low", "high"), ("open", "high"), ("close", "high"), ("low", "open"), ("low", "close"))

Cells = Sequence[Sequence[Any]]
"""The cells of some rows: the columns time, open, high, low, close and, where the file has one, volume."""


class Columns(NamedTuple):
    """The columns of a file, and where each of a bar stands.

    The places are those of time, perhaps clock (the time of day), open, high, low, close and perhaps volume.
    """

    names: Sequence[str]
    places: Mapping[str, int]

    def label(self, role: str) -> str:
        """Return how a message calls a column of a bar."""
        index = self.places[role]
        if not self.names[index]:
            return f"column {index + 1} ({role})"
        if role == "time" and "clock" in self.places:
            return f"columns {quoted(self.names[index])} and {quoted(self.names[self.places['clock']])}"
        return f"column {quoted(self.names[index])}"

    def bars(self, cells: Sequence[Sequence[Any]]) -> Cells:
        """Return the cells of a bar from those of each place: a date and a time of day are one time."""
        if "clock" not in self.places:
            return cells
        dates, clocks, *others = cells
        return [[f"{date} {clock}" for date, clock in zip(dates, clocks, strict=True)], *others]


def column_name(cell: str) -> str:
    """Return a column's name as it is compared: letter case, spaces around it and angle brackets do not matter."""
    return cell.strip(" <>").lower()


def find_columns(cells: Sequence[str], unnamed_time: int | None) -> Columns:
    """Return where the columns of a bar stand.

    Args:
        cells: The names of the file's columns.
        unnamed_time: Where the time stands when no column has a name of a time, ``None`` for nowhere.

    Raises:
        CellError: The names do not say it.
    """
    names = list(map(column_name, cells))
    missing = [name for name in PRICE_NAMES if name not in names]
    if missing:
        found = ", ".join(quoted(name) for name in cells[:10]) or "none"
        hint = "name the columns; in a CSV file the first line does, or each row begins with the time and these four"
        raise CellError(f"no column is named {' or '.join(missing)}; found {found}", hint)
    for name, count in Counter(names).items():
        if name and count > 1:
            raise CellError(f"column {quoted(name)} stands {count} times", "names differ by more than letter case")
    times = [index for index, name in enumerate(names) if name in TIME_NAMES]
    if len(times) > 1:
        both = " and ".join(quoted(names[index]) for index in times)
        raise CellError(f"columns {both} could each be the time", "rename all but one of them")
    others = [names.index(name) for name in OTHER_TIME_NAMES if name in names]
    time = next(iter(times or others), unnamed_time)
    if time is None or names[time] in BAR_NAMES:
        raise CellError("no column is the time", f"name it {', '.join(TIME_NAMES)} or {' or '.join(OTHER_TIME_NAMES)}")
    clock = {"clock": names.index("time")} if names[time] == "date" and "time" in names else {}
    places = {name: names.index(name) for name in BAR_NAMES if name in names}
    return Columns([cell.strip() for cell in cells], {"time": time} | clock | places)


class BarBlock(NamedTuple):
    """Some bars, column by column: microseconds of epoch, open, high, low, close at ``scale``, lots."""

    scale: int
    columns: tuple[list[int], ...]


class CellTable(NamedTuple):
    """The cells of a file; in messages the file has a name, and its rows are called a unit and counted from the first.

    ``micros`` returns the times of cells in microseconds; it and ``blocks`` raise :class:`CellError`.
    """

    file: str
    columns: Columns
    micros: Callable[[Any], list[int]]
    blocks: Iterator[Cells]
    first: int
    unit: str


@dataclass
class BarReader:
    """Turns the cells of a file into checked bars, with prices on a grid and volumes in lots."""

    table: CellTable
    prices: PriceGrid
    volumes: VolumeCells
    _last_time: int = _NO_TIME

    def bars(self) -> Iterator[BarBlock]:
        """Yield the bars; raise :class:`MarketDataError` for the first row that is none.

        Behind float noise the rest is read for the flags that read all of it, or for what no flag mends.
        """
        table, prices, row, noise = self.table, self.prices, self.table.first, None
        try:
            for cells in table.blocks:
                block = self._read(cells)
                if prices.noise is None:
                    yield block
                elif noise is None:
                    noise = self._named(prices.noise, cells, row - table.first)
                row += len(cells[0])
            if noise is not None:
                row = table.first
                raise replace(noise, hint=prices.advice())
        except CellError as error:
            raise error.at(table.file, row, table.unit) from None

    def _read(self, cells: Cells) -> BarBlock:
        mark = self.prices.mark()
        try:
            return self._block(cells)
        except CellError:
            self.prices.reset(mark)
        # read again row by row, since the error of a block need not be that of its first row at fault
        raise next(filter(None, map(self._row_error, repeat(cells), range(len(cells[0])))))

    def _row_error(self, cells: Cells, index: int) -> CellError | None:
        row = [column[index : index + 1] for column in cells]
        try:
            self._block(row)
        except CellError as error:
            return self._named(error, row, index)
        return None

    def _named(self, error: CellError, cells: Cells, before: int) -> CellError:
        """Return an error with its column and, counted from ``before``, its row."""
        role, row = error.role, 0
        if role == "price":
            texts = [list(map(str, column)) for column in cells[1:5]]
            row, place = min(
                (column.index(error.text), place) for place, column in enumerate(texts) if error.text in column
            )
            role = PRICE_NAMES[place]
        time = cells[0][0]
        text = f"{quoted(time)} " if role == "time" and isinstance(time, str) else ""
        return replace(error, problem=f"{self.table.columns.label(role)}: {text}{error.problem}", row=before + row)

    def _block(self, cells: Cells) -> BarBlock:
        time_cells, *price_cells = cells[:5]
        prices, scale = self.prices, -1
        times = self.table.micros(time_cells)
        volumes = list(map(self.volumes.__getitem__, cells[5])) if len(cells) > 5 else [0] * len(times)
        while scale != prices.scale:
            # once more when a price was finer than all before it, so that all stand at the same scale
            scale = prices.scale
            start, high, low, close = (list(map(prices.__getitem__, column)) for column in price_cells)
        inside = (map(le, low, start), map(le, start, high), map(le, low, close), map(le, close, high))
        if not all(map(all, inside)):
            raise _shape_error(price_cells, (start[0], high[0], low[0], close[0]))
        later = list(map(lt, chain((self._last_time,), times), times))
        if not all(later):
            at = later.index(False)
            last = (self._last_time, *times)[at]
            # a text is quoted by the message anyway
            shown = "" if isinstance(time_cells[at], str) else f"{micros_text(times[at])} "
            hint = "give each bar the time that is its own" if times[at] == last else "sort the file by time"
            raise CellError(f"{shown}is not after {micros_text(last)}, the bar before it", hint, "time")
        self._last_time = times[-1]
        return BarBlock(scale, (times, start, high, low, close, volumes))


def _shape_error(cells: Cells, prices: tuple[int, ...]) -> CellError:
    """Return what is wrong with the first row."""
    price = dict(zip(PRICE_NAMES, prices, strict=True))
    text = {name: quoted(str(column[0])) for name, column in zip(PRICE_NAMES, cells, strict=True)}
    # sound when the first row is, though another one is not: the rows are read again one by one
    lower, upper = next((pair for pair in _LOWER_UPPER if price[pair[0]] > price[pair[1]]), _LOWER_UPPER[0])
    problem, hint = f"{upper} {text[upper]} is below {lower} {text[lower]}", "high and low enclose open and close"
    return CellError(problem, hint, "high" if upper == "high" else "low")
