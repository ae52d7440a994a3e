"""Rows of a CSV file as bars of integers, or the one line and column that forbids it.

Rules kept here:

* the first line names the columns, in any letter case and order; no name stands twice; columns that are
  neither time nor OHLCV are ignored;
* the time is the column ``timestamp``, ``date`` or ``timestamp_utc``, else the first one; a file without
  volumes has volume 0;
* every row is whole and on one line; low ≤ open, close ≤ high; each bar lies after the one before it.

>>> lines = ["Date,Open,High,Low,Close", "2026-01-02,10.5,11,10,10.5"]
>>> list(read_bars(iter(lines), "day.csv", PriceCells("0.5"), VolumeCells("1")))
[(0, 1767312000000000, 105, 110, 100, 105, 0)]
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from c2lib.core.clock import micros_text
from c2lib.core.errors import MarketDataError
from c2lib.market.cells import CellError, PriceCells, TimeCells, VolumeCells, quoted

BarRow = tuple[int, int, int, int, int, int, int]
"""Bar index, microseconds of epoch, open, high, low, close at the scale of the prices, lots."""

TIME_NAMES = ("timestamp", "date", "timestamp_utc")
PRICE_NAMES = ("open", "high", "low", "close")
VOLUME_NAME = "volume"

_MAX_NAMES_SHOWN = 10
_NO_TIME = -(2**63)


class _NoVolume(dict[str, int]):
    """The volumes of a file that has none."""

    def __missing__(self, text: str) -> int:
        return 0


class Columns(NamedTuple):
    """Where in a row the cells of a bar stand; ``volume`` is ``None`` when the file has none."""

    names: tuple[str, ...]
    time: int
    prices: tuple[int, ...]
    volume: int | None

    def label(self, index: int) -> str:
        """Return how a message calls a column."""
        return f"column {quoted(self.names[index])}" if self.names[index] else f"column {index + 1}"


def read_header(cells: Sequence[str]) -> Columns:
    """Return where the columns stand; raise :class:`CellError` when the header does not say it."""
    names = [cell.strip().lower() for cell in cells]
    for name, count in Counter(names).items():
        if name and count > 1:
            raise CellError(f"column {quoted(name)} stands {count} times", hint="names differ by more than letter case")
    missing = [name for name in PRICE_NAMES if name not in names]
    if missing:
        found = ", ".join(quoted(name) for name in cells[:_MAX_NAMES_SHOWN]) or "none"
        raise CellError(
            f"the header lacks {', '.join(missing)}; found {found}",
            hint="the first line names the columns, separated by commas",
        )
    return Columns(
        names=tuple(cell.strip() for cell in cells),
        time=_time_index(names),
        prices=tuple(names.index(name) for name in PRICE_NAMES),
        volume=names.index(VOLUME_NAME) if VOLUME_NAME in names else None,
    )


def _time_index(names: Sequence[str]) -> int:
    named = [index for index, name in enumerate(names) if name in TIME_NAMES]
    if len(named) > 1:
        both = " and ".join(quoted(names[index]) for index in named)
        raise CellError(f"columns {both} could each be the time", hint="rename all but one of them")
    if not named and names[0] in (*PRICE_NAMES, VOLUME_NAME):
        raise CellError("the header lacks a time column", hint="name it timestamp, date or timestamp_utc")
    return named[0] if named else 0


class _BarParser:
    """Turns row after row into bars; raises :class:`CellError` naming the column."""

    def __init__(self, columns: Columns, prices: PriceCells, volumes: VolumeCells) -> None:
        self._columns = columns
        self._width = len(columns.names)
        self._prices = prices
        self._volumes: dict[str, int] = _NoVolume() if columns.volume is None else volumes
        volume_index = columns.time if columns.volume is None else columns.volume
        self._pick = itemgetter(columns.time, *columns.prices, volume_index)
        self._micros = TimeCells().micros
        self._last_time = _NO_TIME
        self._count = 0

    def parse(self, row: list[str]) -> BarRow:
        """Return the next bar."""
        if len(row) != self._width:
            raise self._width_error(len(row))
        prices, scale = self._prices, self._prices.scale
        when, open_text, high_text, low_text, close_text, volume_text = self._pick(row)
        try:
            time, volume = self._micros(when), self._volumes[volume_text]
            start, high, low, close = prices[open_text], prices[high_text], prices[low_text], prices[close_text]
            if prices.scale != scale:
                # a cell of this row is finer than all before it, so those left of it stand at the old scale
                start, high, low, close = prices[open_text], prices[high_text], prices[low_text], prices[close_text]
        except CellError as error:
            raise self._named(error, row) from None
        if not (low <= start <= high and low <= close <= high):
            raise self._shape_error(row, start, high, low, close)
        if time <= self._last_time:
            raise self._order_error(row)
        self._last_time = time
        index = self._count
        self._count = index + 1
        return index, time, start, high, low, close, volume

    def _width_error(self, found: int) -> CellError:
        if found == 0:
            return CellError("the line is empty", hint="remove it")
        hint = "the line is cut, or a cell holds a comma outside quotes"
        return CellError(f"has {found} cells where the header has {self._width}", hint=hint)

    def _named(self, error: CellError, row: list[str]) -> CellError:
        columns = self._columns
        index = columns.time
        if error.role == "volume" and columns.volume is not None:
            index = columns.volume
        elif error.role == "price":
            index = next(index for index in columns.prices if row[index] == error.text)
        return CellError(f"{columns.label(index)}: {error.problem}", hint=error.hint)

    def _shape_error(self, row: list[str], start: int, high: int, low: int, close: int) -> CellError:
        at = dict(zip(PRICE_NAMES, self._columns.prices, strict=True))
        if high < low:
            upper, lower = "high", "low"
        elif high < max(start, close):
            upper, lower = "high", "open" if start > high else "close"
        else:
            upper, lower = "open" if start < low else "close", "low"
        problem = f"{upper} {quoted(row[at[upper]])} is below {lower} {quoted(row[at[lower]])}"
        blamed = "high" if upper == "high" else "low"
        return CellError(f"{self._columns.label(at[blamed])}: {problem}", hint="high and low enclose open and close")

    def _order_error(self, row: list[str]) -> CellError:
        columns = self._columns
        last = micros_text(self._last_time)
        problem = f"{columns.label(columns.time)}: {quoted(row[columns.time])} is not after {last}, the bar before it"
        return CellError(problem, hint="sort the file by time and drop what stands twice")


def _open_quote() -> CellError:
    return CellError("a quote is opened and not closed", hint="a row stands on one line")


def read_bars(lines: Iterator[str], file: str, prices: PriceCells, volumes: VolumeCells) -> Iterator[BarRow]:
    """Yield the bars of a CSV file, given line by line, header first.

    ``file`` is its name in messages. The prices of a bar stand at the ``prices.scale`` of the moment in which it
    is yielded. Raises :class:`MarketDataError` at the first line that cannot be used.
    """
    reader = csv.reader(lines, strict=True, skipinitialspace=True)
    line = 0
    try:
        for header in reader:
            line = 1
            if reader.line_num != line:
                raise _open_quote()
            parse = _BarParser(read_header(header), prices, volumes).parse
            for row in reader:
                line += 1
                if reader.line_num != line:
                    raise _open_quote()
                yield parse(row)
    except CellError as error:
        raise MarketDataError(file, line, error.problem, hint=error.hint) from None
    except csv.Error as error:
        # the reader fails before it gives the row out, so this is the one after the last
        raise MarketDataError(file, line + 1, f"is not proper CSV: {error}") from None
    if line == 0:
        raise MarketDataError(file, 0, "the file is empty", hint="the first line names the columns")
    if line == 1:
        raise MarketDataError(file, 1, "no bar follows the header", hint="a bar is one line of cells")
