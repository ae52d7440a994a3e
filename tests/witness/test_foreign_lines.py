"""The files of another program, line by line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from c2lib.witness.run import open_run
from c2lib.witness.snapshots import MAX_STATES
from tests.witness.other_program import AUDIT, EVENTS, METRICS, SNAPSHOTS, OtherRun
from tests.witness.sample_runs import found

Change = Callable[[OtherRun], object]


def findings_after(change: Change, tmp_path: Path) -> set[str]:
    """Return what is found after a change of a sound run."""
    run = OtherRun()
    change(run)
    return found(open_run(run.write(tmp_path / "run")))


def put(run: OtherRun, kind: str, at: int) -> None:
    """Put an event of a kind at a place, with numbers and ids that fit."""
    run.emit(kind, {})
    run.events.insert(at, run.events.pop())
    for number, event in enumerate(run.events):
        event.update(ts_sim=number, ts_utc="noon")
    run.identify()
    for counted in (run.metrics, run.snapshots[-1]):
        counted["events_emitted"] = len(run.events)


def without(name: str) -> Change:
    """Return what takes a field of the metrics away."""
    return lambda run: run.metrics.pop(name)


def early(name: str) -> Change:
    """Return what sets a field of the first snapshot, whose status is INIT."""
    return lambda run: run.snapshots[0].update({name: "C2_DRYRUN_START"})


WRONG: dict[str, tuple[Change, str]] = {
    "an event id": (lambda run: run.events[2].update(event_id="0" * 64), f"EVENT_ID_WRONG {EVENTS}"),
    "a payload": (lambda run: run.events[2]["payload"].update(price=100.5), f"EVENT_ID_WRONG {EVENTS}"),
    "a ts_sim": (lambda run: run.events[2].update(ts_sim=7), f"SEQUENCE_BROKEN {EVENTS}"),
    "a time": (lambda run: run.events[1].update(ts_utc="2027-01-01T00:00:00Z"), f"CLOCK_WENT_BACK {EVENTS}"),
    "a format": (lambda run: run.events[1].update(schema_version="C2_DRYRUN_V9"), f"CONTRACT_BROKEN {EVENTS}"),
    "a lost event": (lambda run: run.events.pop(2), f"SEQUENCE_BROKEN {EVENTS}"),
    "a doubled event": (lambda run: run.events.insert(2, run.events[2]), f"SEQUENCE_BROKEN {EVENTS}"),
    "events exchanged": (lambda run: run.events.insert(1, run.events.pop(2)), f"SEQUENCE_BROKEN {EVENTS}"),
    "another run": (lambda run: run.events[2].update(run_id="other"), f"WRONG_RUN {EVENTS}"),
    "another strategy": (lambda run: run.snapshots[1].update(strategy_id="other"), f"WRONG_RUN {SNAPSHOTS}"),
    "another run's metrics": (lambda run: run.metrics.update(run_id="other"), f"WRONG_RUN {METRICS}"),
    "an event without its time": (lambda run: run.events[2].pop("ts_utc"), f"CONTRACT_BROKEN {EVENTS}"),
    "a time that is null": (lambda run: run.events[2].update(ts_utc=None), f"CONTRACT_BROKEN {EVENTS}"),
    **{
        f"metrics without {name}": (without(name), f"CONTRACT_BROKEN {METRICS}")
        for name in ("status", "events_emitted", "audit_events", "sink_retries")
    },
    "another run in the audit": (lambda run: run.audit[0]["meta"].update(run_id="other"), f"WRONG_RUN {AUDIT}"),
    "another strategy in the audit": (lambda run: run.audit[1]["meta"].update(strategy_id="x"), f"WRONG_RUN {AUDIT}"),
    "two seeds in the audit": (
        lambda run: [entry["meta"].update(seed=seed) for entry, seed in zip(run.audit, (123, 5), strict=True)],
        f"WRONG_RUN {AUDIT}",
    ),
    "another start": (
        lambda run: run.snapshots[2].update(started_ts="2026-01-01T00:00:09Z"),
        f"STATUS_PATH_WRONG {SNAPSHOTS}",
    ),
    **{
        f"{name} of status INIT": (early(name), f"STATUS_PATH_WRONG {SNAPSHOTS}")
        for name in ("fail_code", "fail_reason", "reject_code", "reject_reason", "ended_ts")
    },
    "a second start": (lambda run: put(run, "SESSION_START", 3), f"SEQUENCE_BROKEN {EVENTS}"),
    "an event behind the stop": (lambda run: put(run, "FILL", len(run.events)), f"SEQUENCE_BROKEN {EVENTS}"),
    "a seq": (lambda run: run.audit[1].update(seq=5), f"SEQUENCE_BROKEN {AUDIT}"),
    "an audit time": (lambda run: run.audit[1].update(ts="2025-01-01T00:00:00Z"), f"CLOCK_WENT_BACK {AUDIT}"),
    "a level": (lambda run: run.audit[1].update(level="LOUD"), f"CONTRACT_BROKEN {AUDIT}"),
    "a meta that is none": (lambda run: run.audit[1].update(meta=[]), f"CONTRACT_BROKEN {AUDIT}"),
    "a second opening": (lambda run: run.audit[1].update(code="C2_DRYRUN_START"), f"SEQUENCE_BROKEN {AUDIT}"),
    "a late opening": (
        lambda run: [line.update(code=code) for line, code in zip(run.audit, ("OWN", "C2_DRYRUN_START"), strict=True)],
        f"SEQUENCE_BROKEN {AUDIT}",
    ),
    "a chain in one entry": (lambda run: run.audit[1].update(prev_hash="0" * 64), f"CONTRACT_BROKEN {AUDIT}"),
    "a status that may not follow": (lambda run: run.snapshots.pop(1), f"STATUS_PATH_WRONG {SNAPSHOTS}"),
    "a status twice": (lambda run: run.snapshots[1].update(status="INIT"), f"STATUS_PATH_WRONG {SNAPSHOTS}"),
    "no beginning": (lambda run: run.snapshots.pop(0), f"STATUS_PATH_WRONG {SNAPSHOTS}"),
    "a status that is none": (lambda run: run.snapshots[1].update(status="GOOD"), f"CONTRACT_BROKEN {SNAPSHOTS}"),
    "a snapshot's number": (lambda run: run.snapshots[1].update(ts_sim=4), f"SEQUENCE_BROKEN {SNAPSHOTS}"),
    "a count that shrinks": (lambda run: run.snapshots[1].update(events_emitted=90), f"COUNTER_WRONG {SNAPSHOTS}"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_lines_are_found(name: str, tmp_path: Path) -> None:
    """Each change that the runbook's contract forbids is found in the file that was changed."""
    change, expected = WRONG[name]
    assert expected in findings_after(change, tmp_path)


def test_own_event_types_stand_anywhere(tmp_path: Path) -> None:
    """Events of types that the contract does not have may stand before SESSION_START and after SESSION_STOP."""
    run = OtherRun()
    put(run, "BOOT", 0)
    put(run, "BYE", len(run.events))
    assert found(open_run(run.write(tmp_path / "run"))) == set()


def test_spaces_are_not_canonical(tmp_path: Path) -> None:
    """A line of another program with an additional space is found as not canonical."""
    place = OtherRun().write(tmp_path / "run")
    text = (place / AUDIT).read_text()
    (place / AUDIT).write_text(text.replace('{"code":', '{ "code":', 1))
    assert found(open_run(place)) == {f"NOT_CANONICAL {AUDIT}"}


@pytest.mark.parametrize(
    ("times", "sound"),
    [
        (("2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z"), True),
        (("2026-01-01T00:00:00Z", "2025-12-31T23:59:59.999999Z"), False),
        (("2026-01-01T01:00:00Z", "yesterday", "2026-01-01T00:00:00Z"), False),
        (("2026-01-01T01:00:00Z", "", "2026-01-01T00:00:00"), True),
    ],
)
def test_times_are_instants(times: tuple[str, ...], sound: bool, tmp_path: Path) -> None:
    """Times of any zone and precision are compared as instants, and texts that are no times are counted."""
    run = OtherRun(ticks=0)
    for event in run.events:
        event["ts_utc"] = "noon"
    for number, time in enumerate(times):
        run.emit("NOTE", {})
        run.events[-1]["ts_utc"] = time
        run.events.insert(1 + number, run.events.pop())
    for number, event in enumerate(run.events):
        event["ts_sim"] = number
    run.identify()
    for counted in (run.metrics, run.snapshots[-1]):
        counted["events_emitted"] = len(run.events)
    seen = open_run(run.write(tmp_path / "run"))
    assert found(seen) == (set() if sound else {f"CLOCK_WENT_BACK {EVENTS}"})
    unread = sum(not event["ts_utc"].endswith(("Z", "+01:00")) for event in run.events)
    counted_text = f"the order of {unread} times of {EVENTS}, which are no ISO 8601 with a zone"
    assert (counted_text in seen.unchecked) is (unread > 0)


def moved(run: OtherRun, *pairs: tuple[str, str]) -> None:
    """Let the audit trail record phase moves."""
    stop = run.audit.pop()
    for before, after in pairs:
        run.note("C2_PHASE_TRANSITION", {"from": before, "to": after})
    run.note(stop["code"], stop["meta"])
    run.metrics["audit_events"] = len(run.audit)


PATH = (("INIT", "PREFLIGHT_OK"), ("PREFLIGHT_OK", "DRYRUN_ACTIVE"), ("DRYRUN_ACTIVE", "STOPPING"))


def test_phases_follow_the_table(tmp_path: Path) -> None:
    """Phase moves of the audit trail follow the session table from INIT to the status of the last snapshot."""
    whole = (*PATH, ("STOPPING", "STOPPED"))
    assert findings_after(lambda run: moved(run, *whole), tmp_path / "good") == set()
    jumped = findings_after(lambda run: moved(run, ("INIT", "STOPPED")), tmp_path / "jumped")
    assert jumped == {f"PHASE_PATH_FORBIDDEN {AUDIT}"}
    assert findings_after(lambda run: moved(run, *whole[1:]), tmp_path / "late") == {f"PHASE_PATH_FORBIDDEN {AUDIT}"}
    assert findings_after(lambda run: moved(run, *PATH), tmp_path / "short") == {f"STATUS_PATH_WRONG {SNAPSHOTS}"}


def test_own_phases_are_listed(tmp_path: Path) -> None:
    """Phases that the contract does not have are listed as unchecked, and the phase path is not checked."""
    run = OtherRun()
    moved(run, ("BOOT", "GO"), ("DRYRUN_ACTIVE", "STOPPING"))
    seen = open_run(run.write(tmp_path / "run"))
    assert seen.findings == ()
    assert "1 phase moves, which name no phases of the contract" in seen.unchecked


def test_kept_snapshots_are_bounded(tmp_path: Path) -> None:
    """Every snapshot of another program's run is checked, and only the first ones are kept."""
    run = OtherRun()
    run.snapshots[1:1] = [dict(run.snapshots[0]) for _ in range(MAX_STATES)]
    seen = open_run(run.write(tmp_path / "run"))
    assert len(seen.summary.statuses) == MAX_STATES
    assert len(seen.findings) > MAX_STATES
