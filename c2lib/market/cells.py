"""What the cells of a market file say, as integers.

Rules kept here:

* a price or volume is plain ASCII digits with a point, or an exponent (``1.02e-05``); nothing is guessed or
  rounded, but a volume, which is floored to whole lots;
* a price is positive, on its grid, has at most 18 decimals and fits 64 bits; a volume is not negative;
* a time is ISO 8601 with dashes; naive ones are read as UTC, and a file has one kind of them;
* a cell's text is looked up before it is read, for prices repeat; the memory for that is bounded.

>>> prices = PriceCells(None)
>>> prices["1.1076"], prices.scale, prices["1.10785"], prices.scale, prices.tick_size
(11076, 4, 110785, 5, '0.00005')
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import gcd

from c2lib.core.clock import utc_micros
from c2lib.core.decimals import format_scaled, parse_decimal
from c2lib.core.errors import ConfigError

MAX_DECIMALS = 18
"""Most decimals of a price: with more, not even 10 would fit 64 bits."""

MAX_INTEGER = 2**63 - 1
"""Largest integer of a bar."""

MAX_QUOTED = 40
"""Most characters of a cell that a message repeats."""

CACHE_SIZE = 32_768
"""Most texts that are remembered of a kind of cells."""

_POWERS = tuple(int(10**exponent) for exponent in range(MAX_DECIMALS + 1))
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what a time without a zone, read as UTC, is counted from
_MICROSECOND = timedelta(microseconds=1)
_FIRST_MOMENT = utc_micros(datetime.min.replace(tzinfo=UTC))
_LAST_MOMENT = utc_micros(datetime.max.replace(tzinfo=UTC))
_NUMBER_HINT = "write digits and a point, as in 1.0716"
_TIME_HINT = "write 2026-01-31 23:59:00, with +00:00 or Z behind it or without"


class CellError(ValueError):
    """A cell or row cannot be used; ``role`` is the kind of cell, ``text`` what stands in it."""

    def __init__(self, problem: str, *, hint: str = "", role: str = "", text: str = "") -> None:
        self.problem = problem
        self.hint = hint
        self.role = role
        self.text = text
        super().__init__(problem)


def quoted(text: str) -> str:
    """Return ``text`` as a message may repeat it: escaped and cut."""
    return repr(text[:MAX_QUOTED]) + ("…" if len(text) > MAX_QUOTED else "")


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


def _decimal(text: str, role: str) -> tuple[int, int]:
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    # nearly every cell is plain, and this is several times faster than the full grammar
    if whole and len(digits) <= MAX_DECIMALS and digits.isdecimal() and digits.isascii():
        return int(digits), len(fraction)
    return _unusual_decimal(text, role)


def _unusual_decimal(text: str, role: str) -> tuple[int, int]:
    if not text:
        raise CellError("is empty", hint=_NUMBER_HINT, role=role, text=text)
    try:
        return parse_decimal(text)
    except ValueError:
        raise CellError(f"{quoted(text)} is not a decimal number", hint=_NUMBER_HINT, role=role, text=text) from None


def _price_error(text: str, problem: str, hint: str = "a price in ticks must fit 64 bits") -> CellError:
    return CellError(f"{quoted(text)} {problem}", hint=hint, role="price", text=text)


class PriceCells(dict[str, int]):
    """Looks up prices by their text, as integers of ten to the minus ``scale``.

    The tick size is canonical decimal text; with ``None`` it is found: the widest grid that holds all prices.
    Then ``scale`` grows when a price has more decimals than any before, and integers given out stay at the old
    one: :meth:`ratio` brings them together.
    """

    def __init__(self, tick_size: str | None) -> None:
        super().__init__()
        self._given = tick_size is not None
        self._divisor, self.scale = parse_decimal(tick_size or "0")
        self._highest = 0

    @property
    def tick_size(self) -> str:
        """Return the smallest step of a price, as canonical decimal text."""
        return format_scaled(self._divisor, self.scale)

    def ratio(self, scale: int) -> tuple[int, int]:
        """Return by what to multiply and then divide an integer given out at ``scale`` to get ticks."""
        factor = _POWERS[self.scale - scale]
        common = gcd(factor, self._divisor)
        return factor // common, self._divisor // common

    def __missing__(self, text: str) -> int:
        value, scale = _decimal(text, "price")
        if value <= 0:
            raise _price_error(text, "is not greater than 0", "leave out bars that have no price")
        if scale > self.scale:
            value, scale = self._finer(text, value, scale)
        number = value * _POWERS[self.scale - scale]
        if number > self._highest:
            self._raise_highest(text, number)
        if number % self._divisor:
            self._refine_grid(text, number)
        if len(self) >= CACHE_SIZE:
            self.clear()
        self[text] = number
        return number

    def _raise_highest(self, text: str, number: int) -> None:
        if number > MAX_INTEGER:
            raise _price_error(text, "is too large for its number of decimals")
        self._highest = number
        # the first price is the first grid
        self._divisor = self._divisor or number

    def _refine_grid(self, text: str, number: int) -> None:
        if self._given:
            raise self._off_grid(text)
        self._divisor = gcd(self._divisor, number)

    def _finer(self, text: str, value: int, scale: int) -> tuple[int, int]:
        if self._given:
            value, scale = parse_decimal(text)
            if scale > self.scale:
                raise self._off_grid(text)
            return value, scale
        if scale > MAX_DECIMALS:
            raise _price_error(text, f"has more than {MAX_DECIMALS} decimals", "round the prices of the file")
        factor = _POWERS[scale - self.scale]
        if self._highest * factor > MAX_INTEGER:
            raise _price_error(text, f"is too fine beside a price of {format_scaled(self._highest, self.scale)}")
        self.clear()
        self.scale = scale
        self._divisor *= factor
        self._highest *= factor
        return value, scale

    def _off_grid(self, text: str) -> CellError:
        problem = f"is not a multiple of the tick size {self.tick_size}"
        return _price_error(text, problem, "leave the tick size out to have one proposed, or round the prices")


class VolumeCells(dict[str, int]):
    """Looks up volumes by their text, in whole lots; what is left of a lot is dropped."""

    def __init__(self, lot_size: str) -> None:
        super().__init__()
        self._lot, self._scale = parse_decimal(lot_size)

    def __missing__(self, text: str) -> int:
        value, scale = _decimal(text, "volume")
        if value < 0:
            raise CellError(f"{quoted(text)} is negative", hint="a volume is 0 or more", role="volume", text=text)
        lots: int = value * 10**self._scale // (self._lot * 10**scale)
        if lots > MAX_INTEGER:
            hint = "a volume in lots must fit 64 bits; take a larger lot size"
            raise CellError(f"{quoted(text)} is too large", hint=hint, role="volume", text=text)
        if len(self) >= CACHE_SIZE:
            self.clear()
        self[text] = lots
        return lots


class TimeCells:
    """Reads the times of one file, and remembers whether they have a zone."""

    def __init__(self) -> None:
        self._naive: bool | None = None

    def micros(self, text: str) -> int:
        """Return a time in microseconds since 1970-01-01 UTC; raise :class:`CellError` when there is none."""
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise self._error(text, "is not an ISO 8601 time", _TIME_HINT) from None
        # without its dashes a date could be taken from the digits of an epoch count
        if text[4] != "-":
            raise self._error(text, "is not an ISO 8601 time with dashes", _TIME_HINT)
        naive = moment.tzinfo is None
        if naive is not self._naive:
            self._settle(text, naive)
        if naive:
            return (moment - _EPOCH) // _MICROSECOND
        micros = utc_micros(moment)
        if not _FIRST_MOMENT <= micros <= _LAST_MOMENT:
            raise self._error(text, "is out of range in UTC", "years go from 1 to 9999")
        return micros

    def _settle(self, text: str, naive: bool) -> None:
        if self._naive is not None:
            kinds = ("has a time zone, but the times above have not", "has no time zone, but the times above have")
            raise self._error(text, kinds[naive], "write all times alike")
        self._naive = naive

    @staticmethod
    def _error(text: str, problem: str, hint: str) -> CellError:
        return CellError(f"{quoted(text)} {problem}", hint=hint, role="time", text=text)
