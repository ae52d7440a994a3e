"""The events of two runs, side by side bar by bar and order by order, and where they differ.

An order is known by its bar and its terms, not by its name: after one order more in one run, the later orders of both
still stand beside each other. Memory follows the events of one bar and the open orders, not the length of the runs.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

from c2lib.core.text import ABSENT, field_differences, first_difference, shown
from c2lib.core.vocabulary import EventKind
from c2lib.witness.foreign import count_name, text_of

MAX_EXAMPLES = 10
"""Most examples of anything that are kept."""

MAX_FIELDS = 20
"""Most differing fields of one object that are kept."""

MAX_EVENTS = 1000
"""Most events of one part of a step."""

MAX_BYTES = 1 << 20
"""Most bytes of lines of one part of a step, unless one line has more."""

MAX_OPEN = 100_000
"""Most open orders that are matched; beyond that, the one sent first is known by its name alone."""

_MAX_NAME = 128
_TERMS = ("symbol", "side", "order_type", "quantity", "limit_price", "stop_price", "time_in_force", "tag")
_NAMES = ("client_order_id", "broker_order_id", "fill_id")
_ENDS = (EventKind.ORDER_REJECTED, EventKind.ORDER_CANCELLED, EventKind.ORDER_EXPIRED)
_IN_SHORT = ("decision", "close", "client_order_id", "side", "quantity", "price", "reason", "stop_reason", "code")
_COMPARED_APART = frozenset({"payload", "event_id", "ts_sim", "ts_utc", "event_type"})
_GROUPS: Mapping[str, str] = {EventKind.ORDER_SUBMITTED: "orders", EventKind.FILL: "fills"}
_ASIDES = ("ids", "names", "numbers", "times")
_ID_FIRST = b'{"event_id":"'
_ID_END = len(_ID_FIRST) + 64


class Line(NamedTuple):
    """A line of a file: its number from 1, the object in it, and its bytes."""

    number: int
    value: Mapping[str, Any]
    data: bytes


class Event(Line):
    """A line that is an event."""

    @property
    def kind(self) -> str:
        """The event type."""
        return str(self.value["event_type"])

    @property
    def payload(self) -> dict[str, Any]:
        """The payload."""
        payload: dict[str, Any] = self.value["payload"]
        return payload

    @property
    def bar_index(self) -> int | None:
        """The bar that the event names, or ``None``."""
        index = self.payload.get("bar_index")
        return index if type(index) is int else None


Pair = tuple[Event | None, Event | None]
"""Two events that stand for each other, or one without a counterpart."""

Step = tuple[tuple[int, int, int], Sequence[Event]]
"""Stage, bar and part of the bar, and the events that happened there."""

_START, _BAR, _CLOSE = 0, 1, 2
_NO_STEP: Step = ((3, 0, 0), ())


def steps(events: Iterable[Event]) -> Iterator[Step]:
    """Yield the events of a run bar by bar, in parts of bounded size, in the order of their keys.

    An event that names no bar belongs to the bar before it, or to the close when no bar follows.
    """
    key = (_START, 0, 0)
    here: list[Event] = []
    waiting: list[Event] = []
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


def side_by_side(a: Iterator[Step], b: Iterator[Step]) -> Iterator[tuple[Sequence[Event], Sequence[Event]]]:
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

    def pairs(self, a: Sequence[Event], b: Sequence[Event]) -> list[Pair]:
        """Return the events of one step in pairs, in the order in which they happened."""
        if len(a) == len(b) == 1 and a[0].kind == b[0].kind == EventKind.STRATEGY_TICK:
            return [(a[0], b[0])]
        self._match_orders(a, b)
        found = _matched(a, b, partial(_about, {}), partial(_about, self._known_as))
        for event in b:
            if event.kind in _ENDS or event.payload.get("leaves_quantity") == "0":
                self._known_as.pop(_order(event), None)
        return found

    def _match_orders(self, a: Sequence[Event], b: Sequence[Event]) -> None:
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

    def _open(self, event: Event, known_as: Hashable) -> None:
        name = _order(event)
        if name is None:
            return
        self._known_as[name] = known_as
        if len(self._known_as) > MAX_OPEN:
            del self._known_as[next(iter(self._known_as))]


def _order(event: Event) -> str | None:
    """Return the name of the order that an event is about, as a digest where it is long."""
    name = event.payload.get("client_order_id")
    if not isinstance(name, str):
        return None
    return name if len(name) <= _MAX_NAME else sha256(name.encode()).hexdigest()


def _about(known_as: Mapping[str | None, Hashable], event: Event) -> Hashable:
    order = _order(event)
    return event.kind, known_as.get(order, order)


def _asked(fields: Iterable[str], event: Event) -> Hashable:
    return tuple(text_of(event.payload.get(name)) for name in fields)


def _matched(
    a: Sequence[Event], b: Sequence[Event], key_a: Callable[[Event], Hashable], key_b: Callable[[Event], Hashable]
) -> list[Pair]:
    """Pair the n-th event of a key with the n-th of the same key; return all in the order of their places."""
    waiting: defaultdict[Hashable, deque[tuple[int, Event]]] = defaultdict(deque)
    for place, event in enumerate(b):
        waiting[key_b(event)].append((place, event))
    found: list[tuple[int, Pair]] = []
    for place, event in enumerate(a):
        same = waiting.get(key_a(event))
        found.append((place, (event, same.popleft()[1] if same else None)))
    found += [(place, (None, event)) for left in waiting.values() for place, event in left]
    return [pair for _, pair in sorted(found, key=itemgetter(0))]


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """What two sides have in a field, ``None`` for nothing; or how many of a kind each has."""

    name: str
    a: str | int | None
    b: str | int | None

    def text(self) -> str:
        """Return the difference as one line for people."""
        a, b = ("(nothing)" if side is None else side for side in (self.a, self.b))
        return f"{self.name}: {a} | {b}"


def side_text(value: Any) -> str:
    """Return a value as one bounded line."""
    return shown(value if isinstance(value, str) else text_of(value))


def first_differences(a: Any, b: Any) -> tuple[FieldDifference, ...]:
    """Return the first fields in which two values differ, at most :data:`MAX_FIELDS`."""
    found = []
    for name, *pair in islice(field_differences(a, b, within_lists=True), MAX_FIELDS):
        left, right = (None if value is ABSENT else side_text(value) for value in pair)
        if left == right and all(isinstance(value, str) for value in pair):
            # the first difference may be within a secret: its place is reported, and not a piece of it
            at = first_difference(*pair)
            left, right = (f"{shown(text)} ({len(text)} characters, another from {at} on)" for text in pair)
        found.append(FieldDifference(shown(name), left, right))
    return tuple(found)


def counts_of(a: Counter[str], b: Counter[str]) -> tuple[FieldDifference, ...]:
    """Return every name that was counted, with both counts."""
    return tuple(FieldDifference(shown(name), a[name], b[name]) for name in sorted(a.keys() | b.keys()))


@dataclass(frozen=True, slots=True)
class EventFact:
    """One event: the number of its line, from 1, and what it says in short."""

    line: int
    kind: str
    ts_sim: int
    bar_index: int | None
    event_id: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Return the event as one line for people."""
        bar = "" if self.bar_index is None else f" bar {self.bar_index}"
        facts = "".join(f" {name}={value}" for name, value in self.facts.items())
        return f"{self.kind}{bar} (ts_sim {self.ts_sim}, line {self.line}){facts}"


@dataclass(frozen=True, slots=True)
class EventDifference:
    """Two events that stand for each other and differ, or one that has no counterpart."""

    a: EventFact | None
    b: EventFact | None
    fields: tuple[FieldDifference, ...] = ()

    def text(self) -> str:
        """Return the difference as one line for people."""
        sides = {"A": self.a, "B": self.b}
        a, b = (f"{name} {side.text()}" if side else f"nothing in {name}" for name, side in sides.items())
        fields = "; ".join(difference.text() for difference in self.fields)
        return f"{a} | {b}" + (f"; {fields}" if fields else "")


@dataclass(frozen=True, slots=True)
class Examples:
    """How many there are of something, and the first of them."""

    count: int = 0
    first: tuple[EventDifference, ...] = ()


@dataclass(frozen=True, slots=True)
class EventComparison:
    """The events of two runs, aligned.

    ``first`` is the first difference, ``counts`` are by kind. ``asides`` are differences that change no decision and
    no trade: ``times``, ``names`` of orders and fills, ``numbers`` (``ts_sim``), ``ids``. ``quiet_ticks`` counts ticks
    without a decision that one side does not record at all.
    """

    aligned: int = 0
    differing: int = 0
    first: EventDifference | None = None
    counts: tuple[FieldDifference, ...] = ()
    orders_differing: Examples = Examples()
    orders_only_a: Examples = Examples()
    orders_only_b: Examples = Examples()
    fills_differing: Examples = Examples()
    fills_only_a: Examples = Examples()
    fills_only_b: Examples = Examples()
    others_only_a: Examples = Examples()
    others_only_b: Examples = Examples()
    quiet_ticks: FieldDifference = FieldDifference("ticks without a decision", 0, 0)
    asides: Mapping[str, Examples] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether nothing differs, the asides included."""
        return self.first is None and self.quiet_ticks.a == self.quiet_ticks.b == 0 and not self.asides


class Names(NamedTuple):
    """What a run calls itself and its strategy."""

    run_id: str
    strategy_id: str

    def left_out_of(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return an object without the names of its run and strategy, where they are these."""
        own = self._asdict()
        return {name: item for name, item in value.items() if name not in own or item != own[name]}


def _fact(event: Event | None) -> EventFact | None:
    if event is None:
        return None
    facts = {name: side_text(event.payload[name]) for name in _IN_SHORT if event.payload.get(name) is not None}
    value = event.value
    return EventFact(event.number, shown(event.kind), value["ts_sim"], event.bar_index, value["event_id"], facts)


def _parts(event: Event, names: Names) -> dict[str, dict[str, Any]]:
    """Return what an event says: under ``""`` what counts, else by the aside that a difference in it is."""
    value, payload = event.value, event.payload
    envelope = {name: item for name, item in value.items() if name not in _COMPARED_APART}
    compared = {name: item for name, item in payload.items() if name not in _NAMES}
    return {
        "": compared | {f"({name})": item for name, item in names.left_out_of(envelope).items()},
        "times": {"ts_utc": value.get("ts_utc")},
        "numbers": {"ts_sim": value["ts_sim"]},
        "names": {name: payload.get(name) for name in _NAMES},
        "ids": {"event_id": value["event_id"]},
    }


class EventDiff:
    """The comparison so far; ``start`` holds the fields in which the two ``SESSION_START`` differ."""

    def __init__(self, a: Names, b: Names) -> None:
        self.start: tuple[FieldDifference, ...] = ()
        self._a, self._b = a, b
        self._own_a, self._own_b = (f'"run_id":{text_of(names.run_id)},'.encode() for names in (a, b))
        self._alignment = Alignment()
        self._kinds: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._quiet, self._quiet_alone = [0, 0], [0, 0]
        self._aligned = self._differing = 0
        self._first: EventDifference | None = None
        self._first_but_quiet: EventDifference | None = None
        self._counts: Counter[str] = Counter()
        self._examples: defaultdict[str, list[EventDifference]] = defaultdict(list)

    def take(self, a: Sequence[Event], b: Sequence[Event]) -> None:
        """Compare the events of the next step."""
        for left, right in self._alignment.pairs(a, b):
            quiet = False
            for side, event in enumerate((left, right)):
                if event:
                    count_name(self._kinds[side], event.kind)
                    quiet = event.kind == EventKind.STRATEGY_TICK and event.payload.get("decision") == "HOLD"
                    self._quiet[side] += quiet
            if not (left and right):
                self._alone((left, right), quiet=quiet)
                continue
            self._aligned += 1
            if not self._is_same_line(left.data, right.data):
                self._compare(left, right)

    def _is_same_line(self, a: bytes, b: bytes) -> bool:
        """Whether two lines are the same but for the own name of each run and the id that follows from it.

        This is for speed alone: a comparison by fields finds no difference in such lines either.
        """
        if self._a == self._b:
            return a == b
        if self._a.strategy_id != self._b.strategy_id or not (a.startswith(_ID_FIRST) and b.startswith(_ID_FIRST)):
            return False
        return a[_ID_END:].replace(self._own_a, self._own_b) == b[_ID_END:]

    def _alone(self, pair: Pair, *, quiet: bool) -> None:
        self._differ(pair, (), quiet=quiet)
        for side, event in enumerate(pair):
            if event and quiet:
                self._quiet_alone[side] += 1
            elif event:
                self._keep(f"{_GROUPS.get(event.kind, 'others')}_only_{'ab'[side]}", pair, ())

    def _compare(self, a: Event, b: Event) -> None:
        left, right = _parts(a, self._a), _parts(b, self._b)
        found = {part: first_differences(left[part], right[part]) for part in left}
        if self._a != self._b or found[""] or found["numbers"] or found["names"]:
            # an id that follows from another difference is none of its own
            found["ids"] = ()
        fields = found.pop("")
        for aside, differences in found.items():
            if differences:
                self._keep(aside, (a, b), differences)
        if fields and a.kind == EventKind.SESSION_START and not self.start:
            self.start = fields
        elif fields:
            self._differing += 1
            self._differ((a, b), fields)
            if a.kind in _GROUPS:
                self._keep(f"{_GROUPS[a.kind]}_differing", (a, b), fields)

    def _differ(self, pair: Pair, fields: tuple[FieldDifference, ...], *, quiet: bool = False) -> None:
        if self._first is None or (self._first_but_quiet is None and not quiet):
            difference = EventDifference(_fact(pair[0]), _fact(pair[1]), fields)
            self._first = self._first or difference
            self._first_but_quiet = None if quiet else difference

    def _keep(self, name: str, pair: Pair, fields: tuple[FieldDifference, ...]) -> None:
        self._counts[name] += 1
        if self._counts[name] <= MAX_EXAMPLES:
            self._examples[name].append(EventDifference(_fact(pair[0]), _fact(pair[1]), fields))

    def result(self) -> EventComparison:
        """Return what came out."""
        quiet = [0, 0] if all(self._quiet) else self._quiet_alone
        examples = {name: Examples(self._counts[name], tuple(found)) for name, found in self._examples.items()}
        asides = {name: examples.pop(name) for name in _ASIDES if name in examples}
        return EventComparison(
            aligned=self._aligned,
            differing=self._differing,
            first=self._first_but_quiet if any(quiet) else self._first,
            counts=counts_of(*self._kinds),
            quiet_ticks=FieldDifference("ticks without a decision", *quiet),
            asides=asides,
            **examples,
        )
