"""The events of two runs, compared pair by pair.

Rules kept here:

* where two runs part is the first pair that differs in what was decided, sent, filled or told; times, names within a
  run, numbers and ids are asides: counted and shown, and never in the way of the first;
* an event's own run is not compared with the other's, but with its run's;
* what ``SESSION_START`` says is a cause, not a place to part;
* ticks without a decision that one side does not tell at all are the way it tells, and no place to part either.

>>> EventDiff(Names("a", "s"), Names("b", "s")).result().same
True
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from typing import Any, NamedTuple

from c2lib.core.vocabulary import EventKind
from c2lib.witness.alignment import NAME_FIELDS, Alignment, Pair
from c2lib.witness.diff_facts import Count, EventComparison, EventDifference, EventFact, Examples, FieldDifference
from c2lib.witness.findings import shown
from c2lib.witness.runbook import count_name, text_of
from c2lib.witness.steps import Event

MAX_EXAMPLES = 10
"""Most examples of anything that are kept."""

MAX_FIELDS = 20
"""Most differing fields of one object that are kept."""

_IN_SHORT = ("decision", "close", "client_order_id", "side", "quantity", "price", "reason", "stop_reason", "code")
_COMPARED_APART = frozenset({"payload", "event_id", "ts_sim", "ts_utc", "event_type"})
_QUIET = "HOLD"
_ID_FIRST = b'{"event_id":"'
_ID_END = len(_ID_FIRST) + 64
_NOTHING = object()


class Names(NamedTuple):
    """What a run calls itself and its strategy."""

    run_id: str
    strategy_id: str


def side_text(value: Any) -> str:
    """Return a value as one bounded line."""
    return shown(text_of(value) if isinstance(value, dict | list) or not isinstance(value, str) else value)


def field_differences(a: Any, b: Any, name: str = "") -> Iterator[FieldDifference]:
    """Yield where two values differ, what is within objects by dotted names, what is within lists by numbers.

    >>> [difference.text() for difference in field_differences({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}], "c": None})]
    ['a[1].b: 2 | 3', 'c: (nothing) | null']
    """
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            inner = f"{name}.{key}" if name else key
            yield from field_differences(a.get(key, _NOTHING), b.get(key, _NOTHING), inner)
    elif isinstance(a, list) and isinstance(b, list):
        for at, (left, right) in enumerate(zip_longest(a, b, fillvalue=_NOTHING)):
            yield from field_differences(left, right, f"{name}[{at}]")
    elif a != b or type(a) is not type(b):
        yield FieldDifference(shown(name), *_sides(a, b))


def _sides(a: Any, b: Any) -> tuple[str | None, str | None]:
    left, right = (None if value is _NOTHING else side_text(value) for value in (a, b))
    if left == right and isinstance(a, str) and isinstance(b, str):
        at = next((at for at, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]), min(len(a), len(b)))
        left, right = (f"from character {at} on: {shown(text[at:])}" for text in (a, b))
    return left, right


def first_differences(a: Any, b: Any) -> list[FieldDifference]:
    """Return the first places in which two values differ, at most :data:`MAX_FIELDS`."""
    return list(islice(field_differences(a, b), MAX_FIELDS))


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
