"""One dry run among foreign code: strategies and clocks that raise, lie and interrupt."""

import json
from datetime import datetime
from typing import Any

import pytest

from c2lib.broker.mock import MockBroker
from tests.record.foreign_sinks import Remembering, dead_from
from tests.session.harness import (
    BUY,
    FAILED,
    SECRET,
    SECRET_PART,
    SELL,
    STEPS,
    MovingClock,
    Record,
    acting,
    answering,
    config_of,
    deciding,
    ending,
    flat_bars,
    open_session,
    own_config,
    raising,
    run,
)


class StrangeInterrupt(BaseException):
    """What no code should raise, and some does."""


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
def test_strategy_exception_fails_session(error: BaseException, reason: str) -> None:
    """Any exception of a strategy, even SystemExit, fails the session, and the reason shows no secret."""
    record = Record()
    result = run(own_config(), record, strategy=acting(raising(error), at=4))
    assert ending(result) == (FAILED, "C2_ABORT_EXCEPTION")
    assert (result.steps, result.fail_reason) == (4, reason)
    assert record.snapshots()[-1]["fail_reason"] == reason
    assert SECRET_PART not in record.whole()
    record.keeps_the_contract()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StrangeInterrupt()])
def test_interrupt_fails_and_propagates(error: BaseException) -> None:
    """An interrupt within a step fails the session and is raised to the caller."""
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
    """A strategy's answer that is not a list of valid intents fails the session, and no order is submitted."""
    record = Record()
    result = run(own_config(), record, strategy=answering({1: rubbish}))
    assert ending(result) == (FAILED, "C2_ABORT_EXCEPTION")
    assert (result.fail_reason or "").startswith("StrategyError: on_bar returned" if type(rubbish) is list else "Str")
    assert record.payloads("ORDER_SUBMITTED") == []
    (entry,) = [entry for entry in record.audit() if entry["code"] == "C2_ABORT_EXCEPTION"]
    assert entry["meta"]["bar_index"] == result.fail_meta["bar_index"] == 1


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(0)])
def test_raising_factory_fails_session(error: BaseException) -> None:
    """A strategy factory that raises fails its accepted session before the first step, and names no bar."""

    def factory(_settings: Any) -> Any:
        raise error

    result = run(own_config(), strategy=factory)
    assert ending(result) == (FAILED, "C2_ABORT_EXCEPTION")
    assert (result.accepted, result.steps, result.fail_meta["bar_index"]) == (True, 0, None)


def test_factory_without_strategy_fails() -> None:
    """A factory that makes an object without on_bar fails the session with a reason that names on_bar."""
    result = run(own_config(), strategy=lambda settings: object())
    assert ending(result) == (FAILED, "C2_ABORT_EXCEPTION")
    assert "on_bar" in (result.fail_reason or "")


def test_failing_session_cancels_orders() -> None:
    """A failing session cancels its open orders before SESSION_STOP is written."""
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


def test_second_failure_keeps_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error while a failed session ends is audited and does not replace the first failure."""
    monkeypatch.setattr(MockBroker, "cancel_order", lambda self, order_id: 1 / 0)
    record = Record()
    strategy = deciding(lambda bar, view: [BUY] if bar.bar_index == 0 else raising(KeyError("first"))())
    monkeypatch.setattr(MockBroker, "advance", lambda self, bar: None)
    result = run(own_config(), record, strategy=strategy)
    assert result.fail_reason == "KeyError: 'first'"
    noted = [entry for entry in record.audit() if entry["message"] == "while ending a failed session"]
    assert [entry["meta"] for entry in noted] == [{"error": "ZeroDivisionError: division by zero"}]


def test_result_survives_dead_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The result keeps the first failure when the audit sink fails for good on an error of the ending."""
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
def test_later_clock_error_fails(good: int, error: BaseException) -> None:
    """A clock that raises at any step or at the stop fails the session, and no line shows a secret."""
    record = Record()
    result = run(config_of(), record, clock=Late(good, error))
    assert ending(result) == (FAILED, "C2_ABORT_EXCEPTION")
    assert result.steps == min(good - 1, STEPS)
    assert SECRET_PART not in record.whole() + repr(result)
    record.keeps_the_contract()


def test_naive_clock_trips_rail() -> None:
    """A clock that gives a naive time after the first reading trips the rail clock_aware."""

    class Turning(Late):
        def now(self) -> datetime:
            return super().now() if self._good > 1 else datetime(2026, 1, 1)  # noqa: DTZ001 - the point

    record = Record()
    assert ending(run(config_of(), record, clock=Turning(3, OSError()))) == (FAILED, "C2_ABORT_INVARIANT")
    assert record.payloads("RAIL_TRIPPED")[0]["rail"] == "clock_aware"


def test_backward_stop_clock_fails() -> None:
    """A clock that goes back at the stop fails the session."""
    record = Record()
    clock = MovingClock(*range(10, 10 + STEPS + 1), 0)
    assert ending(run(config_of(), record, clock=clock)) == (FAILED, "C2_ABORT_INVARIANT")
    assert record.payloads("SESSION_STOP")[0]["steps"] == STEPS


@pytest.mark.parametrize("where", ["tag", "message", "cancel", "class name"])
def test_planted_secret_reaches_no_line(where: str) -> None:
    """A secret in a tag, message, class name or cancel reason appears in no line, input or result."""
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
