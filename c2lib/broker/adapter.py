"""What stands between a session and a venue: counting and idempotency.

Rules kept here:

* ``client_order_id`` is the idempotency key: the same key with the same order gives the same answer and no
  second effect, the same key with another order is a permanent error;
* a key is remembered after its effect, and forgotten once the session says that the order ended, so that
  memory follows the open orders and not the run;
* every call is counted, whatever comes of it.

>>> from c2lib.broker.fills import MakerTakerFee, NextOpen
>>> from c2lib.broker.mock import MockBroker
>>> adapter = BrokerAdapter(MockBroker(NextOpen(), MakerTakerFee(0, 0)))
>>> order = OrderRequest("c-1", "SYNTH", "BUY", "MARKET", 2, None, None, "GTC")
>>> adapter.place_order(order) == adapter.place_order(order), adapter.counts.place
(True, 2)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from c2lib.core.errors import InvalidRequestError
from c2lib.core.model import BrokerFill, BrokerPort, OrderReport, OrderRequest
from c2lib.core.states import OrderStatus


@dataclass(slots=True)
class CallCounts:
    """How often the venue was called."""

    place: int = 0
    cancel: int = 0
    query: int = 0
    retries: int = 0


class BrokerAdapter:
    """A :class:`~c2lib.core.model.BrokerPort` in front of another."""

    def __init__(self, port: BrokerPort) -> None:
        self._port = port
        self._placed: dict[str, tuple[OrderRequest, str]] = {}
        self.counts = CallCounts()

    def place_order(self, request: OrderRequest) -> str:
        """Place an order once, however often it is asked; see the port for what is raised."""
        self.counts.place += 1
        before = self._placed.get(request.client_order_id)
        if before is not None:
            if before[0] != request:
                raise InvalidRequestError(f"client_order_id {request.client_order_id!r} stands for another order")
            return before[1]
        broker_order_id = self._port.place_order(request)
        self._placed[request.client_order_id] = (request, broker_order_id)
        return broker_order_id

    def forget(self, client_order_id: str) -> None:
        """Drop the key of an order that ended."""
        self._placed.pop(client_order_id, None)

    def cancel_order(self, broker_order_id: str) -> OrderStatus:
        """Ask the venue for a cancel."""
        self.counts.cancel += 1
        return self._port.cancel_order(broker_order_id)

    def query_order(self, order_id: str) -> OrderReport:
        """Ask the venue for one order."""
        self.counts.query += 1
        return self._port.query_order(order_id)

    def list_open_orders(self) -> tuple[OrderReport, ...]:
        """Ask the venue for all open orders."""
        self.counts.query += 1
        return self._port.list_open_orders()

    def iter_fills(self, cursor: int) -> tuple[int, Sequence[BrokerFill]]:
        """Read the venue's fills from a cursor on."""
        return self._port.iter_fills(cursor)
