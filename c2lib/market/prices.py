"""The grid that the prices of a market file lie on: given, rounded to, or found.

Rules kept here:

* a price is positive, fits 64 bits in ticks, and lies on the grid exactly: nothing is rounded by itself;
* a tick size that is left out is found: the greatest common divisor of all prices, which have at most 18 decimals;
* with ``rounding="nearest"`` a price goes to the nearest tick of the given grid, from halfway between two to the
  one further from zero, as people round by hand. Of two prices the higher one never ends up lower, so a bar whose
  low ≤ open, close ≤ high keeps it. A price that would end up at 0 is refused.

>>> found = price_grid(None)
>>> found["1.1076"], found.scale, found["1.10785"], found.scale, found.tick_size
(11076, 4, 110785, 5, '0.00005')
>>> rounded = price_grid("0.05", "nearest")
>>> [rounded[price] for price in ("1.02", "1.025", 5.330000000000001e-02)]
[100, 105, 5]
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import gcd
from typing import Any, Literal

from c2lib.core.decimals import format_scaled, parse_decimal
from c2lib.core.errors import ConfigError
from c2lib.market.cells import MAX_DECIMALS, MAX_INTEGER, CellError, Remembered, positive_decimal, quoted, read_decimal

Rounding = Literal["refuse", "nearest"]

GridMark = tuple[int, int, int]

_POWERS = tuple(int(10**exponent) for exponent in range(MAX_DECIMALS + 1))
_NEAREST_HINT = "or take rounding 'nearest' with a tick size"


def _error(text: str, problem: str, hint: str = "a price in ticks must fit 64 bits") -> CellError:
    return CellError(f"{quoted(text)} {problem}", hint=hint, role="price", text=text)


class PriceGrid(Remembered[Any], ABC):
    """Looks up prices by their cell, text or number, as integers of ten to the minus ``scale``."""

    def __init__(self, divisor: int, scale: int, highest: int = MAX_INTEGER) -> None:
        super().__init__()
        self._divisor = divisor
        self.scale = scale
        self._highest = highest

    @property
    def tick_size(self) -> str:
        """Return the smallest step of a price, as canonical decimal text."""
        return format_scaled(self._divisor, self.scale)

    def ratio(self, scale: int) -> tuple[int, int]:
        """Return by what to multiply and then divide an integer given out at ``scale`` to get ticks."""
        factor = _POWERS[self.scale - scale]
        common = gcd(factor, self._divisor)
        return factor // common, self._divisor // common

    def mark(self) -> GridMark:
        """Return what to hand to :meth:`reset` to forget the prices read from here on."""
        return self._divisor, self.scale, self._highest

    def reset(self, mark: GridMark) -> None:
        """Be as at the time of ``mark``."""
        self.clear()
        self._divisor, self.scale, self._highest = mark

    def __missing__(self, cell: object) -> int:
        text = str(cell)
        whole, _, fraction = text.partition(".")
        digits, power = whole + fraction, self.scale - len(fraction)
        # nearly every price is plain and on the grid already, and where they do not repeat this is what takes the time
        if whole and power >= 0 and len(digits) <= MAX_DECIMALS and digits.isdecimal() and digits.isascii():
            number = int(digits) * _POWERS[power]
            if 0 < number <= self._highest and not number % self._divisor:
                return self.remember(cell, number)
        value, scale = read_decimal(text, "price")
        if value <= 0:
            raise _error(text, "is not greater than 0", "leave out bars that have no price")
        return self.remember(cell, self._place(text, value, scale))

    @abstractmethod
    def _place(self, text: str, value: int, scale: int) -> int:
        """Return the integer of a price; raise :class:`CellError` when it has no place on the grid."""


class _GivenGrid(PriceGrid):
    """A grid of a given tick size; a price off it is refused."""

    def _place(self, text: str, value: int, scale: int) -> int:
        if scale > self.scale:
            # zeros behind do not count
            value, scale = parse_decimal(text)
        number = value * _POWERS[self.scale - scale] if scale <= self.scale else 0
        if number > MAX_INTEGER:
            raise _error(text, "is too large for its number of decimals")
        if not number or number % self._divisor:
            hint = f"leave the tick size out to have one proposed, {_NEAREST_HINT}"
            raise _error(text, f"is not a multiple of the tick size {self.tick_size}", hint)
        return number


class _RoundedGrid(PriceGrid):
    """A grid of a given tick size; a price goes to the nearest tick, from halfway away from zero."""

    def _place(self, text: str, value: int, scale: int) -> int:
        twice = 2 * value * _POWERS[self.scale]
        tick = self._divisor * int(10**scale)
        number = (twice + tick) // (2 * tick) * self._divisor
        if number > MAX_INTEGER:
            raise _error(text, "is too large for the decimals of the tick size")
        if not number:
            raise _error(text, f"is 0 when rounded to the tick size {self.tick_size}", "take a smaller tick size")
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
            if number > MAX_INTEGER:
                raise _error(text, "is too large for its number of decimals")
            self._highest = number
        # the divisor is 0 before the first price, which is the first grid
        self._divisor = gcd(self._divisor, number)
        return number

    def _refine(self, text: str, scale: int) -> None:
        if scale > MAX_DECIMALS:
            hint = f"round the prices of the file, {_NEAREST_HINT}"
            raise _error(text, f"has more than {MAX_DECIMALS} decimals", hint)
        factor = _POWERS[scale - self.scale]
        if self._highest * factor > MAX_INTEGER:
            raise _error(text, f"is too fine beside a price of {format_scaled(self._highest, self.scale)}")
        self.clear()
        self.scale = scale
        self._divisor *= factor
        self._highest *= factor


def price_grid(tick_size: str | None, rounding: Rounding = "refuse") -> PriceGrid:
    """Return the grid of a tick size, or with ``None`` the one to be found.

    Raises :class:`ConfigError` for a tick size that is no positive decimal of at most 18 decimals, and for
    rounding without one.
    """
    if tick_size is None:
        if rounding == "nearest":
            problem = "is left out, but prices are to be rounded to the nearest tick"
            raise ConfigError("market.tick_size", problem, hint="name it, or take market.rounding 'refuse'")
        return _FoundGrid(0, 0, 0)
    divisor, scale = parse_decimal(positive_decimal(tick_size, "market.tick_size"))
    return _RoundedGrid(divisor, scale) if rounding == "nearest" else _GivenGrid(divisor, scale)
