"""The cells of market files, through small CSV files: numbers, times, and prices on a grid."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.core.errors import ConfigError
from c2lib.market.cells import CellError, PriceGrid, TimeCells
from tests.market.csv_text import FIRST, HEADER, bars_of, corrupted, opened, refusal, text_of


@pytest.mark.parametrize(
    "text", ["", "nan", "inf", "-inf", "x", "1,5", "1_000", " 1 ", "١", ".5", "--1", "0x1", "1.2.3"]
)
@pytest.mark.parametrize("cell", [1, 2, 3, 4, 5])
def test_bad_number_is_refused(cell: int, text: str) -> None:
    """A cell that is no number is refused with its line and column."""
    error = refusal(corrupted(cell, f'"{text}"'))
    assert error.line == 3
    assert f"column '{HEADER.split(',')[cell]}': " in error.problem
    assert ("is empty" if text == "" else "is not a decimal number") in error.problem


def test_exponents_and_zeros_accepted() -> None:
    """A price may have an exponent or trailing zeros, on a given grid too."""
    content = text_of(HEADER, "2026-01-02,1e-05,1.2e-05,0.00001000000000000000,+0.00001,1e2")
    for sizes in ({}, {"tick_size": "0.000001"}):
        with opened(content, **sizes) as market:
            bar = next(market.bars(1))
            assert [bar.open * 2, bar.volume] == [bar.open + bar.low, 100]
            assert bar.high * 10 == bar.open * 12


def test_volume_is_whole_lots() -> None:
    """A volume is counted in whole lots, and a fraction of a lot is dropped."""
    volumes = [bar.volume for bar in bars_of(text_of(HEADER, "2026-01-02,1,1,1,1,1.2999"), lot_size="0.1")]
    assert volumes == [12]


@pytest.mark.parametrize(
    "time",
    [
        *("2026-01-02T00:00:00", "2026-01-02", "2026-01-02 00:00", "2026-01-02T00:00:00Z"),
        *("2026-01-02 01:00:00.000+01:00", "2026.01.02 00:00", "2026/01/02"),
        *("1767312000", "1767312000.0", "1767312000000", "1767312000000000", "1767312000000000000", "1.767312e9"),
    ],
)
def test_times_become_utc(time: str) -> None:
    """An instant has one value, however written: in ISO 8601, with a zone or without, or counted since 1970."""
    assert bars_of(text_of(HEADER, f"{time},1,1,1,1,1"))[0].time == FIRST


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "02.01.2026", "2026-01-32", "20260102", "1767312060", "2026-01/02", "2026.13.02"),
        *("2026-W01-5", "2026-01-02T24:00", "2026-01-02 09", "2026-01-02_09:00", "2026-01-02 09:00 UTC"),
        *("2026-01-02 09:00:60", "2026-01-02 09:00+25:00", "２０２６-01-02"),
    ],
)
def test_other_times_are_refused(text: str) -> None:
    """Counts among dates, national date forms, and forms that only some Python versions read are refused as times."""
    error = refusal(corrupted(0, text))
    assert (error.line, error.problem[:15]) == (3, "column 'date': ")
    assert "is not an ISO 8601 time" in error.problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("315532799", "is no count since 1970 of a time from 1980 to 2286"),
        ("10000000000", "is no count since 1970 of a time from 1980 to 2286"),
        ("20260102093000", "is no count since 1970 of a time from 1980 to 2286"),
        ("202601020930", "is no count since 1970 of a time from 1980 to 2286"),
        ("20260102", "is no count since 1970 of a time from 1980 to 2286"),
        ("1767312000000000001", "is finer than a microsecond"),
        ("1767312000.0000001", "is finer than a microsecond"),
        ("2026-01-02", "is no count since 1970"),
        ("-1767312060", "is no count since 1970 of a time from 1980 to 2286"),
        ("1_767_312_060", "is no count since 1970"),
    ],
)
def test_doubtful_count_is_refused(text: str, problem: str) -> None:
    """A count whose size fits no unit, or that could be a date without dashes, is refused with its column."""
    error = refusal(text_of(HEADER, "1767312000,1,1,1,1,1", f"{text},1,1,1,1,1"))
    assert (error.line, error.problem) == (3, f"column 'date': '{text}' {problem}")


@given(st.integers(315_532_800 * 10**6, 10**16 - 1))
def test_units_of_counts_agree(micros: int) -> None:
    """A moment from 1980 to 2286 is the same in every unit that can count it, and no text counts two moments."""
    counts = [micros * 1000, micros]
    counts += [micros // size for size in (1000, 10**6) if micros % size == 0]
    for count in counts:
        assert TimeCells().micros([str(count)]) == [micros]


def test_mixed_zones_are_refused() -> None:
    """Times with a zone and times without a zone in one market file are refused."""
    error = refusal(text_of(HEADER, "2026-01-02T00:00Z,1,1,1,1,1", "2026-01-03,1,1,1,1,1"))
    assert (error.line, error.problem) == (
        3,
        "column 'date': '2026-01-03' has no time zone, but the times above have",
    )


def test_time_beyond_calendar_refused() -> None:
    """A time whose zone leads beyond the calendar is refused."""
    assert "is out of range in UTC" in refusal(text_of(HEADER, "0001-01-01T00:00+14:00,1,1,1,1,1")).problem


def test_trailing_zeros_stay_on_grid() -> None:
    """Whether a price is on a given grid depends on its number and not on its trailing zeros."""
    assert bars_of(text_of(HEADER, "2026-01-02,1.50,2.000,1.0,1.5,1"), tick_size="0.5")[0][2:6] == (3, 4, 2, 3)


@pytest.mark.parametrize(("price", "tick_size"), [("1.5", "1"), ("1.05", "0.1"), ("1.0001", "0.0005")])
def test_price_off_grid_is_refused(price: str, tick_size: str) -> None:
    """A price off a given grid is refused with the tick size and the settings that would help."""
    content = text_of(HEADER, "2026-01-02,2,2,1,1,1", f"2026-01-03,2,2,1,{price},1")
    error = refusal(content, tick_size=tick_size)
    assert (error.line, error.problem) == (
        3,
        f"column 'close': '{price}' is not a multiple of the tick size {tick_size}",
    )
    assert str(error).endswith("(add --rounding nearest, or leave --tick-size out)")


def test_given_grid_is_bounded() -> None:
    """A price of more ticks than an order can have is refused on a given grid."""
    for rounding in ("refuse", "nearest"):
        sizes = {"tick_size": "0.01", "rounding": rounding}
        error = refusal(text_of(HEADER, f"2026-01-02,1,{2**53}e-2,1,1,1"), **sizes)
        assert error.problem == f"column 'high': '{2**53}e-2' is too large to be ordered at in ticks of 0.01"
        assert bars_of(text_of(HEADER, f"2026-01-02,1,{2**53 - 1}e-2,1,1,1"), **sizes)[0].high == 2**53 - 1


def test_proposed_tick_fits_all() -> None:
    """Bars read before the finest price are on the proposed grid as well."""
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


def test_odd_tick_is_proposed() -> None:
    """A proposed tick need not be a power of ten, and coarse early prices are converted exactly."""
    rows = ["2026-01-01,1,1,1,1,1", "2026-01-02,1.5,1.5,1.5,1.5,1", "2026-01-03,0.12,0.12,0.12,0.12,1"]
    with opened(text_of(HEADER, *rows)) as market:
        assert market.tick_size == "0.02"
        assert [bar.open for bar in market.bars(3)] == [50, 75, 6]


def test_too_fine_price_is_refused() -> None:
    """Prices that no common grid holds below the bound of an order are refused."""
    error = refusal(text_of(HEADER, "2026-01-02,10,1e9,10,10,1", "2026-01-03,1,1,1e-12,1,1"))
    assert (error.line, error.problem) == (3, "column 'low': '1e-12' fits no tick size beside the prices above")
    assert error.hint == "the prices of the file are too far apart, or too low, for one tick size"


def rounded(row: str, tick_size: str) -> list[int]:
    """Return open, high, low and close, in ticks, of a bar of these prices."""
    content = text_of(HEADER, f"2026-01-02,{row},1")
    return list(bars_of(content, tick_size=tick_size, rounding="nearest")[0][2:6])


@pytest.mark.parametrize(
    ("row", "tick_size", "ticks"),
    [
        ("1.02,1.03,1.01,1.03", "0.05", [20, 21, 20, 21]),
        ("1.025,1.075,1.0249999,1.05", "0.05", [21, 22, 20, 21]),
        ("5.330000000000001e-05,5.34e-05,5.3e-05,5.329999999999999e-05", "0.00000001", [5330, 5340, 5300, 5330]),
        ("2.5,3.5,0.5,1.5", "1", [3, 4, 1, 2]),
        ("7,8,6,7.5", "2.5", [3, 3, 2, 3]),
        ("1,1.00000000000000000000000000000000001,1,1", "1", [1, 1, 1, 1]),
    ],
)
def test_price_rounds_to_nearest_tick(row: str, tick_size: str, ticks: list[int]) -> None:
    """A rounded price is the nearest tick, with halves rounded up, whatever number of decimals the price has."""
    assert rounded(row, tick_size) == ticks


def test_rounding_keeps_grid_prices() -> None:
    """Rounding keeps every price that is on the grid, and the tick size is the given one."""
    content = text_of(HEADER, "2026-01-02,1.5,2,1,1.50,1")
    with opened(content, tick_size="0.5", rounding="nearest") as market, opened(content, tick_size="0.5") as plain:
        assert (market.tick_size, list(market.bars(1))) == ("0.5", list(plain.bars(1)))


@given(
    st.fractions(min_value=Fraction(1, 10**6), max_value=10**6).map(lambda price: round(price, 9)),
    st.integers(0, 10**4),
    st.integers(1, 400),
    st.integers(0, 6),
)
def test_rounding_keeps_order(price: Fraction, more: int, tick: int, scale: int) -> None:
    """Rounding moves no price by more than half a tick and keeps the order of any two prices."""
    size = Fraction(tick, 10**scale)
    grid = PriceGrid(f"{float(size):.6f}", "nearest")
    found = []
    for exact in (price, price + Fraction(more, 10**9)):
        try:
            ticks = Fraction(grid[f"{int(exact * 10**9)}e-9"])
        except CellError:
            ticks = Fraction(0)
        assert ticks == (exact / size + Fraction(1, 2)).__floor__()
        found.append(ticks)
    assert found[0] <= found[1]


@pytest.mark.parametrize(
    ("row", "tick_size", "problem"),
    [
        ("1,1,0.49,1", "1", "column 'low': '0.49' is 0 when rounded to the tick size 1"),
        ("1,1e18,1,1", "0.01", "column 'high': '1e18' is too large to be ordered at in ticks of 0.01"),
        ("1,-1,1,1", "0.01", "column 'high': '-1' is not greater than 0"),
        ("1,2,1,nan", "0.01", "column 'close': 'nan' is not a decimal number"),
        ("1,1.4,1,1.6", "1", "column 'high': high '1.4' is below close '1.6'"),
    ],
)
def test_rounding_excuses_no_bad_cell(row: str, tick_size: str, problem: str) -> None:
    """With rounding, a cell that is no price or that rounds to an invalid price is refused with its line."""
    error = refusal(text_of(HEADER, f"2026-01-02,{row},1"), tick_size=tick_size, rounding="nearest")
    assert (error.line, error.problem) == (2, problem)


def test_rounding_needs_tick_size() -> None:
    """Rounding without a tick size is refused with the name of the field to fill in."""
    with pytest.raises(ConfigError) as caught:
        bars_of(text_of(HEADER), rounding="nearest")
    assert caught.value.field == "market.tick_size"
