from collections.abc import Callable

import pytest

from c2lib.core.canon import canonical_json
from c2lib.witness.findings import Findings
from c2lib.witness.lines import RunName
from c2lib.witness.snapshots import MAX_STATES, SnapshotLog
from tests.witness.sample_runs import Line, Run, cancelled_run, failed_run, make_run, rejected_run, retried_run


def read(snapshots: list[Line]) -> tuple[SnapshotLog, list[str]]:
    """Return the log of snapshots, and what was found."""
    findings = Findings()
    log = SnapshotLog(findings, RunName())
    for number, snapshot in enumerate(snapshots, start=1):
        log.take(number, canonical_json(snapshot).encode())
    return log, [f"{f.code}:{f.line} {f.expected} / {f.seen}" for f in findings.all()]


@pytest.mark.parametrize(
    ("make", "statuses"),
    [
        (make_run, ["INIT", "RUNNING", "COMPLETED"]),
        (cancelled_run, ["INIT", "RUNNING", "COMPLETED"]),
        (retried_run, ["INIT", "RUNNING", "COMPLETED"]),
        (rejected_run, ["INIT", "REJECTED"]),
        (failed_run, ["INIT", "RUNNING", "FAILED"]),
    ],
)
def test_session_snapshots_are_correct(make: Callable[[], Run], statuses: list[str]) -> None:
    """The snapshots of a session have no findings and one status each, in the order of the lifecycle."""
    run = make()
    log, found = read(run.snapshots)
    assert found == []
    assert [state.status for state in log.states] == statuses
    assert log.last == run.snapshots[-1]


@pytest.mark.parametrize(
    ("make", "at", "change", "finding"),
    [
        (make_run, 1, {"ts_sim": 2}, "SEQUENCE_BROKEN:2 ts_sim 1 / 2"),
        (make_run, 1, {"status": "INIT"}, "STATUS_PATH_WRONG:2 RUNNING of phase DRYRUN_ACTIVE / INIT"),
        (make_run, 2, {"ended_ts": None}, "STATUS_PATH_WRONG:3 an ended_ts at the end and not before / null"),
        (
            make_run,
            0,
            {"ended_ts": "2026-01-01T00:00:00+00:00"},
            "STATUS_PATH_WRONG:1 an ended_ts at the end and not before / 2026-01-01T00:00:00+00:00",
        ),
        (
            make_run,
            2,
            {"ended_ts": "2025-01-01T00:00:00+00:00"},
            "CLOCK_WENT_BACK:3 not before 2026-01-01T00:00:00+00:00 / 2025-01-01T00:00:00+00:00",
        ),
        (
            make_run,
            1,
            {"started_ts": "2025-01-01T00:00:00+00:00"},
            "STATUS_PATH_WRONG:2 started_ts 2026-01-01T00:00:00+00:00 / 2025-01-01T00:00:00+00:00",
        ),
        (make_run, 2, {"events_emitted": 0}, "COUNTER_WRONG:3 events_emitted of 1 or more / 0"),
        (failed_run, 1, {"step": 9}, "COUNTER_WRONG:3 step of 9 or more / 3"),
        (make_run, 1, {"sink_retries": 9}, "COUNTER_WRONG:3 sink_retries of 9 or more / 0"),
        (
            make_run,
            2,
            {"fail_code": "C2_ABORT_EXCEPTION", "fail_reason": "x"},
            "STATUS_PATH_WRONG:3 no fail_code of status COMPLETED / C2_ABORT_EXCEPTION",
        ),
        (failed_run, 2, {"fail_reason": None}, "STATUS_PATH_WRONG:3 fail_code and fail_reason together / null"),
        (
            failed_run,
            2,
            {"fail_reason": None, "fail_code": None},
            "STATUS_PATH_WRONG:3 a fail_code of status FAILED / null",
        ),
        (
            rejected_run,
            1,
            {"reject_reason": None, "reject_code": None},
            "STATUS_PATH_WRONG:2 a reject_code of status REJECTED / null",
        ),
        (
            failed_run,
            1,
            {"reject_reason": "x", "reject_code": "C2_REJECT_UNKNOWN_STRATEGY"},
            "STATUS_PATH_WRONG:2 no reject_code of status RUNNING / C2_REJECT_UNKNOWN_STRATEGY",
        ),
    ],
)
def test_impossible_snapshot_is_found(make: Callable[[], Run], at: int, change: Line, finding: str) -> None:
    """A snapshot whose number, status, times, counts or codes contradict each other is found."""
    snapshots = make().snapshots
    snapshots[at].update(change)
    assert finding in read(snapshots)[1]


def test_broken_line_is_one_finding() -> None:
    """A snapshot line that breaks the contract is one finding, and the snapshots after that line stay in sequence."""
    snapshots = make_run().snapshots
    snapshots[1]["phase"] = "NOWHERE"
    log, found = read(snapshots)
    assert [text.split(" ")[0] for text in found] == ["CONTRACT_BROKEN:2"]
    assert log.emitted == 3


def test_kept_snapshots_are_bounded() -> None:
    """The number of snapshots kept in memory has a bound, however many the file holds."""
    snapshots = make_run().snapshots
    log, _ = read([snapshots[0]] * (2 * MAX_STATES))
    assert len(log.states) == MAX_STATES
    assert log.emitted == 2 * MAX_STATES
