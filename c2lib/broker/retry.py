"""When to try again, and when to hold back.

Rules kept here:

* the pause before retry *k* (from 1) is min(cap, base x factor ** (k - 1)), the exponential backoff without jitter,
  since two runs must wait alike;
* the token bucket (the classic of traffic shaping) holds ``burst`` tokens, starts full, loses one a call and gains
  ``per_second`` a second of the clock that it was given; arithmetic is exact, and a clock that stands refills nothing.

>>> [backoff_micros(retry) for retry in (1, 2, 3, 20)]
[100000, 200000, 400000, 5000000]
>>> times = iter((0, 0, 499_999, 500_000))
>>> bucket = TokenBucket(1, "2", lambda: next(times))
>>> [bucket.take() for _ in range(4)]
[True, False, False, True]
"""

from __future__ import annotations

from collections.abc import Callable

from c2lib.core.decimals import parse_decimal

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
