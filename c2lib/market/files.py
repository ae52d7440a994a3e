"""Market files on disk, CSV, Feather or Parquet: opened, hashed as they are read, and put away as checked bars.

The bytes that are hashed are the bytes that are parsed, and they say what a file is, not its name. No bar is given out
before all of the file is found good, and a change of the file afterwards changes nothing. A DataFrame is the CSV file
that ``frame_csv`` makes of it.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import importlib
import io
import os
import tempfile
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from itertools import chain, repeat
from operator import floordiv, sub
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from c2lib.core.errors import MarketDataError, MissingExtraError, OutputError, output_errors
from c2lib.core.model import Bar, new_fact
from c2lib.core.regular_file import open_regular
from c2lib.core.text import one_line
from c2lib.market.bars import BarBlock, BarReader, CellTable
from c2lib.market.cells import PriceGrid, Rounding, VolumeCells, positive_decimal
from c2lib.market.csv_file import FRAME, frame_csv, read_csv

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 1 << 16
"""How much is read at a time."""

_GZIP = b"\x1f\x8b"
_FEATHER, _PARQUET = b"ARROW1", b"PAR1"
_REFUSED = {
    b"PARE": ("an encrypted Parquet file", "write it unencrypted"),
    b"FEA1": ("a Feather file of version 1", "write it as version 2"),
    b"PK\x03\x04": ("a zip archive or a workbook", "unpack it, or save the sheet as CSV"),
}
"""What cannot be read, by its first bytes; whatever else these are, it is taken for CSV text."""

_NOT_OPENED = {
    errno.ENOENT: ("there is no such file", "check the path"),
    errno.EISDIR: ("is a directory", "name a market file"),
    errno.EINVAL: ("is no regular file", "name a market file"),
}
_NOT_WRITTEN = "the temporary file of the market data cannot be written"
_INTEGER = "q"
_BAR_BYTES = (len(Bar._fields) - 1) * array(_INTEGER).itemsize


def open_market_file(
    source: Any, *, tick_size: str | None = None, lot_size: str = "1", rounding: Rounding = "refuse"
) -> MarketFile:
    """Read the whole of a market file, or of a DataFrame, and return its bars.

    Args:
        source: The path of the file, or a ``pandas.DataFrame``, which is read as the file of :func:`frame_csv`.
        tick_size: The grid of the prices; left out, the widest grid that holds every price is proposed.
        lot_size: The quantity that a volume is counted in, rounded down.
        rounding: What happens to a price off a given grid: ``refuse`` it, or with ``nearest`` put it on the nearest
            tick, from halfway away from zero.

    Raises:
        MarketDataError: The file cannot be used; a flag that it advises is the argument of that name here.
        ConfigError: A size is no positive decimal, or lacks where prices are to be rounded.
        MissingExtraError: It is a Feather or Parquet file, and there is no pyarrow.
        OutputError: A temporary file cannot be written.
    """
    lot = positive_decimal(lot_size, "market.lot_size")
    prices = PriceGrid(tick_size, rounding)
    with ExitStack() as opened:
        table, digest = _frame_table(source) if hasattr(source, "iloc") else _file_table(Path(source), opened)
        return MarketFile(BarReader(table, prices, VolumeCells(lot)).bars(), prices, lot, digest)


def _frame_table(frame: Any) -> tuple[CellTable, Callable[[], str]]:
    digest = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for block in frame_csv(frame):
            digest.update(block)
            yield block

    return read_csv(hashed(), FRAME)._replace(first=1, unit="row"), digest.hexdigest


def _file_table(path: Path, opened: ExitStack) -> tuple[CellTable, Callable[[], str]]:
    """Return the cells of a file, by its first bytes, and what gives its hash once they are read."""
    # a line break in a name would forge a line of the log
    name = one_line(str(path))
    file = _open(path, name)
    blocks = read_blocks(opened.enter_context(io.BufferedReader(file, BLOCK_BYTES)), name)
    first = next(blocks, b"")
    blocks = chain((first,), blocks)
    for start, (kind, hint) in _REFUSED.items():
        if first.startswith(start):
            raise MarketDataError(name, 0, f"is {kind}, which cannot be read", hint=hint)
    if not first.startswith((_FEATHER, _PARQUET)):
        return read_csv(blocks, name), file.digest.hexdigest
    try:
        arrow_file = importlib.import_module("c2lib.market.arrow_file")
    except ImportError:
        raise MissingExtraError("reading Feather or Parquet", "data") from None
    # a copy, since these are read to and fro
    copy = opened.enter_context(_temporary_file())
    with output_errors(_NOT_WRITTEN):  # of the copy: read_blocks raises no OSError
        copy.writelines(blocks)
        copy.flush()
    return arrow_file.read_arrow(copy, name, is_parquet=first.startswith(_PARQUET)), file.digest.hexdigest


def _temporary_file() -> IO[bytes]:
    """Return an unnamed file, which nobody else can change."""
    with output_errors("no temporary file can be made for the market data"):
        return tempfile.TemporaryFile(prefix="c2lib-market-")


class _HashedFile(io.FileIO):
    """Reads a file and hashes whatever it reads."""

    def __init__(self, handle: int) -> None:
        super().__init__(handle)
        self.digest = hashlib.sha256()

    def readinto(self, buffer: WriteableBuffer) -> int:
        count = super().readinto(buffer) or 0
        self.digest.update(memoryview(buffer)[:count])
        return count


def _open(path: Path, name: str) -> _HashedFile:
    try:
        return _HashedFile(open_regular(path, follow=True))
    except OSError as error:
        problem, hint = _NOT_OPENED.get(error.errno or 0, (f"cannot be opened: {error.strerror}", ""))
        raise MarketDataError(name, 0, problem, hint=hint) from None
    except ValueError:
        raise MarketDataError(name, 0, "no path can be spelled like this") from None


def read_blocks(stream: Any, file: str) -> Iterator[bytes]:
    """Yield the bytes of a stream, unpacked; raise :class:`MarketDataError` when they cannot be read or unpacked."""
    hint = "fetch or pack the file again"
    try:
        if stream.peek(len(_GZIP)).startswith(_GZIP):
            stream = gzip.GzipFile(fileobj=stream, mode="rb")
        while block := stream.read(BLOCK_BYTES):
            yield block
    except EOFError:
        raise MarketDataError(file, 0, "the gzip data ends in the middle", hint=hint) from None
    except (gzip.BadGzipFile, zlib.error):
        raise MarketDataError(file, 0, "is no gzip data, or it is damaged", hint=hint) from None
    except OSError as error:
        raise MarketDataError(file, 0, f"cannot be read: {error.strerror}") from None


class MarketFile(AbstractContextManager["MarketFile"]):
    """The bars of a file found good; a :class:`~c2lib.core.model.MarketData`, with the ``lot_size`` of its volumes.

    They lie in an unnamed temporary file, so that memory does not grow with their number: use it in a ``with``, or
    call :meth:`close`.
    """

    def __init__(self, blocks: Iterable[BarBlock], prices: PriceGrid, lot_size: str, digest: Callable[[], str]) -> None:
        self._store = _temporary_file()
        self._prices = prices
        self._blocks: list[tuple[range, int]] = []
        self.lot_size = lot_size
        self.bar_count = 0
        self.smallest_gap: int | None = None
        try:
            with output_errors(_NOT_WRITTEN):
                self._fill(blocks)
        except BaseException:
            self.close()
            raise
        # known now that all of the file was read
        self.sha256 = digest()
        self.tick_size = prices.tick_size

    def _fill(self, blocks: Iterable[BarBlock]) -> None:
        last: list[int] = []
        for scale, columns in blocks:
            times = [*last, *columns[0]]
            known = () if self.smallest_gap is None else (self.smallest_gap,)
            self.smallest_gap = min(chain(known, map(sub, times[1:], times)), default=None)
            last = times[-1:]
            for column in columns:
                self._store.write(array(_INTEGER, column).tobytes())
            first = self.bar_count
            self.bar_count += len(columns[0])
            self._blocks.append((range(first, self.bar_count), scale))
        self._store.flush()

    def bars(self, count: int) -> Iterator[Bar]:
        """Yield the first ``count`` bars, all of them when there are fewer, from the first one at each call.

        Iterators do not disturb each other. Raises :class:`ValueError` after :meth:`close`, and
        :class:`~c2lib.core.errors.OutputError` when the temporary file cannot be read.
        """
        make_bar = partial(new_fact, Bar)
        for indices, scale in self._blocks:
            first, size = indices.start, len(indices)
            if first >= count:
                return
            numbers = self._numbers(first * _BAR_BYTES, size * _BAR_BYTES)
            times, *grid, volumes = (numbers[at : at + size] for at in range(0, len(numbers), size))
            factor, divisor = self._prices.ratio(scale)
            ticks: Iterable[Iterable[int]] = grid
            if factor > 1:
                ticks = [map(factor.__mul__, column) for column in ticks]
            if divisor > 1:
                ticks = [map(floordiv, column, repeat(divisor)) for column in ticks]
            yield from map(make_bar, zip(indices[: count - first], times, *ticks, volumes, strict=False))

    def _numbers(self, offset: int, size: int) -> array[int]:
        with output_errors("the temporary file of the market data cannot be read"):
            data = os.pread(self._store.fileno(), size, offset)
        if len(data) != size:
            raise OutputError("the temporary file of the market data is shorter than what was written to it")
        return array(_INTEGER, data)

    def close(self) -> None:
        """Remove the temporary file; again is allowed."""
        self._store.close()

    def __exit__(self, *exception: object) -> None:
        self.close()
