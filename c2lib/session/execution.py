"""How a session deals with its broker: intents in, orders and fills booked and written.

Rules kept here:

* an order's event is written before the broker is asked, and a broker's answer before the next question;
* an order that can end without a fill (by its time in force, or by a cancel on its way) is asked for after each bar;
* texts are made at emission from integers; free text of a strategy is cleaned where it enters;
* failed attempts are audited; the rate limit's time is that of the step, so that a replay holds back the same orders;
* nothing sleeps: a retry comes at once, and what waiting cannot mend is told and left.

The dealer keeps no history: what happened is in the journal.

>>> from c2lib.record.sinks import Sinks
>>> from c2lib.core.config import DryrunConfig, seal
>>> config = seal(DryrunConfig(strategy_id="strat_demo", run_id="run_demo_001", seed=123, steps=8))
>>> dealer = Dealer(config, Journal("run_demo_001", "strat_demo", Sinks(), 0))
>>> dealer.on_bar(Bar(0, 0, 100, 101, 99, 100, 10)).position
0
>>> dealer.act([OrderIntent("BUY", 2)]); dealer.on_bar(Bar(1, 60_000_000, 100, 101, 99, 100, 10)).position
2
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from c2lib.broker.adapter import BrokerAdapter, FailedAttempt, TokenBucket
from c2lib.broker.mock import build_broker
from c2lib.core.clock import parse_utc, utc_micros
from c2lib.core.config import BrokerConfig, SealedConfig
from c2lib.core.errors import (
    BrokerError,
    BrokerTimeoutError,
    BrokerUnavailableError,
    OrderRejectedError,
    RateLimitedError,
    SinkWriteError,
)
from c2lib.core.model import (
    GTC,
    Bar,
    BrokerFill,
    BrokerPort,
    CancelIntent,
    OrderIntent,
    OrderRequest,
    PositionView,
    Texts,
)
from c2lib.core.redaction import clean_text, describe_exception
from c2lib.core.states import OrderStatus
from c2lib.core.vocabulary import AuditCode, AuditLevel, EventKind
from c2lib.record.journal import Journal
from c2lib.session.ledger import Ledger
from c2lib.session.reconcile import Mismatch, compare

RATE_LIMITED, UNAVAILABLE = "rate_limited", "unavailable"
"""Why an order that never reached the venue is rejected."""

_ENDS_WITHOUT_FILL = {OrderStatus.CANCELLED: EventKind.ORDER_CANCELLED, OrderStatus.EXPIRED: EventKind.ORDER_EXPIRED}

_new_request = tuple.__new__
"""A named tuple made of a tuple, in half the time of its own constructor."""


def dealing_adapter(port: BrokerPort, config: BrokerConfig, journal: Journal) -> BrokerAdapter:
    """Return the adapter in front of ``port`` that a session deals through."""

    def note(failed: FailedAttempt) -> None:
        code, verb = (AuditCode.BROKER_RETRY, "is tried again") if failed.again else (AuditCode.BROKER_FAILED, "failed")
        meta = {"call": failed.call, "attempt": failed.attempt, "error": describe_exception(failed.error)}
        journal.audit(AuditLevel.WARN, code, f"{failed.call} of the broker {verb}", meta)

    limit, bucket = config.rate_limit, None
    if limit is not None:
        bucket = TokenBucket(limit.burst, limit.per_second, lambda: utc_micros(parse_utc(journal.ts)))
    return BrokerAdapter(port, max_retries=config.max_retries, bucket=bucket, on_attempt=note)


class Dealer:
    """Ledger, adapter and venue of one session."""

    def __init__(self, config: SealedConfig, journal: Journal) -> None:
        grid = config.grid()
        self.texts = Texts.of(grid)
        self.ledger = Ledger(grid.money(config.broker.initial_cash), grid.notional_unit)
        self._symbol = config.market.symbol
        self._journal = journal
        self._write_submitted = journal.emitter(EventKind.ORDER_SUBMITTED)
        self._write_acknowledged = journal.emitter(EventKind.ORDER_ACKNOWLEDGED)
        self._write_fill = journal.emitter(EventKind.FILL)
        self._venue = build_broker(config.broker, grid, config.seed)
        self._adapter = dealing_adapter(self._venue, config.broker, journal)
        # what a strategy is shown, made again when it is asked for after something changed
        self._view: PositionView | None = None
        # the orders that can end without a fill, each with the reason that the event gives
        self._watched: dict[str, str] = {}
        self._cursor = 0
        self._orders = 0
        self._bar_index = 0
        self._mismatches = 0
        self._reconciled_ts: str | None = None

    def on_bar(self, bar: Bar) -> PositionView:
        """Let the venue live through a bar, book what came of it, and return what a strategy may know."""
        self._bar_index = bar.bar_index
        self._venue.advance(bar)
        if self.ledger.open_orders:
            self.book_fills()
            if self._watched:
                self._book_ends()
        view = self._view
        if view is None:
            view = self._view = PositionView(self.ledger.position, tuple(self.ledger.open_orders))
        return view

    def act(self, intents: Sequence[OrderIntent | CancelIntent]) -> None:
        """Carry out what a strategy wants, in its order."""
        self._view = None
        for intent in intents:
            if isinstance(intent, OrderIntent):
                self._place(intent)
            else:
                self._cancel(intent.client_order_id, "strategy")

    def cancel_open(self, reason: str) -> None:
        """Cancel every open order, oldest first, and close the market; unknown outcomes are left to the reconciler.

        A sink that dies on the way keeps no order open: its error is raised after the last cancel.
        """
        died: SinkWriteError | None = None
        for client_order_id in list(self.ledger.open_orders):
            try:
                self._cancel(client_order_id, reason)
            except SinkWriteError as error:
                died = died or error
        self._venue.close()
        self._book_ends()
        if died:
            raise died

    def book_fills(self) -> None:
        """Apply and write the venue's fills that were not read yet."""
        self._cursor, fills = self._adapter.iter_fills(self._cursor)
        for fill in fills:
            self._book(fill)

    def reconcile(self) -> tuple[str, ...]:
        """Compare both sides, write what was found and return it."""
        found = compare(self.ledger.open_orders.values(), self._adapter.list_open_orders())
        self._mismatches += len(found)
        self._journal.event(EventKind.RECONCILED, list(found))
        for mismatch in found:
            self._journal.audit(AuditLevel.ERROR, AuditCode.RECONCILE_MISMATCH, mismatch, {"mismatch": mismatch})
        if not found:
            self._reconciled_ts = self._journal.ts
        return found

    @staticmethod
    def unknown_outcomes(mismatches: Sequence[str]) -> tuple[str, ...]:
        """Return those of ``mismatches`` that leave an outcome unknown."""
        return tuple(item for item in mismatches if item.startswith(f"{Mismatch.UNKNOWN_OUTCOME}:"))

    def counters(self) -> dict[str, Any]:
        """Return the life-cycle counters of orders and fills."""
        counts = self._adapter.counts
        return {
            "orders_place_total": counts.place,
            "orders_cancel_total": counts.cancel,
            "orders_query_total": counts.query,
            "order_state_transitions_total": self.ledger.transitions,
            "fills_total": self.ledger.fills,
            "reconcile_mismatches_total": self._mismatches,
            "retry_attempts_total": counts.retries,
            "reconciler_last_ok_ts": self._reconciled_ts,
        }

    def _book(self, fill: BrokerFill) -> None:
        self._view = None
        texts = self.texts
        fill_id, client_order_id, broker_order_id, side, quantity, price, fee, liquidity, leaves, bar_index = fill
        order = self.ledger.open_orders.get(client_order_id)
        if order is not None and order.broker_order_id is None:
            # the fill tells what a time-out hid: the venue has the order
            self._acknowledged(client_order_id, broker_order_id)
        self.ledger.apply(fill)
        self._write_fill(
            fill_id,
            client_order_id,
            broker_order_id,
            self._symbol,
            side,
            texts.quantities[quantity],
            texts.prices[price],
            texts.money[fee],
            liquidity,
            texts.quantities[leaves],
            bar_index,
        )
        if not leaves:
            self._forget(client_order_id)

    def _place(self, intent: OrderIntent) -> None:
        texts = self.texts
        self._orders = number = self._orders + 1
        client_order_id = "c-%06d" % number  # noqa: UP031 - half the time of an f-string with a width
        side, quantity, order_type, limit, stop, time_in_force, tag = intent
        self.ledger.submit(client_order_id, side, quantity)
        self._write_submitted(
            client_order_id,
            self._symbol,
            side,
            order_type,
            texts.quantities[quantity],
            None if limit is None else texts.prices[limit],
            None if stop is None else texts.prices[stop],
            time_in_force,
            self._bar_index,
            None if tag is None else clean_text(tag),
        )
        if time_in_force != GTC:
            self._watched[client_order_id] = time_in_force
        request = (client_order_id, self._symbol, side, order_type, quantity, limit, stop, time_in_force)
        try:
            broker_order_id = self._adapter.place_order(_new_request(OrderRequest, request))
        except BrokerError as error:
            self._not_placed(client_order_id, error)
        else:
            self._acknowledged(client_order_id, broker_order_id)

    def _not_placed(self, client_order_id: str, error: BrokerError) -> None:
        if isinstance(error, OrderRejectedError):
            self._rejected(client_order_id, clean_text(error.reason))
        elif isinstance(error, RateLimitedError):
            self._rejected(client_order_id, RATE_LIMITED)
        elif isinstance(error, BrokerUnavailableError):
            self._rejected(client_order_id, UNAVAILABLE)
        elif not isinstance(error, BrokerTimeoutError):
            # with a time-out the outcome is unknown: the order stays PENDING_NEW until reconciled
            raise error

    def _acknowledged(self, client_order_id: str, broker_order_id: str) -> None:
        self.ledger.acknowledge(client_order_id, broker_order_id)
        self._write_acknowledged(client_order_id, broker_order_id, None, self._bar_index)

    def _rejected(self, client_order_id: str, reason: str) -> None:
        self.ledger.reject(client_order_id)
        self._forget(client_order_id)
        self._journal.event(EventKind.ORDER_REJECTED, client_order_id, None, reason, self._bar_index)
        meta = {"client_order_id": client_order_id, "reason": reason}
        self._journal.audit(AuditLevel.WARN, AuditCode.ORDER_REJECTED, "the broker rejected an order", meta)

    def _cancel(self, client_order_id: str, reason: str) -> None:
        order = self.ledger.open_orders.get(client_order_id)
        if order is None or order.broker_order_id is None or order.status is OrderStatus.PENDING_CANCEL:
            return
        broker_order_id = order.broker_order_id
        status = self._adapter.cancel_order(broker_order_id)
        if status is OrderStatus.PENDING_CANCEL:
            self.ledger.request_cancel(client_order_id)
            self._watched[client_order_id] = reason
        elif status is OrderStatus.CANCELLED:
            self._ended(client_order_id, broker_order_id, status, reason)

    def _book_ends(self) -> None:
        """Ask for the watched orders that are still open here, and book those that ended over there."""
        for client_order_id, reason in list(self._watched.items()):
            order = self.ledger.open_orders.get(client_order_id)
            if order is None or order.broker_order_id is None:
                continue
            status = self._adapter.query_order(order.broker_order_id).status
            if status in _ENDS_WITHOUT_FILL:
                self._ended(client_order_id, order.broker_order_id, status, reason)

    def _ended(self, client_order_id: str, broker_order_id: str, status: OrderStatus, reason: str) -> None:
        self._view = None
        self._forget(client_order_id)
        kind = _ENDS_WITHOUT_FILL[status]
        (self.ledger.expire if kind is EventKind.ORDER_EXPIRED else self.ledger.cancel)(client_order_id)
        self._journal.event(kind, client_order_id, broker_order_id, reason, self._bar_index)

    def _forget(self, client_order_id: str) -> None:
        self._adapter.forget(client_order_id)
        if self._watched:
            self._watched.pop(client_order_id, None)
