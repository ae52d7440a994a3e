"""One dry run whose sinks fail: wherever they do, it comes to an end and accounts for every retry."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.record.foreign_sinks import Remembering, dead_from, every_other, failing_at
from tests.session.harness import (
    ARTIFACTS,
    BUSY,
    FAILED,
    STEPS,
    Record,
    answering,
    config_of,
    ending,
    open_session,
    own_config,
    phases_of,
    run,
)


@pytest.mark.parametrize("name", ARTIFACTS)
@pytest.mark.parametrize("retries", [0, 2])
def test_a_sink_may_die_at_any_write_and_the_session_still_ends(name: str, retries: int) -> None:
    """Each sink at each of its calls: an end state with its code, and the other sinks' lines hold."""
    whole = Record(**{name: Remembering()})
    run(own_config(steps=5), whole, strategy=answering(BUSY))
    calls = whole.sinks[name].calls
    assert calls > 1
    for call in range(calls):
        record = Record(**{other: Remembering() for other in ARTIFACTS if other != name}, **{name: dead_from(call)})
        session = open_session(own_config(steps=5, max_sink_retries=retries), record, strategy=answering(BUSY))
        session.run_n_steps(5)
        result = session.stop()
        assert ending(result) == (FAILED, "C2_ABORT_SINK_WRITE_FAILED"), call
        assert len(result.dead_sinks) == 1
        assert (result.stop_reason, result.sink_retries) == ("failed", retries)
        record.keeps_the_contract()
        assert session.stop() == result
        assert result.audit_events == len(record.audit())
        if name == "audit":
            continue
        codes = record.codes()
        assert codes.count("C2_SINK_WRITE_FAILED") == 1
        assert codes.count("C2_SINK_WRITE_RETRY") == retries
        assert codes[0] == "C2_DRYRUN_START"
        assert phases_of(record.audit())[-1] == FAILED
        assert len(record.payloads("SESSION_STOP")) <= 1


@settings(max_examples=60)
@given(
    deaths=st.fixed_dictionaries({name: st.none() | st.integers(0, 45) for name in ARTIFACTS}),
    retries=st.integers(0, 2),
    steps=st.integers(0, 5),
)
def test_any_sinks_may_die_together(deaths: dict[str, int | None], retries: int, steps: int) -> None:
    """Whichever of the four die, wherever, nothing is raised and what was written holds."""
    sinks = {name: Remembering() if call is None else dead_from(call) for name, call in deaths.items()}
    record = Record(**sinks)
    session = open_session(own_config(steps=5, max_sink_retries=retries), record, strategy=answering(BUSY))
    session.run_n_steps(steps)
    result = session.stop()
    assert (result.status == "FAILED") == bool(result.dead_sinks)
    assert result.phase in (FAILED, "STOPPED")
    record.keeps_the_contract()
    if "audit.jsonl" not in result.dead_sinks:
        assert phases_of(record.audit())[-1] == result.phase


@pytest.mark.parametrize("name", ARTIFACTS)
def test_a_sink_that_fails_once_is_tried_again_and_the_run_completes(name: str) -> None:
    """At each of its calls: exactly one retry entry, and but for the retries the same record."""
    whole = Record(**{name: Remembering()})
    reference = run(own_config(steps=5), whole, strategy=answering(BUSY))
    for call in range(whole.sinks[name].calls):
        record = Record(**{name: failing_at(call)})
        result = run(own_config(steps=5, max_sink_retries=1), record, strategy=answering(BUSY))
        assert (result.status, result.sink_retries, result.fills) == ("COMPLETED", 1, reference.fills), call
        assert record.codes().count("C2_SINK_WRITE_RETRY") == 1
        record.keeps_the_contract()
        assert len(record.lines("events")) == len(whole.lines("events"))


@pytest.mark.parametrize("flaky", [*ARTIFACTS, "all"])
def test_sinks_that_fail_every_other_write_are_accounted_for(flaky: str) -> None:
    """The retries that the audit tells of are the retries of the result, and the run completes."""
    record = Record(**{name: every_other() for name in ARTIFACTS if flaky in (name, "all")})
    session = open_session(own_config(max_sink_retries=1), record, strategy=answering(BUSY))
    session.run_n_steps(STEPS)
    result = session.stop()
    assert result.status == "COMPLETED"
    told = [entry["meta"]["retries"] for entry in record.audit() if entry["code"] == "C2_SINK_WRITE_RETRY"]
    assert sum(told) == result.sink_retries > 0
    assert sum(len(errors) for _, _, errors in session.inputs()["sink_failures"]) == result.sink_retries
    record.keeps_the_contract()


@pytest.mark.parametrize("name", ["metrics", "snapshots"])
def test_metrics_and_final_snapshot_count_their_own_retries(name: str) -> None:
    """They are composed anew for each attempt."""
    before_last = {"metrics": 0, "snapshots": 2}[name]
    record = Record(**{name: failing_at(before_last, before_last + 1)})
    result = run(config_of(max_sink_retries=2), record)
    assert result.sink_retries == 2
    counted = record.metrics() if name == "metrics" else record.snapshots()[-1]
    assert counted["sink_retries"] == 2
