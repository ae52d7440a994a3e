"""What stands between a session and a venue: counting, idempotency, retries and a rate limit.

Rules kept here:

* ``client_order_id`` is the idempotency key: the same key with the same order gives the same answer and no
  second effect, the same key with another order is a permanent error;
* a key is remembered after its effect, and forgotten once the session says that the order ended, so that
  memory follows the open orders and not the run;
* a transient error is tried again up to ``max_retries`` times; a time-out of ``place_order`` never is, since its
  effect is unknown: the outcome stays unknown until the venue's own report settles it;
* the rate limit is on placing alone: a cancel or a question must always get through;
* every call is counted, whatever comes of it, and every failed attempt is told to ``on_attempt``.

>>> from c2lib.broker.mock import plain_broker
>>> adapter = BrokerAdapter(plain_broker())
>>> order = OrderRequest("c-1", "SYNTH", "BUY", "MARKET", 2, None, None, "GTC")
>>> adapter.place_order(order) == adapter.place_order(order), adapter.counts.place
(True, 2)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

from c2lib.core.decimals import parse_decimal
from c2lib.core.errors import BrokerTimeoutError, InvalidRequestError, RateLimitedError, TransientBrokerError
from c2lib.core.model import BrokerFill, BrokerPort, OrderReport, OrderRequest
from c2lib.core.states import OrderStatus

AnswerT = TypeVar("AnswerT")

PLACE, CANCEL, QUERY, LIST, FILLS = "place_order", "cancel_order", "query_order", "list_open_orders", "iter_fills"


@dataclass(slots=True)
class CallCounts:
    """How often the venue was called; ``retries`` counts what was tried again, which the others do not."""

    place: int = 0
    cancel: int = 0
    query: int = 0
    retries: int = 0


class FailedAttempt(NamedTuple):
    """An attempt that failed for now: ``attempt`` counts from 1, ``again`` says whether another one follows."""

    call: str
    attempt: int
    error: TransientBrokerError
    again: bool


class BrokerAdapter:
    """A :class:`~c2lib.core.model.BrokerPort` in front of another.

    ``sleep`` is called with the microseconds of a pause before each retry; without one nothing sleeps.
    """

    def __init__(
        self,
        port: BrokerPort,
        *,
        max_retries: int = 0,
        bucket: TokenBucket | None = None,
        sleep: Callable[[int], None] | None = None,
        on_attempt: Callable[[FailedAttempt], None] | None = None,
    ) -> None:
        self._port = port
        self._max_retries = max_retries
        self._bucket = bucket
        self._sleep = sleep
        self._on_attempt = on_attempt
        self._placed: dict[str, tuple[OrderRequest, str]] = {}
        self.counts = CallCounts()

    def place_order(self, request: OrderRequest) -> str:
        """Place an order once, however often it is asked; see the port for what is raised.

        Raises :class:`~c2lib.core.errors.RateLimitedError` when the bucket had no token for any attempt.
        """
        self.counts.place += 1
        client_order_id = request.client_order_id
        before = self._placed.get(client_order_id)
        if before is not None:
            if before[0] != request:
                raise InvalidRequestError(f"client_order_id {client_order_id!r} stands for another order")
            return before[1]
        try:
            # without a rate limit the way to the venue is one call
            place = self._port.place_order if self._bucket is None else self._place_once
            broker_order_id = place(request)
        except TransientBrokerError as error:
            broker_order_id = self._again(PLACE, error, partial(self._place_once, request))
        self._placed[client_order_id] = (request, broker_order_id)
        return broker_order_id

    def forget(self, client_order_id: str) -> None:
        """Drop the key of an order that ended."""
        self._placed.pop(client_order_id, None)

    def cancel_order(self, broker_order_id: str) -> OrderStatus:
        """Ask the venue for a cancel; asking twice has no second effect, so a time-out is tried again."""
        self.counts.cancel += 1
        try:
            return self._port.cancel_order(broker_order_id)
        except TransientBrokerError as error:
            return self._again(CANCEL, error, partial(self._port.cancel_order, broker_order_id))

    def query_order(self, order_id: str) -> OrderReport:
        """Ask the venue for one order."""
        self.counts.query += 1
        try:
            return self._port.query_order(order_id)
        except TransientBrokerError as error:
            return self._again(QUERY, error, partial(self._port.query_order, order_id))

    def list_open_orders(self) -> tuple[OrderReport, ...]:
        """Ask the venue for all open orders."""
        self.counts.query += 1
        try:
            return self._port.list_open_orders()
        except TransientBrokerError as error:
            return self._again(LIST, error, self._port.list_open_orders)

    def iter_fills(self, cursor: int) -> tuple[int, Sequence[BrokerFill]]:
        """Read the venue's fills from a cursor on."""
        try:
            return self._port.iter_fills(cursor)
        except TransientBrokerError as error:
            return self._again(FILLS, error, partial(self._port.iter_fills, cursor))

    def _place_once(self, request: OrderRequest) -> str:
        if self._bucket is not None and not self._bucket.take():
            raise RateLimitedError("the session's own rate limit holds the order back")
        return self._port.place_order(request)

    def _again(self, call: str, error: TransientBrokerError, attempt: Callable[[], AnswerT]) -> AnswerT:
        """Tell of a failed first attempt and make the others; raise the last one's error."""
        for retry in range(1, self._max_retries + 1):
            if call == PLACE and isinstance(error, BrokerTimeoutError):
                break
            self._tell(FailedAttempt(call, retry, error, again=True))
            self.counts.retries += 1
            if self._sleep is not None:
                self._sleep(backoff_micros(retry))
            try:
                return attempt()
            except TransientBrokerError as next_error:
                error = next_error
        else:
            retry = self._max_retries + 1
        self._tell(FailedAttempt(call, retry, error, again=False))
        raise error

    def _tell(self, failed: FailedAttempt) -> None:
        if self._on_attempt is not None:
            self._on_attempt(failed)


BACKOFF_BASE_MICROS = 100_000
BACKOFF_FACTOR = 2
BACKOFF_CAP_MICROS = 5_000_000

_MICROSECONDS = 1_000_000


def backoff_micros(retry: int) -> int:
    """Return the microseconds to wait before a retry, counted from 1."""
    return min(BACKOFF_CAP_MICROS, BACKOFF_BASE_MICROS * int(BACKOFF_FACTOR ** (retry - 1)))


class TokenBucket:
    """A bucket whose clock is a callable that gives microseconds; a time that goes back counts as none."""

    def __init__(self, burst: int, per_second: str, micros: Callable[[], int]) -> None:
        # counted in parts of a token so small that each microsecond brings a whole number of them
        self._per_micro, scale = parse_decimal(per_second)
        self._token = _MICROSECONDS * 10**scale
        self._full = self._level = burst * self._token
        self._micros = micros
        self._last: int | None = None

    def take(self) -> bool:
        """Take a token, or return ``False`` when there is none."""
        now = self._micros()
        if self._last is not None and now > self._last:
            self._level = min(self._full, self._level + (now - self._last) * self._per_micro)
        self._last = now if self._last is None else max(now, self._last)
        if self._level < self._token:
            return False
        self._level -= self._token
        return True
