"""The rails: invariants whose breach ends a session.

Rules kept here:

* a rail is named once; tripping it raises :class:`~c2lib.core.errors.InvariantError` with what must hold and what
  was seen, and nothing continues past it;
* only a rail of this vocabulary stands in the record: foreign code can raise the same error with any words.

>>> trip(Rail.NEGATIVE_CASH, "cash of 0 or more", "-5")
Traceback (most recent call last):
c2lib.core.errors.InvariantError: negative_cash: expected cash of 0 or more, seen -5
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, NoReturn

from c2lib.core.errors import InvariantError
from c2lib.core.redaction import clean_text


class Rail(StrEnum):
    """The invariants that the ledger, the stepping and the clock reader watch."""

    UNKNOWN_ORDER = "unknown_order"
    DUPLICATE_FILL = "duplicate_fill"
    FILL_BEYOND_ORDER = "fill_beyond_order"
    NEGATIVE_CASH = "negative_cash"
    BAR_COUNT = "bar_count"
    CLOCK_AWARE = "clock_aware"
    CLOCK_MONOTONIC = "clock_monotonic"


_NAMES = frozenset(rail.value for rail in Rail)


class BrokenRail(NamedTuple):
    """What ``RAIL_TRIPPED`` says of a breach, cleaned, in the contract's order."""

    rail: str
    expected: str
    seen: str


def trip(rail: Rail, expected: str, seen: str) -> NoReturn:
    """Raise the :class:`InvariantError` of a broken rail."""
    raise InvariantError(rail.value, expected, seen)


def broken_rail(error: BaseException) -> BrokenRail | None:
    """Return the breach that ``error`` tells of, or ``None`` when it tells of no known rail."""
    if not isinstance(error, InvariantError):
        return None
    words = (error.rail, error.expected, error.seen)
    if not all(type(word) is str for word in words) or error.rail not in _NAMES:
        return None
    return BrokenRail(*map(clean_text, words))
