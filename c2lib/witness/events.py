"""``events.jsonl``, line by line: form, identity, order, and the fold into the books.

``event_id`` is recomputed from the event's own facts. An event that cannot be used is skipped, and nothing after it is
lost. A line that is recognised in its place needs no other check; every other line gets the strict check.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from c2lib.core.canon import EVENT_ID_KIND, sha256_hex
from c2lib.core.contract import EVENT_FIELDS, PAYLOADS
from c2lib.core.vocabulary import Artifact, EventKind
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.lines import LineCheck, LineLog, RunName, canonical_object, problems
from c2lib.witness.recognise import Recogniser, Values, recogniser_of, values_of
from c2lib.witness.refold import Books

_SEQUENCE = FindingCode.SEQUENCE_BROKEN

_FIRST_KINDS = frozenset({EventKind.SESSION_START, EventKind.REJECTED, EventKind.RAIL_TRIPPED})
"""What may stand before a session was announced; a rail can trip that early."""

_LAST_KINDS = frozenset({EventKind.SESSION_STOP, EventKind.REJECTED})
"""After which no event may stand."""

# plain texts, whose hash costs less than that of an enum's member
_FILL, _RECONCILED = EventKind.FILL.value, EventKind.RECONCILED.value
_REFERENCES = {
    EventKind.SESSION_START.value: "session_start",
    EventKind.SESSION_STOP.value: "session_stop",
    EventKind.REJECTED.value: "rejected",
    EventKind.RAIL_TRIPPED.value: "rail_tripped",
    _FILL: "first_fill",
}


class Event(NamedTuple):
    """An event that keeps the contract; ``values`` are those of its payload, decimals as :class:`~decimal.Decimal`."""

    kind: str
    event_id: str
    ts_sim: int
    ts_utc: str
    values: Values


Observer = Callable[[Event, Books], None]
"""``observer(event, books)`` is called with every event that was folded and the books after it."""


class EventLog(LineLog):
    """The events so far; ``counts`` counts the usable ones by kind.

    >>> log = EventLog(Findings(), RunName())
    >>> log.take(1, b"[]")
    >>> log.emitted, dict(log.counts)
    (1, {})
    """

    event_id = ""

    def __init__(self, findings: Findings, run: RunName, observer: Observer | None = None) -> None:
        super().__init__(Artifact.EVENTS.value, EVENT_FIELDS, findings)
        self.counts: Counter[str] = Counter()
        self.references: dict[str, str] = {}
        self.last_kind = self.before_last_kind = ""
        self.first_ts = ""
        self.clean_reconciled_ts: str | None = None
        self.books = Books(self.add)
        self._name = run
        self._observer = observer
        self._recognise: Recogniser | None = None

    def take_block(self, number: int, block: bytes) -> None:
        r"""Take the next lines in, joined by ``\n``; ``number`` is that of the first."""
        folds, recognise = self.books.folds, self._recognise
        for at, line in enumerate(block.decode(errors="surrogateescape").split("\n"), number):
            recognised = recognise(line, self._next, self.last_ts) if recognise else None
            if recognised:
                # nothing is wrong with the line by itself: what is left is to fold it
                kind, self.event_id, self.last_ts, values = recognised
                self.line = at
                self.emitted += 1
                self._next += 1
                folds[kind](values)
                self._count(kind, values)
            else:
                self.take(at, line.encode(errors="surrogateescape"))
                recognise = self._recognise
                if self.findings.full(self.file):
                    break

    def value(self, number: int, data: bytes) -> dict[str, Any] | None:
        """Return the event of a line, its identity checked, or ``None`` when it cannot be used."""
        event = super().value(number, data)
        if event is None:
            return None
        self.event_id = event["event_id"]
        if not self.well_formed(PAYLOADS[EventKind(event["event_type"])], event["payload"], closed=False):
            return None
        check_identity(self, event)
        self._name.check(event, self)
        return event

    def _fold(self, value: Mapping[str, Any]) -> None:
        kind, payload = value["event_type"], value["payload"]
        self.in_time("ts_utc", value)
        self.first_ts = self.first_ts or self.last_ts
        self._place(kind)
        self.books.apply(kind, payload)
        self._count(kind, values_of(kind, payload))
        # behind the last event no line is good
        known = self._recognise or recogniser_of(self._name.run_id, self._name.strategy_id)
        self._recognise = None if kind in _LAST_KINDS else known

    def _place(self, kind: str) -> None:
        last = self.last_kind
        if last and kind in (EventKind.SESSION_START, EventKind.REJECTED):
            self.add(_SEQUENCE, f"{kind} as the first event", kind)
        elif last in _LAST_KINDS:
            self.add(_SEQUENCE, f"no event after {last}", kind)
        elif self.emitted == 1 and kind not in _FIRST_KINDS:
            self.add(_SEQUENCE, "SESSION_START or REJECTED first", kind)

    def _count(self, kind: str, values: Values) -> None:
        """Count an event that was folded, and show it to the observer."""
        self.before_last_kind, self.last_kind = self.last_kind, kind
        self.counts[kind] += 1
        if kind in _REFERENCES:
            self.references.setdefault(_REFERENCES[kind], self.event_id)
            if kind == _FILL:
                self.references["last_fill"] = self.event_id
        elif kind == _RECONCILED and not values[5]:
            self.clean_reconciled_ts = self.last_ts
        if self._observer is not None:
            self._observer(Event(kind, self.event_id, self._next - 1, self.last_ts, values), self.books)


def check_identity(log: LineCheck, event: Mapping[str, Any]) -> None:
    """Record a finding at the line of ``log`` unless the id of its event is made of what the event says."""
    identity = {name: event[name] for name in ("event_type", "payload", "run_id", "strategy_id", "ts_sim")}
    expected, log.event_id = sha256_hex(log.text({**identity, "kind": EVENT_ID_KIND}).encode()), event["event_id"]
    log.require(log.event_id == expected, FindingCode.EVENT_ID_WRONG, expected, log.event_id)


def is_own_start(line: bytes | None) -> bool:
    """Whether a line is a ``SESSION_START`` of c2lib's own contract."""
    event = canonical_object(line or b"") or {}
    payload = event.get("payload") if event.get("event_type") == EventKind.SESSION_START else None
    return isinstance(payload, dict) and not any(problems(PAYLOADS[EventKind.SESSION_START], payload, closed=False))
