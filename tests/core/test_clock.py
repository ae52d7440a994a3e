from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.clock import micros_text, parse_utc, utc_micros, utc_text
from c2lib.core.errors import ConfigError

START = "2026-01-01T00:00:00+00:00"
MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive by Hypothesis's rule


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T00:00:00+00:00", START),
        ("2026-01-01T00:00:00Z", START),
        ("2026-01-01T02:30:00+02:30", START),
        ("2025-12-31 19:00:00-05:00", START),
        ("2026-01-01T00:00:00.000001+00:00", "2026-01-01T00:00:00.000001+00:00"),
    ],
)
def test_zoned_time_becomes_utc(text: str, expected: str) -> None:
    """A time of any zone is written as one text in UTC."""
    assert utc_text(parse_utc(text)) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("yesterday", "clock_start: is not an ISO 8601 time"),
        ("", "clock_start: is not an ISO 8601 time"),
        ("2026-02-30T00:00:00+00:00", "clock_start: is not an ISO 8601 time"),
        ("2026-01-01T00:00:00", "clock_start: has no time zone (add +00:00)"),
        ("0001-01-01T00:00:00+01:00", "clock_start: is out of range in UTC"),
    ],
)
def test_invalid_time_is_refused(text: str, problem: str) -> None:
    """A text that is no time with a zone raises an error that names the field and does not repeat the text."""
    with pytest.raises(ConfigError) as caught:
        parse_utc(text)
    assert str(caught.value) == problem


@settings(max_examples=60)
@given(MOMENTS)
def test_microseconds_keep_the_instant(moment: datetime) -> None:
    """An instant converted to microseconds and back has the same text as the instant itself."""
    whole = moment.replace(microsecond=0)
    assert micros_text(utc_micros(moment)) == moment.isoformat()
    assert micros_text(utc_micros(whole)) == whole.isoformat()
    assert micros_text(utc_micros(whole.replace(second=0))) == whole.replace(second=0).isoformat()


def test_microseconds_count_from_the_epoch() -> None:
    """Microseconds count from the start of 1970, and earlier times are negative."""
    assert utc_micros(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)) == 1_000_000
    assert utc_micros(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1
    assert micros_text(0) == "1970-01-01T00:00:00+00:00"


def test_nanoseconds_are_left_out() -> None:
    """A time of a datetime subclass that writes nanoseconds is written to the microsecond."""

    class Finer(datetime):
        def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
            return super().isoformat(sep, timespec) + "789"

    assert utc_text(Finer(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC)) == "2026-01-01T00:00:00.000005+00:00"
