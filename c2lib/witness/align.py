"""The events of two runs, side by side bar by bar, and within a bar order by order.

An order is known by its bar and its terms, not by its name: after one order more in one run, the later orders of both
still stand beside each other. Memory follows the events of one bar and the open orders, not the length of the runs.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from operator import itemgetter
from typing import Any, NamedTuple

from c2lib.core.vocabulary import EventKind
from c2lib.witness.foreign import text_of

MAX_EVENTS = 1000
"""Most events of one part of a step."""

MAX_BYTES = 1 << 20
"""Most bytes of lines of one part of a step, unless one line has more."""

MAX_OPEN = 100_000
"""Most open orders that are matched; beyond that, the one sent first is known by its name alone."""

_MAX_NAME = 128
_TERMS = ("symbol", "side", "order_type", "quantity", "limit_price", "stop_price", "time_in_force", "tag")
_ENDS = (EventKind.ORDER_REJECTED, EventKind.ORDER_CANCELLED, EventKind.ORDER_EXPIRED)


class Line(NamedTuple):
    """An event or audit entry: its number from 1, type or code, object, payload, and the bytes that are compared."""

    number: int
    kind: str
    value: Mapping[str, Any]
    payload: Mapping[str, Any]
    data: bytes

    @property
    def bar_index(self) -> int | None:
        """The bar that an event names."""
        bar = self.payload.get("bar_index")
        return bar if type(bar) is int else None


Pair = tuple[Line | None, Line | None]
"""Two events that stand for each other, or one without a counterpart."""

Step = tuple[tuple[int, int, int], Sequence[Line]]
"""Stage, bar and part of the bar, and the events that happened there."""

_START, _BAR, _CLOSE = 0, 1, 2
_NO_STEP: Step = ((3, 0, 0), ())


def steps(events: Iterable[Line]) -> Iterator[Step]:
    """Yield the events of a run bar by bar, in parts of bounded size, in the order of their keys.

    An event that names no bar belongs to the bar before it, or to the close when no bar follows.
    """
    key = (_START, 0, 0)
    here: list[Line] = []
    waiting: list[Line] = []
    size = ticks = 0
    for event in events:
        bar = event.bar_index
        if event.kind == EventKind.STRATEGY_TICK:
            bar = ticks if bar is None else bar
            ticks += 1
        if key[0] == _CLOSE or (event.kind == EventKind.SESSION_START and key[0] == _START):
            here.append(event)
        elif event.kind == EventKind.SESSION_STOP:
            yield key, here
            key, here, waiting, size = (_CLOSE, 0, 0), [*waiting, event], [], 0
        elif bar is None:
            waiting.append(event)
        else:
            here += waiting
            waiting = []
            if key[0] == _START or bar > key[1]:
                yield key, here
                key, here, size = (_BAR, bar, 0), [], 0
            here.append(event)
        size += len(event.data)
        if len(here) + len(waiting) >= MAX_EVENTS or size > MAX_BYTES:
            yield key, here + waiting
            key, here, waiting, size = (key[0], key[1], key[2] + 1), [], [], 0
    if key[0] != _CLOSE:
        yield key, here
        key, here = (_CLOSE, 0, 0), waiting
    if here:
        yield key, here


def side_by_side(a: Iterator[Step], b: Iterator[Step]) -> Iterator[tuple[Sequence[Line], Sequence[Line]]]:
    """Yield the events of two runs step by step; a side that has no such step has no events."""
    left, right = next(a, _NO_STEP), next(b, _NO_STEP)
    while left is not _NO_STEP or right is not _NO_STEP:
        from_a, from_b = left[0] <= right[0], right[0] <= left[0]
        yield left[1] if from_a else (), right[1] if from_b else ()
        left = next(a, _NO_STEP) if from_a else left
        right = next(b, _NO_STEP) if from_b else right


class Alignment:
    """Pairs the events of two runs, step by step; an open order of B is known by the name of its counterpart in A."""

    def __init__(self) -> None:
        self._known_as: dict[str | None, Hashable] = {}

    def pairs(self, a: Sequence[Line], b: Sequence[Line]) -> list[Pair]:
        """Return the events of one step in pairs, in the order in which they happened."""
        if len(a) == len(b) == 1 and a[0].kind == b[0].kind == EventKind.STRATEGY_TICK:
            return [(a[0], b[0])]
        self._match_orders(a, b)
        found = _matched(a, b, partial(_about, {}), partial(_about, self._known_as))
        for event in b:
            if event.kind in _ENDS or event.payload.get("leaves_quantity") == "0":
                self._known_as.pop(_order(event), None)
        return found

    def _match_orders(self, a: Sequence[Line], b: Sequence[Line]) -> None:
        """Match the new orders: those of the same terms, then those of the same direction."""
        left, right = ([event for event in side if event.kind == EventKind.ORDER_SUBMITTED] for side in (a, b))
        for fields in (_TERMS, ("side",)):
            key = partial(_asked, fields)
            found = _matched(left, right, key, key)
            for event, other in found:
                if event is not None and other is not None:
                    self._open(other, _order(event))
            left = [event for event, other in found if event is not None and other is None]
            right = [other for event, other in found if event is None and other is not None]
        for other in right:
            self._open(other, (_order(other),))

    def _open(self, event: Line, known_as: Hashable) -> None:
        name = _order(event)
        if name is None:
            return
        self._known_as[name] = known_as
        if len(self._known_as) > MAX_OPEN:
            del self._known_as[next(iter(self._known_as))]


def _order(event: Line) -> str | None:
    """Return the name of the order that an event is about, as a digest where it is long."""
    name = event.payload.get("client_order_id")
    if not isinstance(name, str):
        return None
    return name if len(name) <= _MAX_NAME else sha256(name.encode()).hexdigest()


def _about(known_as: Mapping[str | None, Hashable], event: Line) -> Hashable:
    order = _order(event)
    return event.kind, known_as.get(order, order)


def _asked(fields: Iterable[str], event: Line) -> Hashable:
    return text_of([event.payload.get(name) for name in fields])


def _matched(
    a: Sequence[Line], b: Sequence[Line], key_a: Callable[[Line], Hashable], key_b: Callable[[Line], Hashable]
) -> list[Pair]:
    """Pair the n-th event of a key with the n-th of the same key; return all in the order of their places."""
    waiting: defaultdict[Hashable, deque[tuple[int, Line]]] = defaultdict(deque)
    for place, event in enumerate(b):
        waiting[key_b(event)].append((place, event))
    found: list[tuple[int, Pair]] = []
    for place, event in enumerate(a):
        same = waiting.get(key_a(event))
        found.append((place, (event, same.popleft()[1] if same else None)))
    found += [(place, (None, event)) for left in waiting.values() for place, event in left]
    return [pair for _, pair in sorted(found, key=itemgetter(0))]
