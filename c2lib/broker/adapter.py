"""The adapter between a session and a venue: counting, idempotency, retries and a rate limit.

A transient error is tried again at once. A time-out of ``place_order`` never is, since its effect is unknown until the
venue's own report settles it. The rate limit is on placing alone: a cancel or a question must always get through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from c2lib.broker.port import BrokerFill, BrokerPort, OrderReport, OrderRequest
from c2lib.core.decimals import parse_decimal
from c2lib.core.errors import BrokerTimeoutError, InvalidRequestError, RateLimitedError, TransientBrokerError
from c2lib.core.states import OrderStatus

AnswerT = TypeVar("AnswerT")

_PLACE = "place_order"
_PLACED, _CANCELLED, _QUERIED = "orders_place_total", "orders_cancel_total", "orders_query_total"
_RETRIED = "retry_attempts_total"


class FailedAttempt(NamedTuple):
    """An attempt that failed for now: ``attempt`` counts from 1, ``again`` says whether another one follows."""

    call: str
    attempt: int
    error: TransientBrokerError
    again: bool


class TokenBucket:
    """A bucket of ``burst`` tokens, full at first, that is refilled with the time of a clock."""

    def __init__(self, burst: int, per_second: str, micros: Callable[[], int]) -> None:
        """Fill the bucket.

        Args:
            burst: Most tokens that it holds.
            per_second: The tokens that a second brings, a decimal.
            micros: Returns the time in microseconds; one that goes back counts as none.
        """
        # counted in parts of a token so small that each microsecond brings a whole number of them
        self._per_micro, scale = parse_decimal(per_second)
        self._token = 1_000_000 * 10**scale
        self._full = self._level = burst * self._token
        self._micros = micros
        self._last: int | None = None

    def take(self) -> bool:
        """Take a token, or return ``False`` when there is none."""
        now = self._micros()
        last = now if self._last is None else self._last
        self._last = max(now, last)
        self._level = min(self._full, self._level + (self._last - last) * self._per_micro)
        if self._level < self._token:
            return False
        self._level -= self._token
        return True


class BrokerAdapter:
    """A :class:`~c2lib.broker.port.BrokerPort` in front of another.

    ``client_order_id`` is the idempotency key: the same key with the same order gives the same answer and no second
    effect, the same key with another order is a permanent error. A key is remembered after its effect, until the
    session forgets it, so that memory follows the open orders and not the run.
    """

    def __init__(
        self,
        port: BrokerPort,
        *,
        max_retries: int = 0,
        bucket: TokenBucket | None = None,
        on_attempt: Callable[[FailedAttempt], object] = lambda _: None,
    ) -> None:
        """Set up the calls to a venue.

        Args:
            port: The venue.
            max_retries: How often a call is tried again.
            bucket: Gives the token that placing an order takes; left out, there is no rate limit.
            on_attempt: Is called with every failed attempt.
        """
        self._port = port
        self._max_retries = max_retries
        self._bucket = bucket
        self._on_attempt = on_attempt
        self._placed: dict[str, tuple[OrderRequest, str]] = {}
        # how often the venue was called, whatever came of it, and apart from that how often again
        self.counts = dict.fromkeys((_PLACED, _CANCELLED, _QUERIED, _RETRIED), 0)

    def place_order(self, request: OrderRequest) -> str:
        """Place an order once, however often it is asked; see the port for what is raised.

        Raises :class:`~c2lib.core.errors.RateLimitedError` when the bucket had no token for any attempt.
        """
        self.counts[_PLACED] += 1
        client_order_id = request.client_order_id
        before = self._placed.get(client_order_id)
        if before is not None:
            if before[0] != request:
                raise InvalidRequestError(f"client_order_id {client_order_id!r} stands for another order")
            return before[1]
        # without a rate limit the way to the venue is one call
        place = self._port.place_order if self._bucket is None else self._place_with_token
        broker_order_id = self._ask(_PLACE, place, request)
        self._placed[client_order_id] = (request, broker_order_id)
        return broker_order_id

    def forget(self, client_order_id: str) -> None:
        """Drop the key of an order that ended."""
        self._placed.pop(client_order_id, None)

    def cancel_order(self, broker_order_id: str) -> OrderStatus:
        """Ask the venue for a cancel; asking twice has no second effect, so a time-out is tried again."""
        self.counts[_CANCELLED] += 1
        return self._ask("cancel_order", self._port.cancel_order, broker_order_id)

    def query_order(self, order_id: str) -> OrderReport:
        """Ask the venue for one order."""
        self.counts[_QUERIED] += 1
        return self._ask("query_order", self._port.query_order, order_id)

    def list_open_orders(self) -> tuple[OrderReport, ...]:
        """Ask the venue for all open orders."""
        self.counts[_QUERIED] += 1
        return self._ask("list_open_orders", self._port.list_open_orders)

    def iter_fills(self, cursor: int) -> tuple[int, Sequence[BrokerFill]]:
        """Read the venue's fills from a cursor on."""
        return self._ask("iter_fills", self._port.iter_fills, cursor)

    def iter_ends(self, cursor: int) -> tuple[int, Sequence[OrderReport]]:
        """Read the venue's ends without a fill from a cursor on."""
        return self._ask("iter_ends", self._port.iter_ends, cursor)

    def _ask(self, call: str, method: Callable[..., AnswerT], *arguments: object) -> AnswerT:
        """Return an answer of the venue; report each failed attempt, and raise the last one's error."""
        attempt = 0
        while True:
            try:
                return method(*arguments)
            except TransientBrokerError as error:
                attempt += 1
                again = attempt <= self._max_retries and not (call == _PLACE and isinstance(error, BrokerTimeoutError))
                self._on_attempt(FailedAttempt(call, attempt, error, again))
                if not again:
                    raise
                self.counts[_RETRIED] += 1

    def _place_with_token(self, request: OrderRequest) -> str:
        if self._bucket is not None and not self._bucket.take():
            raise RateLimitedError("the session's own rate limit holds the order back")
        return self._port.place_order(request)
