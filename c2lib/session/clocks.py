"""A session's time: read from the clock that it is given, and never from the machine."""

from __future__ import annotations

from datetime import datetime

from c2lib.core.clock import parse_utc, utc_text
from c2lib.core.errors import ConfigError, InvariantError
from c2lib.core.model import Clock
from c2lib.core.redaction import describe_exception
from c2lib.session.rails import Rail, trip


class FixedClock:
    """A clock that stands still; the constructor takes ISO text with a zone or an aware ``datetime``.

    >>> utc_text(FixedClock("2026-01-01T02:00:00+02:00").now())
    '2026-01-01T00:00:00+00:00'
    """

    def __init__(self, moment: str | datetime) -> None:
        self._moment = parse_utc(moment.isoformat() if isinstance(moment, datetime) else moment, "clock")

    def now(self) -> datetime:
        """Return the time at which it stands."""
        return self._moment


class ClockReader:
    """Reads a clock for a session; ``readings`` keeps each time with the index of the reading from which it stood."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: datetime | None = None
        self._count = 0
        self.readings: list[tuple[int, str]] = []
        self.text = ""

    def read(self) -> str:
        """Read once and return the text; raise :class:`InvariantError` for a time without zone or before the last."""
        moment, last = self._clock.now(), self._last
        if moment is not last:
            if not isinstance(moment, datetime) or moment.utcoffset() is None:
                # a type's name, since a repr can hold an address of this process
                seen = "a time without a zone" if isinstance(moment, datetime) else type(moment).__name__
                trip(Rail.CLOCK_AWARE, "an aware datetime", seen)
            text = utc_text(moment)
            if last is not None and moment < last:
                trip(Rail.CLOCK_MONOTONIC, f"a time not before {utc_text(last)}", text)
            if text != self.text:
                self.readings.append((self._count, text))
            self._last, self.text = moment, text
        self._count += 1
        return self.text


def first_reading(clock: Clock) -> ClockReader:
    """Return the reader of a clock that was given, read once; raise :class:`ConfigError` when it cannot be read."""
    if not callable(getattr(clock, "now", None)):
        raise ConfigError("clock", f"{type(clock).__name__} has no .now()")
    reader = ClockReader(clock)
    try:
        reader.read()
    except InvariantError as error:
        raise ConfigError("clock", f".now() must answer {error.expected}, not {error.seen}") from None
    except Exception as error:  # a clock is foreign code
        raise ConfigError("clock", f".now() raised {describe_exception(error)}") from None
    return reader
