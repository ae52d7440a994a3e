"""Market files on a disk: what is hashed, kept and given out, and what cannot be opened, unpacked or put away."""

import doctest
import errno
import gzip
import hashlib
import io
import os
import tempfile
from itertools import accumulate
from pathlib import Path

import pytest

from c2lib.app.runner import opened_market
from c2lib.core.clock import micros_text
from c2lib.core.config import DryrunConfig, MarketConfig
from c2lib.core.errors import ConfigError, MarketDataError, OutputError
from c2lib.core.model import Bar
from c2lib.market import cells, files
from c2lib.market.files import open_market_file, read_blocks
from tests.market.csv_text import FIRST, GOOD, HEADER, MINUTE, bars_of, opened, refusal, text_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "market-data.md"


def test_bars_use_ticks_and_lots() -> None:
    """Bars of a market file have prices in the proposed tick size, times since 1970 and indices from 0."""
    with opened(text_of(HEADER, *GOOD)) as market:
        assert (market.tick_size, market.lot_size, market.bar_count) == ("0.5", "1", 3)
        assert list(market.bars(3)) == [
            Bar(0, FIRST, 3, 4, 2, 3, 10),
            Bar(1, FIRST + MINUTE, 3, 5, 3, 4, 20),
            Bar(2, FIRST + 2 * MINUTE, 4, 4, 4, 4, 0),
        ]


DAY = 24 * 60 * MINUTE


@pytest.mark.parametrize(
    ("gaps", "smallest"),
    [
        ([], None),
        ([DAY], DAY),
        ([3 * DAY, DAY, DAY, DAY, DAY, 3 * DAY], DAY),
        ([60 * MINUTE, 49 * 60 * MINUTE, 60 * MINUTE], 60 * MINUTE),
        ([DAY, DAY - 1, DAY], DAY - 1),
    ],
    ids=["one bar", "a day", "days and weekends", "hours and a weekend", "almost a day"],
)
@pytest.mark.parametrize("block", [1, files.BLOCK_BYTES])
def test_smallest_gap_is_found(
    gaps: list[int], smallest: int | None, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The smallest gap of a market file is that of its bars, within and across the blocks that it is read in."""
    monkeypatch.setattr(files, "BLOCK_BYTES", block)
    times = map(micros_text, accumulate(gaps, initial=FIRST))
    with opened(text_of(HEADER, *(f"{time},3,4,2,3,10" for time in times))) as market:
        assert (market.smallest_gap, market.bar_count) == (smallest, len(gaps) + 1)


def test_hash_covers_bytes_on_disk() -> None:
    """A market file, plain or packed, is hashed as the bytes on the disk."""
    plain = text_of(HEADER, *GOOD).encode()
    packed = gzip.compress(plain)
    with opened(plain) as one, opened(packed, "day.csv.gz") as other:
        assert one.sha256 == hashlib.sha256(plain).hexdigest()
        assert other.sha256 == hashlib.sha256(packed).hexdigest()
        assert list(one.bars(3)) == list(other.bars(3))


def test_gzip_members_are_joined() -> None:
    """A gzip file of several members is read and hashed to its end."""
    packed = gzip.compress(text_of(HEADER, GOOD[0]).encode()) + gzip.compress(text_of(*GOOD[1:]).encode())
    with opened(packed, "DAY.CSV.GZ") as market:
        assert market.bar_count == 3
        assert market.sha256 == hashlib.sha256(packed).hexdigest()


def test_iterators_are_independent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each iterator over a market file has its own position, also across blocks."""
    monkeypatch.setattr(files, "BLOCK_BYTES", 1)
    with opened(text_of(HEADER, *GOOD)) as market:
        first, second = market.bars(3), market.bars(2)
        assert [next(first).bar_index, next(second).bar_index, next(first).bar_index] == [0, 0, 1]
        assert [bar.bar_index for bar in second] == [1]
        assert [bar.bar_index for bar in first] == [2]
        assert len(list(market.bars(99))) == 3
        assert list(market.bars(0)) == []


def test_small_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that end within lines, and a cache of cells that is cleared, change no bar."""
    monkeypatch.setattr(files, "BLOCK_BYTES", 7)
    monkeypatch.setattr(cells, "CACHE_SIZE", 2)
    assert bars_of(text_of(HEADER, *GOOD)) == [
        Bar(0, FIRST, 3, 4, 2, 3, 10),
        Bar(1, FIRST + MINUTE, 3, 5, 3, 4, 20),
        Bar(2, FIRST + 2 * MINUTE, 4, 4, 4, 4, 0),
    ]


def test_closed_market_raises() -> None:
    """A market file may be closed twice and gives no bars afterwards."""
    with opened(text_of(HEADER, *GOOD)) as market:
        market.close()
        with pytest.raises(ValueError, match="closed"):
            next(market.bars(1))


@pytest.mark.parametrize(("tick_size", "lot_size"), [("0", "1"), ("x", "1"), ("1e-19", "1"), ("1", "-1")])
def test_bad_size_is_refused(tick_size: str, lot_size: str) -> None:
    """A tick or lot size that is no positive decimal is refused by its field before the file is opened."""
    with pytest.raises(ConfigError) as caught:
        open_market_file("nowhere.csv", tick_size=tick_size, lot_size=lot_size)
    assert caught.value.field == ("market.lot_size" if lot_size == "-1" else "market.tick_size")


def test_damaged_gzip_is_refused() -> None:
    """A gzip file that is cut, overwritten, followed by garbage or no gzip at all is refused."""
    packed = gzip.compress(text_of(HEADER, *GOOD).encode())
    assert refusal(packed[:-9], "day.csv.gz").problem == "the gzip data ends in the middle"
    damaged = "is no gzip data, or it is damaged"
    for content in (packed[:20] + b"\xff" * 20 + packed[40:], packed + b"x", packed[:2] + packed[::-1]):
        assert refusal(content, "day.csv.gz").problem == damaged


def test_unreadable_path_is_refused(tmp_path: Path) -> None:
    """A path that is missing or no regular file is refused by the whole path."""
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    expected = {
        "missing.csv": "missing.csv: there is no such file (check the path)",
        "folder.csv": "folder.csv: is a directory (name a market file)",
        "pipe.csv": "pipe.csv: is no regular file (name a market file)",
        "loop.csv": f"loop.csv: cannot be opened: {os.strerror(errno.ELOOP)}",
        "a\0.csv": "a\\x00.csv: no path can be spelled like this",
        "a\n.csv": "a\\n.csv: there is no such file (check the path)",
    }
    for name, message in expected.items():
        with pytest.raises(MarketDataError) as caught:
            open_market_file(tmp_path / name)
        assert str(caught.value) == f"{tmp_path}/{message}"


def test_read_error_is_named() -> None:
    """A disk error is reported as such and not as a bad market file."""

    class Failing(io.BytesIO):
        def peek(self, size: int = 0, /) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(MarketDataError, match=f"day.csv: cannot be read: {os.strerror(errno.EIO)}"):
        next(read_blocks(Failing(), "day.csv"))


def test_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the temporary file is reported as such and not as a fault of the market file."""
    path = tmp_path / "day.csv"
    path.write_text(text_of(HEADER, *GOOD))
    with open_market_file(path) as market:
        with monkeypatch.context() as patch:
            patch.setattr(os, "pread", lambda *_: b"")
            with pytest.raises(OutputError, match="is shorter than what was written"):
                list(market.bars(1))
        with monkeypatch.context() as patch:
            patch.setattr(os, "pread", _no_room)
            with pytest.raises(OutputError, match="cannot be read: "):
                list(market.bars(1))
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", _no_room)
        with pytest.raises(OutputError, match="no temporary file can be made"):
            open_market_file(path)
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", lambda prefix: FullDisk())
        with pytest.raises(OutputError, match=f"cannot be written: {os.strerror(errno.ENOSPC)}"):
            open_market_file(path)


def _no_room(*_arguments: object, **_names: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FullDisk(io.BytesIO):
    """A file that takes nothing."""

    def write(self, data: object, /) -> int:
        """Fail."""
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_run_rounds_as_sealed(tmp_path: Path) -> None:
    """A run rounds the prices of its market file by the rule in its sealed config."""
    path = tmp_path / "day.csv"
    path.write_text(text_of(HEADER, "2026-01-02,1.02,1.03,1.01,1.03,1"))
    market = MarketConfig(tick_size="0.05", rounding="nearest")
    config = DryrunConfig(strategy_id="strat_demo", seed=1, market=market)
    with opened_market(config, path) as data:
        assert data is not None
        assert [bar.close for bar in data.bars(1)] == [21]
    refusing = config.model_copy(update={"market": MarketConfig(tick_size="0.05")})
    with pytest.raises(MarketDataError, match=r"'1\.02' is not a multiple"), opened_market(refusing, path):
        pass
    assert config.canonical()["market"]["rounding"] == "nearest"


def test_page_examples_run() -> None:
    """The examples in docs/market-data.md print the answers shown there."""
    test = doctest.DocTestParser().get_doctest(PAGE.read_text(encoding="utf-8"), {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 5
    assert doctest.DocTestRunner().run(test).failed == 0
