"""Exact decimals: an integer and a scale inside (``value`` times ten to the minus ``scale``), one text outside.

The text has no exponent, no plus, no trailing zero after the point and no ``-0``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from c2lib.core.text import quoted

DECIMAL_PATTERN = r"(?:0|-?[1-9][0-9]*|-?(?:0|[1-9][0-9]*)\.[0-9]*[1-9])"
"""Canonical decimal text; used with ``re.fullmatch`` and, anchored, in the JSON Schemas."""

MAX_DIGITS = 60
"""Most digits that a decimal may have, as given and in canonical text: far beyond any price, cheap to refuse."""

MOST_KNOWN = 4096
"""Most values that :class:`Known` keeps unless it is given another bound."""

Key = TypeVar("Key")
Value = TypeVar("Value")

_LOOSE = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,3}))?", re.ASCII)


def parse_decimal(text: str) -> tuple[int, int]:
    """Return ``(value, scale)`` of a plain or exponent decimal; the scale is the least that keeps it exact.

    Raises :class:`ValueError` for anything else, infinities and NaN among them.

    >>> parse_decimal("1.0716"), parse_decimal("25e1")
    ((10716, 4), (250, 0))
    """
    match = _LOOSE.fullmatch(text)
    if match is None:
        raise ValueError(f"{quoted(text)} is not a decimal number")
    sign, whole, fraction, exponent = match.groups("")
    power = int(exponent or 0)
    if len(whole) + len(fraction) > MAX_DIGITS or abs(power) > MAX_DIGITS:
        raise ValueError(f"{quoted(text)} has more than {MAX_DIGITS} digits")
    value, scale = int(whole + fraction), len(fraction) - power
    if scale < 0:
        value, scale = value * 10**-scale, 0
    while scale and value % 10 == 0:
        value, scale = value // 10, scale - 1
    if max(len(str(value)), scale + 1) > MAX_DIGITS:
        raise ValueError(f"{quoted(text)} has more than {MAX_DIGITS} digits")
    return (-value if sign == "-" else value), scale


def format_scaled(value: int, scale: int) -> str:
    """Return the canonical text of ``value`` times ten to the minus ``scale``."""
    if scale == 0:
        return str(value)
    sign, digits = ("-", str(-value)) if value < 0 else ("", str(value))
    if len(digits) <= scale:
        digits = digits.rjust(scale + 1, "0")
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}".rstrip("0").rstrip(".")


class Known(dict[Key, Value]):
    """Values that ``make`` makes of their keys and that are kept, since keys repeat; memory must not grow with a run.

    >>> Known(lambda ticks: format_scaled(ticks, 2))[10125]
    '101.25'
    """

    def __init__(self, make: Callable[[Key], Value], most: int = MOST_KNOWN) -> None:
        super().__init__()
        self._make, self._most = make, most

    def __missing__(self, key: Key) -> Value:
        value = self._make(key)
        if len(self) >= self._most:
            self.clear()
        self[key] = value
        return value


def canonical_decimal(text: str) -> str:
    """Return the canonical text of any decimal text that :func:`parse_decimal` takes."""
    return format_scaled(*parse_decimal(text))


def units_of(text: str, step: str) -> int:
    """Return how many ``step`` make up ``text``; raise :class:`ValueError` when it is no whole number of them.

    >>> units_of("1.0716", "0.00005")
    21432
    """
    value, scale = parse_decimal(text)
    step_value, step_scale = parse_decimal(step)
    numerator, denominator = value * int(10**step_scale), step_value * int(10**scale)
    if denominator == 0 or numerator % denominator:
        raise ValueError(f"{text} is not a multiple of {step}")
    return numerator // denominator
