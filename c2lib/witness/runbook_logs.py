"""The files of another program, line by line: form, identity, order.

Rules kept here:

* ``event_id`` is recomputed from the event's own facts, whatever its payload holds;
* ``ts_sim`` and ``seq`` grow by one from 0; times that can be read never go back;
* ``SESSION_START`` stands before every event of the contract and once, none of them follows ``SESSION_STOP``; where
  an event of another type stands is that program's own matter;
* a status is followed by one that the session table leads to.

>>> log = RunbookEvents(Findings(), RunName())
>>> log.take(1, b"[]")
>>> log.emitted, dict(log.counts)
(1, {})
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from typing import Any

from c2lib.core.canon import EVENT_ID_KIND, sha256_hex
from c2lib.core.states import SESSION_TABLE, STATUS_OF_PHASE, SessionPhase, SessionStatus, successors
from c2lib.core.vocabulary import Artifact, AuditCode, EventKind
from c2lib.witness.checks import RunName
from c2lib.witness.facts import FindingCode
from c2lib.witness.findings import Findings
from c2lib.witness.runbook import OWN_AUDIT_FIELDS, Moments, RunbookCheck, count_name, text_of
from c2lib.witness.snapshots import MAX_STATES

_KINDS = frozenset(EventKind)
_SEQUENCE, _STATUS = FindingCode.SEQUENCE_BROKEN, FindingCode.STATUS_PATH_WRONG

_FOLLOWING: frozenset[tuple[str, str]] = frozenset(
    (STATUS_OF_PHASE[before], STATUS_OF_PHASE[after])
    for (before, _), after in SESSION_TABLE.items()
    if STATUS_OF_PHASE[before] is not STATUS_OF_PHASE[after]
)

_GROWING = ("step", "events_emitted", "sink_retries")
_ONCE = (AuditCode.DRYRUN_START, AuditCode.DRYRUN_STOP)
_RETRIES = (AuditCode.SINK_WRITE_RETRY, AuditCode.SINK_WRITE_FAILED)


class _Log(ABC):
    """What the three files have in common: lines with a number each, in their order, with times."""

    artifact: Artifact
    number_field: str

    def __init__(self, findings: Findings, run: RunName | None = None) -> None:
        self.emitted = 0
        self.moments = Moments()
        self.checks = RunbookCheck(self.artifact, findings, run)
        self._findings = findings
        self._line = 0
        self._event_id: str | None = None
        self._next = 0

    def take(self, number: int, data: bytes) -> None:
        """Take the next line in."""
        self.emitted += 1
        self._line, self._event_id = number, None
        value = self.checks.value(number, data)
        if value is None:
            self._next += 1
            return
        self._count(value)
        self._fold(value)

    def _count(self, value: Mapping[str, Any]) -> None:
        position = value.get(self.number_field)
        if position is None:
            return
        if position != self._next:
            self._report(_SEQUENCE, f"{self.number_field} {self._next}", position)
        self._next = position + 1

    def _clock(self, name: str, value: Mapping[str, Any]) -> None:
        before = self.moments.went_back(value[name]) if name in value else None
        if before is not None:
            self._report(FindingCode.CLOCK_WENT_BACK, f"a {name} not before {before}", value[name])

    @abstractmethod
    def _fold(self, value: Mapping[str, Any]) -> None:
        """Fold one line in."""

    def _report(self, code: FindingCode, expected: object, seen: object) -> None:
        self._findings.add(code, self.artifact, self._line, expected=expected, seen=seen, event_id=self._event_id)


class RunbookEvents(_Log):
    """The events so far; ``counts`` counts the usable ones by type, ``last_kind`` is the last of the contract."""

    artifact = Artifact.EVENTS
    number_field = "ts_sim"

    def __init__(self, findings: Findings, run: RunName) -> None:
        super().__init__(findings, run)
        self.counts: Counter[str] = Counter()
        self.last_kind = ""

    @property
    def strange_kinds(self) -> list[str]:
        """The event types that the contract does not have."""
        return sorted(self.counts.keys() - _KINDS)

    def _fold(self, value: Mapping[str, Any]) -> None:
        kind, self._event_id = value["event_type"], value["event_id"]
        preimage = {name: value[name] for name in ("event_type", "payload", "run_id", "strategy_id", "ts_sim")}
        expected = sha256_hex(text_of({**preimage, "kind": EVENT_ID_KIND}).encode())
        if value["event_id"] != expected:
            self._report(FindingCode.EVENT_ID_WRONG, expected, value["event_id"])
        self._clock("ts_utc", value)
        if kind in _KINDS:
            self._place(kind)
        count_name(self.counts, kind)

    def _place(self, kind: str) -> None:
        if self.last_kind and kind == EventKind.SESSION_START:
            self._report(_SEQUENCE, f"{kind} before every other event, and once", f"{kind} after {self.last_kind}")
        elif self.last_kind == EventKind.SESSION_STOP:
            self._report(_SEQUENCE, f"no event after {self.last_kind}", kind)
        self.last_kind = kind


class RunbookAudit(_Log):
    """The audit trail so far.

    ``retries`` counts writes that were tried again, ``tail`` and ``tail_retries`` the entries about retries that
    stand last, and their retries: the metrics were composed before them. ``phase`` is where the moves have led
    to, ``None`` when no move could be read.
    """

    artifact = Artifact.AUDIT
    number_field = "seq"

    def __init__(self, findings: Findings) -> None:
        super().__init__(findings)
        self.counts: Counter[str] = Counter()
        self.retries = self.tail = self.tail_retries = 0
        self.phase: SessionPhase | None = None
        self.unread_moves = 0

    def _fold(self, value: Mapping[str, Any]) -> None:
        code, meta = value["code"], value["meta"]
        self._clock("ts", value)
        for name in sorted(OWN_AUDIT_FIELDS & value.keys()):
            self._report(FindingCode.CONTRACT_BROKEN, f"{name} in every entry or in none", f"{name} in this one")
        if code in _ONCE and self.counts[code]:
            self._report(_SEQUENCE, f"{code} once", "another one")
        elif code == AuditCode.DRYRUN_START and self.counts:
            self._report(_SEQUENCE, f"{code} as the first entry", "entries before it")
        count_name(self.counts, code)
        self._retry(code, meta)
        if code == AuditCode.PHASE_TRANSITION:
            self._move(meta)

    def _retry(self, code: str, meta: Mapping[str, Any]) -> None:
        if code not in _RETRIES:
            self.tail = self.tail_retries = 0
            return
        self.tail += 1
        if code == AuditCode.SINK_WRITE_RETRY:
            told = meta.get("retries", 1)
            retries = told if type(told) is int and told > 0 else 1
            self.retries += retries
            self.tail_retries += retries

    def _move(self, meta: Mapping[str, Any]) -> None:
        try:
            before, after = SessionPhase(str(meta.get("from"))), SessionPhase(str(meta.get("to")))
        except ValueError:
            self.unread_moves += 1
            return
        if not self.unread_moves and before is not (self.phase or SessionPhase.INIT):
            expected = f"a move from {(self.phase or SessionPhase.INIT).value}"
            self._report(FindingCode.PHASE_PATH_FORBIDDEN, expected, f"from {before.value}")
        if after not in successors(before):
            path = f"{before.value} to {after.value}"
            self._report(FindingCode.PHASE_PATH_FORBIDDEN, "a move of the session table", path)
        self.phase = after


class RunbookSnapshots(_Log):
    """The snapshots so far; ``last`` is the last usable one, ``states`` their statuses and events emitted."""

    artifact = Artifact.SNAPSHOTS
    number_field = "ts_sim"

    def __init__(self, findings: Findings, run: RunName) -> None:
        super().__init__(findings, run)
        self.last: Mapping[str, Any] = {}
        self.states: list[tuple[str, int]] = []

    def _fold(self, value: Mapping[str, Any]) -> None:
        status, before = value["status"], self.last.get("status")
        if before is None and status != SessionStatus.INIT:
            self._report(_STATUS, "INIT first", status)
        elif before is not None and (before, status) not in _FOLLOWING:
            self._report(_STATUS, f"a status that may follow {before}", status)
        for name in _GROWING:
            known, told = self.last.get(name), value.get(name)
            if known is not None and told is not None and told < known:
                self._report(FindingCode.COUNTER_WRONG, f"{name} of {known} or more", told)
        self.last = value
        if len(self.states) < MAX_STATES:
            self.states.append((status, value.get("events_emitted") or 0))
