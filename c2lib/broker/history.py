"""What a venue remembers: every open order and unread fill, and a bounded number of the others.

Rules kept here:

* an order that ended can be asked for while it is among the last :data:`KEPT_ORDERS` that did;
* a fill is read once a cursor beyond it was handed in; :data:`KEPT_FILLS` read fills can be read again;
* what was forgotten is an error, never an empty answer: any way of cutting up forward reads gives the same fills.

>>> fills = FillLog()
>>> fills.read(0)
(0, [])
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from c2lib.broker.orders import VenueOrder
from c2lib.core.errors import InvalidRequestError
from c2lib.core.model import BrokerFill

KEPT_ORDERS = 1024
"""Ended orders that the venue can still report on."""

KEPT_FILLS = 4096
"""Fills before the furthest cursor that can be read again."""


class OrderBook:
    """The orders by both their ids, open or remembered; ``open`` holds those that can still fill, oldest first."""

    def __init__(self) -> None:
        self.open: dict[str, VenueOrder] = {}
        self._by_broker_id: dict[str, VenueOrder] = {}
        self.by_client_id: dict[str, VenueOrder] = {}
        self._ended: deque[VenueOrder] = deque()

    def add(self, order: VenueOrder) -> None:
        """Take in an order that is open."""
        broker_order_id = order.broker_order_id
        self.open[broker_order_id] = self._by_broker_id[broker_order_id] = order
        self.by_client_id[order.request.client_order_id] = order

    def end(self, order: VenueOrder) -> None:
        """Note that an order ended, and forget the oldest one when there are too many."""
        del self.open[order.broker_order_id]
        self._ended.append(order)
        if len(self._ended) > KEPT_ORDERS:
            oldest = self._ended.popleft()
            del self._by_broker_id[oldest.broker_order_id]
            del self.by_client_id[oldest.request.client_order_id]

    def find(self, order_id: str) -> VenueOrder:
        """Return an order by either id; raise :class:`InvalidRequestError` when none is known by it."""
        order = self._by_broker_id.get(order_id) or self.by_client_id.get(order_id)
        if order is None:
            raise InvalidRequestError(f"no order {order_id!r} is open or among the last {KEPT_ORDERS} that ended")
        return order


class FillLog:
    """The fills in order; the cursor of a fill is its number from 0."""

    def __init__(self) -> None:
        self._fills: list[BrokerFill] = []
        self._dropped = 0
        self._oldest = 0
        self.append = self._fills.append

    def read(self, cursor: int) -> tuple[int, Sequence[BrokerFill]]:
        """Return the fills from ``cursor`` on and the cursor after them; raise :class:`InvalidRequestError`."""
        fills, dropped = self._fills, self._dropped
        end = dropped + len(fills)
        if not self._oldest <= cursor <= end:
            raise self._refusal(cursor, end)
        unread = fills[cursor - dropped :]
        oldest = cursor - KEPT_FILLS
        if oldest > self._oldest:
            self._oldest = oldest
            if oldest - dropped >= KEPT_FILLS:
                del fills[: oldest - dropped]
                self._dropped = oldest
        return end, unread

    def _refusal(self, cursor: int, end: int) -> InvalidRequestError:
        if 0 <= cursor < self._oldest:
            return InvalidRequestError(
                f"fill cursor {cursor} was read and forgotten; the oldest kept is {self._oldest}"
            )
        return InvalidRequestError(f"fill cursor {cursor} is not between 0 and {end}")
