r"""The text of a CSV file as bars.

Rules kept here:

* the first line names the columns; without a name for it the time is the first column;
* every row is whole and on one line; cells may be quoted, and a space may stand before them;
* what has neither is split as a whole block, several times faster; both ways agree.

>>> from c2lib.market.prices import price_grid
>>> day = "Date,Open,High,Low,Close\n2026-01-02,10.5,11,10,10.5\n"
>>> [block.columns for block in read_csv(iter([day]), "day.csv", price_grid("0.5"), VolumeCells("1"))]
[([1767312000000000], [105], [110], [100], [105], [0])]
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat

from c2lib.core.errors import MarketDataError
from c2lib.market.bars import BarBlock, BarReader, Cells
from c2lib.market.cells import CellError, TimeCells, VolumeCells
from c2lib.market.header import Columns, find_columns
from c2lib.market.prices import PriceGrid


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
