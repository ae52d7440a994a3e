"""Orders as the venue sees them: which it accepts, and how it keeps one.

An order's status moves by the order table alone. Steps are the venue's own count of bars.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from c2lib.core.contract import SIDES, TIMES_IN_FORCE
from c2lib.core.decimals import parse_decimal
from c2lib.core.model import FOK, IOC, LIMIT, MARKET, STOP, STOP_LIMIT, Bar, OrderReport, OrderRequest
from c2lib.core.states import ORDER_TABLE, OrderStatus, OrderTrigger, next_state

AT_ONCE = frozenset({IOC, FOK})
"""Times in force that end with the first open an order meets."""

Price = tuple[int, str]
"""Where an order fills: ticks, and whether it made or took liquidity."""

_BITS = 64
_ACCEPTED = next_state("order", ORDER_TABLE, OrderStatus.PENDING_NEW, OrderTrigger.ACKNOWLEDGED)
_PRICED: Mapping[str, tuple[bool, bool]] = {
    MARKET: (False, False),
    LIMIT: (True, False),
    STOP: (False, True),
    STOP_LIMIT: (True, True),
}
"""Whether an order of a type has a limit price, and a stop price."""

_SOUND = frozenset(
    (side, order_type, time_in_force, not has_limit, not has_stop)
    for order_type, (has_limit, has_stop) in _PRICED.items()
    for side in SIDES
    for time_in_force in TIMES_IN_FORCE
    if not (has_stop and time_in_force in AT_ONCE)
)
"""Every good combination of words and absent prices, so that a sound order is known by one look-up."""


class RejectReason(StrEnum):
    """Why the venue rejects an order, in the order in which it checks."""

    UNKNOWN_SIDE = "unknown_side"
    UNKNOWN_ORDER_TYPE = "unknown_order_type"
    UNKNOWN_TIME_IN_FORCE = "unknown_time_in_force"
    UNSUPPORTED_COMBINATION = "unsupported_combination"
    QUANTITY_NOT_POSITIVE = "quantity_not_positive"
    PRICE_MISSING = "price_missing"
    PRICE_NOT_WANTED = "price_not_wanted"
    PRICE_NOT_POSITIVE = "price_not_positive"
    SEEDED_REJECT = "seeded_reject"


def malformation(request: OrderRequest) -> RejectReason | None:
    """Return what is wrong with an order in itself, or ``None``; a stop cannot be immediate, it waits."""
    _, _, side, order_type, quantity, limit, stop, time_in_force = request
    is_sound = (side, order_type, time_in_force, limit is None, stop is None) in _SOUND
    if is_sound and quantity > 0 and (limit is None or limit > 0) and (stop is None or stop > 0):
        return None
    has_limit, has_stop = _PRICED.get(order_type, (False, False))
    wrong = {
        RejectReason.UNKNOWN_SIDE: side not in SIDES,
        RejectReason.UNKNOWN_ORDER_TYPE: order_type not in _PRICED,
        RejectReason.UNKNOWN_TIME_IN_FORCE: time_in_force not in TIMES_IN_FORCE,
        RejectReason.UNSUPPORTED_COMBINATION: has_stop and time_in_force in AT_ONCE,
        RejectReason.QUANTITY_NOT_POSITIVE: quantity <= 0,
        RejectReason.PRICE_MISSING: (has_limit and limit is None) or (has_stop and stop is None),
        RejectReason.PRICE_NOT_WANTED: not is_sound,
        RejectReason.PRICE_NOT_POSITIVE: True,
    }
    return next(reason for reason, is_wrong in wrong.items() if is_wrong)


class SeededRejects:
    """Rejects a share of the orders that are well formed; ``rate`` is a decimal from 0 to 1."""

    def __init__(self, seed: int, rate: str) -> None:
        value, scale = parse_decimal(rate)
        self._threshold = value << _BITS
        self._denominator = 10**scale
        self._draw = random.Random(seed).getrandbits  # noqa: S311 - a seeded fault, no secret

    def draw(self) -> RejectReason | None:
        """Draw for one order, and return the reason when the draw is below the rate."""
        return RejectReason.SEEDED_REJECT if self._draw(_BITS) * self._denominator < self._threshold else None


class PriceRule(Protocol):
    """Says at which price an order fills on a bar; a stop that triggers puts its order under another rule."""

    def at_open(self, order: VenueOrder, bar: Bar, step: int) -> Price | None:
        """Return the price at the open of the bar of a step, or ``None``."""
        ...

    def in_range(self, order: VenueOrder, bar: Bar) -> Price | None:
        """Return the price within the bar of an order that the open left as it was, or ``None``."""
        ...


class VenueOrder:
    """An accepted order.

    Attributes:
        broker_order_id: The venue's id of it.
        request: What was asked for.
        rule: The price rule that it stands under; a stop that triggered stands under the rule that it became.
        arrives: The step of the first bar that it meets.
        leaves: The lots that are unfilled.
        is_at_once: Whether it ends with the first open that it meets.
        status: Where it stands.
        day: The UTC day of its placing, for a DAY order; ``None`` before the first bar.
        cancel_at: The step at which a cancel on its way takes effect.
    """

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
        """Return what the venue reports of the order."""
        request = self.request
        filled = request.quantity - self.leaves
        return OrderReport(self.broker_order_id, request.client_order_id, self.status, request.quantity, filled)
