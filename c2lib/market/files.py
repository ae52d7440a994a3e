r"""Market files that people have: CSV, plain or gzipped.

Rules kept here:

* a file is read once: the bytes that are hashed are the bytes that are parsed;
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

import gzip
import hashlib
import io
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Self, cast

from c2lib.core.errors import MarketDataError, OutputError
from c2lib.core.model import Bar
from c2lib.market.cells import PriceCells, VolumeCells, positive_decimal
from c2lib.market.csv_rows import BarRow, read_bars
from c2lib.market.spill import Spill
from c2lib.market.text_lines import BLOCK_BYTES, line_blocks, read_blocks

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PLAIN_SUFFIX = ".csv"
GZIP_SUFFIX = ".csv.gz"


class MarketFile:
    """The bars of a file found good; a :class:`~c2lib.core.model.MarketData`.

    ``tick_size`` and ``lot_size`` are canonical decimal text. It holds a temporary file open: use it in a
    ``with``, or call :meth:`close`.
    """

    def __init__(self, sha256: str, prices: PriceCells, lot_size: str, spill: Spill, store: IO[bytes]) -> None:
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


def open_market_file(path: str | os.PathLike[str], *, tick_size: str | None = None, lot_size: str = "1") -> MarketFile:
    """Read the whole of a market file and return its bars.

    ``tick_size`` left out is proposed: the widest grid that holds every price. ``lot_size`` is the quantity that
    a volume is counted in, rounded down. Raises :class:`~c2lib.core.errors.MarketDataError` for a file that cannot
    be used, :class:`~c2lib.core.errors.ConfigError` for a size that is no positive decimal, and
    :class:`~c2lib.core.errors.OutputError` when the temporary file cannot be written.
    """
    lot = positive_decimal(lot_size, "market.lot_size")
    prices = PriceCells(tick_size if tick_size is None else positive_decimal(tick_size, "market.tick_size"))
    name = _shown_name(path)
    packed = _is_packed(Path(path), name)
    with ExitStack() as on_failure:
        store = on_failure.enter_context(_new_store())
        spill = Spill(store.write)
        with _open(Path(path), name) as raw:
            hashed = _HashedFile(raw)
            stream = cast(BinaryIO, io.BufferedReader(hashed, BLOCK_BYTES))
            text = cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="rb")) if packed else stream
            lines = chain.from_iterable(line_blocks(read_blocks(text, name), name))
            _fill(spill, store, read_bars(lines, name, prices, VolumeCells(lot)), prices)
        on_failure.pop_all()
        return MarketFile(hashed.hexdigest(), prices, lot, spill, store)


def _shown_name(path: str | os.PathLike[str]) -> str:
    name = Path(path).name or str(path)
    # a line break in a name would forge a line of the log
    return name if name.isprintable() else ascii(name)


def _is_packed(path: Path, name: str) -> bool:
    lowered = path.name.lower()
    if not lowered.endswith((PLAIN_SUFFIX, GZIP_SUFFIX)):
        raise MarketDataError(name, 0, "is no kind of file that can be read", hint="supported are .csv and .csv.gz")
    return lowered.endswith(GZIP_SUFFIX)


def _open(path: Path, name: str) -> io.RawIOBase:
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            return cast(io.RawIOBase, path.open("rb", buffering=0))
    except FileNotFoundError:
        raise MarketDataError(name, 0, "there is no such file", hint="check the path") from None
    except OSError as error:
        raise MarketDataError(name, 0, f"cannot be opened: {error.strerror}") from None
    except ValueError:
        raise MarketDataError(name, 0, "its path holds a NUL character") from None
    kind = "is a directory" if stat.S_ISDIR(mode) else "is no regular file"
    raise MarketDataError(name, 0, kind, hint="name a .csv or .csv.gz file")


def _new_store() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(prefix="c2lib-market-")
    except OSError as error:
        raise OutputError(f"no temporary file can be made for the market data: {error.strerror}") from None


def _fill(spill: Spill, store: IO[bytes], rows: Iterator[BarRow], prices: PriceCells) -> None:
    try:
        spill.fill(rows, prices)
        store.flush()
    except OSError as error:
        # reading the market file raises no OSError, so this one is the temporary file's
        raise OutputError(f"the temporary file of the market data cannot be written: {error.strerror}") from None
