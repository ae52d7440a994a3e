"""Orders and books of a run, rebuilt from its events by the witness's own arithmetic.

Rules kept here:

* an order moves by the order table alone; a fill names an open order, comes once, never goes beyond its order
  and is never of the bar that decided it;
* cash, fees, position and equity are exact decimals, made from the initial cash and the fills and from nothing
  else that the log claims;
* bars never go back; an order belongs to the bar of the last tick;
* what ``SESSION_STOP`` says is compared with what was rebuilt;
* memory follows the open orders: what ended is forgotten, and with it its name, so that a name used again for a
  later order is not seen here.

Only payloads that keep the contract may be handed in.

>>> books = Books(print)
>>> books.apply("RECONCILED", {"mismatches": ["ghost_broker_order:c-1"]})
>>> books.mismatches
1
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any

from c2lib.core.contract import LIQUIDITIES
from c2lib.core.model import BUY
from c2lib.core.states import ORDER_ENDS, ORDER_TABLE, OrderStatus, OrderTrigger
from c2lib.core.vocabulary import EventKind, StopReason
from c2lib.witness.facts import FindingCode

Report = Callable[[FindingCode, object, object], None]
"""``report(code, expected, seen)`` of the event that is being folded."""

Payload = Mapping[str, Any]

_EXACT = Context(prec=2400, traps=[Inexact, InvalidOperation])
"""Wide enough that nothing made of texts of at most 400 characters is ever rounded."""

_ZERO = Decimal(0)
_PRICED = {"MARKET": (False, False), "LIMIT": (True, False), "STOP": (False, True), "STOP_LIMIT": (True, True)}
"""Whether an order of a type has a limit price, and a stop price."""

_LEDGER, _SEQUENCE = FindingCode.LEDGER_WRONG, FindingCode.SEQUENCE_BROKEN


def decimal_text(value: Decimal) -> str:
    """Return a decimal as canonical text."""
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


class OpenOrder:
    """An order that can still change."""

    __slots__ = ("bar_index", "broker_order_id", "fill_ids", "left", "side", "status", "symbol")

    def __init__(self, payload: Payload) -> None:
        self.side: str = payload["side"]
        self.symbol: str = payload["symbol"]
        self.bar_index: int = payload["bar_index"]
        self.left = Decimal(payload["quantity"])
        self.status = OrderStatus.PENDING_NEW
        self.broker_order_id: str | None = None
        self.fill_ids: set[str] = set()


class Books:
    """What the events so far add up to; money, prices and quantities are :class:`~decimal.Decimal`."""

    def __init__(self, report: Report) -> None:
        self.position = self.cash = self.fees = _ZERO
        self.turnover = dict.fromkeys(LIQUIDITIES, _ZERO)
        self.mark: Decimal | None = None
        self.transitions = self.mismatches = self.ticks = 0
        self.every_bar_ticked = True
        self.start: Payload = {}
        self.stop: Payload = {}
        self.rejection: Payload = {}
        self._report = report
        self._open: dict[str, OpenOrder] = {}
        self._bar_index = 0
        self._tick_index = -1
        self._bar_time = ""
        self._handlers: Mapping[str, Callable[[Payload], None]] = {
            EventKind.SESSION_START: self._started,
            EventKind.STRATEGY_TICK: self._ticked,
            EventKind.ORDER_SUBMITTED: self._submitted,
            EventKind.ORDER_ACKNOWLEDGED: self._acknowledged,
            EventKind.ORDER_REJECTED: self._refused,
            EventKind.ORDER_CANCELLED: self._cancelled,
            EventKind.ORDER_EXPIRED: self._expired,
            EventKind.FILL: self._filled,
            EventKind.RECONCILED: self._reconciled,
            EventKind.SESSION_STOP: self._stopped,
            EventKind.REJECTED: self._rejected,
        }

    @property
    def equity(self) -> Decimal:
        """Cash plus position at the mark; cash alone before the first price."""
        if self.mark is None:
            return self.cash
        return _EXACT.add(self.cash, _EXACT.multiply(self.position, self.mark))

    def apply(self, kind: str, payload: Payload) -> None:
        """Fold one event."""
        handler = self._handlers.get(kind)
        if handler is not None:
            handler(payload)

    def _started(self, payload: Payload) -> None:
        self.start = payload
        self.cash = Decimal(payload["initial_cash"])

    def _ticked(self, payload: Payload) -> None:
        index, time = payload["bar_index"], payload["bar_time"]
        if index <= self._tick_index:
            self._report(_SEQUENCE, f"a bar after {self._tick_index}", index)
        if time <= self._bar_time:
            self._report(FindingCode.CLOCK_WENT_BACK, f"a bar after {self._bar_time}", time)
        self._at_bar(index)
        self.every_bar_ticked = self.every_bar_ticked and index == self.ticks
        self.ticks += 1
        self._tick_index, self._bar_time = index, time
        self.mark = Decimal(payload["close"])

    def _at_bar(self, index: int) -> None:
        if index < self._bar_index:
            self._report(_SEQUENCE, f"bar {self._bar_index} or a later one", index)
        self._bar_index = index

    def _submitted(self, payload: Payload) -> None:
        name = payload["client_order_id"]
        if name in self._open:
            self._report(_LEDGER, "an order of another name than the open ones", name)
        self._at_bar(payload["bar_index"])
        if payload["bar_index"] != self._tick_index:
            self._report(_SEQUENCE, f"bar {self._tick_index} of the last tick", payload["bar_index"])
        order = OpenOrder(payload)
        if order.left <= 0:
            self._report(_LEDGER, "a quantity above 0", payload["quantity"])
        prices = payload["limit_price"] is not None, payload["stop_price"] is not None
        if prices != _PRICED[payload["order_type"]]:
            self._report(_LEDGER, f"the prices of a {payload['order_type']} order", "others")
        if payload["symbol"] != self.start.get("symbol", payload["symbol"]):
            self._report(_LEDGER, f"symbol {self.start['symbol']}", payload["symbol"])
        self._open[name] = order

    def _known(self, payload: Payload) -> OpenOrder | None:
        order = self._open.get(payload["client_order_id"])
        if order is None:
            self._report(_LEDGER, "the name of an open order", payload["client_order_id"])
        self._at_bar(payload["bar_index"])
        return order

    def _move(self, name: str, order: OpenOrder, trigger: OrderTrigger) -> None:
        after = ORDER_TABLE.get((order.status, trigger))
        if after is None:
            self._report(_LEDGER, f"an order that may be {trigger.value}", f"one that is {order.status.value}")
            return
        order.status = after
        self.transitions += 1
        if after in ORDER_ENDS:
            del self._open[name]

    def _same_broker_id(self, order: OpenOrder, payload: Payload) -> None:
        if payload["broker_order_id"] != order.broker_order_id:
            self._report(_LEDGER, f"broker_order_id {order.broker_order_id}", payload["broker_order_id"])

    def _answered(self, payload: Payload, *triggers: OrderTrigger) -> None:
        order = self._known(payload)
        if order is not None:
            self._same_broker_id(order, payload)
            for trigger in triggers:
                self._move(payload["client_order_id"], order, trigger)

    def _acknowledged(self, payload: Payload) -> None:
        order = self._open.get(payload["client_order_id"])
        if order is not None and order.broker_order_id is None:
            order.broker_order_id = payload["broker_order_id"]
            if order.broker_order_id is None:
                self._report(_LEDGER, "a broker_order_id", None)
        self._answered(payload, OrderTrigger.ACKNOWLEDGED)

    def _refused(self, payload: Payload) -> None:
        self._answered(payload, OrderTrigger.REJECTED)

    def _cancelled(self, payload: Payload) -> None:
        self._answered(payload, OrderTrigger.CANCEL_REQUESTED, OrderTrigger.CANCELLED)

    def _expired(self, payload: Payload) -> None:
        self._answered(payload, OrderTrigger.EXPIRED)

    def _filled(self, payload: Payload) -> None:
        order = self._known(payload)
        if order is None:
            return
        self._same_broker_id(order, payload)
        self._same_terms(order, payload)
        quantity, price, fee = Decimal(payload["quantity"]), Decimal(payload["price"]), Decimal(payload["fee"])
        if payload["fill_id"] in order.fill_ids:
            self._report(_LEDGER, "a fill that was not booked before", payload["fill_id"])
        if not 0 < quantity <= order.left:
            self._report(_LEDGER, f"a quantity above 0, at most {decimal_text(order.left)}", payload["quantity"])
        if price < 0 or fee < 0:
            self._report(_LEDGER, "price and fee of 0 or more", payload["price"] if price < 0 else payload["fee"])
        order.fill_ids.add(payload["fill_id"])
        order.left = _EXACT.subtract(order.left, quantity)
        if Decimal(payload["leaves_quantity"]) != order.left:
            self._report(_LEDGER, f"leaves_quantity {decimal_text(order.left)}", payload["leaves_quantity"])
        trigger = OrderTrigger.PARTIAL_FILL if order.left > 0 else OrderTrigger.FULL_FILL
        self._move(payload["client_order_id"], order, trigger)
        notional = _EXACT.multiply(price, quantity)
        self.turnover[payload["liquidity"]] = _EXACT.add(self.turnover[payload["liquidity"]], notional)
        if order.side != BUY:
            quantity, notional = quantity.copy_negate(), notional.copy_negate()
        self._book(quantity, notional, fee)

    def _same_terms(self, order: OpenOrder, payload: Payload) -> None:
        seen = (payload["side"], payload["symbol"])
        if seen != (order.side, order.symbol):
            self._report(_LEDGER, f"{order.side} {order.symbol}", f"{seen[0]} {seen[1]}")
        if payload["bar_index"] <= order.bar_index:
            self._report(_LEDGER, f"a fill on a bar after {order.bar_index}", payload["bar_index"])

    def _book(self, quantity: Decimal, notional: Decimal, fee: Decimal) -> None:
        """Book a fill; of a sale, quantity and notional are negative."""
        self.fees = _EXACT.add(self.fees, fee)
        self.cash = _EXACT.subtract(_EXACT.subtract(self.cash, notional), fee)
        self.position = _EXACT.add(self.position, quantity)
        if self.cash < 0:
            self._report(_LEDGER, "cash of 0 or more", decimal_text(self.cash))

    def fees_at(self, rates: Mapping[str, Decimal]) -> Decimal:
        """Return the fees that the fills cost at a share of their notional, by liquidity."""
        total = _ZERO
        for liquidity, notional in self.turnover.items():
            total = _EXACT.add(total, _EXACT.multiply(notional, rates[liquidity]))
        return total

    def _reconciled(self, payload: Payload) -> None:
        self.mismatches += len(payload["mismatches"])

    def _rejected(self, payload: Payload) -> None:
        self.rejection = payload

    def _stopped(self, payload: Payload) -> None:
        self.stop = payload
        failed = payload["stop_reason"] == StopReason.FAILED
        if self._open and not failed:
            self._report(_LEDGER, "no open order", f"{len(self._open)}, the first {next(iter(self._open))}")
        mark = payload["mark_price"]
        # a failed step may have moved the mark and died before its tick; later steps of its kind are always told
        last_close_counts = self.ticks > payload["steps"] or (self.ticks == payload["steps"] and not failed)
        if last_close_counts and (mark is None) is not (self.mark is None):
            self._report(_LEDGER, "a mark_price when a bar was seen, else none", mark)
        elif last_close_counts and mark is not None and Decimal(mark) != self.mark:
            self._report(_LEDGER, f"mark_price {decimal_text(self.mark or _ZERO)}", mark)
        self.mark = None if mark is None else Decimal(mark)
        for name, own in (("position", self.position), ("cash", self.cash), ("equity", self.equity)):
            if Decimal(payload[name]) != own:
                self._report(_LEDGER, f"{name} {decimal_text(own)}", payload[name])
