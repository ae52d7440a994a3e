from typing import Any

import pytest

from c2lib.broker.adapter import BrokerAdapter, CallCounts, FailedAttempt, TokenBucket
from c2lib.broker.mock import MockBroker
from c2lib.core.errors import (
    BrokerTimeoutError,
    BrokerUnavailableError,
    InvalidRequestError,
    OrderRejectedError,
    RateLimitedError,
)
from c2lib.core.model import BrokerPort, OrderRequest
from c2lib.core.states import OrderStatus
from tests.broker.venue import flat_bar, free_venue, market_order


def fronted() -> tuple[BrokerAdapter, MockBroker]:
    """Return an adapter and the venue behind it."""
    venue = free_venue()
    return BrokerAdapter(venue), venue


def test_an_adapter_is_a_port_itself() -> None:
    """It can stand wherever a venue can."""
    port: BrokerPort = BrokerAdapter(free_venue())
    inner = BrokerAdapter(port)
    assert inner.place_order(market_order("c-1")) == "b-000001"


def test_placing_an_order_twice_has_one_effect_and_one_answer() -> None:
    """The client order id is the idempotency key."""
    adapter, venue = fronted()
    assert {adapter.place_order(market_order("c-1")) for _ in range(3)} == {"b-000001"}
    venue.advance(flat_bar(0))
    assert len(venue.iter_fills(0)[1]) == 1
    assert adapter.counts.place == 3


def test_one_key_for_two_orders_is_a_permanent_error() -> None:
    """The second order does not reach the venue."""
    adapter, venue = fronted()
    adapter.place_order(market_order("c-1"))
    with pytest.raises(InvalidRequestError, match="stands for another order"):
        adapter.place_order(market_order("c-1", quantity=2))
    assert len(venue.list_open_orders()) == 1


def test_a_key_is_remembered_after_its_effect_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that did not come through can be tried again under its key."""
    adapter, venue = fronted()

    def times_out(request: OrderRequest) -> str:
        raise BrokerTimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(venue, "place_order", times_out)
        with pytest.raises(BrokerTimeoutError):
            adapter.place_order(market_order("c-1"))
    assert adapter.place_order(market_order("c-1")) == "b-000001"
    assert adapter.counts.place == 2


def test_a_rejected_order_leaves_its_key_free() -> None:
    """Nothing was placed under it."""
    adapter, _ = fronted()
    with pytest.raises(OrderRejectedError):
        adapter.place_order(market_order("c-1", quantity=0))
    assert adapter.place_order(market_order("c-1")) == "b-000001"


def test_a_forgotten_key_does_not_fool_the_venue() -> None:
    """The venue still knows that it was used; forgetting what was never known is no error."""
    adapter, _ = fronted()
    adapter.place_order(market_order("c-1"))
    adapter.forget("c-1")
    adapter.forget("c-9")
    with pytest.raises(InvalidRequestError, match="was used before"):
        adapter.place_order(market_order("c-1"))


def test_calls_are_counted_whatever_comes_of_them() -> None:
    """Cancels and queries go through and count; a failing one counts as well."""
    adapter, _ = fronted()
    adapter.place_order(market_order("c-1"))
    assert adapter.query_order("c-1") == adapter.list_open_orders()[0]
    assert adapter.cancel_order("b-000001") is OrderStatus.CANCELLED
    with pytest.raises(InvalidRequestError):
        adapter.query_order("c-9")
    with pytest.raises(InvalidRequestError):
        adapter.cancel_order("b-9")
    assert adapter.iter_fills(0) == (0, [])
    assert adapter.counts == CallCounts(place=1, cancel=2, query=3, retries=0)


class Failing:
    """A port that fails with these errors before it behaves."""

    def __init__(self, port: BrokerPort, *errors: Exception) -> None:
        self.port = port
        self.errors = list(errors)

    def __getattr__(self, name: str) -> Any:
        honest = getattr(self.port, name)

        def call(*arguments: Any) -> Any:
            if self.errors:
                raise self.errors.pop(0)
            return honest(*arguments)

        return call


CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("place_order", (market_order("c-2"),)),
    ("cancel_order", ("b-000001",)),
    ("query_order", ("c-1",)),
    ("list_open_orders", ()),
    ("iter_fills", (0,)),
]


@pytest.mark.parametrize(("call", "arguments"), CALLS)
def test_what_failed_for_now_is_tried_again(call: str, arguments: tuple[Any, ...]) -> None:
    """With growing pauses, each attempt told, and the answer as if nothing had been."""
    venue = free_venue()
    venue.place_order(market_order("c-1"))
    pauses: list[int] = []
    told: list[FailedAttempt] = []
    failing = Failing(venue, BrokerUnavailableError("1"), BrokerUnavailableError("2"))
    adapter = BrokerAdapter(failing, max_retries=2, sleep=pauses.append, on_attempt=told.append)
    assert getattr(adapter, call)(*arguments) is not None
    assert [(failed.call, failed.attempt, failed.again) for failed in told] == [(call, 1, True), (call, 2, True)]
    assert pauses == [100_000, 200_000]
    assert adapter.counts.retries == 2


@pytest.mark.parametrize(("call", "arguments"), CALLS)
def test_retries_are_bounded(call: str, arguments: tuple[Any, ...]) -> None:
    """The last error is raised, and told as the last."""
    told: list[FailedAttempt] = []
    failing = Failing(free_venue(), *(BrokerUnavailableError(str(number)) for number in range(9)))
    adapter = BrokerAdapter(failing, max_retries=2, on_attempt=told.append)
    with pytest.raises(BrokerUnavailableError, match="2"):
        getattr(adapter, call)(*arguments)
    assert [(failed.attempt, failed.again) for failed in told] == [(1, True), (2, True), (3, False)]


def test_a_time_out_of_placing_is_never_tried_again() -> None:
    """Its effect is unknown, also when it comes after another failure; one of a cancel has no second effect."""
    told: list[FailedAttempt] = []
    failing = Failing(free_venue(), BrokerUnavailableError(), BrokerTimeoutError())
    adapter = BrokerAdapter(failing, max_retries=5, on_attempt=told.append)
    with pytest.raises(BrokerTimeoutError):
        adapter.place_order(market_order("c-1"))
    assert [(failed.attempt, failed.again) for failed in told] == [(1, True), (2, False)]
    adapter.place_order(market_order("c-1"))
    failing.errors = [BrokerTimeoutError()]
    assert adapter.cancel_order("b-000001") is OrderStatus.CANCELLED


def test_a_permanent_error_is_not_tried_again() -> None:
    """It would be the same."""
    told: list[FailedAttempt] = []
    adapter = BrokerAdapter(free_venue(), max_retries=5, on_attempt=told.append)
    with pytest.raises(OrderRejectedError):
        adapter.place_order(market_order("c-1", quantity=0))
    assert (told, adapter.counts.retries) == ([], 0)


def test_the_rate_limit_holds_orders_back_and_cancels_never() -> None:
    """A sleep that moves the clock lets the order through; without one it ends rate-limited."""
    now = 0

    def sleep(micros: int) -> None:
        nonlocal now
        now += micros

    waiting = BrokerAdapter(free_venue(), max_retries=4, bucket=TokenBucket(1, "2", lambda: now), sleep=sleep)
    assert [waiting.place_order(market_order(name)) for name in ("x", "y")] == ["b-000001", "b-000002"]
    assert waiting.counts.retries == 3
    hasty = BrokerAdapter(free_venue(), max_retries=4, bucket=TokenBucket(1, "2", lambda: 0))
    hasty.place_order(market_order("x"))
    with pytest.raises(RateLimitedError):
        hasty.place_order(market_order("y"))
    assert hasty.cancel_order("x") is OrderStatus.CANCELLED
