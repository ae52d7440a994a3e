"""CSV files as text: which lines are rows, and which are refused."""

import gzip
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.errors import MarketDataError
from c2lib.market import csv_file, files
from c2lib.market.files import open_market_file
from tests.market.csv_text import GOOD, HEADER, bars_of, refusal, text_of


def test_windows_line_ends_are_read() -> None:
    """A carriage return before a line end belongs to no cell."""
    content = text_of(HEADER, *GOOD)
    assert bars_of(content.replace("\n", "\r\n")) == bars_of(content)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("2026-01-03,1,1,1,1", "has 5 cells where the first line has 6"),
        ("2026-01-03,1,1,1,1,1,1", "has 7 cells where the first line has 6"),
        ("", "the line is empty"),
        ('"2026-01-03"x,1,1,1,1,1', "is not proper CSV: ',' expected after '\"'"),
        ('"2026-01-03,1,1,1,1,1', "is not proper CSV: unexpected end of data"),
        ('"2026-01-03\n",1,1,1,1,1', "is not proper CSV: unexpected end of data"),
        ("2026-01-03,1,1,1\r,1,1", "is not proper CSV: new-line character seen in unquoted field"),
        ("2026-01-03,1,1,1,1,\0", "holds a NUL byte"),
        ("x" * 70_000, "the line is longer than 65536 characters"),
    ],
)
def test_bad_line_is_refused(row: str, problem: str) -> None:
    """A line that is no row is refused with the number of the line where the row begins."""
    error = refusal(text_of(HEADER, "2026-01-02,1,1,1,1,1", row, "2026-01-04,1,1,1,1,1"))
    assert error.line == 3
    assert error.problem.startswith(problem)


def test_two_line_header_is_refused() -> None:
    """A CSV header with a quote that does not close on the first line is refused."""
    assert refusal(text_of('"date\n",open,high,low,close')).problem == "is not proper CSV: unexpected end of data"


def test_endless_line_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line without an end is refused after 65,536 characters."""
    monkeypatch.setattr(files, "BLOCK_BYTES", 1000)
    error = refusal(text_of(HEADER) + "1" * 200_000)
    assert (error.line, error.problem) == (2, "the line is longer than 65536 characters")


def test_long_row_is_accepted() -> None:
    """Cells that belong to no bar may hold anything, up to the bound of a line."""
    lines = [f"{HEADER},note", f"{GOOD[0]},{'x' * 30_000}", f"{GOOD[1]},{'x' * 60_000}"]
    assert len(bars_of(text_of(*lines))) == 2
    assert refusal(text_of(*lines, f"{GOOD[2]},{'x' * 66_000}")).line == 4


def test_too_many_lines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CSV file has at most one line for each step, so that a packed file cannot fill the disk."""
    monkeypatch.setattr(csv_file, "MAX_LINES", 3)
    assert len(bars_of(text_of(HEADER, *GOOD[:2]))) == 2
    assert refusal(text_of(HEADER, *GOOD)).problem == "the file has more than 3 lines"


def test_other_encoding_is_refused() -> None:
    """Bytes of a CSV file that are not UTF-8 are refused with their line."""
    error = refusal(text_of(HEADER, GOOD[0]).encode() + b"2026-01-03,1,1,1,1,\xff\n")
    assert (error.line, error.problem) == (3, "is not UTF-8 text")


@pytest.mark.parametrize("keep", range(1, len(GOOD[2]) + 1))
def test_cut_last_line_is_refused(keep: int) -> None:
    """A cut last line is refused even where the remaining digits are a valid number."""
    error = refusal(text_of(HEADER, *GOOD[:2]) + GOOD[2][:keep])
    assert (error.line, error.problem) == (4, "the last line has no line end")


@pytest.mark.parametrize(("content", "line"), [(b"", 0), (b"\xef\xbb\xbf", 0), (text_of(HEADER).encode(), 1)])
def test_file_without_bars_is_refused(content: bytes, line: int) -> None:
    """An empty CSV file and a lone header are each refused with a message of their own."""
    error = refusal(content)
    assert (error.line, error.problem) == (line, "no bar follows the header" if line else "the file is empty")


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=60) | st.text(alphabet='0123456789.,-:T+\r\n" e', max_size=60).map(str.encode),
    st.sampled_from(["day.csv", "day.csv.gz"]),
    st.booleans(),
)
def test_any_bytes_are_handled(content: bytes, name: str, headed: bool) -> None:
    """A CSV file of any content gives bars or raises MarketDataError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        body = (text_of(HEADER, GOOD[0]).encode() if headed else b"") + content
        path.write_bytes(gzip.compress(body) if headed and name.endswith(".gz") else body)
        with suppress(MarketDataError), open_market_file(path) as market:
            assert len(list(market.bars(market.bar_count))) == market.bar_count
