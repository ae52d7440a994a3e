"""Execution: a strategy's intents in, orders and fills booked in the ledger and written to the journal.

An order's event is written before the broker is asked, and the broker's answer before the next question. Nothing
sleeps: a failed call is audited and made again at once, up to the config's ``max_retries``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from c2lib.broker.adapter import BrokerAdapter, FailedAttempt, TokenBucket
from c2lib.broker.mock import MockBroker
from c2lib.broker.port import OrderRequest
from c2lib.core.clock import parse_utc, utc_micros
from c2lib.core.config import SealedConfig
from c2lib.core.decimals import Known
from c2lib.core.errors import (
    BrokerTimeoutError,
    BrokerUnavailableError,
    OrderRejectedError,
    RateLimitedError,
    SinkWriteError,
    TransientBrokerError,
)
from c2lib.core.model import Bar, CancelIntent, OrderIntent, PositionView, new_fact
from c2lib.core.redaction import clean_text, describe_exception
from c2lib.core.states import OrderStatus, OrderTrigger
from c2lib.core.vocabulary import AuditCode, AuditLevel, EventKind
from c2lib.record.journal import Journal
from c2lib.session.ledger import Books, Ledger
from c2lib.session.rails import Rail, trip
from c2lib.session.reconcile import compare

_NAME = "c-%06d"
"""Makes an order's name of its number, in half the time of an f-string with a width."""


class Execution:
    """Carries out a session's orders at its venue, through an adapter, and keeps the ledger.

    It holds no history: what happened is in the journal.
    """

    def __init__(self, config: SealedConfig, journal: Journal, smallest_gap: int | None = None) -> None:
        grid, broker = config.grid(), config.broker
        self.prices = Known(grid.price_text)
        self._quantities, self._money = Known(grid.quantity_text), Known(grid.money_text)
        self.ledger = Ledger(grid.money(broker.initial_cash), grid.notional_unit, grid.money_text)
        self._min_equity = config.limits.min_equity
        self._least_equity, self._money_scale = grid.money(self._min_equity), grid.money_scale
        self._unit = grid.notional_unit
        self._symbol = config.market.symbol
        self._journal = journal
        self._write_submitted = journal.emitter(EventKind.ORDER_SUBMITTED)
        self._write_acknowledged = journal.emitter(EventKind.ORDER_ACKNOWLEDGED)
        self._write_fill = journal.emitter(EventKind.FILL)
        self._venue = MockBroker(broker, grid, config.seed, smallest_gap)
        limit, bucket = broker.rate_limit, None
        if limit is not None:
            # counted in the time of the steps, so that a replay holds back the same orders
            bucket = TokenBucket(limit.burst, limit.per_second, lambda: utc_micros(parse_utc(journal.ts)))
        on_attempt = partial(_audit_attempt, journal)
        self._adapter = BrokerAdapter(self._venue, max_retries=broker.max_retries, bucket=bucket, on_attempt=on_attempt)
        # what a strategy is shown, made again when it is asked for after something changed
        self._view: PositionView | None = None
        # the orders whose cancel could not be sent yet, in order
        self._unsent: dict[str, None] = {}
        self._cursor = self._end_cursor = 0
        self._orders = 0
        self.bar: Bar | None = None
        self._bar_index = 0
        self._mark: int | None = None
        self._mismatches = 0
        self._reconciled_ts: str | None = None

    def on_bar(self, bar: Bar) -> PositionView:
        """Advance the venue by a bar, book what came of it, and return what a strategy may see.

        Raises :class:`~c2lib.core.errors.InvariantError` when equity at the bar's close is below its bound.
        """
        self.bar, self._bar_index = bar, bar.bar_index
        self._venue.advance(bar)
        ledger = self.ledger
        if ledger.open_orders:
            self._book_fills()
        if ledger.open_orders:
            # an order that is left open may have ended without a fill, or after one
            self._book_ends()
        if self._unsent:
            again, self._unsent = self._unsent, {}
            for client_order_id in again:
                self._cancel_wanted(client_order_id)
        self._mark = close = bar.close
        view, position, cash = self._view, ledger.position, ledger.cash
        # as in the ledger, without a call on every bar
        equity = cash + position * close * self._unit
        if view is None:
            orders = tuple([order.shown() for order in ledger.open_orders.values()]) if ledger.open_orders else ()
        elif view.equity_units == equity:
            return view
        else:
            orders = view.open_orders
        if equity < self._least_equity:
            self._check_equity()
        shown = (position, orders, ledger.entry_units, cash, self._money_scale, equity)
        view = self._view = new_fact(PositionView, shown)
        return view

    def act(self, intents: Sequence[OrderIntent | CancelIntent]) -> None:
        """Carry out what a strategy wants, in its order."""
        self._view = None
        for intent in intents:
            if isinstance(intent, OrderIntent):
                self._place(intent)
            else:
                self._cancel_wanted(intent.client_order_id)

    def cancel_open(self, reason: str) -> None:
        """Cancel every open order, oldest first, and close the market; unknown outcomes are left to the reconciler.

        A sink that fails for good meanwhile keeps no order open: its error is raised after the last cancel.
        """
        failed: SinkWriteError | None = None
        acts: list[Callable[[], None]] = [partial(self._cancel, name, reason) for name in self.ledger.open_orders]
        for act in (*acts, self._venue.close, self._book_ends):
            try:
                act()
            except SinkWriteError as error:
                failed = failed or error
        if failed:
            raise failed

    def book_last_fills(self) -> None:
        """Book what the venue filled since the last bar, and check equity once more."""
        self._book_fills()
        self._check_equity()

    def _check_equity(self) -> None:
        equity = self.ledger.equity(self._mark)
        if equity < self._least_equity:
            trip(Rail.MIN_EQUITY, f"equity of {self._min_equity} or more", self._money[equity])

    def _book_fills(self) -> None:
        self._cursor, fills = self._adapter.iter_fills(self._cursor)
        for fill in fills:
            self._view = None
            fill_id, client_order_id, broker_order_id, side, quantity, price, fee, liquidity, leaves, bar_index = fill
            order = self.ledger.open_orders.get(client_order_id)
            if order is not None and order.broker_order_id is None:
                # the fill shows what a time-out hid: the venue has the order
                self._acknowledge(client_order_id, broker_order_id)
            self.ledger.apply(fill)
            self._write_fill(
                fill_id,
                client_order_id,
                broker_order_id,
                self._symbol,
                side,
                self._quantities[quantity],
                self.prices[price],
                self._money[fee],
                liquidity,
                self._quantities[leaves],
                bar_index,
            )
            if not leaves:
                self._adapter.forget(client_order_id)

    def reconcile(self) -> int:
        """Compare both sides, record the differences, and return how many orders are open or of unknown outcome."""
        found = compare(self.ledger.open_orders.values(), self._adapter.list_open_orders())
        self._mismatches += len(found)
        texts = [f"{mismatch}:{client_order_id}" for mismatch, client_order_id in found]
        position, cash = self.books()[:2]
        self._journal.event(EventKind.RECONCILED, texts, [], None, position, cash, None, None)
        for text in texts:
            self._journal.audit(AuditLevel.ERROR, AuditCode.RECONCILE_MISMATCH, text, {"mismatch": text})
        if not found:
            self._reconciled_ts = self._journal.ts
        return len({client_order_id for _, client_order_id in found}.union(self.ledger.open_orders))

    def books(self) -> Books:
        """Return position and money as the last event shows them, marked at the last bar's close."""
        ledger, mark = self.ledger, self._mark
        cash, equity = self._money[ledger.cash], self._money[ledger.equity(mark)]
        return Books(self._quantities[ledger.position], cash, None if mark is None else self.prices[mark], equity)

    def counters(self) -> dict[str, Any]:
        """Return the lifecycle counters of orders and fills."""
        return {
            **self._adapter.counts,
            "order_state_transitions_total": self.ledger.transitions,
            "fills_total": self.ledger.fills,
            "reconcile_mismatches_total": self._mismatches,
            "reconciler_last_ok_ts": self._reconciled_ts,
        }

    def _place(self, intent: OrderIntent) -> None:
        self._orders = number = self._orders + 1
        client_order_id = _NAME % number
        side, quantity, order_type, limit, stop, time_in_force, tag = intent
        self.ledger.submit(client_order_id, intent)
        self._write_submitted(
            client_order_id,
            self._symbol,
            side,
            order_type,
            self._quantities[quantity],
            None if limit is None else self.prices[limit],
            None if stop is None else self.prices[stop],
            time_in_force,
            self._bar_index,
            None if tag is None else clean_text(tag),
        )
        request = (client_order_id, self._symbol, side, order_type, quantity, limit, stop, time_in_force)
        try:
            broker_order_id = self._adapter.place_order(new_fact(OrderRequest, request))
        except OrderRejectedError as error:
            self._reject(client_order_id, clean_text(error.reason))
        except RateLimitedError:
            self._reject(client_order_id, "rate_limited")
        except BrokerUnavailableError:
            self._reject(client_order_id, "unavailable")
        except BrokerTimeoutError:
            # the outcome is unknown: the order stays PENDING_NEW until it is reconciled
            return
        else:
            self._acknowledge(client_order_id, broker_order_id)

    def _acknowledge(self, client_order_id: str, broker_order_id: str) -> None:
        self.ledger.acknowledge(client_order_id, broker_order_id)
        self._write_acknowledged(client_order_id, broker_order_id, None, self._bar_index)

    def _reject(self, client_order_id: str, reason: str) -> None:
        self.ledger.move(client_order_id, OrderTrigger.REJECTED)
        self._adapter.forget(client_order_id)
        self._journal.event(EventKind.ORDER_REJECTED, client_order_id, None, reason, self._bar_index)
        meta = {"client_order_id": client_order_id, "reason": reason}
        self._journal.audit(AuditLevel.WARN, AuditCode.ORDER_REJECTED, "the broker rejected an order", meta)

    def _cancel_wanted(self, client_order_id: str) -> None:
        """Cancel an order that the strategy names, or record that there is none to cancel."""
        if client_order_id in self.ledger.open_orders:
            self._cancel(client_order_id, "strategy")
            return
        # the session counts its names, so that no history is needed to know one
        number = client_order_id[2:]
        known = number.isdecimal() and client_order_id == _NAME % int(number) and 0 < int(number) <= self._orders
        reason = "too_late" if known else "unknown_order"
        self._journal.event(EventKind.CANCEL_REJECTED, client_order_id, reason, self._bar_index)

    def _cancel(self, client_order_id: str, reason: str) -> None:
        order = self.ledger.open_orders.get(client_order_id)
        if order is None or order.status is OrderStatus.PENDING_CANCEL:
            return
        if order.broker_order_id is None:
            # the venue takes a cancel by its own name of the order, and has not shown that there is one
            self._unsent[client_order_id] = None
            return
        try:
            status = self._adapter.cancel_order(order.broker_order_id)
        except BrokerTimeoutError:
            # whether it had an effect is unknown: the order stays PENDING_CANCEL until the venue reports its end
            status = OrderStatus.PENDING_CANCEL
        except TransientBrokerError:
            self._unsent[client_order_id] = None
            return
        if status in (OrderStatus.PENDING_CANCEL, OrderStatus.CANCELLED):
            self.ledger.request_cancel(client_order_id, reason)
        if status is OrderStatus.CANCELLED:
            self._book_ends()

    def _book_ends(self) -> None:
        """Book and write the ends without a fill that were not read yet."""
        self._end_cursor, ends = self._adapter.iter_ends(self._end_cursor)
        for broker_order_id, client_order_id, status, _, _, reason in ends:
            self._view = None
            self._adapter.forget(client_order_id)
            order = self.ledger.open_orders.get(client_order_id)
            if order is not None and order.broker_order_id is None:
                self._acknowledge(client_order_id, broker_order_id)
            if status is OrderStatus.EXPIRED:
                kind = EventKind.ORDER_EXPIRED
                self.ledger.move(client_order_id, OrderTrigger.EXPIRED)
            else:
                kind = EventKind.ORDER_CANCELLED
                self.ledger.cancel(client_order_id, asked=reason is None)
            reason = reason or (order.cancel_reason if order else None)
            self._journal.event(kind, client_order_id, broker_order_id, reason, self._bar_index)


def _audit_attempt(journal: Journal, failed: FailedAttempt) -> None:
    code, verb = (AuditCode.BROKER_RETRY, "is tried again") if failed.again else (AuditCode.BROKER_FAILED, "failed")
    meta = {"call": failed.call, "attempt": failed.attempt, "error": describe_exception(failed.error)}
    journal.audit(AuditLevel.WARN, code, f"{failed.call} of the broker {verb}", meta)
