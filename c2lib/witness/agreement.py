"""Whether the files of a run tell the same story.

Rules kept here:

* events, audit, snapshots and metrics are compared with each other and with what was refolded, never with
  themselves;
* a file that could not be read is compared with nothing; where a sink failed for good the record is known to be
  cut, is said so once, and nothing is compared;
* where a NO-LIVE violation came late, the closing entries stand twice; what metrics and the last snapshot say
  of the end is then that of either closing, and is not compared;
* metrics may know fewer audit entries and retries than the audit trail: exactly those that came while closing.

>>> logs = Logs(*make_logs(Findings()), metrics=None, read=frozenset())
>>> findings = Findings()
>>> compare(logs, findings); findings.all()
()
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from c2lib.core.states import SESSION_ENDS, STATUS_OF_PHASE, SessionPhase, SessionStatus, SessionTrigger
from c2lib.core.vocabulary import Artifact, AuditCode, EventKind, FailCode, StopReason
from c2lib.witness.audit import AuditLog, PhaseMove
from c2lib.witness.events import EventLog, Observer
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.lines import RunName
from c2lib.witness.snapshots import SnapshotLog, State

_EVENTS, _SNAPSHOTS, _AUDIT, _METRICS = Artifact.EVENTS, Artifact.SNAPSHOTS, Artifact.AUDIT, Artifact.METRICS
_COUNTER, _SEQUENCE, _STATUS = FindingCode.COUNTER_WRONG, FindingCode.SEQUENCE_BROKEN, FindingCode.STATUS_PATH_WRONG

TRIGGER_OF_FAIL_CODE: Mapping[str, str] = {
    FailCode.SINK_WRITE_FAILED: SessionTrigger.SINK_FAILED,
    FailCode.EXCEPTION: SessionTrigger.EXCEPTION_RAISED,
    FailCode.INVARIANT: SessionTrigger.INVARIANT_BROKEN,
    FailCode.UNKNOWN_OUTCOME: SessionTrigger.OUTCOME_UNKNOWN,
    FailCode.NO_LIVE_VIOLATION: SessionTrigger.NO_LIVE_VIOLATED,
}

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


def make_logs(
    findings: Findings, run: RunName | None = None, observer: Observer | None = None
) -> tuple[EventLog, AuditLog, SnapshotLog]:
    """Return empty logs that report to the same place and expect the same run."""
    run = run or RunName()
    return EventLog(findings, run, observer), AuditLog(findings), SnapshotLog(findings, run)


def compare(logs: Logs, findings: Findings) -> None:
    """Compare the files that were read."""
    if logs.audit.dead_sinks or _AUDIT not in logs.read:
        return
    comparison = _Comparison(logs, findings)
    if _SNAPSHOTS in logs.read:
        comparison.path()
        if not logs.audit.closed_twice:
            comparison.closing()
    if _EVENTS in logs.read:
        comparison.outcome()
        comparison.order()
        comparison.stop()
    if logs.metrics is not None:
        if not logs.audit.closed_twice:
            comparison.control_totals(logs.metrics)
        if _EVENTS in logs.read:
            comparison.event_totals(logs.metrics)


class _Comparison:
    """The comparisons, each for the files that its name tells."""

    def __init__(self, logs: Logs, findings: Findings) -> None:
        self._logs = logs
        self._findings = findings

    def _same(self, code: FindingCode, file: str, name: str, expected: object, seen: object) -> None:
        if expected != seen or type(expected) is not type(seen):
            self._findings.add(code, file, expected=f"{name} {_word(expected)}", seen=_word(seen))

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
        at = next((i for i, pair in enumerate(zip(expected, states, strict=False)) if pair[0] != pair[1]), None)
        if at is None and len(expected) != len(states):
            at = min(len(expected), len(states))
        if at is not None:
            sides = [_state(list_[at]) if at < len(list_) else "no snapshot" for list_ in (expected, states)]
            self._findings.add(_STATUS, _SNAPSHOTS, at + 1, expected=sides[0], seen=sides[1])

    def closing(self) -> None:
        """Expect the last snapshot to say of the end what the audit trail says."""
        audit, last = self._logs.audit, self._logs.snapshots.last
        if not last or not audit.stop_meta:
            return
        self._same(_COUNTER, _SNAPSHOTS, "step", audit.stop_meta.get("steps"), last["step"])
        stop_reason = audit.stop_meta.get("stop_reason")
        self._same(_STATUS, _SNAPSHOTS, "meta.stop_reason", stop_reason, last["meta"].get("stop_reason"))
        self._same(_STATUS, _SNAPSHOTS, "started_ts", audit.first_ts, last["started_ts"])
        self._same(_STATUS, _SNAPSHOTS, "ended_ts", audit.end_ts, last["ended_ts"])
        for name in ("reject_code", "fail_code"):
            if last[name] is not None and not audit.counts[last[name]]:
                self._findings.add(_STATUS, _SNAPSHOTS, expected=f"a {name} that the audit has", seen=last[name])
        if last["fail_code"] is not None and audit.moves:
            trigger = TRIGGER_OF_FAIL_CODE[last["fail_code"]]
            self._same(_STATUS, _AUDIT, "last trigger", str(trigger), audit.moves[-1].trigger)
        low, high = audit.end_retries, audit.retries
        if not low <= last["sink_retries"] <= high:
            self._findings.add(
                _COUNTER, _SNAPSHOTS, expected=f"sink_retries {low} to {high}", seen=last["sink_retries"]
            )

    def outcome(self) -> None:
        """Expect the events of a session that ended so."""
        events, status = self._logs.events, self._logs.status
        counts, last = events.counts, events.last_kind
        if status is SessionStatus.REJECTED:
            self._rejected()
        elif status is SessionStatus.COMPLETED or counts[EventKind.SESSION_START]:
            if not counts[EventKind.SESSION_START]:
                self._findings.add(_SEQUENCE, _EVENTS, expected="SESSION_START of a session that ran", seen="none")
            if last != EventKind.SESSION_STOP:
                self._findings.add(_SEQUENCE, _EVENTS, expected="SESSION_STOP as the last event", seen=last or "none")
        elif events.emitted != counts[EventKind.RAIL_TRIPPED]:
            self._findings.add(_SEQUENCE, _EVENTS, expected="no event of a session never announced", seen=last)

    def order(self) -> None:
        """Expect events and phase moves at the same counts and times; moves never go back, so the last one tells."""
        events, audit = self._logs.events, self._logs.audit
        if audit.moves and audit.phase in SESSION_ENDS:
            self._same(_COUNTER, _AUDIT, "ts_sim of the last move", events.emitted, audit.moves[-1].ts_sim)
        if events.first_ts:
            self._same(_COUNTER, _EVENTS, "ts_utc of the first event", audit.first_ts, events.first_ts)
        if events.last_kind in (EventKind.SESSION_STOP, EventKind.REJECTED):
            self._same(_COUNTER, _EVENTS, "ts_utc of the last event", audit.end_ts, events.last_ts)

    def _rejected(self) -> None:
        events, rejection = self._logs.events, self._logs.events.books.rejection
        if events.emitted != 1 or not rejection:
            self._findings.add(_SEQUENCE, _EVENTS, expected="one event, REJECTED", seen=f"{events.emitted} events")
            return
        last = self._logs.snapshots.last
        if last:
            self._same(_STATUS, _SNAPSHOTS, "reject_code", rejection["code"], last["reject_code"])
            self._same(_STATUS, _SNAPSHOTS, "reject_reason", rejection["reason"], last["reject_reason"])
        if not self._logs.audit.counts[rejection["code"]] or not self._logs.audit.failed_checks:
            self._findings.add(_STATUS, _AUDIT, expected="the check that failed, and its code", seen="none")

    def stop(self) -> None:
        """Expect ``SESSION_STOP`` to fit the way in which the session ended."""
        events, audit = self._logs.events, self._logs.audit
        stop, start = events.books.stop, events.books.start
        if not stop or not start:
            return
        reason, steps = stop["stop_reason"], stop["steps"]
        self._same(_COUNTER, _EVENTS, "steps", audit.stop_meta.get("steps"), steps)
        # a violation of NO-LIVE may come after the last event was written, and turns the outcome all the same
        if not (audit.moves and audit.moves[-1].trigger == SessionTrigger.NO_LIVE_VIOLATED):
            self._same(_STATUS, _EVENTS, "stop_reason", audit.stop_meta.get("stop_reason"), reason)
            if (self._logs.status is SessionStatus.FAILED) is not (reason == StopReason.FAILED):
                expected = f"a stop_reason of {self._logs.status.value}"
                self._findings.add(_STATUS, _EVENTS, expected=expected, seen=reason)
        trigger = _TRIGGER_OF_STOP.get(reason)
        if trigger and trigger not in [move.trigger for move in audit.moves]:
            self._findings.add(_STATUS, _AUDIT, expected=f"a move on {trigger.value}", seen="none")
        if steps > start["steps"] or (reason == StopReason.COMPLETED and steps != start["steps"]):
            self._findings.add(_COUNTER, _EVENTS, expected=f"steps as planned, {start['steps']}", seen=steps)
        if reason != StopReason.FAILED and events.before_last_kind != EventKind.RECONCILED:
            seen = events.before_last_kind
            self._findings.add(_SEQUENCE, _EVENTS, expected="RECONCILED before SESSION_STOP", seen=seen)

    def control_totals(self, metrics: Mapping[str, Any]) -> None:
        """Expect metrics that the audit trail bears out."""
        audit = self._logs.audit
        if audit.phase not in SESSION_ENDS:
            return
        self._same(_STATUS, _METRICS, "status", str(self._logs.status), metrics["status"])
        self._same(_STATUS, _METRICS, "orchestrator_state", str(audit.phase), metrics["orchestrator_state"])
        attempts = audit.stop_meta.get("no_live_attempts")
        self._same(_COUNTER, _METRICS, "no_live_attempts_total", attempts, metrics["no_live_attempts_total"])
        known = metrics["audit_events"] - audit.end_entries
        if not 0 <= known <= len(audit.tail):
            expected = f"audit_events {audit.end_entries} to {audit.end_entries + len(audit.tail)}"
            self._findings.add(_COUNTER, _METRICS, expected=expected, seen=metrics["audit_events"])
            return
        seen_tail = audit.tail[:known]
        retries = audit.end_retries + sum(entry.retries for entry in seen_tail)
        last_ts = seen_tail[-1].ts if seen_tail else audit.end_ts
        self._same(_COUNTER, _METRICS, "sink_retries", retries, metrics["sink_retries"])
        self._same(_COUNTER, _METRICS, "last_audit_event_ts", last_ts, metrics["last_audit_event_ts"])
        snapshot = self._logs.snapshots.last
        if snapshot and known == len(audit.tail):
            self._same(_COUNTER, _SNAPSHOTS, "sink_retries", retries, snapshot["sink_retries"])

    def event_totals(self, metrics: Mapping[str, Any]) -> None:
        """Expect metrics that the events add up to, as far as events can tell."""
        events, counts, books = self._logs.events, self._logs.events.counts, self._logs.events.books
        rails, mismatches = counts[EventKind.RAIL_TRIPPED], books.mismatches
        for name, expected in (
            ("events_emitted", events.emitted),
            ("fills_total", counts[EventKind.FILL]),
            ("orders_place_total", counts[EventKind.ORDER_SUBMITTED]),
            ("order_state_transitions_total", books.transitions),
            ("reconcile_mismatches_total", mismatches),
            ("safety_rail_trips_total", rails),
            ("reconciler_last_ok_ts", events.clean_reconciled_ts),
        ):
            self._same(_COUNTER, _METRICS, name, expected, metrics[name])
        for name, kind in (
            ("orders_cancel_total", EventKind.ORDER_CANCELLED),
            ("orders_query_total", EventKind.RECONCILED),
        ):
            if metrics[name] < counts[kind]:
                self._findings.add(_COUNTER, _METRICS, expected=f"{name} of {counts[kind]} or more", seen=metrics[name])
        audited = self._logs.audit.counts
        self._same(_COUNTER, _AUDIT, "C2_RAIL_TRIPPED entries", rails, audited[AuditCode.RAIL_TRIPPED])
        self._same(_COUNTER, _AUDIT, "C2_RECONCILE_MISMATCH entries", mismatches, audited[AuditCode.RECONCILE_MISMATCH])


def _expected_states(moves: Iterable[PhaseMove]) -> list[State]:
    """Return the snapshots that a path of phases leaves."""
    expected = [State(SessionStatus.INIT, SessionPhase.INIT, 0)]
    for move in moves:
        status = STATUS_OF_PHASE[SessionPhase(move.after)]
        if status != expected[-1].status:
            expected.append(State(status, move.after, move.ts_sim))
    return expected


def _word(value: object) -> object:
    return "null" if value is None else value


def _state(state: State) -> str:
    return f"{state.status} in {state.phase} after {state.events_emitted} events"
