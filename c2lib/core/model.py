"""The facts that cross folders, and the ports behind which others stand.

Prices are integer ticks, quantities integer lots, times integer microseconds since 1970-01-01 UTC; a :class:`Grid`
makes text of them, exactly. Facts are NamedTuples, since the step loop makes one per bar, order and fill.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple, Protocol

from c2lib.core.decimals import format_scaled, parse_decimal, units_of

BUY, SELL = "BUY", "SELL"
MARKET, LIMIT, STOP, STOP_LIMIT = "MARKET", "LIMIT", "STOP", "STOP_LIMIT"
GTC, IOC, FOK, DAY = "GTC", "IOC", "FOK", "DAY"
MAKER, TAKER = "MAKER", "TAKER"

ENTRY_SCALE = 9
"""Decimals of a tick that an average entry price is kept to."""

new_fact = tuple.__new__
"""``new_fact(BrokerFill, fields)`` makes a fact of a plain tuple, in half the time of its own constructor."""


class Bar(NamedTuple):
    """One bar: ``bar_index`` from 0, ``time`` in microseconds of epoch, prices in ticks, volume in whole lots."""

    bar_index: int
    time: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class OrderIntent(NamedTuple):
    """What a strategy wants placed: ``quantity`` in lots, prices in ticks, ``tag`` free text of its own."""

    side: str
    quantity: int
    order_type: str = MARKET
    limit_price: int | None = None
    stop_price: int | None = None
    time_in_force: str = GTC
    tag: str | None = None


class CancelIntent(NamedTuple):
    """What a strategy wants cancelled."""

    client_order_id: str


class OpenOrder(NamedTuple):
    """An open order as its strategy sees it: quantities in lots, ``leaves`` what is not filled yet, prices in ticks."""

    client_order_id: str
    side: str
    quantity: int
    leaves: int
    order_type: str = MARKET
    limit_price: int | None = None
    stop_price: int | None = None
    time_in_force: str = GTC
    tag: str | None = None


class PositionView(NamedTuple):
    """What a strategy may know of its session, as it stands at the close of the bar and before the strategy's answer.

    ``position`` is in lots, negative when short; ``open_orders`` come oldest first. Money is kept in whole units of ten
    to the minus ``money_scale`` and shown as exact decimals.

    >>> view = PositionView(2, (), entry_units=101_500_000_000, cash_units=79_700, equity_units=100_100, money_scale=2)
    >>> view.cash, view.equity, view.average_entry_price
    (Decimal('797'), Decimal('1001'), Decimal('101.5'))
    """

    position: int = 0
    open_orders: tuple[OpenOrder, ...] = ()
    entry_units: int = 0
    cash_units: int = 0
    money_scale: int = 0
    equity_units: int = 0

    @property
    def cash(self) -> Decimal:
        """Money held."""
        return Decimal(format_scaled(self.cash_units, self.money_scale))

    @property
    def equity(self) -> Decimal:
        """Cash plus the position at the bar's close."""
        return Decimal(format_scaled(self.equity_units, self.money_scale))

    @property
    def average_entry_price(self) -> Decimal | None:
        """What the open position was entered at, in ticks, before fees; ``None`` without one.

        The weighted average cost formula (IAS 2, paragraph 27): a fill that adds to the position makes it
        ``(average * position + price * quantity) / (position + quantity)``, rounded to a :data:`ENTRY_SCALE`-th decimal
        of a tick, halves up; one that reduces it changes nothing; one that crosses zero starts again at its price.
        """
        return Decimal(format_scaled(self.entry_units, ENTRY_SCALE)) if self.position else None

    def order(self, tag: str) -> OpenOrder | None:
        """Return the oldest open order with a tag, or ``None``."""
        return next((order for order in self.open_orders if order.tag == tag), None)


@dataclass(frozen=True, slots=True)
class Grid:
    """The units of a run.

    A tick is ``tick_value`` times ten to the minus ``tick_scale``, a lot likewise; a money unit is ten to the minus
    ``money_scale``, fine enough that no price times quantity times fee rate ever needs rounding.

    >>> Grid.of("0.0001", "1").price_text(10716)
    '1.0716'
    """

    tick_value: int
    tick_scale: int
    lot_value: int
    lot_scale: int
    fee_scale: int

    @classmethod
    def of(cls, tick_size: str, lot_size: str, fee_scale: int = 0) -> Grid:
        """Return the grid of a tick size and a lot size, both decimal text, and the decimals of the finest fee rate."""
        tick_value, tick_scale = parse_decimal(tick_size)
        lot_value, lot_scale = parse_decimal(lot_size)
        return cls(tick_value, tick_scale, lot_value, lot_scale, fee_scale)

    @property
    def money_scale(self) -> int:
        """Decimals of a money unit."""
        return self.tick_scale + self.lot_scale + self.fee_scale

    @property
    def notional_unit(self) -> int:
        """Money units in one tick times one lot."""
        return int(self.tick_value * self.lot_value * 10**self.fee_scale)

    def price_text(self, ticks: int) -> str:
        """Return a price as canonical decimal text."""
        return format_scaled(ticks * self.tick_value, self.tick_scale)

    def quantity_text(self, lots: int) -> str:
        """Return a quantity or a position as canonical decimal text."""
        return format_scaled(lots * self.lot_value, self.lot_scale)

    def money_text(self, units: int) -> str:
        """Return an amount of money as canonical decimal text."""
        return format_scaled(units, self.money_scale)

    def money(self, amount: str) -> int:
        """Return a money text in money units; raise :class:`ValueError` when it is finer than they are."""
        value, scale = parse_decimal(amount)
        if scale > self.money_scale:
            raise ValueError(f"{amount} is not a multiple of {format_scaled(1, self.money_scale)}")
        return int(value * 10 ** (self.money_scale - scale))


class Clock(Protocol):
    """Anything that returns an aware time."""

    def now(self) -> datetime:
        """Return the time, with its zone."""


class MarketFacts(Protocol):
    """What seals a market."""

    @property
    def sha256(self) -> str:
        """Hash of the file's bytes, or of the parameters of a synthetic walk."""

    @property
    def tick_size(self) -> str:
        """The tick that prices are counted in, as canonical decimal text."""

    @property
    def bar_count(self) -> int:
        """How many bars there are."""

    @property
    def smallest_gap(self) -> int | None:
        """The least time between two bars, in microseconds; ``None`` for fewer than two."""


class MarketData(MarketFacts, Protocol):
    """Bars in order, and what seals them."""

    def bars(self, count: int) -> Iterator[Bar]:
        """Yield the first ``count`` bars, from the first one at each call."""


MAX_SOURCE_BYTES = 1_000_000
"""Longest strategy file."""

Param = str | int | bool
"""A parameter of a strategy; a number with a fraction is text."""

BUILT_IN_PARAMS: Mapping[str, Mapping[str, int]] = {
    "strat_demo": {"quantity": 1},
    "sma_cross": {"fast": 10, "slow": 30, "quantity": 1},
}
"""The built-in strategies, each with its parameters and what they are when left out."""


class StrategySettings(NamedTuple):
    """What a strategy is made with; random numbers of its own come from ``random.Random(settings.seed)``."""

    seed: int
    symbol: str
    tick_size: str
    lot_size: str
    params: Mapping[str, Param] = MappingProxyType({})
    """The parameters by their names, as the config has them; cannot be changed."""

    def to_ticks(self, price: str | int | Decimal) -> int:
        """Return a price in ticks, as orders and bars have it; raise :class:`ValueError` when it is off the grid.

        >>> StrategySettings(7, "EURUSD", "0.0001", "1000").to_ticks("1.0716")
        10716
        """
        return units_of(str(price), self.tick_size)

    def to_lots(self, quantity: str | int | Decimal) -> int:
        """Return a quantity in lots, as orders have it; raise :class:`ValueError` when it is no whole number of them.

        >>> StrategySettings(7, "EURUSD", "0.0001", "1000").to_lots(5000)
        5
        """
        return units_of(str(quantity), self.lot_size)


@dataclass(frozen=True, slots=True)
class StrategyFacts:
    """What the config seals of a strategy beside its name; see ``StrategyConfig`` there."""

    origin: str | None
    class_name: str | None
    sha256: str | None


class Strategy(Protocol):
    """Decides after each bar; sees nothing of later bars.

    A strategy is given as a class, or any callable, that takes one :class:`StrategySettings`.
    """

    def on_bar(self, bar: Bar, view: PositionView) -> Sequence[OrderIntent | CancelIntent] | None:
        """Return what to do about ``bar``; ``None`` or nothing means hold."""
