"""Execution of every kind of order: ends without a fill, retries and the rate limit; the witness refolds each run."""

from typing import Any

import pytest

from c2lib.broker.mock import MockBroker
from c2lib.core.errors import BrokerUnavailableError
from c2lib.core.model import Bar, CancelIntent, OrderIntent
from c2lib.witness.refold import Books
from tests.session.harness import Bars, Record, answering, flat_bars, own_config, run

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
    assert (result.status, record.mismatches()) == ("COMPLETED", [[]])


def test_uncovered_order_is_cancelled() -> None:
    """An order that cash does not cover is cancelled with insufficient_funds, one transition, and trading goes on."""
    record, result = traded({0: [OrderIntent("BUY", 10), OrderIntent("BUY", 2)]}, initial_cash="10")
    assert record.payloads("ORDER_CANCELLED") == [
        {
            "client_order_id": "c-000001",
            "broker_order_id": "b-000001",
            "reason": "insufficient_funds",
            "bar_index": 1,
        }
    ]
    assert [fill["client_order_id"] for fill in record.payloads("FILL")] == ["c-000002"]
    assert (result.status, result.cash, record.mismatches()) == ("COMPLETED", "7.8", [[]])
    metrics = record.metrics()
    assert (metrics["order_state_transitions_total"], metrics["orders_cancel_total"]) == (4, 0)


def test_earlier_partial_fill_stays() -> None:
    """An order whose cash runs out keeps what was filled, loses the remainder, and its later cancel has no effect."""
    answers = {0: [OrderIntent("BUY", 5)], 1: [CancelIntent("c-000001")]}
    record, result = traded(answers, initial_cash="2.35", participation="0.1", latency_steps=1)
    assert [(fill["price"], fill["leaves_quantity"]) for fill in record.payloads("FILL")] == [("1.2", "4")]
    assert record.payloads("ORDER_CANCELLED")[0]["reason"] == "strategy"
    record, result = traded({0: [OrderIntent("BUY", 5)]}, initial_cash="2.35", participation="0.1")
    assert [(fill["price"], fill["leaves_quantity"]) for fill in record.payloads("FILL")] == [
        ("1.1", "4"),
        ("1.2", "3"),
    ]
    (cancelled,) = record.payloads("ORDER_CANCELLED")
    assert (cancelled["reason"], cancelled["bar_index"]) == ("insufficient_funds", 3)
    assert (result.status, result.position, result.cash) == ("COMPLETED", "2", "0.05")


def test_unasked_end_overtakes_cancel() -> None:
    """An order that lacks cash while its cancel is on its way ends once, for want of cash, with one transition."""
    answers = {0: [OrderIntent("BUY", 50)], 1: [CancelIntent("c-000001")]}
    record, _ = traded(answers, initial_cash="10", latency_steps=1)
    (cancelled,) = record.payloads("ORDER_CANCELLED")
    assert (cancelled["reason"], cancelled["bar_index"]) == ("insufficient_funds", 2)
    assert record.metrics()["order_state_transitions_total"] == 2


def test_ends_need_no_queries() -> None:
    """Expiries, delayed cancels and ends for want of cash are read from the venue's own report, without a query."""
    answers = {0: [LOW._replace(time_in_force="IOC"), LOW, OrderIntent("BUY", 50)], 1: [CancelIntent("c-000002")]}
    record, _ = traded(answers, initial_cash="10", latency_steps=1)
    assert [payload["bar_index"] for payload in record.payloads("ORDER_EXPIRED")] == [2]
    reasons = [payload["reason"] for payload in record.payloads("ORDER_CANCELLED")]
    assert reasons == ["insufficient_funds", "strategy"]
    assert record.metrics()["orders_query_total"] == 1


def test_fills_are_booked_before_ends() -> None:
    """Within a step all fills stand before the orders that ended without one, whichever came first at the venue."""
    record, _ = traded({0: [OrderIntent("BUY", 50), OrderIntent("BUY", 1)]}, initial_cash="10")
    on_bar = [event for event in record.events() if event["payload"].get("bar_index") == 1]
    assert [event["event_type"] for event in on_bar[:2]] == ["FILL", "ORDER_CANCELLED"]


def test_failed_end_report_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of ends that fails for now is asked for again, audited, and no end is lost or booked twice."""
    honest, failures = MockBroker.iter_ends, [1]

    def iter_ends(self: MockBroker, cursor: int) -> Any:
        if failures:
            failures.pop()
            raise BrokerUnavailableError
        return honest(self, cursor)

    monkeypatch.setattr(MockBroker, "iter_ends", iter_ends)
    record, result = traded({0: [LOW._replace(time_in_force="IOC")]}, max_retries=1)
    assert len(record.payloads("ORDER_EXPIRED")) == 1
    (retry,) = [entry for entry in record.audit() if entry["code"] == "C2_BROKER_RETRY"]
    assert (retry["meta"]["call"], result.status) == ("iter_ends", "COMPLETED")


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


HOUR = 3_600_000_000


def at_hours(*hours: int) -> Bars:
    """Return a market whose bars stand at these hours, at one price."""
    return Bars([Bar(i, hour * HOUR, 100, 100, 100, 100, 10) for i, hour in enumerate(hours)])


@pytest.mark.parametrize(
    ("hours", "rejected"),
    [
        ((0, 24, 48, 120, 144), True),
        ((0, 1, 2, 50, 51), False),
        ((0,), False),
    ],
    ids=["days with a weekend", "hours with a weekend", "one bar"],
)
def test_day_order_on_daily_bars(hours: tuple[int, ...], rejected: bool) -> None:
    """On daily bars a DAY order is rejected with day_never_fills, audited, and the session goes on."""
    record, day = Record(), OrderIntent("BUY", 1, time_in_force="DAY")
    config = own_config(steps=len(hours))
    result = run(config, record, strategy=answering({0: [day, OrderIntent("BUY", 1)]}), market=at_hours(*hours))
    reasons = [payload["reason"] for payload in record.payloads("ORDER_REJECTED")]
    assert reasons == ["day_never_fills"] * rejected
    assert record.codes().count("C2_ORDER_REJECTED") == rejected
    assert (result.status, result.fills) == ("COMPLETED", min(len(hours) - 1, 1 if rejected else 2))


def test_day_order_on_daily_walk() -> None:
    """A DAY order on a synthetic walk of daily bars is rejected with day_never_fills."""
    record, day = Record(), OrderIntent("BUY", 1, time_in_force="DAY")
    config = own_config(market={"synthetic": {"interval_seconds": 86_400}})
    run(config, record, strategy=answering({0: [day]}))
    assert [payload["reason"] for payload in record.payloads("ORDER_REJECTED")] == ["day_never_fills"]


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
    assert (result.status, record.mismatches()) == ("COMPLETED", [[]])
