"""One dry run: stepped in any cuts, cancelled or stopped, with its inputs recorded."""

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.errors import ConfigError
from c2lib.session.session import STOPPED_EARLY, DryrunSession
from tests.record.foreign_sinks import failing_at
from tests.session.harness import (
    BUSY,
    BUY,
    SECRET,
    STEPS,
    MovingClock,
    Record,
    acting,
    answering,
    config_of,
    flat_bars,
    open_session,
    own_config,
    phases_of,
    statuses_of,
)

Cut = int | None
"""How many steps a call takes; ``None`` is ``step()``."""


def taken(session: DryrunSession, cuts: list[Cut], bound: int) -> None:
    """Step in these cuts, as far as ``bound`` and no further, then the rest to it."""
    for cut in cuts:
        wanted = min(1 if cut is None else cut, bound - session.steps)
        before = session.steps
        if cut is None and wanted:
            assert session.step()
        else:
            assert session.run_n_steps(wanted) == wanted
        assert session.steps == before + wanted
    session.run_n_steps(bound - session.steps)


@settings(max_examples=60)
@given(
    cuts=st.lists(st.none() | st.integers(0, 5), max_size=20),
    bound=st.integers(0, STEPS),
    cancelled=st.booleans(),
)
def test_step_cuts_change_no_byte(cuts: list[Cut], bound: int, cancelled: bool) -> None:
    """A session stepped in any cuts, then stopped or cancelled, gives the bytes of one stepped at once."""
    records, results = [], []
    for way in (cuts, []):
        record = Record()
        session = open_session(own_config(clock_mode="injected"), record, strategy=answering(BUSY), clock=MovingClock())
        taken(session, way, bound)
        if cancelled:
            session.cancel("by hand")
        results.append(session.stop())
        records.append(record.bytes())
        record.keeps_the_contract()
        assert session.stop() == results[-1]
    assert results[0] == results[1]
    assert records[0] == records[1]
    complete = bound == STEPS and not cancelled
    assert results[0].stop_reason == ("completed" if complete else "cancelled")
    assert (results[0].status, results[0].steps) == ("COMPLETED", bound)


def test_bound_is_never_passed() -> None:
    """A session takes no step beyond its bound and none after its stop."""
    session = open_session(config_of())
    assert session.run_n_steps(10**9) == STEPS
    assert (session.step(), session.run_n_steps(5)) == (False, 0)
    session.stop()
    assert (session.step(), session.run_n_steps(5), session.steps) == (False, 0, STEPS)
    assert session.phase == "STOPPED"


def test_repeated_calls_change_no_byte() -> None:
    """A second stop, a second cancel and a late cancel change no byte of the record."""
    record = Record()
    session = open_session(config_of(), record)
    session.run_n_steps(3)
    session.cancel("first")
    before = record.bytes()
    session.cancel("second")
    assert session.step() is False
    assert record.bytes() == before
    result = session.stop()
    after = record.bytes()
    session.cancel("third")
    assert session.stop() == session.result() == result
    assert record.bytes() == after
    assert session.inputs()["cancel"] == {"step": 3, "reason": "first"}


@pytest.mark.parametrize("steps", [0, 1, 4, STEPS])
def test_cancelled_session_completes(steps: int) -> None:
    """A session cancelled at any step cancels its open orders, reconciles and ends COMPLETED."""
    record = Record()
    session = open_session(own_config(), record, strategy=answering({3: [BUY], 11: [BUY]}))
    session.run_n_steps(steps)
    session.cancel(f"because of {SECRET}")
    result = session.stop()
    assert (result.status, result.phase, result.stop_reason) == ("COMPLETED", "STOPPED", "cancelled")
    assert record.payloads("SESSION_STOP")[0]["stop_reason"] == "cancelled"
    assert len(record.payloads("ORDER_CANCELLED")) == (steps in (4, STEPS))
    assert record.payloads("RECONCILED") == [{"mismatches": []}]
    asked = [entry["meta"] for entry in record.audit() if entry["code"] == "C2_CANCEL_REQUESTED"]
    assert asked == [{"step": steps, "reason": "because of [REDACTED:assignment]"}]
    assert "DRYRUN_ACTIVE" in phases_of(record.audit()) or steps == 0


def test_early_stop_is_cancel() -> None:
    """A stop before the bound is a cancel with the recorded reason STOPPED_EARLY."""
    session = open_session(config_of())
    session.run_n_steps(2)
    assert session.stop().stop_reason == "cancelled"
    assert session.inputs()["cancel"] == {"step": 2, "reason": STOPPED_EARLY}


def test_with_block_stops_session() -> None:
    """Leaving a session's with block by an exception stops the session and lets the exception through."""
    session = open_session(config_of())
    session.step()
    with pytest.raises(ZeroDivisionError), session:
        raise ZeroDivisionError
    assert session.result().stop_reason == "cancelled"


@pytest.mark.parametrize("count", [-1, 1.0, True, "1", None])
def test_step_count_is_whole(count: Any) -> None:
    """A step count that is no whole number from 0 on raises an error naming the argument, and no step is taken."""
    session = open_session(config_of())
    with pytest.raises(ConfigError, match="count: must be a whole number"):
        session.run_n_steps(count)
    assert session.steps == 0


def test_cancel_reason_is_text() -> None:
    """A cancel reason that is not text raises an error naming the argument, and nothing is cancelled."""
    session = open_session(config_of())
    with pytest.raises(ConfigError, match="reason: must be text"):
        session.cancel(5)  # type: ignore[arg-type] # that is the point
    assert session.step()


@pytest.mark.parametrize("steps", range(3))
def test_statuses_follow_allowed_phases(steps: int) -> None:
    """Sessions of every ending take only allowed phase changes and write one snapshot per status."""
    for config, options in (
        (config_of(steps=2), {}),
        (config_of(enabled=True), {}),
        (own_config(steps=2), {"strategy": acting(sys.exit)}),
        (own_config(steps=2), {"strategy": acting(sys.exit, at=0)}),
    ):
        record = Record()
        session = open_session(config, record, **options)
        session.run_n_steps(steps)
        result = session.stop()
        phases = phases_of(record.audit())
        assert phases[-1] == result.phase
        assert [snapshot["status"] for snapshot in record.snapshots()] == statuses_of(phases)


def test_inputs_record_outside_facts() -> None:
    """A session's inputs hold its cancel, run-length coded clock readings, and sink failures by call."""
    record = Record(events=failing_at(3))
    session = open_session(config_of(max_sink_retries=1), record, clock=MovingClock(0, 0, 5))
    session.run_n_steps(STEPS)
    session.stop()
    assert session.inputs() == {
        "cancel": None,
        "clock_readings": [[0, "2026-01-01T00:00:00+00:00"], [2, "2026-01-01T00:00:05+00:00"]],
        "sink_failures": [["events.jsonl", 3, ["DiskError"]]],
    }
    assert (
        open_session(own_config(clock_mode="market", steps=1), market=flat_bars(1)).inputs()["clock_readings"] is None
    )
