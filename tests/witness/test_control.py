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
def test_the_path_of_a_session_is_read_from_its_audit_trail(make: Callable[[], Run], path: list[str]) -> None:
    """Every move is there, with the events so far and the entry that bears it."""
    run = make()
    log, found = read(run, rehash=False)
    entries = run.entries("C2_PHASE_TRANSITION")
    assert found == []
    assert [item.after for item in log.moves] == path
    assert [item.ts_sim for item in log.moves] == [entry["meta"]["ts_sim"] for entry in entries]
    assert [item.entry_hash for item in log.moves] == [entry["entry_hash"] for entry in entries]
    assert (log.entries, log.last_hash) == (len(run.audit), run.audit[-1]["entry_hash"])


def test_retries_are_added_up_and_those_at_the_end_kept_apart() -> None:
    """The tail holds what came after the last move."""
    run = retried_run()
    log, _ = read(run, rehash=False)
    retries = [entry["meta"]["retries"] for entry in run.entries("C2_SINK_WRITE_RETRY")]
    assert log.retries == sum(retries)
    assert log.retries == log.end_retries + sum(entry.retries for entry in log.tail)
    assert log.end_entries + len(log.tail) == log.entries
    assert log.tail


def test_a_changed_entry_breaks_the_chain_where_it_stands() -> None:
    """Its hash does not follow from it, and the next entry does not follow from a new one."""
    run = make_run()
    run.audit[5]["message"] = "another"
    _, found = read(run, rehash=False)
    assert [text.split(" ")[0] for text in found] == ["CHAIN_BROKEN:6"]
    run = make_run()
    run.audit[5]["entry_hash"] = "0" * 64
    _, found = read(run, rehash=False)
    assert [text.split(" ")[0] for text in found] == ["CHAIN_BROKEN:6", "CHAIN_BROKEN:7"]


def test_a_lost_or_doubled_entry_is_found() -> None:
    """By its number and by the chain."""
    run = make_run()
    del run.audit[5]
    assert {text.split(" ")[0] for text in read(run, rehash=False)[1]} == {"CHAIN_BROKEN:6", "SEQUENCE_BROKEN:6"}
    run = make_run()
    run.audit.insert(5, run.audit[5])
    assert {text.split(" ")[0] for text in read(run, rehash=False)[1]} == {"CHAIN_BROKEN:7", "SEQUENCE_BROKEN:7"}


def test_a_broken_line_is_one_finding() -> None:
    """The chain and the count go on behind it."""
    run = make_run()
    run.audit[5]["level"] = "NONE"
    assert [text.split(" ")[0] for text in read(run, rehash=False)[1]] == ["CONTRACT_BROKEN:6"]


def test_time_never_goes_back() -> None:
    """An earlier time than that of the entry before is found."""
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
def test_a_move_that_the_table_does_not_have_is_found(change: Line, finding: str) -> None:
    """From, to and trigger belong together."""
    run = make_run()
    move(run, 0).update(change)
    assert f"PHASE_PATH_FORBIDDEN:14 {finding}" in read(run)[1]


@pytest.mark.parametrize(
    "change", [{"to": "NOWHERE"}, {"trigger": None}, {"from": []}, {"ts_sim": "1"}, {"ts_sim": True}, {"ts_sim": -1}]
)
def test_a_move_that_says_nothing_breaks_the_contract(change: Line) -> None:
    """The particulars of a move are no free text."""
    run = make_run()
    move(run, 0).update(change)
    assert read(run)[1][0].startswith("CONTRACT_BROKEN:14 meta with the phases")


def test_a_path_has_to_reach_an_end() -> None:
    """A trail that stops in between is not whole."""
    run = make_run()
    del run.audit[-1]
    assert read(run)[1] == ["PHASE_PATH_FORBIDDEN:17 a path that reaches an end phase / STOPPING"]


def test_the_events_at_the_moves_never_shrink() -> None:
    """A later move is not of an earlier event."""
    run = make_run()
    move(run, 1)["ts_sim"] = 19
    assert read(run)[1] == ["SEQUENCE_BROKEN:16 ts_sim 19 or more / 18"]


def test_no_session_runs_past_a_check_that_failed() -> None:
    """A failed check and a passed preflight exclude each other, and so do no checks at all."""
    run = make_run()
    run.audit[3]["meta"]["passed"] = False
    assert read(run)[1] == ["PHASE_PATH_FORBIDDEN:14 preflight checks before it, all passed / 1 of 12 failed"]
    run = make_run()
    run.lines[AUDIT] = [entry for entry in run.audit if entry["code"] != "C2_PREFLIGHT_CHECK"]
    assert read(run)[1] == ["PHASE_PATH_FORBIDDEN:2 preflight checks before it, all passed / 0 of 0 failed"]


def test_the_first_entry_opens_the_run_and_no_other_does() -> None:
    """The trail of one run, from its beginning."""
    run = make_run()
    run.audit.insert(5, dict(run.audit[0]))
    assert len(read(run)[1]) == 1
    run = make_run()
    del run.audit[0]
    assert read(run)[1] == ["SEQUENCE_BROKEN:1 C2_DRYRUN_START as the first entry and no other / C2_PREFLIGHT_CHECK"]


def test_the_run_is_stopped_once() -> None:
    """The entry that says so stands once."""
    run = make_run()
    run.lines[AUDIT] = [entry for entry in run.audit if entry["code"] != "C2_DRYRUN_STOP"]
    assert read(run)[1] == ["SEQUENCE_BROKEN:17 1 C2_DRYRUN_STOP / 0"]


def test_only_retries_stand_after_the_end() -> None:
    """Anything else was put there."""
    run = retried_run()
    run.audit.append(dict(run.audit[1]))
    assert read(run)[1] == [
        f"SEQUENCE_BROKEN:{len(run.audit)} only writes tried again after the last phase move / C2_PREFLIGHT_CHECK"
    ]


@pytest.mark.parametrize("retries", [0, None, "1", True])
def test_a_retry_entry_tells_for_how_many_it_stands(retries: Any) -> None:
    """One at least."""
    run = retried_run()
    run.entries("C2_SINK_WRITE_RETRY")[0]["meta"]["retries"] = retries
    assert [text.split(" ")[0] for text in read(run)[1]] == ["CONTRACT_BROKEN:3"]


@pytest.mark.parametrize(("sink", "call"), [(SNAPSHOTS, 2), (METRICS, 0), (EVENTS, 19)])
def test_where_a_sink_died_late_the_last_move_counts(sink: str, call: int) -> None:
    """The closing entries stand twice then, and nothing is forbidden in that."""
    run = make_run(failing={sink: [call]})
    log, found = read(run, rehash=False)
    assert found == ["INCOMPLETE_RUN:0 a sink that took every line / one that failed for good"]
    assert log.phase.value == "ERROR_REQUIRES_OPERATOR"
    assert list(log.dead_sinks) == [sink]


@pytest.mark.parametrize("sink", [None, [], "elsewhere"])
def test_a_sink_without_a_known_name_died_all_the_same(sink: Any) -> None:
    """The finding is the audit trail's then, and stands once."""
    run = make_run(failing={SNAPSHOTS: [2]})
    run.entries("C2_SINK_WRITE_FAILED")[0]["meta"]["sink"] = sink
    run.audit.append(run.entries("C2_SINK_WRITE_FAILED")[0].copy())
    log, found = read(run)
    assert list(log.dead_sinks) == [AUDIT]
    assert found == ["INCOMPLETE_RUN:0 a sink that took every line / one that failed for good"]


def test_a_violation_that_came_late_closes_a_second_time_and_no_third() -> None:
    """The move that was announced before was never made."""
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


def test_nothing_else_is_written_between_two_closings() -> None:
    """Only a violation opens the second one, and only an end belongs to it."""
    run = make_run(leaking={METRICS: 0})
    run.audit.insert(-2, dict(run.audit[1]))
    assert read(run)[1] == ["SEQUENCE_BROKEN:20 only writes tried again after the last phase move / C2_PREFLIGHT_CHECK"]
    run = make_run()
    run.audit.extend(dict(entry) for entry in run.audit[-2:])
    assert read(run)[1][0] == "SEQUENCE_BROKEN:19 only writes tried again after the last phase move / C2_DRYRUN_STOP"


def test_the_canary_is_remembered() -> None:
    """What the check of the NO-LIVE guard said is for the evidence to claim."""
    assert read(make_run())[0].canary_layer == "hook"
    assert read(rejected_run())[0].canary_layer is None


@pytest.mark.parametrize(("layer", "seen"), [("namespace", "namespace"), (7, None)])
def test_a_layer_that_the_canarys_check_names_is_remembered(layer: object, seen: str | None) -> None:
    """One that is no name is none."""
    run = make_run()
    (check,) = [entry for entry in run.audit if entry["meta"].get("check") == "no_live_guard"]
    check["meta"]["layer"] = layer
    assert read(run)[0].canary_layer == seen


def test_a_trail_of_endless_moves_is_not_kept() -> None:
    """Memory has a bound, whatever the trail says."""
    run = make_run()
    run.lines[AUDIT] = [*run.audit, *[dict(run.audit[-1]) for _ in range(2 * MAX_MOVES)]]
    log, found = read(run)
    assert len(log.moves) == MAX_MOVES
    assert found
