"""Whether the files of a run agree: events, audit, snapshots and metrics, with each other and with what was refolded.

A file that could not be read is compared with nothing. Where a sink failed for good the record is known to be cut:
that is reported once, and nothing is compared. Where a NO-LIVE violation came late, the closing entries stand twice;
metrics and the last snapshot may be of either closing, and their ends are not compared. Metrics may know fewer audit
entries and retries than the audit trail: exactly those that came while closing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

from c2lib.core.states import (
    SESSION_ENDS,
    STATUS_OF_PHASE,
    TRIGGER_OF_FAIL_CODE,
    SessionPhase,
    SessionStatus,
    SessionTrigger,
)
from c2lib.core.vocabulary import Artifact, AuditCode, EventKind, StopReason
from c2lib.witness.audit import AuditLog, PhaseMove
from c2lib.witness.events import EventLog
from c2lib.witness.findings import FileFindings, FindingCode, Findings
from c2lib.witness.snapshots import SnapshotLog, State

_COUNTER, _SEQUENCE, _STATUS = FindingCode.COUNTER_WRONG, FindingCode.SEQUENCE_BROKEN, FindingCode.STATUS_PATH_WRONG

_TRIGGER_OF_STOP = {StopReason.COMPLETED: SessionTrigger.BOUND_REACHED, StopReason.CANCELLED: SessionTrigger.CANCELLED}


class Logs(NamedTuple):
    """What reading a directory gave; ``read`` names the files that were read to their end."""

    events: EventLog
    audit: AuditLog
    snapshots: SnapshotLog
    metrics: Mapping[str, Any] | None
    read: frozenset[str]

    @property
    def status(self) -> SessionStatus:
        """The status that follows from the path of phases."""
        return STATUS_OF_PHASE[self.audit.phase]


def compare(logs: Logs, findings: Findings) -> None:
    """Compare the files that were read."""
    if logs.audit.dead_sinks or Artifact.AUDIT not in logs.read:
        return
    comparison = _Comparison(logs, findings)
    if Artifact.SNAPSHOTS in logs.read:
        comparison.path()
        if not logs.audit.closed_twice:
            comparison.closing()
    if Artifact.EVENTS in logs.read:
        comparison.outcome()
        comparison.order()
        comparison.stop()
    if logs.metrics is not None:
        if not logs.audit.closed_twice:
            comparison.control_totals(logs.metrics)
        if Artifact.EVENTS in logs.read:
            comparison.event_totals(logs.metrics)


class _Comparison:
    """The comparisons, and where the findings of each file are recorded."""

    def __init__(self, logs: Logs, findings: Findings) -> None:
        self._logs = logs
        self._events = FileFindings(Artifact.EVENTS.value, findings)
        self._audit = FileFindings(Artifact.AUDIT.value, findings)
        self._snapshots = FileFindings(Artifact.SNAPSHOTS.value, findings)
        self._metrics = FileFindings(Artifact.METRICS.value, findings)

    def path(self) -> None:
        """Expect the snapshots of the path of phases, at the events at which it moved."""
        moves, states = self._logs.audit.moves, self._logs.snapshots.states
        expected = _expected_states(moves)
        if self._logs.audit.closed_twice:
            # one of the two ends was never made, but its snapshot may have been taken by then
            before = [move for move in moves if SessionPhase(move.after) not in SESSION_ENDS]
            if states == _expected_states([*before, *moves[len(before) :][:1]]):
                return
            expected = _expected_states([*before, *moves[-1:]])
        for line, sides in enumerate(zip_longest(expected, states), start=1):
            if sides[0] != sides[1]:
                self._snapshots.line = line
                self._snapshots.add(_STATUS, *map(_state, sides))
                self._snapshots.line = 0
                return

    def closing(self) -> None:
        """Expect the last snapshot to say of the end what the audit trail says."""
        audit, last, file = self._logs.audit, self._logs.snapshots.last, self._snapshots
        if not last or not audit.stop_meta:
            return
        file.same(_COUNTER, "step", audit.stop_meta.get("steps"), last["step"])
        file.same(_STATUS, "meta.stop_reason", audit.stop_meta.get("stop_reason"), last["meta"].get("stop_reason"))
        file.same(_STATUS, "started_ts", audit.first_ts, last["started_ts"])
        file.same(_STATUS, "ended_ts", audit.end_ts, last["ended_ts"])
        for name in ("reject_code", "fail_code"):
            known = last[name] is None or audit.counts[last[name]] > 0
            file.require(known, _STATUS, f"a {name} that the audit has", last[name])
        if last["fail_code"] is not None and audit.moves:
            trigger = TRIGGER_OF_FAIL_CODE[last["fail_code"]]
            self._audit.same(_STATUS, "last trigger", trigger, audit.moves[-1].trigger)
        low, high, retries = audit.end_retries, audit.retries, last["sink_retries"]
        file.require(low <= retries <= high, _COUNTER, f"sink_retries {low} to {high}", retries)

    def outcome(self) -> None:
        """Expect the events of a session that ended so."""
        events, status, require = self._logs.events, self._logs.status, self._events.require
        started, last = events.counts[EventKind.SESSION_START] > 0, events.last_kind
        if status is SessionStatus.REJECTED:
            self._rejected()
        elif status is SessionStatus.COMPLETED or started:
            require(started, _SEQUENCE, "SESSION_START of a session that ran", "none")
            require(last == EventKind.SESSION_STOP, _SEQUENCE, "SESSION_STOP as the last event", last or "none")
        else:
            nothing = events.emitted == events.counts[EventKind.RAIL_TRIPPED]
            require(nothing, _SEQUENCE, "no event of a session never announced", last)

    def _rejected(self) -> None:
        events, audit, last = self._logs.events, self._logs.audit, self._logs.snapshots.last
        rejection = events.books.rejection
        if events.emitted != 1 or not rejection:
            self._events.add(_SEQUENCE, "one event, REJECTED", f"{events.emitted} events")
            return
        for name in ("code", "reason") if last else ():
            self._snapshots.same(_STATUS, f"reject_{name}", rejection[name], last[f"reject_{name}"])
        audited = audit.counts[rejection["code"]] > 0 and audit.failed_checks > 0
        self._audit.require(audited, _STATUS, "the check that failed, and its code", "none")

    def order(self) -> None:
        """Expect events and phase moves at the same counts and times; moves never go back, so the last one counts."""
        events, audit = self._logs.events, self._logs.audit
        if audit.moves and audit.phase in SESSION_ENDS:
            self._audit.same(_COUNTER, "ts_sim of the last move", events.emitted, audit.moves[-1].ts_sim)
        if events.first_ts:
            self._events.same(_COUNTER, "ts_utc of the first event", audit.first_ts, events.first_ts)
        if events.last_kind in (EventKind.SESSION_STOP, EventKind.REJECTED):
            self._events.same(_COUNTER, "ts_utc of the last event", audit.end_ts, events.last_ts)

    def stop(self) -> None:
        """Expect ``SESSION_STOP`` to fit the way in which the session ended."""
        events, audit, file = self._logs.events, self._logs.audit, self._events
        stop, start = events.books.stop, events.books.start
        if not stop or not start:
            return
        reason, steps, planned = stop["stop_reason"], stop["steps"], start["steps"]
        failed, triggers = reason == StopReason.FAILED, [move.trigger for move in audit.moves]
        file.same(_COUNTER, "steps", audit.stop_meta.get("steps"), steps)
        # a violation of NO-LIVE may come after the last event was written, and turns the outcome all the same
        if triggers[-1:] != [SessionTrigger.NO_LIVE_VIOLATED]:
            file.same(_STATUS, "stop_reason", audit.stop_meta.get("stop_reason"), reason)
            holds = (self._logs.status is SessionStatus.FAILED) is failed
            file.require(holds, _STATUS, f"a stop_reason of {self._logs.status}", reason)
        trigger = _TRIGGER_OF_STOP.get(reason)
        self._audit.require(trigger is None or trigger in triggers, _STATUS, f"a move on {trigger}", "none")
        holds = steps <= planned and (reason != StopReason.COMPLETED or steps == planned)
        file.require(holds, _COUNTER, f"steps as planned, {planned}", steps)
        before = events.before_last_kind
        file.require(failed or before == EventKind.RECONCILED, _SEQUENCE, "RECONCILED before SESSION_STOP", before)

    def control_totals(self, metrics: Mapping[str, Any]) -> None:
        """Expect the metrics that the audit trail adds up to."""
        audit, file, snapshot = self._logs.audit, self._metrics, self._logs.snapshots.last
        if audit.phase not in SESSION_ENDS:
            return
        file.same(_STATUS, "status", self._logs.status, metrics["status"])
        file.same(_STATUS, "orchestrator_state", audit.phase, metrics["orchestrator_state"])
        attempts = audit.stop_meta.get("no_live_attempts")
        file.same(_COUNTER, "no_live_attempts_total", attempts, metrics["no_live_attempts_total"])
        low, high, seen = audit.end_entries, audit.end_entries + len(audit.tail), metrics["audit_events"]
        if not low <= seen <= high:
            file.add(_COUNTER, f"audit_events {low} to {high}", seen)
            return
        known = audit.tail[: seen - low]
        retries = audit.end_retries + sum(entry.retries for entry in known)
        last_ts = known[-1].ts if known else audit.end_ts
        file.same(_COUNTER, "sink_retries", retries, metrics["sink_retries"])
        file.same(_COUNTER, "last_audit_event_ts", last_ts, metrics["last_audit_event_ts"])
        if snapshot and seen == high:
            self._snapshots.same(_COUNTER, "sink_retries", retries, snapshot["sink_retries"])

    def event_totals(self, metrics: Mapping[str, Any]) -> None:
        """Expect the metrics that the events add up to; of broker calls the log shows only the least number."""
        events, books, audited = self._logs.events, self._logs.events.books, self._logs.audit.counts
        counts = events.counts
        totals = {
            "events_emitted": events.emitted,
            "fills_total": counts[EventKind.FILL],
            "orders_place_total": counts[EventKind.ORDER_SUBMITTED],
            "order_state_transitions_total": books.transitions,
            "reconcile_mismatches_total": books.mismatches,
            "safety_rail_trips_total": counts[EventKind.RAIL_TRIPPED],
            "orders_blocked_total": counts[EventKind.ORDER_BLOCKED],
            "faults_injected_total": counts[EventKind.FAULT_INJECTED],
            "reconciler_last_ok_ts": events.clean_reconciled_ts,
        }
        for name, expected in totals.items():
            self._metrics.same(_COUNTER, name, expected, metrics[name])
        least = {
            "orders_cancel_total": books.cancels_asked,
            "orders_query_total": counts[EventKind.RECONCILED],
        }
        for name, count in least.items():
            self._metrics.require(metrics[name] >= count, _COUNTER, f"{name} of {count} or more", metrics[name])
        entries = {
            AuditCode.RAIL_TRIPPED: counts[EventKind.RAIL_TRIPPED],
            AuditCode.RECONCILE_MISMATCH: books.mismatches,
        }
        for code, expected in entries.items():
            self._audit.same(_COUNTER, f"{code} entries", expected, audited[code])


def _expected_states(moves: Iterable[PhaseMove]) -> list[State]:
    """Return the snapshots that a path of phases leaves."""
    expected = [State(SessionStatus.INIT, SessionPhase.INIT, 0)]
    for move in moves:
        status = STATUS_OF_PHASE[SessionPhase(move.after)]
        if status != expected[-1].status:
            expected.append(State(status, move.after, move.ts_sim))
    return expected


def _state(state: State | None) -> str:
    if state is None:
        return "no snapshot"
    return f"{state.status} in {state.phase} after {state.events_emitted} events"
