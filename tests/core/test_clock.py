from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.clock import ClockReader, FixedClock, RecordedClock, micros_text, parse_utc, utc_micros, utc_text
from c2lib.core.errors import ConfigError, InvariantError

START = "2026-01-01T00:00:00+00:00"
MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive by Hypothesis's rule


class Scripted:
    """A clock that answers a list, one after another."""

    def __init__(self, *answers: datetime) -> None:
        self._answers: Iterator[datetime] = iter(answers)

    def now(self) -> datetime:
        """Return the next answer."""
        return next(self._answers)


class Vague(tzinfo):
    """A zone that does not know its offset, which makes a time naive."""

    def utcoffset(self, _moment: datetime | None) -> timedelta | None:
        """Return nothing."""
        return None

    dst = utcoffset

    def tzname(self, _moment: datetime | None) -> str | None:
        """Return nothing."""
        return None


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
def test_a_time_of_any_zone_is_written_in_utc(text: str, expected: str) -> None:
    """One instant has one text."""
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
def test_what_is_no_instant_is_refused(text: str, problem: str) -> None:
    """A time without a zone is none, and the message does not repeat what was handed over."""
    with pytest.raises(ConfigError) as caught:
        parse_utc(text)
    assert str(caught.value) == problem


@settings(max_examples=60)
@given(MOMENTS)
def test_microseconds_keep_the_instant(moment: datetime) -> None:
    """To microseconds and back gives the same text as the instant itself."""
    whole = moment.replace(microsecond=0)
    assert micros_text(utc_micros(moment)) == moment.isoformat()
    assert micros_text(utc_micros(whole)) == whole.isoformat()
    assert micros_text(utc_micros(whole.replace(second=0))) == whole.replace(second=0).isoformat()


def test_microseconds_count_from_the_epoch() -> None:
    """Zero is 1970, and times before it are negative."""
    assert utc_micros(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)) == 1_000_000
    assert utc_micros(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1
    assert micros_text(0) == "1970-01-01T00:00:00+00:00"


def test_a_fixed_clock_stands_still() -> None:
    """However often it is asked, in text or as datetime, it says the same instant in UTC."""
    east = timezone(timedelta(hours=1))
    for clock in (FixedClock("2026-01-01T01:00:00+01:00"), FixedClock(datetime(2026, 1, 1, 1, tzinfo=east))):
        assert [utc_text(clock.now()) for _ in range(3)] == [START] * 3


def test_a_fixed_clock_wants_a_zone() -> None:
    """A naive datetime is refused and named."""
    with pytest.raises(ConfigError, match="clock: has no time zone"):
        FixedClock(datetime(2026, 1, 1))  # noqa: DTZ001 - a naive time is what is tried


def test_a_recorded_clock_gives_back_what_was_read() -> None:
    """The run-length code of a reader, played again, answers every reading alike, and stands at the end."""
    answers = [datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in (0, 0, 1, 1, 1, 5)]
    reader = ClockReader(Scripted(*answers))
    texts = [reader.read() for _ in answers]
    assert texts == [moment.isoformat() for moment in answers]
    assert reader.readings == [(0, texts[0]), (2, texts[2]), (5, texts[5])]
    again = RecordedClock(reader.readings)
    assert [utc_text(again.now()) for _ in range(8)] == [*texts, texts[-1], texts[-1]]


def test_a_recorded_clock_catches_up_with_readings_that_stand_close() -> None:
    """Two changes at one reading leave the later one standing."""
    clock = RecordedClock([(0, START), (1, "2026-01-01T00:00:01Z"), (1, "2026-01-01T00:00:02Z")])
    assert [clock.now().second for _ in range(3)] == [0, 2, 2]


@pytest.mark.parametrize("readings", [[], [(1, START)]])
def test_a_recorded_clock_needs_the_first_reading(readings: list[tuple[int, str]]) -> None:
    """Without reading 0 there is nothing to answer."""
    with pytest.raises(ConfigError, match="must begin with reading 0"):
        RecordedClock(readings)


def test_a_recorded_clock_refuses_a_text_that_is_no_time() -> None:
    """The field of the manifest is named."""
    with pytest.raises(ConfigError, match=r"inputs\.clock_readings: is not an ISO 8601 time"):
        RecordedClock([(0, "noon")])


def test_a_reader_writes_utc_and_counts_equal_times_of_two_zones_as_one() -> None:
    """A change of zone alone is no change of time."""
    east = timezone(timedelta(hours=2))
    reader = ClockReader(Scripted(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 2, tzinfo=east)))
    assert [reader.read(), reader.read()] == [START, START]
    assert reader.readings == [(0, START)]


def test_a_clock_that_stands_is_read_without_being_written_anew() -> None:
    """The very same object answers for itself."""
    reader = ClockReader(FixedClock(START))
    assert {reader.read() for _ in range(5)} == {START}
    assert reader.readings == [(0, START)]


def test_a_clock_that_goes_back_is_caught() -> None:
    """The error names the rail and both times; what was read before stays."""
    reader = ClockReader(Scripted(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)))
    reader.read()
    with pytest.raises(InvariantError) as caught:
        reader.read()
    assert caught.value.rail == "clock_monotonic"
    assert "2026-01-02" in caught.value.expected
    assert caught.value.seen == START
    assert reader.text == "2026-01-02T00:00:00+00:00"


@pytest.mark.parametrize(
    "answer",
    [
        datetime(2026, 1, 1),  # noqa: DTZ001 - a naive time is what is tried
        datetime(2026, 1, 1, tzinfo=Vague()),
    ],
)
def test_a_naive_time_is_caught(answer: datetime) -> None:
    """A session cannot guess the zone of its clock."""
    with pytest.raises(InvariantError, match="clock_aware: expected an aware datetime"):
        ClockReader(Scripted(answer)).read()


def test_an_answer_that_is_no_time_is_caught() -> None:
    """A clock that answers a number is named, not believed."""

    class Numeric:
        def now(self) -> datetime:
            number: object = 1_767_225_600
            assert not isinstance(number, datetime)
            return number  # type: ignore[return-value]  # the misbehaviour that is tried

    with pytest.raises(InvariantError, match="seen int"):
        ClockReader(Numeric()).read()


def test_what_a_subclass_of_datetime_writes_of_its_own_is_left_out() -> None:
    """A time with nanoseconds, as data frames have it, is written to the microsecond."""

    class Finer(datetime):
        def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
            return super().isoformat(sep, timespec) + "789"

    assert utc_text(Finer(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC)) == "2026-01-01T00:00:00.000005+00:00"
