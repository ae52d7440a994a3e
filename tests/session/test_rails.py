from typing import Any

import pytest

from c2lib.broker.mock import MockBroker
from c2lib.broker.port import BrokerFill
from c2lib.core.errors import InvariantError
from c2lib.core.model import OrderIntent
from c2lib.session.clocks import ClockReader
from c2lib.session.rails import Rail, broken_rail, trip
from tests.session.harness import SECRET, MovingClock, Record, answering, flat_bars, own_config, run

BUYS_AT_0_AND_2 = answering({0: [OrderIntent("BUY", 2)], 2: [OrderIntent("BUY", 2)]})


@pytest.mark.parametrize("rail", Rail)
def test_tripped_rail_keeps_its_texts(rail: Rail) -> None:
    """The error of a tripped rail carries the rail's name and the expected and seen texts."""
    with pytest.raises(InvariantError) as caught:
        trip(rail, "this", "that")
    assert broken_rail(caught.value) == {"rail": rail.value, "expected": "this", "seen": "that"}


@pytest.mark.parametrize(
    "error",
    [
        ValueError("negative_cash"),
        InvariantError('x","seen":"forged', "a", "b"),
        InvariantError("negative_cash", 5, "b"),  # type: ignore[arg-type] # foreign code does not ask mypy
        InvariantError(["negative_cash"], "a", "b"),  # type: ignore[arg-type] # the same
    ],
)
def test_only_known_rails_count(error: Exception) -> None:
    """Only an InvariantError with a known rail's name and with texts counts as a broken rail."""
    assert broken_rail(error) is None


def test_breach_texts_are_redacted() -> None:
    """A secret in the texts of a broken rail is redacted."""
    assert "hunter2" not in str(broken_rail(InvariantError("negative_cash", SECRET, SECRET)))


def test_clock_reader_uses_rails() -> None:
    """The rails that the clock reader trips are members of Rail."""
    reader = ClockReader(MovingClock(5, 4))
    reader.read()
    with pytest.raises(InvariantError) as caught:
        reader.read()
    assert caught.value.rail == Rail.CLOCK_MONOTONIC
    with pytest.raises(InvariantError) as caught:
        ClockReader(type("Odd", (), {"now": lambda self: 5})()).read()
    assert caught.value.rail == Rail.CLOCK_AWARE


def told_by(monkeypatch: pytest.MonkeyPatch, change: Any) -> tuple[Record, Any]:
    """Run a session whose venue reports its fills through ``change``."""
    honest = MockBroker.iter_fills

    def iter_fills(self: MockBroker, cursor: int) -> Any:
        end, fills = honest(self, cursor)
        return end, change(list(fills))

    monkeypatch.setattr(MockBroker, "iter_fills", iter_fills)
    record = Record()
    result = run(own_config(steps=6), record, strategy=BUYS_AT_0_AND_2, market=flat_bars(*[100] * 6))
    return record, result


def halves(fill: BrokerFill) -> BrokerFill:
    """Return a fill of half the quantity."""
    return fill._replace(quantity=1, leaves_quantity=1)


@pytest.mark.parametrize(
    ("rail", "change"),
    [
        (Rail.DUPLICATE_FILL, lambda fills: [halves(fill) for fill in fills for _ in range(2)]),
        (Rail.FILL_BEYOND_ORDER, lambda fills: [fill._replace(quantity=3) for fill in fills]),
        (Rail.FILL_BEYOND_ORDER, lambda fills: [fill._replace(quantity=0) for fill in fills]),
        (Rail.FILL_BEYOND_ORDER, lambda fills: [fill._replace(quantity=-1) for fill in fills]),
        (Rail.UNKNOWN_ORDER, lambda fills: [fill._replace(client_order_id="c-999999") for fill in fills]),
        (Rail.UNKNOWN_ORDER, lambda fills: [fill for fill in fills for _ in range(2)]),
    ],
)
def test_wrong_fill_trips_rail(rail: Rail, change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong fill report trips a rail that is logged and counted, is not booked, and fails the session."""
    record, result = told_by(monkeypatch, change)
    assert (result.phase, result.fail_code) == ("ERROR_REQUIRES_OPERATOR", "C2_ABORT_INVARIANT")
    (tripped,) = record.payloads("RAIL_TRIPPED")
    assert tripped["rail"] == rail.value
    assert record.metrics()["safety_rail_trips_total"] == 1
    assert record.metrics()["fills_total"] == result.fills == len(record.payloads("FILL")) <= 1
    assert record.codes().count("C2_RAIL_TRIPPED") == 1


def test_unexpected_fill_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fill for no open order is found at the stop and trips the rail unknown_order."""
    ghost = BrokerFill("f-9", "c-9", "b-9", "BUY", 1, 100, 0, "TAKER", 0, 0)
    monkeypatch.setattr(MockBroker, "iter_fills", lambda self, cursor: (1, [ghost] if cursor == 0 else []))
    record = Record()
    result = run(own_config(), record, strategy=answering({}))
    assert result.fail_code == "C2_ABORT_INVARIANT"
    assert record.payloads("RAIL_TRIPPED")[0]["rail"] == "unknown_order"


def test_overspending_trips_cash_rail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fill beyond the cash, from a venue that does not check it, trips negative_cash and is not booked."""
    honest = MockBroker.__init__

    def generous(self: MockBroker, *values: Any, **options: Any) -> None:
        honest(self, *values, **options)
        self._cash *= 10**6

    monkeypatch.setattr(MockBroker, "__init__", generous)
    record = Record()
    greedy = answering({0: [OrderIntent("BUY", 10**6), OrderIntent("BUY", 1)]})
    result = run(own_config(), record, strategy=greedy, market=flat_bars(*[100] * 12))
    assert (result.status, result.fail_code) == ("FAILED", "C2_ABORT_INVARIANT")
    (tripped,) = record.payloads("RAIL_TRIPPED")
    assert tripped["rail"] == "negative_cash"
    assert tripped["seen"] == "-900200 after fill f-000001"
    assert (result.position, result.cash, result.fills) == ("0", "100000", 0)
    kinds = [event["event_type"] for event in record.events()]
    assert kinds[-2:] == ["RAIL_TRIPPED", "SESSION_STOP"]
    assert record.payloads("SESSION_STOP")[0]["stop_reason"] == "failed"


def test_backward_clock_trips_rail() -> None:
    """A clock that goes back trips the rail clock_monotonic at the step of that reading."""
    record = Record()
    result = run(own_config(clock_mode="injected"), record, strategy=answering({}), clock=MovingClock(0, 5, 6, 4))
    assert (result.steps, result.fail_code) == (2, "C2_ABORT_INVARIANT")
    assert record.payloads("RAIL_TRIPPED")[0]["rail"] == "clock_monotonic"
    assert record.payloads("SESSION_STOP") == [
        {
            "stop_reason": "failed",
            "steps": 2,
            "position": "0",
            "cash": "100000",
            "mark_price": record.payloads("STRATEGY_TICK")[-1]["close"],
            "equity": "100000",
        }
    ]


def test_short_market_trips_rail() -> None:
    """A market that yields fewer bars than its bar count trips the rail bar_count."""
    market = flat_bars(100, 100)
    market.bars = lambda count: iter(flat_bars(100).bars(count))  # type: ignore[method-assign] # a liar
    record = Record()
    result = run(own_config(steps=2), record, strategy=answering({}), market=market)
    assert (result.steps, result.fail_code) == (1, "C2_ABORT_INVARIANT")
    assert record.payloads("RAIL_TRIPPED") == [{"rail": "bar_count", "expected": "2 bars", "seen": "1"}]
