"""A run of another program, checked as far as the runbook's contract goes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.witness.findings import Verdict
from c2lib.witness.foreign import NOT_CHECKED_RUNBOOK, NOT_REFOLDED
from c2lib.witness.run import open_run
from tests.witness.other_program import AUDIT, EVENTS, METRICS, SNAPSHOTS, OtherRun
from tests.witness.sample_runs import BUY_ONE, Run, found, make_run, scripted

FILES = (EVENTS, SNAPSHOTS, AUDIT, METRICS)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a sound run of the other program."""
    return OtherRun().write(tmp_path / "run_demo_001")


@pytest.mark.parametrize("status", ["COMPLETED", "REJECTED", "FAILED"])
def test_correct_run_has_no_findings(status: str, tmp_path: Path) -> None:
    """A correct run of another program is UNSEALED without findings, with a summary of what its files say."""
    seen = open_run(OtherRun(status).write(tmp_path / "run"))
    assert [finding.text() for finding in seen.findings] == []
    assert (seen.verdict, seen.summary.status, seen.summary.run_id) == (Verdict.UNSEALED, status, "run_demo_001")
    assert sum(seen.summary.event_counts.values()) == (1 if status == "REJECTED" else 6)
    assert seen.summary.seed == 123


def test_unchecked_is_listed(place: Path) -> None:
    """What could not be checked of another program's run is listed: always the seal, and whatever is missing."""
    (place / "run.log").write_text("own\n")
    unchecked = open_run(place).unchecked
    assert unchecked[: len(NOT_CHECKED_RUNBOOK)] == NOT_CHECKED_RUNBOOK
    assert unchecked[len(NOT_CHECKED_RUNBOOK) :] == (
        NOT_REFOLDED,
        "events of types that the contract does not have: HEARTBEAT",
        "events.jsonl has 8 floats: how they are written, and what they add up to",
        "state_snapshots.jsonl has no ended_ts, fail_code, fail_reason, meta, reject_code, reject_reason, step",
        unchecked[-4],
        "metrics.json has fields that the contract does not: elapsed",
        "metrics.json has 1 floats: how they are written, and what they add up to",
        "other files: run.log",
    )
    assert unchecked[-4].startswith("metrics.json has no faults_injected_total, ")


def test_unread_times_are_listed(tmp_path: Path) -> None:
    """Times of another program's run that are no instants are listed as unchecked."""
    run = OtherRun()
    for event in run.events:
        event["ts_utc"] = "noon"
    seen = open_run(run.write(tmp_path / "run"))
    assert seen.findings == ()
    assert "the order of 6 times of events.jsonl, which are no ISO 8601 with a zone" in seen.unchecked


WRONG: dict[str, tuple[Callable[[OtherRun], object], str]] = {
    "too many events": (lambda run: run.metrics.update(events_emitted=7), f"COUNTER_WRONG {METRICS}"),
    "too few audit entries": (lambda run: run.metrics.update(audit_events=1), f"COUNTER_WRONG {METRICS}"),
    "too many audit entries": (lambda run: run.metrics.update(audit_events=3), f"COUNTER_WRONG {METRICS}"),
    "retries that nobody audited": (lambda run: run.metrics.update(sink_retries=1), f"COUNTER_WRONG {METRICS}"),
    "fills that were none": (lambda run: run.metrics.update(fills_total=1), f"COUNTER_WRONG {METRICS}"),
    "another end": (lambda run: run.metrics.update(status="FAILED"), f"STATUS_PATH_WRONG {METRICS}"),
    "a snapshot's events": (lambda run: run.snapshots[-1].update(events_emitted=5), f"COUNTER_WRONG {SNAPSHOTS}"),
    "a snapshot's retries": (lambda run: run.snapshots[-1].update(sink_retries=2), f"COUNTER_WRONG {SNAPSHOTS}"),
    "no end": (lambda run: run.snapshots.pop(), f"STATUS_PATH_WRONG {SNAPSHOTS}"),
    "no snapshots": (lambda run: run.snapshots.clear(), f"STATUS_PATH_WRONG {SNAPSHOTS}"),
    "a code that is not audited": (
        lambda run: run.snapshots[-1].update(fail_code="C2_ABORT_EXCEPTION"),
        f"STATUS_PATH_WRONG {SNAPSHOTS}",
    ),
    "no opening": (lambda run: without(run, "C2_DRYRUN_START"), f"STATUS_PATH_WRONG {AUDIT}"),
    "no closing": (lambda run: without(run, "C2_DRYRUN_STOP"), f"STATUS_PATH_WRONG {AUDIT}"),
    "a seed of the audit's own": (lambda run: run.audit[1]["meta"].update(seed=124), f"WRONG_RUN {AUDIT}"),
    "a cut that fits": (lambda run: cut(run), f"SEQUENCE_BROKEN {EVENTS}"),
    "a sink that died": (
        lambda run: run.audit[-1].update(code="C2_SINK_WRITE_FAILED"),
        f"INCOMPLETE_RUN {AUDIT}",
    ),
}


def without(run: OtherRun, code: str) -> None:
    """Take the audit entries of a code away, and count again."""
    run.audit = [{**entry, "seq": 0} for entry in run.audit if entry["code"] != code]
    run.metrics["audit_events"] = len(run.audit)


def cut(run: OtherRun) -> None:
    """Take the last event away, and count again."""
    run.events.pop()
    run.snapshots[-1]["events_emitted"] = run.metrics["events_emitted"] = len(run.events)


@pytest.mark.parametrize("name", WRONG)
def test_disagreeing_files_are_found(name: str, tmp_path: Path) -> None:
    """Each disagreement of two files is found, at least once, in the file that is wrong as a whole."""
    change, expected = WRONG[name]
    run = OtherRun()
    change(run)
    seen = open_run(run.write(tmp_path / "run"))
    assert expected in {f"{finding.code} {finding.file}" for finding in seen.findings if finding.line == 0}


def test_rejected_run_has_no_step(tmp_path: Path) -> None:
    """A step of a rejected run of another program is found."""
    run = OtherRun("REJECTED")
    run.emit("STRATEGY_TICK", {})
    run.snapshots[-1]["events_emitted"] = run.metrics["events_emitted"] = 2
    assert found(open_run(run.write(tmp_path / "run"))) == {f"STATUS_PATH_WRONG {EVENTS}"}


@pytest.mark.parametrize(("told", "good"), [(0, True), (2, True), (3, False)])
def test_late_retries_may_be_unknown(told: int, good: bool, tmp_path: Path) -> None:
    """The metrics may count or omit retries that were audited after everything else, and no more than those."""
    run = OtherRun()
    run.retry(behind=1, retries=2)
    run.metrics.update(sink_retries=told, audit_events=2 + (told > 0))
    assert (found(open_run(run.write(tmp_path / "run"))) == set()) is good


def test_early_retries_must_be_known(tmp_path: Path) -> None:
    """Retries that were audited before other entries must stand in the metrics and the last snapshot."""
    run = OtherRun()
    run.retry(behind=0)
    run.metrics["audit_events"] = 3
    place = run.write(tmp_path / "run")
    assert found(open_run(place)) == {f"COUNTER_WRONG {METRICS}", f"COUNTER_WRONG {SNAPSHOTS}"}


def stripped(run: Run, parent: Path) -> Path:
    """Write a run of c2lib without manifest, chain, phases and formats of snapshots: a run of another program."""
    run.sealed = False
    for entry in run.audit:
        del entry["prev_hash"], entry["entry_hash"]
    for snapshot in run.snapshots:
        del snapshot["phase"], snapshot["schema_version"]
    return run.write(parent)


def test_stripped_run_is_unsealed(tmp_path: Path) -> None:
    """A run without seal, chain and phases is UNSEALED; a run without the chain alone breaks the contract."""
    seen = open_run(stripped(make_run(), tmp_path / "all"))
    assert (seen.verdict, found(seen)) == (Verdict.UNSEALED, set())
    assert seen.unchecked[0] == NOT_CHECKED_RUNBOOK[0]
    run = make_run()
    for entry in run.audit:
        del entry["prev_hash"], entry["entry_hash"]
    run.sealed = False
    assert f"CONTRACT_BROKEN {AUDIT}" in found(open_run(run.write(tmp_path / "chain")))


def test_manifest_asks_for_own_contract(tmp_path: Path) -> None:
    """With a manifest, every file of a run is held to c2lib's contract."""
    place = stripped(make_run(), tmp_path)
    (place / "run_manifest.json").write_bytes(make_run().contents()["run_manifest.json"])
    seen = open_run(place)
    assert seen.verdict is Verdict.SEALED
    assert f"CONTRACT_BROKEN {AUDIT}" in found(seen)


def test_own_events_are_refolded(tmp_path: Path) -> None:
    """Orders and books are refolded where another program's events begin as c2lib's do."""
    run = make_run(strategy=scripted({0: BUY_ONE}))
    place = stripped(run, tmp_path / "good")
    seen = open_run(place)
    assert (seen.findings, NOT_REFOLDED in seen.unchecked) == ((), False)
    assert (seen.summary.position, seen.summary.fills) == ("1", 1)
    assert len(list(open_run(place).fills())) == 1
    run = make_run(strategy=scripted({0: BUY_ONE}))
    run.payloads("FILL")[0]["price"] = "1"
    run.rehash()
    assert f"LEDGER_WRONG {EVENTS}" in found(open_run(stripped(run, tmp_path / "bad")))


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_incomplete(name: str, place: Path) -> None:
    """A run of another program without one of the four files is INCOMPLETE."""
    (place / name).unlink()
    seen = open_run(place)
    assert seen.verdict is Verdict.INCOMPLETE
    assert f"MISSING_FILE {name}" in found(seen)


@pytest.mark.parametrize("name", FILES)
def test_displaced_lines_are_found(name: str, place: Path) -> None:
    """A line removed, doubled or exchanged with the next is found in a run without a chain, too."""
    lines = (place / name).read_bytes().splitlines(keepends=True)
    for at in range(len(lines)):
        without = [*lines[:at], *lines[at + 1 :]]
        twice = [*lines[:at], lines[at], *lines[at:]]
        moved = [*lines[: max(at - 1, 0)], *reversed(lines[max(at - 1, 0) : at + 1]), *lines[at + 1 :]]
        for changed in (without, twice, moved if at else without):
            (place / name).write_bytes(b"".join(changed))
            assert open_run(place).findings, changed


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=100)
@given(data=st.data())
def test_arbitrary_bytes_never_raise(name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Arbitrary bytes in the place of a piece of any file of another program's run raise no exception."""
    place = OtherRun().write(tmp_path_factory.mktemp("odd") / "run")
    whole = (place / name).read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 200)))
    pieces = [b"null", b"[]", b"{}", b'""', b"1e5", b"-0.0", b"1e999", b"\n", b'{"a":1}', b"[" * 70, b'"\\ud800"']
    piece = data.draw(st.one_of(st.binary(max_size=50), st.sampled_from(pieces)))
    (place / name).write_bytes(whole[:start] + piece + whole[end:])
    open_run(place)
    shutil.rmtree(place)


VALUES: st.SearchStrategy[object] = st.sampled_from(
    [None, True, 0, -1, 1.5, 2**53 - 1, "", "x", "9" * 401, [], [[]], {}, {"from": "INIT"}, "FILL", "INIT", "é"]
)


@settings(max_examples=300)
@given(data=st.data())
def test_arbitrary_values_never_raise(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Arbitrary values in any field of another program's run raise no exception."""
    run = OtherRun(data.draw(st.sampled_from(["COMPLETED", "REJECTED"])))
    lines = [*run.events, *run.audit, *run.snapshots, run.metrics]
    for _ in range(data.draw(st.integers(1, 3))):
        target = data.draw(st.sampled_from(lines))
        target[data.draw(st.sampled_from([*sorted(target), "prev_hash", "code", "step"]))] = data.draw(VALUES)
    place = run.write(tmp_path_factory.mktemp("odd") / "run")
    open_run(place)
    shutil.rmtree(place)
