"""How orders fill on a bar: at which price, at which fee, and how many lots.

OHLC bars do not say in which order high and low came. These are the rules that backtesters share, with the one
doubtful case, a limit that is only touched, decided by the config. They are written for a purchase; a sale is the
mirror image. Slippage is a count of ticks against the order, and no price goes below one tick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from c2lib.broker.orders import FillTerms, PriceRule, VenueOrder
from c2lib.core.decimals import parse_decimal
from c2lib.core.model import BUY, LIMIT, MAKER, MARKET, SELL, STOP, STOP_LIMIT, TAKER, Bar, Grid

_LEAST_PRICE = 1
_SIGNS = {BUY: 1, SELL: -1}
"""A price times the sign of its side: the greater, the worse for the order."""


class MarketRule:
    """Fills at the open of every bar that it meets, as taker; ``slippage`` is signed, added to the price."""

    def __init__(self, slippage: int) -> None:
        self._slippage = slippage

    def at_open(self, order: VenueOrder, bar: Bar, step: int) -> FillTerms | None:
        """Return the open, slipped."""
        del order, step
        price = bar.open + self._slippage
        return (price if price > _LEAST_PRICE else _LEAST_PRICE), TAKER

    def in_range(self, order: VenueOrder, bar: Bar) -> FillTerms | None:
        """Return nothing: a market order fills at the open, or where it was triggered."""
        del order, bar
        return None

    def from_trigger(self, order: VenueOrder, price: int) -> FillTerms | None:
        """Return the fill of a stop that triggered at ``price``, slipped."""
        del order
        price += self._slippage
        return (price if price > _LEAST_PRICE else _LEAST_PRICE), TAKER


class LimitRule:
    """Fills at the limit or better.

    When open <= limit, at the open: as taker on the first bar that it meets, as maker later. Else as maker at the
    limit, when low < limit, or low = limit and a touch counts.
    """

    def __init__(self, sign: int, *, touch_fills: bool) -> None:
        self._sign = sign
        self._reach = 0 if touch_fills else 1

    def at_open(self, order: VenueOrder, bar: Bar, step: int) -> FillTerms | None:
        """Return the open when it is within the limit."""
        if not self._within(order, bar.open):
            return None
        return bar.open, TAKER if step == order.arrives else MAKER

    def in_range(self, order: VenueOrder, bar: Bar) -> FillTerms | None:
        """Return the limit when the bar trades through it."""
        best = bar.low if self._sign > 0 else bar.high
        return (order.limit, MAKER) if (order.limit - best) * self._sign >= self._reach else None

    def from_trigger(self, order: VenueOrder, price: int) -> FillTerms | None:
        """Return the fill of a stop-limit that triggered at ``price``, when that is within its limit."""
        return (price, TAKER) if self._within(order, price) else None

    def _within(self, order: VenueOrder, price: int) -> bool:
        return (price - order.limit) * self._sign <= 0


class StopRule:
    """Triggers at the open when open >= stop, else at the stop when high >= stop; from then on the rule ``after``.

    On the bar that triggers it, a stop-limit fills when the trigger price is within its limit, at that price, as
    taker. Else it is a limit from then on, which of this bar meets what surely came after the trigger: the whole range
    when the open triggered it, the close alone when the range did.
    """

    def __init__(self, sign: int, after: MarketRule | LimitRule) -> None:
        self._sign = sign
        self._after = after

    def at_open(self, order: VenueOrder, bar: Bar, step: int) -> FillTerms | None:
        """Return the open when it gapped through the stop."""
        del step
        return self._triggered(order, bar.open) if self._reached(order, bar.open) else None

    def in_range(self, order: VenueOrder, bar: Bar) -> FillTerms | None:
        """Return the stop when the bar touches it, or the limit when the bar closes beyond that."""
        if not self._reached(order, bar.high if self._sign > 0 else bar.low):
            return None
        after = bar._replace(high=bar.close, low=bar.close)
        return self._triggered(order, order.stop) or self._after.in_range(order, after)

    def _reached(self, order: VenueOrder, price: int) -> bool:
        return (price - order.stop) * self._sign >= 0

    def _triggered(self, order: VenueOrder, price: int) -> FillTerms | None:
        order.rule = self._after
        return self._after.from_trigger(order, price)


def price_rules(*, slippage_ticks: int, touch_fills: bool) -> Mapping[tuple[str, str], PriceRule]:
    """Return the rule of each order type and side.

    Args:
        slippage_ticks: How far market and stop orders fill from their price, against the order.
        touch_fills: Whether a limit that is only touched fills.
    """
    rules: dict[tuple[str, str], PriceRule] = {}
    for side, sign in _SIGNS.items():
        market, limit = MarketRule(sign * slippage_ticks), LimitRule(sign, touch_fills=touch_fills)
        rules[MARKET, side], rules[LIMIT, side] = market, limit
        rules[STOP, side], rules[STOP_LIMIT, side] = StopRule(sign, market), StopRule(sign, limit)
    return rules


def maker_taker_fee(maker_rate: str, taker_rate: str, grid: Grid) -> Callable[[int, int, str], int]:
    """Return what gives the fee in money units of a fill: a share of price in ticks times quantity in lots.

    Args:
        maker_rate: The share that a maker pays, a decimal.
        taker_rate: The share that a taker pays, likewise.
        grid: The units of the run, whose ``fee_scale`` holds both rates, so that nothing is rounded.
    """

    def unit(rate: str) -> int:
        value, scale = parse_decimal(rate)
        return int(grid.tick_value * grid.lot_value * value * 10 ** (grid.fee_scale - scale))

    maker, taker = unit(maker_rate), unit(taker_rate)
    return lambda price, quantity, liquidity: price * quantity * (taker if liquidity == TAKER else maker)


def volume_budget(share: str) -> Callable[[int], int]:
    """Return what gives the lots that all orders together may fill on a bar: floor(volume x share)."""
    value, scale = parse_decimal(share)
    divisor = int(10**scale)
    return lambda volume: volume * value // divisor
