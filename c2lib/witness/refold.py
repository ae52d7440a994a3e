"""Orders and books of a run, rebuilt from its events by the witness's own arithmetic.

Cash, fees, position and equity are exact decimals, made from the initial cash and the fills and from nothing else that
the log claims; an order moves by the order table alone. Memory follows the open orders: what ended is forgotten, and
with it its name, so that a name used again for a later order is not seen here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction
from functools import partial, reduce
from typing import Any

from c2lib.core.contract import LIQUIDITIES, PRICES_OF_TYPE
from c2lib.core.model import BUY
from c2lib.core.states import ORDER_ENDS, ORDER_TABLE, OrderStatus, OrderTrigger
from c2lib.core.vocabulary import INSUFFICIENT_FUNDS, MIN_EQUITY, EventKind, StopReason
from c2lib.witness.findings import FindingCode
from c2lib.witness.recognise import RECOGNISED_KINDS, Values, decimal, values_of

Report = Callable[[FindingCode, object, object], None]
"""``report(code, expected, seen)`` of the event that is being folded."""

Payload = Mapping[str, Any]

_EXACT = Context(prec=2400, traps=[Inexact, InvalidOperation])
"""Wide enough that nothing made of texts of at most 400 characters is ever rounded."""

_add, _subtract, _multiply = _EXACT.add, _EXACT.subtract, _EXACT.multiply

_ZERO = Decimal(0)

# plain texts, since the hash of an enum's member costs more than all else of a move
_AFTER = {(before.value, trigger.value): after.value for (before, trigger), after in ORDER_TABLE.items()}
_ENDS = frozenset(status.value for status in ORDER_ENDS)
_PARTIAL_FILL, _FULL_FILL = OrderTrigger.PARTIAL_FILL.value, OrderTrigger.FULL_FILL.value
_ACKNOWLEDGED = OrderTrigger.ACKNOWLEDGED.value

_LEDGER, _SEQUENCE = FindingCode.LEDGER_WRONG, FindingCode.SEQUENCE_BROKEN


def decimal_text(value: Decimal) -> str:
    """Return a decimal as canonical text."""
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


@dataclass(slots=True)
class OpenOrder:
    """An order that can still change; ``left`` is what is not filled yet."""

    bar_index: int
    side: str
    symbol: str
    left: Decimal
    limit: Decimal | None
    status: str = OrderStatus.PENDING_NEW.value
    broker_order_id: str | None = None
    fill_ids: set[str] = field(default_factory=set)


class Books:
    """What the events so far add up to; money, prices and quantities are :class:`~decimal.Decimal`.

    ``folds`` maps the kinds that may stand anywhere to what folds the values of one. ``start``, ``stop`` and
    ``rejection`` are the payloads of ``SESSION_START``, ``SESSION_STOP`` and ``REJECTED``. ``lowest`` is the least
    equity at which a session went on, ``tripped`` what was seen and expected where the rail ``min_equity`` ended it.
    ``uncovered`` is the fee rate above which alone cash could have lacked wherever it is said to, and for which order.

    >>> books = Books(print)
    >>> books.apply("SESSION_START", {"initial_cash": "100"})
    >>> books.equity
    Decimal('100')
    """

    def __init__(self, report: Report) -> None:
        self.position = self.cash = self.fees = _ZERO
        self.turnover = dict.fromkeys(LIQUIDITIES, _ZERO)
        self.mark: Decimal | None = None
        self.lowest = Decimal("Infinity")
        self.tripped: tuple[str, str] | None = None
        self.transitions = self.mismatches = self.ticks = self.submitted = self.cancels_asked = 0
        self.every_bar_ticked = True
        self.uncovered = Fraction(-1), "none"
        self.start: Payload = {}
        self.stop: Payload = {}
        self.rejection: Payload = {}
        self._report = report
        self.open_orders: dict[str, OpenOrder] = {}
        self._bar_index = 0
        self._tick_index = -1
        self._bar_time = ""
        self._least_cash = _ZERO
        self.folds: Mapping[str, Callable[[Values], None]] = {
            **dict.fromkeys((kind.value for kind in RECOGNISED_KINDS), self._no_order),
            EventKind.ORDER_REJECTED.value: partial(self._answered, OrderTrigger.REJECTED.value),
            EventKind.ORDER_EXPIRED.value: partial(self._answered, OrderTrigger.EXPIRED.value),
            EventKind.ORDER_ACKNOWLEDGED.value: partial(self._answered, _ACKNOWLEDGED),
            EventKind.ORDER_CANCELLED.value: self._cancelled,
            EventKind.STRATEGY_TICK.value: self._ticked,
            EventKind.ORDER_BLOCKED.value: self._blocked,
            EventKind.ORDER_SUBMITTED.value: self._submitted,
            EventKind.FILL.value: self._filled,
            EventKind.RAIL_TRIPPED.value: self._tripped,
            EventKind.CANCEL_REJECTED.value: self._not_cancelled,
            EventKind.RECONCILED.value: self._reconciled,
        }

    @property
    def equity(self) -> Decimal:
        """Cash plus position at the mark; cash alone before the first price."""
        if self.mark is None or not self.position:
            return self.cash
        return _add(self.cash, _multiply(self.position, self.mark))

    def apply(self, kind: str, payload: Payload) -> None:
        """Fold one event, whose payload keeps the contract."""
        if kind in self.folds:
            self.folds[kind](values_of(kind, payload))
        elif kind == EventKind.SESSION_START:
            self.start, self.cash = payload, decimal(payload["initial_cash"])
            self._least_cash = self.cash
        elif kind == EventKind.REJECTED:
            self.rejection = payload
        else:
            self._stopped(payload)

    def _no_order(self, values: Values) -> None:
        """Fold an event that moves neither orders nor books."""

    def _ticked(self, values: Values) -> None:
        index, time, close, _ = values
        if index <= self._tick_index:
            self._report(_SEQUENCE, f"a bar after {self._tick_index}", index)
        if time <= self._bar_time:
            self._report(FindingCode.CLOCK_WENT_BACK, f"a bar after {self._bar_time}", time)
        self._at_bar(index)
        if index != self.ticks:
            self.every_bar_ticked = False
        self.ticks += 1
        self._tick_index, self._bar_time = index, time
        self.mark = close
        if (equity := self.equity if self.position else self.cash) < self.lowest:
            self.lowest = equity

    def _tripped(self, values: Values) -> None:
        expected, rail, seen = values
        if rail == MIN_EQUITY:
            self.tripped = seen, expected

    def _at_bar(self, index: int) -> None:
        if index < self._bar_index:
            self._report(_SEQUENCE, f"bar {self._bar_index} or a later one", index)
        if index != self._bar_index:
            self._bar_index, self._least_cash = index, self.cash

    def _submitted(self, values: Values) -> None:
        index, name, limit_price, order_type, quantity, side, stop_price, symbol, _, _ = values
        if name in self.open_orders:
            self._report(_LEDGER, "an order of another name than the open ones", name)
        self._terms(index, quantity, symbol, order_type, (limit_price is not None, stop_price is not None))
        self.submitted += 1
        self.open_orders[name] = OpenOrder(index, side, symbol, quantity, limit_price)

    def _blocked(self, values: Values) -> None:
        index, _, limit_price, order_type, quantity, _, _, _, stop_price, symbol, _, _ = values
        self._terms(index, quantity, symbol, order_type, (limit_price is not None, stop_price is not None))

    def _terms(self, index: int, quantity: Decimal, symbol: str, order_type: str, priced: tuple[bool, bool]) -> None:
        """Check an order's own terms; ``priced`` says whether it has a limit price, and a stop price."""
        self._at_bar(index)
        if index != self._tick_index:
            self._report(_SEQUENCE, f"bar {self._tick_index} of the last tick", index)
        if quantity <= _ZERO:
            self._report(_LEDGER, "a quantity above 0", decimal_text(quantity))
        if priced != PRICES_OF_TYPE[order_type]:
            self._report(_LEDGER, f"the prices of a {order_type} order", "others")
        if symbol != self.start.get("symbol", symbol):
            self._report(_LEDGER, f"symbol {self.start['symbol']}", symbol)

    def _known(self, values: Values, trigger: str = "") -> OpenOrder | None:
        """Return the open order that an event is about; its acknowledgement gives it the broker's name."""
        index, broker_order_id, name = values[:3]
        order = self.open_orders.get(name)
        if order is None:
            self._report(_LEDGER, "the name of an open order", name)
        elif trigger == _ACKNOWLEDGED and order.broker_order_id is None:
            order.broker_order_id = broker_order_id
            if broker_order_id is None:
                self._report(_LEDGER, "a broker_order_id", None)
        self._at_bar(index)
        if order is not None and broker_order_id != order.broker_order_id:
            self._report(_LEDGER, f"broker_order_id {order.broker_order_id}", broker_order_id)
        return order

    def _move(self, name: str, order: OpenOrder, trigger: str) -> None:
        after = _AFTER.get((order.status, trigger))
        if after is None:
            self._report(_LEDGER, f"an order that may be {trigger}", f"one that is {order.status}")
            return
        order.status = after
        self.transitions += 1
        if after in _ENDS:
            del self.open_orders[name]

    def _answered(self, trigger: str, values: Values) -> None:
        if order := self._known(values, trigger):
            self._move(values[2], order, trigger)

    def _cancelled(self, values: Values) -> None:
        asked = values[3] != INSUFFICIENT_FUNDS
        self.cancels_asked += asked
        if order := self._known(values):
            if asked:
                # a cancel that is pending leaves no event
                self._move(values[2], order, OrderTrigger.CANCEL_REQUESTED.value)
            else:
                self._lacked(values[2], order)
            self._move(values[2], order, OrderTrigger.CANCELLED.value)

    def _lacked(self, name: str, order: OpenOrder) -> None:
        """Take the most that the next fill could cost, at the bar's least cash: its fills stand before its ends."""
        if order.side != BUY:
            self.uncovered = max(self.uncovered, (Fraction(1), name))
        elif order.limit is not None and order.limit > _ZERO and order.left > _ZERO:
            rate = Fraction(self._least_cash) / (Fraction(order.limit) * Fraction(order.left)) - 1
            self.uncovered = max(self.uncovered, (rate, name))

    def _filled(self, values: Values) -> None:
        index, _, name, fee, fill_id, leaves, liquidity, price, quantity, side, symbol = values
        order = self._known(values)
        if order is None:
            return
        if side != order.side or symbol != order.symbol:
            self._report(_LEDGER, f"{order.side} {order.symbol}", f"{side} {symbol}")
        if index <= order.bar_index:
            self._report(_LEDGER, f"a fill on a bar after {order.bar_index}", index)
        if fill_id in order.fill_ids:
            self._report(_LEDGER, "a fill that was not booked before", fill_id)
        if not _ZERO < quantity <= order.left:
            seen = decimal_text(quantity)
            self._report(_LEDGER, f"a quantity above 0, at most {decimal_text(order.left)}", seen)
        if price < _ZERO or fee < _ZERO:
            self._report(_LEDGER, "price and fee of 0 or more", decimal_text(price if price < 0 else fee))
        order.fill_ids.add(fill_id)
        order.left = _subtract(order.left, quantity)
        if leaves != order.left:
            self._report(_LEDGER, f"leaves_quantity {decimal_text(order.left)}", decimal_text(leaves))
        self._move(name, order, _PARTIAL_FILL if order.left > _ZERO else _FULL_FILL)
        notional = _multiply(price, quantity)
        self.turnover[liquidity] = _add(self.turnover[liquidity], notional)
        self.fees = _add(self.fees, fee)
        if order.side != BUY:
            quantity, notional = quantity.copy_negate(), notional.copy_negate()
        self.cash = _subtract(_subtract(self.cash, notional), fee)
        self._least_cash = min(self._least_cash, self.cash)
        if self.cash < _ZERO:
            self._report(_LEDGER, "cash of 0 or more", decimal_text(self.cash))
        self.position = _add(self.position, quantity)

    def fees_at(self, rates: Mapping[str, Decimal]) -> Decimal:
        """Return the fees that the fills cost at a share of their notional, by liquidity."""
        return reduce(_add, (_multiply(notional, rates[name]) for name, notional in self.turnover.items()))

    def _reconciled(self, values: Values) -> None:
        _, _, broker_cash, broker_position, cash, mismatches, position = values
        self.mismatches += len(mismatches)
        for name, claimed, own in (
            ("position", position, self.position),
            ("cash", cash, self.cash),
            ("broker_position", broker_position, self.position),
            ("broker_cash", broker_cash, self.cash),
        ):
            # the venue's side is null where it was not asked
            if claimed is not None and claimed != own:
                self._report(_LEDGER, f"{name} {decimal_text(own)}", decimal_text(claimed))

    def _not_cancelled(self, values: Values) -> None:
        index, name, reason = values
        self._at_bar(index)
        if name in self.open_orders:
            self._report(_LEDGER, "the name of no open order", name)
        # a session counts the names that it gives
        count = int(name[2:]) if name[2:].isdecimal() else 0
        given = 0 < count <= self.submitted and name == f"c-{count:06d}"
        expected = "too_late" if given else "unknown_order"
        if reason != expected:
            self._report(_LEDGER, f"reason {expected}", reason)

    def _stopped(self, payload: Payload) -> None:
        self.stop = payload
        failed = payload["stop_reason"] == StopReason.FAILED
        if self.open_orders and not failed:
            self._report(_LEDGER, "no open order", f"{len(self.open_orders)}, the first {next(iter(self.open_orders))}")
        mark = payload["mark_price"]
        # a failed step may have moved the mark and died before its tick; ticks of later steps are always there
        last_close_counts = self.ticks > payload["steps"] or (self.ticks == payload["steps"] and not failed)
        if last_close_counts and (mark is None) is not (self.mark is None):
            self._report(_LEDGER, "a mark_price when a bar was seen, else none", mark)
        elif last_close_counts and mark is not None and decimal(mark) != self.mark:
            self._report(_LEDGER, f"mark_price {decimal_text(self.mark or _ZERO)}", mark)
        self.mark = None if mark is None else decimal(mark)
        if not failed:
            self.lowest = min(self.lowest, self.equity)
        for name, own in (("position", self.position), ("cash", self.cash), ("equity", self.equity)):
            if decimal(payload[name]) != own:
                self._report(_LEDGER, f"{name} {decimal_text(own)}", payload[name])
