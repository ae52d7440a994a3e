"""The columns of a Feather or Parquet file as cells; the one module that needs pyarrow.

Record batches come one at a time, and only the columns of a bar are read: memory follows the largest batch, not the
number of bars. What pyarrow refuses is refused in words of this module, since its own may repeat what is in a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from c2lib.core.config import MAX_STEPS
from c2lib.core.errors import MarketDataError
from c2lib.core.text import quoted
from c2lib.market.bars import Cells, CellTable, Columns, find_columns
from c2lib.market.cells import CellError, TimeCells, in_range, too_fine

BATCH_ROWS = 8192
"""Most rows that are turned into bars at a time."""

MAX_ROWS = MAX_STEPS
"""Most rows: a bar for each step that a run may have."""

_BUFFER_BYTES = 1 << 16
_TO_MICROS = {"s": (10**6, 1), "ms": (10**3, 1), "us": (1, 1), "ns": (1, 10**3)}
_MOMENT = r"timestamp\[.*|date\d+\[.*"
_TEXT = "(large_)?string"
_NUMBER = rf"double|float|u?int\d+|decimal\d+\(.*|{_TEXT}"
_TIME_TYPES = (f"{_MOMENT}|{_NUMBER}", "time", "make it a timestamp in UTC")
_PART_TYPES = (rf"date32\[.*|time\d+\[.*|{_TEXT}", "part of a time", "make the two one timestamp, or text")
_NUMBER_TYPES = (_NUMBER, "number", "make it a float, an integer or a decimal")

Batches = Callable[[Sequence[int]], Iterator[Any]]
"""Yields record batches that hold the columns at these places of the file."""

Converter = Callable[[Any], list[Any]]
"""Returns a column of a record batch as cells."""


def read_arrow(source: BinaryIO, file: str, *, is_parquet: bool) -> CellTable:
    """Return the cells of a Feather or Parquet file.

    The time is the column named so, else the only one of a timestamp or date type, as the index that pandas stores.

    Args:
        source: The file, which nothing may change meanwhile.
        file: Its name in messages.
        is_parquet: Whether it is a Parquet file.

    Raises:
        MarketDataError: It is damaged, as is seen now or later, or a column of a bar lacks or is of another type.
    """
    with _pyarrow_errors(file):
        schema, batches = (_parquet if is_parquet else _feather)(source)
        names = list(schema.names)
    moments = [index for index, kind in enumerate(schema.types) if re.fullmatch(_MOMENT, str(kind))]
    try:
        columns = find_columns(names, moments[0] if len(moments) == 1 else None)
        parted = "clock" in columns.places
        types = {"time": _PART_TYPES if parted else _TIME_TYPES, "clock": _PART_TYPES}
        for role, place in columns.places.items():
            kinds, what, hint = types.get(role, _NUMBER_TYPES)
            kind = str(schema.types[place])
            if not re.fullmatch(kinds, kind):
                raise CellError(f"{columns.label(role)} is of type {quoted(kind)}, which is no {what}", hint)
    except CellError as error:
        raise error.at(file, 0, "row") from None
    time_cells, micros = _time_column(schema.types[columns.places["time"]], parted)
    converters = {"time": time_cells, "clock": _text_cells}
    wanted = [(names[place], converters.get(role, _plain_cells)) for role, place in columns.places.items()]
    return CellTable(file, columns, micros, _cells(batches, columns, wanted, file), first=1, unit="row")


def _cells(batches: Batches, columns: Columns, wanted: Sequence[tuple[str, Converter]], file: str) -> Iterator[Cells]:
    """Yield the rows of all record batches, found sound, at most :data:`BATCH_ROWS` at a time."""
    rows = 0
    with _pyarrow_errors(file):
        for batch in batches(list(columns.places.values())):
            batch.validate(full=True)
            rows += batch.num_rows
            if rows > MAX_ROWS:
                raise MarketDataError(file, 0, f"the file has more than {MAX_ROWS} rows", hint="split it")
            for first in range(0, batch.num_rows, BATCH_ROWS):
                part = batch.slice(first, BATCH_ROWS)
                yield columns.bars([convert(part.column(name)) for name, convert in wanted])
    if not rows:
        raise MarketDataError(file, 0, "the file has no row", hint="a bar is one row")


@contextmanager
def _pyarrow_errors(file: str) -> Iterator[None]:
    """Turn whatever pyarrow says of a file that it cannot read into a :class:`MarketDataError`."""
    try:
        yield
    except MemoryError:
        problem, hint = "asks for more memory than there is", "it is damaged, or its record batches are too large"
    except NotImplementedError:
        problem = "uses something of its format that pyarrow cannot read"
        hint = "write it with plain columns and lz4, zstd or no packing"
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError, ArithmeticError):
        problem, hint = "is damaged, or encrypted", "fetch it or write it again"
    else:
        return
    raise MarketDataError(file, 0, problem, hint=hint) from None


def _feather(source: BinaryIO) -> tuple[Any, Batches]:
    def batches(wanted: Sequence[int]) -> Iterator[Any]:
        # in this process's one thread: less memory, and the bars are needed in order anyway
        options = ipc.IpcReadOptions(use_threads=False, included_fields=list(wanted))
        reader = ipc.open_file(source, options=options)
        return map(reader.get_batch, range(reader.num_record_batches))

    return ipc.open_file(source).schema, batches


def _parquet(source: BinaryIO) -> tuple[Any, Batches]:
    file = pq.ParquetFile(source, pre_buffer=False, buffer_size=_BUFFER_BYTES, page_checksum_verification=True)
    schema = file.schema_arrow

    def batches(wanted: Sequence[int]) -> Iterator[Any]:
        names = [schema.names[index] for index in wanted]
        found: Iterator[Any] = file.iter_batches(BATCH_ROWS, columns=names, use_threads=False)
        return found

    return schema, batches


def _time_column(kind: Any, parted: bool) -> tuple[Converter, Callable[[Any], list[int]]]:
    """Return how a time column of a type becomes cells, and how these become microseconds."""
    if parted or not re.fullmatch(_MOMENT, str(kind)):
        return _text_cells, TimeCells().micros
    # a date of 32 bits counts days, one of 64 bits milliseconds
    stamp = kind if pa.types.is_timestamp(kind) else pa.timestamp("s" if pa.types.is_date32(kind) else "ms")
    return lambda column: column.cast(stamp).cast(pa.int64()).to_pylist(), partial(_micros, *_TO_MICROS[stamp.unit])


def _micros(multiplier: int, divisor: int, counts: list[int | None]) -> list[int]:
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        raise CellError("is empty", "a bar has a time", "time")
    if any(count % divisor for count in known):
        raise too_fine()
    return in_range([count * multiplier // divisor for count in known])


def _plain_cells(column: Any) -> list[Any]:
    # pyarrow writes a float of 32 bits with the fewest digits that set it apart from its neighbours
    cells: list[Any] = (column.cast(pa.string()) if pa.types.is_float32(column.type) else column).to_pylist()
    return ["" if cell is None else cell for cell in cells] if column.null_count else cells


def _text_cells(column: Any) -> list[str]:
    return ["" if cell is None else str(cell) for cell in column.to_pylist()]
