from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from c2lib.core.vocabulary import FailCode
from c2lib.witness.agreement import TRIGGER_OF_FAIL_CODE
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
def test_each_number_of_the_metrics_is_borne_by_the_log(make: Callable[[], Run], tmp_path: Path) -> None:
    """Every counter changed by one, with all hashes made to fit, is found; three cannot be, and it is known which."""
    for name, value in make().metrics.items():
        run = make()
        if isinstance(value, int) and name not in NOT_REFOLDED:
            run.metrics[name] = value + 1
            assert found(forged(run, tmp_path / name)), name


@pytest.mark.parametrize("name", ["orders_cancel_total", "orders_query_total"])
def test_calls_that_the_log_bears_are_the_least(name: str, tmp_path: Path) -> None:
    """More calls may have been made than events tell, fewer not."""
    run = cancelled_run()
    assert run.metrics[name] == 1
    run.metrics[name] = 0
    assert found(forged(run, tmp_path / "less")) == {f"COUNTER_WRONG {METRICS}"}
    run.metrics[name] = 2
    assert found(forged(run, tmp_path / "more")) == set()


@pytest.mark.parametrize("name", ["last_audit_event_ts", "reconciler_last_ok_ts"])
def test_the_times_of_the_metrics_are_those_of_the_log(name: str, tmp_path: Path) -> None:
    """Another time or none at all is found."""
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
def test_what_one_file_says_against_the_others_is_found(file: str, at: int, change: Line, tmp_path: Path) -> None:
    """Status, counts and times are told by more than one file."""
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
def test_a_story_that_does_not_hold_together_is_found(forge: Callable[[Run], None], tmp_path: Path) -> None:
    """However well its hashes fit."""
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
def test_the_codes_of_the_last_snapshot_are_those_of_the_audit(change: Line, tmp_path: Path) -> None:
    """A failure is not told as another one."""
    run = failed_run()
    run.snapshots[-1].update(change)
    assert f"STATUS_PATH_WRONG {SNAPSHOTS}" in found(forged(run, tmp_path))


@pytest.mark.parametrize("change", [{"code": "C2_REJECT_MISSING_RUN_ID"}, {"reason": "another"}])
def test_a_rejection_has_one_code_and_one_reason(change: Line, tmp_path: Path) -> None:
    """Event, audit and snapshot say the same."""
    run = rejected_run()
    run.events[0]["payload"].update(change)
    assert f"STATUS_PATH_WRONG {SNAPSHOTS}" in found(forged(run, tmp_path))


def test_a_rejected_session_has_one_event(tmp_path: Path) -> None:
    """Neither none nor more than one."""
    run = rejected_run()
    run.events.clear()
    assert f"SEQUENCE_BROKEN {EVENTS}" in found(forged(run, tmp_path / "none"))
    run = rejected_run()
    run.events.append({**run.events[0], "ts_sim": 1})
    assert f"SEQUENCE_BROKEN {EVENTS}" in found(forged(run, tmp_path / "two"))


def test_a_rejection_needs_a_check_that_failed(tmp_path: Path) -> None:
    """Nobody is turned away by gates that were all open."""
    run = rejected_run()
    for entry in run.entries("C2_PREFLIGHT_CHECK"):
        entry["meta"]["passed"] = True
    assert found(forged(run, tmp_path)) == {f"STATUS_PATH_WRONG {AUDIT}"}


def test_a_session_that_was_never_announced_has_no_events(tmp_path: Path) -> None:
    """Whatever stopped it before its first event leaves none behind, but for a rail's."""
    run = failed_run()
    run.lines[EVENTS] = [{**event, "ts_sim": at} for at, event in enumerate(run.events[1:3])]
    assert f"SEQUENCE_BROKEN {EVENTS}" in found(forged(run, tmp_path))


def test_a_session_may_fail_before_it_was_announced(tmp_path: Path) -> None:
    """Then it has no events at all."""
    run = failed_run()
    run.events.clear()
    assert f"SEQUENCE_BROKEN {EVENTS}" not in found(forged(run, tmp_path))


def test_files_are_compared_as_far_as_they_are_there(tmp_path: Path) -> None:
    """A missing one is missed once, and nothing is made up in its place."""
    for name in (EVENTS, SNAPSHOTS, AUDIT, METRICS):
        run = rejected_run()
        run.sealed = False
        del run.lines[name]
        assert found(examined(run, tmp_path / name)) == {"INCOMPLETE_RUN .", f"MISSING_FILE {name}"}


@pytest.mark.parametrize("at", [0, 1])
def test_where_a_session_closed_twice_the_last_snapshot_is_of_either_end(at: int, tmp_path: Path) -> None:
    """But of one of them."""
    run = make_run(leaking={SNAPSHOTS: 2}) if at else make_run(leaking={METRICS: 0})
    assert run.snapshots[-1]["phase"] == ("STOPPED" if at else "ERROR_REQUIRES_OPERATOR")
    assert found(examined(run, tmp_path / "as it was")) == set()
    del run.snapshots[-1]
    assert f"STATUS_PATH_WRONG {SNAPSHOTS}" in found(forged(run, tmp_path / "without"))


def test_retries_that_came_while_closing_may_be_unknown_to_the_metrics(tmp_path: Path) -> None:
    """Only those: one entry fewer, or one more than there is, is found."""
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
def test_a_record_that_was_cut_by_a_dead_sink_is_one_finding(failing: Any, tmp_path: Path) -> None:
    """It is said once which file is not whole, and that nothing was compared."""
    run = make_run(failing=failing)
    run.sealed = False
    run.lines = {name: lines for name, lines in run.lines.items() if lines or name != METRICS}
    examination = examined(run, tmp_path)
    name = next(iter(failing))
    assert f"INCOMPLETE_RUN {name}" in found(examination)
    assert found(examination) <= {f"INCOMPLETE_RUN {name}", f"MISSING_FILE {name}", "INCOMPLETE_RUN ."}
    assert "the agreement between the files: a sink failed for good, and the record is cut" in examination.unchecked


def test_every_way_to_fail_has_its_trigger() -> None:
    """The table is complete."""
    assert set(TRIGGER_OF_FAIL_CODE) == set(FailCode)
    assert len(set(TRIGGER_OF_FAIL_CODE.values())) == len(FailCode)
