"""The rails: invariants whose breach ends a session."""

from __future__ import annotations

from enum import StrEnum
from typing import NoReturn

from c2lib.core.errors import InvariantError
from c2lib.core.redaction import clean_text
from c2lib.core.vocabulary import MIN_EQUITY


class Rail(StrEnum):
    """The invariants that ledger, execution, stepping and the clock reader watch."""

    UNKNOWN_ORDER = "unknown_order"
    DUPLICATE_FILL = "duplicate_fill"
    FILL_SIDE = "fill_side"
    FILL_BEYOND_ORDER = "fill_beyond_order"
    NEGATIVE_CASH = "negative_cash"
    MIN_EQUITY = MIN_EQUITY
    BAR_COUNT = "bar_count"
    CLOCK_AWARE = "clock_aware"
    CLOCK_MONOTONIC = "clock_monotonic"


def trip(rail: Rail, expected: str, seen: str) -> NoReturn:
    """Raise the :class:`InvariantError` of a broken rail: what must hold, and what was seen.

    >>> trip(Rail.NEGATIVE_CASH, "cash of 0 or more", "-5")
    Traceback (most recent call last):
    c2lib.core.errors.InvariantError: negative_cash: expected cash of 0 or more, seen -5
    """
    raise InvariantError(rail.value, expected, seen)


def broken_rail(error: BaseException) -> dict[str, str] | None:
    """Return the breach that ``error`` stands for as the payload of ``RAIL_TRIPPED``, cleaned, or ``None``.

    Foreign code can raise the same error with any words: only a rail of the vocabulary stands in the record.
    """
    if not isinstance(error, InvariantError):
        return None
    words = {"rail": error.rail, "expected": error.expected, "seen": error.seen}
    if not all(type(word) is str for word in words.values()) or error.rail not in tuple(Rail):
        return None
    return {name: clean_text(word) for name, word in words.items()}
