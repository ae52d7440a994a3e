"""The cells of a market file as integers: times in microseconds, volumes in lots, prices on a grid of ticks.

Nothing is guessed. A number is ASCII digits with a point or an exponent; a binary float counts as its shortest text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import gcd
from typing import Any, Literal

from c2lib.core.canon import MAX_INTEGER
from c2lib.core.clock import utc_micros
from c2lib.core.decimals import MAX_DIGITS, Known, format_scaled, parse_decimal
from c2lib.core.errors import ConfigError, MarketDataError
from c2lib.core.text import quoted

MAX_DECIMALS = 18
"""Most decimals of a tick size: with more, not even 10 would fit 64 bits."""

NOISE_DECIMALS = 12
"""A price of more decimals looks like float noise."""

NOISE_DIGITS = 9
"""A price with decimals looks like float noise when its last one is below ten to the minus this of it."""

MAX_INT64 = 2**63 - 1
"""Largest integer of a bar, which is stored in 64 bits."""

CACHE_SIZE = 16_384
"""Most cells whose integers are kept, since cells repeat."""

FIRST_MOMENT = utc_micros(datetime.min.replace(tzinfo=UTC))
LAST_MOMENT = utc_micros(datetime.max.replace(tzinfo=UTC))

Rounding = Literal["refuse", "nearest"]

_DATE_LENGTH = len("2026-01-31")
_DATE = re.compile(r"([0-9]{4})([-./])([0-9]{2})\2([0-9]{2})")
# narrower than what Python reads, for that differs between its versions
_HOUR, _SIXTIETH = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
_CLOCK = re.compile(rf"(?:[T ]({_HOUR}:{_SIXTIETH}(?::{_SIXTIETH}([.,][0-9]+)?)?)(Z|[+-]{_HOUR}(?::?{_SIXTIETH})?)?)?")
_FINEST_FRACTION = len(".000000")
_COUNT = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+]?[0-9]+)?")
_FIRST_COUNT, _END_COUNT = 315_532_800, 10**10
_PER_SECOND = (1, 10**3, 10**6, 10**9)
"""Counts of each unit, from seconds to nanoseconds, lie in ranges that do not meet: from 1980 to 2286."""

_POWERS = tuple(int(10**exponent) for exponent in range(MAX_DIGITS + 1))


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


def _read_decimal(text: str, role: str) -> tuple[int, int]:
    """Return value and scale of a number, the scale perhaps not the least; raise :class:`CellError` for no number."""
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    # most cells are plain, and this is several times faster than the full grammar
    if whole and len(digits) <= MAX_DECIMALS and digits.isdecimal() and digits.isascii():
        return int(digits), len(fraction)
    try:
        return parse_decimal(text)
    except ValueError as error:
        hint = "write digits and a point, as in 1.0716; a comma stands for neither a point nor thousands"
        raise CellError(str(error) if text else "is empty", hint, role, text) from None


class VolumeCells(Known[Any, int]):
    """Volumes by their cell, text or number, in whole lots; what is left of a lot is dropped."""

    def __init__(self, lot_size: str) -> None:
        super().__init__(self._lots, CACHE_SIZE)
        lot, scale = parse_decimal(lot_size)
        self._multiplier = _POWERS[scale]
        self._divisors = [lot * power for power in _POWERS]

    def _lots(self, cell: object) -> int:
        text = str(cell)
        value, scale = _read_decimal(text, "volume")
        if value < 0:
            raise CellError(f"{quoted(text)} is negative", "a volume is 0 or more", "volume")
        lots = value * self._multiplier // self._divisors[scale]
        if lots > MAX_INT64:
            hint = "a volume in lots must fit 64 bits; take a larger lot size"
            raise CellError(f"{quoted(text)} is too large", hint, "volume")
        return lots


class TimeCells:
    """The times of one file as text: all in ISO 8601, with a zone or without, then in UTC, or all counts since 1970."""

    def __init__(self) -> None:
        self._days, self._clocks = Known(_date_micros, CACHE_SIZE), Known(self._clock_micros, CACHE_SIZE)
        self._naive: bool | None = None
        self._counted: bool | None = None

    def micros(self, texts: Sequence[str]) -> list[int]:
        """Return times in microseconds since 1970-01-01 UTC; raise :class:`CellError` when one is none."""
        days, clocks = self._days, self._clocks
        if self._counted is None:
            self._counted = bool(_COUNT.fullmatch(texts[0]))
        try:
            if self._counted:
                return list(map(_count_micros, texts))
            # dates repeat over the bars of a day, times of day from day to day
            return in_range([days[text[:_DATE_LENGTH]] + clocks[text[_DATE_LENGTH:]] for text in texts])
        except ValueError:
            problem, hint = "is no count since 1970", "write all times alike"
            if not self._counted:
                problem = "is not an ISO 8601 time with dashes"
                hint = "write 2026-01-31 23:59:00, with +00:00 or Z after it or without, or count since 1970"
            raise CellError(problem, hint, "time") from None

    def _clock_micros(self, cell: str) -> int:
        """Return what follows a date in microseconds since midnight UTC."""
        match = _CLOCK.fullmatch(cell)
        if match is None:
            raise ValueError
        clock, fraction, zone = match.groups()
        if fraction and fraction[_FINEST_FRACTION:].strip("0"):
            raise too_fine()
        naive = zone is None
        if self._naive not in (None, naive):
            kinds = ("has a time zone, but the times above have not", "has no time zone, but the times above have")
            raise CellError(kinds[naive], "write all times alike", "time")
        self._naive = naive
        return utc_micros(datetime.fromisoformat(f"1970-01-01T{clock or '00:00'}{zone or 'Z'}"))


def _date_micros(cell: str) -> int:
    match = _DATE.fullmatch(cell)
    if match is None:
        raise ValueError
    year, _, month, day = match.groups()
    return utc_micros(datetime(int(year), int(month), int(day), tzinfo=UTC))


def _count_micros(text: str) -> int:
    value, scale = (int(text), 0) if text.isdecimal() and text.isascii() else parse_decimal(text)
    for per_second in _PER_SECOND:
        unit = per_second * _POWERS[scale]
        if _FIRST_COUNT * unit <= value < _END_COUNT * unit:
            micros, finer = divmod(value * 10**6, unit)
            if finer:
                raise too_fine()
            return micros
    hint = "seconds have 9 or 10 digits, milliseconds 12 or 13, microseconds 15 or 16; a date is written 2026-01-31"
    raise CellError("is no count since 1970 of a time from 1980 to 2286", hint, "time")


def too_fine() -> CellError:
    """Return the error of a time that no bar can have."""
    return CellError("is finer than a microsecond", "round the times of the file", "time")


def in_range(times: list[int]) -> list[int]:
    """Return times in microseconds since 1970; raise :class:`CellError` when one is in no calendar."""
    if min(times) < FIRST_MOMENT or max(times) > LAST_MOMENT:
        raise CellError("is out of range in UTC", "years go from 1 to 9999", "time")
    return times


class PriceGrid(Known[Any, int]):
    """Prices by their cell, text or number: in ticks of a given size or, while that is found, as integers at a scale.

    The grid that is found is the widest that holds all prices. Its ``scale`` grows when a price has more decimals than
    any before, and integers given out stay at the old one: :meth:`ratio` brings them together.

    Args:
        tick_size: A positive decimal of at most 18 decimals; ``None`` to have it found.
        rounding: What happens to a price off a given grid; ``nearest`` needs a tick size.

    Attributes:
        noise: What is wrong with the first price that forbids to find a tick size; from it on, nine digits are read.

    Raises:
        ConfigError: The tick size is no such decimal, or lacks where prices are to be rounded.
    """

    def __init__(self, tick_size: str | None, rounding: Rounding = "refuse") -> None:
        super().__init__(self._number, CACHE_SIZE)
        if tick_size is None and rounding == "nearest":
            problem = "is left out, but prices are to be rounded to the nearest tick"
            raise ConfigError("market.tick_size", problem, hint="add --tick-size, or leave --rounding out")
        self._place = self._found if tick_size is None else self._given
        self._rounding = rounding
        size = "0" if tick_size is None else positive_decimal(tick_size, "market.tick_size")
        self._tick, self.scale = parse_decimal(size)
        self._unit = self._tick or 1
        self._lowest, self._highest = 1, MAX_INTEGER * self._tick
        self.noise: CellError | None = None

    @property
    def tick_size(self) -> str:
        """The smallest step of a price, as canonical decimal text."""
        return format_scaled(self._tick, self.scale)

    def ratio(self, scale: int) -> tuple[int, int]:
        """Return by what to multiply and then divide an integer given out at ``scale`` to get ticks."""
        factor, divisor = _POWERS[self.scale - scale], self._tick // self._unit
        common = gcd(factor, divisor)
        return factor // common, divisor // common

    def advice(self) -> str:
        """Return the flags that read a file of these prices, noise among them."""
        tick, finest = self._tick, _POWERS[max(0, self.scale - MAX_DECIMALS)]
        least = max(2 * self._highest // MAX_INTEGER + 1, finest)
        if tick < least or tick % finest:
            tick = 10 ** len(str(least - 1))
        if 2 * self._lowest < tick:
            return "the prices of the file are too far apart, or too low, for one tick size"
        return f"read it with --tick-size {format_scaled(tick, self.scale)} --rounding nearest"

    def mark(self) -> dict[str, Any]:
        """Return what :meth:`reset` takes to forget the prices read from here on."""
        return dict(vars(self))

    def reset(self, mark: dict[str, Any]) -> None:
        """Be as at the time of ``mark``."""
        self.clear()
        vars(self).update(mark)

    def _number(self, cell: object) -> int:
        text = str(cell)
        whole, _, fraction = text.partition(".")
        digits, power = whole + fraction, self.scale - len(fraction)
        # nearly every price is plain and on the grid already, and where they do not repeat this is what takes the time
        if whole and power >= 0 and len(digits) <= MAX_DECIMALS and digits.isdecimal() and digits.isascii():
            number = int(digits) * _POWERS[power]
            if self._lowest <= number <= self._highest and not number % self._tick:
                return number // self._unit
        value, scale = _read_decimal(text, "price")
        if value <= 0:
            raise _price_error(text, "is not greater than 0", "a bar has four prices")
        return self._place(text, value, scale)

    def _given(self, text: str, value: int, scale: int) -> int:
        """Return a price in ticks; off the grid it is refused or, from halfway up, goes to the next tick."""
        tick = self._tick * _POWERS[scale]
        ticks, off = divmod(value * _POWERS[self.scale], tick)
        if off and self._rounding == "refuse":
            problem, hint = "is not a multiple of the tick size", "add --rounding nearest, or leave --tick-size out"
        else:
            ticks += 2 * off >= tick
            if 0 < ticks <= MAX_INTEGER:
                return ticks
            problem = "is too large to be ordered at in ticks of" if ticks else "is 0 when rounded to the tick size"
            hint = f"take a {'larger' if ticks else 'smaller'} --tick-size, or leave it out and --rounding too"
        raise _price_error(text, f"{problem} {self.tick_size}", hint)

    def _found(self, text: str, value: int, scale: int) -> int:
        """Return a price at the scale, which holds the prices so far."""
        while scale and not value % 10:
            value, scale = value // 10, scale - 1
        excess = min(scale, len(str(value)) - NOISE_DIGITS)
        if excess > 0 or scale > NOISE_DECIMALS:
            self.noise = self.noise or _price_error(text, "looks like float noise")
        if excess > 0:
            value, scale = (2 * value // _POWERS[excess] + 1) // 2, scale - excess
        if scale > self.scale:
            self.clear()
            factor, self.scale = _POWERS[scale - self.scale], scale
            self._tick, self._lowest, self._highest = self._tick * factor, self._lowest * factor, self._highest * factor
        number = value * _POWERS[self.scale - scale]
        self._lowest = min(self._lowest, number) if self._tick else number
        self._highest = max(self._highest, number)
        self._tick = gcd(self._tick, number)
        if self._highest > min(MAX_INT64, MAX_INTEGER * self._tick):
            self.noise = self.noise or _price_error(text, "fits no tick size beside the prices above")
        return number


def _price_error(text: str, problem: str, hint: str = "") -> CellError:
    return CellError(f"{quoted(text)} {problem}", hint, "price", text)
