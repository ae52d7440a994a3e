"""Market files as things on a disk: what cannot be opened, unpacked or put away."""

import errno
import gzip
import io
import os
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from c2lib.core.errors import ConfigError, MarketDataError, OutputError
from c2lib.market.files import open_market_file, read_blocks
from tests.market.csv_text import GOOD, HEADER, refusal, text_of


@pytest.mark.parametrize(("tick_size", "lot_size"), [("0", "1"), ("x", "1"), ("1e-19", "1"), ("1", "-1")])
def test_a_size_that_is_no_positive_decimal_is_refused(tick_size: str, lot_size: str) -> None:
    """The error names the size, and the file is not even looked for."""
    with pytest.raises(ConfigError) as caught:
        open_market_file("nowhere.csv", tick_size=tick_size, lot_size=lot_size)
    assert caught.value.field == ("market.lot_size" if lot_size == "-1" else "market.tick_size")


def test_a_damaged_gzip_file_is_refused() -> None:
    """Cut short, overwritten, followed by garbage or no gzip at all."""
    packed = gzip.compress(text_of(HEADER, *GOOD).encode())
    assert refusal(packed[:-9], "day.csv.gz").problem == "the gzip data ends in the middle"
    damaged = "is no gzip data, or it is damaged"
    for content in (packed[:20] + b"\xff" * 20 + packed[40:], packed + b"x", text_of(HEADER).encode(), packed[::-1]):
        assert refusal(content, "day.csv.gz").problem == damaged


@pytest.mark.parametrize("name", ["day.txt", "day.feather.gz", "day.gz", "day", "csv"])
def test_other_kinds_of_files_are_refused(name: str) -> None:
    """The error says what is supported."""
    supported = "(supported are .csv, .csv.gz, .feather, .arrow and .parquet)"
    assert str(refusal(text_of(HEADER, *GOOD), name)).endswith(supported)


def test_a_path_that_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    """Missing, a folder, a pipe, a link to itself, a NUL: the name is told, the folder is not."""
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    expected = {
        "missing.csv": "missing.csv: there is no such file (check the path)",
        "folder.csv": "folder.csv: is a directory (name a market file)",
        "pipe.csv": "pipe.csv: is no regular file (name a market file)",
        "loop.csv": f"loop.csv: cannot be opened: {os.strerror(errno.ELOOP)}",
        "a\0.csv": "'a\\x00.csv': no path can be spelled like this",
        "a\n.csv": "'a\\n.csv': there is no such file (check the path)",
        ".": f"{tmp_path.name}: is no kind of file that can be read "
        "(supported are .csv, .csv.gz, .feather, .arrow and .parquet)",
    }
    for name, message in expected.items():
        with pytest.raises(MarketDataError) as caught:
            open_market_file(tmp_path / name)
        assert str(caught.value) == message


def test_a_file_that_stops_being_readable_is_refused() -> None:
    """A failing disk is told apart from a bad file."""

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(MarketDataError, match=f"day.csv: cannot be read: {os.strerror(errno.EIO)}"):
        next(read_blocks(cast(BinaryIO, Failing()), "day.csv"))


def test_a_machine_without_room_is_to_blame_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No temporary file, or one that cannot be written or read, is no fault of the market file."""
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


class FullDisk(io.BytesIO):
    """A file that takes nothing."""

    def write(self, data: object, /) -> int:
        """Fail."""
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _no_room(*_arguments: object, **_names: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_nothing_of_a_folder_stands_in_a_message(tmp_path: Path) -> None:
    """Messages end up in records that other people read."""
    path = tmp_path / "day.csv"
    path.write_text(text_of(HEADER, "x"))
    with pytest.raises(MarketDataError) as caught:
        open_market_file(path)
    assert str(tmp_path) not in str(caught.value)
