"""The columns of a Feather or Parquet file as bars; the one module that needs pyarrow.

Rules kept here:

* the time is the column named so, else the only one of a timestamp or date type, as the index that pandas stores;
* times are timestamps of any unit, with a zone or, read as UTC, without; dates; or text as in CSV. An epoch count
  in a plain integer is not guessed at;
* a price or volume is a float of 32 or 64 bits, by its shortest text, an integer, a decimal, or text as in CSV;
* record batches come one at a time, and only the columns of a bar are read: memory follows the largest batch of a
  Feather file, or a batch of fixed size of a Parquet file, not the number of bars;
* whatever pyarrow does not understand is refused with words of this module: its own may repeat what is in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from c2lib.core.config import MAX_STEPS
from c2lib.core.errors import MarketDataError
from c2lib.core.text import quoted
from c2lib.market.bars import BarBlock, BarReader, Cells, Columns, find_columns
from c2lib.market.cells import CellError, PriceGrid, TimeCells, VolumeCells, in_range

BATCH_ROWS = 8192
"""Most rows that are turned into bars at a time."""

MAX_ROWS = MAX_STEPS
"""Most rows: a bar for each step that a run may have."""

_BUFFER_BYTES = 1 << 16
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6}
_NUMBERS = (pa.types.is_float64, pa.types.is_float32, pa.types.is_integer, pa.types.is_decimal)
_TEXTS = (pa.types.is_string, pa.types.is_large_string)
_DATES = (pa.types.is_date32, pa.types.is_date64)

Batches = Callable[[Sequence[int]], Iterator[Any]]
"""Yields record batches that hold the columns at these places of the file."""


def _is_one_of(kinds: tuple[Callable[[Any], bool], ...], kind: Any) -> bool:
    return any(is_kind(kind) for is_kind in kinds)


@contextmanager
def _understood(file: str) -> Iterator[None]:
    """Turn whatever pyarrow says of a file that it cannot read into a :class:`MarketDataError`."""
    hint = "fetch it or write it again"
    try:
        yield
    except MemoryError:
        problem = "asks for more memory than there is"
        raise MarketDataError(file, 0, problem, hint="it is damaged, or its record batches are too large") from None
    except NotImplementedError:
        problem = "uses something of its format that pyarrow cannot read"
        raise MarketDataError(
            file, 0, problem, hint="write it with plain columns and lz4, zstd or no packing"
        ) from None
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError, ArithmeticError):
        raise MarketDataError(file, 0, "is damaged, or encrypted", hint=hint) from None


def _feather(source: BinaryIO) -> tuple[Any, Batches]:
    schema = ipc.open_file(source).schema

    def batches(wanted: Sequence[int]) -> Iterator[Any]:
        # in this process's one thread: less memory, and the bars are needed in order anyway
        options = ipc.IpcReadOptions(use_threads=False, included_fields=list(wanted))
        reader = ipc.open_file(source, options=options)
        return map(reader.get_batch, range(reader.num_record_batches))

    return schema, batches


def _parquet(source: BinaryIO) -> tuple[Any, Batches]:
    file = pq.ParquetFile(source, pre_buffer=False, buffer_size=_BUFFER_BYTES, page_checksum_verification=True)
    schema = file.schema_arrow

    def batches(wanted: Sequence[int]) -> Iterator[Any]:
        names = [schema.names[index] for index in wanted]
        found: Iterator[Any] = file.iter_batches(BATCH_ROWS, columns=names, use_threads=False)
        return found

    return schema, batches


def _only_moment(schema: Any) -> int | None:
    found = [
        index for index, kind in enumerate(schema.types) if pa.types.is_timestamp(kind) or _is_one_of(_DATES, kind)
    ]
    return found[0] if len(found) == 1 else None


def _texts(column: Any) -> list[str]:
    return ["" if cell is None else cell for cell in column.to_pylist()]


def _numbers(column: Any) -> list[Any]:
    # pyarrow writes a float of 32 bits with the fewest digits that tell it from its neighbours
    cells: list[Any] = (column.cast(pa.string()) if pa.types.is_float32(column.type) else column).to_pylist()
    return ["" if cell is None else cell for cell in cells] if column.null_count else cells


def _counts(column: Any) -> list[Any]:
    counts: list[Any] = column.cast(pa.int64()).to_pylist()
    return counts


def _moments(kind: Any) -> tuple[Callable[[Any], list[Any]], Callable[[Any], list[int]]]:
    """Return how a time column of a type becomes cells, and how these become microseconds."""
    if _is_one_of(_TEXTS, kind):
        return _texts, TimeCells().micros
    if _is_one_of(_DATES, kind):
        # a date of 64 bits counts milliseconds
        stamp = pa.timestamp("s" if pa.types.is_date32(kind) else "ms")
        return lambda column: _counts(column.cast(stamp)), _micros_of(stamp.unit)
    return _counts, _micros_of(kind.unit)


def _micros_of(unit: str) -> Callable[[list[int | None]], list[int]]:
    multiplier, divisor = (1, 10**3) if unit == "ns" else (10**6 // _PER_SECOND[unit], 1)

    def micros(counts: list[int | None]) -> list[int]:
        known = [count for count in counts if count is not None]
        if len(known) < len(counts):
            raise CellError("is empty", hint="a bar has a time", role="time")
        if any(count % divisor for count in known):
            raise CellError("is finer than a microsecond", hint="round the times of the file", role="time")
        return in_range([count * multiplier // divisor for count in known])

    return micros


def _check_types(schema: Any, columns: Columns) -> None:
    """Raise :class:`CellError` unless every column of a bar is of a type that can be one."""
    kind = schema.types[columns.time]
    label = columns.label(columns.time)
    if not (pa.types.is_timestamp(kind) or _is_one_of((*_DATES, *_TEXTS), kind)):
        raise CellError(f"{label} is of type {quoted(str(kind))}, which is no time", hint="make it a timestamp in UTC")
    for index in columns.used[1:]:
        kind = schema.types[index]
        if not _is_one_of((*_NUMBERS, *_TEXTS), kind):
            problem = f"{columns.label(index)} is of type {quoted(str(kind))}, which is no number"
            raise CellError(problem, hint="make it a float, an integer or a decimal")


def _cells(batch: Any, columns: Columns, time_cells: Callable[[Any], list[Any]]) -> Cells:
    times, *numbers = (batch.column(columns.names[index]) for index in columns.used)
    return Cells(time_cells(times), *map(_numbers, numbers))


def _checked(batches: Batches, columns: Columns, file: str) -> Iterator[Any]:
    """Yield the rows of all record batches, found sound, at most :data:`BATCH_ROWS` at a time."""
    rows = 0
    with _understood(file):
        for batch in batches(columns.used):
            batch.validate(full=True)
            rows += batch.num_rows
            if rows > MAX_ROWS:
                raise MarketDataError(file, 0, f"the file has more than {MAX_ROWS} rows", hint="split it")
            for first in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(first, BATCH_ROWS)


def read_columns(
    source: BinaryIO, file: str, is_parquet: bool, prices: PriceGrid, volumes: VolumeCells
) -> Iterator[BarBlock]:
    """Yield the bars of a Feather or Parquet file, which nothing may change meanwhile.

    ``file`` is its name in messages. Raises :class:`MarketDataError` at the first row that cannot be used.
    """
    row = 0
    try:
        with _understood(file):
            schema, batches = (_parquet if is_parquet else _feather)(source)
            names, only_moment = list(schema.names), _only_moment(schema)
        columns = find_columns(names, only_moment)
        _check_types(schema, columns)
        time_cells, micros = _moments(schema.types[columns.time])
        reader = BarReader(columns, micros, prices, volumes)
        row = 1
        for batch in _checked(batches, columns, file):
            with _understood(file):
                cells = _cells(batch, columns, time_cells)
            yield reader.read(cells)
            row += batch.num_rows
    except CellError as error:
        raise MarketDataError(file, row and row + error.row, error.problem, hint=error.hint, unit="row") from None
    if row == 1:
        raise MarketDataError(file, 0, "the file has no row", hint="a bar is one row")
