r"""The text of a CSV file as bars.

Rules kept here:

* the first line names the columns; without a name for it the time is the first column;
* every row is whole and on one line; cells may be quoted, and a space may stand before them;
* what has neither is split as a whole block, several times faster; both ways agree.

>>> from c2lib.market.cells import price_grid
>>> day = "Date,Open,High,Low,Close\n2026-01-02,10.5,11,10,10.5\n"
>>> [block.columns for block in read_csv(iter([day]), "day.csv", price_grid("0.5"), VolumeCells("1"))]
[([1767312000000000], [105], [110], [100], [105], [0])]
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import BinaryIO

from c2lib.core.config import MAX_STEPS
from c2lib.core.errors import MarketDataError
from c2lib.market.bars import BarBlock, BarReader, Cells, Columns, find_columns
from c2lib.market.cells import CellError, PriceGrid, TimeCells, VolumeCells


def _rows(lines: Iterable[str]) -> list[list[str]]:
    return list(csv.reader(lines, strict=True, skipinitialspace=True))


def _row(line: str) -> list[str]:
    try:
        (row,) = _rows((line,))
    except csv.Error as error:
        raise CellError(f"is not proper CSV: {error}", hint="a row stands on one line, its quotes closed") from None
    return row


def _table(text: str, width: int) -> Sequence[Sequence[str]] | None:
    """Return the columns of whole lines; ``None`` when not all are rows of that width."""
    count = text.count("\n")
    if '"' in text or "\r" in text or ", " in text or "\n " in text or text[0] == " ":
        try:
            rows = _rows(text.removesuffix("\n").split("\n"))
        except csv.Error:
            return None
        return list(zip(*rows, strict=True)) if {len(row) for row in rows} == {width} and len(rows) == count else None
    # line ends become cells of their own, which stand where they should only when each row has its cells
    cells = text.replace("\n", ",\n,").split(",")
    if len(cells) != count * (width + 1) + 1 or cells[width :: width + 1] != ["\n"] * count:
        return None
    cells.pop()
    return [cells[index :: width + 1] for index in range(width)]


def _complaint(line: str, width: int) -> CellError | None:
    try:
        row = _row(line)
    except CellError as error:
        return error
    if not row:
        return CellError("the line is empty", hint="remove it")
    if len(row) != width:
        hint = "the line is cut, or a cell holds a comma outside quotes"
        return CellError(f"has {len(row)} cells where the header has {width}", hint=hint)
    return None


def _cells(text: str, columns: Columns) -> Iterator[Cells]:
    """Yield the rows of whole lines; raise :class:`CellError` at the first line that is none, after those before it."""
    if not text:
        return
    width = len(columns.names)
    table = _table(text, width)
    if table is None:
        lines = text.removesuffix("\n").split("\n")
        complaints = list(map(_complaint, lines, repeat(width)))
        error = next(filter(None, complaints))
        yield from _cells("".join(f"{line}\n" for line in lines[: complaints.index(error)]), columns)
        raise error
    yield Cells(*(table[index] for index in columns.used))


def read_csv(texts: Iterator[str], file: str, prices: PriceGrid, volumes: VolumeCells) -> Iterator[BarBlock]:
    """Yield the bars of a CSV file, given in blocks of whole lines, header first.

    ``file`` is its name in messages. Raises :class:`MarketDataError` at the first line that cannot be used.
    """
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
            for cells in _cells(text, columns):
                yield reader.read(cells)
                line += len(cells.times)
    except CellError as error:
        raise MarketDataError(file, line + error.row, error.problem, hint=error.hint) from None
    if line == 2:
        raise MarketDataError(file, 1, "no bar follows the header", hint="a bar is one line of cells")


BLOCK_BYTES = 1 << 16
"""How much is read at a time."""

MAX_LINE = 1 << 16
"""Longest line, in characters."""

MAX_LINES = MAX_STEPS + 1
"""Most lines: the header, and a bar for each step that a run may have."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_blocks(stream: BinaryIO, file: str) -> Iterator[bytes]:
    """Yield the bytes of a stream; raise :class:`MarketDataError` when they cannot be read or unpacked."""
    hint = "fetch or pack the file again"
    while True:
        try:
            block = stream.read(BLOCK_BYTES)
        except EOFError:
            raise MarketDataError(file, 0, "the gzip data ends in the middle", hint=hint) from None
        except (gzip.BadGzipFile, zlib.error):
            raise MarketDataError(file, 0, "is no gzip data, or it is damaged", hint=hint) from None
        except OSError as error:
            raise MarketDataError(file, 0, f"cannot be read: {error.strerror}") from None
        if not block:
            return
        yield block


def line_blocks(blocks: Iterator[bytes], file: str) -> Iterator[str]:
    """Yield the lines of a file, as many at a time as a block completes.

    Raises :class:`MarketDataError` at the first line that is no text.
    """
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
