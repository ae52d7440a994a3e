from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from c2lib.core.states import TRIGGER_OF_FAIL_CODE
from c2lib.core.vocabulary import FailCode
from tests.witness.sample_runs import (
    AUDIT,
    EVENTS,
    METRICS,
    SNAPSHOTS,
    Line,
    Run,
    cancelled_run,
    examined,
    failed_run,
    forged,
    found,
    make_run,
    rejected_run,
    retried_run,
    tripped_run,
)

NOT_REFOLDED = {
    "orders_cancel_total",
    "orders_query_total",
    "retry_attempts_total",
    "schema_version",
}


@pytest.mark.parametrize("make", [make_run, cancelled_run, failed_run, tripped_run, rejected_run, retried_run])
def test_wrong_counters_are_found(make: Callable[[], Run], tmp_path: Path) -> None:
    """Each counter of metrics.json that the log determines is found when changed by one with all hashes adjusted."""
    for name, value in make().metrics.items():
        run = make()
        if isinstance(value, int) and name not in NOT_REFOLDED:
            run.metrics[name] = value + 1
            assert found(forged(run, tmp_path / name)), name


@pytest.mark.parametrize("name", ["orders_cancel_total", "orders_query_total"])
def test_call_counters_have_lower_bounds(name: str, tmp_path: Path) -> None:
    """The counters of cancel and query calls may exceed the calls that events show, and may not be lower."""
    run = cancelled_run()
    assert run.metrics[name] == 1
    run.metrics[name] = 0
    assert found(forged(run, tmp_path / "less")) == {f"COUNTER_WRONG {METRICS}"}
    run.metrics[name] = 2
    assert found(forged(run, tmp_path / "more")) == set()


@pytest.mark.parametrize("name", ["last_audit_event_ts", "reconciler_last_ok_ts"])
def test_metrics_times_match_log(name: str, tmp_path: Path) -> None:
    """A time in metrics.json that differs from the log's, or is missing, is COUNTER_WRONG."""
    for number, value in enumerate((None, "2027-01-01T00:00:00+00:00")):
        run = make_run()
        run.metrics[name] = value
        assert found(forged(run, tmp_path / str(number))) == {f"COUNTER_WRONG {METRICS}"}


@pytest.mark.parametrize(
    ("file", "at", "change"),
    [
        (METRICS, 0, {"status": "FAILED"}),
        (METRICS, 0, {"orchestrator_state": "STOPPING"}),
        (SNAPSHOTS, 1, {"events_emitted": 0}),
        (SNAPSHOTS, 2, {"events_emitted": 19}),
        (SNAPSHOTS, 2, {"step": 7}),
        (SNAPSHOTS, 2, {"sink_retries": 1}),
        (SNAPSHOTS, 2, {"meta": {}}),
        (SNAPSHOTS, 2, {"meta": {"stop_reason": "cancelled"}}),
        (SNAPSHOTS, 2, {"ended_ts": "2027-01-01T00:00:00+00:00"}),
        (EVENTS, 19, {"ts_utc": "2027-01-01T00:00:00+00:00"}),
        (EVENTS, 0, {"ts_utc": "2025-01-01T00:00:00+00:00"}),
    ],
)
def test_contradictions_between_files_are_found(file: str, at: int, change: Line, tmp_path: Path) -> None:
    """A status, count or time that contradicts another file of the run is found although all hashes fit."""
    run = make_run()
    run.lines[file][at].update(change)
    assert found(forged(run, tmp_path))


def _drop_snapshot(run: Run) -> None:
    del run.snapshots[1]
    run.snapshots[1]["ts_sim"] = 1


def _double_last_snapshot(run: Run) -> None:
    run.snapshots.append({**run.snapshots[-1], "ts_sim": 3})


def _drop_stop(run: Run) -> None:
    del run.events[-1]


def _drop_all_events(run: Run) -> None:
    run.events.clear()


def _drop_reconciliation(run: Run) -> None:
    del run.events[-2]
    run.events[-1]["ts_sim"] -= 1


def _shift_last_move(run: Run) -> None:
    run.audit[-1]["meta"]["ts_sim"] += 1


def _stop_otherwise(run: Run) -> None:
    run.payloads("SESSION_STOP")[0]["stop_reason"] = "cancelled"
    run.entries("C2_DRYRUN_STOP")[0]["meta"]["stop_reason"] = "cancelled"
    run.snapshots[-1]["meta"]["stop_reason"] = "cancelled"


def _stop_early(run: Run) -> None:
    run.payloads("SESSION_STOP")[0]["steps"] = 7
    run.entries("C2_DRYRUN_STOP")[0]["meta"]["steps"] = 7
    run.snapshots[-1]["step"] = 7


def _say_failed(run: Run) -> None:
    run.payloads("SESSION_STOP")[0]["stop_reason"] = "failed"


def _hide_attempts(run: Run) -> None:
    run.entries("C2_DRYRUN_STOP")[0]["meta"]["no_live_attempts"] = 3


def _audit_a_mismatch(run: Run) -> None:
    run.audit[3]["code"] = "C2_RECONCILE_MISMATCH"


def _audit_a_rail(run: Run) -> None:
    run.audit[3]["code"] = "C2_RAIL_TRIPPED"


@pytest.mark.parametrize(
    "forge",
    [
        _drop_snapshot,
        _double_last_snapshot,
        _drop_stop,
        _drop_all_events,
        _drop_reconciliation,
        _shift_last_move,
        _stop_otherwise,
        _stop_early,
        _say_failed,
        _hide_attempts,
        _audit_a_mismatch,
        _audit_a_rail,
    ],
)
def test_inconsistent_records_are_found(forge: Callable[[Run], None], tmp_path: Path) -> None:
    """A run whose events, audit and snapshots contradict each other is found although all hashes fit."""
    run = make_run()
    forge(run)
    assert found(forged(run, tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        {"fail_code": "C2_ABORT_INVARIANT"},
        {"fail_code": "C2_ABORT_UNKNOWN_OUTCOME"},
        {"reject_code": "C2_REJECT_UNKNOWN_STRATEGY", "reject_reason": "x"},
    ],
)
def test_snapshot_codes_match_audit(change: Line, tmp_path: Path) -> None:
    """A last snapshot whose fail code or reject code differs from the audit trail is STATUS_PATH_WRONG."""
    run = failed_run()
    run.snapshots[-1].update(change)
    assert f"STATUS_PATH_WRONG {SNAPSHOTS}" in found(forged(run, tmp_path))


@pytest.mark.parametrize("change", [{"code": "C2_REJECT_MISSING_RUN_ID"}, {"reason": "another"}])
def test_rejection_agrees_across_files(change: Line, tmp_path: Path) -> None:
    """A REJECTED event whose code or reason differs from audit and snapshot is STATUS_PATH_WRONG."""
    run = rejected_run()
    run.events[0]["payload"].update(change)
    assert f"STATUS_PATH_WRONG {SNAPSHOTS}" in found(forged(run, tmp_path))


def test_rejected_run_has_one_event(tmp_path: Path) -> None:
    """A rejected session with no event, or with more than one, is SEQUENCE_BROKEN."""
    run = rejected_run()
    run.events.clear()
    assert f"SEQUENCE_BROKEN {EVENTS}" in found(forged(run, tmp_path / "none"))
    run = rejected_run()
    run.events.append({**run.events[0], "ts_sim": 1})
    assert f"SEQUENCE_BROKEN {EVENTS}" in found(forged(run, tmp_path / "two"))


def test_rejection_needs_failed_check(tmp_path: Path) -> None:
    """A rejection without a failed preflight check in the audit trail is STATUS_PATH_WRONG."""
    run = rejected_run()
    for entry in run.entries("C2_PREFLIGHT_CHECK"):
        entry["meta"]["passed"] = True
    assert found(forged(run, tmp_path)) == {f"STATUS_PATH_WRONG {AUDIT}"}


def test_events_need_session_start(tmp_path: Path) -> None:
    """A failed session that has events but no SESSION_START is SEQUENCE_BROKEN."""
    run = failed_run()
    run.lines[EVENTS] = [{**event, "ts_sim": at} for at, event in enumerate(run.events[1:3])]
    assert f"SEQUENCE_BROKEN {EVENTS}" in found(forged(run, tmp_path))


def test_failed_run_may_lack_events(tmp_path: Path) -> None:
    """A failed session without any event is not SEQUENCE_BROKEN."""
    run = failed_run()
    run.events.clear()
    assert f"SEQUENCE_BROKEN {EVENTS}" not in found(forged(run, tmp_path))


def test_missing_file_is_reported_once(tmp_path: Path) -> None:
    """A missing file is one finding of an incomplete run, and the files that are there are still compared."""
    for name in (EVENTS, SNAPSHOTS, AUDIT, METRICS):
        run = rejected_run()
        run.sealed = False
        del run.lines[name]
        assert found(examined(run, tmp_path / name)) == {"INCOMPLETE_RUN .", f"MISSING_FILE {name}"}


@pytest.mark.parametrize("at", [0, 1])
def test_twice_closed_run_needs_snapshot(at: int, tmp_path: Path) -> None:
    """A session that closed twice has a last snapshot of one of its two ends, and without one is found."""
    run = make_run(leaking={SNAPSHOTS: 2}) if at else make_run(leaking={METRICS: 0})
    assert run.snapshots[-1]["phase"] == ("STOPPED" if at else "ERROR_REQUIRES_OPERATOR")
    assert found(examined(run, tmp_path / "as it was")) == set()
    del run.snapshots[-1]
    assert f"STATUS_PATH_WRONG {SNAPSHOTS}" in found(forged(run, tmp_path / "without"))


def test_closing_retries_may_go_uncounted(tmp_path: Path) -> None:
    """The metrics may omit only the audit entries of retries while closing; any other entry count is found."""
    run = retried_run()
    tail = len(run.audit) - run.metrics["audit_events"]
    assert tail > 0
    assert examined(run, tmp_path / "as it was").findings == ()
    for number, wrong in enumerate((len(run.audit) + 1, run.metrics["audit_events"] - 2)):
        forgery = retried_run()
        forgery.metrics["audit_events"] = wrong
        assert f"COUNTER_WRONG {METRICS}" in found(forged(forgery, tmp_path / str(number)))


@pytest.mark.parametrize(
    "failing",
    [{SNAPSHOTS: [0]}, {SNAPSHOTS: [2]}, {METRICS: [0]}, {EVENTS: [0]}, {EVENTS: [4]}, {EVENTS: [19]}],
)
def test_dead_sink_is_one_finding(failing: Any, tmp_path: Path) -> None:
    """A record cut by a failed sink is one finding, and the comparison of the files is listed as unchecked."""
    run = make_run(failing=failing)
    run.sealed = False
    run.lines = {name: lines for name, lines in run.lines.items() if lines or name != METRICS}
    examination = examined(run, tmp_path)
    name = next(iter(failing))
    assert f"INCOMPLETE_RUN {name}" in found(examination)
    assert found(examination) <= {f"INCOMPLETE_RUN {name}", f"MISSING_FILE {name}", "INCOMPLETE_RUN ."}
    assert "the agreement between the files: a sink failed for good, and the record is cut" in examination.unchecked


def test_every_fail_code_has_trigger() -> None:
    """Every fail code has one trigger of its own in the table."""
    assert set(TRIGGER_OF_FAIL_CODE) == set(FailCode)
    assert len(set(TRIGGER_OF_FAIL_CODE.values())) == len(FailCode)
