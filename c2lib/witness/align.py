"""The events of two runs, compared pair by pair.

Rules kept here:

* where two runs part is the first pair that differs in what was decided, sent, filled or told; times, names within a
  run, numbers and ids are asides: counted and shown, and never in the way of the first;
* an event's own run is not compared with the other's, but with its run's;
* what ``SESSION_START`` says is a cause, not a place to part;
* a side is one bounded line without secrets, and no bound makes two sides look the same;
* ticks without a decision that one side does not tell at all are the way it tells, and no place to part either.

>>> EventDiff(Names("a", "s"), Names("b", "s")).result().same
True
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from hashlib import sha256
from itertools import islice
from typing import Any, NamedTuple

from c2lib.core.text import ABSENT, field_differences, first_difference, shown
from c2lib.core.vocabulary import EventKind
from c2lib.witness.findings import Verdict
from c2lib.witness.foreign import count_name, text_of

MAX_EXAMPLES = 10
"""Most examples of anything that are kept."""

MAX_FIELDS = 20
"""Most differing fields of one object that are kept."""

_IN_SHORT = ("decision", "close", "client_order_id", "side", "quantity", "price", "reason", "stop_reason", "code")
_COMPARED_APART = frozenset({"payload", "event_id", "ts_sim", "ts_utc", "event_type"})
_QUIET = "HOLD"
_ID_FIRST = b'{"event_id":"'
_ID_END = len(_ID_FIRST) + 64


class Names(NamedTuple):
    """What a run calls itself and its strategy."""

    run_id: str
    strategy_id: str


def side_text(value: Any) -> str:
    """Return a value as one bounded line."""
    return shown(text_of(value) if isinstance(value, dict | list) or not isinstance(value, str) else value)


def _sides(a: Any, b: Any) -> tuple[str | None, str | None]:
    left, right = (None if value is ABSENT else side_text(value) for value in (a, b))
    if left == right and isinstance(a, str) and isinstance(b, str):
        # the first difference may be within a secret: its place is reported, and not a piece of it
        at = first_difference(a, b)
        left, right = (f"{shown(text)} ({len(text)} characters, another from {at} on)" for text in (a, b))
    return left, right


def first_differences(a: Any, b: Any) -> list[FieldDifference]:
    """Return the first places in which two values differ, at most :data:`MAX_FIELDS`."""
    found = islice(field_differences(a, b, within_lists=True), MAX_FIELDS)
    return [FieldDifference(shown(name), *_sides(left, right)) for name, left, right in found]


def fact(event: Event) -> EventFact:
    """Return an event in short."""
    facts = {name: side_text(event.payload[name]) for name in _IN_SHORT if event.payload.get(name) is not None}
    value = event.value
    return EventFact(event.line, shown(event.kind), value["ts_sim"], event.bar_index, value["event_id"], facts)


def _difference(pair: Pair, fields: Sequence[FieldDifference] = ()) -> EventDifference:
    return EventDifference(
        fact(pair.a) if pair.a else None, fact(pair.b) if pair.b else None, tuple(fields[:MAX_FIELDS])
    )


class _Gathered:
    """Counts something and keeps the first examples of it."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[EventDifference] = []

    def add(self, pair: Pair, fields: Sequence[FieldDifference] = ()) -> None:
        """Count one more."""
        self.count += 1
        if len(self._first) < MAX_EXAMPLES:
            self._first.append(_difference(pair, fields))

    def examples(self) -> Examples:
        """Return the count and the examples."""
        return Examples(self.count, tuple(self._first))


class EventDiff:
    """The comparison so far; ``start`` holds the fields in which the two ``SESSION_START`` differ."""

    def __init__(self, a: Names, b: Names) -> None:
        self.start: list[FieldDifference] = []
        self._a, self._b = a, b
        self._own_a, self._own_b = (f'"run_id":{text_of(names.run_id)},'.encode() for names in (a, b))
        self._alignment = Alignment()
        self._counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._quiet_ticks, self._lone_ticks = [0, 0], [0, 0]
        self._aligned = 0
        self._first: EventDifference | None = None
        self._first_but_quiet: EventDifference | None = None
        self._differing = 0
        self._kept: dict[str, _Gathered] = {}
        self._asides: dict[str, _Gathered] = {}

    def take(self, a: Sequence[Event], b: Sequence[Event]) -> None:
        """Take the events of the next step in."""
        for pair in self._alignment.pairs(a, b):
            for side, event in enumerate(pair):
                if event is not None:
                    count_name(self._counts[side], event.kind)
                    self._quiet_ticks[side] += _is_quiet(event)
            if pair.a is None or pair.b is None:
                self._alone(pair)
            else:
                self._together(pair, pair.a, pair.b)

    def _alone(self, pair: Pair) -> None:
        side, event = (0, pair.a) if pair.a is not None else (1, pair.b)
        quiet = event is not None and _is_quiet(event)
        self._part(pair, (), quiet=quiet)
        self._lone_ticks[side] += quiet
        if not quiet:
            self._gather(self._kept, f"{_group(pair)}_only_{'ab'[side]}", pair)

    def _together(self, pair: Pair, a: Event, b: Event) -> None:
        self._aligned += 1
        if self._is_same_line(a.data, b.data):
            return
        self._note_asides(pair, a, b)
        fields = first_differences(_told(a, self._a), _told(b, self._b))
        if not fields:
            return
        if a.kind == EventKind.SESSION_START and not self.start:
            self.start = fields
            return
        self._differing += 1
        self._part(pair, fields, quiet=False)
        group = _group(pair)
        if group != "others":
            self._gather(self._kept, f"{group}_differing", pair, fields)

    def _is_same_line(self, a: bytes, b: bytes) -> bool:
        """Whether two lines are the same, but for the run that each names as its own and the id that follows from it.

        This is for speed alone: a close look finds no difference in such lines either.
        """
        if self._a == self._b:
            return a == b
        if self._a.strategy_id != self._b.strategy_id or not (a.startswith(_ID_FIRST) and b.startswith(_ID_FIRST)):
            return False
        return a[_ID_END:].replace(self._own_a, self._own_b) == b[_ID_END:]

    def _part(self, pair: Pair, fields: Sequence[FieldDifference], *, quiet: bool) -> None:
        if self._first is None:
            self._first = _difference(pair, fields)
        if self._first_but_quiet is None and not quiet:
            self._first_but_quiet = _difference(pair, fields)

    def _note_asides(self, pair: Pair, a: Event, b: Event) -> None:
        left, right = a.value, b.value
        for aside, names in (("times", ("ts_utc",)), ("numbers", ("ts_sim",))):
            self._aside(
                aside, pair, {name: left.get(name) for name in names}, {name: right.get(name) for name in names}
            )
        named = [{name: event.payload.get(name) for name in NAME_FIELDS} for event in (a, b)]
        self._aside("names", pair, *named)
        if self._a == self._b and left["ts_sim"] == right["ts_sim"] and a.payload == b.payload:
            self._aside("ids", pair, {"event_id": left["event_id"]}, {"event_id": right["event_id"]})

    def _aside(self, name: str, pair: Pair, a: Mapping[str, Any], b: Mapping[str, Any]) -> None:
        if a != b:
            self._gather(self._asides, name, pair, first_differences(a, b))

    @staticmethod
    def _gather(into: dict[str, _Gathered], name: str, pair: Pair, fields: Sequence[FieldDifference] = ()) -> None:
        into.setdefault(name, _Gathered()).add(pair, fields)

    def result(self) -> EventComparison:
        """Return what came out."""
        quiet = self._lone_ticks if self._quiet_ticks[0] == 0 or self._quiet_ticks[1] == 0 else [0, 0]
        kept = {name: gathered.examples() for name, gathered in self._kept.items()}
        names = sorted(self._counts[0].keys() | self._counts[1].keys())
        return EventComparison(
            aligned=self._aligned,
            differing=self._differing,
            first=self._first_but_quiet if any(quiet) else self._first,
            counts=tuple(Count(shown(name), self._counts[0][name], self._counts[1][name]) for name in names),
            quiet_ticks=Count("ticks without a decision", *quiet),
            asides={name: gathered.examples() for name, gathered in sorted(self._asides.items())},
            **kept,
        )


def _is_quiet(event: Event) -> bool:
    return event.kind == EventKind.STRATEGY_TICK and event.payload.get("decision") == _QUIET


def _group(pair: Pair) -> str:
    event = pair.a or pair.b
    kind = event.kind if event else ""
    return {EventKind.ORDER_SUBMITTED.value: "orders", EventKind.FILL.value: "fills"}.get(kind, "others")


def of_its_own(value: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """Return an object without the names of its run and strategy, where they are its run's."""
    own = names._asdict()
    return {name: item for name, item in value.items() if name not in own or item != own[name]}


def _told(event: Event, names: Names) -> dict[str, Any]:
    """Return what an event says, asides left out."""
    envelope = of_its_own({name: event.value[name] for name in event.value.keys() - _COMPARED_APART}, names)
    payload = {name: value for name, value in event.payload.items() if name not in NAME_FIELDS}
    return payload | {f"({name})": value for name, value in envelope.items()}


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


MAX_EVENTS = 1000
"""Most events of one part of a step."""

MAX_BYTES = 1 << 20
"""Most bytes of lines of one part of a step, unless one line has more."""

Key = tuple[int, int, int]
"""Stage, bar and part."""

_START, _BAR, _CLOSE = 0, 1, 2


class Event(NamedTuple):
    """An event with the number of its line, from 1, and the bytes of the line."""

    line: int
    value: Mapping[str, Any]
    data: bytes

    @property
    def kind(self) -> str:
        """The event type."""
        kind: str = self.value["event_type"]
        return kind

    @property
    def payload(self) -> Mapping[str, Any]:
        """The payload."""
        payload: Mapping[str, Any] = self.value["payload"]
        return payload

    @property
    def bar_index(self) -> int | None:
        """The bar that the event names, or ``None``."""
        index = self.payload.get("bar_index")
        return index if type(index) is int else None


class Step(NamedTuple):
    """Events that happened at the same bar, or before the first, or after the last."""

    key: Key
    events: list[Event]


class _Steps:
    """Cuts a stream of events; ``waiting`` holds what names no bar until it is known where it belongs."""

    def __init__(self) -> None:
        self._stage, self._bar, self._part = _START, 0, 0
        self._events: list[Event] = []
        self._waiting: list[Event] = []
        self._bytes = 0
        self._ticks = 0

    def take(self, event: Event) -> Iterator[Step]:
        """Take the next event in; yield the steps that are complete with it."""
        kind, bar = event.kind, event.bar_index
        if kind == EventKind.STRATEGY_TICK:
            bar = self._ticks if bar is None else bar
            self._ticks += 1
        if self._stage == _CLOSE or (kind == EventKind.SESSION_START and self._stage == _START):
            self._events.append(event)
        elif kind == EventKind.SESSION_STOP:
            yield from self.close()
            self._events.append(event)
        elif bar is None:
            self._waiting.append(event)
        else:
            yield from self._at(bar)
            self._events.append(event)
        self._bytes += len(event.data)
        if len(self._events) + len(self._waiting) >= MAX_EVENTS or self._bytes > MAX_BYTES:
            self._settle()
            yield self._next_part()

    def close(self) -> Iterator[Step]:
        """Yield the step that is open, and begin the close with what waits."""
        yield Step((self._stage, self._bar, self._part), self._events)
        self._stage, self._bar, self._part = _CLOSE, 0, 0
        self._events, self._waiting, self._bytes = self._waiting, [], 0

    def last(self) -> Iterator[Step]:
        """Yield what is left at the end of the stream."""
        if self._stage != _CLOSE:
            yield from self.close()
        if self._events:
            yield Step((self._stage, self._bar, self._part), self._events)

    def _at(self, bar: int) -> Iterator[Step]:
        self._settle()
        if self._stage == _START or bar > self._bar:
            yield Step((self._stage, self._bar, self._part), self._events)
            self._stage, self._bar, self._part = _BAR, bar, 0
            self._events, self._bytes = [], 0

    def _settle(self) -> None:
        self._events += self._waiting
        self._waiting = []

    def _next_part(self) -> Step:
        step = Step((self._stage, self._bar, self._part), self._events)
        self._part += 1
        self._events, self._bytes = [], 0
        return step


def steps(events: Iterable[Event]) -> Iterator[Step]:
    """Yield the steps of a run in the order of their keys."""
    cut = _Steps()
    for event in events:
        yield from cut.take(event)
    yield from cut.last()


def side_by_side(a: Iterator[Step], b: Iterator[Step]) -> Iterator[tuple[list[Event], list[Event]]]:
    """Yield the events of two runs step by step; a side that has no such step has no events."""
    left, right = next(a, None), next(b, None)
    while left is not None or right is not None:
        from_a = left if right is None or (left is not None and left.key <= right.key) else None
        from_b = right if left is None or (right is not None and right.key <= left.key) else None
        yield from_a.events if from_a else [], from_b.events if from_b else []
        left = next(a, None) if from_a else left
        right = next(b, None) if from_b else right


class Outcome(StrEnum):
    """How far two runs are the same."""

    IDENTICAL = "IDENTICAL"
    """The four files are the same, byte for byte, and so is what their manifests say."""

    SAME_BUT_FOR_RUN_ID = "SAME_BUT_FOR_RUN_ID"
    """Two names of one session: nothing differs but ``run_id`` and the hashes that follow from it."""

    DIFFERENT = "DIFFERENT"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field, by its dotted name, and what the two sides have in it."""

    name: str
    a: str | None
    b: str | None

    def text(self) -> str:
        """Return the difference as one line for people."""
        return f"{self.name}: {_or_nothing(self.a)} | {_or_nothing(self.b)}"


def _or_nothing(value: str | None) -> str:
    return "(nothing)" if value is None else value


@dataclass(frozen=True, slots=True)
class EventFact:
    """One event: where it stands, and what it says in short; ``line`` counts from 1."""

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
        a, b = (
            f"{name} {side.text()}" if side else f"nothing in {name}" for name, side in (("A", self.a), ("B", self.b))
        )
        fields = "; ".join(difference.text() for difference in self.fields)
        return f"{a} | {b}" + (f"; {fields}" if fields else "")


@dataclass(frozen=True, slots=True)
class Examples:
    """How many there are of something, and the first of them."""

    count: int = 0
    first: tuple[EventDifference, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """How many of a kind each side has."""

    name: str
    a: int
    b: int

    def text(self) -> str:
        """Return the counts as text for people."""
        return f"{self.name}: {self.a} | {self.b}"


@dataclass(frozen=True, slots=True)
class RunSide:
    """One of the two runs; what it does not tell is empty or ``None``. ``damage`` tells what could not be read."""

    path: str
    verdict: Verdict
    run_id: str
    strategy_id: str
    run_digest: str | None
    damage: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventComparison:
    """The events of two runs, aligned.

    ``first`` is where they part. ``counts`` are by kind. ``asides`` are differences that change no decision and no
    trade: of ``times``, of ``names`` of orders and fills, of ``numbers`` (``ts_sim``), of ``ids``; ``quiet_ticks``
    counts ticks without a decision that one side does not tell at all.
    """

    aligned: int = 0
    differing: int = 0
    first: EventDifference | None = None
    counts: tuple[Count, ...] = ()
    orders_differing: Examples = Examples()
    orders_only_a: Examples = Examples()
    orders_only_b: Examples = Examples()
    fills_differing: Examples = Examples()
    fills_only_a: Examples = Examples()
    fills_only_b: Examples = Examples()
    others_only_a: Examples = Examples()
    others_only_b: Examples = Examples()
    quiet_ticks: Count = Count("ticks without a decision", 0, 0)
    asides: Mapping[str, Examples] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether nothing differs, the asides included."""
        return self.first is None and self.quiet_ticks.a == self.quiet_ticks.b == 0 and not self.asides


@dataclass(frozen=True, slots=True)
class RunDiff:
    """Where and why two runs part.

    ``causes`` are the fields of config, market, strategy, inputs and behaviour version that differ, and those of
    ``SESSION_START`` that no cause of the manifests explains. ``files`` tells of files that differ as such, ``notes``
    what could not be told.
    """

    a: RunSide
    b: RunSide
    outcome: Outcome
    causes: tuple[FieldDifference, ...]
    events: EventComparison
    snapshots: tuple[FieldDifference, ...]
    phases: FieldDifference | None
    audit_first: FieldDifference | None
    audit_counts: tuple[Count, ...]
    metrics: tuple[FieldDifference, ...]
    files: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether the runs are the same, but for the name perhaps."""
        return self.outcome is not Outcome.DIFFERENT

    def facts(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {"same": self.same, **asdict(self)}
