"""Why a venue rejects an order.

Rules kept here:

* an order is looked at in the order of :class:`RejectReason`, and the first thing wrong is the reason;
* an order that is well formed is rejected by chance with an exact probability: 64 random bits *r* reject it when
  r / 2**64 < rate, compared as integers;
* the bits come from the component's own seed, one draw for each order that is well formed.

>>> malformation(OrderRequest("c-1", "SYNTH", "BUY", "LIMIT", 2, None, None, "GTC")).value
'price_missing'
>>> SeededRejects(7, "1").refusal(OrderRequest("c-1", "SYNTH", "BUY", "MARKET", 2, None, None, "GTC")).value
'seeded_reject'
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from enum import StrEnum

from c2lib.broker.orders import AT_ONCE, TIMES_IN_FORCE
from c2lib.core.decimals import parse_decimal
from c2lib.core.model import BUY, LIMIT, MARKET, SELL, STOP, STOP_LIMIT, OrderRequest

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
