"""The rails: invariants whose breach ends a session.

Rules kept here:

* a rail is named once; tripping it raises :class:`~c2lib.core.errors.InvariantError` with what must hold and what
  was seen, and nothing continues past it.

>>> trip(Rail.NEGATIVE_CASH, "cash of 0 or more", "-5")
Traceback (most recent call last):
c2lib.core.errors.InvariantError: negative_cash: expected cash of 0 or more, seen -5
"""

from __future__ import annotations

from enum import StrEnum
from typing import NoReturn

from c2lib.core.errors import InvariantError


class Rail(StrEnum):
    """The invariants that the ledger and the stepping watch."""

    UNKNOWN_ORDER = "unknown_order"
    DUPLICATE_FILL = "duplicate_fill"
    FILL_BEYOND_ORDER = "fill_beyond_order"
    NEGATIVE_CASH = "negative_cash"
    BAR_COUNT = "bar_count"


def trip(rail: Rail, expected: str, seen: str) -> NoReturn:
    """Raise the :class:`InvariantError` of a broken rail."""
    raise InvariantError(rail.value, expected, seen)
