"""What a session trades with: the strategy's intents in, orders, fills and events out.

Rules kept here:

* an order's event is written before the broker is asked, and a broker's answer before the next question;
* within a step: the venue lives through the bar, its fills are booked, the strategy decides, its orders go out;
* an order that can end without a fill (by its time in force, or by a cancel on its way) is asked for after each bar;
* texts are made at emission from integers; free text of a strategy is cleaned where it enters;
* a strategy's answer is checked before any part of it is acted upon, and what it raises is its own: an error of
  c2lib's in its mouth is no word on sinks or rails.

The desk keeps no history: what happened is in the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from c2lib.broker.build import build_broker
from c2lib.core.clock import micros_text
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import (
    BrokerTimeoutError,
    BrokerUnavailableError,
    C2Error,
    OrderRejectedError,
    RateLimitedError,
    SinkWriteError,
    StrategyError,
)
from c2lib.core.model import GTC, Bar, BrokerFill, OrderIntent, OrderRequest, PositionView, Strategy, StrategySettings
from c2lib.core.states import OrderStatus
from c2lib.core.vocabulary import AuditCode, AuditLevel, EventKind
from c2lib.record.journal import Journal
from c2lib.record.redact import clean_text, describe_exception
from c2lib.session.dealing import dealing_adapter
from c2lib.session.intents import HOLD, checked_intents, decision_of
from c2lib.session.ledger import Ledger
from c2lib.session.lifecycle import Books
from c2lib.session.reconcile import Mismatch, compare
from c2lib.session.strategy import StrategyFactory

RATE_LIMITED, UNAVAILABLE = "rate_limited", "unavailable"
"""Why an order that never reached the venue is rejected."""

_ENDS_WITHOUT_FILL = {OrderStatus.CANCELLED: EventKind.ORDER_CANCELLED, OrderStatus.EXPIRED: EventKind.ORDER_EXPIRED}


class Desk:
    """Strategy, ledger and broker of one session."""

    def __init__(self, config: DryrunConfig, journal: Journal) -> None:
        self._grid = config.grid()
        self._symbol = config.market.symbol
        self._every_tick = config.tick_events == "every"
        self._journal = journal
        self._venue = build_broker(config.broker, self._grid, config.seed)
        self._adapter = dealing_adapter(self._venue, config.broker, journal)
        self.ledger = Ledger(self._grid.money(config.broker.initial_cash), self._grid.notional_unit)
        self._strategy: Strategy | None = None
        self._view = PositionView(0, ())
        # the orders that can end without a fill, each with the reason that the event gives
        self._watched: dict[str, str] = {}
        self._cursor = 0
        self._orders = 0
        self._mark: int | None = None
        self._bar_index = 0
        self._mismatches = 0
        self._reconciled_ts: str | None = None

    def load_strategy(self, factory: StrategyFactory, settings: StrategySettings) -> None:
        """Make the strategy that decides from the first bar on."""
        try:
            self._strategy = factory(settings)
        except C2Error as error:
            raise _in_the_strategys_mouth(error) from error

    def on_bar(self, bar: Bar) -> None:
        """Take one step."""
        self._bar_index = bar.bar_index
        self._venue.advance(bar)
        if self.ledger.open_orders:
            self.book_fills()
            if self._watched:
                self._book_ends()
        self._mark = bar.close
        intents = checked_intents(self._answer(bar))
        if not intents:
            if self._every_tick:
                self._tick(bar, HOLD)
            return
        self._tick(bar, decision_of(intents))
        for intent in intents:
            if isinstance(intent, OrderIntent):
                self._place(intent)
            else:
                self._cancel(intent.client_order_id, "strategy")
        self._look()

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
        if fills:
            self._look()

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

    def books(self) -> Books:
        """Return position and money as the last event says them."""
        grid, ledger, mark = self._grid, self.ledger, self._mark
        return Books(
            grid.quantity_text(ledger.position),
            grid.money_text(ledger.cash),
            None if mark is None else grid.price_text(mark),
            grid.money_text(ledger.equity(mark)),
        )

    def counters(self) -> dict[str, Any]:
        """Return the life-cycle counters that the desk keeps."""
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

    def _look(self) -> None:
        self._view = PositionView(self.ledger.position, tuple(self.ledger.open_orders))

    def _tick(self, bar: Bar, decision: str) -> None:
        self._journal.event(
            EventKind.STRATEGY_TICK, bar.bar_index, micros_text(bar.time), self._grid.price_text(bar.close), decision
        )

    def _answer(self, bar: Bar) -> object:
        assert self._strategy is not None, "a strategy is loaded before the first step"
        try:
            return self._strategy.on_bar(bar, self._view)
        except C2Error as error:
            raise _in_the_strategys_mouth(error) from error

    def _book(self, fill: BrokerFill) -> None:
        order, grid = self.ledger.open_orders.get(fill.client_order_id), self._grid
        if order is not None and order.broker_order_id is None:
            # the fill tells what a time-out hid: the venue has the order
            self._acknowledged(fill.client_order_id, fill.broker_order_id)
        self.ledger.apply(fill)
        self._journal.event(
            EventKind.FILL,
            fill.fill_id,
            fill.client_order_id,
            fill.broker_order_id,
            self._symbol,
            fill.side,
            grid.quantity_text(fill.quantity),
            grid.price_text(fill.price),
            grid.money_text(fill.fee),
            fill.liquidity,
            grid.quantity_text(fill.leaves_quantity),
            fill.bar_index,
        )
        if not fill.leaves_quantity:
            self._forget(fill.client_order_id)

    def _place(self, intent: OrderIntent) -> None:
        self._orders += 1
        client_order_id = f"c-{self._orders:06d}"
        side, quantity, order_type, limit, stop, time_in_force, tag = intent
        grid = self._grid
        self.ledger.submit(client_order_id, side, quantity)
        self._journal.event(
            EventKind.ORDER_SUBMITTED,
            client_order_id,
            self._symbol,
            side,
            order_type,
            grid.quantity_text(quantity),
            None if limit is None else grid.price_text(limit),
            None if stop is None else grid.price_text(stop),
            time_in_force,
            self._bar_index,
            None if tag is None else clean_text(tag),
        )
        if time_in_force != GTC:
            self._watched[client_order_id] = time_in_force
        self._ask(OrderRequest(client_order_id, self._symbol, side, order_type, quantity, limit, stop, time_in_force))

    def _ask(self, request: OrderRequest) -> None:
        client_order_id = request.client_order_id
        try:
            broker_order_id = self._adapter.place_order(request)
        except OrderRejectedError as error:
            self._rejected(client_order_id, clean_text(error.reason))
        except RateLimitedError:
            self._rejected(client_order_id, RATE_LIMITED)
        except BrokerUnavailableError:
            self._rejected(client_order_id, UNAVAILABLE)
        except BrokerTimeoutError:
            # the outcome is unknown: the order stays PENDING_NEW until reconciled
            return
        else:
            self._acknowledged(client_order_id, broker_order_id)

    def _acknowledged(self, client_order_id: str, broker_order_id: str) -> None:
        self.ledger.acknowledge(client_order_id, broker_order_id)
        self._journal.event(EventKind.ORDER_ACKNOWLEDGED, client_order_id, broker_order_id, None, self._bar_index)

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
        self._look()

    def _ended(self, client_order_id: str, broker_order_id: str, status: OrderStatus, reason: str) -> None:
        self._forget(client_order_id)
        kind = _ENDS_WITHOUT_FILL[status]
        (self.ledger.expire if kind is EventKind.ORDER_EXPIRED else self.ledger.cancel)(client_order_id)
        self._journal.event(kind, client_order_id, broker_order_id, reason, self._bar_index)

    def _forget(self, client_order_id: str) -> None:
        self._adapter.forget(client_order_id)
        if self._watched:
            self._watched.pop(client_order_id, None)


def _in_the_strategys_mouth(error: C2Error) -> StrategyError:
    return StrategyError(f"the strategy raised {describe_exception(error)}")
