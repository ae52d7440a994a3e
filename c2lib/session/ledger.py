"""Position, cash and open orders as the session believes them, in integers: lots, ticks, money units.

Memory follows the open orders: an order that ended is dropped, and with it the ids of its fills.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from c2lib.broker.port import BrokerFill
from c2lib.core.errors import ForbiddenTransitionError
from c2lib.core.model import BUY, ENTRY_SCALE, OpenOrder, OrderIntent
from c2lib.core.states import ORDER_ENDS, ORDER_TABLE, OrderStatus, OrderTrigger, moves_by, next_state
from c2lib.session.rails import Rail, trip

_WHOLE = int(10**ENTRY_SCALE)
_AFTER_ACKNOWLEDGED = moves_by(ORDER_TABLE, OrderTrigger.ACKNOWLEDGED)
_AFTER_FULL_FILL = moves_by(ORDER_TABLE, OrderTrigger.FULL_FILL)


class Books(NamedTuple):
    """Position and money as decimal text, as the last event of a session shows them."""

    position: str
    cash: str
    mark_price: str | None
    equity: str


@dataclass(slots=True, eq=False)
class LocalOrder:
    """An order as the session believes it; quantities in lots."""

    client_order_id: str
    intent: OrderIntent
    broker_order_id: str | None = None
    filled: int = 0
    fill_ids: set[str] | None = None
    """The ids of its partial fills; most orders have one fill, which none can repeat."""
    status: OrderStatus = OrderStatus.PENDING_NEW
    cancel_reason: str | None = None
    """Why its cancel was asked for."""

    def shown(self) -> OpenOrder:
        """Return the order as its strategy sees it."""
        side, quantity, *_ = self.intent
        return OpenOrder(self.client_order_id, side, quantity, quantity - self.filled, *self.intent[2:])


class Ledger:
    """The session's own books; ``transitions`` counts the moves of the order machine.

    >>> ledger = Ledger(initial_cash=1000, notional_unit=1)
    >>> ledger.submit("c-1", OrderIntent("BUY", 2)); ledger.acknowledge("c-1", "b-1")
    >>> ledger.apply(BrokerFill("f-1", "c-1", "b-1", "BUY", 2, 100, 1, "TAKER", 0, 0))
    >>> ledger.position, ledger.cash, ledger.equity(mark=101)
    (2, 799, 1001)
    """

    def __init__(self, initial_cash: int, notional_unit: int, money_text: Callable[[int], str] = str) -> None:
        self.position = 0
        self.cash = initial_cash
        self.entry_units = 0
        self.fills = 0
        self.transitions = 0
        self.open_orders: dict[str, LocalOrder] = {}
        self._notional_unit = notional_unit
        self._money_text = money_text

    def submit(self, client_order_id: str, intent: OrderIntent) -> None:
        """Record an order that is about to be placed."""
        self.open_orders[client_order_id] = LocalOrder(client_order_id, intent)

    def acknowledge(self, client_order_id: str, broker_order_id: str) -> None:
        """Record the broker's acknowledgement."""
        order = self.open_orders.get(client_order_id) or _unknown(client_order_id)
        order.broker_order_id = broker_order_id
        order.status = _AFTER_ACKNOWLEDGED.get(order.status) or _forbidden(order, OrderTrigger.ACKNOWLEDGED)
        self.transitions += 1

    def move(self, client_order_id: str, trigger: OrderTrigger) -> LocalOrder:
        """Record what the broker reported of an order, drop the order when it ended, and return it."""
        order = self.open_orders.get(client_order_id) or _unknown(client_order_id)
        order.status = next_state("order", ORDER_TABLE, order.status, trigger)
        self.transitions += 1
        if order.status in ORDER_ENDS:
            del self.open_orders[client_order_id]
        return order

    def request_cancel(self, client_order_id: str, reason: str | None = None) -> None:
        """Record a cancel that was asked for, and why; the broker did not report its end yet.

        The request is counted only when the order is cancelled: the log shows no request that a fill overtook.
        """
        self.move(client_order_id, OrderTrigger.CANCEL_REQUESTED).cancel_reason = reason
        self.transitions -= 1

    def cancel(self, client_order_id: str, *, asked: bool = True) -> None:
        """Record a cancel that the broker reported: of one that was ``asked`` for, the request counts as well."""
        order = self.open_orders.get(client_order_id) or _unknown(client_order_id)
        if asked and order.status is OrderStatus.PENDING_CANCEL:
            self.transitions += 1
        elif asked:
            self.move(client_order_id, OrderTrigger.CANCEL_REQUESTED)
        self.move(client_order_id, OrderTrigger.CANCELLED)

    def apply(self, fill: BrokerFill) -> None:
        """Apply a fill; raise :class:`~c2lib.core.errors.InvariantError`, with nothing applied, when a rail breaks."""
        fill_id, client_order_id, _, side, quantity, price, fee, *_ = fill
        order = self.open_orders.get(client_order_id) or _unknown(client_order_id)
        if order.fill_ids and fill_id in order.fill_ids:
            trip(Rail.DUPLICATE_FILL, f"fill {fill_id} once", "twice")
        asked, wanted, *_ = order.intent
        if side != asked:
            trip(Rail.FILL_SIDE, f"a {asked} fill of order {client_order_id}", side)
        filled = order.filled + quantity
        if not 0 < quantity <= wanted - order.filled:
            trip(Rail.FILL_BEYOND_ORDER, f"at most {wanted} lots", f"{filled} lots")
        notional = price * quantity * self._notional_unit
        cash = self.cash - fee + (-notional if side == BUY else notional)
        if cash < 0:
            trip(Rail.NEGATIVE_CASH, "cash of 0 or more", f"{self._money_text(cash)} after fill {fill_id}")
        if filled == wanted:
            order.status = _AFTER_FULL_FILL.get(order.status) or _forbidden(order, OrderTrigger.FULL_FILL)
            self.transitions += 1
            del self.open_orders[client_order_id]
        else:
            self.move(client_order_id, OrderTrigger.PARTIAL_FILL)
            order.fill_ids = order.fill_ids or set()
            order.fill_ids.add(fill_id)
        order.filled = filled
        before = self.position
        self.position = after = before + (quantity if side == BUY else -quantity)
        if before * after <= 0:
            self.entry_units = price * _WHOLE if after else 0
        elif abs(after) > abs(before):
            held, total = abs(before), abs(after)
            self.entry_units = (self.entry_units * held + price * _WHOLE * quantity + total // 2) // total
        self.cash = cash
        self.fills += 1

    def equity(self, mark: int | None) -> int:
        """Return cash plus position at ``mark`` ticks, in money units; cash alone before the first bar."""
        return self.cash + self.position * (mark or 0) * self._notional_unit


def _unknown(client_order_id: str) -> NoReturn:
    trip(Rail.UNKNOWN_ORDER, "an order that is open", client_order_id)


def _forbidden(order: LocalOrder, trigger: OrderTrigger) -> NoReturn:
    raise ForbiddenTransitionError("order", order.status.value, trigger.value)
