"""One dry run: cut up, cancelled, failing, and the same bytes every time."""

import gc
import hashlib
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.broker.mock import MockBroker
from c2lib.core.clock import FixedClock
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError
from c2lib.core.model import OrderIntent
from c2lib.core.vocabulary import BEHAVIOUR_VERSION
from c2lib.session.dryrun import STOPPED_EARLY, DryrunSession
from tests.record.foreign_sinks import Remembering, dead_from, every_other, failing_at
from tests.session.golden import GOLDEN_BEHAVIOUR_VERSION, GOLDEN_SHA256
from tests.session.harness import (
    ARTIFACTS,
    SECRET,
    SECRET_PART,
    MovingClock,
    Record,
    acting,
    answering,
    config_of,
    deciding,
    flat_bars,
    open_session,
    own_config,
    phases_of,
    run,
    statuses_of,
)

BUY, SELL = OrderIntent("BUY", 1), OrderIntent("SELL", 1)
STEPS = 12
BUSY = {0: [BUY, OrderIntent("BUY", 1, "LIMIT", limit_price=1)], 3: [SELL], 6: [BUY], 11: [SELL]}

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
def test_how_the_steps_are_cut_up_changes_no_byte(cuts: list[Cut], bound: int, cancelled: bool) -> None:
    """Any cut of any number of steps, cancelled or stopped there, is the run that takes them at once."""
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


def test_the_bound_is_never_passed_and_a_step_after_the_end_is_none() -> None:
    """Asked for more, it takes what is left; asked after the stop, nothing."""
    session = open_session(config_of())
    assert session.run_n_steps(10**9) == STEPS
    assert (session.step(), session.run_n_steps(5)) == (False, 0)
    session.stop()
    assert (session.step(), session.run_n_steps(5), session.steps) == (False, 0, STEPS)
    assert session.phase == "STOPPED"


def test_asking_twice_changes_no_byte() -> None:
    """Neither a second stop nor a second or late cancel."""
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
def test_a_cancelled_session_cancels_reconciles_and_completes(steps: int) -> None:
    """At any step, the first and the last among them."""
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


def test_stopping_early_is_a_cancel_with_a_word_of_its_own() -> None:
    """The manifest can play it again."""
    session = open_session(config_of())
    session.run_n_steps(2)
    assert session.stop().stop_reason == "cancelled"
    assert session.inputs()["cancel"] == {"step": 2, "reason": STOPPED_EARLY}


def test_a_session_stops_on_leaving_its_with() -> None:
    """Even by an exception, which goes on its way."""
    session = open_session(config_of())
    session.step()
    with pytest.raises(ZeroDivisionError), session:
        raise ZeroDivisionError
    assert session.result().stop_reason == "cancelled"


@pytest.mark.parametrize("count", [-1, 1.0, True, "1", None])
def test_a_number_of_steps_is_a_whole_number(count: Any) -> None:
    """Anything else names the argument and takes no step."""
    session = open_session(config_of())
    with pytest.raises(ConfigError, match="count: must be a whole number"):
        session.run_n_steps(count)
    assert session.steps == 0


def test_a_reason_is_text() -> None:
    """Anything else names the argument and cancels nothing."""
    session = open_session(config_of())
    with pytest.raises(ConfigError, match="reason: must be text"):
        session.cancel(5)  # type: ignore[arg-type] # that is the point
    assert session.step()


def ending(result: Any) -> tuple[str, str | None]:
    """Return where a session ended and with what code."""
    return result.phase.value, result.fail_code.value if result.fail_code else None


FAILED = "ERROR_REQUIRES_OPERATOR"


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


@pytest.mark.parametrize("steps", range(3))
def test_phases_go_allowed_ways_and_statuses_follow(steps: int) -> None:
    """Completed, cancelled and failed runs alike."""
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


class StrangeInterrupt(BaseException):
    """What no code should raise, and some does."""


def raising(error: BaseException) -> Callable[[], object]:
    """Return what raises an error."""

    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError(f"with {SECRET}"), "ValueError: with [REDACTED:assignment]"),
        (StopIteration("enough"), "StopIteration: enough"),
        (SystemExit(0), "SystemExit: 0"),
        (AssertionError(), "AssertionError"),
        (RecursionError("deep"), "RecursionError: deep"),
        (ExceptionGroup("two", [ValueError(), KeyError()]), "ExceptionGroup: two (2 sub-exceptions)"),
    ],
)
def test_whatever_a_strategy_raises_ends_the_session_in_an_end_state(error: BaseException, reason: str) -> None:
    """Not even an exit looks like a success, and no secret in a message reaches a line."""
    record = Record()
    result = run(own_config(), record, strategy=acting(raising(error), at=4))
    assert ending(result) == (FAILED, "C2_ABORT_EXCEPTION")
    assert (result.steps, result.fail_reason) == (4, reason)
    assert record.snapshots()[-1]["fail_reason"] == reason
    assert SECRET_PART not in record.whole()
    record.keeps_the_contract()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StrangeInterrupt()])
def test_an_interrupt_ends_the_session_and_goes_on_its_way(error: BaseException) -> None:
    """Half a step cannot be continued, and nobody swallows a Ctrl-C."""
    record = Record()
    session = open_session(own_config(), record, strategy=acting(raising(error), at=2))
    with pytest.raises(type(error)):
        session.run_n_steps(STEPS)
    assert session.step() is False
    assert ending(session.stop()) == (FAILED, "C2_ABORT_EXCEPTION")
    assert record.payloads("SESSION_STOP")[0]["stop_reason"] == "failed"
    record.keeps_the_contract()


@pytest.mark.parametrize("rubbish", ["BUY", 5, BUY, [BUY, None], {"side": "BUY"}, False, [BUY._replace(quantity=0)]])
def test_rubbish_is_no_decision(rubbish: Any) -> None:
    """Nothing of such an answer is acted upon."""
    record = Record()
    result = run(own_config(), record, strategy=answering({1: rubbish}))
    assert ending(result) == (FAILED, "C2_ABORT_EXCEPTION")
    assert (result.fail_reason or "").startswith("StrategyError: on_bar returned" if type(rubbish) is list else "Str")
    assert record.payloads("ORDER_SUBMITTED") == []


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(0)])
def test_a_strategy_that_cannot_be_made_fails_its_session(error: BaseException) -> None:
    """It was accepted, and takes no step."""

    def factory(_settings: Any) -> Any:
        raise error

    result = run(own_config(), strategy=factory)
    assert ending(result) == (FAILED, "C2_ABORT_EXCEPTION")
    assert (result.accepted, result.steps) == (True, 0)


def test_what_makes_no_strategy_fails_at_the_first_bar() -> None:
    """A factory of something without ``on_bar``."""
    result = run(own_config(), strategy=lambda settings: object())
    assert ending(result) == (FAILED, "C2_ABORT_EXCEPTION")
    assert "on_bar" in (result.fail_reason or "")


def test_a_failing_session_cancels_what_is_open() -> None:
    """Its last words come after that."""
    record = Record()
    answers = {0: [BUY], 1: [BUY, SELL]}

    def decide(bar: Any, view: Any) -> Any:
        return answers.get(bar.bar_index) or 1 / (2 - bar.bar_index)

    market = flat_bars(*[100] * 4)
    clock = MovingClock(0, 0, 0, -1)
    run(own_config(steps=4), record, strategy=deciding(decide), market=market, clock=clock)
    kinds = [event["event_type"] for event in record.events()][-4:]
    assert kinds == ["RAIL_TRIPPED", "ORDER_CANCELLED", "ORDER_CANCELLED", "SESSION_STOP"]
    assert {payload["reason"] for payload in record.payloads("ORDER_CANCELLED")} == {"session_failed"}


def test_what_goes_wrong_while_a_session_fails_is_noted_and_changes_no_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The failure that ends the session is the first one."""
    monkeypatch.setattr(MockBroker, "cancel_order", lambda self, order_id: 1 / 0)
    record = Record()
    strategy = deciding(lambda bar, view: [BUY] if bar.bar_index == 0 else raising(KeyError("first"))())
    monkeypatch.setattr(MockBroker, "advance", lambda self, bar: None)
    result = run(own_config(), record, strategy=strategy)
    assert result.fail_reason == "KeyError: 'first'"
    noted = [entry for entry in record.audit() if entry["message"] == "while ending a failed session"]
    assert [entry["meta"] for entry in noted] == [{"error": "ZeroDivisionError: division by zero"}]


def test_a_noted_failure_and_a_dead_audit_sink_are_too_much_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """The result in memory tells."""
    monkeypatch.setattr(MockBroker, "cancel_order", lambda self, order_id: 1 / 0)
    monkeypatch.setattr(MockBroker, "advance", lambda self, bar: None)
    whole = Record(audit=Remembering())
    strategy = deciding(lambda bar, view: [BUY] if bar.bar_index == 0 else raising(KeyError("first"))())
    run(own_config(), whole, strategy=strategy)
    position = next(i for i, line in enumerate(whole.lines("audit")) if "while ending" in line)
    result = run(own_config(), Record(audit=dead_from(position)), strategy=strategy)
    assert result.fail_reason == "KeyError: 'first'"
    assert result.dead_sinks == ("audit.jsonl",)


class Late:
    """A clock that answers some readings and then raises."""

    def __init__(self, good: int, error: BaseException) -> None:
        self._good, self._error = good, error

    def now(self) -> datetime:
        """Return a time, or raise."""
        if not self._good:
            raise self._error
        self._good -= 1
        return datetime.fromisoformat("2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize("good", [1, 2, STEPS, STEPS + 1])
@pytest.mark.parametrize("error", [OSError(SECRET), SystemExit(1)])
def test_a_clock_that_raises_later_fails_the_session(good: int, error: BaseException) -> None:
    """At any step and at the stop, with its message cleaned."""
    record = Record()
    result = run(config_of(), record, clock=Late(good, error))
    assert ending(result) == (FAILED, "C2_ABORT_EXCEPTION")
    assert result.steps == min(good - 1, STEPS)
    assert SECRET_PART not in record.whole() + repr(result)
    record.keeps_the_contract()


def test_a_clock_that_turns_naive_trips_a_rail() -> None:
    """Later it is an invariant; at the first reading it was an input error."""

    class Turning(Late):
        def now(self) -> datetime:
            return super().now() if self._good > 1 else datetime(2026, 1, 1)  # noqa: DTZ001 - the point

    record = Record()
    assert ending(run(config_of(), record, clock=Turning(3, OSError()))) == (FAILED, "C2_ABORT_INVARIANT")
    assert record.payloads("RAIL_TRIPPED")[0]["rail"] == "clock_aware"


def test_a_clock_that_goes_back_at_the_stop_fails_the_session() -> None:
    """The last reading counts as well."""
    record = Record()
    clock = MovingClock(*range(10, 10 + STEPS + 1), 0)
    assert ending(run(config_of(), record, clock=clock)) == (FAILED, "C2_ABORT_INVARIANT")
    assert record.payloads("SESSION_STOP")[0]["steps"] == STEPS


def test_inputs_hold_what_came_from_outside() -> None:
    """Run-length coded clock readings, and sink failures by call."""
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


@pytest.mark.parametrize("where", ["tag", "message", "cancel", "class name"])
def test_a_planted_secret_reaches_no_line(where: str) -> None:
    """Wherever foreign code can put one; the preflight tests plant them in the config."""
    record = Record()
    error = type(SECRET, (Exception,), {})() if where == "class name" else RuntimeError(f"{SECRET} in a message")
    tagged = [BUY._replace(tag=SECRET)] if where == "tag" else None
    strategy = deciding(lambda bar, view: tagged if bar.bar_index < 3 or where == "cancel" else raising(error)())
    session = open_session(own_config(), record, strategy=strategy)
    session.run_n_steps(5)
    session.cancel(f"{SECRET} in a reason")
    result = session.stop()
    for text in (record.whole(), repr(result), json.dumps(session.inputs())):
        assert SECRET_PART not in text
    assert "[REDACTED:assignment]" in record.whole()


def reachable(*roots: object) -> int:
    """Return how many objects hang on ``roots``, code and the mock venue with its history aside."""
    seen: set[int] = set()
    stack: list[object] = list(roots)
    code = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType, MockBroker)
    while stack:
        item = stack.pop()
        if id(item) not in seen and not isinstance(item, code):
            seen.add(id(item))
            stack.extend(gc.get_referents(item))
    return len(seen)


def size_after(steps: int) -> int:
    """Return the size of ledger, adapter and journal after a run that trades on every bar and is rejected as often."""
    order = OrderIntent("BUY", 1, "LIMIT", limit_price=1)
    strategy = deciding(lambda bar, view: (BUY if bar.bar_index % 2 else SELL, order))
    sinks = Record(**dict.fromkeys(("events", "snapshots", "metrics")), audit=Forgetful())
    session = open_session(own_config(steps=steps), sinks, strategy=strategy)
    assert session.run_n_steps(steps) == steps
    desk = session._desk
    return reachable(desk.ledger, desk._adapter, session._journal, session._life)


class Forgetful:
    """A sink that keeps nothing."""

    def write(self, line: str) -> None:
        """Let a line go."""


def test_memory_does_not_grow_with_steps() -> None:
    """Ten times the steps, the same number of objects."""
    assert size_after(20_000) == size_after(2_000)


SCRIPT = """
import hashlib, json
from c2lib.core.clock import FixedClock
from c2lib.core.config import DryrunConfig
from c2lib.session.orchestrator import LiveSessionOrchestrator
sinks = {name: [] for name in ("event_sink", "state_sink", "audit_sink", "metrics_sink")}
config = DryrunConfig(strategy_id="strat_demo", run_id="run_demo_001", seed=123)
LiveSessionOrchestrator().run_dryrun(config, clock=FixedClock("2026-01-01T00:00:00+00:00"), **sinks)
print(json.dumps([hashlib.sha256("".join(lines).encode()).hexdigest() for lines in sinks.values()]))
"""


def test_the_default_run_has_its_golden_bytes() -> None:
    """What to do when they change stands beside them."""
    record = Record()
    config = DryrunConfig(strategy_id="strat_demo", run_id="run_demo_001", seed=123)
    run(config, record, clock=FixedClock("2026-01-01T00:00:00+00:00"))
    assert {name: hashlib.sha256(text.encode()).hexdigest() for name, text in record.bytes().items()} == GOLDEN_SHA256
    assert BEHAVIOUR_VERSION == GOLDEN_BEHAVIOUR_VERSION


@pytest.mark.parametrize(
    "change",
    [
        {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "4242", "TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "0"},
    ],
)
def test_another_process_hash_seed_zone_and_locale_give_the_same_bytes(change: dict[str, str]) -> None:
    """The bytes are a function of what is handed over and of nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, **change},
    )
    names = ("events", "snapshots", "audit", "metrics")
    assert dict(zip(names, json.loads(done.stdout), strict=True)) == GOLDEN_SHA256
