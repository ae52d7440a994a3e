"""A run's events, orders, fills, round trips and equity as plain rows, made one after the other from its log.

Prices, quantities and money are canonical decimal text, in units of the instrument and of the account; times are ISO
8601 in UTC; bars and events are numbered from 0. Only events that keep the contract are read, by the order of the log.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Context, Decimal
from typing import Any, NamedTuple, Protocol

from c2lib.core.model import BUY
from c2lib.core.states import ORDER_ENDS, OrderStatus
from c2lib.core.vocabulary import EventKind
from c2lib.witness.events import EventLog
from c2lib.witness.findings import Findings
from c2lib.witness.lines import RunName
from c2lib.witness.reader import ArtifactFile
from c2lib.witness.refold import Books, decimal_text


class EventRow(NamedTuple):
    """An event: its number, the time of the session's clock, its type, its id, and what it carries."""

    ts_sim: int
    ts_utc: str
    event_type: str
    event_id: str
    payload: Mapping[str, Any]


class OrderRow(NamedTuple):
    """An order: its terms, the bar and the event at which it was submitted, and what became of it.

    ``status`` is the last one; ``average_price`` is that of what was filled, to 28 digits, ``None`` before a fill.
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
    """A fill: the bar on which it happened, its event, price for one unit, and fee in money."""

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
    """What was bought and sold from one flat position to the next; ``side`` is BUY when it began with a purchase.

    A time is that of the bar, ``None`` where the log has no tick of it. ``quantity`` is all that was entered,
    average prices have 28 digits, ``fees`` are those of all its fills, and ``pnl`` is the money made after fees.
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
    """Position and equity after a bar: after its fills, at its close."""

    bar_index: int
    bar_time: str
    ts_sim: int
    close: str
    position: str
    equity: str


class RowMaker(Protocol):
    """Makes rows of events."""

    def take(self, event: Mapping[str, Any], books: Books) -> Iterable[NamedTuple]:
        """Return the rows that are complete with the next event; ``books`` are those after it."""

    def rest(self) -> Iterable[NamedTuple]:
        """Return the rows that only the end of the log completes."""


class _Plain:
    """Makes one row of each event of some kind, by itself."""

    def __init__(self, make: Callable[[Mapping[str, Any], Books], NamedTuple], kind: EventKind | None = None) -> None:
        self._make = make
        self._kind = kind

    def take(self, event: Mapping[str, Any], books: Books) -> Iterable[NamedTuple]:
        """Return the event's row, if it has one."""
        return (self._make(event, books),) if self._kind in (None, event["event_type"]) else ()

    def rest(self) -> Iterable[NamedTuple]:
        """Return nothing: each row was complete at once."""
        return ()


def _event_row(event: Mapping[str, Any], books: Books) -> EventRow:
    del books
    return EventRow(*(event[name] for name in EventRow._fields))


def _fill_row(event: Mapping[str, Any], books: Books) -> FillRow:
    del books
    facts = {**event, **event["payload"]}
    return FillRow(*(facts[name] for name in FillRow._fields))


def _equity_row(event: Mapping[str, Any], books: Books) -> EquityRow:
    facts = {**event["payload"], "ts_sim": event["ts_sim"]}
    facts |= {"position": decimal_text(books.position), "equity": decimal_text(books.equity)}
    return EquityRow(*(facts[name] for name in EquityRow._fields))


_DIVIDE = Context(prec=28).divide
_EXACT = Context(prec=2400)
_ZERO = Decimal(0)


def _average(notional: Decimal, quantity: Decimal) -> str:
    return decimal_text(_DIVIDE(notional, quantity))


_AFTER = {
    EventKind.ORDER_ACKNOWLEDGED: OrderStatus.NEW,
    EventKind.ORDER_REJECTED: OrderStatus.REJECTED,
    EventKind.ORDER_CANCELLED: OrderStatus.CANCELLED,
    EventKind.ORDER_EXPIRED: OrderStatus.EXPIRED,
}


class _Order:
    """An order that can still change."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._facts = {**event["payload"], "ts_sim": event["ts_sim"]}
        self.status = OrderStatus.PENDING_NEW
        self.filled = self.notional = _ZERO

    def fill(self, payload: Mapping[str, Any]) -> None:
        quantity, price = Decimal(payload["quantity"]), Decimal(payload["price"])
        self.filled = _EXACT.add(self.filled, quantity)
        self.notional = _EXACT.add(self.notional, _EXACT.multiply(quantity, price))
        self.status = OrderStatus.FILLED if payload["leaves_quantity"] == "0" else OrderStatus.PARTIALLY_FILLED

    def row(self) -> OrderRow:
        became = {
            "status": self.status.value,
            "filled_quantity": decimal_text(self.filled),
            "average_price": _average(self.notional, self.filled) if self.filled else None,
        }
        facts = self._facts | became
        return OrderRow(*(facts[name] for name in OrderRow._fields))


class _Orders:
    """Makes a row of each order when it ends, and of those that are open at the end, then."""

    def __init__(self) -> None:
        self._open: dict[str, _Order] = {}

    def take(self, event: Mapping[str, Any], books: Books) -> Iterator[OrderRow]:
        """Return the rows of the orders that the event ends."""
        del books
        kind, payload = event["event_type"], event["payload"]
        name = payload.get("client_order_id")
        order = self._open.get(name)
        if kind == EventKind.ORDER_SUBMITTED:
            if order is not None:
                yield order.row()
            self._open[name] = _Order(event)
        elif order is not None:
            if kind == EventKind.FILL:
                order.fill(payload)
            else:
                order.status = _AFTER.get(kind, order.status)
            if order.status in ORDER_ENDS:
                yield self._open.pop(name).row()

    def rest(self) -> Iterator[OrderRow]:
        """Return the orders that are open."""
        return (order.row() for order in self._open.values())


class _Trip:
    """A round trip so far; quantities and notionals are never negative."""

    def __init__(self, side: str, bar: int) -> None:
        self.side = side
        self.bars: list[int] = [bar]
        self.times: list[str | None] = [None]
        self.entered = self.left = _ZERO
        self.notionals = [_ZERO, _ZERO]
        self.fees = _ZERO

    def add(self, way: int, quantity: Decimal, price: Decimal, fee: Decimal) -> None:
        """Add a fill, or a part of one; ``way`` is 0 for an entry and 1 for an exit."""
        self.notionals[way] = _EXACT.add(self.notionals[way], _EXACT.multiply(quantity, price))
        self.fees = _EXACT.add(self.fees, fee)
        if way:
            self.left = _EXACT.subtract(self.left, quantity)
        else:
            self.left = _EXACT.add(self.left, quantity)
            self.entered = _EXACT.add(self.entered, quantity)

    def ticked(self, bar: int, time: str) -> None:
        """Take the time of a bar that it was entered or left at."""
        self.times = [time if own == bar else known for own, known in zip(self.bars, self.times, strict=True)]

    def row(self) -> RoundTrip:
        bought, sold = self.notionals if self.side == BUY else reversed(self.notionals)
        return RoundTrip(
            entry_bar=self.bars[0],
            entry_time=self.times[0],
            exit_bar=self.bars[1],
            exit_time=self.times[1],
            side=self.side,
            quantity=decimal_text(self.entered),
            entry_price=_average(self.notionals[0], self.entered),
            exit_price=_average(self.notionals[1], self.entered),
            pnl=decimal_text(_EXACT.subtract(_EXACT.subtract(sold, bought), self.fees)),
            fees=decimal_text(self.fees),
        )


class _RoundTrips:
    """Makes a row of each round trip when the bar of its last fill has ticked; what is not flat at the end is none.

    A fill that turns the position round ends one trip and begins the next, its fee shared by quantity.
    """

    def __init__(self) -> None:
        self._trip: _Trip | None = None
        self._ended: list[_Trip] = []

    def take(self, event: Mapping[str, Any], books: Books) -> Iterator[RoundTrip]:
        """Return the rows of the round trips that the event completes."""
        del books
        kind, payload = event["event_type"], event["payload"]
        if kind == EventKind.FILL:
            self._fill(payload)
        elif kind == EventKind.STRATEGY_TICK:
            for trip in [*self._ended, *([self._trip] if self._trip else [])]:
                trip.ticked(payload["bar_index"], payload["bar_time"])
            yield from self.rest()

    def rest(self) -> Iterator[RoundTrip]:
        """Return the round trips that have ended."""
        ended, self._ended = self._ended, []
        return (trip.row() for trip in ended)

    def _fill(self, payload: Mapping[str, Any]) -> None:
        quantity, price, fee = (Decimal(payload[name]) for name in ("quantity", "price", "fee"))
        bar, trip = payload["bar_index"], self._trip
        if quantity <= _ZERO:
            return
        if trip is not None and payload["side"] != trip.side:
            closing = min(quantity, trip.left)
            share = fee if closing == quantity else _DIVIDE(_EXACT.multiply(fee, closing), quantity)
            trip.add(1, closing, price, share)
            quantity, fee = _EXACT.subtract(quantity, closing), _EXACT.subtract(fee, share)
            if trip.left:
                return
            trip.bars.append(bar)
            trip.times.append(None)
            self._ended.append(trip)
            trip = self._trip = None
        if quantity:
            self._trip = trip = trip or _Trip(payload["side"], bar)
            trip.add(0, quantity, price, fee)


_MAKERS: Mapping[str, Callable[[], RowMaker]] = {
    "events": lambda: _Plain(_event_row),
    "orders": _Orders,
    "fills": lambda: _Plain(_fill_row, EventKind.FILL),
    "round_trips": _RoundTrips,
    "equity": lambda: _Plain(_equity_row, EventKind.STRATEGY_TICK),
}

ROW_TYPES: Mapping[str, type[Any]] = {
    "events": EventRow,
    "orders": OrderRow,
    "fills": FillRow,
    "round_trips": RoundTrip,
    "equity": EquityRow,
}
"""The tables of a run by name, and what a row of each is."""


def rows(table: str, log: ArtifactFile) -> Iterator[Any]:
    """Yield the rows of a table from a log that was read and kept open."""
    maker, made = _MAKERS[table](), list[NamedTuple]()
    events = EventLog(Findings(), RunName(), lambda event, books: made.extend(maker.take(event, books)))
    for number, block in log.again():
        events.take_block(number, block)
        yield from made
        made.clear()
    yield from maker.rest()


_DTYPES = {
    **dict.fromkeys(("ts_sim", "bar_index", "entry_bar", "exit_bar"), "int64"),
    **dict.fromkeys(("ts_utc", "bar_time", "entry_time", "exit_time"), "datetime64[us, UTC]"),
    **dict.fromkeys(("quantity", "leaves_quantity", "filled_quantity", "position"), "float64"),
    **dict.fromkeys(("price", "limit_price", "stop_price", "average_price", "close"), "float64"),
    **dict.fromkeys(("entry_price", "exit_price", "pnl", "fee", "fees", "equity"), "float64"),
}
"""The dtypes of columns by name; every other column holds objects, which are texts but for an event's payload."""

_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "datetime64[us, UTC]": lambda text: None if text is None else datetime.fromisoformat(text),
    "float64": lambda text: math.nan if text is None else float(text),
}


def columns(table: str, made: Iterable[Any]) -> dict[str, tuple[str, list[Any]]]:
    """Return a table by column: the dtype, and the values as pandas takes them.

    >>> columns("equity", [EquityRow(0, "2026-01-01T00:00:00+00:00", 1, "99.5", "0", "100")])["close"]
    ('float64', [99.5])
    """
    whole = list(made)
    dtypes = {name: _DTYPES.get(name, "object") for name in ROW_TYPES[table]._fields}
    return {
        name: (dtype, [_CONVERSIONS.get(dtype, lambda value: value)(row[at]) for row in whole])
        for at, (name, dtype) in enumerate(dtypes.items())
    }
