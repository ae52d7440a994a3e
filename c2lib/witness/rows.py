"""A run's events, orders, fills, round trips and equity as plain rows, made one after the other from its log.

Prices, quantities and money are canonical decimal text, in units of the instrument and of the account; times are ISO
8601 in UTC; bars and events are numbered from 0. Rows are made of the events that keep c2lib's contract, in the order
of the log; memory follows the open orders.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Context, Decimal
from typing import Any, NamedTuple

from c2lib.core.model import BUY
from c2lib.core.states import ORDER_ENDS, OrderStatus
from c2lib.core.vocabulary import EventKind
from c2lib.witness.events import Event, EventLog
from c2lib.witness.findings import Findings
from c2lib.witness.lines import RunName
from c2lib.witness.reader import ArtifactFile
from c2lib.witness.recognise import SORTED_FIELDS
from c2lib.witness.refold import decimal_text


class EventRow(NamedTuple):
    """An event: its number, the time of the session's clock, its type, its id, and its payload by the contract."""

    ts_sim: int
    ts_utc: str
    event_type: str
    event_id: str
    payload: Mapping[str, Any]


class OrderRow(NamedTuple):
    """An order: its terms, the bar and the event of its submission, and what became of it.

    ``status`` is its last; ``average_price`` is that of what was filled, to 28 digits, ``None`` without a fill.
    """

    client_order_id: str
    symbol: str
    side: str
    order_type: str
    time_in_force: str
    quantity: str
    limit_price: str | None
    stop_price: str | None
    tag: str | None
    bar_index: int
    ts_sim: int
    status: str
    filled_quantity: str
    average_price: str | None


class FillRow(NamedTuple):
    """A fill: the bar on which it happened, its event, the price of one unit, and the fee in money."""

    bar_index: int
    ts_sim: int
    ts_utc: str
    event_id: str
    fill_id: str
    client_order_id: str
    symbol: str
    side: str
    quantity: str
    price: str
    fee: str
    liquidity: str
    leaves_quantity: str


class RoundTrip(NamedTuple):
    """What was bought and sold from one flat position to the next; ``side`` is ``BUY`` when it began with a purchase.

    A time is that of the bar, ``None`` where the log has no tick of it. ``quantity`` is all that was entered, average
    prices have 28 digits, ``fees`` are those of its fills, and ``pnl`` is the money made, fees taken off.
    """

    entry_bar: int
    entry_time: str | None
    exit_bar: int
    exit_time: str | None
    side: str
    quantity: str
    entry_price: str
    exit_price: str
    pnl: str
    fees: str


class EquityRow(NamedTuple):
    """Position and equity after a bar that has a tick: after its fills, at its close."""

    bar_index: int
    bar_time: str
    ts_sim: int
    close: str
    position: str
    equity: str


Folded = Iterable[tuple[Event, Decimal, Decimal]]
"""Events with position and equity after each."""

_DIVIDE = Context(prec=28).divide
_EXACT = Context(prec=2400)
_ZERO = Decimal(0)
_NAMES = {kind: tuple(field.name for field in fields) for kind, fields in SORTED_FIELDS.items()}


def _facts(event: Event, **more: Any) -> dict[str, Any]:
    """Return what an event says by name, decimals as :class:`~decimal.Decimal`."""
    return {**dict(zip(_NAMES[event.kind], event.values, strict=True)), **more}


def _plain(value: Any) -> Any:
    return decimal_text(value) if isinstance(value, Decimal) else value


def _row(kind: Any, facts: Mapping[str, Any]) -> Any:
    return kind(*[_plain(facts[name]) for name in kind._fields])


def _events(folded: Folded) -> Iterator[EventRow]:
    for event, _, _ in folded:
        payload = dict(zip(_NAMES[event.kind], map(_plain, event.values), strict=True))
        yield EventRow(event.ts_sim, event.ts_utc, event.kind, event.event_id, payload)


def _fills(folded: Folded) -> Iterator[FillRow]:
    for event, _, _ in folded:
        if event.kind == EventKind.FILL:
            yield _row(FillRow, _facts(event, ts_sim=event.ts_sim, ts_utc=event.ts_utc, event_id=event.event_id))


def _equity(folded: Folded) -> Iterator[EquityRow]:
    for event, position, equity in folded:
        if event.kind == EventKind.STRATEGY_TICK:
            yield _row(EquityRow, _facts(event, ts_sim=event.ts_sim, position=position, equity=equity))


_AFTER = {
    EventKind.ORDER_ACKNOWLEDGED: OrderStatus.NEW,
    EventKind.ORDER_REJECTED: OrderStatus.REJECTED,
    EventKind.ORDER_CANCELLED: OrderStatus.CANCELLED,
    EventKind.ORDER_EXPIRED: OrderStatus.EXPIRED,
}


class _Order:
    """An order so far."""

    def __init__(self, terms: Mapping[str, Any]) -> None:
        self.terms = terms
        self.status = OrderStatus.PENDING_NEW
        self.filled = self.notional = _ZERO

    def take(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Follow an event of the order."""
        if kind != EventKind.FILL:
            self.status = _AFTER[EventKind(kind)]
            return
        self.status = OrderStatus.PARTIALLY_FILLED if facts["leaves_quantity"] else OrderStatus.FILLED
        self.filled = _EXACT.add(self.filled, facts["quantity"])
        self.notional = _EXACT.add(self.notional, _EXACT.multiply(facts["quantity"], facts["price"]))

    def row(self) -> OrderRow:
        """Return the order with what became of it."""
        average = _DIVIDE(self.notional, self.filled) if self.filled else None
        became = {"status": self.status.value, "filled_quantity": self.filled, "average_price": average}
        row: OrderRow = _row(OrderRow, {**self.terms, **became})
        return row


def _orders(folded: Folded) -> Iterator[OrderRow]:
    known: dict[str, _Order] = {}
    for event, _, _ in folded:
        if event.kind not in _OF_ORDERS:
            continue
        facts = _facts(event, ts_sim=event.ts_sim)
        name = facts["client_order_id"]
        if event.kind == EventKind.ORDER_SUBMITTED:
            if name in known:
                yield known[name].row()
            known[name] = _Order(facts)
        elif name in known:
            known[name].take(event.kind, facts)
            if known[name].status in ORDER_ENDS:
                yield known.pop(name).row()
    yield from (order.row() for order in known.values())


_OF_ORDERS = frozenset({EventKind.ORDER_SUBMITTED, EventKind.FILL, *_AFTER})


class _Trip:
    """A round trip so far: what was entered and left, their notionals, and how much is still held."""

    def __init__(self, side: str, bar: int) -> None:
        self.side = side
        self.bars = [bar]
        self.times: dict[int, str] = {}
        self.entered = self.held = self.entry = self.exit = self.fees = _ZERO

    def take(self, quantity: Decimal, price: Decimal, fee: Decimal, *, enters: bool) -> None:
        """Add to the position, or take from it."""
        notional, self.fees = _EXACT.multiply(quantity, price), _EXACT.add(self.fees, fee)
        if enters:
            self.entered, self.held = _EXACT.add(self.entered, quantity), _EXACT.add(self.held, quantity)
            self.entry = _EXACT.add(self.entry, notional)
        else:
            self.held, self.exit = _EXACT.subtract(self.held, quantity), _EXACT.add(self.exit, notional)

    def row(self) -> RoundTrip:
        """Return the round trip, which has ended."""
        gain = _EXACT.subtract(self.exit, self.entry)
        return RoundTrip(
            entry_bar=self.bars[0],
            entry_time=self.times.get(self.bars[0]),
            exit_bar=self.bars[-1],
            exit_time=self.times.get(self.bars[-1]),
            side=self.side,
            quantity=decimal_text(self.entered),
            entry_price=decimal_text(_DIVIDE(self.entry, self.entered)),
            exit_price=decimal_text(_DIVIDE(self.exit, self.entered)),
            pnl=decimal_text(_EXACT.subtract(gain if self.side == BUY else gain.copy_negate(), self.fees)),
            fees=decimal_text(self.fees),
        )


def _round_trips(folded: Folded) -> Iterator[RoundTrip]:
    # fills of a bar stand before its tick, so that a trip is complete only then
    trip, ended = None, list[_Trip]()
    for event, _, _ in folded:
        if event.kind == EventKind.STRATEGY_TICK:
            bar, time = event.values[:2]
            for waiting in [*ended, *([trip] if trip else [])]:
                if bar in waiting.bars:
                    waiting.times[bar] = time
            yield from (done.row() for done in ended)
            ended.clear()
        elif event.kind == EventKind.FILL:
            trip, done = _filled(trip, _facts(event))
            ended += [done] if done else []
    yield from (done.row() for done in ended)


def _filled(trip: _Trip | None, fill: Mapping[str, Any]) -> tuple[_Trip | None, _Trip | None]:
    """Return the round trip that is open after a fill, and the one that the fill ends.

    A fill that turns the position round does both, its fee shared by quantity.
    """
    done, bar, side = None, fill["bar_index"], fill["side"]
    quantity, price, fee = (fill[name] for name in ("quantity", "price", "fee"))
    if trip is not None and side != trip.side:
        leaving = min(quantity, trip.held)
        share = fee if leaving == quantity else _DIVIDE(_EXACT.multiply(fee, leaving), quantity)
        trip.take(leaving, price, share, enters=False)
        quantity, fee = _EXACT.subtract(quantity, leaving), _EXACT.subtract(fee, share)
        if not trip.held:
            trip.bars.append(bar)
            trip, done = None, trip
    if quantity > _ZERO:
        trip = trip or _Trip(side, bar)
        trip.take(quantity, price, fee, enters=True)
    return trip, done


class _Table(NamedTuple):
    """What a row of a table is, and what makes the rows."""

    row: Any
    make: Callable[[Folded], Iterator[Any]]


TABLES: Mapping[str, _Table] = {
    "events": _Table(EventRow, _events),
    "orders": _Table(OrderRow, _orders),
    "fills": _Table(FillRow, _fills),
    "round_trips": _Table(RoundTrip, _round_trips),
    "equity": _Table(EquityRow, _equity),
}


def rows(table: str, log: ArtifactFile) -> Iterator[Any]:
    """Return the rows of a table, made of a log that was read before and kept open."""
    return TABLES[table].make(_folded(log))


def _folded(log: ArtifactFile) -> Iterator[tuple[Event, Decimal, Decimal]]:
    block: list[tuple[Event, Decimal, Decimal]] = []
    findings = Findings()
    events = EventLog(findings, RunName(), lambda event, books: block.append((event, books.position, books.equity)))
    for number, lines in log.again(findings):
        events.take_block(number, lines)
        yield from block
        block.clear()


_DTYPES = {
    **dict.fromkeys(("ts_sim", "bar_index", "entry_bar", "exit_bar"), "int64"),
    **dict.fromkeys(("ts_utc", "bar_time", "entry_time", "exit_time"), "datetime64[us, UTC]"),
    **dict.fromkeys(("quantity", "leaves_quantity", "filled_quantity", "position"), "float64"),
    **dict.fromkeys(("price", "limit_price", "stop_price", "average_price", "close"), "float64"),
    **dict.fromkeys(("entry_price", "exit_price", "pnl", "fee", "fees", "equity"), "float64"),
}
"""The dtypes of columns by name; every other column holds objects: texts, and payloads of events."""

_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "datetime64[us, UTC]": lambda text: None if text is None else datetime.fromisoformat(text),
    "float64": lambda text: math.nan if text is None else float(text),
    "int64": int,
    "object": lambda value: value,
}


def columns(table: str, made: Iterable[Any]) -> dict[str, tuple[str, list[Any]]]:
    """Return rows by column: the dtype, and the values as pandas takes them.

    >>> columns("equity", [EquityRow(0, "2026-01-01T00:00:00+00:00", 1, "99.5", "0", "100")])["close"]
    ('float64', [99.5])
    """
    by_column = list(zip(*made, strict=True)) or [()] * len(TABLES[table].row._fields)
    dtypes = {name: _DTYPES.get(name, "object") for name in TABLES[table].row._fields}
    return {
        name: (dtype, [_CONVERSIONS[dtype](value) for value in values])
        for (name, dtype), values in zip(dtypes.items(), by_column, strict=True)
    }
