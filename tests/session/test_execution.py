from typing import Any

import pytest

from c2lib.broker.mock import MockBroker
from c2lib.broker.port import OrderRequest
from c2lib.core.config import seal
from c2lib.core.errors import BrokerTimeoutError, InvariantError, SinkWriteError
from c2lib.core.model import CancelIntent, OrderIntent, PositionView
from c2lib.record.journal import Journal
from c2lib.record.sinks import Sinks
from c2lib.session.execution import Execution
from tests.record.foreign_sinks import dead_from
from tests.session.harness import (
    SECRET,
    SECRET_PART,
    Record,
    answering,
    config_of,
    deciding,
    flat_bars,
    own_config,
    run,
)

BUY, SELL = OrderIntent("BUY", 1), OrderIntent("SELL", 1)
LIMIT = OrderIntent("BUY", 1, "LIMIT", limit_price=100)
MARKET = flat_bars(100, 110, 120, 130)
KINDS = ("ORDER_SUBMITTED", "ORDER_ACKNOWLEDGED", "ORDER_REJECTED", "ORDER_CANCELLED", "FILL")


def traded(answers: dict[int, Any], **values: Any) -> tuple[Record, Any]:
    """Run four bars at 1.00, 1.10, 1.20 and 1.30 with a strategy that gives these answers."""
    record = Record()
    return record, run(own_config(steps=4, **values), record, strategy=answering(answers), market=MARKET)


def kinds(record: Record) -> list[str]:
    """Return the kinds of the events about orders."""
    return [event["event_type"] for event in record.events() if event["event_type"] in KINDS]


def test_round_trip_books_exactly() -> None:
    """A purchase and its sale are booked with exact price, fee and cash, to the last digit."""
    record, result = traded({0: [OrderIntent("BUY", 3)], 2: [OrderIntent("SELL", 3)]})
    bought, sold = record.payloads("FILL")
    assert (bought["price"], bought["fee"], bought["leaves_quantity"], bought["bar_index"]) == (
        "1.1",
        "0.00066",
        "0",
        1,
    )
    assert (sold["price"], sold["fee"], sold["side"], sold["bar_index"]) == ("1.3", "0.00078", "SELL", 3)
    assert (result.position, result.cash, result.equity) == ("0", "100000.59856", "100000.59856")
    assert kinds(record) == ["ORDER_SUBMITTED", "ORDER_ACKNOWLEDGED", "FILL"] * 2


def test_stop_event_marks_position() -> None:
    """SESSION_STOP values an open position at the last close: equity is cash plus position times mark price."""
    record, _ = traded({0: [BUY]}, broker={"taker_fee_rate": "0"})
    (stop,) = record.payloads("SESSION_STOP")
    assert stop == {
        "stop_reason": "completed",
        "steps": 4,
        "position": "1",
        "cash": "99998.9",
        "mark_price": "1.3",
        "equity": "100000.2",
    }


def test_order_is_recorded_before_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event log holds ORDER_SUBMITTED before the venue is asked to place the order."""
    record, seen = Record(), []
    honest = MockBroker.place_order

    def place_order(self: MockBroker, request: OrderRequest) -> str:
        seen.append([line for line in record.lines("events") if request.client_order_id in line])
        return honest(self, request)

    monkeypatch.setattr(MockBroker, "place_order", place_order)
    run(own_config(), record, strategy=answering({0: [BUY]}))
    assert len(seen) == 1
    assert '"ORDER_SUBMITTED"' in seen[0][0]


def test_fills_precede_tick_and_orders() -> None:
    """Within a step, fills are recorded before the strategy's tick, and new orders after the tick."""
    record, _ = traded({0: [BUY], 1: [SELL]})
    bar_1 = [event["event_type"] for event in record.events() if event["payload"].get("bar_index") == 1]
    assert bar_1 == ["FILL", "STRATEGY_TICK", "ORDER_SUBMITTED", "ORDER_ACKNOWLEDGED"]


def test_rejected_order_keeps_venues_reason() -> None:
    """An order that the venue rejects is recorded with the venue's reason and audited, and the session continues."""
    record, result = traded({0: [LIMIT._replace(order_type="STOP_LIMIT", stop_price=100, time_in_force="IOC"), BUY]})
    assert kinds(record)[:2] == ["ORDER_SUBMITTED", "ORDER_REJECTED"]
    (rejected,) = record.payloads("ORDER_REJECTED")
    assert (rejected["reason"], rejected["broker_order_id"]) == ("unsupported_combination", None)
    assert record.codes().count("C2_ORDER_REJECTED") == 1
    assert (result.status, result.fills) == ("COMPLETED", 1)
    assert record.payloads("ORDER_SUBMITTED")[0]["limit_price"] == "1"


def test_stop_price_is_recorded() -> None:
    """ORDER_SUBMITTED records the stop price of a stop order."""
    record, _ = traded({0: [OrderIntent("SELL", 1, "STOP", stop_price=90)]})
    assert record.payloads("ORDER_SUBMITTED")[0]["stop_price"] == "0.9"


def test_strategy_can_cancel_orders() -> None:
    """An order that its strategy cancels never fills, and a cancel of an order that is not open writes no event."""
    record, result = traded({0: [BUY, CancelIntent("c-000001")], 1: [CancelIntent("c-000001"), CancelIntent("x")]})
    (cancelled,) = record.payloads("ORDER_CANCELLED")
    assert (cancelled["client_order_id"], cancelled["reason"]) == ("c-000001", "strategy")
    assert (result.fills, record.metrics()["orders_cancel_total"]) == (0, 1)
    assert [tick["decision"] for tick in record.payloads("STRATEGY_TICK")] == ["BUY+CANCEL", "CANCEL", "HOLD", "HOLD"]


def test_stop_cancels_open_orders() -> None:
    """Orders still open at the stop are cancelled with reason session_stop, and the session ends reconciled."""
    record, result = traded({3: [BUY, SELL]})
    assert [payload["reason"] for payload in record.payloads("ORDER_CANCELLED")] == ["session_stop"] * 2
    assert record.mismatches() == [[]]
    assert (result.status, result.fills) == ("COMPLETED", 0)
    assert record.metrics()["reconciler_last_ok_ts"] is not None


def test_reconciliation_records_books() -> None:
    """RECONCILED has position and cash of the session's books, and nothing of the venue's, which is not asked yet."""
    record, _ = traded({0: [OrderIntent("BUY", 3)]})
    (payload,), (stop,) = record.payloads("RECONCILED"), record.payloads("SESSION_STOP")
    assert (payload["position"], payload["cash"]) == ("3", stop["cash"])
    assert (payload["actions"], payload["as_of"]) == ([], None)
    assert (payload["broker_position"], payload["broker_cash"]) == (None, None)


def test_strategy_sees_current_position() -> None:
    """At every bar a strategy is given its position, cash and equity as they stand at the bar's close."""
    views: list[PositionView] = []

    def decide(bar: Any, view: PositionView) -> Any:
        views.append(view)
        return {0: [BUY, SELL, BUY], 2: [SELL]}.get(bar.bar_index)

    run(own_config(steps=4, broker={"taker_fee_rate": "0"}), strategy=deciding(decide), market=MARKET)
    seen = [(view.position, str(view.cash), str(view.equity), view.average_entry_price) for view in views]
    assert seen == [
        (0, "100000", "100000", None),
        (1, "99998.9", "100000", 110),
        (1, "99998.9", "100000.1", 110),
        (0, "100000.2", "100000.2", None),
    ]


def test_decision_ticks_keep_other_events() -> None:
    """With tick_events 'decisions', only bars with a decision have a tick, and the order events are the same."""
    every, decisions = Record(), Record()
    answers = {1: [BUY]}
    run(own_config(), every, strategy=answering(answers))
    run(own_config(tick_events="decisions"), decisions, strategy=answering(answers))
    assert [tick["bar_index"] for tick in decisions.payloads("STRATEGY_TICK")] == [1]
    assert len(every.payloads("STRATEGY_TICK")) == 12
    assert kinds(every) == kinds(decisions)


def test_tag_is_redacted_on_entry() -> None:
    """A secret in an order's tag is redacted before any line is written, and the tag's other text stays."""
    record, _ = traded({0: [BUY._replace(tag=f"a {SECRET}"), SELL._replace(tag="b \u2028 \ud800")]})
    assert [payload["tag"] for payload in record.payloads("ORDER_SUBMITTED")] == [
        "a [REDACTED:assignment]",
        "b \u2028 ?",
    ]
    assert SECRET_PART not in record.whole()


def times_out(monkeypatch: pytest.MonkeyPatch, *, effect: bool) -> None:
    """Let every order time out, with or without its effect."""
    honest = MockBroker.place_order

    def place_order(self: MockBroker, request: OrderRequest) -> str:
        if effect:
            honest(self, request)
        raise BrokerTimeoutError(SECRET)

    monkeypatch.setattr(MockBroker, "place_order", place_order)


@pytest.mark.parametrize(("effect", "bar"), [(False, 0), (False, 3), (True, 3)])
def test_unknown_outcome_needs_operator(effect: bool, bar: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timed-out order that no fill settles is recorded as unknown alone, and the session needs the operator."""
    times_out(monkeypatch, effect=effect)
    record, result = traded({bar: [BUY]})
    assert (result.phase, result.fail_code) == ("ERROR_REQUIRES_OPERATOR", "C2_ABORT_UNKNOWN_OUTCOME")
    assert kinds(record) == ["ORDER_SUBMITTED"]
    assert record.mismatches() == [["unknown_outcome:c-000001"]]
    assert "C2_RECONCILE_MISMATCH" in record.codes()
    assert (record.metrics()["reconcile_mismatches_total"], record.metrics()["reconciler_last_ok_ts"]) == (1, None)
    assert SECRET_PART not in record.whole()


def test_fill_settles_timed_out_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fill settles the outcome of an order that timed out: the order is acknowledged, filled and booked."""
    times_out(monkeypatch, effect=True)
    record, result = traded({0: [BUY]})
    assert kinds(record) == ["ORDER_SUBMITTED", "ORDER_ACKNOWLEDGED", "FILL"]
    assert record.payloads("ORDER_ACKNOWLEDGED")[0]["bar_index"] == 1
    assert (result.status, result.position) == ("COMPLETED", "1")


def test_ghost_order_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that only the venue has at the stop is recorded as the mismatch ghost_broker_order."""
    honest = MockBroker.advance

    def advance(self: MockBroker, bar: Any) -> None:
        honest(self, bar)
        if bar.bar_index == 3:
            self.place_order(OrderRequest("ghost", "SYNTH", "BUY", "MARKET", 1, None, None, "GTC"))

    monkeypatch.setattr(MockBroker, "advance", advance)
    record, _ = traded({})
    assert record.mismatches() == [["ghost_broker_order:ghost"]]


def test_late_cancel_is_no_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancel that the venue answers with a filled order writes no ORDER_CANCELLED event."""
    honest = MockBroker.cancel_order

    def cancel_order(self: MockBroker, broker_order_id: str) -> Any:
        self.advance(next(iter(flat_bars(100).bars(1))))
        return honest(self, broker_order_id)

    monkeypatch.setattr(MockBroker, "cancel_order", cancel_order)
    record, _ = traded({3: [BUY]})
    assert "ORDER_CANCELLED" not in kinds(record)
    assert record.mismatches() == [["missing_on_broker:c-000001"]]


@pytest.mark.parametrize(
    "error",
    [
        SinkWriteError("audit.jsonl", 9, "forged"),
        InvariantError("negative_cash", "forged", "forged"),
        InvariantError('x","seen":"forged"}', "a", "b"),
    ],
)
@pytest.mark.parametrize("when", ["loading", "deciding"])
def test_raised_errors_blame_the_strategy(error: Exception, when: str) -> None:
    """An error of c2lib that a strategy raises trips no rail, blames no sink, and forges no line."""

    def raises(*_: Any) -> Any:
        raise error

    record = Record()
    result = run(own_config(), record, strategy=raises if when == "loading" else deciding(raises))
    assert result.fail_code == "C2_ABORT_EXCEPTION"
    assert (result.fail_reason or "").startswith(f"{type(error).__name__}: ")
    assert record.payloads("RAIL_TRIPPED") == []
    assert record.metrics()["safety_rail_trips_total"] == 0
    assert result.dead_sinks == ()
    record.keeps_the_contract()


def test_dead_sink_leaves_orders_cancelled() -> None:
    """Every open order is cancelled at the venue even when the event sink fails for good between the cancels."""
    events = dead_from(6)
    journal = Journal("r", "own", Sinks(events=events), 0)
    journal.ts = "2026-01-01T00:00:00+00:00"
    execution = Execution(seal(own_config()), journal)
    execution.on_bar(next(iter(MARKET.bars(1))))
    execution.act([BUY, BUY, BUY])
    with pytest.raises(SinkWriteError):
        execution.cancel_open("session_failed")
    assert len(events.lines) == 6
    assert execution.counters()["orders_cancel_total"] == 3
    assert execution.ledger.open_orders == {}


@pytest.mark.parametrize("tick", ["0.01", "0.00005", "0.25"])
@pytest.mark.parametrize("lot", ["1", "0.001", "10"])
def test_grid_texts_are_exact(tick: str, lot: str) -> None:
    """A session on any grid of ticks and lots completes and writes prices, quantities, fees and money exactly."""
    record = Record()
    config = config_of(steps=40, market={"tick_size": tick, "lot_size": lot}, broker={"taker_fee_rate": "0.00031"})
    result = run(config, record)
    record.keeps_the_contract()
    assert (result.status, result.fills > 0) == ("COMPLETED", True)
