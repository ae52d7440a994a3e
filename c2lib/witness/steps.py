"""The events of a run in steps, so that two runs can be laid side by side bar by bar.

Rules kept here:

* an event belongs to the bar that it names, one that names none to the bar before it; what no bar follows belongs to
  the close, so that a longer run parts from a shorter one where it goes on;
* a tick that names no bar begins the next one;
* a step is bounded: what is beyond :data:`MAX_EVENTS` events or :data:`MAX_BYTES` bytes is a further part of it.

>>> tick = Event(1, {"event_type": "STRATEGY_TICK", "payload": {"bar_index": 4}}, b"")
>>> [step.key for step in steps([tick])]
[(0, 0, 0), (1, 4, 0)]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from c2lib.core.vocabulary import EventKind

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
