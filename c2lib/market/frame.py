"""A pandas DataFrame as the CSV file that it is sealed as. pandas itself is not imported: the frame brings it.

A time is written as ``isoformat()`` writes it, in UTC where it has a zone; a number in the fewest digits that set it
apart from its neighbours, as Python prints it; a value that is missing as nothing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC
from types import SimpleNamespace
from typing import Any

from c2lib.core.errors import MarketDataError
from c2lib.market.bars import find_columns
from c2lib.market.cells import CellError

FRAME = "the DataFrame"
"""What messages call it."""

BLOCK_ROWS = 8192
"""Most rows that are turned into text at a time."""


def frame_csv(frame: Any) -> Iterator[bytes]:
    """Yield the bytes of the CSV file that a DataFrame is sealed as: written to a file, they have the same hash.

    Columns are found by name as in a file, the index among them; an unnamed index is the time when it holds moments.
    The file has the columns ``timestamp``, or ``date`` and ``time``, then ``open``, ``high``, ``low``, ``close`` and,
    where the frame has it, ``volume``; raises :class:`MarketDataError` when one of them lacks.
    """
    index = frame.index
    names = ["" if name is None else str(name) for name in (index.name, *frame.columns)]
    try:
        places = find_columns(names, 0 if hasattr(index, "tz_localize") else None).places
    except CellError as error:
        raise error.at(FRAME, 0) from None
    if not len(frame):
        raise MarketDataError(FRAME, 0, "has no row", hint="a bar is one row")
    titles = {"time": "date", "clock": "time"} if "clock" in places else {"time": "timestamp"}
    lines: list[str] = []
    writer = csv.writer(SimpleNamespace(write=lines.append), lineterminator="\n")
    writer.writerow(titles.get(role, role) for role in places)
    for first in range(0, len(frame), BLOCK_ROWS):
        rows = frame.iloc[first : first + BLOCK_ROWS]
        columns = [rows.iloc[:, place - 1] if place else rows.index for place in places.values()]
        writer.writerows(zip(*map(_texts, columns), strict=True))
        yield "".join(lines).encode()
        lines.clear()


def _texts(column: Any) -> list[str]:
    # as numpy has them, so that a float of 32 bits keeps its few digits; moments as pandas has them
    cells = column.tolist() if column.dtype.kind == "M" else column.to_numpy()
    return ["" if missing else _text(cell) for cell, missing in zip(cells, column.isna(), strict=True)]


def _text(cell: Any) -> str:
    if not hasattr(cell, "isoformat"):
        return str(cell)
    return str((cell.astimezone(UTC) if getattr(cell, "tzinfo", None) else cell).isoformat())
