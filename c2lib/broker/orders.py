"""Orders as the venue sees them: which it accepts, and how it keeps one.

An order's status moves by the order table alone. Steps are the venue's own count of bars.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from c2lib.broker.port import OrderReport, OrderRequest
from c2lib.core.contract import ORDER_TYPES, PRICES_OF_TYPE, SIDES, TIMES_IN_FORCE
from c2lib.core.decimals import parse_decimal
from c2lib.core.model import FOK, IOC, Bar
from c2lib.core.states import ORDER_TABLE, OrderStatus, OrderTrigger, next_state

AT_ONCE = frozenset({IOC, FOK})
"""Times in force that end with the first open an order meets."""

FillTerms = tuple[int, str]
"""The price of a fill in ticks, and whether the order made or took liquidity."""

_DRAW_BITS = 64
_ACCEPTED = next_state("order", ORDER_TABLE, OrderStatus.PENDING_NEW, OrderTrigger.ACKNOWLEDGED)
_SOUND = frozenset(
    (side, order_type, time_in_force, not has_limit, not has_stop)
    for order_type, (has_limit, has_stop) in PRICES_OF_TYPE.items()
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
    DAY_NEVER_FILLS = "day_never_fills"
    SEEDED_REJECT = "seeded_reject"


def malformation(request: OrderRequest) -> RejectReason | None:
    """Return what is wrong with an order in itself, or ``None``; a stop cannot be immediate, it waits."""
    _, _, side, order_type, quantity, limit, stop, time_in_force = request
    is_sound = (side, order_type, time_in_force, limit is None, stop is None) in _SOUND
    if is_sound and quantity > 0 and (limit is None or limit > 0) and (stop is None or stop > 0):
        return None
    has_limit, has_stop = PRICES_OF_TYPE.get(order_type, (False, False))
    wrong = {
        RejectReason.UNKNOWN_SIDE: side not in SIDES,
        RejectReason.UNKNOWN_ORDER_TYPE: order_type not in ORDER_TYPES,
        RejectReason.UNKNOWN_TIME_IN_FORCE: time_in_force not in TIMES_IN_FORCE,
        RejectReason.UNSUPPORTED_COMBINATION: has_stop and time_in_force in AT_ONCE,
        RejectReason.QUANTITY_NOT_POSITIVE: quantity <= 0,
        RejectReason.PRICE_MISSING: (has_limit and limit is None) or (has_stop and stop is None),
        # nothing else is left that can keep an order out of _SOUND
        RejectReason.PRICE_NOT_WANTED: not is_sound,
        RejectReason.PRICE_NOT_POSITIVE: True,
    }
    return next(reason for reason, is_wrong in wrong.items() if is_wrong)


def seeded_rejects(seed: int, rate: str) -> Callable[[], RejectReason | None]:
    """Return what draws for one order and returns the reason when the draw is below ``rate``, a decimal from 0 to 1."""
    value, scale = parse_decimal(rate)
    threshold, denominator = value << _DRAW_BITS, 10**scale
    draw = random.Random(seed).getrandbits  # noqa: S311 - a seeded fault, no secret
    return lambda: RejectReason.SEEDED_REJECT if draw(_DRAW_BITS) * denominator < threshold else None


class PriceRule(Protocol):
    """Decides at which price an order fills on a bar; a stop that triggers puts its order under another rule."""

    def at_open(self, order: VenueOrder, bar: Bar, step: int) -> FillTerms | None:
        """Return the terms of a fill at the open of the bar of a step, or ``None``."""

    def in_range(self, order: VenueOrder, bar: Bar) -> FillTerms | None:
        """Return the terms of a fill within the bar, for an order without one at the open, or ``None``."""


@dataclass(slots=True, eq=False)
class VenueOrder:
    """An accepted order."""

    broker_order_id: str
    request: OrderRequest
    rule: PriceRule
    """The price rule that it stands under; a stop that triggered stands under the rule that it became."""
    arrives: int
    """The step of the first bar that it meets."""
    leaves: int
    """The lots that are unfilled."""
    limit: int
    """Its limit in ticks, 0 where its type has none."""
    stop: int
    """Its stop in ticks, 0 where its type has none."""
    is_at_once: bool
    """Whether it ends with the first open that it meets."""
    day: int | None = None
    """The UTC day of its placing, for a DAY order; ``None`` before the first bar."""
    status: OrderStatus = _ACCEPTED
    reason: str | None = None
    """Why it ended without being asked to."""

    def move(self, trigger: OrderTrigger) -> None:
        """Move by the order table."""
        self.status = next_state("order", ORDER_TABLE, self.status, trigger)

    def report(self) -> OrderReport:
        """Return what the venue reports of the order."""
        request = self.request
        quantity, filled = request.quantity, request.quantity - self.leaves
        names = self.broker_order_id, request.client_order_id
        return OrderReport(*names, self.status, quantity, filled, self.reason)
