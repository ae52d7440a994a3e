"""What a session asks of a venue, and what it is answered: quantities in lots, prices in ticks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from c2lib.core.states import OrderStatus


class OrderRequest(NamedTuple):
    """An order as it goes to the broker: quantity in lots, prices in ticks."""

    client_order_id: str
    symbol: str
    side: str
    order_type: str
    quantity: int
    limit_price: int | None
    stop_price: int | None
    time_in_force: str


class OrderReport(NamedTuple):
    """What the broker says of an order: quantities in lots, ``reason`` why it ended without being asked to."""

    broker_order_id: str
    client_order_id: str
    status: OrderStatus
    quantity: int
    filled_quantity: int
    reason: str | None = None


class BrokerFill(NamedTuple):
    """A fill as the broker reports it: quantities in lots, price in ticks, ``fee`` in money units of the grid."""

    fill_id: str
    client_order_id: str
    broker_order_id: str
    side: str
    quantity: int
    price: int
    fee: int
    liquidity: str
    leaves_quantity: int
    bar_index: int


class BrokerPort(Protocol):
    """What a session may ask of a venue; every call may raise a :class:`~c2lib.core.errors.BrokerError`."""

    def place_order(self, request: OrderRequest) -> str:
        """Place an order and return its ``broker_order_id``."""

    def cancel_order(self, broker_order_id: str) -> OrderStatus:
        """Ask for a cancel and return where the order stands then."""

    def query_order(self, order_id: str) -> OrderReport:
        """Return the report on an order, by broker or client order id."""

    def list_open_orders(self) -> tuple[OrderReport, ...]:
        """Return the reports on all orders that can still fill, oldest first."""

    def iter_fills(self, cursor: int) -> tuple[int, Sequence[BrokerFill]]:
        """Return the fills from ``cursor`` on, and the cursor to go on with."""

    def iter_ends(self, cursor: int) -> tuple[int, Sequence[OrderReport]]:
        """Return the reports on orders that were cancelled or expired likewise, with a cursor of their own."""
