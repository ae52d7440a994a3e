"""The mock venue: the only broker in this package.

It is deterministic: ids are counted, orders keep their order of arrival, there is no clock, and no chance but the
seeded rejects. A bar passes twice over the orders, first at its open and then in its range; the lots that the volume
allows go in that order, earlier orders first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

from c2lib.broker.fill_models import maker_taker_fee, price_rules, volume_budget
from c2lib.broker.orders import AT_ONCE, FillTerms, RejectReason, VenueOrder, malformation, seeded_rejects
from c2lib.broker.port import BrokerFill, OrderReport, OrderRequest
from c2lib.core.canon import component_seed
from c2lib.core.clock import MICROSECONDS_A_DAY
from c2lib.core.config import BrokerConfig
from c2lib.core.errors import InvalidRequestError, OrderRejectedError
from c2lib.core.model import BUY, DAY, FOK, Bar, Grid, new_fact
from c2lib.core.states import ORDER_ENDS, ORDER_TABLE, OrderStatus, OrderTrigger, moves_by
from c2lib.core.vocabulary import INSUFFICIENT_FUNDS

ReportT = TypeVar("ReportT")

KEPT_ORDERS = 1024
"""Ended orders that the venue can still report on."""

KEPT_REPORTS = 4096
"""Fills, and ends, before the furthest cursor that can be read again."""

_NO_BOUND = 1 << 200
"""More lots than any orders can ask for."""

_AFTER_PARTIAL = moves_by(ORDER_TABLE, OrderTrigger.PARTIAL_FILL)
_AFTER_FULL = moves_by(ORDER_TABLE, OrderTrigger.FULL_FILL)


class MockBroker:
    """A :class:`~c2lib.core.model.BrokerPort`; :meth:`advance` and :meth:`close`, its time, belong to the session.

    An order placed on bar *n* meets the bars from *n + 1 + latency* on; a cancel takes as long to arrive, and what
    fills before it stays filled. IOC fills what it can at the first open that it meets and expires, FOK fills whole
    there or expires, DAY expires before the first bar of a later UTC day than that of its placing (before any bar:
    than the first bar's). It keeps the account's cash: a fill that would take it below zero is not made, and its order
    is cancelled.

    >>> broker = MockBroker(BrokerConfig(taker_fee_rate="0"), Grid.of("1", "1"), seed=1)
    >>> broker.place_order(OrderRequest("c-1", "SYNTH", "BUY", "MARKET", 2, None, None, "GTC"))
    'b-000001'
    >>> broker.advance(Bar(0, 0, 100, 101, 99, 100, 10))
    >>> cursor, fills = broker.iter_fills(0)
    >>> cursor, fills[0].price, fills[0].leaves_quantity
    (1, 100, 0)
    """

    def __init__(self, config: BrokerConfig, grid: Grid, seed: int, smallest_gap: int | None = None) -> None:
        """Open the venue.

        Args:
            config: A sealed broker config.
            grid: The units of the run.
            seed: The run's, from which the venue's own follows.
            smallest_gap: Least time between two bars of the market; where it is a day or more, no DAY order can fill.
        """
        share, rate = config.participation, config.reject_rate
        self._rules = price_rules(slippage_ticks=config.slippage_ticks, touch_fills=config.touch_fills)
        self._budget = None if share is None else volume_budget(share)
        self._fee = maker_taker_fee(config.maker_fee_rate, config.taker_fee_rate, grid)
        self._draw = None if rate == "0" else seeded_rejects(component_seed(seed, "broker"), rate)
        self._day_never_fills = smallest_gap is not None and smallest_gap >= MICROSECONDS_A_DAY
        self._latency = config.latency_steps
        self._delay = 1 + config.latency_steps
        self._book = OrderBook()
        self._open = self._book.open
        self._known = self._book.by_client_id
        self._cash = grid.money(config.initial_cash)
        self._notional_unit = grid.notional_unit
        self._log: ReportLog[BrokerFill] = ReportLog("fill")
        self._ends: ReportLog[OrderReport] = ReportLog("end")
        self._cancels: deque[tuple[int, VenueOrder]] = deque()
        self._days: list[VenueOrder] = []
        self._bar: Bar | None = None
        self._step = 0
        self._placed = 0
        self._filled = 0

    def place_order(self, request: OrderRequest) -> str:
        """Accept an order and return its id.

        Raises :class:`OrderRejectedError` with a :class:`~c2lib.broker.orders.RejectReason`, and
        :class:`InvalidRequestError` when the client order id is that of an order still known.
        """
        client_order_id, _, side, order_type, quantity, limit, stop, time_in_force = request
        if client_order_id in self._known:
            raise InvalidRequestError(f"client_order_id {client_order_id!r} was used before")
        reason = malformation(request)
        if reason is None and time_in_force == DAY and self._day_never_fills:
            reason = RejectReason.DAY_NEVER_FILLS
        if reason is None and self._draw is not None:
            reason = self._draw()
        if reason is not None:
            raise OrderRejectedError(reason.value)
        self._placed = number = self._placed + 1
        broker_order_id = "b-%06d" % number  # noqa: UP031 - half the time of an f-string with a width
        rule, arrives, is_at_once = self._rules[order_type, side], self._step + self._delay, time_in_force in AT_ONCE
        order = VenueOrder(broker_order_id, request, rule, arrives, quantity, limit or 0, stop or 0, is_at_once)
        if time_in_force == DAY:
            order.day = self._bar.time // MICROSECONDS_A_DAY if self._bar else None
            self._days.append(order)
        self._book.add(order)
        return broker_order_id

    def cancel_order(self, broker_order_id: str) -> OrderStatus:
        """Ask for a cancel and return where the order stands; an ended order stays as it is."""
        order = self._book.find(broker_order_id)
        if order.status not in ORDER_ENDS and order.status is not OrderStatus.PENDING_CANCEL:
            order.move(OrderTrigger.CANCEL_REQUESTED)
            if self._latency:
                self._cancels.append((self._step + self._latency, order))
            else:
                self._end(order, OrderTrigger.CANCELLED, None)
        return order.status

    def query_order(self, order_id: str) -> OrderReport:
        """Return the report on an order by either id; raise :class:`InvalidRequestError` when none is known by it."""
        return self._book.find(order_id).report()

    def list_open_orders(self) -> tuple[OrderReport, ...]:
        """Return the reports on all orders that can still fill, oldest first."""
        return tuple(order.report() for order in self._open.values())

    def iter_fills(self, cursor: int) -> tuple[int, Sequence[BrokerFill]]:
        """Return the fills from ``cursor`` on.

        Raises :class:`InvalidRequestError` for a cursor that was never given, or that lies too far back.
        """
        return self._log.read(cursor)

    def iter_ends(self, cursor: int) -> tuple[int, Sequence[OrderReport]]:
        """Return the ends without a fill from ``cursor`` on, in their order; raises as :meth:`iter_fills` does."""
        return self._ends.read(cursor)

    def advance(self, bar: Bar) -> None:
        """Take in one bar: expire, fill and cancel what it decides."""
        self._step += 1
        self._bar = bar
        if not self._open:
            return
        if self._days:
            self._expire_days(bar.time // MICROSECONDS_A_DAY)
        self._trade(bar)
        if self._cancels:
            self._carry_out_cancels(self._step)

    def close(self) -> None:
        """Close the market: every cancel on its way takes effect."""
        self._carry_out_cancels(self._step + self._latency)

    def _trade(self, bar: Bar) -> None:
        step = self._step
        budget = _NO_BOUND if self._budget is None else self._budget(bar.volume)
        waiting = []
        for order in list(self._open.values()):
            if step < order.arrives:
                continue
            terms = order.rule.at_open(order, bar, step)
            if order.is_at_once:
                budget -= self._fill_or_expire(order, bar, terms, budget)
            elif terms is not None:
                budget -= self._fill(order, bar, terms, budget)
            else:
                waiting.append(order)
        for order in waiting:
            terms = order.rule.in_range(order, bar)
            if terms is not None:
                budget -= self._fill(order, bar, terms, budget)

    def _fill_or_expire(self, order: VenueOrder, bar: Bar, terms: FillTerms | None, budget: int) -> int:
        """Fill what an IOC or FOK order allows, let the rest expire, and return how many lots were filled."""
        too_few = order.request.time_in_force == FOK and budget < order.leaves
        filled = 0 if terms is None or too_few else self._fill(order, bar, terms, budget)
        if order.leaves and order.status not in ORDER_ENDS:
            self._end(order, OrderTrigger.EXPIRED, order.request.time_in_force)
        return filled

    def _fill(self, order: VenueOrder, bar: Bar, terms: FillTerms, budget: int) -> int:
        """Fill what the budget allows of an order and return how many lots that were: none where cash lacks."""
        request, leaves = order.request, order.leaves
        quantity = leaves if leaves <= budget else budget
        if not quantity:
            return 0
        ticks, liquidity = terms
        client_order_id, _, side, *_ = request
        notional, fee = ticks * quantity * self._notional_unit, self._fee(ticks, quantity, liquidity)
        cash = self._cash - fee + (-notional if side == BUY else notional)
        if cash < 0:
            self._end(order, OrderTrigger.CANCELLED, INSUFFICIENT_FUNDS)
            return 0
        self._cash = cash
        order.leaves = leaves = leaves - quantity
        self._filled = number = self._filled + 1
        fill = (
            "f-%06d" % number,  # noqa: UP031 - as above
            client_order_id,
            order.broker_order_id,
            side,
            quantity,
            ticks,
            fee,
            liquidity,
            leaves,
            bar.bar_index,
        )
        self._log.append(new_fact(BrokerFill, fill))
        if leaves:
            order.status = _AFTER_PARTIAL[order.status]
        else:
            order.status = _AFTER_FULL[order.status]
            self._book.end(order)
        return quantity

    def _end(self, order: VenueOrder, trigger: OrderTrigger, reason: str | None) -> None:
        order.move(trigger)
        order.reason = reason
        self._book.end(order)
        self._ends.append(order.report())

    def _expire_days(self, day: int) -> None:
        orders, self._days = self._days, []
        for order in orders:
            if order.status in ORDER_ENDS:
                continue
            if order.day is None:
                order.day = day
            if order.day < day:
                self._end(order, OrderTrigger.EXPIRED, DAY)
            else:
                self._days.append(order)

    def _carry_out_cancels(self, step: int) -> None:
        cancels = self._cancels
        while cancels and cancels[0][0] <= step:
            _, order = cancels.popleft()
            if order.status is OrderStatus.PENDING_CANCEL:
                self._end(order, OrderTrigger.CANCELLED, None)


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
        """Record that an order ended, and forget the oldest one when there are too many."""
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


class ReportLog(Generic[ReportT]):
    """The reports of one kind in order; the cursor of a report is its number from 0.

    Reports more than :data:`KEPT_REPORTS` before the furthest cursor cannot be read again; so many are dropped at once.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._reports: list[ReportT] = []
        self._dropped = 0
        self._oldest = 0
        self.append = self._reports.append

    def read(self, cursor: int) -> tuple[int, Sequence[ReportT]]:
        """Return the reports from ``cursor`` on and the cursor after them; raise :class:`InvalidRequestError`."""
        reports, dropped = self._reports, self._dropped
        end = dropped + len(reports)
        if not self._oldest <= cursor <= end:
            raise self._refusal(cursor, end)
        unread = reports[cursor - dropped :]
        oldest = cursor - KEPT_REPORTS
        if oldest > self._oldest:
            self._oldest = oldest
            if oldest - dropped >= KEPT_REPORTS:
                del reports[: oldest - dropped]
                self._dropped = oldest
        return end, unread

    def _refusal(self, cursor: int, end: int) -> InvalidRequestError:
        problem = f"is not between 0 and {end}"
        if 0 <= cursor < self._oldest:
            problem = f"was read and forgotten; the oldest kept is {self._oldest}"
        return InvalidRequestError(f"{self._kind} cursor {cursor} {problem}")
