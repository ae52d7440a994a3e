"""The session's state machine and its one order of closing.

The audit entry of a move is written before the move, the snapshot of a status after it. Closing writes last event,
flush, audit, metrics, flush, final snapshot, flush, and only then does the phase reach an end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from c2lib.core.errors import (
    NoLiveViolationError,
    SinkWriteError,
    StrategyEndedError,
    StrategyError,
    StrategyRaisedError,
)
from c2lib.core.redaction import clean_text, describe_exception
from c2lib.core.states import (
    SESSION_ENDS,
    SESSION_TABLE,
    STATUS_OF_PHASE,
    TRIGGER_OF_FAIL_CODE,
    SessionPhase,
    SessionStatus,
    SessionTrigger,
    next_state,
)
from c2lib.core.vocabulary import Artifact, AuditCode, AuditLevel, EventKind, FailCode, RejectCode, StopReason
from c2lib.record.journal import Journal
from c2lib.session.ledger import Books
from c2lib.session.rails import broken_rail


class Failure(NamedTuple):
    """Why a session needs its operator, and what the audit says of it beside."""

    code: FailCode
    reason: str
    meta: Mapping[str, Any] = {}


def failure_of(error: BaseException, attempts: int, tried: Sequence[str] = (), bar_index: int | None = None) -> Failure:
    """Return what an error makes of a session.

    An attempt to leave the process weighs more than the error that it ended in.

    Args:
        error: what ended the session.
        attempts: how many attempts to leave the process were refused.
        tried: the first of them, by their names.
        bar_index: the bar of the step that it came in.
    """
    if attempts or isinstance(error, NoLiveViolationError):
        reason = f"session code tried {attempts} time(s) to leave the process"
        meta = {"attempts": attempts, "tried": list(tried)}
        return Failure(FailCode.NO_LIVE_VIOLATION, reason, meta)
    if isinstance(error, StrategyEndedError):
        return Failure(error.code, str(error))
    if isinstance(error, StrategyRaisedError):
        meta = {"exception": error.raised, "bar_index": bar_index, "lines": list(error.lines)}
        return Failure(FailCode.EXCEPTION, str(error), meta)
    if isinstance(error, SinkWriteError):
        return Failure(FailCode.SINK_WRITE_FAILED, str(error))
    if broken_rail(error):
        return Failure(FailCode.INVARIANT, str(error))
    meta = {"bar_index": bar_index} if isinstance(error, StrategyError) else {}
    return Failure(FailCode.EXCEPTION, describe_exception(error), meta)


class Lifecycle:
    """Phase, outcome and closing of one session; ``steps`` is counted by the session.

    >>> from c2lib.record.sinks import Sinks
    >>> lifecycle = Lifecycle(Journal("run_demo_001", "strat_demo", Sinks(), 0), seed=1)
    >>> lifecycle.open("2026-01-01T00:00:00+00:00"); lifecycle.move(SessionTrigger.PREFLIGHT_PASSED)
    >>> lifecycle.phase.value, lifecycle.status.value
    ('PREFLIGHT_OK', 'INIT')
    """

    def __init__(self, journal: Journal, seed: int) -> None:
        self.journal = journal
        self.phase = SessionPhase.INIT
        self.steps = 0
        # why preflight said no: code and reason
        self.rejection: tuple[RejectCode, str] | None = None
        self.failure: Failure | None = None
        self.stop_reason: StopReason | None = None
        self.accepted = False
        self.announced = False
        self.violated_late = False
        self._seed = seed
        self._started_ts = ""
        self._counters: Callable[[], Mapping[str, Any]] = dict
        self._end_written = False
        self._metrics_written = False

    @property
    def status(self) -> SessionStatus:
        """The status that the artifacts show for the phase."""
        return STATUS_OF_PHASE[self.phase]

    @property
    def ended(self) -> bool:
        """Whether the phase is an end."""
        return self.phase in SESSION_ENDS

    def open(self, started_ts: str, *, enabled: bool = False) -> None:
        """Write the first audit entry and the first snapshot, each even when the other's sink is dead."""
        self._started_ts = self.journal.ts = started_ts
        try:
            # first of all, so that no entry on a retry of the snapshot comes before it
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

    def fail(self, failure: Failure) -> Failure:
        """Record a failure and return the one that counts, which is the first."""
        if self.failure is None:
            self.failure = failure._replace(reason=clean_text(failure.reason))
        return self.failure

    def close(self, books: Books, counters: Callable[[], Mapping[str, Any]]) -> None:
        """Write everything that ends a session, in the one order, and reach the end.

        Each write is tried even when an earlier sink failed for good. That, and an attempt to leave the process that
        the guard refuses meanwhile, turns the outcome into FAILED; closing entries that were written already are then
        written again for the outcome that holds: the last ``C2_PHASE_TRANSITION`` counts.

        Args:
            books: position and money for the last event.
            counters: gives the lifecycle counters as they stand.
        """
        self._counters = counters
        if self.failure:
            self.stop_reason = StopReason.FAILED
        flush = self.journal.flush
        writes: tuple[Callable[[], None], ...] = (
            lambda: self._last_event(books),
            lambda: flush(Artifact.EVENTS),
            self._audit_end,
            self._metrics,
            # once more, for when it was the audit sink that failed while they were composed
            self._metrics,
            lambda: flush(Artifact.AUDIT),
            lambda: flush(Artifact.METRICS),
            lambda: self._snapshot(self._last_move()[0], self.journal.ts),
            lambda: flush(Artifact.SNAPSHOTS),
            lambda: flush(Artifact.AUDIT),
        )
        for write in writes:
            try:
                write()
            except SinkWriteError as error:
                self._fail_late(error)
            if self.failure is None and counters()["no_live_attempts_total"]:
                # the record says two things of the end now: such a run is never published
                self.violated_late = True
                self._fail_late(NoLiveViolationError())
        self.phase = self._last_move()[0]

    def audit_dead_sink(self, error: SinkWriteError) -> None:
        """Audit that a sink failed for good, once: a write that was refused since then (no attempts) adds nothing."""
        if error.attempts:
            meta = {"sink": error.sink, "attempts": error.attempts, "error": error.cause}
            self.journal.audit(AuditLevel.ERROR, AuditCode.SINK_WRITE_FAILED, str(error), meta)

    def _last_move(self) -> tuple[SessionPhase, SessionTrigger]:
        by = SessionTrigger.PREFLIGHT_REJECTED if self.rejection else SessionTrigger.CLOSED
        by = TRIGGER_OF_FAIL_CODE[self.failure.code] if self.failure else by
        return next_state("session", SESSION_TABLE, self.phase, by), by

    def _fail_late(self, error: Exception) -> None:
        """Let what went wrong while closing count, and record it where that is still possible."""
        self.fail(failure_of(error, self._counters()["no_live_attempts_total"]))
        self.stop_reason = StopReason.FAILED
        # when the audit sink fails as well, the result in memory is what is left
        with suppress(SinkWriteError):
            if isinstance(error, SinkWriteError):
                self.audit_dead_sink(error)
            if self._end_written:
                self._audit_end()
                self.journal.flush(Artifact.AUDIT)

    def _last_event(self, books: Books) -> None:
        if self.journal.is_dead(Artifact.EVENTS):
            return
        if self.rejection:
            self.journal.event(EventKind.REJECTED, *self.rejection)
        elif self.announced:
            reason = self.stop_reason or StopReason.FAILED
            self.journal.event(EventKind.SESSION_STOP, reason.value, self.steps, *books)

    def _audit_end(self) -> None:
        after, trigger = self._last_move()
        attempts = self._counters()["no_live_attempts_total"]
        meta = {"stop_reason": self.stop_reason, "steps": self.steps, "no_live_attempts": attempts}
        if self.rejection:
            self.journal.audit(AuditLevel.WARN, *self.rejection)
        if self.failure:
            self.journal.audit(AuditLevel.ERROR, *self.failure)
        self.journal.audit(AuditLevel.INFO, AuditCode.DRYRUN_STOP, "dry run closing", meta)
        self._audit_move(after, trigger)
        self._end_written = True

    def _audit_move(self, after: SessionPhase, trigger: SessionTrigger) -> None:
        ts_sim = self.journal.events_emitted
        meta = {"from": self.phase.value, "to": after.value, "trigger": trigger.value, "ts_sim": ts_sim}
        level = AuditLevel.ERROR if after is SessionPhase.ERROR_REQUIRES_OPERATOR else AuditLevel.INFO
        self.journal.audit(level, AuditCode.PHASE_TRANSITION, f"{self.phase} -> {after}", meta)

    def _metrics(self) -> None:
        if self._metrics_written or self.journal.is_dead(Artifact.METRICS):
            return
        counters, phase = self._counters(), self._last_move()[0]
        outcome = {"seed": self._seed, "status": STATUS_OF_PHASE[phase].value, "orchestrator_state": phase.value}
        self.journal.metrics({**counters, **outcome})
        self._metrics_written = True

    def _snapshot(self, phase: SessionPhase, ended_ts: str | None) -> None:
        if self.journal.is_dead(Artifact.SNAPSHOTS):
            return
        reject_code, reject_reason = self.rejection or (None, None)
        self.journal.snapshot(
            {
                "status": STATUS_OF_PHASE[phase].value,
                "phase": phase.value,
                "started_ts": self._started_ts,
                "ended_ts": ended_ts,
                "step": self.steps,
                "reject_code": reject_code,
                "reject_reason": reject_reason,
                "fail_code": self.failure.code if self.failure else None,
                "fail_reason": self.failure.reason if self.failure else None,
                "meta": {"stop_reason": self.stop_reason.value} if self.stop_reason else {},
            }
        )
