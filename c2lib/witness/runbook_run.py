"""A run of another program, judged as far as the runbook's contract goes.

Rules kept here:

* counts in metrics and snapshots are compared with lines; a count that is not there is compared with nothing;
* metrics may know fewer audit entries and retries than the audit trail: exactly those about retries that stand last;
* events that begin as c2lib's own are held to c2lib's contract, and their orders and books refolded;
* what was not checked is said: always the seal, the chain and the config, and whatever this run leaves open.

>>> looks_like_own_start(b'{"event_type":"SESSION_START","payload":{"clock_mode":"fixed"}}')
False
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from c2lib.core.states import SESSION_ENDS, STATUS_OF_PHASE, SessionStatus
from c2lib.core.vocabulary import Artifact, AuditCode, EventKind
from c2lib.witness.checks import PAYLOAD_CHECKS, RunName, ordinary_object
from c2lib.witness.events import EventLog, Observer
from c2lib.witness.facts import FileFacts, FindingCode, RunSummary
from c2lib.witness.findings import Findings
from c2lib.witness.refold import decimal_text
from c2lib.witness.runbook import OTHERS, RunbookCheck, listed
from c2lib.witness.runbook_logs import RunbookAudit, RunbookEvents, RunbookSnapshots

_EVENTS, _SNAPSHOTS, _AUDIT, _METRICS = Artifact.EVENTS, Artifact.SNAPSHOTS, Artifact.AUDIT, Artifact.METRICS
_COUNTER, _STATUS = FindingCode.COUNTER_WRONG, FindingCode.STATUS_PATH_WRONG
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
            self.findings.add(_STATUS, _SNAPSHOTS, expected=expected, seen=last.get("status") or "none")
        if _EVENTS in measured:
            self._same(_COUNTER, _SNAPSHOTS, "events_emitted", self.events.emitted, last.get("events_emitted"))
        if _AUDIT not in measured:
            return
        self._retries(_SNAPSHOTS, last.get("sink_retries"))
        phase = self.audit.phase
        if phase is not None and not self.audit.unread_moves:
            self._same(_STATUS, _SNAPSHOTS, "status", STATUS_OF_PHASE[phase].value, last.get("status"))
        for name in ("reject_code", "fail_code"):
            code = last.get(name)
            if code is not None and not self.audit.counts[code] and not self.audit.counts[OTHERS]:
                self.findings.add(_STATUS, _SNAPSHOTS, expected=f"a {name} that the audit has", seen=code)

    def _outcome(self) -> None:
        status, events = self.snapshots.last.get("status"), self.events
        if status == SessionStatus.COMPLETED and events.last_kind != EventKind.SESSION_STOP:
            seen = events.last_kind or "none"
            expected = "SESSION_STOP as the last event of a completed run"
            self.findings.add(FindingCode.SEQUENCE_BROKEN, _EVENTS, expected=expected, seen=seen)
        stepped = [kind.value for kind in _STEPPING if events.counts[kind]]
        if status == SessionStatus.REJECTED and stepped:
            self.findings.add(_STATUS, _EVENTS, expected="no step of a rejected run", seen=stepped[0])

    def _retries(self, file: str, seen: int | None) -> None:
        most = self.audit.retries
        least = most - self.audit.tail_retries
        if seen is not None and not least <= seen <= most:
            self.findings.add(_COUNTER, file, expected=f"sink_retries {least} to {most}", seen=seen)

    def _totals(self, metrics: Mapping[str, Any], measured: Mapping[str, FileFacts]) -> None:
        self._same(_STATUS, _METRICS, "status", self.snapshots.last.get("status"), metrics.get("status"))
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

    def summary(self, metrics: Mapping[str, Any] | None, measured: Mapping[str, FileFacts]) -> RunSummary:
        """Return the run in numbers and names, as far as its log tells them."""
        last, seed = self.snapshots.last, (metrics or {}).get("seed")
        books = self.events.books if isinstance(self.events, EventLog) else None
        return RunSummary(
            run_id=self.run.run_id,
            strategy_id=self.run.strategy_id,
            seed=seed,
            status=last.get("status") or "",
            reject_code=last.get("reject_code"),
            reject_reason=last.get("reject_reason"),
            fail_code=last.get("fail_code"),
            fail_reason=last.get("fail_reason"),
            started_ts=last.get("started_ts"),
            ended_ts=last.get("ended_ts"),
            fills=self.events.counts[EventKind.FILL],
            position=decimal_text(books.position) if books else "0",
            cash=decimal_text(books.cash) if books else "0",
            equity=decimal_text(books.equity) if books else "0",
            fees=decimal_text(books.fees) if books else "0",
            rail_trips=self.events.counts[EventKind.RAIL_TRIPPED],
            sink_retries=self.audit.retries,
            statuses=tuple(self.snapshots.states),
            event_counts=dict(sorted(self.events.counts.items())),
            audit_counts=dict(sorted(self.audit.counts.items())),
            audit_entries=self.audit.emitted,
            artifacts=dict(measured),
        )
