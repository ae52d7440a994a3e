"""The cells of a market file as integers: times in microseconds, volumes in lots, prices on a grid of ticks.

Nothing is guessed. A number is ASCII digits with a point or an exponent; a binary float counts as its shortest text.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import gcd
from typing import Any, Literal

from c2lib.core.clock import utc_micros
from c2lib.core.decimals import MAX_DIGITS, format_scaled, parse_decimal
from c2lib.core.errors import ConfigError, MarketDataError
from c2lib.core.text import quoted

MAX_DECIMALS = 18
"""Most decimals of a price: with more, not even 10 would fit 64 bits."""

MAX_INT64 = 2**63 - 1
"""Largest integer of a bar, which is stored in 64 bits."""

CACHE_SIZE = 16_384
"""Most cells that a :class:`CellCache` keeps."""

FIRST_MOMENT = utc_micros(datetime.min.replace(tzinfo=UTC))
LAST_MOMENT = utc_micros(datetime.max.replace(tzinfo=UTC))

Rounding = Literal["refuse", "nearest"]

_DATE_LENGTH = len("2026-01-31")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# narrower than what Python reads, for that differs between its versions
_HOUR, _SIXTIETH = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
_CLOCK = re.compile(rf"(?:[T ]({_HOUR}:{_SIXTIETH}(?::{_SIXTIETH}([.,][0-9]+)?)?)(Z|[+-]{_HOUR}(?::?{_SIXTIETH})?)?)?")
_FINEST_FRACTION = len(".000000")
_POWERS = tuple(int(10**exponent) for exponent in range(MAX_DIGITS + 1))
_NEAREST_HINT = "or take rounding 'nearest' with a tick size"


@dataclass(eq=False)
class CellError(Exception):
    """A cell or row cannot be used.

    ``role`` is ``time``, ``volume``, the name of a price, or ``price`` for the one that is written ``text``; ``row``
    counts the rows of the block before it.
    """

    problem: str
    hint: str = ""
    role: str = ""
    text: str = ""
    row: int = 0

    def at(self, file: str, line: int, unit: str = "line") -> MarketDataError:
        """Return the error of a file, in the block that begins at a line or row; 0 is the whole of it."""
        return MarketDataError(file, line + self.row, self.problem, hint=self.hint, unit=unit)


def positive_decimal(text: str, field: str) -> str:
    """Return a size as canonical text; raise :class:`ConfigError` for ``field`` unless it is a positive decimal."""
    try:
        value, scale = parse_decimal(text)
    except ValueError as error:
        raise ConfigError(field, str(error)) from None
    if value <= 0:
        raise ConfigError(field, f"{quoted(text)} is not greater than 0")
    if scale > MAX_DECIMALS:
        raise ConfigError(field, f"{quoted(text)} has more than {MAX_DECIMALS} decimals")
    return format_scaled(value, scale)


def read_decimal(text: str, role: str) -> tuple[int, int]:
    """Return value and scale of a number, the scale perhaps not the least; raise :class:`CellError` for no number."""
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    # most cells are plain, and this is several times faster than the full grammar
    if whole and len(digits) <= MAX_DECIMALS and digits.isdecimal() and digits.isascii():
        return int(digits), len(fraction)
    try:
        return parse_decimal(text)
    except ValueError:
        problem = f"{quoted(text)} is not a decimal number" if text else "is empty"
        raise CellError(problem, "write digits and a point, as in 1.0716", role, text) from None


class CellCache(dict[Any, int], ABC):
    """The integers of cells, looked up before they are read, since cells repeat."""

    def __missing__(self, cell: Any) -> int:
        number = self._read(cell)
        if len(self) >= CACHE_SIZE:
            self.clear()
        self[cell] = number
        return number

    @abstractmethod
    def _read(self, cell: Any) -> int:
        """Return the integer of a cell; raise :class:`CellError` for one that has none."""


class VolumeCells(CellCache):
    """Volumes by their cell, text or number, in whole lots; what is left of a lot is dropped."""

    def __init__(self, lot_size: str) -> None:
        super().__init__()
        lot, scale = parse_decimal(lot_size)
        self._multiplier = _POWERS[scale]
        self._divisors = [lot * power for power in _POWERS]

    def _read(self, cell: object) -> int:
        text = str(cell)
        value, scale = read_decimal(text, "volume")
        if value < 0:
            raise CellError(f"{quoted(text)} is negative", "a volume is 0 or more", "volume")
        lots = value * self._multiplier // self._divisors[scale]
        if lots > MAX_INT64:
            hint = "a volume in lots must fit 64 bits; take a larger lot size"
            raise CellError(f"{quoted(text)} is too large", hint, "volume")
        return lots


class _Days(CellCache):
    """Dates in microseconds since 1970-01-01."""

    def _read(self, cell: str) -> int:
        if not _DATE.fullmatch(cell):
            raise ValueError
        return utc_micros(datetime.fromisoformat(f"{cell}T00:00Z"))


class _Clocks(CellCache):
    """What follows a date, in microseconds since midnight UTC; the times of a file all have a zone, or none."""

    def __init__(self) -> None:
        super().__init__()
        self._naive: bool | None = None

    def _read(self, cell: str) -> int:
        match = _CLOCK.fullmatch(cell)
        if match is None:
            raise ValueError
        clock, fraction, zone = match.groups()
        if fraction and fraction[_FINEST_FRACTION:].strip("0"):
            raise CellError("is finer than a microsecond", "round the times of the file", "time")
        naive = zone is None
        if self._naive not in (None, naive):
            kinds = ("has a time zone, but the times above have not", "has no time zone, but the times above have")
            raise CellError(kinds[naive], "write all times alike", "time")
        self._naive = naive
        return utc_micros(datetime.fromisoformat(f"1970-01-01T{clock or '00:00'}{zone or 'Z'}"))


class TimeCells:
    """The times of one file that has them as text: ISO 8601 with dashes and colons, UTC where no zone is given."""

    def __init__(self) -> None:
        self._days = _Days()
        self._clocks = _Clocks()

    def micros(self, texts: Sequence[str]) -> list[int]:
        """Return times in microseconds since 1970-01-01 UTC; raise :class:`CellError` when one is none."""
        days, clocks = self._days, self._clocks
        try:
            # dates repeat over the bars of a day, times of day from day to day
            return in_range([days[text[:_DATE_LENGTH]] + clocks[text[_DATE_LENGTH:]] for text in texts])
        except ValueError:
            hint = "write 2026-01-31 23:59:00, with +00:00 or Z behind it or without"
            raise CellError("is not an ISO 8601 time with dashes", hint, "time") from None


def in_range(times: list[int]) -> list[int]:
    """Return times in microseconds since 1970; raise :class:`CellError` when one is in no calendar."""
    if min(times) < FIRST_MOMENT or max(times) > LAST_MOMENT:
        raise CellError("is out of range in UTC", "years go from 1 to 9999", "time")
    return times


def _price_error(text: str, problem: str, hint: str = "a price in ticks must fit 64 bits") -> CellError:
    return CellError(f"{quoted(text)} {problem}", hint, "price", text)


class PriceGrid(CellCache):
    """Prices by their cell, text or number, as integers of ten to the minus ``scale``, all multiples of a divisor."""

    def __init__(self, divisor: int, scale: int, highest: int = MAX_INT64) -> None:
        super().__init__()
        self._divisor = divisor
        self.scale = scale
        self._highest = highest

    @property
    def tick_size(self) -> str:
        """The smallest step of a price, as canonical decimal text."""
        return format_scaled(self._divisor, self.scale)

    def ratio(self, scale: int) -> tuple[int, int]:
        """Return by what to multiply and then divide an integer given out at ``scale`` to get ticks."""
        factor = _POWERS[self.scale - scale]
        common = gcd(factor, self._divisor)
        return factor // common, self._divisor // common

    def mark(self) -> tuple[int, int, int]:
        """Return what :meth:`reset` takes to forget the prices read from here on."""
        return self._divisor, self.scale, self._highest

    def reset(self, mark: tuple[int, int, int]) -> None:
        """Be as at the time of ``mark``."""
        self.clear()
        self._divisor, self.scale, self._highest = mark

    def _read(self, cell: object) -> int:
        text = str(cell)
        whole, _, fraction = text.partition(".")
        digits, power = whole + fraction, self.scale - len(fraction)
        # nearly every price is plain and on the grid already, and where they do not repeat this is what takes the time
        if whole and power >= 0 and len(digits) <= MAX_DECIMALS and digits.isdecimal() and digits.isascii():
            number = int(digits) * _POWERS[power]
            if 0 < number <= self._highest and not number % self._divisor:
                return number
        value, scale = read_decimal(text, "price")
        if value <= 0:
            raise _price_error(text, "is not greater than 0", "leave out bars that have no price")
        return self._place(text, value, scale)

    @abstractmethod
    def _place(self, text: str, value: int, scale: int) -> int:
        """Return the integer of a price; raise :class:`CellError` when it has no place on the grid."""


class _GivenGrid(PriceGrid):
    """A grid of a given tick size; a price off it is refused."""

    def _place(self, text: str, value: int, scale: int) -> int:
        number, finer = divmod(value * _POWERS[self.scale], _POWERS[scale])
        if number > MAX_INT64 and not finer:
            raise _price_error(text, "is too large for its number of decimals")
        if finer or number % self._divisor:
            hint = f"leave the tick size out to have one proposed, {_NEAREST_HINT}"
            raise _price_error(text, f"is not a multiple of the tick size {self.tick_size}", hint)
        return number


class _RoundedGrid(PriceGrid):
    """A grid of a given tick size; a price goes to the nearest tick, from halfway away from zero."""

    def _place(self, text: str, value: int, scale: int) -> int:
        twice = 2 * value * _POWERS[self.scale]
        tick = self._divisor * _POWERS[scale]
        number = (twice + tick) // (2 * tick) * self._divisor
        if number > MAX_INT64:
            raise _price_error(text, "is too large for the decimals of the tick size")
        if not number:
            problem = f"is 0 when rounded to the tick size {self.tick_size}"
            raise _price_error(text, problem, "take a smaller tick size")
        return number


class _FoundGrid(PriceGrid):
    """The widest grid that holds all prices.

    ``scale`` grows when a price has more decimals than any before, and integers given out stay at the old one:
    :meth:`ratio` brings them together.
    """

    def _place(self, text: str, value: int, scale: int) -> int:
        if scale > self.scale:
            self._refine(text, scale)
        number = value * _POWERS[self.scale - scale]
        if number > self._highest:
            if number > MAX_INT64:
                raise _price_error(text, "is too large for its number of decimals")
            self._highest = number
        # the divisor is 0 before the first price, which is the first grid
        self._divisor = gcd(self._divisor, number)
        return number

    def _refine(self, text: str, scale: int) -> None:
        if scale > MAX_DECIMALS:
            hint = f"round the prices of the file, {_NEAREST_HINT}"
            raise _price_error(text, f"has more than {MAX_DECIMALS} decimals", hint)
        factor = _POWERS[scale - self.scale]
        if self._highest * factor > MAX_INT64:
            raise _price_error(text, f"is too fine beside a price of {format_scaled(self._highest, self.scale)}")
        self.clear()
        self.scale = scale
        self._divisor *= factor
        self._highest *= factor


def price_grid(tick_size: str | None, rounding: Rounding = "refuse") -> PriceGrid:
    """Return the grid of a tick size, or with ``None`` the one to be found.

    Args:
        tick_size: A positive decimal of at most 18 decimals.
        rounding: What happens to a price off a given grid; ``nearest`` needs a tick size.

    Raises:
        ConfigError: The tick size is no such decimal, or lacks where prices are to be rounded.
    """
    if tick_size is None:
        if rounding == "nearest":
            problem = "is left out, but prices are to be rounded to the nearest tick"
            raise ConfigError("market.tick_size", problem, hint="name it, or take market.rounding 'refuse'")
        return _FoundGrid(0, 0, 0)
    divisor, scale = parse_decimal(positive_decimal(tick_size, "market.tick_size"))
    return _RoundedGrid(divisor, scale) if rounding == "nearest" else _GivenGrid(divisor, scale)
