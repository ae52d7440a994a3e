from collections.abc import Callable
from typing import Any

import pytest

from c2lib.core.canon import canonical_json
from c2lib.witness.audit import MAX_MOVES, AuditLog
from c2lib.witness.findings import Findings
from tests.witness.sample_runs import (
    AUDIT,
    EVENTS,
    METRICS,
    SNAPSHOTS,
    Line,
    Run,
    cancelled_run,
    failed_run,
    make_run,
    rejected_run,
    retried_run,
    tripped_run,
)


def read(run: Run, *, rehash: bool = True) -> tuple[AuditLog, list[str]]:
    """Return the log of a run's audit trail, chain and numbers made to fit, and what was found."""
    if rehash:
        for number, entry in enumerate(run.audit):
            entry["seq"] = number
        run.rehash()
    findings = Findings()
    log = AuditLog(findings)
    for number, entry in enumerate(run.audit, start=1):
        log.take(number, canonical_json(entry).encode())
    log.finish()
    return log, [f"{f.code}:{f.line} {f.expected} / {f.seen}" for f in findings.all()]


def move(run: Run, at: int) -> Line:
    """Return the meta of a phase move."""
    meta: Line = run.entries("C2_PHASE_TRANSITION")[at]["meta"]
    return meta


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (make_run, ["PREFLIGHT_OK", "DRYRUN_ACTIVE", "STOPPING", "STOPPED"]),
        (cancelled_run, ["PREFLIGHT_OK", "DRYRUN_ACTIVE", "STOPPING", "STOPPED"]),
        (rejected_run, ["PREFLIGHT_FAILED"]),
        (failed_run, ["PREFLIGHT_OK", "DRYRUN_ACTIVE", "ERROR_REQUIRES_OPERATOR"]),
        (tripped_run, ["PREFLIGHT_OK", "DRYRUN_ACTIVE", "ERROR_REQUIRES_OPERATOR"]),
        (retried_run, ["PREFLIGHT_OK", "DRYRUN_ACTIVE", "STOPPING", "STOPPED"]),
    ],
)
def test_phase_path_is_read(make: Callable[[], Run], path: list[str]) -> None:
    """Every phase move is read from the audit trail, with its event number and the hash of its entry."""
    run = make()
    log, found = read(run, rehash=False)
    entries = run.entries("C2_PHASE_TRANSITION")
    assert found == []
    assert [item.after for item in log.moves] == path
    assert [item.ts_sim for item in log.moves] == [entry["meta"]["ts_sim"] for entry in entries]
    assert [item.entry_hash for item in log.moves] == [entry["entry_hash"] for entry in entries]
    assert (log.emitted, log.last_hash) == (len(run.audit), run.audit[-1]["entry_hash"])


def test_retries_are_summed() -> None:
    """Sink retries of the audit trail are summed, and those after the last phase move are kept separately."""
    run = retried_run()
    log, _ = read(run, rehash=False)
    retries = [entry["meta"]["retries"] for entry in run.entries("C2_SINK_WRITE_RETRY")]
    assert log.retries == sum(retries)
    assert log.retries == log.end_retries + sum(retried for _, retried in log.tail)
    assert log.end_entries + len(log.tail) == log.emitted
    assert log.tail


def test_changed_entry_breaks_chain() -> None:
    """A changed audit entry is CHAIN_BROKEN at its line, and a changed entry hash at the next line too."""
    run = make_run()
    run.audit[5]["message"] = "another"
    _, found = read(run, rehash=False)
    assert [text.split(" ")[0] for text in found] == ["CHAIN_BROKEN:6"]
    run = make_run()
    run.audit[5]["entry_hash"] = "0" * 64
    _, found = read(run, rehash=False)
    assert [text.split(" ")[0] for text in found] == ["CHAIN_BROKEN:6", "CHAIN_BROKEN:7"]


def test_lost_or_doubled_entry_found() -> None:
    """A lost or doubled audit entry is found by its sequence number and by the chain."""
    run = make_run()
    del run.audit[5]
    assert {text.split(" ")[0] for text in read(run, rehash=False)[1]} == {"CHAIN_BROKEN:6", "SEQUENCE_BROKEN:6"}
    run = make_run()
    run.audit.insert(5, run.audit[5])
    assert {text.split(" ")[0] for text in read(run, rehash=False)[1]} == {"CHAIN_BROKEN:7", "SEQUENCE_BROKEN:7"}


def test_broken_line_is_one_finding() -> None:
    """An audit line that breaks the contract is one finding, and chain and count continue after the line."""
    run = make_run()
    run.audit[5]["level"] = "NONE"
    assert [text.split(" ")[0] for text in read(run, rehash=False)[1]] == ["CONTRACT_BROKEN:6"]


def test_time_never_goes_back() -> None:
    """An audit entry with an earlier time than the entry before is CLOCK_WENT_BACK."""
    run = make_run()
    run.audit[5]["ts"] = "2025-01-01T00:00:00+00:00"
    assert read(run)[1] == ["CLOCK_WENT_BACK:6 a ts not before 2026-01-01T00:00:00+00:00 / 2025-01-01T00:00:00+00:00"]


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"to": "STOPPED"}, "a move of the session table / INIT to STOPPED on PREFLIGHT_PASSED"),
        ({"trigger": "FIRST_STEP"}, "a move of the session table / INIT to PREFLIGHT_OK on FIRST_STEP"),
        ({"from": "STOPPING"}, "a move from INIT / from STOPPING"),
    ],
)
def test_unlisted_phase_move_is_found(change: Line, finding: str) -> None:
    """A phase move whose from, to and trigger are no row of the session table is PHASE_PATH_FORBIDDEN."""
    run = make_run()
    move(run, 0).update(change)
    assert f"PHASE_PATH_FORBIDDEN:14 {finding}" in read(run)[1]


@pytest.mark.parametrize(
    "change", [{"to": "NOWHERE"}, {"trigger": None}, {"from": []}, {"ts_sim": "1"}, {"ts_sim": True}, {"ts_sim": -1}]
)
def test_malformed_phase_move_is_found(change: Line) -> None:
    """A phase move with an unknown phase or trigger, or a malformed event number, breaks the contract."""
    run = make_run()
    move(run, 0).update(change)
    assert read(run)[1][0].startswith("CONTRACT_BROKEN:14 meta with the phases")


def test_path_must_reach_end() -> None:
    """An audit trail whose last phase is no end phase is PHASE_PATH_FORBIDDEN."""
    run = make_run()
    del run.audit[-1]
    assert read(run)[1] == ["PHASE_PATH_FORBIDDEN:17 a path that reaches an end phase / STOPPING"]


def test_event_numbers_of_moves_grow() -> None:
    """A phase move with a lower event number than the move before is SEQUENCE_BROKEN."""
    run = make_run()
    move(run, 1)["ts_sim"] = 19
    assert read(run)[1] == ["SEQUENCE_BROKEN:16 ts_sim 19 or more / 18"]


def test_passed_preflight_needs_passed_checks() -> None:
    """PREFLIGHT_OK after a failed preflight check, or after no check at all, is PHASE_PATH_FORBIDDEN."""
    run = make_run()
    run.audit[3]["meta"]["passed"] = False
    assert read(run)[1] == ["PHASE_PATH_FORBIDDEN:14 preflight checks before it, all passed / 1 of 12 failed"]
    run = make_run()
    run.lines[AUDIT] = [entry for entry in run.audit if entry["code"] != "C2_PREFLIGHT_CHECK"]
    assert read(run)[1] == ["PHASE_PATH_FORBIDDEN:2 preflight checks before it, all passed / 0 of 0 failed"]


def test_start_entry_stands_first() -> None:
    """C2_DRYRUN_START stands first in the audit trail and nowhere else."""
    run = make_run()
    run.audit.insert(5, dict(run.audit[0]))
    assert len(read(run)[1]) == 1
    run = make_run()
    del run.audit[0]
    assert read(run)[1] == ["SEQUENCE_BROKEN:1 C2_DRYRUN_START as the first entry and no other / C2_PREFLIGHT_CHECK"]


def test_stop_entry_is_required() -> None:
    """A finished audit trail without a C2_DRYRUN_STOP entry is SEQUENCE_BROKEN."""
    run = make_run()
    run.lines[AUDIT] = [entry for entry in run.audit if entry["code"] != "C2_DRYRUN_STOP"]
    assert read(run)[1] == ["SEQUENCE_BROKEN:17 1 C2_DRYRUN_STOP / 0"]


def test_only_retries_follow_end() -> None:
    """After the last phase move only retry entries may follow; any other entry is SEQUENCE_BROKEN."""
    run = retried_run()
    run.audit.append(dict(run.audit[1]))
    assert read(run)[1] == [
        f"SEQUENCE_BROKEN:{len(run.audit)} only writes tried again after the last phase move / C2_PREFLIGHT_CHECK"
    ]


@pytest.mark.parametrize("retries", [0, None, "1", True])
def test_retry_entry_counts_retries(retries: Any) -> None:
    """A retry entry without a number of retries of at least one breaks the contract."""
    run = retried_run()
    run.entries("C2_SINK_WRITE_RETRY")[0]["meta"]["retries"] = retries
    assert [text.split(" ")[0] for text in read(run)[1]] == ["CONTRACT_BROKEN:3"]


@pytest.mark.parametrize(("sink", "call"), [(SNAPSHOTS, 2), (METRICS, 0), (EVENTS, 19)])
def test_late_sink_failure_is_allowed(sink: str, call: int) -> None:
    """After a late sink failure the repeated closing entries are allowed, and the last phase move counts."""
    run = make_run(failing={sink: [call]})
    log, found = read(run, rehash=False)
    assert found == ["INCOMPLETE_RUN:0 a sink that took every line / one that failed for good"]
    assert log.phase.value == "ERROR_REQUIRES_OPERATOR"
    assert list(log.dead_sinks) == [sink]


@pytest.mark.parametrize("sink", [None, [], "elsewhere"])
def test_unnamed_dead_sink_is_audit(sink: Any) -> None:
    """A failed sink without a known name is reported once, as a failure of the audit trail."""
    run = make_run(failing={SNAPSHOTS: [2]})
    run.entries("C2_SINK_WRITE_FAILED")[0]["meta"]["sink"] = sink
    run.audit.append(run.entries("C2_SINK_WRITE_FAILED")[0].copy())
    log, found = read(run)
    assert list(log.dead_sinks) == [AUDIT]
    assert found == ["INCOMPLETE_RUN:0 a sink that took every line / one that failed for good"]


def test_late_violation_closes_twice() -> None:
    """A late NO-LIVE violation may close a session a second time; a third closing is SEQUENCE_BROKEN."""
    run = make_run(leaking={METRICS: 0})
    log, found = read(run, rehash=False)
    assert found == []
    assert log.closed_twice
    assert [move.after for move in log.moves[-2:]] == ["STOPPED", "ERROR_REQUIRES_OPERATOR"]
    run.audit.extend(dict(entry) for entry in run.audit[-3:])
    assert read(run)[1] == [
        "SEQUENCE_BROKEN:22 only writes tried again after the last phase move / C2_ABORT_NO_LIVE_VIOLATION",
        "SEQUENCE_BROKEN:24 2 C2_DRYRUN_STOP / 3",
    ]


def test_second_closing_needs_violation() -> None:
    """Only a NO-LIVE violation opens a second closing, and no other entry stands between the two closings."""
    run = make_run(leaking={METRICS: 0})
    run.audit.insert(-2, dict(run.audit[1]))
    assert read(run)[1] == ["SEQUENCE_BROKEN:20 only writes tried again after the last phase move / C2_PREFLIGHT_CHECK"]
    run = make_run()
    run.audit.extend(dict(entry) for entry in run.audit[-2:])
    assert read(run)[1][0] == "SEQUENCE_BROKEN:19 only writes tried again after the last phase move / C2_DRYRUN_STOP"


def test_canary_layer_is_kept() -> None:
    """The audit log keeps the layer in which the canary of the NO-LIVE guard ran, or none without a canary."""
    assert read(make_run())[0].canary_layer == "hook"
    assert read(rejected_run())[0].canary_layer is None


@pytest.mark.parametrize(("layer", "seen"), [("namespace", "namespace"), (7, None)])
def test_named_canary_layer_is_kept(layer: object, seen: str | None) -> None:
    """The audit log keeps the layer that the canary's check names, and takes a value that is no text as none."""
    run = make_run()
    (check,) = [entry for entry in run.audit if entry["meta"].get("check") == "no_live_guard"]
    check["meta"]["layer"] = layer
    assert read(run)[0].canary_layer == seen


def test_kept_moves_are_bounded() -> None:
    """The number of phase moves kept in memory has a bound, however many the audit trail holds."""
    run = make_run()
    run.lines[AUDIT] = [*run.audit, *[dict(run.audit[-1]) for _ in range(2 * MAX_MOVES)]]
    log, found = read(run)
    assert len(log.moves) == MAX_MOVES
    assert found
