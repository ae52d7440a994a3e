"""Execution of every kind of order: ends without a fill, retries and the rate limit; the witness refolds each run."""

from typing import Any

import pytest

from c2lib.broker.mock import MockBroker
from c2lib.core.errors import BrokerUnavailableError
from c2lib.core.model import CancelIntent, OrderIntent
from c2lib.witness.refold import Books
from tests.session.harness import Record, answering, flat_bars, own_config, run

MARKET = flat_bars(100, 110, 120, 130, 120, 110)
LOW = OrderIntent("BUY", 1, "LIMIT", limit_price=50)


def traded(answers: dict[int, Any], **broker: Any) -> tuple[Record, Any]:
    """Run six bars with a strategy that gives these answers, and let a witness fold the log."""
    record = Record()
    config = own_config(steps=6, broker={"taker_fee_rate": "0", **broker})
    result = run(config, record, strategy=answering(answers), market=MARKET)
    complaints: list[object] = []
    books = Books(lambda *words: complaints.append(words))
    for event in record.events():
        books.apply(event["event_type"], event["payload"])
    assert complaints == []
    assert books.transitions == record.metrics()["order_state_transitions_total"]
    return record, result


def test_expired_order_is_recorded() -> None:
    """An IOC order that finds no fill is recorded as expired and is not cancelled again at the stop."""
    record, result = traded({0: [LOW._replace(time_in_force="IOC")]})
    (expired,) = record.payloads("ORDER_EXPIRED")
    assert (expired["client_order_id"], expired["reason"], expired["bar_index"]) == ("c-000001", "IOC", 1)
    assert (result.status, record.payloads("ORDER_CANCELLED")) == ("COMPLETED", [])


def test_delayed_cancel_is_recorded_once() -> None:
    """A cancel asked twice under latency is sent once and recorded, with its reason, at the bar of its effect."""
    record, _ = traded({0: [LOW], 1: [CancelIntent("c-000001")] * 2}, latency_steps=1)
    (cancelled,) = record.payloads("ORDER_CANCELLED")
    assert (cancelled["bar_index"], cancelled["reason"]) == (2, "strategy")
    assert record.metrics()["orders_cancel_total"] == 1


def test_fill_beats_pending_cancel() -> None:
    """A fill that comes before a pending cancel takes effect is booked, and no ORDER_CANCELLED is written."""
    order = OrderIntent("BUY", 1)
    record, result = traded({0: [order], 1: [CancelIntent("c-000001")]}, latency_steps=1)
    assert (result.fills, record.payloads("ORDER_CANCELLED")) == (1, [])
    assert record.payloads("FILL")[0]["bar_index"] == 2


def test_stop_completes_pending_cancels() -> None:
    """At the stop, cancels delayed by latency take effect at once, and the session ends reconciled."""
    record, result = traded({4: [LOW]}, latency_steps=3)
    assert [payload["reason"] for payload in record.payloads("ORDER_CANCELLED")] == ["session_stop"]
    assert (result.status, record.payloads("RECONCILED")) == ("COMPLETED", [{"mismatches": []}])


def test_rate_limit_rejects_after_retries() -> None:
    """An order beyond the rate limit is rejected after its audited retries, and the session completes."""
    limit = {"burst": 1, "per_second": "1"}
    record, result = traded({0: [LOW, LOW], 2: [LOW]}, rate_limit=limit, max_retries=2)
    assert [payload["reason"] for payload in record.payloads("ORDER_REJECTED")] == ["rate_limited"] * 2
    assert record.codes().count("C2_BROKER_RETRY") == 4
    assert record.codes().count("C2_BROKER_FAILED") == 2
    assert (record.metrics()["retry_attempts_total"], result.status) == (4, "COMPLETED")


def test_unavailable_venue_rejects_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that could not reach the venue is rejected with reason unavailable, since its outcome is known."""

    def place_order(self: MockBroker, request: Any) -> str:
        raise BrokerUnavailableError

    monkeypatch.setattr(MockBroker, "place_order", place_order)
    record, result = traded({0: [LOW]})
    assert [payload["reason"] for payload in record.payloads("ORDER_REJECTED")] == ["unavailable"]
    assert result.status == "COMPLETED"


@pytest.mark.parametrize(
    "broker",
    [
        {},
        {"slippage_ticks": 2},
        {"latency_steps": 1},
        {"participation": "0.1"},
        {"reject_rate": "0.5"},
        {"touch_fills": True},
    ],
)
def test_every_order_type_reconciles(broker: dict[str, Any]) -> None:
    """Every order type under every fill model ends completed and reconciled, and the witness refolds every event."""
    answers = {
        bar: [
            OrderIntent("BUY", 3),
            OrderIntent("SELL", 2, "LIMIT", limit_price=120, time_in_force=tif),
            OrderIntent("BUY", 2, "STOP", stop_price=125, time_in_force="DAY"),
            OrderIntent("SELL", 1, "STOP_LIMIT", limit_price=100, stop_price=115),
        ]
        for bar, tif in enumerate(("GTC", "IOC", "FOK", "DAY"))
    }
    record, result = traded(answers, **broker)
    assert (result.status, record.payloads("RECONCILED")) == ("COMPLETED", [{"mismatches": []}])
