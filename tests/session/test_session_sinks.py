"""One dry run whose sinks fail: wherever they fail, the run ends and accounts for every retry."""

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
def test_dead_sink_ends_session(name: str, retries: int) -> None:
    """A sink that fails for good at any of its calls fails the session, and all written lines stay valid."""
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
def test_sinks_may_die_together(deaths: dict[str, int | None], retries: int, steps: int) -> None:
    """Whichever sinks fail for good, and wherever, nothing is raised and all written lines stay valid."""
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
def test_single_sink_error_is_retried(name: str) -> None:
    """A sink that fails once at any call is retried once and audited, and the run completes."""
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
def test_audited_retries_match_result(flaky: str) -> None:
    """A run whose sinks fail every other write completes, and the audited retries equal the result's."""
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
def test_last_writes_count_own_retries(name: str) -> None:
    """Metrics and final snapshot count the retries of their own writing."""
    before_last = {"metrics": 0, "snapshots": 2}[name]
    record = Record(**{name: failing_at(before_last, before_last + 1)})
    result = run(config_of(max_sink_retries=2), record)
    assert result.sink_retries == 2
    counted = record.metrics() if name == "metrics" else record.snapshots()[-1]
    assert counted["sink_retries"] == 2
