from collections.abc import Callable
from fractions import Fraction
from itertools import combinations_with_replacement, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.broker.fill_models import LimitRule, StopRule, maker_taker_fee
from c2lib.broker.orders import VenueOrder
from c2lib.broker.port import OrderRequest
from c2lib.core.config import BrokerConfig, DryrunConfig, MarketConfig, seal
from c2lib.core.decimals import canonical_decimal
from c2lib.core.model import Bar
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
        (order("STOP_LIMIT", stop=55, limit=54), (50, 60, 40), (1, 54, "MAKER")),
        (order("STOP_LIMIT", stop=45, limit=50), (50, 60, 40), (1, 50, "TAKER")),
        (order("STOP_LIMIT", stop=45, limit=49), (50, 60, 40), (1, 49, "MAKER")),
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
    """A stop-limit order that triggers beyond its limit, and proves no fill on that bar, rests as a limit order."""
    venue = free_venue()
    venue.place_order(order("STOP_LIMIT", stop=50, limit=55))
    venue.advance(bar(0, 60, 60, 55))
    assert fills_of(venue) == []
    venue.advance(bar(1, 60, 60, 40))
    assert fills_of(venue) == [(1, 1, 55, "MAKER")]


@pytest.mark.parametrize("mirrored", [False, True], ids=["buy", "sell"])
@pytest.mark.parametrize(
    ("stop", "limit", "touch", "met", "fill"),
    [
        # bars are (open, high, low, close); the open triggers beyond the limit, and the low decides
        (50, 55, False, (60, 60, 54, 60), (1, 55, "MAKER")),
        (50, 55, False, (60, 60, 55, 55), None),
        (50, 55, True, (60, 60, 55, 60), (1, 55, "MAKER")),
        (50, 55, True, (60, 60, 56, 56), None),
        # an open at the stop triggers, one tick before it does not
        (50, 45, False, (50, 52, 44, 52), (1, 45, "MAKER")),
        (50, 45, False, (49, 52, 44, 52), None),
        # an open at the limit fills there at once, one tick beyond it does not
        (50, 55, False, (55, 60, 40, 50), (1, 55, "TAKER")),
        (50, 55, False, (56, 60, 54, 60), (1, 55, "MAKER")),
        # the range triggers beyond the limit: the close decides, the low came perhaps before
        (55, 50, False, (52, 56, 40, 49), (1, 50, "MAKER")),
        (55, 50, False, (52, 56, 40, 50), None),
        (55, 50, True, (52, 56, 40, 50), (1, 50, "MAKER")),
        (55, 50, True, (52, 56, 40, 51), None),
        # a high at the stop triggers, one tick before it does not
        (55, 50, False, (52, 55, 40, 49), (1, 50, "MAKER")),
        (55, 50, False, (52, 54, 40, 49), None),
        # a limit at the stop fills at the stop, one tick before it waits for the close
        (55, 55, False, (52, 56, 40, 56), (1, 55, "TAKER")),
        (55, 54, False, (52, 56, 40, 56), None),
        # an open below the limit is no fill before the trigger
        (55, 50, False, (40, 56, 40, 56), None),
    ],
)
def test_stop_limit_in_trigger_bar(
    stop: int,
    limit: int,
    touch: bool,
    met: tuple[int, int, int, int],
    fill: tuple[int, int, str] | None,
    mirrored: bool,
) -> None:
    """On its trigger bar a stop-limit order fills where the bar proves it, at each border and one tick beside it."""

    def at(price: int) -> int:
        return 100 - price if mirrored else price

    opening, high, low, close = map(at, met)
    venue = venue_of(touch_fills=touch)
    venue.place_order(order("STOP_LIMIT", "SELL" if mirrored else "BUY", stop=at(stop), limit=at(limit)))
    venue.advance(bar(0, opening, max(high, low), min(high, low), close=close))
    assert fills_of(venue) == ([(0, fill[0], at(fill[1]), fill[2])] if fill else [])


def _proven(side: str, stop: int, limit: int, reach: int, met: Bar) -> tuple[int, str] | None:
    """Return the fill of a stop-limit on its first bar, by the inequalities of a purchase."""
    sign = 1 if side == "BUY" else -1
    furthest, best = (met.high, met.low) if sign > 0 else (-met.low, -met.high)
    opening, close, asked, most = sign * met.open, sign * met.close, sign * stop, sign * limit
    if opening >= asked and opening <= most:
        return met.open, "TAKER"
    if opening >= asked and most - best >= reach:
        return limit, "MAKER"
    if opening < asked <= furthest and asked <= most:
        return stop, "TAKER"
    if opening < asked <= furthest and most - close >= reach:
        return limit, "MAKER"
    return None


@pytest.mark.parametrize("touch", [False, True])
def test_every_small_trigger_bar(touch: bool) -> None:
    """For every bar, stop and limit of up to five ticks, both sides, a stop-limit fills exactly where it is proven."""
    prices = range(1, 6)
    for low, high in combinations_with_replacement(prices, 2):
        inside = range(low, high + 1)
        venue = venue_of(touch_fills=touch)
        cases = list(product(("BUY", "SELL"), prices, prices, inside, inside))
        expected = []
        for number, (side, stop, limit, opening, close) in enumerate(cases):
            met = bar(number, opening, high, low, close=close)
            broker_order_id = venue.place_order(order("STOP_LIMIT", side, stop=stop, limit=limit, name=f"c-{number}"))
            venue.advance(met)
            venue.cancel_order(broker_order_id)
            fill = _proven(side, stop, limit, 0 if touch else 1, met)
            expected += [(number, 1, *fill)] if fill else []
        assert fills_of(venue) == expected


def trust_the_whole_trigger_bar(patch: pytest.MonkeyPatch) -> None:
    """Let a stop-limit that the range triggers fill at a low that may have come before."""
    honest = StopRule.in_range

    def in_range(self: StopRule, order: VenueOrder, bar: Bar) -> Any:
        terms = honest(self, order, bar)
        return terms or (order.rule.in_range(order, bar) if order.rule is self._after else None)

    patch.setattr(StopRule, "in_range", in_range)


def wait_for_the_next_bar(patch: pytest.MonkeyPatch) -> None:
    """Let a stop-limit that triggers beyond its limit never fill on that bar."""

    def in_range(self: StopRule, order: VenueOrder, bar: Bar) -> Any:
        reached = self._reached(order, bar.high if self._sign > 0 else bar.low)
        return self._triggered(order, order.stop) if reached else None

    patch.setattr(StopRule, "in_range", in_range)


def touch_the_close(patch: pytest.MonkeyPatch) -> None:
    """Let a limit that is only touched fill whatever the config says."""
    honest = LimitRule.__init__

    def init(self: LimitRule, sign: int, *, touch_fills: bool) -> None:
        honest(self, sign, touch_fills=True)

    patch.setattr(LimitRule, "__init__", init)


@pytest.mark.parametrize("plant", [trust_the_whole_trigger_bar, wait_for_the_next_bar, touch_the_close])
def test_planted_trigger_bug_is_caught(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each bug planted into the rule of the trigger bar, the comparison on all small bars fails."""
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        test_every_small_trigger_bar(touch=False)


def test_trigger_bar_shares_volume() -> None:
    """A fill in the range of the trigger bar takes what earlier orders leave of the volume, and the rest rests."""
    venue = venue_of(participation="0.5")
    venue.place_order(order("STOP_LIMIT", stop=50, limit=55, quantity=4, name="first"))
    venue.place_order(order("LIMIT", limit=55, quantity=4, name="second"))
    venue.place_order(order("STOP_LIMIT", stop=50, limit=56, quantity=4, name="third"))
    venue.place_order(order("MARKET", quantity=2, name="open"))
    venue.advance(bar(0, 60, 60, 50, volume=14))
    assert fills_of(venue) == [(0, 2, 60, "TAKER"), (0, 4, 55, "MAKER"), (0, 1, 55, "MAKER")]
    venue.advance(bar(1, 60, 60, 50, volume=14))
    assert fills_of(venue)[3:] == [(1, 3, 55, "MAKER"), (1, 4, 56, "MAKER")]


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
    fee = maker_taker_fee(maker, taker, grid)(price, quantity, liquidity)
    rate = Fraction(taker if liquidity == "TAKER" else maker)
    exact = price * Fraction(tick) * quantity * Fraction(lot) * rate
    assert Fraction(grid.money_text(fee)) == exact
