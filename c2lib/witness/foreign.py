"""The runbook's contract: what another program keeps that has no chain, no phases and payloads of its own.

Rules kept here:

* a directory keeps it when it has no manifest, and neither the first audit entry nor the first snapshot has a field
  that only c2lib's own contract has; one such field, and every file is held to c2lib's contract;
* what the runbook names must be there and in its form; what it leaves open may be there, and is then held to its form;
* a float is taken as its own text: which of the texts of a number is the canonical one is not for us to say;
* everything that is left unchecked is noted, so that it never looks like a pass.

>>> keeps_runbook_contract(audit=b'{"seq":0}', snapshot=b'{"status":"INIT"}')
True
>>> keeps_runbook_contract(audit=b'{"seq":0}', snapshot=b'{"phase":"INIT","status":"INIT"}')
False
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from c2lib.core.canon import EVENT_ID_KIND, canonical_json, sha256_hex
from c2lib.core.contract import AUDIT_FIELDS, EVENT_FIELDS, METRICS_FIELDS, SNAPSHOT_FIELDS, Field, FieldKind
from c2lib.core.states import SESSION_ENDS, SESSION_TABLE, STATUS_OF_PHASE, SessionPhase, SessionStatus, successors
from c2lib.core.text import shown
from c2lib.core.vocabulary import Artifact, AuditCode, EventKind
from c2lib.witness.events import EventLog, Observer
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.lines import (
    MAX_DECIMAL,
    MAX_LINE,
    PAYLOAD_CHECKS,
    JsonError,
    LineCheck,
    ObjectCheck,
    RunName,
    ordinary_object,
    strict_decoder,
    strict_json,
)
from c2lib.witness.reader import FileFacts
from c2lib.witness.snapshots import MAX_STATES

OWN_AUDIT_FIELDS = frozenset({"prev_hash", "entry_hash"})
"""Fields of an audit entry that the runbook's contract does not have."""

OWN_SNAPSHOT_FIELDS = frozenset({"schema_version", "phase"})
"""Fields of a snapshot that the runbook's contract does not have."""

MAX_NAMES = 100
"""Most words of another program that are counted by name, of events, codes and fields each."""

OTHERS = "(others)"
"""What the words beyond :data:`MAX_NAMES` are counted under."""

_REQUIRED: Mapping[Artifact, frozenset[str]] = {
    Artifact.EVENTS: frozenset({"event_id", "run_id", "strategy_id", "event_type", "ts_sim", "payload"}),
    Artifact.SNAPSHOTS: frozenset({"run_id", "strategy_id", "status"}),
    Artifact.AUDIT: frozenset({"seq", "ts", "level", "code", "message", "meta"}),
    Artifact.METRICS: frozenset({"run_id", "strategy_id"}),
}

_CLOSED_WORDS = frozenset({"schema_version", "status", "level"})
"""Choices that are the runbook's own; of every other choice another program may have words of its own."""


def keeps_runbook_contract(audit: bytes | None, snapshot: bytes | None) -> bool:
    """Whether the first lines of two files, where there are any, are those of another program."""
    seen = [
        (value.keys(), own)
        for value, own in ((_object(audit), OWN_AUDIT_FIELDS), (_object(snapshot), OWN_SNAPSHOT_FIELDS))
        if value
    ]
    return bool(seen) and not any(keys & own for keys, own in seen)


@dataclass(frozen=True, slots=True)
class FloatText:
    """A float of another program, as it was written."""

    text: str


def _float(text: str) -> FloatText:
    if len(text) > MAX_DECIMAL:
        raise JsonError(f"has a float of more than {MAX_DECIMAL} characters")
    return FloatText(text)


_DECODER = strict_decoder(_float)


def _object(data: bytes | None) -> dict[str, Any] | None:
    try:
        value = strict_json(data or b"", MAX_LINE, _DECODER)
    except JsonError:
        return None
    return value if isinstance(value, dict) else None


def text_of(value: Any) -> str:
    """Return the canonical text of a value whose floats are :class:`FloatText`; raise :class:`CanonicalFormError`.

    >>> text_of({"b": FloatText("1.50"), "a": [1, "x"]})
    '{"a":[1,"x"],"b":1.50}'
    """
    if isinstance(value, FloatText):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical_json(key)}:{text_of(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text_of, value)) + "]"
    return canonical_json(value)


def floats_in(value: Any) -> int:
    """Return how many floats stand anywhere in ``value``."""
    if isinstance(value, dict):
        return sum(map(floats_in, value.values()))
    if isinstance(value, list):
        return sum(map(floats_in, value))
    return int(isinstance(value, FloatText))


def count_name(counts: Counter[str], name: str) -> None:
    """Count a word of another program, the first :data:`MAX_NAMES` by name and the rest together."""
    counts[name if name in counts or len(counts) < MAX_NAMES else OTHERS] += 1


def listed(names: Iterable[str]) -> str:
    """Return words of another program as one bounded text."""
    return shown(", ".join(sorted(names)[:10]))


class RunbookFields(ObjectCheck):
    """The check of an object by the runbook: some fields must be there, others may, any other is noted."""

    def __init__(self, artifact: Artifact, fields: Iterable[Field]) -> None:
        loose = tuple(_loose(field, field.name in _REQUIRED[artifact]) for field in fields)
        super().__init__((field for field in loose if field.name in _REQUIRED[artifact]), closed=False)
        self._optional = {field.name: field for field in loose if field.name not in _REQUIRED[artifact]}
        self._known = {field.name for field in loose}
        self._artifact = artifact
        self._seen: set[str] = set()
        self._strange: Counter[str] = Counter()
        self._floats = 0

    def problems(self, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield ``(field, problem)`` for everything that is wrong with ``value``."""
        yield from super().problems(value)
        for name in value.keys() & self._optional.keys():
            problem = self._optional[name].problem_with(value[name])
            if problem:
                yield name, problem
        for name in sorted(value.keys() - self._known):
            count_name(self._strange, name)
        self._seen |= value.keys() & self._known
        self._floats += floats_in(value)

    def unchecked(self) -> Iterator[str]:
        """Yield what could not be checked for want of a field, or of a contract for it."""
        missing = self._known - self._seen
        if missing and self._seen:
            yield f"{self._artifact} has no {', '.join(sorted(missing))}"
        if self._strange:
            yield f"{self._artifact} has fields that the contract does not: {listed(self._strange)}"
        if self._floats:
            yield f"{self._artifact} has {self._floats} floats: how they are written, and what they add up to"


def _loose(field: Field, required: bool) -> Field:
    """Return a field as the runbook has it: without words and forms of c2lib's own."""
    if field.kind is FieldKind.TIME or (field.kind is FieldKind.CHOICE and field.name not in _CLOSED_WORDS):
        field = replace(field, kind=FieldKind.TEXT, choices=())
    return field if required else replace(field, nullable=True)


class RunbookCheck(LineCheck):
    """Turns the lines of another program's file into objects, and what is provably wrong into findings."""

    def __init__(self, artifact: Artifact, findings: Findings, run: RunName | None = None) -> None:
        super().__init__(artifact.value, (), findings, run)
        self.fields = RunbookFields(artifact, _FIELDS[artifact])
        self.check = self.fields

    def parse(self, data: bytes) -> Any:
        """Return the value of a line, a float as :class:`FloatText`; raise :class:`JsonError`."""
        return strict_json(data, MAX_LINE, _DECODER)

    def text(self, value: Any) -> str:
        """Return the canonical text of a value; raise :class:`CanonicalFormError`."""
        return text_of(value)


_FIELDS: Mapping[Artifact, tuple[Field, ...]] = {
    Artifact.EVENTS: EVENT_FIELDS,
    Artifact.SNAPSHOTS: tuple(field for field in SNAPSHOT_FIELDS if field.name not in OWN_SNAPSHOT_FIELDS),
    Artifact.AUDIT: tuple(field for field in AUDIT_FIELDS if field.name not in OWN_AUDIT_FIELDS),
    Artifact.METRICS: METRICS_FIELDS,
}


class Moments:
    """The times of one file in their order; what is no ISO 8601 text with a zone is counted, and not compared."""

    def __init__(self) -> None:
        self.unread = 0
        self._last: datetime | None = None
        self._last_text = ""

    def went_back(self, text: str | None) -> str | None:
        """Return the last time when ``text`` is before it, else ``None``."""
        moment = _moment(text)
        if moment is None:
            self.unread += 1
            return None
        before = self._last_text if self._last is not None and moment < self._last else None
        self._last, self._last_text = moment, text or ""
        return before


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


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


_EVENTS, _SNAPSHOTS, _AUDIT, _METRICS = Artifact.EVENTS, Artifact.SNAPSHOTS, Artifact.AUDIT, Artifact.METRICS
_COUNTER, _STATUS_runbook_run = FindingCode.COUNTER_WRONG, FindingCode.STATUS_PATH_WRONG
_ENDS = frozenset(STATUS_OF_PHASE[phase].value for phase in SESSION_ENDS)

NOT_CHECKED_RUNBOOK = (
    "the files keep the runbook's contract, not c2lib's: there is no manifest, no audit chain and no phase",
    "whether the files are those that the session wrote: an entry or event can have been written anew",
    "the config: its criteria, its strategy and its market",
    "whether a consistent tail of the run was left out",
    "whether the run's name is the folder's",
)

NOT_REFOLDED = "orders, fills and money: the payloads are the other program's own"

_NAMED_TOTALS = {
    "fills_total": EventKind.FILL,
    "orders_place_total": EventKind.ORDER_SUBMITTED,
    "safety_rail_trips_total": EventKind.RAIL_TRIPPED,
}

_STEPPING = (EventKind.STRATEGY_TICK, EventKind.ORDER_SUBMITTED, EventKind.FILL)


def looks_like_own_start(first: bytes | None) -> bool:
    """Whether the first event is a ``SESSION_START`` of c2lib's own contract."""
    event = ordinary_object(first or b"")
    payload = event.get("payload") if event else None
    if event is None or event.get("event_type") != EventKind.SESSION_START or not isinstance(payload, dict):
        return False
    return not list(PAYLOAD_CHECKS[EventKind.SESSION_START].problems(payload))


@dataclass(frozen=True, slots=True)
class RunbookRun:
    """The logs of a directory that keeps the runbook's contract; ``metrics`` is what the one object holds."""

    events: RunbookEvents | EventLog
    audit: RunbookAudit
    snapshots: RunbookSnapshots
    metrics_check: RunbookCheck
    run: RunName
    findings: Findings

    @classmethod
    def begin(cls, findings: Findings, first_event: bytes | None, observer: Observer | None) -> RunbookRun:
        """Return empty logs."""
        run = RunName()
        own = looks_like_own_start(first_event)
        return cls(
            EventLog(findings, run, observer) if own else RunbookEvents(findings, run),
            RunbookAudit(findings),
            RunbookSnapshots(findings, run),
            RunbookCheck(Artifact.METRICS, findings, run),
            run,
            findings,
        )

    def take(self, artifact: Artifact) -> Callable[[int, bytes], None]:
        """Return what takes the lines of a file in."""
        return {_EVENTS: self.events.take, _SNAPSHOTS: self.snapshots.take, _AUDIT: self.audit.take}[artifact]

    def compare(self, metrics: Mapping[str, Any] | None, measured: Mapping[str, FileFacts]) -> None:
        """Compare the files that were read to their end."""
        if self.audit.counts[AuditCode.SINK_WRITE_FAILED]:
            seen = "a sink that failed for good"
            self.findings.add(FindingCode.INCOMPLETE_RUN, _AUDIT, expected="sinks that took every line", seen=seen)
            return
        if _SNAPSHOTS in measured:
            self._last_snapshot(measured)
        if _EVENTS in measured and _SNAPSHOTS in measured:
            self._outcome()
        if metrics is not None:
            self._totals(metrics, measured)

    def _same(self, code: FindingCode, file: str, name: str, expected: object, seen: object) -> None:
        if seen is not None and expected is not None and seen != expected:
            self.findings.add(code, file, expected=f"{name} {expected}", seen=seen)

    def _last_snapshot(self, measured: Mapping[str, FileFacts]) -> None:
        last = self.snapshots.last
        if last.get("status") not in _ENDS:
            expected = f"one of {', '.join(sorted(_ENDS))} as the last status"
            self.findings.add(_STATUS_runbook_run, _SNAPSHOTS, expected=expected, seen=last.get("status") or "none")
        if _EVENTS in measured:
            self._same(_COUNTER, _SNAPSHOTS, "events_emitted", self.events.emitted, last.get("events_emitted"))
        if _AUDIT not in measured:
            return
        self._retries(_SNAPSHOTS, last.get("sink_retries"))
        phase = self.audit.phase
        if phase is not None and not self.audit.unread_moves:
            self._same(_STATUS_runbook_run, _SNAPSHOTS, "status", STATUS_OF_PHASE[phase].value, last.get("status"))
        for name in ("reject_code", "fail_code"):
            code = last.get(name)
            if code is not None and not self.audit.counts[code] and not self.audit.counts[OTHERS]:
                self.findings.add(_STATUS_runbook_run, _SNAPSHOTS, expected=f"a {name} that the audit has", seen=code)

    def _outcome(self) -> None:
        status, events = self.snapshots.last.get("status"), self.events
        if status == SessionStatus.COMPLETED and events.last_kind != EventKind.SESSION_STOP:
            seen = events.last_kind or "none"
            expected = "SESSION_STOP as the last event of a completed run"
            self.findings.add(FindingCode.SEQUENCE_BROKEN, _EVENTS, expected=expected, seen=seen)
        stepped = [kind.value for kind in _STEPPING if events.counts[kind]]
        if status == SessionStatus.REJECTED and stepped:
            self.findings.add(_STATUS_runbook_run, _EVENTS, expected="no step of a rejected run", seen=stepped[0])

    def _retries(self, file: str, seen: int | None) -> None:
        most = self.audit.retries
        least = most - self.audit.tail_retries
        if seen is not None and not least <= seen <= most:
            self.findings.add(_COUNTER, file, expected=f"sink_retries {least} to {most}", seen=seen)

    def _totals(self, metrics: Mapping[str, Any], measured: Mapping[str, FileFacts]) -> None:
        self._same(_STATUS_runbook_run, _METRICS, "status", self.snapshots.last.get("status"), metrics.get("status"))
        if _EVENTS in measured:
            self._same(_COUNTER, _METRICS, "events_emitted", self.events.emitted, metrics.get("events_emitted"))
            for name, kind in _NAMED_TOTALS.items():
                self._same(_COUNTER, _METRICS, name, self.events.counts[kind], metrics.get(name))
        if _AUDIT in measured:
            self._retries(_METRICS, metrics.get("sink_retries"))
            most, seen = self.audit.emitted, metrics.get("audit_events")
            least = most - self.audit.tail
            if seen is not None and not least <= seen <= most:
                self.findings.add(_COUNTER, _METRICS, expected=f"audit_events {least} to {most}", seen=seen)

    def unchecked(self, other_files: list[str]) -> tuple[str, ...]:
        """Return everything that could not be checked."""
        return (*NOT_CHECKED_RUNBOOK, *self._left_open(other_files))

    def _left_open(self, other_files: list[str]) -> Iterator[str]:
        if isinstance(self.events, RunbookEvents):
            yield NOT_REFOLDED
            if self.events.strange_kinds:
                yield f"events of types that the contract does not have: {listed(self.events.strange_kinds)}"
            yield from self.events.checks.fields.unchecked()
        for log in (self.events, self.snapshots, self.audit):
            if not isinstance(log, EventLog) and log.moments.unread:
                yield f"the order of {log.moments.unread} times of {log.artifact}, which are no ISO 8601 with a zone"
        yield from self.snapshots.checks.fields.unchecked()
        yield from self.audit.checks.fields.unchecked()
        yield from self.metrics_check.fields.unchecked()
        if self.audit.unread_moves:
            yield f"{self.audit.unread_moves} phase moves, which name no phases of the contract"
        if other_files:
            yield f"other files: {listed(other_files)}"
