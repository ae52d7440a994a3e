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
from c2lib.witness.findings import FindingCode
from c2lib.witness.lines import LineCheck
from c2lib.witness.snapshots import SnapshotLog, State

_COUNTER, _SEQUENCE, _STATUS = FindingCode.COUNTER_WRONG, FindingCode.SEQUENCE_BROKEN, FindingCode.STATUS_PATH_WRONG

_TRIGGER_OF_STOP = {StopReason.COMPLETED: SessionTrigger.BOUND_REACHED, StopReason.CANCELLED: SessionTrigger.CANCELLED}


class Logs(NamedTuple):
    """What reading a directory gave; ``read`` names the files that were read to their end."""

    events: EventLog
    audit: AuditLog
    snapshots: SnapshotLog
    metrics: Mapping[str, Any] | None
    metrics_file: LineCheck
    read: frozenset[str]

    @property
    def status(self) -> SessionStatus:
        """The status that follows from the path of phases."""
        return STATUS_OF_PHASE[self.audit.phase]


def compare(logs: Logs) -> None:
    """Compare the files that were read."""
    if logs.audit.dead_sinks or Artifact.AUDIT not in logs.read:
        return
    if Artifact.SNAPSHOTS in logs.read:
        _path(logs)
        if not logs.audit.closed_twice:
            _closing(logs)
    if Artifact.EVENTS in logs.read:
        _outcome(logs)
        _order(logs)
        _stop(logs)
    if logs.metrics is not None:
        if not logs.audit.closed_twice:
            _control_totals(logs, logs.metrics)
        if Artifact.EVENTS in logs.read:
            _event_totals(logs, logs.metrics)


def _path(logs: Logs) -> None:
    """Expect the snapshots of the path of phases, at the events at which it moved."""
    moves, states = logs.audit.moves, logs.snapshots.states
    paths = [moves]
    if logs.audit.closed_twice:
        # one of the two ends was never made, but its snapshot may have been taken by then
        before = [move for move in moves if SessionPhase(move.after) not in SESSION_ENDS]
        paths = [[*before, *end] for end in (moves[len(before) :][:1], moves[-1:])]
    expected = [_expected_states(path) for path in paths]
    if states not in expected:
        texts = zip_longest(map(str, expected[-1]), map(str, states), fillvalue="no snapshot")
        line, wanted, seen = next((line, *pair) for line, pair in enumerate(texts, 1) if pair[0] != pair[1])
        logs.snapshots.findings.add(_STATUS, Artifact.SNAPSHOTS, line, expected=wanted, seen=seen)


def _closing(logs: Logs) -> None:
    """Expect the last snapshot to say of the end what the audit trail says."""
    audit, file, last = logs.audit, logs.snapshots, logs.snapshots.last
    if not last or not audit.stop_meta:
        return
    file.expect(_COUNTER, last, {"step": audit.stop_meta.get("steps")})
    stop_reason = audit.stop_meta.get("stop_reason")
    ends = {"meta.stop_reason": stop_reason, "started_ts": audit.first_ts, "ended_ts": audit.end_ts}
    file.expect(_STATUS, last, ends)
    for name in ("reject_code", "fail_code"):
        known = last[name] is None or audit.counts[last[name]] > 0
        file.require(known, _STATUS, f"a {name} that the audit has", last[name])
    if last["fail_code"] is not None and audit.moves:
        audit.same(_STATUS, "last trigger", TRIGGER_OF_FAIL_CODE[last["fail_code"]], audit.moves[-1].trigger)
    low, high, retries = audit.end_retries, audit.retries, last["sink_retries"]
    file.require(low <= retries <= high, _COUNTER, f"sink_retries {low} to {high}", retries)


def _outcome(logs: Logs) -> None:
    """Expect the events of a session that ended so."""
    events, audit, snapshots, status = logs.events, logs.audit, logs.snapshots, logs.status
    last, rejection, started = events.last_kind, events.books.rejection, events.counts[EventKind.SESSION_START] > 0
    if status is SessionStatus.REJECTED and (events.emitted != 1 or not rejection):
        events.add(_SEQUENCE, "one event, REJECTED", f"{events.emitted} events")
    elif status is SessionStatus.REJECTED:
        if snapshots.last:
            said = {f"reject_{name}": rejection[name] for name in ("code", "reason")}
            snapshots.expect(_STATUS, snapshots.last, said)
        audited = audit.counts[rejection["code"]] > 0 and audit.failed_checks > 0
        audit.require(audited, _STATUS, "the check that failed, and its code", "none")
    elif status is SessionStatus.COMPLETED or started:
        events.require(started, _SEQUENCE, "SESSION_START of a session that ran", "none")
        events.require(last == EventKind.SESSION_STOP, _SEQUENCE, "SESSION_STOP as the last event", last or "none")
    else:
        nothing = events.emitted == events.counts[EventKind.RAIL_TRIPPED]
        events.require(nothing, _SEQUENCE, "no event of a session never announced", last)


def _order(logs: Logs) -> None:
    """Expect events and phase moves at the same counts and times; moves never go back, so the last one counts."""
    events, audit = logs.events, logs.audit
    if audit.moves and audit.phase in SESSION_ENDS:
        audit.same(_COUNTER, "ts_sim of the last move", events.emitted, audit.moves[-1].ts_sim)
    if events.first_ts:
        events.same(_COUNTER, "ts_utc of the first event", audit.first_ts, events.first_ts)
    if events.last_kind in (EventKind.SESSION_STOP, EventKind.REJECTED):
        events.same(_COUNTER, "ts_utc of the last event", audit.end_ts, events.last_ts)


def _stop(logs: Logs) -> None:
    """Expect ``SESSION_STOP`` to fit the way in which the session ended."""
    events, audit = logs.events, logs.audit
    stop, start = events.books.stop, events.books.start
    if not stop or not start:
        return
    reason, steps, planned = stop["stop_reason"], stop["steps"], start["steps"]
    failed, triggers = reason == StopReason.FAILED, [move.trigger for move in audit.moves]
    events.expect(_COUNTER, stop, {"steps": audit.stop_meta.get("steps")})
    # a violation of NO-LIVE may come after the last event was written, and turns the outcome all the same
    if triggers[-1:] != [SessionTrigger.NO_LIVE_VIOLATED]:
        events.expect(_STATUS, stop, {"stop_reason": audit.stop_meta.get("stop_reason")})
        holds = (logs.status is SessionStatus.FAILED) is failed
        events.require(holds, _STATUS, f"a stop_reason of {logs.status}", reason)
    trigger = _TRIGGER_OF_STOP.get(reason)
    audit.require(trigger is None or trigger in triggers, _STATUS, f"a move on {trigger}", "none")
    holds = steps <= planned and (reason != StopReason.COMPLETED or steps == planned)
    events.require(holds, _COUNTER, f"steps as planned, {planned}", steps)
    before = events.before_last_kind
    events.require(failed or before == EventKind.RECONCILED, _SEQUENCE, "RECONCILED before SESSION_STOP", before)


def _control_totals(logs: Logs, metrics: Mapping[str, Any]) -> None:
    """Expect the metrics that the audit trail adds up to."""
    audit, file, snapshot = logs.audit, logs.metrics_file, logs.snapshots.last
    if audit.phase not in SESSION_ENDS:
        return
    file.expect(_STATUS, metrics, {"status": logs.status, "orchestrator_state": audit.phase})
    file.expect(_COUNTER, metrics, {"no_live_attempts_total": audit.stop_meta.get("no_live_attempts")})
    low, high, seen = audit.end_entries, audit.end_entries + len(audit.tail), metrics["audit_events"]
    if not low <= seen <= high:
        file.add(_COUNTER, f"audit_events {low} to {high}", seen)
        return
    known = audit.tail[: seen - low]
    retries = audit.end_retries + sum(count for _, count in known)
    last_ts = known[-1][0] if known else audit.end_ts
    file.expect(_COUNTER, metrics, {"sink_retries": retries, "last_audit_event_ts": last_ts})
    if snapshot and seen == high:
        logs.snapshots.expect(_COUNTER, snapshot, {"sink_retries": retries})


def _event_totals(logs: Logs, metrics: Mapping[str, Any]) -> None:
    """Expect the metrics that the events add up to; of broker calls the log shows only the least number."""
    file, events, books, counts = logs.metrics_file, logs.events, logs.events.books, logs.events.counts
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
    file.expect(_COUNTER, metrics, totals)
    least = {"orders_cancel_total": books.cancels_asked, "orders_query_total": counts[EventKind.RECONCILED]}
    for name, count in least.items():
        file.require(metrics[name] >= count, _COUNTER, f"{name} of {count} or more", metrics[name])
    entries = {
        AuditCode.RAIL_TRIPPED: counts[EventKind.RAIL_TRIPPED],
        AuditCode.RECONCILE_MISMATCH: books.mismatches,
    }
    for code, expected in entries.items():
        logs.audit.same(_COUNTER, f"{code} entries", expected, logs.audit.counts[code])


def _expected_states(moves: Iterable[PhaseMove]) -> list[State]:
    """Return the snapshots that a path of phases leaves."""
    expected = [State(SessionStatus.INIT, SessionPhase.INIT, 0)]
    for move in moves:
        status = STATUS_OF_PHASE[SessionPhase(move.after)]
        if status != expected[-1].status:
            expected.append(State(status, move.after, move.ts_sim))
    return expected
