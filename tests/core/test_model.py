from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.decimals import canonical_decimal, units_of
from c2lib.core.model import Grid, OrderIntent

STEPS = st.tuples(st.integers(1, 10**4), st.integers(0, 8)).map(lambda pair: str(Decimal(pair[0]).scaleb(-pair[1])))


@settings(max_examples=60)
@given(STEPS, STEPS, st.integers(-(10**9), 10**9))
def test_a_grid_turns_units_into_text_and_back(tick: str, lot: str, count: int) -> None:
    """No price and no quantity on the grid is changed by being written."""
    grid = Grid.of(tick, lot)
    assert Decimal(grid.price_text(count)) == count * Decimal(tick)
    assert units_of(grid.price_text(count), canonical_decimal(tick)) == count
    assert Decimal(grid.quantity_text(count)) == count * Decimal(lot)
    assert units_of(grid.quantity_text(count), canonical_decimal(lot)) == count


@settings(max_examples=60)
@given(STEPS, STEPS, st.integers(0, 6), st.integers(0, 10**6), st.integers(-(10**6), 10**6))
def test_money_is_exact(tick: str, lot: str, fee_scale: int, ticks: int, lots: int) -> None:
    """Price times quantity in money units is what ``decimal`` says, and so is a fee of the finest rate."""
    grid = Grid.of(tick, lot, fee_scale)
    notional = Decimal(tick) * ticks * Decimal(lot) * lots
    units = ticks * lots * grid.notional_unit
    assert Decimal(grid.money_text(units)) == notional
    assert grid.money(grid.money_text(units)) == units
    finest_rate = Decimal(1).scaleb(-fee_scale)
    fee_units, rest = divmod(units, 10**fee_scale)
    assert rest == 0
    assert Decimal(grid.money_text(fee_units)) == notional * finest_rate


def test_a_grid_by_example() -> None:
    """A quarter tick and a lot of five, with fee rates of four decimals."""
    grid = Grid.of("0.25", "5", 4)
    assert (grid.price_text(403), grid.quantity_text(3)) == ("100.75", "15")
    assert grid.money_scale == 6
    assert grid.money_text(403 * 3 * grid.notional_unit) == "1511.25"
    assert grid.money("-0.000001") == -1


def test_what_lies_off_the_grid_is_refused() -> None:
    """An amount that needs rounding is an error, never rounded."""
    grid = Grid.of("0.25", "5")
    with pytest.raises(ValueError, match=r"0\.001 is not a multiple of 0\.01"):
        grid.money("0.001")


def test_an_intent_is_a_plain_market_order_unless_it_says_more() -> None:
    """The defaults of what a strategy asks for."""
    assert OrderIntent("BUY", 2) == ("BUY", 2, "MARKET", None, None, "GTC", None)
