"""Every cancel leaves its trace, and none whose outcome is unknown passes for done; both verifiers refold each run."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import verify_run

from c2lib.broker.mock import MockBroker
from c2lib.core.errors import BrokerTimeoutError, BrokerUnavailableError, InvariantError, RateLimitedError
from c2lib.core.model import CancelIntent, OrderIntent
from tests.contract.judges import assert_both_find, judged
from tests.session.harness import flat_bars
from tests.witness.sample_runs import EVENTS, Run, make_run, scripted

LOW, MARKET, CANCEL = OrderIntent("BUY", 1, "LIMIT", limit_price=1), OrderIntent("BUY", 1), CancelIntent("c-000001")
UNKNOWN = ("ERROR_REQUIRES_OPERATOR", "C2_ABORT_UNKNOWN_OUTCOME")
DONE = ("STOPPED", None)


def cancelling(tmp_path: Path, answers: dict[int, Any], **values: Any) -> Run:
    """Run five bars with a strategy that gives these answers; both verifiers find nothing in the run."""
    values = {"steps": 5, "broker": {"taker_fee_rate": "0"}, **values}
    run = make_run(strategy=scripted(answers), data=flat_bars(100, 110, 120, 130, 140), **values)
    assert judged(run.write(tmp_path)) == (("SEALED", frozenset()),) * 2, verify_run.verify(tmp_path / run.run_id)
    return run


def failing(monkeypatch: pytest.MonkeyPatch, errors: Iterable[Exception | None], *, effect: bool = False) -> None:
    """Let the venue's cancels fail by these errors in turn, with or without their effect; ``None`` lets one through."""
    honest, left = MockBroker.cancel_order, iter(errors)

    def cancel_order(self: MockBroker, broker_order_id: str) -> Any:
        error = next(left, None)
        if effect or error is None:
            status = honest(self, broker_order_id)
        if error is not None:
            raise error
        return status

    monkeypatch.setattr(MockBroker, "cancel_order", cancel_order)


def ending(run: Run) -> tuple[str, str | None]:
    """Return where a run ended and with what code."""
    return run.snapshots[-1]["phase"], run.snapshots[-1]["fail_code"]


def test_cancel_of_nothing_is_recorded(tmp_path: Path) -> None:
    """A cancel that names an ended order is too late, one of a name never given is unknown, and the session goes on."""
    names = ["c-000001", "c-000002", "c-1", "c-000000", "mine", "c-" + "9" * 120]
    run = cancelling(tmp_path, {0: [MARKET], 2: [CancelIntent(name) for name in names]})
    late, *unknown = [tuple(payload.values()) for payload in run.payloads("CANCEL_REJECTED")]
    assert late == (2, "c-000001", "too_late")
    assert unknown == [(2, name, "unknown_order") for name in names[1:]]
    assert (ending(run), run.metrics["orders_cancel_total"]) == (DONE, 0)


def test_unknown_cancel_stays_pending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancel that timed out without effect stays unknown: the order is not taken for ended, the operator is asked."""
    failing(monkeypatch, [BrokerTimeoutError()])
    run = cancelling(tmp_path, {0: [LOW], 1: [CANCEL], 2: [CANCEL]})
    assert run.payloads("ORDER_CANCELLED") == run.payloads("CANCEL_REJECTED") == []
    assert run.payloads("RECONCILED")[0]["mismatches"] == ["unknown_outcome:c-000001"]
    assert (ending(run), run.metrics["orders_cancel_total"]) == (UNKNOWN, 1)


@pytest.mark.parametrize("latency", [0, 2])
def test_venue_proves_unknown_cancel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, latency: int) -> None:
    """A cancel that timed out after its effect is recorded when the venue reports the order's end."""
    failing(monkeypatch, [BrokerTimeoutError()], effect=True)
    broker = {"taker_fee_rate": "0", "latency_steps": latency}
    run = cancelling(tmp_path, {0: [LOW], 1: [CANCEL]}, broker=broker)
    (cancelled,) = run.payloads("ORDER_CANCELLED")
    assert (cancelled["reason"], cancelled["bar_index"]) == ("strategy", max(2, 1 + latency))
    assert ending(run) == DONE


def test_fill_beats_unknown_cancel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order whose cancel timed out is filled when the venue reports a fill of it."""
    failing(monkeypatch, [BrokerTimeoutError()])
    run = cancelling(tmp_path, {0: [MARKET, CANCEL]})
    assert (len(run.payloads("FILL")), run.payloads("ORDER_CANCELLED"), ending(run)) == (1, [], DONE)


@pytest.mark.parametrize("error", [BrokerUnavailableError(), RateLimitedError()])
def test_unsent_cancel_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A cancel that could not reach the venue changes nothing and is tried again at the next step, until it does."""
    failing(monkeypatch, [error, error])
    run = cancelling(tmp_path, {0: [LOW], 1: [CANCEL]})
    (cancelled,) = run.payloads("ORDER_CANCELLED")
    assert (cancelled["bar_index"], cancelled["reason"]) == (3, "strategy")
    assert (ending(run), run.metrics["orders_cancel_total"]) == (DONE, 3)


def test_unsent_cancel_can_be_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancel that could not be sent before its order was filled is recorded as too late."""
    failing(monkeypatch, [BrokerUnavailableError()])
    run = cancelling(tmp_path, {0: [MARKET, CANCEL]})
    assert [payload["reason"] for payload in run.payloads("CANCEL_REJECTED")] == ["too_late"]
    assert (len(run.payloads("FILL")), ending(run)) == (1, DONE)


def test_open_order_needs_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that cannot be cancelled at the stop is open at the end, and the session needs its operator."""
    failing(monkeypatch, [BrokerUnavailableError()] * 99)
    run = cancelling(tmp_path, {0: [LOW]})
    assert (run.payloads("ORDER_CANCELLED"), ending(run)) == ([], UNKNOWN)
    assert run.snapshots[-1]["fail_reason"].startswith("1 order(s) are open or of unknown outcome")


@pytest.mark.parametrize(
    ("quantity", "kinds", "end"),
    [(1, ["CANCEL_REJECTED"], DONE), (5, ["ORDER_CANCELLED"], DONE), (0, [], UNKNOWN)],
)
def test_cancel_follows_lost_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quantity: int, kinds: list[str], end: tuple[str, str | None]
) -> None:
    """A cancel of an order whose placing timed out is sent once a fill shows the order, and its outcome recorded."""
    honest = MockBroker.place_order

    def place_order(self: MockBroker, request: Any) -> Any:
        if quantity:
            honest(self, request)
        raise BrokerTimeoutError

    monkeypatch.setattr(MockBroker, "place_order", place_order)
    broker = {"taker_fee_rate": "0", "participation": "0.1"}
    run = cancelling(tmp_path, {0: [MARKET._replace(quantity=quantity or 1), CANCEL, CANCEL]}, broker=broker)
    every = [(event["event_type"], event["payload"]) for event in run.events if "CANCEL" in event["event_type"]]
    assert [(kind, payload["bar_index"], payload["reason"]) for kind, payload in every] == [
        (kind, 1, "strategy" if kind == "ORDER_CANCELLED" else "too_late") for kind in kinds
    ]
    assert ending(run) == end


@pytest.mark.parametrize("bars", [1, 3])
def test_repeated_cancel_is_sent_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bars: int) -> None:
    """A cancel asked for again while the venue cannot be reached is one cancel, tried once more at each step."""
    failing(monkeypatch, [BrokerUnavailableError()] * (2 * bars - 1))
    run = cancelling(tmp_path, {0: [LOW], **{bar: [CANCEL] for bar in range(1, bars + 1)}})
    (cancelled,) = run.payloads("ORDER_CANCELLED")
    assert (cancelled["bar_index"], run.payloads("CANCEL_REJECTED")) == (bars + 1, [])
    assert (ending(run), run.metrics["orders_cancel_total"]) == (DONE, 2 * bars)


def test_rail_while_cancelling_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rail that trips while a failed session cancels is recorded by its name, and the first failure stays."""
    failing(monkeypatch, [InvariantError("unknown_order", "an order that is open", "c-9")])
    run = cancelling(tmp_path, {0: [LOW], 1: "nonsense"})
    assert ending(run) == ("ERROR_REQUIRES_OPERATOR", "C2_ABORT_EXCEPTION")
    assert run.payloads("RAIL_TRIPPED")[0]["rail"] == "unknown_order"
    assert run.metrics["safety_rail_trips_total"] == 1
    assert len(run.entries("C2_ABORT_EXCEPTION")) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "unknown_order"},
        {"client_order_id": "c-000003"},
        {"client_order_id": "c-000002", "reason": "too_late"},
        {"client_order_id": "c-0000001", "reason": "too_late"},
    ],
)
def test_forged_refusal_is_found(tmp_path: Path, change: dict[str, str]) -> None:
    """A refused cancel of an open order, or for another reason than the log shows, is found by both verifiers."""
    run = cancelling(tmp_path / "good", {0: [MARKET, LOW], 2: [CANCEL]})
    run.payloads("CANCEL_REJECTED")[0].update(change)
    run.rehash()
    assert_both_find(run.write(tmp_path / "forged"), EVENTS)
