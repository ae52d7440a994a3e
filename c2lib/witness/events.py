"""``events.jsonl``, line by line: form, identity, order, and the fold into the books.

Rules kept here:

* ``event_id`` is recomputed from the event's own facts;
* ``ts_sim`` grows by one from 0; after a gap the count goes on from what was seen, so that one lost line is one
  finding; ``ts_utc`` never goes back;
* ``SESSION_START`` stands first and once, nothing follows ``SESSION_STOP``, ``REJECTED`` stands alone;
* an event that cannot be used is skipped, and nothing after it is lost;
* a line that is recognised in its place needs no other check; the rest is judged one by one.

>>> log = EventLog(Findings(), RunName())
>>> log.take(1, b"[]")
>>> log.emitted, dict(log.counts)
(1, {})
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from c2lib.core.canon import event_id
from c2lib.core.contract import EVENT_FIELDS
from c2lib.core.vocabulary import Artifact, EventKind
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.lines import PAYLOAD_CHECKS, LineCheck, RunName
from c2lib.witness.recognise import Recogniser, quick_event, recognise
from c2lib.witness.refold import Books

FILE = Artifact.EVENTS.value

_FIRST_KINDS = frozenset({EventKind.SESSION_START, EventKind.REJECTED, EventKind.RAIL_TRIPPED})
"""What may stand before a session was announced; a rail can trip that early."""

_FILL = EventKind.FILL.value
_LAST_KINDS = frozenset({EventKind.SESSION_STOP, EventKind.REJECTED})
"""After which no event may stand."""

_REFERRED = {
    EventKind.SESSION_START: "session_start",
    EventKind.SESSION_STOP: "session_stop",
    EventKind.REJECTED: "rejected",
    EventKind.RAIL_TRIPPED: "rail_tripped",
}

Observer = Callable[[Mapping[str, Any], Books], None]
"""``observer(event, books)`` is told of every event that was folded, with the books after it."""


class EventLog:
    """The events so far; ``emitted`` counts lines, usable or not, ``counts`` the usable ones by kind."""

    def __init__(self, findings: Findings, run: RunName, observer: Observer | None = None) -> None:
        self.emitted = 0
        self.counts: Counter[str] = Counter()
        self.references: dict[str, str] = {}
        self.last_kind = ""
        self.before_last_kind = ""
        self.first_ts = self.last_ts = ""
        self.clean_reconciled_ts: str | None = None
        self.books = Books(self._report)
        self._findings = findings
        self._check = LineCheck(FILE, EVENT_FIELDS, findings)
        self._run = run
        self._observer = observer
        self._number = 0
        self._event_id: str | None = None
        self._next_ts_sim = 0
        self._recognise: Recogniser | None = None

    def take_block(self, number: int, block: bytes) -> None:
        r"""Take the next lines in, joined by ``\n``; ``number`` is that of the first."""
        recognise, counts, folds = self._recognise, self.counts, self.books.folds
        for line in block.decode("latin-1").split("\n"):
            recognised = recognise(line, self._next_ts_sim, self.last_ts) if recognise else None
            if recognised is None:
                self.take(number, line.encode("latin-1"))
                recognise = self._recognise
            else:
                # nothing is wrong with the line by itself: what is left is to fold it
                kind, event_id, self.last_ts, values = recognised
                self._number, self._event_id = number, event_id
                self.emitted += 1
                self._next_ts_sim += 1
                self.before_last_kind, self.last_kind = self.last_kind, kind
                counts[kind] += 1
                if kind == _FILL:
                    self._note_fill(event_id)
                folds[kind](values)
            number += 1

    def take(self, number: int, data: bytes) -> None:
        """Take the next line in."""
        self.emitted += 1
        self._number, self._event_id = number, None
        known = quick_event(data) or self._closely(number, data)
        if known is None:
            self._next_ts_sim += 1
            return
        event, expected_id = known
        kind, self._event_id = event["event_type"], event["event_id"]
        if event["event_id"] != expected_id:
            self._report(FindingCode.EVENT_ID_WRONG, expected_id, event["event_id"])
        self._check.compare_run(number, self._run, event)
        self._order(event)
        self._place(kind)
        self.counts[kind] += 1
        self._note(kind, event)
        self.books.apply(kind, event["payload"])
        if self._observer is not None:
            self._observer(event, self.books)
        else:
            self._recognise = self._recogniser()

    def _recogniser(self) -> Recogniser | None:
        """Return what recognises the next line, ``None`` where no line would be good."""
        if self.last_kind in _LAST_KINDS:
            return None
        return self._recognise or recognise(self._run.run_id, self._run.strategy_id)

    def _report(self, code: FindingCode, expected: object, seen: object) -> None:
        self._findings.add(code, FILE, self._number, expected=expected, seen=seen, event_id=self._event_id)

    def _closely(self, number: int, data: bytes) -> tuple[dict[str, Any], str] | None:
        event = self._check.value(number, data)
        if event is None:
            return None
        kind, payload = event["event_type"], event["payload"]
        if self._check.breaks(number, PAYLOAD_CHECKS[kind], payload, event["event_id"]):
            return None
        return event, event_id(event["run_id"], event["strategy_id"], kind, event["ts_sim"], payload)

    def _order(self, event: Mapping[str, Any]) -> None:
        ts_sim, ts_utc = event["ts_sim"], event["ts_utc"]
        if ts_sim != self._next_ts_sim:
            self._report(FindingCode.SEQUENCE_BROKEN, f"ts_sim {self._next_ts_sim}", ts_sim)
        self._next_ts_sim = ts_sim + 1
        if ts_utc < self.last_ts:
            self._report(FindingCode.CLOCK_WENT_BACK, f"a ts_utc not before {self.last_ts}", ts_utc)
        self.first_ts = self.first_ts or ts_utc
        self.last_ts = ts_utc

    def _place(self, kind: str) -> None:
        first = not self.last_kind
        if first and kind not in _FIRST_KINDS and self.emitted == 1:
            self._report(FindingCode.SEQUENCE_BROKEN, "SESSION_START or REJECTED first", kind)
        elif not first and kind in (EventKind.SESSION_START, EventKind.REJECTED):
            self._report(FindingCode.SEQUENCE_BROKEN, f"{kind} as the first event", kind)
        elif self.last_kind in _LAST_KINDS:
            self._report(FindingCode.SEQUENCE_BROKEN, f"no event after {self.last_kind}", kind)
        self.before_last_kind, self.last_kind = self.last_kind, kind

    def _note(self, kind: str, event: Mapping[str, Any]) -> None:
        event_id = event["event_id"]
        if kind == EventKind.FILL:
            self._note_fill(event_id)
        elif kind == EventKind.RECONCILED:
            if not event["payload"]["mismatches"]:
                self.clean_reconciled_ts = event["ts_utc"]
        elif kind in _REFERRED:
            self.references.setdefault(_REFERRED[EventKind(kind)], event_id)

    def _note_fill(self, event_id: str) -> None:
        self.references.setdefault("first_fill", event_id)
        self.references["last_fill"] = event_id
