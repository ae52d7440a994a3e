from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.broker.fill_models import MakerTakerFee
from c2lib.core.config import BrokerConfig, DryrunConfig, MarketConfig, seal
from c2lib.core.decimals import canonical_decimal
from c2lib.core.model import OrderRequest
from tests.broker.venue import bar, fills_of, free_venue, order, venue_of

RATES = st.integers(0, 10**6).map(lambda number: canonical_decimal(f"{number}e-8"))
SIZES = st.sampled_from(("0.01", "0.00005", "0.25", "1", "5", "1000"))


@pytest.mark.parametrize(
    ("request_", "met", "fill"),
    [
        # bars are (open, high, low); a fill is (lots, price, liquidity)
        (order("MARKET"), (50, 60, 40), (1, 50, "TAKER")),
        (order("LIMIT", limit=55), (50, 60, 40), (1, 50, "TAKER")),
        (order("LIMIT", limit=50), (50, 60, 40), (1, 50, "TAKER")),
        (order("LIMIT", limit=45), (50, 60, 40), (1, 45, "MAKER")),
        (order("LIMIT", limit=40), (50, 60, 40), None),
        (order("LIMIT", "SELL", limit=45), (50, 60, 40), (1, 50, "TAKER")),
        (order("LIMIT", "SELL", limit=55), (50, 60, 40), (1, 55, "MAKER")),
        (order("LIMIT", "SELL", limit=60), (50, 60, 40), None),
        (order("STOP", stop=45), (50, 60, 40), (1, 50, "TAKER")),
        (order("STOP", stop=55), (50, 60, 40), (1, 55, "TAKER")),
        (order("STOP", stop=60), (50, 60, 40), (1, 60, "TAKER")),
        (order("STOP", stop=61), (50, 60, 40), None),
        (order("STOP", "SELL", stop=55), (50, 60, 40), (1, 50, "TAKER")),
        (order("STOP", "SELL", stop=40), (50, 60, 40), (1, 40, "TAKER")),
        (order("STOP", "SELL", stop=39), (50, 60, 40), None),
        (order("STOP_LIMIT", stop=55, limit=57), (50, 60, 40), (1, 55, "TAKER")),
        (order("STOP_LIMIT", stop=55, limit=54), (50, 60, 40), None),
        (order("STOP_LIMIT", stop=45, limit=50), (50, 60, 40), (1, 50, "TAKER")),
        (order("STOP_LIMIT", stop=45, limit=49), (50, 60, 40), None),
        (order("STOP_LIMIT", "SELL", stop=45, limit=45), (50, 60, 40), (1, 45, "TAKER")),
    ],
)
def test_fill_on_first_bar(
    request_: OrderRequest, met: tuple[int, int, int], fill: tuple[int, int, str] | None
) -> None:
    """An order fills on its first bar at the open, at the gap, at the stop, at a limit traded through, or not."""
    venue = free_venue()
    venue.place_order(request_)
    venue.advance(bar(0, *met))
    assert fills_of(venue) == ([(0, *fill)] if fill else [])


def test_resting_limit_is_maker() -> None:
    """A limit order that rested is a maker even at a better open."""
    venue = free_venue()
    venue.place_order(order("LIMIT", limit=50))
    venue.advance(bar(0, 60, 60, 55))
    venue.advance(bar(1, 45, 60, 40))
    assert fills_of(venue) == [(1, 1, 45, "MAKER")]


def test_triggered_stop_limit_rests() -> None:
    """A stop-limit order that triggers beyond its limit is a limit order from the next bar on."""
    venue = free_venue()
    venue.place_order(order("STOP_LIMIT", stop=50, limit=55))
    venue.advance(bar(0, 60, 60, 40))
    assert fills_of(venue) == []
    venue.advance(bar(1, 60, 60, 40))
    assert fills_of(venue) == [(1, 1, 55, "MAKER")]


def test_touch_fills_when_configured() -> None:
    """A limit that is only touched fills, for purchases and sales, where the config says so."""
    venue = venue_of(touch_fills=True)
    venue.place_order(order("LIMIT", limit=40))
    venue.place_order(order("LIMIT", "SELL", limit=60, name="c-2"))
    venue.advance(bar(0, 50, 60, 40))
    assert fills_of(venue) == [(0, 1, 40, "MAKER"), (0, 1, 60, "MAKER")]


def test_slippage_is_bounded() -> None:
    """Slippage worsens market and stop orders, keeps prices at one tick or more, and spares limit orders."""
    venue = venue_of(slippage_ticks=3)
    for number, request in enumerate(
        (
            order("MARKET"),
            order("MARKET", "SELL"),
            order("STOP", stop=4),
            order("LIMIT", limit=9),
            order("STOP_LIMIT", stop=3, limit=3),
        )
    ):
        venue.place_order(request._replace(client_order_id=f"c-{number}"))
    venue.advance(bar(0, 2, 5, 2))
    assert [price for _, _, price, _ in fills_of(venue)] == [5, 1, 2, 7, 3]


@given(RATES, RATES, SIZES, SIZES, st.integers(1, 10**9), st.integers(1, 10**9), st.sampled_from(("MAKER", "TAKER")))
def test_fee_is_exact(maker: str, taker: str, tick: str, lot: str, price: int, quantity: int, liquidity: str) -> None:
    """A fee is the exact share of price times quantity, without any rounding."""
    broker = BrokerConfig(maker_fee_rate=maker, taker_fee_rate=taker)
    config = DryrunConfig(
        strategy_id="strat_demo", seed=1, broker=broker, market=MarketConfig(tick_size=tick, lot_size=lot)
    )
    grid = seal(config).grid()
    fee = MakerTakerFee(maker, taker, grid).fee(price, quantity, liquidity)
    rate = Fraction(taker if liquidity == "TAKER" else maker)
    exact = price * Fraction(tick) * quantity * Fraction(lot) * rate
    assert Fraction(grid.money_text(fee)) == exact
