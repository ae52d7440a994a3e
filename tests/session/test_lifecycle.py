from collections.abc import Callable
from typing import Any

import pytest

from c2lib.core.errors import ForbiddenTransitionError, InvariantError, NoLiveViolationError, SinkWriteError
from c2lib.core.states import SESSION_TABLE, STATUS_OF_PHASE, SessionPhase, SessionTrigger
from c2lib.core.vocabulary import FailCode, RejectCode, StopReason
from c2lib.record.journal import Journal
from c2lib.record.sinks import Sinks
from c2lib.session.ledger import Books
from c2lib.session.lifecycle import Failure, Lifecycle, failure_of
from tests.record.foreign_sinks import Remembering, dead_from, failing_at
from tests.session.harness import ARTIFACTS, SECRET, SECRET_PART, Record, config_of, phases_of, run

TS = "2026-01-01T00:00:00+00:00"
BOOKS = Books("0", "100000", None, "100000")
FAILURE = Failure(FailCode.EXCEPTION, "reason")


def counters(attempts: int = 0) -> dict[str, Any]:
    """Return the counters that an execution and a guard would give."""
    names = ("place", "cancel", "query")
    return {
        **{f"orders_{name}_total": 0 for name in names},
        "order_state_transitions_total": 0,
        "fills_total": 0,
        "reconcile_mismatches_total": 0,
        "retry_attempts_total": 0,
        "safety_rail_trips_total": 0,
        "no_live_attempts_total": attempts,
        "orders_blocked_total": 0,
        "faults_injected_total": 0,
        "reconciler_last_ok_ts": None,
    }


def lifecycle(record: Record, phase: SessionPhase, max_retries: int = 0) -> Lifecycle:
    """Return a lifecycle that stands at ``phase``, opened and announced."""
    journal = Journal("run_demo_001", "strat_demo", Sinks(**record.sinks), max_retries)
    life = Lifecycle(journal, seed=1)
    life.open(TS)
    path = {
        SessionPhase.INIT: (),
        SessionPhase.PREFLIGHT_OK: (SessionTrigger.PREFLIGHT_PASSED,),
        SessionPhase.DRYRUN_ACTIVE: (SessionTrigger.PREFLIGHT_PASSED, SessionTrigger.FIRST_STEP),
        SessionPhase.STOPPING: (
            SessionTrigger.PREFLIGHT_PASSED,
            SessionTrigger.FIRST_STEP,
            SessionTrigger.BOUND_REACHED,
        ),
    }
    for trigger in path[phase]:
        life.move(trigger)
    life.announced = phase is not SessionPhase.INIT
    return life


def closed(record: Record, attempts: Callable[[], int] = lambda: 0) -> Lifecycle:
    """Return a lifecycle that came to its bound and was closed."""
    life = lifecycle(record, SessionPhase.STOPPING)
    life.stop_reason = StopReason.COMPLETED
    life.close(BOOKS, lambda: counters(attempts()))
    return life


class Shared:
    """A sink that writes into a list it shares with others what was asked of it."""

    def __init__(self, name: str, log: list[tuple[str, str]]) -> None:
        self.name, self.log = name, log

    def write(self, line: str) -> None:
        """Record a line by what identifies its kind."""
        words = ("SESSION_STOP", "C2_DRYRUN_STOP", "C2_PHASE_TRANSITION", "COMPLETED", "METRICS")
        self.log.append((self.name, next((word for word in words if word in line), "line")))

    def flush(self) -> None:
        """Record a flush."""
        self.log.append((self.name, "flush"))


def test_closing_has_one_order() -> None:
    """A session closes in one order: last event, flush, audit, metrics, flush, final snapshot, flush."""
    log: list[tuple[str, str]] = []
    result = run(config_of(), Record(**{name: Shared(name, log) for name in ARTIFACTS}))
    assert result.status == "COMPLETED"
    start = log.index(("events", "SESSION_STOP"))
    assert log[start:] == [
        ("events", "SESSION_STOP"),
        ("events", "flush"),
        ("audit", "C2_DRYRUN_STOP"),
        ("audit", "C2_PHASE_TRANSITION"),
        ("metrics", "COMPLETED"),
        ("audit", "flush"),
        ("metrics", "flush"),
        ("snapshots", "COMPLETED"),
        ("snapshots", "flush"),
        ("audit", "flush"),
    ]
    assert all(word != "flush" for _, word in log[:start])


@pytest.mark.parametrize("phase", [SessionPhase.INIT, SessionPhase.PREFLIGHT_OK, SessionPhase.DRYRUN_ACTIVE])
@pytest.mark.parametrize("trigger", SessionTrigger)
def test_forbidden_move_changes_nothing(phase: SessionPhase, trigger: SessionTrigger) -> None:
    """A move that the session table lacks raises and writes nothing, and a move in the table leads to its phase."""
    record = Record()
    life = lifecycle(record, phase)
    before = record.bytes()
    after = SESSION_TABLE.get((phase, trigger))
    if after is not None:
        life.move(trigger)
        assert life.phase is after
        assert life.status is STATUS_OF_PHASE[after]
        return
    with pytest.raises(ForbiddenTransitionError):
        life.move(trigger)
    assert (life.phase, record.bytes()) == (phase, before)


def test_status_change_writes_snapshot() -> None:
    """Every phase change is audited, and only a change of status writes a snapshot."""
    record = Record()
    lifecycle(record, SessionPhase.STOPPING)
    assert phases_of(record.audit()) == ["INIT", "PREFLIGHT_OK", "DRYRUN_ACTIVE", "STOPPING"]
    assert [snapshot["status"] for snapshot in record.snapshots()] == ["INIT", "RUNNING"]


def test_unaudited_move_is_not_made() -> None:
    """A move whose audit entry cannot be written is not made and writes no snapshot."""
    record = Record(audit=dead_from(1))
    with pytest.raises(SinkWriteError):
        lifecycle(record, SessionPhase.PREFLIGHT_OK)
    assert len(record.snapshots()) == 1


@pytest.mark.parametrize(("dead", "alive"), [("snapshots", "audit"), ("audit", "snapshots")])
def test_first_lines_are_independent(dead: str, alive: str) -> None:
    """The first line of audit or snapshots is written even when the sink of the other file is dead."""
    record = Record(**{dead: dead_from(0)})
    with pytest.raises(SinkWriteError):
        lifecycle(record, SessionPhase.INIT)
    assert len(record.lines(alive)) == 1


def test_first_failure_counts() -> None:
    """The first failure of a session stays the recorded one, and its reason is redacted."""
    life = lifecycle(Record(), SessionPhase.INIT)
    life.fail(FAILURE._replace(reason=SECRET))
    life.fail(Failure(FailCode.INVARIANT, "later"))
    assert life.failure == FAILURE._replace(reason="[REDACTED:assignment]")


@pytest.mark.parametrize(
    ("error", "attempts", "code"),
    [
        (ValueError("x"), 0, FailCode.EXCEPTION),
        (SystemExit(0), 0, FailCode.EXCEPTION),
        (InvariantError("negative_cash", "a", "b"), 0, FailCode.INVARIANT),
        (InvariantError("made up", "a", "b"), 0, FailCode.EXCEPTION),
        (SinkWriteError("audit.jsonl", 1, "OSError"), 0, FailCode.SINK_WRITE_FAILED),
        (NoLiveViolationError("x"), 0, FailCode.NO_LIVE_VIOLATION),
        (SinkWriteError("audit.jsonl", 1, "NoLiveViolationError"), 1, FailCode.NO_LIVE_VIOLATION),
        (ValueError("x"), 2, FailCode.NO_LIVE_VIOLATION),
    ],
)
def test_error_decides_fail_code(error: BaseException, attempts: int, code: FailCode) -> None:
    """Each kind of error gives its fail code, and an attempt to leave the process outweighs the error."""
    assert failure_of(error, attempts).code is code


@pytest.mark.parametrize(
    "phase", [SessionPhase.INIT, SessionPhase.PREFLIGHT_OK, SessionPhase.DRYRUN_ACTIVE, SessionPhase.STOPPING]
)
def test_failure_closes_any_phase(phase: SessionPhase) -> None:
    """A failure in any phase that is no end is written with its code to audit, snapshot and metrics."""
    record = Record()
    life = lifecycle(record, phase)
    life.fail(FAILURE)
    life.close(BOOKS, counters)
    assert (life.phase, life.ended, life.stop_reason) == (SessionPhase.ERROR_REQUIRES_OPERATOR, True, "failed")
    assert (record.snapshots()[-1]["fail_code"], record.snapshots()[-1]["fail_reason"]) == (FAILURE.code, "reason")
    assert record.codes()[-3:] == [FAILURE.code, "C2_DRYRUN_STOP", "C2_PHASE_TRANSITION"]
    assert record.metrics()["orchestrator_state"] == "ERROR_REQUIRES_OPERATOR"
    assert len(record.payloads("SESSION_STOP")) == (phase is not SessionPhase.INIT)


def test_rejection_writes_no_stop() -> None:
    """A rejected session closes with the event REJECTED and without SESSION_STOP."""
    record = Record()
    life = lifecycle(record, SessionPhase.INIT)
    life.rejection = (RejectCode.LIVE_ENABLED, "reason")
    life.close(BOOKS, counters)
    assert [event["event_type"] for event in record.events()] == ["REJECTED"]
    assert (life.phase, life.accepted) == (SessionPhase.PREFLIGHT_FAILED, False)


# how many calls each sink takes until the closing begins, and then in it
@pytest.mark.parametrize(
    ("name", "call", "told"),
    [
        ("events", 0, "at once"),  # the last event itself
        ("events", 1, "at once"),  # its flush
        ("metrics", 0, "again"),
        ("metrics", 1, "again"),
        ("snapshots", 2, "again"),
        ("snapshots", 3, "again"),
    ],
)
def test_late_sink_death_fails_session(name: str, call: int, told: str) -> None:
    """A sink that fails for good while the session closes makes all that is written after say FAILED."""
    record = Record(**{name: dead_from(call)})
    life = closed(record)
    assert (life.phase, life.stop_reason) == (SessionPhase.ERROR_REQUIRES_OPERATOR, "failed")
    assert life.failure is not None
    assert life.failure.code is FailCode.SINK_WRITE_FAILED
    assert phases_of(record.audit())[-1] == "ERROR_REQUIRES_OPERATOR"
    codes = record.codes()
    assert codes.count("C2_SINK_WRITE_FAILED") == 1
    assert codes.count("C2_DRYRUN_STOP") == (2 if told == "again" else 1)
    assert codes[-3:] == ["C2_ABORT_SINK_WRITE_FAILED", "C2_DRYRUN_STOP", "C2_PHASE_TRANSITION"]
    if told == "at once":
        assert record.metrics()["status"] == record.snapshots()[-1]["status"] == "FAILED"


def test_late_audit_death_fails_session() -> None:
    """Metrics and final snapshot say FAILED when the audit sink fails for good while the session closes."""
    record = Record(audit=dead_from(4))
    assert closed(record).phase is SessionPhase.ERROR_REQUIRES_OPERATOR
    assert record.metrics()["status"] == record.snapshots()[-1]["status"] == "FAILED"
    assert len(record.audit()) == 4


def test_metrics_survive_audit_death() -> None:
    """Metrics are written and flushed even when the audit sink fails for good while metrics are being retried."""
    record = Record(audit=dead_from(6), metrics=failing_at(0))
    life = lifecycle(record, SessionPhase.STOPPING, max_retries=1)
    life.stop_reason = StopReason.COMPLETED
    life.close(BOOKS, counters)
    assert record.metrics()["status"] == "FAILED"
    assert life.journal.dead_sinks == ("audit.jsonl",)
    assert record.sinks["metrics"].flushes == 1


def test_live_sinks_are_flushed() -> None:
    """Closing flushes every sink that still works even when the audit sink failed for good."""
    audit, metrics, snapshots = dead_from(6), Remembering(), Remembering()
    record = Record(audit=audit, metrics=metrics, snapshots=snapshots)
    closed(record)
    assert (len(audit.lines), audit.flushes, metrics.flushes, snapshots.flushes) == (6, 0, 1, 1)


def test_all_dead_sinks_still_end() -> None:
    """A session whose four sinks all failed for good still reaches its end phase."""
    record = Record(events=dead_from(0), audit=dead_from(4), metrics=dead_from(0), snapshots=dead_from(2))
    assert closed(record).phase is SessionPhase.ERROR_REQUIRES_OPERATOR


def test_attempt_while_closing_fails() -> None:
    """An attempt to leave the process that is refused during closing makes the session FAILED."""
    record = Record()
    life = closed(record, lambda: len(record.lines("metrics")))
    assert life.failure is not None
    assert life.failure.code is FailCode.NO_LIVE_VIOLATION
    assert record.snapshots()[-1]["status"] == "FAILED"
    assert phases_of(record.audit())[-1] == "ERROR_REQUIRES_OPERATOR"


def test_dead_sinks_are_audited_once() -> None:
    """A sink that failed for good has one audit entry, and writes refused after that add none."""
    record = Record()
    life = lifecycle(record, SessionPhase.INIT)
    life.audit_dead_sink(SinkWriteError("events.jsonl", 2, "OSError"))
    life.audit_dead_sink(SinkWriteError("events.jsonl", 0, "dead since an earlier failure"))
    assert record.codes().count("C2_SINK_WRITE_FAILED") == 1
    assert record.audit()[-1]["meta"] == {"sink": "events.jsonl", "attempts": 2, "error": "OSError"}
    assert SECRET_PART not in record.whole()
