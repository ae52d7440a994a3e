"""Bars made of cells: which columns they come from, and which cells are refused by line and column."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.clock import micros_text
from c2lib.core.decimals import format_scaled
from c2lib.core.model import Bar
from tests.market.csv_text import FIRST, GOOD, HEADER, bars_of, corrupted, opened, refusal, text_of


@pytest.mark.parametrize(
    "header",
    [
        "date,open,high,low,close,volume",
        ",Open,High,Low,Close,Volume",
        "TIMESTAMP_UTC,OPEN,HIGH,LOW,CLOSE,VOLUME",
        "Timestamp,open,high,low,close,volume",
        "gmt time, open, high, low, close, volume",
        "\ufeffdate,open,high,low,close,volume",
        '"date","open","high","low","close","volume"',
    ],
)
def test_usual_headers_are_understood(header: str) -> None:
    """Usual CSV headers are understood whatever their letter case, quotes or byte order mark."""
    assert bars_of(text_of(header, *GOOD)) == bars_of(text_of(HEADER, *GOOD))


def test_columns_found_by_name() -> None:
    """Columns may stand in any order, and columns that belong to no bar are ignored."""
    content = text_of(",close,low,note,high,open,date", '0,1.5,1,"a, b",2,1.5,2026-01-02')
    assert bars_of(content, tick_size="0.5") == [Bar(0, FIRST, 3, 4, 2, 3, 0)]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("date,open,high,close", "no column is named low; found 'date', 'open', 'high', 'close'"),
        ("", "no column is named open or high or low or close; found none"),
        (
            "date|open|high|low|close",
            "no column is named open or high or low or close; found 'date|open|high|low|close'",
        ),
        ("date,open,high,low,close,Close", "column 'close' stands 2 times"),
        ("open,high,low,close,volume", "no column is the time"),
        ("date,timestamp,open,high,low,close", "columns 'date' and 'timestamp' could each be the time"),
        ('"date,open,high,low,close', "is not proper CSV: unexpected end of data"),
    ],
)
def test_bad_header_is_refused(header: str, problem: str) -> None:
    """A header that does not say where a bar's cells stand is refused at line 1."""
    error = refusal(text_of(header))
    assert (error.line, error.problem) == (1, problem)


def test_column_named_as_in_file() -> None:
    """A message names a column as in the file, and a column without a name by its position."""
    error = refusal(text_of(",Open,High,Low,Close", "x,1,1,1,1"))
    assert "/day.csv, line 2: column 1 (time): 'x' is not an ISO 8601 time with dashes (write " in str(error)
    assert "column 'Open': 'x'" in str(refusal(text_of(",Open,High,Low,Close", "2026-01-02,x,1,1,1")))


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
        (3, "1e-19", "column 'low': '1e-19' looks like float noise"),
        (2, "1e19", "column 'high': '1e19' fits no tick size beside the prices above"),
        (0, "2026-01-02", "column 'date': '2026-01-02' is not after 2026-01-02T00:00:00+00:00, the bar before it"),
        (0, "2025-12-31", "column 'date': '2025-12-31' is not after 2026-01-02T00:00:00+00:00, the bar before it"),
        (0, "2026-01-02T00:01Z", "column 'date': '2026-01-02T00:01Z' has a time zone, but the times above have not"),
        (4, "9" * 70, f"column 'close': '{'9' * 40}'… has more than 60 digits"),
    ],
)
def test_senseless_cell_is_refused(cell: int, text: str, problem: str) -> None:
    """An invalid cell is refused with its line, its column and the reason."""
    error = refusal(corrupted(cell, text))
    assert (error.line, error.problem) == (3, problem)


@st.composite
def valid_files(draw: st.DrawFn) -> tuple[str, str, list[Bar]]:
    """Draw a tick size, the text of a file on its grid, and the bars that are in it."""
    scale = draw(st.integers(0, 6))
    tick = draw(st.integers(1, 40))
    time, bars = draw(st.integers(0, 4 * 10**15)), []
    for index in range(draw(st.integers(1, 12))):
        low, *inside, high = sorted(draw(st.lists(st.integers(1, 10**7), min_size=4, max_size=4)))
        start, close = draw(st.permutations(inside))
        bars.append(Bar(index, time, start, high, low, close, draw(st.integers(0, 10**12))))
        time += draw(st.integers(1, 10**13))
    rows = [
        ",".join((micros_text(bar.time), *(format_scaled(price * tick, scale) for price in bar[2:6]), str(bar.volume)))
        for bar in bars
    ]
    return format_scaled(tick, scale), text_of(HEADER, *rows), bars


@settings(max_examples=100, deadline=None)
@given(valid_files())
def test_valid_bars_come_back(drawn: tuple[str, str, list[Bar]]) -> None:
    """Bars come back as written on the given grid, and with the same prices on the proposed grid."""
    tick_size, content, bars = drawn
    assert bars_of(content, tick_size=tick_size) == bars
    with opened(content) as market:
        proposed = list(market.bars(market.bar_count))
        given_ticks = [price for bar in bars for price in bar[2:6]]
        found_ticks = [price for bar in proposed for price in bar[2:6]]
    assert [a * found_ticks[0] for a in given_ticks] == [b * given_ticks[0] for b in found_ticks]
    with opened(content, tick_size=market.tick_size) as again:
        assert list(again.bars(again.bar_count)) == proposed


@settings(max_examples=100, deadline=None)
@given(drawn=valid_files(), data=st.data())
def test_corrupted_cell_is_located(drawn: tuple[str, str, list[Bar]], data: st.DataObject) -> None:
    """Any corrupted cell is refused with its line and column."""
    lines = drawn[1].splitlines()
    line = data.draw(st.integers(1, len(lines) - 1))
    row = lines[line].split(",")
    cell = data.draw(st.integers(0, 5))
    row[cell] = data.draw(
        st.sampled_from(["", "nan", "-1", "1e400", "inf", "?", row[cell] + "x", "-" + row[cell] + "1"])
    )
    lines[line] = ",".join(row)
    error = refusal(text_of(*lines))
    assert error.line == line + 1
    assert error.problem.startswith(f"column '{HEADER.split(',')[cell]}': ")
