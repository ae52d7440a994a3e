"""Where in a table of a market file the cells of a bar stand.

Rules kept here:

* columns are found by name, in any letter case and order; no name stands twice; columns that are neither time nor
  OHLCV are ignored;
* the time is the column ``timestamp``, ``date`` or ``timestamp_utc``; which one else, the kind of file says;
* a file without volumes has volume 0.

>>> find_columns(["Date", "Open", "High", "Low", "Close"], 0)
Columns(names=('Date', 'Open', 'High', 'Low', 'Close'), time=0, prices=(1, 2, 3, 4), volume=None)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from c2lib.market.cells import CellError, quoted

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
