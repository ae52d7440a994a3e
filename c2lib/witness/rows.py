"""A run's events, orders, fills, round trips and equity as plain rows, made one after the other from its log.

Prices, quantities and money are canonical decimal text, in units of the instrument and of the account; times are ISO
8601 in UTC; bars and events are numbered from 0. Rows are made of the events that keep c2lib's contract, in the order
of the log; memory follows the open orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Context, Decimal
from functools import partial
from typing import Any, NamedTuple

from c2lib.core.contract import SIDES
from c2lib.core.model import BUY, SELL
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

_EXACT = Context(prec=2400)
_add, _subtract, _multiply, _divide = _EXACT.add, _EXACT.subtract, _EXACT.multiply, Context(prec=28).divide
_ZERO = Decimal(0)
_NAMES = {kind: tuple(field.name for field in fields) for kind, fields in SORTED_FIELDS.items()}


def _facts(event: Event) -> dict[str, Any]:
    """Return what an event says by name, decimals as :class:`~decimal.Decimal`."""
    return {**event._asdict(), **dict(zip(_NAMES[event.kind], event.values, strict=True))}


def _plain(value: Any) -> Any:
    return decimal_text(value) if isinstance(value, Decimal) else value


def _row(kind: Any, facts: Mapping[str, Any]) -> Any:
    return kind(*[_plain(facts[name]) for name in kind._fields])


def _events(folded: Folded) -> Iterator[EventRow]:
    for event, _, _ in folded:
        payload = dict(zip(_NAMES[event.kind], map(_plain, event.values), strict=True))
        yield EventRow(event.ts_sim, event.ts_utc, event.kind, event.event_id, payload)


def _each(kind: EventKind, row: Any, folded: Folded) -> Iterator[Any]:
    """Yield a row of each event of a kind."""
    for event, position, equity in folded:
        if event.kind == kind:
            yield _row(row, {**_facts(event), "position": position, "equity": equity})


_STATUS_AFTER: Mapping[str, str] = {
    EventKind.ORDER_SUBMITTED: OrderStatus.PENDING_NEW.value,
    EventKind.ORDER_ACKNOWLEDGED: OrderStatus.NEW.value,
    EventKind.FILL: OrderStatus.FILLED.value,
    EventKind.ORDER_REJECTED: OrderStatus.REJECTED.value,
    EventKind.ORDER_CANCELLED: OrderStatus.CANCELLED.value,
    EventKind.ORDER_EXPIRED: OrderStatus.EXPIRED.value,
}


def _orders(folded: Folded) -> Iterator[OrderRow]:
    known: dict[str, dict[str, Any]] = {}
    for event, _, _ in folded:
        if event.kind not in _STATUS_AFTER:
            continue
        facts = _facts(event)
        name = facts["client_order_id"]
        if event.kind == EventKind.ORDER_SUBMITTED:
            if name in known:
                yield _order(known[name])
            known[name] = {**facts, "filled_quantity": _ZERO, "notional": _ZERO}
        elif name not in known:
            continue
        order = known[name]
        order["status"] = _STATUS_AFTER[event.kind]
        if event.kind == EventKind.FILL:
            if facts["leaves_quantity"]:
                order["status"] = OrderStatus.PARTIALLY_FILLED.value
            order["filled_quantity"] = _add(order["filled_quantity"], facts["quantity"])
            order["notional"] = _add(order["notional"], _multiply(facts["quantity"], facts["price"]))
        if order["status"] in ORDER_ENDS:
            yield _order(known.pop(name))
    yield from map(_order, known.values())


def _order(facts: Mapping[str, Any]) -> OrderRow:
    filled = facts["filled_quantity"]
    row: OrderRow = _row(OrderRow, {**facts, "average_price": _divide(facts["notional"], filled) if filled else None})
    return row


class _Trip:
    """A round trip so far: first and last bar with their times, what was filled of each side, what is still held."""

    def __init__(self, side: str, bar: int) -> None:
        self.side = side
        self.bars: dict[int, str | None] = {bar: None}
        self.quantity, self.notional = dict.fromkeys(SIDES, _ZERO), dict.fromkeys(SIDES, _ZERO)
        self.held = self.fees = _ZERO

    def take(self, side: str, quantity: Decimal, price: Decimal, fee: Decimal) -> None:
        """Add a fill, or a part of one."""
        self.quantity[side] = _add(self.quantity[side], quantity)
        self.notional[side] = _add(self.notional[side], _multiply(quantity, price))
        self.held = _subtract(self.quantity[BUY], self.quantity[SELL]).copy_abs()
        self.fees = _add(self.fees, fee)

    def row(self) -> RoundTrip:
        """Return the round trip, which has ended."""
        bars, quantity = list(self.bars.items()), self.quantity[self.side]
        sides = SIDES if self.side == BUY else reversed(SIDES)
        entry, exit_ = (_divide(self.notional[side], quantity) for side in sides)
        pnl = _subtract(_subtract(self.notional[SELL], self.notional[BUY]), self.fees)
        return RoundTrip(*bars[0], *bars[-1], self.side, *map(decimal_text, (quantity, entry, exit_, pnl, self.fees)))


def _round_trips(folded: Folded) -> Iterator[RoundTrip]:
    # fills of a bar stand before its tick, so that a trip is complete only then
    trips: list[_Trip] = []
    for event, _, _ in folded:
        if event.kind == EventKind.STRATEGY_TICK:
            bar, time = event.values[:2]
            for trip in trips:
                if bar in trip.bars:
                    trip.bars[bar] = time
            yield from (trip.row() for trip in trips if not trip.held)
            trips = [trip for trip in trips if trip.held]
        elif event.kind == EventKind.FILL:
            _fill(trips, _facts(event))
    yield from (trip.row() for trip in trips if not trip.held)


def _fill(trips: list[_Trip], fill: Mapping[str, Any]) -> None:
    """Add a fill to the open round trip, which is the last, and to a new one what turns the position round.

    The fee of a fill that does both is shared by quantity.
    """
    bar, side, quantity, price, fee = (fill[name] for name in ("bar_index", "side", "quantity", "price", "fee"))
    if trips and trips[-1].held and side != trips[-1].side:
        leaving = min(quantity, trips[-1].held)
        share = fee if leaving == quantity else _divide(_multiply(fee, leaving), quantity)
        trips[-1].take(side, leaving, price, share)
        quantity, fee = _subtract(quantity, leaving), _subtract(fee, share)
        if not trips[-1].held:
            trips[-1].bars.setdefault(bar, None)
    if quantity > _ZERO:
        if not (trips and trips[-1].held):
            trips.append(_Trip(side, bar))
        trips[-1].take(side, quantity, price, fee)


class _Table(NamedTuple):
    """What a row of a table is, and what makes the rows."""

    row: Any
    make: Callable[[Folded], Iterator[Any]]


TABLES: Mapping[str, _Table] = {
    "events": _Table(EventRow, _events),
    "orders": _Table(OrderRow, _orders),
    "fills": _Table(FillRow, partial(_each, EventKind.FILL, FillRow)),
    "round_trips": _Table(RoundTrip, _round_trips),
    "equity": _Table(EquityRow, partial(_each, EventKind.STRATEGY_TICK, EquityRow)),
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


DTYPES = {
    **dict.fromkeys(("ts_sim", "bar_index", "entry_bar", "exit_bar", "retries"), "int64"),
    **dict.fromkeys(("ts_utc", "bar_time", "entry_time", "exit_time"), "datetime64[us, UTC]"),
    **dict.fromkeys(("quantity", "leaves_quantity", "filled_quantity", "position"), "float64"),
    **dict.fromkeys(("price", "limit_price", "stop_price", "average_price", "close"), "float64"),
    **dict.fromkeys(("entry_price", "exit_price", "pnl", "fee", "fees", "equity"), "float64"),
}
"""The dtypes of columns by name; every other column holds objects: texts, and payloads of events."""
