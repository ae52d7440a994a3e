"""The text of a CSV file as rows of cells, and these as bars.

The first line names the columns; without a name for it the time is the first column. Every row is whole and on one
line; cells may be quoted, and a space may stand before them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import chain

from c2lib.core.config import MAX_STEPS
from c2lib.core.errors import MarketDataError
from c2lib.market.bars import BarBlock, BarReader, Cells, find_columns
from c2lib.market.cells import CellError, PriceGrid, TimeCells, VolumeCells

MAX_LINE = 1 << 16
"""Longest line, in characters."""

MAX_LINES = MAX_STEPS + 1
"""Most lines: the header, and a bar for each step that a run may have."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_csv(blocks: Iterator[bytes], file: str, prices: PriceGrid, volumes: VolumeCells) -> Iterator[BarBlock]:
    """Yield the bars of a CSV file.

    Args:
        blocks: The bytes of the file, unpacked.
        file: Its name in messages.
        prices: The grid that the prices are put on.
        volumes: Reads the volumes.

    Raises:
        MarketDataError: A line cannot be used; it is the first one.
    """
    texts = _whole_lines(blocks, file)
    line = 1
    try:
        head = next(texts, None)
        if head is None:
            raise MarketDataError(file, 0, "the file is empty", hint="the first line names the columns")
        header, _, rest = head.partition("\n")
        columns = find_columns(_row(header), 0)
        reader = BarReader(columns, TimeCells().micros, prices, volumes)
        line = 2
        for text in chain((rest,), texts):
            for table in _tables(text, len(columns.names)):
                yield reader.read([table[place] for place in columns.places.values()])
                line += len(table[0])
    except CellError as error:
        raise MarketDataError(file, line + error.row, error.problem, hint=error.hint) from None
    if line == 2:
        raise MarketDataError(file, 1, "no bar follows the header", hint="a bar is one line of cells")


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


def _tables(text: str, width: int) -> Iterator[Cells]:
    """Yield the columns of whole lines; raise :class:`CellError` at the first line that is no row of that width."""
    if not text:
        return
    table = _split(text, width)
    if table is not None:
        yield table
        return
    # one of the lines is no row: those before it are read first, since one of them may hold the first error
    for line in text.removesuffix("\n").split("\n"):
        row = _row(line)
        if not row:
            raise CellError("the line is empty", "remove it")
        if len(row) != width:
            hint = "the line is cut, or a cell holds a comma outside quotes"
            raise CellError(f"has {len(row)} cells where the header has {width}", hint)
        yield [[cell] for cell in row]


def _split(text: str, width: int) -> Cells | None:
    """Return the columns of whole lines; ``None`` when not all are rows of that width."""
    count = text.count("\n")
    if '"' in text or "\r" in text or ", " in text or "\n " in text or text[0] == " ":
        try:
            rows = _rows(text.removesuffix("\n").split("\n"))
        except csv.Error:
            return None
        return list(zip(*rows, strict=True)) if {len(row) for row in rows} == {width} and len(rows) == count else None
    # several times faster; line ends become cells of their own, which stand where they should only in whole rows
    cells = text.replace("\n", ",\n,").split(",")
    if len(cells) != count * (width + 1) + 1 or cells[width :: width + 1] != ["\n"] * count:
        return None
    cells.pop()
    return [cells[index :: width + 1] for index in range(width)]


def _row(line: str) -> list[str]:
    try:
        (row,) = _rows([line])
    except csv.Error as error:
        raise CellError(f"is not proper CSV: {error}", "a row stands on one line, its quotes closed") from None
    return row


def _rows(lines: Sequence[str]) -> list[list[str]]:
    return list(csv.reader(lines, strict=True, skipinitialspace=True))
