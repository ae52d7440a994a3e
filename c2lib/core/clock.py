"""Times as text and in microseconds: never the machine's, written in UTC by ``isoformat()``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from c2lib.core.decimals import Known
from c2lib.core.errors import ConfigError

MICROSECONDS_A_DAY = 86_400_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# the step loop writes the time of each bar, which mostly is a whole minute
_MINUTE_TEXTS = {minute * 60_000_000: f"T{minute // 60:02d}:{minute % 60:02d}:00+00:00" for minute in range(24 * 60)}
_DATES: Known[int, str] = Known(lambda day: (_EPOCH + timedelta(days=day)).date().isoformat(), 64)


def parse_utc(text: str, field: str = "clock_start") -> datetime:
    """Return an ISO 8601 time in UTC; raise :class:`ConfigError` for anything else or a missing zone.

    The message never quotes ``text``, which may be a secret in the wrong place.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise ConfigError(field, "is not an ISO 8601 time") from None
    if moment.utcoffset() is None:
        raise ConfigError(field, "has no time zone", hint="add +00:00")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ConfigError(field, "is out of range in UTC") from None


def utc_text(moment: datetime) -> str:
    """Return an aware time as the artifacts write it; what a subclass adds to a ``datetime`` is left out."""
    utc = moment.astimezone(UTC)
    return datetime.combine(utc.date(), utc.time(), UTC).isoformat()


def utc_micros(moment: datetime) -> int:
    """Return an aware time in whole microseconds since 1970-01-01 UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def micros_text(micros: int) -> str:
    """Return microseconds since 1970-01-01 UTC as the artifacts write them."""
    day, rest = divmod(micros, MICROSECONDS_A_DAY)
    clock = _MINUTE_TEXTS.get(rest)
    return (_EPOCH + timedelta(microseconds=micros)).isoformat() if clock is None else _DATES[day] + clock
