"""The text of a CSV file as rows of cells.

The first line names the columns; without a name for it the time is the first column. Every row is whole and on one
line; cells may be quoted, and a space may stand before them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from itertools import chain, repeat

from c2lib.core.config import MAX_STEPS
from c2lib.core.errors import MarketDataError
from c2lib.market.bars import Cells, CellTable, Columns, find_columns
from c2lib.market.cells import CellError, TimeCells

MAX_LINE = 1 << 16
"""Longest line, in characters."""

MAX_LINES = MAX_STEPS + 1
"""Most lines: the header, and a bar for each step that a run may have."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_parse = partial(csv.reader, strict=True, skipinitialspace=True)


def read_csv(blocks: Iterator[bytes], file: str) -> CellTable:
    """Return the cells of a CSV file.

    Args:
        blocks: The bytes of the file, unpacked.
        file: Its name in messages.

    Raises:
        MarketDataError: A line, met now or later, is no text or too long, or the header does not name the columns.
    """
    texts = _whole_lines(blocks, file)
    header, _, rest = next(texts).partition("\n")
    try:
        columns = find_columns(_row(header), 0)
    except CellError as error:
        raise error.at(file, 1) from None
    return CellTable(file, columns, TimeCells().micros, _cells(chain((rest,), texts), columns), first=2, unit="line")


def _whole_lines(blocks: Iterator[bytes], file: str) -> Iterator[str]:
    """Yield the lines of a file, as many at a time as a block completes."""
    tail = b""
    line = 1
    at_start = True
    for block in blocks:
        data = tail + (block.removeprefix(_BYTE_ORDER_MARK) if at_start else block)
        at_start = False
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
        raise MarketDataError(file, 0, "the file is empty", hint="the first line names the columns")
    if line == 2:
        raise MarketDataError(file, 1, "no bar follows the header", hint="a bar is one line of cells")


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


def _cells(texts: Iterator[str], columns: Columns) -> Iterator[Cells]:
    """Yield the cells of whole lines; raise :class:`CellError` at the first line that is no row."""
    width = len(columns.names)
    for text in filter(None, texts):
        whole = _split(text, width)
        # where a line is no row, those before it are read one by one, since one of them may hold the first error
        for cells in [whole] if whole else map(_single, text.removesuffix("\n").split("\n"), repeat(width)):
            yield [cells[place] for place in columns.places.values()]


def _split(text: str, width: int) -> Cells | None:
    """Return the columns of whole lines; ``None`` when not all are rows of that width."""
    count = text.count("\n")
    if '"' in text or "\r" in text or ", " in text or "\n " in text or text[0] == " ":
        try:
            rows = list(_parse(text.removesuffix("\n").split("\n")))
        except csv.Error:
            return None
        return list(zip(*rows, strict=True)) if {len(row) for row in rows} == {width} and len(rows) == count else None
    # several times faster; line ends become cells of their own, which stand where they should only in whole rows
    cells = text.replace("\n", ",\n,").split(",")
    if len(cells) != count * (width + 1) + 1 or cells[width :: width + 1] != ["\n"] * count:
        return None
    cells.pop()
    return [cells[index :: width + 1] for index in range(width)]


def _single(line: str, width: int) -> Cells:
    row = _row(line)
    if not row:
        raise CellError("the line is empty", "remove it")
    if len(row) != width:
        hint = "the line is cut, or a cell holds a comma outside quotes"
        raise CellError(f"has {len(row)} cells where the header has {width}", hint)
    return [[cell] for cell in row]


def _row(line: str) -> list[str]:
    try:
        (row,) = _parse([line])
    except csv.Error as error:
        raise CellError(f"is not proper CSV: {error}", "a row stands on one line, its quotes closed") from None
    return row
