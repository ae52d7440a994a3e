"""Float noise in prices: no tick size is guessed, and the flags of the message read the file."""

import re
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.canon import MAX_INTEGER
from c2lib.core.errors import MarketDataError
from tests.market.arrow_tables import content, table
from tests.market.csv_text import GOOD, HEADER, bars_of, opened, refusal, text_of

FLAGS = re.compile(r"\(read it with --tick-size ([0-9.]+) --rounding nearest\)$")


def flags_of(error: MarketDataError) -> dict[str, str]:
    """Return the arguments that a message advises."""
    found = FLAGS.search(str(error))
    assert found, str(error)
    return {"tick_size": found[1], "rounding": "nearest"}


def flat(*prices: object) -> str:
    """Return a file with a bar of each price."""
    return text_of(
        HEADER, *(f"20{10 + at:02}-01-01,{price},{price},{price},{price},1" for at, price in enumerate(prices))
    )


@pytest.mark.parametrize(
    ("prices", "tick_size", "ticks"),
    [
        (("5.330000000000001e-05", "5.341e-05"), "0.00000001", [5330, 5341]),
        (("0.0012000000000000001", "0.001201"), "0.000001", [1200, 1201]),
        (("0.00120", "0.30000000000000004"), "0.0012", [1, 250]),
        (("229.35000610351562", "230.000001"), "0.000003", [76_450_002, 76_666_667]),
        (("97123.12345678", "97123.5001"), "0.0001", [971_231_235, 971_235_001]),
        (("1.0000000000000002", "1.5"), "0.5", [2, 3]),
        (("0.0000000000001", "0.0000000000003"), "0.0000000000001", [1, 3]),
        (("1598765432.5", "1598765434.0"), "1", [1_598_765_433, 1_598_765_434]),
        (("1", "1e-16"), "0.000000000000001", None),
        (("9007199254740993", "1"), "10", None),
    ],
)
def test_flags_come_from_data(prices: tuple[str, str], tick_size: str, ticks: list[int] | None) -> None:
    """A file of noisy prices is refused with the tick size that its prices have without the noise."""
    error = refusal(flat(*prices))
    assert "column 'open': " in error.problem
    if ticks is None:
        assert error.hint.startswith("the prices of the file are too far apart")
        return
    assert flags_of(error)["tick_size"] == tick_size
    assert [bar.close for bar in bars_of(flat(*prices), **flags_of(error))] == ticks


@pytest.mark.parametrize(
    "price", ["0.000000000001", "1.00000001", "123456789", "12345678901", "99999999.9", "1.50000000000000"]
)
def test_clean_prices_are_no_noise(price: str) -> None:
    """Twelve decimals, nine digits, whole numbers of any size and trailing zeros are no noise."""
    with opened(flat(price)) as market:
        assert next(market.bars(1)).close == 1
        assert Decimal(market.tick_size) == Decimal(price)


@pytest.mark.parametrize("ending", ["feather", "parquet"])
def test_noise_is_located(ending: str) -> None:
    """The first noisy price is named by path, row and column, and the advised flags read the file."""
    noisy = table(close=[1.5, 1.8000000000000003, 2.0])
    error = refusal(content(noisy, ending), f"day.{ending}")
    assert error.file.endswith(f"/day.{ending}")
    assert (error.line, error.problem) == (2, "column 'close': '1.8000000000000003' looks like float noise")
    assert len(bars_of(content(noisy, ending), f"day.{ending}", **flags_of(error))) == 3


def test_noise_may_break_bar() -> None:
    """A bar whose high is below its close by a float's last digit is read with the advised flags."""
    rows = "2026-01-02,1.1,1.3,1.1,1.3000000000000003,1", "2026-01-03,1.2,1.2,1.2,1.2,1"
    error = refusal(text_of(HEADER, *rows))
    assert (error.line, error.problem) == (2, "column 'close': '1.3000000000000003' looks like float noise")
    assert [bar.close for bar in bars_of(text_of(HEADER, *rows), **flags_of(error))] == [13, 12]


def test_other_fault_comes_first() -> None:
    """Where no flag would read a noisy file, what is wrong beside the noise is reported."""
    error = refusal(text_of(HEADER, "2026-01-02,1,1.1000000000000001,1,1,1", *GOOD[:1], "2026-01-03,1,2,1,,1"))
    assert (error.line, error.problem) == (
        3,
        "column 'date': '2026-01-02 00:00:00' is not after 2026-01-02T00:00:00+00:00, the bar before it",
    )


def test_given_tick_excuses_digits() -> None:
    """Prices of more digits than are taken for clean are read exactly with a tick size of their own."""
    prices = "0.0000000000015", "97.12345678905"
    assert "looks like float noise" in refusal(flat(*prices)).problem
    bars = bars_of(flat(*prices), tick_size="0.00000000000005")
    assert [bar.close for bar in bars] == [30, 1_942_469_135_781_000]


@st.composite
def noisy_files(draw: st.DrawFn) -> tuple[list[list[float]], Decimal]:
    """Draw bars on a grid, as floats that went through arithmetic, and the grid."""
    scale = draw(st.integers(0, 12))
    tick = Decimal(draw(st.sampled_from([1, 5, 25]))).scaleb(-scale)
    bars = []
    for _ in range(draw(st.integers(1, 8))):
        low, first, last, high = sorted(draw(st.lists(st.integers(100_000, 999_999), min_size=4, max_size=4)))
        bars.append([float(tick * ticks) for ticks in (first, high, low, last)])
    factor = draw(st.sampled_from([1.0, 3.0, 7.0, 0.1]))
    return [[price * factor / factor for price in bar] for bar in bars], tick


@settings(max_examples=60, deadline=None)
@given(noisy_files())
def test_noisy_grid_is_found(drawn: tuple[list[list[float]], Decimal]) -> None:
    """Whatever float arithmetic did to prices of a grid, they are read as these prices, at once or with the flags."""
    bars, tick = drawn
    rows = [f"20{10 + at:02}-01-01,{','.join(map(repr, bar))},1" for at, bar in enumerate(bars)]
    sizes: dict[str, str] = {}
    try:
        bars_of(text_of(HEADER, *rows))
    except MarketDataError as error:
        sizes = flags_of(error)
    with opened(text_of(HEADER, *rows), **sizes) as market:
        read = [[Decimal(price) * Decimal(market.tick_size) for price in bar[2:6]] for bar in market.bars(99)]
    assert read == [[Decimal(repr(price)).quantize(tick, ROUND_HALF_UP) for price in bar] for bar in bars]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(1e-20, 1e20, exclude_min=True), min_size=1, max_size=6))
def test_any_floats_can_be_ordered(prices: list[float]) -> None:
    """Any positive floats are read at ticks that can be ordered, at once or with the flags, or fit no tick size."""
    sizes: dict[str, str] = {}
    try:
        bars_of(flat(*map(repr, prices)))
    except MarketDataError as error:
        if "too far apart" in error.hint:
            lowest, highest = min(prices), max(prices)
            assert highest / lowest > 1e14 or lowest < 1e-18
            return
        sizes = flags_of(error)
    with opened(flat(*map(repr, prices)), **sizes) as market:
        for bar, price in zip(market.bars(99), prices, strict=True):
            assert 0 < bar.close <= MAX_INTEGER
            off = abs(Decimal(bar.close) * Decimal(market.tick_size) - Decimal(repr(price)))
            assert off <= Decimal(market.tick_size) / 2
