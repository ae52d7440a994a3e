"""CSV files of bars: what is in the file comes out, exactly and in order."""

import gzip
import hashlib
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.clock import micros_text
from c2lib.core.decimals import format_scaled
from c2lib.core.errors import MarketDataError
from c2lib.core.model import Bar
from c2lib.market import cells, files
from c2lib.market.files import open_market_file
from tests.market.csv_text import FIRST, GOOD, HEADER, MINUTE, bars_of, opened, refusal, text_of


def test_bars_come_in_ticks_and_lots() -> None:
    """Prices are counted in the proposed tick size, times from 1970, indices from 0."""
    with opened(text_of(HEADER, *GOOD)) as market:
        assert (market.tick_size, market.lot_size, market.bar_count) == ("0.5", "1", 3)
        assert list(market.bars(3)) == [
            Bar(0, FIRST, 3, 4, 2, 3, 10),
            Bar(1, FIRST + MINUTE, 3, 5, 3, 4, 20),
            Bar(2, FIRST + 2 * MINUTE, 4, 4, 4, 4, 0),
        ]


def test_the_hash_is_of_the_bytes_on_disk() -> None:
    """A plain file and a packed one are hashed as they lie there."""
    plain = text_of(HEADER, *GOOD).encode()
    packed = gzip.compress(plain)
    with opened(plain) as one, opened(packed, "day.csv.gz") as other:
        assert one.sha256 == hashlib.sha256(plain).hexdigest()
        assert other.sha256 == hashlib.sha256(packed).hexdigest()
        assert list(one.bars(3)) == list(other.bars(3))


def test_a_gzip_file_of_several_members_is_one_file() -> None:
    """Packed files joined end to end are read and hashed to the end."""
    packed = gzip.compress(text_of(HEADER, GOOD[0]).encode()) + gzip.compress(text_of(*GOOD[1:]).encode())
    with opened(packed, "DAY.CSV.GZ") as market:
        assert market.bar_count == 3
        assert market.sha256 == hashlib.sha256(packed).hexdigest()


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
def test_headers_that_people_have_are_understood(header: str) -> None:
    """The time is named or first, letter case, quotes and a byte order mark do not matter."""
    assert bars_of(text_of(header, *GOOD)) == bars_of(text_of(HEADER, *GOOD))


def test_columns_may_stand_in_any_order_among_others() -> None:
    """Columns are found by name, and what is no part of a bar is ignored."""
    content = text_of(",close,low,note,high,open,date", '0,1.5,1,"a, b",2,1.5,2026-01-02')
    assert bars_of(content, tick_size="0.5") == [Bar(0, FIRST, 3, 4, 2, 3, 0)]


def test_windows_line_ends_are_accepted() -> None:
    """A carriage return before the line end is no part of the last cell."""
    content = text_of(HEADER, *GOOD)
    assert bars_of(content.replace("\n", "\r\n")) == bars_of(content)


@pytest.mark.parametrize(
    "time",
    ["2026-01-02T00:00:00", "2026-01-02", "2026-01-02 00:00", "2026-01-02T00:00:00Z", "2026-01-02 01:00:00.000+01:00"],
)
def test_iso_times_with_and_without_zone_are_read_as_utc(time: str) -> None:
    """The same instant comes out however it is written."""
    assert bars_of(text_of(HEADER, f"{time},1,1,1,1,1"))[0].time == FIRST


def test_a_price_may_have_an_exponent_or_zeros_behind() -> None:
    """Small prices are read as pandas writes them, on a given grid too."""
    content = text_of(HEADER, "2026-01-02,1e-05,1.2e-05,0.00001000000000000000,+0.00001,1e2")
    for sizes in ({}, {"tick_size": "0.000001"}):
        with opened(content, **sizes) as market:
            bar = next(market.bars(1))
            assert [bar.open * 2, bar.volume] == [bar.open + bar.low, 100]
            assert bar.high * 10 == bar.open * 12


def test_zeros_behind_do_not_push_a_price_off_its_grid() -> None:
    """What counts is the number, not how many decimals it is written with."""
    assert bars_of(text_of(HEADER, "2026-01-02,1.50,2.000,1.0,1.5,1"), tick_size="0.5")[0][2:6] == (3, 4, 2, 3)


def test_a_volume_is_counted_in_whole_lots() -> None:
    """What is left of a lot is dropped."""
    volumes = [bar.volume for bar in bars_of(text_of(HEADER, "2026-01-02,1,1,1,1,1.2999"), lot_size="0.1")]
    assert volumes == [12]


def test_the_proposed_tick_holds_all_prices_however_late_the_finest_comes() -> None:
    """Bars read before the grid was known come out on it all the same."""
    rows = [
        f"2026-01-{day:02},{price},{price},{price},{price},1" for day, price in enumerate(("20", "10.5", "9.75"), 1)
    ]
    with opened(text_of(HEADER, *rows)) as market:
        assert market.tick_size == "0.25"
        assert [bar.close for bar in market.bars(3)] == [80, 42, 39]
    rows.append("2026-01-04,1.0001,9,1,1.01,1")
    with opened(text_of(HEADER, *rows)) as market:
        assert market.tick_size == "0.0001"
        assert [bar.close for bar in market.bars(4)] == [200_000, 105_000, 97_500, 10_100]


def test_a_tick_that_is_no_power_of_ten_is_found() -> None:
    """Early coarse prices are multiplied and divided exactly."""
    rows = ["2026-01-01,1,1,1,1,1", "2026-01-02,1.5,1.5,1.5,1.5,1", "2026-01-03,0.12,0.12,0.12,0.12,1"]
    with opened(text_of(HEADER, *rows)) as market:
        assert market.tick_size == "0.02"
        assert [bar.open for bar in market.bars(3)] == [50, 75, 6]


def test_two_iterators_do_not_disturb_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its own place, over chunks too."""
    monkeypatch.setattr(files, "BLOCK_BYTES", 1)
    with opened(text_of(HEADER, *GOOD)) as market:
        first, second = market.bars(3), market.bars(2)
        assert [next(first).bar_index, next(second).bar_index, next(first).bar_index] == [0, 0, 1]
        assert [bar.bar_index for bar in second] == [1]
        assert [bar.bar_index for bar in first] == [2]
        assert len(list(market.bars(99))) == 3
        assert list(market.bars(0)) == []


def test_many_bars_over_many_blocks_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that end within lines and forgotten cells change nothing."""
    monkeypatch.setattr(files, "BLOCK_BYTES", 7)
    monkeypatch.setattr(cells, "CACHE_SIZE", 2)
    assert bars_of(text_of(HEADER, *GOOD)) == [
        Bar(0, FIRST, 3, 4, 2, 3, 10),
        Bar(1, FIRST + MINUTE, 3, 5, 3, 4, 20),
        Bar(2, FIRST + 2 * MINUTE, 4, 4, 4, 4, 0),
    ]


def test_a_closed_market_gives_no_bars() -> None:
    """Closing twice is fine, reading afterwards is not."""
    with opened(text_of(HEADER, *GOOD)) as market:
        market.close()
        with pytest.raises(ValueError, match="closed"):
            next(market.bars(1))


@st.composite
def valid_files(draw: st.DrawFn) -> tuple[str, str, list[Bar]]:
    """Draw a tick size, the text of a file on its grid, and the bars that are in it."""
    scale = draw(st.integers(0, 6))
    tick = draw(st.integers(1, 40))
    time, bars = draw(st.integers(0, 4 * 10**15)), []
    for index in range(draw(st.integers(1, 12))):
        low, *inside, high = sorted(draw(st.lists(st.integers(1, 10**9), min_size=4, max_size=4)))
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
def test_valid_bars_come_back_exactly(drawn: tuple[str, str, list[Bar]]) -> None:
    """On the given grid the bars are those that were written; on the proposed one the prices are."""
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
def test_a_corrupted_cell_is_refused_with_its_line(drawn: tuple[str, str, list[Bar]], data: st.DataObject) -> None:
    """Whichever cell of whichever line it is."""
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


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=60) | st.text(alphabet='0123456789.,-:T+\r\n" e', max_size=60).map(str.encode),
    st.sampled_from(["day.csv", "day.csv.gz"]),
    st.booleans(),
)
def test_whatever_the_bytes_nothing_but_a_refusal_comes(content: bytes, name: str, headed: bool) -> None:
    """Any content is either bars or a :class:`MarketDataError`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        body = (text_of(HEADER, GOOD[0]).encode() if headed else b"") + content
        path.write_bytes(gzip.compress(body) if headed and name.endswith(".gz") else body)
        with suppress(MarketDataError), open_market_file(path) as market:
            assert len(list(market.bars(market.bar_count))) == market.bar_count
