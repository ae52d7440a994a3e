from fractions import Fraction
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.broker.adapter import (
    BrokerAdapter,
    FailedAttempt,
    TokenBucket,
)
from c2lib.broker.mock import MockBroker
from c2lib.broker.port import BrokerPort, OrderRequest
from c2lib.core.errors import (
    BrokerTimeoutError,
    BrokerUnavailableError,
    InvalidRequestError,
    OrderRejectedError,
    RateLimitedError,
)
from c2lib.core.states import OrderStatus
from tests.broker.venue import flat_bar, free_venue, market_order


def fronted() -> tuple[BrokerAdapter, MockBroker]:
    """Return an adapter and the venue behind it."""
    venue = free_venue()
    return BrokerAdapter(venue), venue


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


def test_adapter_is_a_port() -> None:
    """An adapter can stand wherever a venue can."""
    port: BrokerPort = BrokerAdapter(free_venue())
    inner = BrokerAdapter(port)
    assert inner.place_order(market_order("c-1")) == "b-000001"


def test_placing_twice_acts_once() -> None:
    """The same order under the same client order id has one effect and one answer."""
    adapter, venue = fronted()
    assert {adapter.place_order(market_order("c-1")) for _ in range(3)} == {"b-000001"}
    venue.advance(flat_bar(0))
    assert len(venue.iter_fills(0)[1]) == 1
    assert adapter.counts["orders_place_total"] == 3


def test_reused_key_is_refused() -> None:
    """Another order under a known client order id is a permanent error and does not reach the venue."""
    adapter, venue = fronted()
    adapter.place_order(market_order("c-1"))
    with pytest.raises(InvalidRequestError, match="stands for another order"):
        adapter.place_order(market_order("c-1", quantity=2))
    assert len(venue.list_open_orders()) == 1


def test_timeout_leaves_key_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order whose placing timed out can be placed again under its client order id."""
    adapter, venue = fronted()

    def times_out(request: OrderRequest) -> str:
        raise BrokerTimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(venue, "place_order", times_out)
        with pytest.raises(BrokerTimeoutError):
            adapter.place_order(market_order("c-1"))
    assert adapter.place_order(market_order("c-1")) == "b-000001"
    assert adapter.counts["orders_place_total"] == 2


def test_rejection_leaves_key_free() -> None:
    """A rejected order leaves its client order id free for another."""
    adapter, _ = fronted()
    with pytest.raises(OrderRejectedError):
        adapter.place_order(market_order("c-1", quantity=0))
    assert adapter.place_order(market_order("c-1")) == "b-000001"


def test_venue_knows_forgotten_keys() -> None:
    """The venue still knows a client order id that the adapter forgot, and forgetting an unknown id is no error."""
    adapter, _ = fronted()
    adapter.place_order(market_order("c-1"))
    adapter.forget("c-1")
    adapter.forget("c-9")
    with pytest.raises(InvalidRequestError, match="was used before"):
        adapter.place_order(market_order("c-1"))


def test_every_call_is_counted() -> None:
    """The adapter counts orders, cancels and queries, failing ones too."""
    adapter, _ = fronted()
    adapter.place_order(market_order("c-1"))
    assert adapter.query_order("c-1") == adapter.list_open_orders()[0]
    assert adapter.cancel_order("b-000001") is OrderStatus.CANCELLED
    with pytest.raises(InvalidRequestError):
        adapter.query_order("c-9")
    with pytest.raises(InvalidRequestError):
        adapter.cancel_order("b-9")
    assert adapter.iter_fills(0) == (0, [])
    assert list(adapter.counts.values()) == [1, 2, 3, 0]


@pytest.mark.parametrize(("call", "arguments"), CALLS)
def test_transient_error_is_retried(call: str, arguments: tuple[Any, ...]) -> None:
    """A call that fails for now is made again, each attempt is reported, and the answer comes as usual."""
    venue = free_venue()
    venue.place_order(market_order("c-1"))
    attempts: list[FailedAttempt] = []
    failing = Failing(venue, BrokerUnavailableError("1"), BrokerUnavailableError("2"))
    adapter = BrokerAdapter(failing, max_retries=2, on_attempt=attempts.append)
    assert getattr(adapter, call)(*arguments) is not None
    assert [(failed.call, failed.attempt, failed.again) for failed in attempts] == [(call, 1, True), (call, 2, True)]
    assert adapter.counts["retry_attempts_total"] == 2


@pytest.mark.parametrize(("call", "arguments"), CALLS)
def test_retries_are_bounded(call: str, arguments: tuple[Any, ...]) -> None:
    """The error of the last allowed retry is raised, and reported as the last error."""
    attempts: list[FailedAttempt] = []
    failing = Failing(free_venue(), *(BrokerUnavailableError(str(number)) for number in range(9)))
    adapter = BrokerAdapter(failing, max_retries=2, on_attempt=attempts.append)
    with pytest.raises(BrokerUnavailableError, match="2"):
        getattr(adapter, call)(*arguments)
    assert [(failed.attempt, failed.again) for failed in attempts] == [(1, True), (2, True), (3, False)]


def test_placing_timeout_is_final() -> None:
    """A time-out of placing is never retried, since the effect is unknown, while a time-out of a cancel is."""
    attempts: list[FailedAttempt] = []
    failing = Failing(free_venue(), BrokerUnavailableError(), BrokerTimeoutError())
    adapter = BrokerAdapter(failing, max_retries=5, on_attempt=attempts.append)
    with pytest.raises(BrokerTimeoutError):
        adapter.place_order(market_order("c-1"))
    assert [(failed.attempt, failed.again) for failed in attempts] == [(1, True), (2, False)]
    adapter.place_order(market_order("c-1"))
    failing.errors = [BrokerTimeoutError()]
    assert adapter.cancel_order("b-000001") is OrderStatus.CANCELLED


def test_permanent_error_is_final() -> None:
    """A permanent error is raised without a retry."""
    attempts: list[FailedAttempt] = []
    adapter = BrokerAdapter(free_venue(), max_retries=5, on_attempt=attempts.append)
    with pytest.raises(OrderRejectedError):
        adapter.place_order(market_order("c-1", quantity=0))
    assert (attempts, adapter.counts["retry_attempts_total"]) == ([], 0)


def test_rate_limit_spares_cancels() -> None:
    """The rate limit holds orders back until time has passed, and cancels never."""
    # a quarter of a second passes with every attempt
    times = count(step=250_000)
    waiting = BrokerAdapter(free_venue(), max_retries=4, bucket=TokenBucket(1, "2", lambda: next(times)))
    assert [waiting.place_order(market_order(name)) for name in ("x", "y")] == ["b-000001", "b-000002"]
    assert waiting.counts["retry_attempts_total"] == 1
    hasty = BrokerAdapter(free_venue(), max_retries=4, bucket=TokenBucket(1, "2", lambda: 0))
    hasty.place_order(market_order("x"))
    with pytest.raises(RateLimitedError):
        hasty.place_order(market_order("y"))
    assert hasty.cancel_order("x") is OrderStatus.CANCELLED


def test_bucket_needs_passing_time() -> None:
    """A clock that stands or goes back refills no token."""
    times = iter((5_000_000, 5_000_000, 4_000_000, 5_000_000, 6_000_000))
    bucket = TokenBucket(2, "1", lambda: next(times))
    assert [bucket.take() for _ in range(5)] == [True, True, False, False, True]


@given(
    st.integers(1, 5),
    st.sampled_from(("0.001", "0.3", "1", "2.5", "1000")),
    st.lists(st.integers(0, 3_000_000), max_size=40),
)
def test_bucket_is_exact(burst: int, per_second: str, pauses: list[int]) -> None:
    """A bucket gives the tokens that exact fractions give, however odd the rate."""
    now = 0
    bucket = TokenBucket(burst, per_second, lambda: now)
    assert bucket.take()
    level = Fraction(burst - 1)
    for pause in pauses:
        now += pause
        level = min(Fraction(burst), level + Fraction(pause, 10**6) * Fraction(per_second))
        assert bucket.take() is (level >= 1)
        level -= level >= 1
