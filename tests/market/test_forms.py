"""One market in the many forms that files have: each gives the same bars, or is refused by line and column."""

import csv
import gzip
import io
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.errors import MarketDataError
from c2lib.core.model import Bar
from c2lib.market.files import open_market_file
from tests.market.arrow_tables import feather, parquet
from tests.market.csv_text import FIRST, GOOD, HEADER, bars_of, opened, refusal, text_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BARS = bars_of(text_of(HEADER, *GOOD))
KLINE = "{ms},{open},{high},{low},{close},{volume},{end},0,7,0,0,0"

Row = tuple[int, str, str, str, str, str]
"""Microseconds since 1970, and the texts of open, high, low, close and volume."""


def rows_of(lines: tuple[str, ...] = GOOD) -> list[Row]:
    """Return lines of a CSV file as rows."""
    rows = []
    for line in lines:
        time, *numbers = line.split(",")
        rows.append(((datetime.fromisoformat(f"{time}+00:00") - EPOCH) // timedelta(microseconds=1), *numbers))
    return rows  # type: ignore[return-value] # five texts each


def moment(micros: int) -> datetime:
    """Return a time of a row."""
    return EPOCH + timedelta(microseconds=micros)


def written(rows: list[Row], separator: str, header: str, time: Callable[[int], str]) -> str:
    """Return rows as a CSV file; without a header when it is empty."""
    names = [header.replace(",", separator)] if header else []
    return text_of(*names, *(separator.join((time(row[0]), *row[1:])) for row in rows))


FORMS: dict[str, Callable[[list[Row]], str]] = {
    "semicolons": lambda rows: written(rows, ";", HEADER, lambda time: moment(time).isoformat()),
    "tabs": lambda rows: written(rows, "\t", "<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOLUME>", lambda t: str(moment(t))),
    "epoch s": lambda rows: written(rows, ",", "time,open,high,low,close,Volume", lambda time: str(time // 10**6)),
    "epoch ms": lambda rows: written(rows, ";", "Open time,open,high,low,close,volume", lambda t: str(t // 1000)),
    "epoch us": lambda rows: written(rows, "\t", HEADER, str),
    "two columns": lambda rows: written(
        rows, ",", "Date,Time,Open,High,Low,Close,Volume", lambda time: f"{moment(time):%Y-%m-%d,%H:%M:%S}"
    ),
    "MetaTrader": lambda rows: written(
        rows, "\t", "<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOLUME>", lambda t: f"{moment(t):%Y.%m.%d\t%H:%M:%S}"
    ),
    "headerless": lambda rows: written(rows, ",", "", lambda time: f"{moment(time):%Y-%m-%d %H:%M:%S}"),
    "headerless date and time": lambda rows: written(rows, ";", "", lambda time: f"{moment(time):%Y.%m.%d;%H:%M:%S}"),
    "klines": lambda rows: text_of(
        *(
            KLINE.format(ms=t // 1000, end=t // 1000 + 59_999, open=o, high=h, low=lo, close=c, volume=v)
            for t, o, h, lo, c, v in rows
        )
    ),
    "quoted": lambda rows: text_of(
        *(";".join(f'"{cell}"' for cell in line.split(",")) for line in (HEADER, *map(line_of, rows)))
    ),
    "Windows": lambda rows: "\ufeff" + text_of(HEADER, *map(line_of, rows)).replace("\n", "\r\n"),
}
"""Whole files, by what is peculiar to each."""


def line_of(row: Row) -> str:
    """Return the line of a row in the plainest form."""
    return ",".join((moment(row[0]).isoformat(), *row[1:]))


def frame_of(rows: list[Row]) -> pd.DataFrame:
    """Return rows as a DataFrame of floats with an index of moments."""
    index = pd.DatetimeIndex([moment(row[0]) for row in rows])
    columns = {
        name: [float(row[place]) for row in rows] for place, name in enumerate(HEADER.title().split(",")) if place
    }
    return pd.DataFrame(columns, index=index)


def table_of(rows: list[Row]) -> Any:
    """Return rows as an Arrow table of floats and milliseconds since 1970."""
    times = pa.array([row[0] // 1000 for row in rows], pa.int64())
    numbers = {name: [float(row[place]) for row in rows] for place, name in enumerate(HEADER.split(",")) if place}
    return pa.table({"date": times, **numbers})


@pytest.mark.parametrize("form", FORMS)
def test_form_gives_same_bars(form: str) -> None:
    """Whatever separates cells, counts time or names columns, the bars are those of the plainest file, also packed."""
    content = FORMS[form](rows_of())
    assert bars_of(content) == BARS
    assert bars_of(gzip.compress(content.encode()), "day.csv.gz") == BARS


@st.composite
def markets(draw: st.DrawFn) -> list[Row]:
    """Draw rows whose prices have up to four decimals, in whole seconds."""
    time, rows = draw(st.integers(400_000_000, 4_000_000_000)), []
    for _ in range(draw(st.integers(1, 6))):
        low, first, last, high = sorted(draw(st.lists(st.integers(1, 99_999), min_size=4, max_size=4)))
        prices = (
            str(Decimal(price).scaleb(-4))
            for price in draw(st.sampled_from([(first, high, low, last), (last, high, low, first)]))
        )
        rows.append((time * 10**6, *prices, str(draw(st.integers(0, 10**6)))))
        time += draw(st.integers(1, 10**6))
    return rows  # type: ignore[return-value] # five texts each


@settings(max_examples=40, deadline=None)
@given(markets())
def test_all_forms_agree(rows: list[Row]) -> None:
    """A market has the same tick size and bars in every text form, as Feather, Parquet and DataFrame."""
    with opened(text_of(HEADER, *map(line_of, rows))) as market:
        tick_size, expected = market.tick_size, list(market.bars(99))
    for form in FORMS.values():
        assert bars_of(form(rows)) == expected
    for content, name in ((feather(table_of(rows)), "day.feather"), (parquet(table_of(rows)), "day.parquet")):
        assert bars_of(content, name) == expected
    with open_market_file(frame_of(rows)) as market:
        assert (market.tick_size, list(market.bars(99))) == (tick_size, expected)


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        ("date;open;high;low;close\n2026-01-02;1,5;2;1;1\n", 2, "column 'open': '1,5' is not a decimal number"),
        (
            'date,open,high,low,close\n2026-01-02,"1,234.5",2,1,1\n',
            2,
            "column 'open': '1,234.5' is not a decimal number",
        ),
        ("date,open,high,low,close\n2026-01-02,1,5,2,1,1\n", 2, "has 6 cells where the first line has 5"),
        (
            "1767312000000,1,2,1\n",
            1,
            "no column is named open or high or low or close; found '1767312000000', '1', '2'",
        ),
        ("1767312000000,2,1,1.5,1\n", 1, "column 3 (high): high '1' is below low '1.5'"),
        ("1767312000000;1;2;1;1\n1767312060000;1;x;1;1\n", 2, "column 3 (high): 'x' is not a decimal number"),
        ("2026-01-02;09:00;1;2;1;1\n2026-01-02;9h;1;2;1;1\n", 2, "column 1 (time): '2026-01-02 9h' is not an ISO 8601"),
        ("Date,Time,Open,High,Low,Close\n2026-01-02,,1,1,1,1\n", 2, "columns 'Date' and 'Time': '2026-01-02 ' is not"),
        (
            "Date,Time,Open,High,Low,Close\n2026-01-02 09:00,09:00,1,1,1,1\n",
            2,
            "columns 'Date' and 'Time': '2026-01-02 09",
        ),
        ("Date,Time,timestamp,open,high,low,close\n", 1, "columns 'date' and 'timestamp' could each be the time"),
        ("date,open,open,high,low,close\n", 1, "column 'open' stands 2 times"),
        (
            "date;open,high;low,close\n2026-01-02;1,1;1,1\n",
            1,
            "no column is named open or high or low; found 'date;open', 'high;low', 'close'",
        ),
        ("date,open,high,low,close\n2026-01-02,1e308,1,1,1\n", 2, "column 'open': '1e308' has more than 60 digits"),
        ("date,open,high,low,close\n2026-01-02,NaN,1,1,1\n", 2, "column 'open': 'NaN' is not a decimal number"),
        ("date,open,high,low,close\n2026-01-02,,1,1,1\n", 2, "column 'open': is empty"),
        ("date,open,high,low,close\n0000-01-02,1,1,1,1\n", 2, "column 'date': '0000-01-02' is not an ISO 8601 time"),
    ],
)
def test_refusal_names_place(content: str, line: int, problem: str) -> None:
    """What cannot be read is refused with the whole path, the line and the column."""
    error = refusal(content)
    assert error.file.startswith("/")
    assert error.line == line
    assert error.problem.startswith(problem)


def test_two_bars_one_time() -> None:
    """Two bars of one time are refused without advice to leave one out, and the time of day is read where it stands."""
    rows = ("2026-01-02,00:00,1,1,1,1", "2026-01-02,00:00,1,1,1,1")
    error = refusal(text_of("Date,Time,Open,High,Low,Close", *rows))
    assert error.line == 3
    assert error.problem.endswith("'2026-01-02 00:00' is not after 2026-01-02T00:00:00+00:00, the bar before it")
    assert error.hint == "give each bar the time that is its own"


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_first_and_last_year(year: str) -> None:
    """The first and the last year of the calendar can be read."""
    (bar,) = bars_of(text_of(HEADER, f"{year}-06-01,1,1,1,1,1"))
    assert moment(bar.time).year == int(year)


def read_simply(text: str) -> list[tuple[Decimal, ...]] | None:
    """Return time and prices of a plain file by csv and Decimal, an independent reader; ``None`` where it is unsure."""
    try:
        header, *rows = csv.reader(io.StringIO(text))
        places = [[name.strip().lower() for name in header].index(name) for name in HEADER.split(",")]
        bars = []
        for row in rows:
            time = datetime.fromisoformat(row[places[0]])
            time = time if time.tzinfo else time.replace(tzinfo=UTC)
            micros = Decimal((time - EPOCH) // timedelta(microseconds=1))
            bars.append((micros, *(Decimal(row[place].strip()) for place in places[1:])))
    except (ValueError, InvalidOperation, IndexError, csv.Error, OverflowError):
        return None
    return bars


CELLS = st.sampled_from(
    ["1.5", "2", "1", "0", "-1", "1e-5", "1E2", "1e308", "nan", "inf", "", " 1", "1,5", "1.234,5", '"2"', "1_0", "٣"]
) | st.decimals(0, 100, places=3).map(str)
TIMES = st.sampled_from(
    [
        "2026-01-02",
        "2026-01-02 00:01",
        "2026-01-02T00:02Z",
        "2026-01-02 00:03+01:00",
        "0001-01-01",
        "9999-12-31",
        "",
        "x",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_accepted_files_read_right(data: st.DataObject) -> None:
    """A file of odd cells is refused with a line and advice, or its bars are what csv and Decimal read in it."""
    row = st.tuples(TIMES, CELLS, CELLS, CELLS, CELLS, CELLS)
    rows = data.draw(st.lists(row | st.sampled_from([tuple(line.split(",")) for line in GOOD]), max_size=4))
    header = data.draw(st.permutations(HEADER.split(",")) | st.just(HEADER.split(",")))
    text = text_of(",".join(header), *(",".join(row[HEADER.split(",").index(name)] for name in header) for row in rows))
    try:
        with opened(text) as market:
            tick = Decimal(market.tick_size)
            bars = [(Decimal(b.time), *(p * tick for p in b[2:6]), b.volume) for b in market.bars(market.bar_count)]
    except MarketDataError as error:
        advice = error.hint
    else:
        expected = read_simply(text)
        assert expected is not None
        assert bars == [(*bar[:5], int(bar[5])) for bar in expected]
        return
    assert advice
    assert not any(word in advice for word in ("drop", "leave out bars", "delete"))


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=80) | st.text('0123456789.,;\t-:TZ+\r\n" e\ufeff', max_size=80).map(str.encode),
    st.integers(0, 9),
)
def test_any_bytes_are_answered(content: bytes, form: int) -> None:
    """Any bytes behind the start of any form give bars or a refusal that names the whole path."""
    start = list(FORMS.values())[form % len(FORMS)](rows_of())[: form * 17]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "day.csv")
        path.write_bytes(start.encode() + content)
        refused = None
        try:
            with open_market_file(path) as market:
                assert all(type(bar) is Bar for bar in market.bars(market.bar_count))
        except MarketDataError as error:
            refused = error
        assert refused is None or (refused.file == str(path) and "\n" not in str(refused))


def test_timestamp_needs_no_clock() -> None:
    """A file with a whole timestamp keeps it although a column is named time as well."""
    content = text_of("timestamp,time,open,high,low,close", "2026-01-02 00:00,x,1,1,1,1")
    assert bars_of(content)[0].time == FIRST
