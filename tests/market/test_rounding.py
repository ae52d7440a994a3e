"""Prices rounded by the declared rule: to the nearest tick, from halfway away from zero."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.app.runner import opened_market
from c2lib.core.config import DryrunConfig, MarketConfig
from c2lib.core.errors import ConfigError, MarketDataError
from c2lib.market.cells import CellError, price_grid
from tests.market.csv_text import HEADER, bars_of, opened, refusal, text_of


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
def test_a_price_goes_to_the_nearest_tick(row: str, tick_size: str, ticks: list[int]) -> None:
    """Halfway goes up, as prices are positive; more decimals than 18 are no hindrance."""
    assert rounded(row, tick_size) == ticks


def test_prices_on_the_grid_stay_where_they_are() -> None:
    """Rounding changes nothing about a file that needs none, and the tick size is the one given."""
    content = text_of(HEADER, "2026-01-02,1.5,2,1,1.50,1")
    with opened(content, tick_size="0.5", rounding="nearest") as market, opened(content, tick_size="0.5") as plain:
        assert (market.tick_size, list(market.bars(1))) == ("0.5", list(plain.bars(1)))


@given(
    st.fractions(min_value=Fraction(1, 10**6), max_value=10**6).map(lambda price: round(price, 9)),
    st.integers(0, 10**4),
    st.integers(1, 400),
    st.integers(0, 6),
)
def test_rounding_is_near_and_keeps_the_order(price: Fraction, more: int, tick: int, scale: int) -> None:
    """No price moves by more than half a tick, and the higher of two never ends up lower."""
    size = Fraction(tick, 10**scale)
    grid = price_grid(f"{float(size):.6f}", "nearest")
    found = []
    for exact in (price, price + Fraction(more, 10**9)):
        try:
            ticks = Fraction(grid[f"{int(exact * 10**9)}e-9"], 10**grid.scale) / size
        except CellError:
            ticks = Fraction(0)
        assert ticks == (exact / size + Fraction(1, 2)).__floor__()
        found.append(ticks)
    assert found[0] <= found[1]


@pytest.mark.parametrize(
    ("row", "tick_size", "problem"),
    [
        ("1,1,0.49,1", "1", "column 'low': '0.49' is 0 when rounded to the tick size 1"),
        ("1,1e18,1,1", "0.01", "column 'high': '1e18' is too large for the decimals of the tick size"),
        ("1,-1,1,1", "0.01", "column 'high': '-1' is not greater than 0"),
        ("1,2,1,nan", "0.01", "column 'close': 'nan' is not a decimal number"),
        ("1,1.4,1,1.6", "1", "column 'high': high '1.4' is below close '1.6'"),
    ],
)
def test_rounding_excuses_nothing_else(row: str, tick_size: str, problem: str) -> None:
    """What is no price, or comes to none, is refused with its line."""
    error = refusal(text_of(HEADER, f"2026-01-02,{row},1"), tick_size=tick_size, rounding="nearest")
    assert (error.line, error.problem) == (2, problem)


def test_a_given_grid_has_its_bounds_too() -> None:
    """A price that in ticks of the grid does not fit 64 bits is refused."""
    error = refusal(text_of(HEADER, "2026-01-02,1,1e18,1,1,1"), tick_size="0.01")
    assert error.problem == "column 'high': '1e18' is too large for its number of decimals"


def test_rounding_without_a_tick_size_is_refused() -> None:
    """The error names the field to fill in."""
    with pytest.raises(ConfigError) as caught:
        bars_of(text_of(HEADER), rounding="nearest")
    assert caught.value.field == "market.tick_size"


def test_a_run_rounds_as_its_config_says(tmp_path: Path) -> None:
    """The rule is part of the sealed config, and what opens the file follows it."""
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
