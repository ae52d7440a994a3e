"""At which price an order fills on a bar, by order type.

Rules kept here, for a purchase (a sale is the mirror image):

* MARKET: at the open; taker; price = open + slippage;
* LIMIT: at the open when open <= limit, at that better price: taker on the first bar that it meets, maker later;
  else within the bar at the limit when low < limit, or low = limit and a touch counts: maker;
* STOP: triggers when open >= stop, at the open, else when high >= stop, at the stop; taker; price = trigger price +
  slippage; what is left of it is a market order;
* STOP_LIMIT: triggers likewise and is a limit from then on; on the bar that triggers it, it fills when the trigger
  price is within its limit, at that price, as taker, and else waits for the next bar;
* slippage is a count of ticks against the order; no price goes below one tick; a limit is never overstepped.

OHLC bars do not say in which order high and low came; these are the rules that backtesters share (fills at the
next open, stops at the stop or the gap, limits at the limit or better), with the one doubtful case, a limit that is
only touched, decided by the config.

>>> from c2lib.core.model import OrderRequest
>>> rule = price_rules(slippage_ticks=2, touch_fills=False)["STOP", "SELL"]
>>> order = VenueOrder("b-1", OrderRequest("c-1", "SYNTH", "SELL", "STOP", 1, None, 95, "GTC"), rule, arrives=1)
>>> rule.in_range(order, Bar(1, 0, 100, 101, 90, 92, 10))
(93, 'TAKER')
"""

from __future__ import annotations

from collections.abc import Mapping

from c2lib.broker.orders import Price, PriceRule, VenueOrder
from c2lib.core.config import BrokerConfig
from c2lib.core.decimals import parse_decimal
from c2lib.core.model import BUY, LIMIT, MAKER, MARKET, SELL, STOP, STOP_LIMIT, TAKER, Bar, Grid

_LEAST_PRICE = 1
_SIGNS = {BUY: 1, SELL: -1}
"""Times its sign, a sale's price is worse the greater it is, like a purchase's."""


class MarketRule:
    """Fills at the open of every bar that it meets; ``slippage`` is signed, added to the price."""

    def __init__(self, slippage: int) -> None:
        self._slippage = slippage

    def at_open(self, order: VenueOrder, bar: Bar, step: int) -> Price | None:
        """Return the open, slipped."""
        del order, step
        price = bar.open + self._slippage
        return (price if price > _LEAST_PRICE else _LEAST_PRICE), TAKER

    def in_range(self, order: VenueOrder, bar: Bar) -> Price | None:
        """Return nothing: the open left no market order as it was."""
        del order, bar
        return None

    def from_trigger(self, order: VenueOrder, price: int) -> Price | None:
        """Return the fill at a price, slipped."""
        del order
        price += self._slippage
        return (price if price > _LEAST_PRICE else _LEAST_PRICE), TAKER


class LimitRule:
    """Fills at the limit or better; ``sign`` is that of the side."""

    def __init__(self, sign: int, *, touch_fills: bool) -> None:
        self._sign = sign
        self._reach = 0 if touch_fills else 1

    def at_open(self, order: VenueOrder, bar: Bar, step: int) -> Price | None:
        """Return the open when it is within the limit."""
        if not self._within(order, bar.open):
            return None
        return bar.open, TAKER if step == order.arrives else MAKER

    def in_range(self, order: VenueOrder, bar: Bar) -> Price | None:
        """Return the limit when the bar trades through it."""
        limit: int = order.request.limit_price or 0
        best = bar.low if self._sign > 0 else bar.high
        return (limit, MAKER) if (limit - best) * self._sign >= self._reach else None

    def from_trigger(self, order: VenueOrder, price: int) -> Price | None:
        """Return the fill of a stop-limit that triggered at ``price``, when that is within its limit."""
        return (price, TAKER) if self._within(order, price) else None

    def _within(self, order: VenueOrder, price: int) -> bool:
        return (price - (order.request.limit_price or 0)) * self._sign <= 0


class StopRule:
    """Waits for its trigger, then hands the order on to the rule ``after``; ``sign`` is that of the side."""

    def __init__(self, sign: int, after: MarketRule | LimitRule) -> None:
        self._sign = sign
        self._after = after

    def at_open(self, order: VenueOrder, bar: Bar, step: int) -> Price | None:
        """Return the open when it gapped through the stop."""
        del step
        return self._triggered(order, bar.open) if self._reached(order, bar.open) else None

    def in_range(self, order: VenueOrder, bar: Bar) -> Price | None:
        """Return the stop when the bar touches it."""
        furthest = bar.high if self._sign > 0 else bar.low
        return self._triggered(order, order.request.stop_price or 0) if self._reached(order, furthest) else None

    def _reached(self, order: VenueOrder, price: int) -> bool:
        return (price - (order.request.stop_price or 0)) * self._sign >= 0

    def _triggered(self, order: VenueOrder, price: int) -> Price | None:
        order.rule = self._after
        return self._after.from_trigger(order, price)


def price_rules(*, slippage_ticks: int, touch_fills: bool) -> Mapping[tuple[str, str], PriceRule]:
    """Return the rule of each order type and side."""
    rules: dict[tuple[str, str], PriceRule] = {}
    for side, sign in _SIGNS.items():
        market, limit = MarketRule(sign * slippage_ticks), LimitRule(sign, touch_fills=touch_fills)
        rules[MARKET, side], rules[LIMIT, side] = market, limit
        rules[STOP, side], rules[STOP_LIMIT, side] = StopRule(sign, market), StopRule(sign, limit)
    return rules


class MakerTakerFee:
    """A share of the notional; ``maker_unit`` and ``taker_unit`` are the rates as money units per tick and lot."""

    def __init__(self, maker_unit: int, taker_unit: int) -> None:
        self._maker_unit = maker_unit
        self._taker_unit = taker_unit

    @classmethod
    def of(cls, config: BrokerConfig, grid: Grid) -> MakerTakerFee:
        """Return the fee model of a broker config on a grid whose ``fee_scale`` holds both rates."""

        def unit(rate: str) -> int:
            value, scale = parse_decimal(rate)
            return int(grid.tick_value * grid.lot_value * value * 10 ** (grid.fee_scale - scale))

        return cls(unit(config.maker_fee_rate), unit(config.taker_fee_rate))

    def fee(self, price: int, quantity: int, liquidity: str) -> int:
        """Return the fee in money units."""
        return price * quantity * (self._taker_unit if liquidity == TAKER else self._maker_unit)


NO_BOUND = 1 << 200
"""More lots than any orders can ask for."""


class Unlimited:
    """A market deep enough for every order."""

    def budget(self, volume: int) -> int:
        """Return no bound."""
        del volume
        return NO_BOUND


class Participation:
    """A share of the volume: ``value`` times ten to the minus ``scale``, as participation-of-volume orders state it."""

    def __init__(self, value: int, scale: int) -> None:
        self._value = value
        self._divisor = int(10**scale)

    @classmethod
    def of(cls, share: str) -> Participation:
        """Return the model of a decimal share."""
        return cls(*parse_decimal(share))

    def budget(self, volume: int) -> int:
        """Return floor(volume x share)."""
        return volume * self._value // self._divisor
