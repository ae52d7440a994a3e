"""The text of a CSV file as rows of cells, between commas, semicolons or tabs, and a pandas DataFrame as such a file.

The first line names the columns; without a name for it the time is the first column. Where it begins with a time, it is
a row, and so are all: time, open, high, low, close, volume. Every row is whole and on one line; cells may be quoted,
and a space may stand before them. pandas itself is not imported: the frame brings it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

from c2lib.core.config import MAX_STEPS
from c2lib.core.errors import MarketDataError
from c2lib.core.text import quoted
from c2lib.market.bars import BAR_NAMES, PRICE_NAMES, Cells, CellTable, Columns, column_name, find_columns
from c2lib.market.cells import CellError, TimeCells

MAX_LINE = 1 << 16
"""Longest line, in characters."""

MAX_LINES = MAX_STEPS + 1
"""Most lines: the header, and a bar for each step that a run may have."""

FRAME = "the DataFrame"
"""What messages call one."""

BLOCK_ROWS = 8192
"""Most rows of a frame that are turned into text at a time."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SEPARATORS = ",;\t"


def read_csv(blocks: Iterator[bytes], file: str) -> CellTable:
    """Return the cells of a CSV file.

    Args:
        blocks: The bytes of the file, unpacked.
        file: Its name in messages.

    Raises:
        MarketDataError: A line, met now or later, is no text or too long, or the header does not name the columns.
    """
    texts = _whole_lines(blocks, file)
    text = next(texts)
    line, _, rest = text.partition("\n")
    try:
        separator, columns, named = _first_line(line)
    except CellError as error:
        raise error.at(file, 1) from None
    rows = _cells(chain((rest if named else text,), texts), columns, separator)
    return CellTable(file, columns, TimeCells().micros, rows, first=1 + named, unit="line")


def _first_line(line: str) -> tuple[str, Columns, bool]:
    """Return what separates the cells of a file, its columns, and whether the first line names them."""
    rows = {}
    for separator in _SEPARATORS:
        with suppress(CellError):
            rows[separator] = _row(line, separator)

    def fits(separator: str) -> tuple[bool, int]:
        row = rows[separator]
        return bool(_times(row)) or set(PRICE_NAMES) <= set(map(column_name, row)), len(row)

    separator = max(rows, key=fits, default=",")
    row = rows.get(separator) or _row(line, separator)
    roles = [*_times(row), *BAR_NAMES]
    if len(BAR_NAMES) < len(roles) <= len(row) + 1:
        # without a volume there is one role more than cells
        return separator, Columns([""] * len(row), dict(zip(roles, range(len(row)), strict=False))), False
    return separator, find_columns(row, 0), True


def _times(row: list[str]) -> list[str]:
    """Return the roles of the cells of the time at the start of a row; none when it begins with no time."""
    for roles in (["time", "clock"], ["time"]):
        with suppress(CellError):
            TimeCells().micros([" ".join(row[: len(roles)])])
            return roles
    return []


def _whole_lines(blocks: Iterator[bytes], file: str) -> Iterator[str]:
    """Yield the lines of a file, as many at a time as a block completes."""
    tail, line = b"", 1
    for block in blocks:
        data = tail + block if tail or line > 1 else block.removeprefix(_BYTE_ORDER_MARK)
        cut = data.rfind(b"\n") + 1
        tail = data[cut:]
        if cut:
            yield _text(data[:cut], file, line)
            line += data.count(b"\n")
        if len(tail) > MAX_LINE:
            raise _too_long(file, line)
        if line > MAX_LINES + 1:
            raise MarketDataError(file, line - 1, f"the file has more than {MAX_LINES} lines", hint="split it")
    if tail:
        hint = "the file may be cut in the middle of it; if it is whole, add one"
        raise MarketDataError(file, line, "the last line has no line end", hint=hint)
    if line == 1:
        raise MarketDataError(file, 0, "the file is empty", hint="fetch it or write it again")


def _text(data: bytes, file: str, first_line: int) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        raise MarketDataError(file, line, "is not UTF-8 text", hint="save the file as UTF-8") from None
    if "\0" in text:
        line = first_line + text.count("\n", 0, text.index("\0"))
        raise MarketDataError(file, line, "holds a NUL byte", hint="the file is damaged, or not a text file")
    # a line too long would fill one of these stretches, whose number is small
    stretch = MAX_LINE // 2
    if any(text.find("\n", at, at + stretch) < 0 for at in range(0, len(text), stretch)):
        lengths = [len(line) > MAX_LINE for line in text.split("\n")]
        if any(lengths):
            raise _too_long(file, first_line + lengths.index(True))
    return text.replace("\r\n", "\n")


def _too_long(file: str, line: int) -> MarketDataError:
    hint = "the file is not a CSV file of bars, or its line ends are not \\n"
    return MarketDataError(file, line, f"the line is longer than {MAX_LINE} characters", hint=hint)


def _cells(texts: Iterator[str], columns: Columns, separator: str) -> Iterator[Cells]:
    """Yield the cells of whole lines; raise :class:`CellError` at the first line that is no row."""
    width, text = len(columns.names), ""
    for text in filter(None, texts):
        whole = _split(text, width, separator)
        # where a line is no row, those before it are read one by one, since one of them may hold the first error
        lines = text.removesuffix("\n").split("\n")
        for cells in [whole] if whole else map(_single, lines, repeat(width), repeat(separator)):
            yield columns.bars([cells[place] for place in columns.places.values()])
    if not text:
        raise CellError("no bar follows the header", "a bar is one line of cells", row=-1)


def _split(text: str, width: int, separator: str) -> Cells | None:
    """Return the columns of whole lines; ``None`` when not all are rows of that width."""
    count = text.count("\n")
    if '"' in text or "\r" in text or f"{separator} " in text or "\n " in text or text[0] == " ":
        try:
            rows = list(_parsed(text.removesuffix("\n").split("\n"), separator))
        except csv.Error:
            return None
        return list(zip(*rows, strict=True)) if {len(row) for row in rows} == {width} and len(rows) == count else None
    # several times faster; line ends become cells of their own, which stand where they should only in whole rows
    cells = text.replace("\n", f"{separator}\n{separator}").split(separator)
    if len(cells) != count * (width + 1) + 1 or cells[width :: width + 1] != ["\n"] * count:
        return None
    cells.pop()
    return [cells[index :: width + 1] for index in range(width)]


def _single(line: str, width: int, separator: str) -> Cells:
    row = _row(line, separator)
    if not row:
        raise CellError("the line is empty", "remove it")
    if len(row) != width:
        hint = f"the line is cut, or a cell holds {quoted(separator)} outside quotes"
        raise CellError(f"has {len(row)} cells where the first line has {width}", hint)
    return [[cell] for cell in row]


def _row(line: str, separator: str) -> list[str]:
    try:
        (row,) = _parsed([line], separator)
    except csv.Error as error:
        raise CellError(f"is not proper CSV: {error}", "a row stands on one line, its quotes closed") from None
    return row


def _parsed(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)


def frame_csv(frame: Any) -> Iterator[bytes]:
    """Yield the bytes of the CSV file that a DataFrame is sealed as: written to a file, they have the same hash.

    Columns are found by name as in a file, the index among them; an unnamed index is the time when it holds moments.
    The file has the columns ``timestamp``, or ``date`` and ``time``, then ``open``, ``high``, ``low``, ``close`` and,
    where the frame has it, ``volume``; raises :class:`MarketDataError` when one of them lacks. A time is written as
    ``isoformat()`` writes it, in UTC where it has a zone; a number in the fewest digits that set it apart from its
    neighbours, as Python prints it; a value that is missing as nothing.
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
        writer.writerows(zip(*map(_column_texts, columns), strict=True))
        yield "".join(lines).encode()
        lines.clear()


def _column_texts(column: Any) -> list[str]:
    # as numpy has them, so that a float of 32 bits keeps its few digits; moments as pandas has them
    cells = column.tolist() if column.dtype.kind == "M" else column.to_numpy()
    return ["" if missing else _cell_text(cell) for cell, missing in zip(cells, column.isna(), strict=True)]


def _cell_text(cell: Any) -> str:
    if not hasattr(cell, "isoformat"):
        return str(cell)
    return str((cell.astimezone(UTC) if getattr(cell, "tzinfo", None) else cell).isoformat())
