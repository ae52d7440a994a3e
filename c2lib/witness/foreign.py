"""The run of another program that keeps the runbook's contract: no chain, no phases, payloads of its own.

What the runbook names must be there, in its form and in agreement; what else the contract has may be there in its form.
A float stands as it was written. Whatever stays unchecked is listed, so that it never looks like a pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from c2lib.core.canon import canonical_json
from c2lib.core.contract import AUDIT_FIELDS, EVENT_FIELDS, METRICS_FIELDS, SNAPSHOT_FIELDS, Field, FieldKind
from c2lib.core.states import SESSION_ENDS, SESSION_TABLE, STATUS_OF_PHASE, SessionPhase, SessionStatus, successors
from c2lib.core.text import shown
from c2lib.core.vocabulary import Artifact, AuditCode, EventKind
from c2lib.witness.events import EventLog, check_identity, is_own_start
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.lines import MAX_DECIMAL, JsonError, LineLog, RunName, strict_json
from c2lib.witness.reader import FileFacts
from c2lib.witness.snapshots import GROWING, MAX_STATES, STATUSES_OF_CODE

_EVENTS, _SNAPSHOTS, _AUDIT, _METRICS = Artifact.EVENTS, Artifact.SNAPSHOTS, Artifact.AUDIT, Artifact.METRICS
_COUNTER, _SEQUENCE, _STATUS = FindingCode.COUNTER_WRONG, FindingCode.SEQUENCE_BROKEN, FindingCode.STATUS_PATH_WRONG

_OWN_FIELDS = {_AUDIT: frozenset({"prev_hash", "entry_hash"}), _SNAPSHOTS: frozenset({"schema_version", "phase"})}
"""Fields that only c2lib's own contract has."""

_KINDS = frozenset(EventKind)
_STEPPING = (EventKind.STRATEGY_TICK, EventKind.ORDER_SUBMITTED, EventKind.FILL)
_KIND_OF_TOTAL = {
    "fills_total": EventKind.FILL,
    "orders_place_total": EventKind.ORDER_SUBMITTED,
    "safety_rail_trips_total": EventKind.RAIL_TRIPPED,
}

_ENDS = tuple(sorted(STATUS_OF_PHASE[phase] for phase in SESSION_ENDS))
_STATUSES_OF = {
    **{f"{kind}_{part}": of for kind, of in STATUSES_OF_CODE.items() for part in ("code", "reason")},
    "ended_ts": _ENDS,
}
"""The statuses in which a snapshot may have a field."""
_MOVES = {(STATUS_OF_PHASE[before], STATUS_OF_PHASE[after]) for (before, _), after in SESSION_TABLE.items()}

NOT_CHECKED_RUNBOOK = (
    "the files keep the runbook's contract, not c2lib's: there is no manifest, no audit chain and no phase",
    "whether the files are those that the session wrote: an entry or event can have been written anew",
    "the config: its criteria, its strategy and its market",
    "whether a consistent tail of the run was left out",
    "whether the run's name is the folder's",
)

NOT_REFOLDED = "orders, fills and money: the payloads are the other program's own"

_CLOSED_WORDS = frozenset({"schema_version", "status", "level"})
"""Choices that are the runbook's own; of every other choice another program may have words of its own."""


def _runbook_fields(artifact: Artifact, fields: Iterable[Field], required: str) -> tuple[Field, ...]:
    """Return the fields without c2lib's own names, forms and words: the required ones, then the nullable others."""
    loose = []
    for field in fields:
        if field.kind is FieldKind.TIME or (field.kind is FieldKind.CHOICE and field.name not in _CLOSED_WORDS):
            field = replace(field, kind=FieldKind.TEXT, choices=())
        if field.name not in _OWN_FIELDS.get(artifact, ()):
            loose.append(replace(field, nullable=field.name not in required.split()))
    return tuple(sorted(loose, key=lambda field: field.nullable))


_FIELDS = {
    artifact: _runbook_fields(artifact, fields, required)
    for artifact, fields, required in (
        (_EVENTS, EVENT_FIELDS, "event_id run_id strategy_id event_type ts_sim ts_utc payload"),
        (_SNAPSHOTS, SNAPSHOT_FIELDS, "run_id strategy_id status"),
        (_AUDIT, AUDIT_FIELDS, "seq ts level code message meta"),
        (_METRICS, METRICS_FIELDS, "run_id strategy_id status events_emitted audit_events sink_retries"),
    )
}

MAX_NAMES = 100
"""Most words of another program that are counted by name, of events, codes and fields each."""

OTHERS = "(others)"
"""What the words beyond :data:`MAX_NAMES` are counted under."""


def count_name(counts: Counter[str], name: str) -> None:
    """Count a word of another program, the first :data:`MAX_NAMES` by name and the rest together."""
    counts[name if name in counts or len(counts) < MAX_NAMES else OTHERS] += 1


def _listed(names: Iterable[str]) -> str:
    return shown(", ".join(sorted(names)[:10]))


@dataclass(frozen=True, slots=True)
class FloatText:
    """A float of another program, as it was written."""

    text: str


def _float(text: str) -> FloatText:
    if len(text) > MAX_DECIMAL:
        raise JsonError(f"has a float of more than {MAX_DECIMAL} characters")
    return FloatText(text)


_strict_json = partial(strict_json, parse_float=_float)


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


def _floats_in(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, FloatText) + sum(map(_floats_in, inner))


def keeps_runbook_contract(audit: bytes | None, snapshot: bytes | None) -> bool:
    """Whether the first lines of two files, where there are any, have no field that only c2lib's contract has."""
    own = []
    for artifact, data in ((_AUDIT, audit), (_SNAPSHOTS, snapshot)):
        with suppress(JsonError):
            value = _strict_json(data or b"")
            if isinstance(value, dict) and value:
                own.append(bool(value.keys() & _OWN_FIELDS[artifact]))
    return bool(own) and not any(own)


class RunbookFile(LineLog):
    """One file of another program: what is provably wrong with its lines becomes findings, the rest is listed."""

    closed = False
    parse = staticmethod(_strict_json)
    text = staticmethod(text_of)
    _floats = _unread_times = 0
    _last_time: tuple[datetime, str] | None = None

    def __init__(self, artifact: Artifact, findings: Findings, run: RunName | None = None) -> None:
        super().__init__(artifact.value, _FIELDS[artifact], findings, run)
        self.counts: Counter[str] = Counter()
        self.known = {field.name for field in _FIELDS[artifact]}
        self._seen: set[str] = set()
        self._strange: Counter[str] = Counter()

    def well_formed(self, fields: Iterable[Field], value: Mapping[str, Any], *, closed: bool) -> bool:
        """Whether an object has its fields; also counts what :meth:`unchecked` lists."""
        self._seen |= value.keys() & self.known
        for name in sorted(value.keys() - self.known):
            count_name(self._strange, name)
        self._floats += _floats_in(value)
        asked = (field for field in fields if field.name in value or not field.nullable)
        return super().well_formed(asked, value, closed=closed)

    def same_known(self, code: FindingCode, name: str, expected: object, seen: object) -> None:
        """Require what was ``seen`` in a field to be as ``expected``, where both are known."""
        if expected is not None and seen is not None:
            self.same(code, name, expected, seen)

    def _time(self, name: str, text: str) -> None:
        """Require a time not before the last one; what is no ISO 8601 text with a zone is counted, not compared."""
        with suppress(ValueError):
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is not None:
                last, last_text = self._last_time or (moment, text)
                self.require(moment >= last, FindingCode.CLOCK_WENT_BACK, f"a {name} not before {last_text}", text)
                self._last_time = moment, text
                return
        self._unread_times += 1

    def unchecked(self) -> Iterator[str]:
        """Yield what could not be checked for want of a field, or of a contract for it."""
        if self._seen and (missing := self.known - self._seen):
            yield f"{self.file} has no {', '.join(sorted(missing))}"
        if self._strange:
            yield f"{self.file} has fields that the contract does not: {_listed(self._strange)}"
        if self._floats:
            yield f"{self.file} has {self._floats} floats: how they are written, and what they add up to"
        if self._unread_times:
            yield f"the order of {self._unread_times} times of {self.file}, which are no ISO 8601 with a zone"


class _Events(RunbookFile):
    """The events so far; ``last_kind`` is the last that the contract has."""

    last_kind = ""

    def _fold(self, value: Mapping[str, Any]) -> None:
        kind = value["event_type"]
        check_identity(self, value)
        self._time("ts_utc", value["ts_utc"])
        count_name(self.counts, kind)
        if kind not in _KINDS:
            return
        last, self.last_kind = self.last_kind, kind
        if kind == EventKind.SESSION_START:
            self.require(not last, _SEQUENCE, f"{kind} before every other event, and once", f"{kind} after {last}")
        else:
            self.require(last != EventKind.SESSION_STOP, _SEQUENCE, f"no event after {last}", kind)


class _Audit(RunbookFile):
    """The audit trail so far.

    ``retries`` counts writes that were tried again; ``tail`` counts the entries about them that stand last, and
    ``end_retries`` the retries before those. ``phase`` is where the moves have led to, ``None`` where none was read.
    """

    number = "seq"
    retries = end_retries = tail = unread_moves = 0
    phase: SessionPhase | None = None
    names: RunName
    seed: int | None = None

    def _fold(self, value: Mapping[str, Any]) -> None:
        code, meta = value["code"], value["meta"]
        self._time("ts", value["ts"])
        if type(meta.get("seed")) is int:
            self.seed = meta["seed"] if self.seed is None else self.seed
        names = {name: getattr(self.names, name) for name in ("run_id", "strategy_id") if self.names.known}
        for name, known in {**names, "seed": self.seed}.items():
            if type(meta.get(name)) is type(known):
                self.same(FindingCode.WRONG_RUN, f"meta.{name}", known, meta.get(name))
        for name in sorted(_OWN_FIELDS[_AUDIT]):
            expected, seen = f"{name} in every entry or in none", f"{name} in this one"
            self.require(name not in value, FindingCode.CONTRACT_BROKEN, expected, seen)
        if code == AuditCode.DRYRUN_START and not self.counts[code]:
            self.require(not self.counts, _SEQUENCE, f"{code} as the first entry", "entries before it")
        elif code in (AuditCode.DRYRUN_START, AuditCode.DRYRUN_STOP):
            self.require(not self.counts[code], _SEQUENCE, f"{code} once", "another one")
        count_name(self.counts, code)
        if code == AuditCode.SINK_WRITE_RETRY:
            claimed = meta.get("retries")
            self.retries += claimed if type(claimed) is int and claimed > 0 else 1
        if code in (AuditCode.SINK_WRITE_RETRY, AuditCode.SINK_WRITE_FAILED):
            self.tail += 1
        else:
            self.end_retries, self.tail = self.retries, 0
        if code == AuditCode.PHASE_TRANSITION:
            self._move(str(meta.get("from")), str(meta.get("to")))

    def _move(self, from_: str, to: str) -> None:
        try:
            before, after = SessionPhase(from_), SessionPhase(to)
        except ValueError:
            self.unread_moves += 1
            return
        code, now = FindingCode.PHASE_PATH_FORBIDDEN, self.phase or SessionPhase.INIT
        self.require(self.unread_moves > 0 or before is now, code, f"a move from {now}", f"from {before}")
        self.require(after in successors(before), code, "a move of the session table", f"{before} to {after}")
        self.phase = after


class _Snapshots(RunbookFile):
    """The snapshots so far; ``last`` is the last usable one, ``states`` their statuses and events emitted."""

    last: Mapping[str, Any] = MappingProxyType({})
    states: tuple[tuple[str, int], ...] = ()
    started_ts: str | None = None

    def _fold(self, value: Mapping[str, Any]) -> None:
        status, before = value["status"], self.last.get("status")
        self.started_ts = self.started_ts or value.get("started_ts")
        self.same_known(_STATUS, "started_ts", self.started_ts, value.get("started_ts"))
        for name, statuses in _STATUSES_OF.items():
            holds = value.get(name) is None or status in statuses
            self.require(holds, _STATUS, f"no {name} of status {status}", value.get(name))
        follows = before != status and (before, status) in _MOVES if before else status == SessionStatus.INIT
        self.require(follows, _STATUS, f"a status that may follow {before}" if before else "INIT first", status)
        for name in GROWING:
            known, seen = self.last.get(name), value.get(name)
            if known is not None and seen is not None:
                self.require(seen >= known, _COUNTER, f"{name} of {known} or more", seen)
        self.last = value
        if len(self.states) < MAX_STATES:
            self.states += ((status, value.get("events_emitted") or 0),)


class RunbookRun:
    """The files of a directory that keeps the runbook's contract; ``events`` of c2lib's own are refolded."""

    def __init__(self, findings: Findings, first_event: bytes | None) -> None:
        self.run = run = RunName()
        own = is_own_start(first_event)
        self.events = EventLog(findings, run) if own else _Events(_EVENTS, findings, run)
        self.snapshots = _Snapshots(_SNAPSHOTS, findings, run)
        self.audit = _Audit(_AUDIT, findings)
        self.audit.names = run
        self.metrics = RunbookFile(_METRICS, findings, run)
        self.logs: tuple[LineLog, ...] = self.events, self.snapshots, self.audit

    def compare(self, metrics: Mapping[str, Any] | None, measured: Mapping[str, FileFacts]) -> None:
        """Compare the files that were read to their end."""
        dead, expected = self.audit.counts[AuditCode.SINK_WRITE_FAILED], "sinks that took every line"
        self.audit.require(not dead, FindingCode.INCOMPLETE_RUN, expected, "a sink that failed for good")
        if dead:
            return
        last = self.snapshots.last
        if _SNAPSHOTS in measured:
            self._ending(last, measured)
        if metrics is not None:
            self.metrics.same_known(_STATUS, "status", last.get("status"), metrics["status"])
            self.audit.same_known(FindingCode.WRONG_RUN, "meta.seed", metrics.get("seed"), self.audit.seed)
            self._counts(self.metrics, metrics, measured)

    def _ending(self, last: Mapping[str, Any], measured: Mapping[str, FileFacts]) -> None:
        audit, file, events, status = self.audit, self.snapshots, self.events, last.get("status")
        file.require(status in _ENDS, _STATUS, f"one of {', '.join(_ENDS)} as the last status", status or "none")
        self._counts(file, last, measured)
        if _AUDIT in measured:
            if audit.phase is not None and not audit.unread_moves:
                file.same_known(_STATUS, "status", STATUS_OF_PHASE[audit.phase], status)
            codes = [(file, last.get("reject_code")), (file, last.get("fail_code"))]
            stop = None if status == SessionStatus.REJECTED else AuditCode.DRYRUN_STOP
            for place, code in ((audit, AuditCode.DRYRUN_START), (audit, stop), *codes):
                known = code is None or audit.counts[code] or audit.counts[OTHERS]
                place.require(bool(known), _STATUS, "a code that the audit has", code)
        if _EVENTS in measured and status == SessionStatus.COMPLETED:
            expected, kind = "SESSION_STOP as the last event of a completed run", events.last_kind
            events.require(kind == EventKind.SESSION_STOP, _SEQUENCE, expected, kind or "none")
        if _EVENTS in measured and status == SessionStatus.REJECTED:
            step = next((kind for kind in _STEPPING if events.counts[kind]), None)
            events.require(step is None, _STATUS, "no step of a rejected run", step)

    def _counts(self, file: RunbookFile, value: Mapping[str, Any], measured: Mapping[str, FileFacts]) -> None:
        """Compare those of the counts that a file has; the last audit entries may come after it was written."""
        events, audit = self.events, self.audit
        of_events = {name: events.counts[kind] for name, kind in _KIND_OF_TOTAL.items()}
        of_events["events_emitted"] = events.emitted
        ranges = {
            "sink_retries": (audit.end_retries, audit.retries),
            "audit_events": (audit.emitted - audit.tail, audit.emitted),
        }
        for name, count in of_events.items():
            if _EVENTS in measured and name in file.known:
                file.same_known(_COUNTER, name, count, value.get(name))
        for name, (least, most) in ranges.items():
            if _AUDIT in measured and name in file.known and (seen := value.get(name)) is not None:
                file.require(least <= seen <= most, _COUNTER, f"{name} {least} to {most}", seen)

    def unchecked(self, other_files: Iterable[str]) -> Iterator[str]:
        """Yield everything that could not be checked; ``other_files`` are those beside the four."""
        yield from NOT_CHECKED_RUNBOOK
        if isinstance(self.events, _Events):
            yield NOT_REFOLDED
            if strange := self.events.counts.keys() - _KINDS:
                yield f"events of types that the contract does not have: {_listed(strange)}"
            yield from self.events.unchecked()
        for file in (self.snapshots, self.audit, self.metrics):
            yield from file.unchecked()
        if self.audit.unread_moves:
            yield f"{self.audit.unread_moves} phase moves, which name no phases of the contract"
        if other_files:
            yield f"other files: {_listed(other_files)}"
