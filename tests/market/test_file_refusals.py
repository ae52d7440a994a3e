"""CSV files of bars: what cannot be meant is refused by its line and column."""

import pytest

from c2lib.market import csv_file as text_lines
from c2lib.market import files
from tests.market.csv_text import GOOD, HEADER, bars_of, corrupted, refusal, text_of


@pytest.mark.parametrize(
    "text", ["", "nan", "inf", "-inf", "x", "1,5", "1_000", " 1 ", "١", ".5", "--1", "0x1", "1.2.3"]
)
@pytest.mark.parametrize("cell", [1, 2, 3, 4, 5])
def test_a_cell_that_is_no_number_is_refused(cell: int, text: str) -> None:
    """The error names the line and the column."""
    error = refusal(corrupted(cell, f'"{text}"'))
    assert error.line == 3
    assert f"column '{HEADER.split(',')[cell]}': " in error.problem
    assert ("is empty" if text == "" else "is not a decimal number") in error.problem


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "02.01.2026", "2026-01-32", "20260102", "1767312060", "1710123112345"),
        *("2026-W01-5", "2026-01-02T24:00", "2026-01-02 09", "2026-01-02_09:00", "2026-01-02 09:00 UTC"),
        *("2026-01-02 09:00:60", "2026-01-02 09:00+25:00", "２０２６-01-02"),
    ],
)
def test_a_time_that_is_not_iso_is_refused(text: str) -> None:
    """Epoch counts and national dates are not guessed at; what some Pythons read and others do not is refused."""
    error = refusal(corrupted(0, text))
    assert (error.line, error.problem[:15]) == (3, "column 'date': ")
    assert "is not an ISO 8601 time" in error.problem


@pytest.mark.parametrize(
    ("cell", "text", "problem"),
    [
        (4, "0", "column 'close': '0' is not greater than 0"),
        (4, "-0.0", "column 'close': '-0.0' is not greater than 0"),
        (1, "-1.5", "column 'open': '-1.5' is not greater than 0"),
        (5, "-1", "column 'volume': '-1' is negative"),
        (5, "1e19", "column 'volume': '1e19' is too large"),
        (2, "1", "column 'high': high '1' is below low '1.5'"),
        (2, "1.75", "column 'high': high '1.75' is below close '2'"),
        (1, "3", "column 'high': high '2.5' is below open '3'"),
        (3, "1.75", "column 'low': open '1.5' is below low '1.75'"),
        (4, "1.25", "column 'low': close '1.25' is below low '1.5'"),
        (3, "1e-19", "column 'low': '1e-19' has more than 18 decimals"),
        (2, "1e19", "column 'high': '1e19' is too large for its number of decimals"),
        (0, "2026-01-02", "column 'date': '2026-01-02' is not after 2026-01-02T00:00:00+00:00, the bar before it"),
        (0, "2025-12-31", "column 'date': '2025-12-31' is not after 2026-01-02T00:00:00+00:00, the bar before it"),
        (0, "2026-01-02T00:01Z", "column 'date': '2026-01-02T00:01Z' has a time zone, but the times above have not"),
        (4, "9" * 70, f"column 'close': '{'9' * 40}'… is not a decimal number"),
    ],
)
def test_a_cell_that_makes_no_sense_is_refused(cell: int, text: str, problem: str) -> None:
    """The error names the line, the column and what is wrong."""
    error = refusal(corrupted(cell, text))
    assert (error.line, error.problem) == (3, problem)


def test_a_price_too_fine_for_those_above_is_refused() -> None:
    """Prices that no common grid holds in 64 bits do not go together."""
    error = refusal(text_of(HEADER, "2026-01-02,10,10,10,10,1", "2026-01-03,1,1,1e-18,1,1"))
    assert (error.line, error.problem) == (3, "column 'low': '1e-18' is too fine beside a price of 10")


def test_the_column_is_named_as_the_file_names_it() -> None:
    """A nameless column is named by its place."""
    error = refusal(text_of(",Open,High,Low,Close", "x,1,1,1,1"))
    assert str(error).startswith("day.csv, line 2: column 1: 'x' is not an ISO 8601 time with dashes (write ")
    assert "column 'Open': 'x'" in str(refusal(text_of(",Open,High,Low,Close", "2026-01-02,x,1,1,1")))


def test_a_time_without_zone_among_times_with_one_is_refused() -> None:
    """Naive and aware times do not mix."""
    error = refusal(text_of(HEADER, "2026-01-02T00:00Z,1,1,1,1,1", "2026-01-03,1,1,1,1,1"))
    assert (error.line, error.problem) == (
        3,
        "column 'date': '2026-01-03' has no time zone, but the times above have",
    )


def test_a_time_out_of_range_in_utc_is_refused() -> None:
    """A zone can lead out of the calendar."""
    assert "is out of range in UTC" in refusal(text_of(HEADER, "0001-01-01T00:00+14:00,1,1,1,1,1")).problem


@pytest.mark.parametrize(("price", "tick_size"), [("1.5", "1"), ("1.05", "0.1"), ("1.0001", "0.0005")])
def test_a_price_off_the_given_grid_is_refused(price: str, tick_size: str) -> None:
    """The error names the tick size and the way out."""
    content = text_of(HEADER, "2026-01-02,2,2,1,1,1", f"2026-01-03,2,2,1,{price},1")
    error = refusal(content, tick_size=tick_size)
    assert (error.line, error.problem) == (
        3,
        f"column 'close': '{price}' is not a multiple of the tick size {tick_size}",
    )
    assert "leave the tick size out" in str(error)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("date,open,high,close", "no column is named low; found 'date', 'open', 'high', 'close'"),
        ("", "no column is named open or high or low or close; found none"),
        (
            "date;open;high;low;close",
            "no column is named open or high or low or close; found 'date;open;high;low;close'",
        ),
        ("date,open,high,low,close,Close", "column 'close' stands 2 times"),
        ("open,high,low,close,volume", "no column is the time"),
        ("date,timestamp,open,high,low,close", "columns 'date' and 'timestamp' could each be the time"),
        ('"date,open,high,low,close', "is not proper CSV: unexpected end of data"),
    ],
)
def test_a_header_that_does_not_say_where_things_are_is_refused(header: str, problem: str) -> None:
    """The error stands at line 1."""
    error = refusal(text_of(header))
    assert (error.line, error.problem) == (1, problem)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("2026-01-03,1,1,1,1", "has 5 cells where the header has 6"),
        ("2026-01-03,1,1,1,1,1,1", "has 7 cells where the header has 6"),
        ("", "the line is empty"),
        ('"2026-01-03"x,1,1,1,1,1', "is not proper CSV: ',' expected after '\"'"),
        ('"2026-01-03,1,1,1,1,1', "is not proper CSV: unexpected end of data"),
        ('"2026-01-03\n",1,1,1,1,1', "is not proper CSV: unexpected end of data"),
        ("2026-01-03,1,1,1\r,1,1", "is not proper CSV: new-line character seen in unquoted field"),
        ("2026-01-03,1,1,1,1,\0", "holds a NUL byte"),
        ("x" * 70_000, "the line is longer than 65536 characters"),
    ],
)
def test_a_line_that_is_no_row_is_refused(row: str, problem: str) -> None:
    """The error stands at the line where the row begins."""
    error = refusal(text_of(HEADER, "2026-01-02,1,1,1,1,1", row, "2026-01-04,1,1,1,1,1"))
    assert error.line == 3
    assert error.problem.startswith(problem)


def test_a_header_over_two_lines_is_refused() -> None:
    """A quote must close on its line."""
    assert refusal(text_of('"date\n",open,high,low,close')).problem == "is not proper CSV: unexpected end of data"


def test_a_file_without_line_ends_is_refused_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless line is given up after 65,536 characters."""
    monkeypatch.setattr(files, "BLOCK_BYTES", 1000)
    error = refusal(text_of(HEADER) + "1" * 200_000)
    assert (error.line, error.problem) == (2, "the line is longer than 65536 characters")


def test_a_long_line_that_is_a_row_is_accepted() -> None:
    """Up to the bound, the cells beside the bar may hold what they like."""
    lines = [f"{HEADER},note", f"{GOOD[0]},{'x' * 30_000}", f"{GOOD[1]},{'x' * 60_000}"]
    assert len(bars_of(text_of(*lines))) == 2
    assert refusal(text_of(*lines, f"{GOOD[2]},{'x' * 66_000}")).line == 4


def test_a_file_of_more_lines_than_a_run_has_steps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A packed file cannot fill the disk without end."""
    monkeypatch.setattr(text_lines, "MAX_LINES", 3)
    assert len(bars_of(text_of(HEADER, *GOOD[:2]))) == 2
    assert refusal(text_of(HEADER, *GOOD)).problem == "the file has more than 3 lines"


def test_text_that_is_not_utf8_is_refused() -> None:
    """The error names the line of the first strange byte."""
    error = refusal(text_of(HEADER, GOOD[0]).encode() + b"2026-01-03,1,1,1,1,\xff\n")
    assert (error.line, error.problem) == (3, "is not UTF-8 text")


@pytest.mark.parametrize("keep", range(1, len(GOOD[2]) + 1))
def test_a_file_cut_in_its_last_line_is_refused(keep: int) -> None:
    """Even where the cut leaves a number that could be read."""
    error = refusal(text_of(HEADER, *GOOD[:2]) + GOOD[2][:keep])
    assert (error.line, error.problem) == (4, "the last line has no line end")


@pytest.mark.parametrize(("content", "line"), [(b"", 0), (b"\xef\xbb\xbf", 0), (text_of(HEADER).encode(), 1)])
def test_a_file_without_bars_is_refused(content: bytes, line: int) -> None:
    """An empty file and a lone header are told apart."""
    error = refusal(content)
    assert (error.line, error.problem) == (line, "no bar follows the header" if line else "the file is empty")
