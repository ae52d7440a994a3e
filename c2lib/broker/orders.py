"""An order as the venue keeps it.

Rules kept here:

* its status moves by the order table alone;
* ``rule`` is the price rule that it stands under: a stop that triggered stands under the rule that it became;
* steps are the venue's own count of bars: an order meets the bars from step ``arrives`` on.

>>> from c2lib.broker.prices import price_rules
>>> rule = price_rules(slippage_ticks=0, touch_fills=False)["MARKET", "BUY"]
>>> order = VenueOrder("b-000001", OrderRequest("c-1", "SYNTH", "BUY", "MARKET", 2, None, None, "GTC"), rule, arrives=1)
>>> order.report().status.value, order.leaves
('NEW', 2)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from c2lib.core.model import DAY, FOK, GTC, IOC, OrderReport, OrderRequest
from c2lib.core.states import ORDER_TABLE, OrderStatus, OrderTrigger, next_state

if TYPE_CHECKING:
    from c2lib.broker.fills import PriceRule

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
