r"""Market files that people have: CSV, plain or gzipped, Feather and Parquet.

Rules kept here:

* a file is read once: the bytes that are hashed are the bytes that are parsed. Feather and Parquet need going to and
  fro, so they are copied, while hashed, to an unnamed temporary file that nobody else can change, and parsed there;
* nothing of it is given out before all of it is found good; the good bars wait in an unnamed temporary file,
  so memory stays flat and a change of the file afterwards changes nothing;
* messages name the file by its last name only, the line and the column, and what to do.

>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder, "day.csv")
...     _ = path.write_text("date,open,high,low,close\n2026-01-02,10.5,11,10,10.5\n")
...     with open_market_file(path, tick_size=None, lot_size="1") as market:
...         market.tick_size, market.bar_count, [bar.close for bar in market.bars(1)]
('0.5', 1, [21])
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import importlib
import io
import os
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import chain, repeat
from operator import floordiv
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple, Self, cast

from c2lib.core.errors import MarketDataError, MissingExtraError, OutputError
from c2lib.core.model import Bar
from c2lib.core.regular_file import NOT_REGULAR, open_regular
from c2lib.market.bars import BarBlock
from c2lib.market.cells import PriceGrid, Rounding, VolumeCells, positive_decimal, price_grid
from c2lib.market.csv_file import BLOCK_BYTES, line_blocks, read_blocks, read_csv

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


PLAIN_SUFFIX = ".csv"
GZIP_SUFFIX = ".csv.gz"
FEATHER_SUFFIXES = (".feather", ".arrow")
PARQUET_SUFFIX = ".parquet"

_SUFFIXES = (PLAIN_SUFFIX, GZIP_SUFFIX, *FEATHER_SUFFIXES, PARQUET_SUFFIX)
_KINDS = {
    b"ARROW1": "a Feather file of version 2",
    b"PAR1": "a Parquet file",
    b"PARE": "an encrypted Parquet file",
    b"FEA1": "a Feather file of version 1",
}


class MarketFile:
    """The bars of a file found good; a :class:`~c2lib.core.model.MarketData`.

    ``tick_size`` and ``lot_size`` are canonical decimal text. It holds a temporary file open: use it in a
    ``with``, or call :meth:`close`.
    """

    def __init__(self, sha256: str, prices: PriceGrid, lot_size: str, spill: Spill, store: IO[bytes]) -> None:
        self.tick_size = prices.tick_size
        self.lot_size = lot_size
        self._sha256 = sha256
        self._prices = prices
        self._spill = spill
        self._store = store

    @property
    def sha256(self) -> str:
        """Hash of the file's bytes as they lie on the disk."""
        return self._sha256

    @property
    def bar_count(self) -> int:
        """How many bars there are."""
        return self._spill.bar_count

    def bars(self, count: int) -> Iterator[Bar]:
        """Yield the first ``count`` bars, all of them when there are fewer, from the first one at each call.

        Iterators do not disturb each other. Raises :class:`ValueError` after :meth:`close`, and
        :class:`~c2lib.core.errors.OutputError` when the temporary file cannot be read.
        """
        return self._spill.bars(count, self._read_at, self._prices)

    def _read_at(self, size: int, offset: int) -> bytes:
        try:
            return os.pread(self._store.fileno(), size, offset)
        except OSError as error:
            raise OutputError(f"the temporary file of the market data cannot be read: {error.strerror}") from None

    def close(self) -> None:
        """Give the temporary file back; again is allowed."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _HashedFile(io.RawIOBase):
    """Reads a file and hashes whatever it reads."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        count = self._raw.readinto(buffer) or 0
        self._digest.update(memoryview(buffer)[:count])
        return count

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def open_market_file(
    path: str | os.PathLike[str],
    *,
    tick_size: str | None = None,
    lot_size: str = "1",
    rounding: Rounding = "refuse",
) -> MarketFile:
    """Read the whole of a market file and return its bars.

    ``tick_size`` left out is proposed: the widest grid that holds every price. A price off a given grid is refused,
    or with ``rounding="nearest"`` goes to the nearest tick, halfway away from zero. ``lot_size`` is the quantity that
    a volume is counted in, rounded down.

    Raises :class:`~c2lib.core.errors.MarketDataError` for a file that cannot be used,
    :class:`~c2lib.core.errors.ConfigError` for a size that is no positive decimal or lacks where prices are to be
    rounded, :class:`~c2lib.core.errors.MissingExtraError` for a Feather or Parquet file without pyarrow, and
    :class:`~c2lib.core.errors.OutputError` when a temporary file cannot be written.
    """
    lot = positive_decimal(lot_size, "market.lot_size")
    prices = price_grid(tick_size, rounding)
    name = _shown_name(path)
    suffix = _suffix(Path(path), name)
    with ExitStack() as on_failure:
        store = on_failure.enter_context(_new_store())
        spill = Spill(store.write)
        with _open(Path(path), name) as raw:
            hashed = _HashedFile(raw)
            stream = cast(BinaryIO, io.BufferedReader(hashed, BLOCK_BYTES))
            read = _read_text if suffix in (PLAIN_SUFFIX, GZIP_SUFFIX) else _read_binary
            _fill(spill, store, read(stream, name, suffix, prices, VolumeCells(lot)))
        on_failure.pop_all()
        return MarketFile(hashed.hexdigest(), prices, lot, spill, store)


def _read_text(stream: BinaryIO, name: str, suffix: str, prices: PriceGrid, volumes: VolumeCells) -> Iterator[BarBlock]:
    text = cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="rb")) if suffix == GZIP_SUFFIX else stream
    return read_csv(line_blocks(read_blocks(text, name), name), name, prices, volumes)


def _read_binary(
    stream: BinaryIO, name: str, suffix: str, prices: PriceGrid, volumes: VolumeCells
) -> Iterator[BarBlock]:
    try:
        arrow_columns = importlib.import_module("c2lib.market.arrow_file")
    except ImportError:
        raise MissingExtraError("reading Feather or Parquet", "data") from None
    with _new_store() as copy:
        blocks = read_blocks(stream, name)
        first = next(blocks, b"")
        _check_kind(first, name, suffix)
        for block in chain((first,), blocks):
            copy.write(block)
        copy.flush()
        yield from arrow_columns.read_columns(copy, name, suffix == PARQUET_SUFFIX, prices, volumes)


def _check_kind(first: bytes, name: str, suffix: str) -> None:
    kind = next((kind for magic, kind in _KINDS.items() if first.startswith(magic)), "something else")
    expected = "a Parquet file" if suffix == PARQUET_SUFFIX else "a Feather file of version 2"
    if not first:
        raise MarketDataError(name, 0, "the file is empty", hint="fetch it or write it again")
    if kind != expected:
        raise MarketDataError(name, 0, f"is {kind}, not {expected}", hint="rename it to what it is, or write it again")


def _shown_name(path: str | os.PathLike[str]) -> str:
    name = Path(path).name or str(path)
    # a line break in a name would forge a line of the log
    return name if name.isprintable() else ascii(name)


def _suffix(path: Path, name: str) -> str:
    lowered = path.name.lower()
    suffix = next((suffix for suffix in _SUFFIXES if lowered.endswith(suffix)), None)
    if suffix is None:
        supported = f"{', '.join(_SUFFIXES[:-1])} and {_SUFFIXES[-1]}"
        raise MarketDataError(name, 0, "is no kind of file that can be read", hint=f"supported are {supported}")
    return suffix


def _open(path: Path, name: str) -> io.RawIOBase:
    try:
        return io.FileIO(open_regular(path, follow=True))
    except FileNotFoundError:
        raise MarketDataError(name, 0, "there is no such file", hint="check the path") from None
    except OSError as error:
        if error.errno not in NOT_REGULAR:
            raise MarketDataError(name, 0, f"cannot be opened: {error.strerror}") from None
        kind = "is a directory" if error.errno == errno.EISDIR else "is no regular file"
        raise MarketDataError(name, 0, kind, hint="name a market file") from None
    except ValueError:
        raise MarketDataError(name, 0, "no path can be spelled like this") from None


def _new_store() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(prefix="c2lib-market-")
    except OSError as error:
        raise OutputError(f"no temporary file can be made for the market data: {error.strerror}") from None


def _fill(spill: Spill, store: IO[bytes], blocks: Iterator[BarBlock]) -> None:
    try:
        spill.fill(blocks)
        store.flush()
    except OSError as error:
        # reading the market file raises no OSError, so this one is a temporary file's
        raise OutputError(f"the temporary file of the market data cannot be written: {error.strerror}") from None


_COLUMNS = len(Bar._fields) - 1
_INTEGER = "q"
_INTEGER_BYTES = array(_INTEGER).itemsize

ReadAt = Callable[[int, int], bytes]
"""Returns as many bytes as asked for first, from the offset asked for second."""

_make_bar = partial(tuple.__new__, Bar)


class _Chunk(NamedTuple):
    first: int
    bars: int
    scale: int


class Spill:
    """Bars put away in a stream; ``bar_count`` tells how many."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._chunks: list[_Chunk] = []
        self.bar_count = 0

    def fill(self, blocks: Iterable[BarBlock]) -> None:
        """Take in all bars."""
        for block in blocks:
            for column in block.columns:
                self._write(array(_INTEGER, column).tobytes())
            bars = len(block.columns[0])
            self._chunks.append(_Chunk(self.bar_count, bars, block.scale))
            self.bar_count += bars

    def bars(self, count: int, read_at: ReadAt, prices: PriceGrid) -> Iterator[Bar]:
        """Yield the first ``count`` bars, prices in ticks; raise :class:`OutputError` when the stream lost some."""
        bar_size = _COLUMNS * _INTEGER_BYTES
        for chunk in self._chunks:
            if chunk.first >= count:
                return
            data = read_at(chunk.bars * bar_size, chunk.first * bar_size)
            if len(data) != chunk.bars * bar_size:
                raise OutputError("the temporary file of the market data is shorter than what was written to it")
            numbers = array(_INTEGER, data)
            times, *grid, volumes = (numbers[at : at + chunk.bars] for at in range(0, len(numbers), chunk.bars))
            factor, divisor = prices.ratio(chunk.scale)
            ticks = grid if factor == divisor else [_in_ticks(column, factor, divisor) for column in grid]
            indices = range(chunk.first, min(count, chunk.first + chunk.bars))
            yield from map(_make_bar, zip(indices, times, *ticks, volumes, strict=False))


def _in_ticks(column: Iterable[int], factor: int, divisor: int) -> Iterable[int]:
    # a chunk that stands at the final scale already is the rule, and worth a multiplication saved
    finest = column if factor == 1 else map(factor.__mul__, column)
    return map(floordiv, finest, repeat(divisor))
