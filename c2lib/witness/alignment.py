"""The events of one step of two runs, each beside the one that stands for it in the other run.

Rules kept here:

* an order is known by when it was sent and by its terms, not by its name: one order more in a run gives every later one
  another name, and that is no difference of theirs;
* what happens to an order stands beside what happens to the order that it was matched with; of everything else, the
  n-th of its kind beside the n-th;
* memory follows the open orders, at most :data:`MAX_OPEN` a side.

>>> Alignment().pairs([], [])
[]
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from c2lib.core.vocabulary import EventKind
from c2lib.witness.runbook import text_of
from c2lib.witness.steps import Event

MAX_OPEN = 100_000
"""Most open orders of a side that are kept; beyond that, the one sent first is known by its name alone."""

NAME_FIELDS = ("client_order_id", "broker_order_id", "fill_id")
"""Payload fields that name something within a run."""

_MAX_NAME = 128
_TERMS = ("symbol", "side", "order_type", "quantity", "limit_price", "stop_price", "time_in_force", "tag")
_ENDS = (EventKind.ORDER_REJECTED, EventKind.ORDER_CANCELLED, EventKind.ORDER_EXPIRED)


class Pair(NamedTuple):
    """Two events that stand for each other, or one without a counterpart."""

    a: Event | None
    b: Event | None


def _name(event: Event) -> str | None:
    """Return the name of the order that an event is about; of one that is no name, a digest."""
    name = event.payload.get("client_order_id")
    if not isinstance(name, str):
        return None
    return name if len(name) <= _MAX_NAME else sha256(name.encode()).hexdigest()


def _terms(event: Event) -> Hashable:
    """Return everything that was asked for, names left out."""
    return tuple(text_of(event.payload.get(name)) for name in _TERMS)


def _side(event: Event) -> Hashable:
    """Return the direction alone: what is left to match by when the terms differ."""
    return text_of(event.payload.get("side"))


class _Orders:
    """The open orders of one run: their names, and the number that both runs know each by."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def open(self, event: Event, number: int) -> None:
        """Give an order its number."""
        name = _name(event)
        if name is not None:
            self._numbers[name] = number
            if len(self._numbers) > MAX_OPEN:
                del self._numbers[next(iter(self._numbers))]

    def key(self, event: Event) -> Hashable:
        """Return what an event is matched by."""
        name = _name(event)
        return (event.kind, self._numbers.get(name, name) if name is not None else None)

    def forget(self, event: Event) -> None:
        """Forget an order that ended."""
        name = _name(event)
        if name is not None and (event.kind in _ENDS or event.payload.get("leaves_quantity") == "0"):
            self._numbers.pop(name, None)


class Alignment:
    """Matches the events of two runs, step by step."""

    def __init__(self) -> None:
        self._a, self._b = _Orders(), _Orders()
        self._next = 0

    def pairs(self, a: Sequence[Event], b: Sequence[Event]) -> list[Pair]:
        """Return the events of one step in pairs, in the order in which they happened."""
        if len(a) == len(b) == 1 and a[0].kind == b[0].kind == EventKind.STRATEGY_TICK:
            return [Pair(a[0], b[0])]
        self._match_orders(a, b)
        found = _matched(a, b, self._a.key, self._b.key)
        for side, orders in ((a, self._a), (b, self._b)):
            for event in side:
                orders.forget(event)
        return found

    def _match_orders(self, a: Sequence[Event], b: Sequence[Event]) -> None:
        """Give the orders of a step their numbers: the same terms first, then the same direction."""
        left, right = ([event for event in side if event.kind == EventKind.ORDER_SUBMITTED] for side in (a, b))
        for key in (_terms, _side):
            found = _matched(left, right, key, key)
            for pair in found:
                if pair.a is not None and pair.b is not None:
                    self._open(pair)
            left = [pair.a for pair in found if pair.a is not None and pair.b is None]
            right = [pair.b for pair in found if pair.b is not None and pair.a is None]
        for event in left:
            self._open(Pair(event, None))
        for event in right:
            self._open(Pair(None, event))

    def _open(self, pair: Pair) -> None:
        self._next += 1
        for orders, event in ((self._a, pair.a), (self._b, pair.b)):
            if event is not None:
                orders.open(event, self._next)


def _matched(
    a: Sequence[Event], b: Sequence[Event], key_a: Callable[[Event], Any], key_b: Callable[[Event], Any]
) -> list[Pair]:
    """Match the n-th event of a key with the n-th of the same key; return all in the order of their places."""
    waiting: defaultdict[Hashable, deque[tuple[int, Event]]] = defaultdict(deque)
    for place, event in enumerate(b):
        waiting[key_b(event)].append((place, event))
    found: list[tuple[int, Pair]] = []
    for place, event in enumerate(a):
        same = waiting.get(key_a(event))
        found.append((place, Pair(event, same.popleft()[1] if same else None)))
    found += [(place, Pair(None, event)) for left in waiting.values() for place, event in left]
    return [pair for _, pair in sorted(found, key=lambda item: item[0])]
