"""The mock venue: the only broker in this package.

Rules kept here:

* deterministic: ids are counted, orders fill in the order in which they were placed, no clock, no randomness;
* it fits :class:`~c2lib.core.model.BrokerPort` exactly; the venue's own time, :meth:`MockBroker.advance`, is no
  port operation and belongs to whoever drives the bars;
* an order moves by the order table alone.

How to use it in a test:

>>> from c2lib.broker.fills import MakerTakerFee, NextOpen
>>> broker = MockBroker(NextOpen(), MakerTakerFee(0, 0))
>>> broker.place_order(OrderRequest("c-1", "SYNTH", "BUY", "MARKET", 2, None, None, "GTC"))
'b-000001'
>>> broker.advance(Bar(0, 0, 100, 101, 99, 100, 10))
>>> cursor, fills = broker.iter_fills(0)
>>> cursor, fills[0].price, fills[0].leaves_quantity
(1, 100, 0)
"""

from __future__ import annotations

from collections.abc import Sequence

from c2lib.broker.fills import FeeModel, FillModel
from c2lib.core.errors import InvalidRequestError, OrderRejectedError
from c2lib.core.model import Bar, BrokerFill, OrderReport, OrderRequest
from c2lib.core.states import ORDER_ENDS, ORDER_TABLE, OrderStatus, OrderTrigger, next_state


class _VenueOrder:
    """An order as the venue keeps it."""

    __slots__ = ("broker_order_id", "filled", "request", "status")

    def __init__(self, broker_order_id: str, request: OrderRequest) -> None:
        self.broker_order_id = broker_order_id
        self.request = request
        self.filled = 0
        self.status = OrderStatus.PENDING_NEW

    def move(self, trigger: OrderTrigger) -> None:
        self.status = next_state("order", ORDER_TABLE, self.status, trigger)

    def report(self) -> OrderReport:
        request = self.request
        return OrderReport(self.broker_order_id, request.client_order_id, self.status, request.quantity, self.filled)


class MockBroker:
    """A venue that fills by a fill model and charges by a fee model."""

    def __init__(self, fill_model: FillModel, fee_model: FeeModel) -> None:
        self._fill_model = fill_model
        self._fee_model = fee_model
        self._orders: dict[str, _VenueOrder] = {}
        self._by_client_id: dict[str, _VenueOrder] = {}
        self._open: dict[str, _VenueOrder] = {}
        self._fills: list[BrokerFill] = []

    def place_order(self, request: OrderRequest) -> str:
        """Accept an order and return its id.

        Raises :class:`OrderRejectedError` with the venue's reason, and :class:`InvalidRequestError` when the
        client order id was used before.
        """
        if request.client_order_id in self._by_client_id:
            raise InvalidRequestError(f"client_order_id {request.client_order_id!r} was used before")
        if request.order_type not in self._fill_model.order_types:
            raise OrderRejectedError("unsupported_order_type")
        if request.quantity <= 0:
            raise OrderRejectedError("quantity_not_positive")
        order = _VenueOrder(f"b-{len(self._orders) + 1:06d}", request)
        order.move(OrderTrigger.ACKNOWLEDGED)
        self._orders[order.broker_order_id] = order
        self._by_client_id[request.client_order_id] = order
        self._open[order.broker_order_id] = order
        return order.broker_order_id

    def cancel_order(self, broker_order_id: str) -> OrderStatus:
        """Cancel what is open of an order and return where it stands; an ended order stays as it is."""
        order = self._known(broker_order_id)
        if order.status not in ORDER_ENDS:
            order.move(OrderTrigger.CANCEL_REQUESTED)
            order.move(OrderTrigger.CANCELLED)
            del self._open[order.broker_order_id]
        return order.status

    def query_order(self, order_id: str) -> OrderReport:
        """Return the report on an order by either id; raise :class:`InvalidRequestError` when there is none."""
        return self._known(order_id).report()

    def list_open_orders(self) -> tuple[OrderReport, ...]:
        """Return the reports on all orders that can still fill, oldest first."""
        return tuple(order.report() for order in self._open.values())

    def iter_fills(self, cursor: int) -> tuple[int, Sequence[BrokerFill]]:
        """Return the fills from ``cursor`` on; raise :class:`InvalidRequestError` for a cursor that was never given."""
        end = len(self._fills)
        if not 0 <= cursor <= end:
            raise InvalidRequestError(f"fill cursor {cursor} is not between 0 and {end}")
        return end, self._fills[cursor:]

    def advance(self, bar: Bar) -> None:
        """Let the venue live through one bar: open orders fill, oldest first."""
        if not self._open:
            return
        for order in list(self._open.values()):
            request = order.request
            execution = self._fill_model.execution(request, request.quantity - order.filled, bar)
            if execution is not None:
                self._fill(order, bar, *execution)

    def _fill(self, order: _VenueOrder, bar: Bar, quantity: int, price: int, liquidity: str) -> None:
        request = order.request
        order.filled += quantity
        leaves = request.quantity - order.filled
        order.move(OrderTrigger.PARTIAL_FILL if leaves else OrderTrigger.FULL_FILL)
        if not leaves:
            del self._open[order.broker_order_id]
        self._fills.append(
            BrokerFill(
                f"f-{len(self._fills) + 1:06d}",
                request.client_order_id,
                order.broker_order_id,
                request.side,
                quantity,
                price,
                self._fee_model.fee(price, quantity, liquidity),
                liquidity,
                leaves,
                bar.bar_index,
            )
        )

    def _known(self, order_id: str) -> _VenueOrder:
        order = self._orders.get(order_id) or self._by_client_id.get(order_id)
        if order is None:
            raise InvalidRequestError(f"no order {order_id!r}")
        return order
