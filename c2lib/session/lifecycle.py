"""The session's state machine and its one order of closing.

Rules kept here:

* the phase moves by the table alone; the audit entry of a move is written before the move, the snapshot of a
  status after it;
* closing has one order: last event, flush, audit, metrics, flush, final snapshot, flush, and only then does the
  phase reach an end; each part is tried even when an earlier sink died;
* a sink that dies, or an attempt that the guard refuses, turns the outcome into FAILED; when the closing entries
  were written already, they are written again for the outcome that holds: the last ``C2_PHASE_TRANSITION`` counts;
* a record in which an attempt came while closing says two things of the end: such a run is never published.

>>> from c2lib.record.sinks import Sinks
>>> life = Lifecycle(Journal("run_demo_001", "strat_demo", Sinks(), 0), seed=1)
>>> life.open("2026-01-01T00:00:00+00:00"); life.move(SessionTrigger.PREFLIGHT_PASSED)
>>> life.phase.value, life.status.value
('PREFLIGHT_OK', 'INIT')
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from c2lib.core.errors import NoLiveViolationError, SinkWriteError
from c2lib.core.redaction import clean_text, describe_exception
from c2lib.core.states import (
    SESSION_ENDS,
    SESSION_TABLE,
    STATUS_OF_PHASE,
    SessionPhase,
    SessionStatus,
    SessionTrigger,
    next_state,
)
from c2lib.core.vocabulary import Artifact, AuditCode, AuditLevel, EventKind, FailCode, RejectCode, StopReason
from c2lib.record.journal import Journal
from c2lib.session.rails import broken_rail


class Failure(NamedTuple):
    """Why a session needs its operator, and the trigger that takes it there."""

    code: FailCode
    reason: str
    trigger: SessionTrigger


def failure_of(error: BaseException, attempts: int) -> Failure:
    """Return what ``error`` makes of a session in which the guard refused ``attempts`` attempts."""
    if attempts or isinstance(error, NoLiveViolationError):
        reason = f"session code tried {attempts} time(s) to leave the process"
        return Failure(FailCode.NO_LIVE_VIOLATION, reason, SessionTrigger.NO_LIVE_VIOLATED)
    if isinstance(error, SinkWriteError):
        return Failure(FailCode.SINK_WRITE_FAILED, str(error), SessionTrigger.SINK_FAILED)
    if broken_rail(error):
        return Failure(FailCode.INVARIANT, str(error), SessionTrigger.INVARIANT_BROKEN)
    return Failure(FailCode.EXCEPTION, describe_exception(error), SessionTrigger.EXCEPTION_RAISED)


class Rejection(NamedTuple):
    """Why preflight said no."""

    code: RejectCode
    reason: str


class Books(NamedTuple):
    """What the last event says of position and money, as decimal text."""

    position: str
    cash: str
    mark_price: str | None
    equity: str


Counters = Callable[[], Mapping[str, Any]]
"""Gives the life-cycle counters as they stand."""


class Lifecycle:
    """Phase, outcome and closing of one session; ``steps`` is counted by whoever steps."""

    def __init__(self, journal: Journal, seed: int) -> None:
        self.journal = journal
        self.phase = SessionPhase.INIT
        self.steps = 0
        self.rejection: Rejection | None = None
        self.failure: Failure | None = None
        self.stop_reason: StopReason | None = None
        self.accepted = False
        self.announced = False
        self.violated_late = False
        self._seed = seed
        self._started_ts = ""
        self._end_written = False
        self._metrics_written = False

    @property
    def status(self) -> SessionStatus:
        """What the artifacts say of the phase."""
        return STATUS_OF_PHASE[self.phase]

    @property
    def ended(self) -> bool:
        """Whether the phase is an end."""
        return self.phase in SESSION_ENDS

    def open(self, started_ts: str, *, enabled: bool = False) -> None:
        """Write the first audit entry and the first snapshot, each even when the other's sink is dead."""
        self._started_ts = self.journal.ts = started_ts
        try:
            # first of all, so that no retry of the snapshot is told before it
            self.journal.audit(AuditLevel.INFO, AuditCode.DRYRUN_START, "dry run opened, NO-LIVE", {"enabled": enabled})
        finally:
            self._snapshot(self.phase, None)

    def move(self, trigger: SessionTrigger) -> None:
        """Make a move that leads to no end."""
        after = next_state("session", SESSION_TABLE, self.phase, trigger)
        self._audit_move(after, trigger)
        before, self.phase = self.phase, after
        self.accepted = self.accepted or trigger is SessionTrigger.PREFLIGHT_PASSED
        if STATUS_OF_PHASE[after] is not STATUS_OF_PHASE[before]:
            self._snapshot(after, None)

    def fail(self, failure: Failure) -> None:
        """Note a failure; the first one counts."""
        if self.failure is None:
            self.failure = failure._replace(reason=clean_text(failure.reason))

    def close(self, trigger: SessionTrigger, books: Books, counters: Counters) -> None:
        """Write everything that ends a session, in the one order, and reach the end."""
        if self.failure:
            self.stop_reason = StopReason.FAILED

        def audit_end() -> None:
            self._audit_end(*self._end(trigger), counters())

        def metrics() -> None:
            self._metrics(self._end(trigger)[0], counters())

        parts: tuple[Callable[[], None], ...] = (
            lambda: self._last_event(books),
            lambda: self.journal.flush(Artifact.EVENTS),
            audit_end,
            metrics,
            # once more, for when it was the audit sink that died while they were composed
            metrics,
            lambda: self.journal.flush(Artifact.AUDIT),
            lambda: self.journal.flush(Artifact.METRICS),
            lambda: self._snapshot(self._end(trigger)[0], self.journal.ts),
            lambda: self.journal.flush(Artifact.SNAPSHOTS),
            lambda: self.journal.flush(Artifact.AUDIT),
        )
        for part in parts:
            try:
                part()
            except SinkWriteError as error:
                self._turn(error, audit_end, counters)
            if self.failure is None and counters()["no_live_attempts_total"]:
                self._turn(NoLiveViolationError(), audit_end, counters)
        self.phase = self._end(trigger)[0]

    def tell_sink_death(self, error: SinkWriteError) -> None:
        """Write of a sink that failed for good, once: what was tried on a dead sink is no news."""
        if error.attempts:
            meta = {"sink": error.sink, "attempts": error.attempts, "error": error.cause}
            self.journal.audit(AuditLevel.ERROR, AuditCode.SINK_WRITE_FAILED, str(error), meta)

    def _end(self, trigger: SessionTrigger) -> tuple[SessionPhase, SessionTrigger]:
        by = self.failure.trigger if self.failure else trigger
        return next_state("session", SESSION_TABLE, self.phase, by), by

    def _turn(self, error: Exception, audit_end: Callable[[], None], counters: Counters) -> None:
        """Let what went wrong while closing count, and say so where that can still be said."""
        self.fail(failure_of(error, counters()["no_live_attempts_total"]))
        self.violated_late = self.violated_late or isinstance(error, NoLiveViolationError)
        self.stop_reason = StopReason.FAILED
        try:
            if isinstance(error, SinkWriteError):
                self.tell_sink_death(error)
            if self._end_written:
                audit_end()
                self.journal.flush(Artifact.AUDIT)
        except SinkWriteError:
            # the audit sink died as well: the result in memory is what is left to tell
            return

    def _last_event(self, books: Books) -> None:
        if self.journal.is_dead(Artifact.EVENTS):
            return
        if self.rejection:
            self.journal.event(EventKind.REJECTED, self.rejection.code.value, self.rejection.reason)
        elif self.announced:
            reason = self.stop_reason or StopReason.FAILED
            self.journal.event(EventKind.SESSION_STOP, reason.value, self.steps, *books)

    def _audit_end(self, after: SessionPhase, trigger: SessionTrigger, counters: Mapping[str, Any]) -> None:
        if self.rejection:
            self.journal.audit(AuditLevel.WARN, self.rejection.code, self.rejection.reason)
        if self.failure:
            self.journal.audit(AuditLevel.ERROR, self.failure.code, self.failure.reason)
        meta = {
            "stop_reason": self.stop_reason.value if self.stop_reason else None,
            "steps": self.steps,
            "no_live_attempts": counters["no_live_attempts_total"],
        }
        self.journal.audit(AuditLevel.INFO, AuditCode.DRYRUN_STOP, "dry run closing", meta)
        self._audit_move(after, trigger)
        self._end_written = True

    def _audit_move(self, after: SessionPhase, trigger: SessionTrigger) -> None:
        meta = {
            "from": self.phase.value,
            "to": after.value,
            "trigger": trigger.value,
            "ts_sim": self.journal.events_emitted,
        }
        level = AuditLevel.ERROR if after is SessionPhase.ERROR_REQUIRES_OPERATOR else AuditLevel.INFO
        self.journal.audit(level, AuditCode.PHASE_TRANSITION, f"{self.phase} -> {after}", meta)

    def _metrics(self, after: SessionPhase, counters: Mapping[str, Any]) -> None:
        if self._metrics_written or self.journal.is_dead(Artifact.METRICS):
            return
        self.journal.metrics(
            {
                **counters,
                "seed": self._seed,
                "status": STATUS_OF_PHASE[after].value,
                "orchestrator_state": after.value,
            }
        )
        self._metrics_written = True

    def _snapshot(self, phase: SessionPhase, ended_ts: str | None) -> None:
        if self.journal.is_dead(Artifact.SNAPSHOTS):
            return
        self.journal.snapshot(
            {
                "status": STATUS_OF_PHASE[phase].value,
                "phase": phase.value,
                "started_ts": self._started_ts,
                "ended_ts": ended_ts,
                "step": self.steps,
                "reject_code": self.rejection.code.value if self.rejection else None,
                "reject_reason": self.rejection.reason if self.rejection else None,
                "fail_code": self.failure.code.value if self.failure else None,
                "fail_reason": self.failure.reason if self.failure else None,
                "meta": {"stop_reason": self.stop_reason.value} if self.stop_reason else {},
            }
        )
