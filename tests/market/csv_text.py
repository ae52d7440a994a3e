"""What the tests of market files share: small CSV files, and what comes of opening them."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from c2lib.core.errors import MarketDataError
from c2lib.core.model import Bar
from c2lib.market.files import MarketFile, open_market_file

HEADER = "date,open,high,low,close,volume"
GOOD = ("2026-01-02 00:00:00,1.5,2,1,1.5,10", "2026-01-02 00:01:00,1.5,2.5,1.5,2,20", "2026-01-02 00:02:00,2,2,2,2,0")
FIRST = 1_767_312_000_000_000
MINUTE = 60_000_000


def text_of(*lines: str) -> str:
    """Return lines as a file has them."""
    return "".join(f"{line}\n" for line in lines)


@contextmanager
def opened(content: str | bytes, name: str = "day.csv", **sizes: Any) -> Iterator[MarketFile]:
    """Open a file of this content, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with open_market_file(path, **sizes) as market:
            yield market


def bars_of(content: str | bytes, name: str = "day.csv", **sizes: Any) -> list[Bar]:
    """Return all bars of a file of this content."""
    with opened(content, name, **sizes) as market:
        return list(market.bars(market.bar_count))


def refusal(content: str | bytes, name: str = "day.csv", **sizes: Any) -> MarketDataError:
    """Return the error that a file of this content is refused with."""
    with pytest.raises(MarketDataError) as caught:
        bars_of(content, name, **sizes)
    assert Path(caught.value.file).name == name
    return caught.value


def corrupted(cell: int, text: str) -> str:
    """Return a file whose third line has ``text`` in a cell."""
    row = GOOD[1].split(",")
    row[cell] = text
    return text_of(HEADER, GOOD[0], ",".join(row), GOOD[2])
