"""An order as the venue keeps it.

Rules kept here:

* its status moves by the order table alone;
* ``rule`` is the price rule that it stands under: a stop that triggered stands under the rule that it became;
* steps are the venue's own count of bars: an order meets the bars from step ``arrives`` on.

>>> from c2lib.broker.fill_models import price_rules
>>> rule = price_rules(slippage_ticks=0, touch_fills=False)["MARKET", "BUY"]
>>> order = VenueOrder("b-000001", OrderRequest("c-1", "SYNTH", "BUY", "MARKET", 2, None, None, "GTC"), rule, arrives=1)
>>> order.report().status.value, order.leaves
('NEW', 2)
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from c2lib.core.decimals import parse_decimal
from c2lib.core.model import (
    BUY,
    DAY,
    FOK,
    GTC,
    IOC,
    LIMIT,
    MARKET,
    SELL,
    STOP,
    STOP_LIMIT,
    Bar,
    OrderReport,
    OrderRequest,
)
from c2lib.core.states import ORDER_TABLE, OrderStatus, OrderTrigger, next_state

_ACCEPTED = next_state("order", ORDER_TABLE, OrderStatus.PENDING_NEW, OrderTrigger.ACKNOWLEDGED)

AT_ONCE = frozenset({IOC, FOK})
"""Times in force that end with the first open an order meets."""

TIMES_IN_FORCE = frozenset({GTC, IOC, FOK, DAY})


class VenueOrder:
    """An accepted order: ``leaves`` lots are unfilled, ``day`` is the UTC day of placing, ``cancel_at`` a step."""

    __slots__ = ("arrives", "broker_order_id", "cancel_at", "day", "is_at_once", "leaves", "request", "rule", "status")

    day: int | None
    cancel_at: int

    def __init__(self, broker_order_id: str, request: OrderRequest, rule: PriceRule, arrives: int) -> None:
        self.broker_order_id = broker_order_id
        self.request = request
        self.rule = rule
        self.arrives = arrives
        _, _, _, _, self.leaves, _, _, time_in_force = request
        self.is_at_once = time_in_force in AT_ONCE
        self.status = _ACCEPTED

    def move(self, trigger: OrderTrigger) -> None:
        """Move by the order table."""
        self.status = next_state("order", ORDER_TABLE, self.status, trigger)

    def report(self) -> OrderReport:
        """Return what the venue says of the order."""
        request = self.request
        filled = request.quantity - self.leaves
        return OrderReport(self.broker_order_id, request.client_order_id, self.status, request.quantity, filled)


Price = tuple[int, str]
"""Where an order fills: ticks, and whether it made or took liquidity."""


class PriceRule(Protocol):
    """Says at which price an order fills on a bar; a stop that triggers hands its order on to another rule."""

    def at_open(self, order: VenueOrder, bar: Bar, step: int) -> Price | None:
        """Return the price at the open of the bar of a step, or ``None``."""
        ...

    def in_range(self, order: VenueOrder, bar: Bar) -> Price | None:
        """Return the price within the bar of an order that the open left as it was, or ``None``."""
        ...


class VolumeModel(Protocol):
    """Bounds what all orders together fill on a bar."""

    def budget(self, volume: int) -> int:
        """Return the lots that a bar of ``volume`` lots has for the orders."""
        ...


class FeeModel(Protocol):
    """Prices a fill."""

    def fee(self, price: int, quantity: int, liquidity: str) -> int:
        """Return the fee in money units of a fill of ``quantity`` lots at ``price`` ticks."""
        ...


class RejectModel(Protocol):
    """Refuses orders that are well formed."""

    def refusal(self, request: OrderRequest) -> RejectReason | None:
        """Return why the order is refused, or ``None``; asked once for each order that is well formed."""
        ...


_BITS = 64
_SIDES = frozenset({BUY, SELL})
_PRICED: Mapping[str, tuple[bool, bool]] = {
    MARKET: (False, False),
    LIMIT: (True, False),
    STOP: (False, True),
    STOP_LIMIT: (True, True),
}
"""Whether an order of a type has a limit price, and a stop price."""


class RejectReason(StrEnum):
    """The venue's words, in the order in which it looks."""

    UNKNOWN_SIDE = "unknown_side"
    UNKNOWN_ORDER_TYPE = "unknown_order_type"
    UNKNOWN_TIME_IN_FORCE = "unknown_time_in_force"
    UNSUPPORTED_COMBINATION = "unsupported_combination"
    QUANTITY_NOT_POSITIVE = "quantity_not_positive"
    PRICE_MISSING = "price_missing"
    PRICE_NOT_WANTED = "price_not_wanted"
    PRICE_NOT_POSITIVE = "price_not_positive"
    SEEDED_REJECT = "seeded_reject"


_SOUND = frozenset(
    (side, order_type, time_in_force, not wanted[0], not wanted[1])
    for order_type, wanted in _PRICED.items()
    for side in _SIDES
    for time_in_force in TIMES_IN_FORCE
    if not (wanted[1] and time_in_force in AT_ONCE)
)
"""Every good combination of words and absent prices, so that a sound order is known by one look-up."""


def malformation(request: OrderRequest) -> RejectReason | None:
    """Return what is wrong with an order in itself, or ``None``; a stop cannot be immediate, it waits."""
    _, _, side, order_type, quantity, limit, stop, time_in_force = request
    if (side, order_type, time_in_force, limit is None, stop is None) in _SOUND and quantity > 0:
        if (limit is None or limit > 0) and (stop is None or stop > 0):
            return None
        return RejectReason.PRICE_NOT_POSITIVE
    return _first_wrong(request)


def _first_wrong(request: OrderRequest) -> RejectReason:
    wanted = _PRICED.get(request.order_type)
    if request.side not in _SIDES:
        return RejectReason.UNKNOWN_SIDE
    if wanted is None:
        return RejectReason.UNKNOWN_ORDER_TYPE
    if request.time_in_force not in TIMES_IN_FORCE:
        return RejectReason.UNKNOWN_TIME_IN_FORCE
    if wanted[1] and request.time_in_force in AT_ONCE:
        return RejectReason.UNSUPPORTED_COMBINATION
    if request.quantity <= 0:
        return RejectReason.QUANTITY_NOT_POSITIVE
    prices = zip((request.limit_price, request.stop_price), wanted, strict=True)
    missing = any(price is None and needed for price, needed in prices)
    return RejectReason.PRICE_MISSING if missing else RejectReason.PRICE_NOT_WANTED


class SeededRejects:
    """Rejects a share of the orders; ``rate`` is a decimal from 0 to 1."""

    def __init__(self, seed: int, rate: str) -> None:
        value, scale = parse_decimal(rate)
        self._threshold = value << _BITS
        self._denominator = 10**scale
        self._draw = random.Random(seed).getrandbits  # noqa: S311 - a seeded fault, no secret

    def refusal(self, request: OrderRequest) -> RejectReason | None:
        """Draw, and return the reason when the draw is below the rate."""
        del request
        return RejectReason.SEEDED_REJECT if self._draw(_BITS) * self._denominator < self._threshold else None
