from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest

from c2lib.app.replay import RecordedClock
from c2lib.core.clock import utc_text
from c2lib.core.errors import ConfigError, InvariantError
from c2lib.session.clocks import ClockReader, FixedClock

START = "2026-01-01T00:00:00+00:00"


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


def test_fixed_clock_stands_still() -> None:
    """A fixed clock, made from text or a datetime, gives the same instant in UTC at every reading."""
    east = timezone(timedelta(hours=1))
    for clock in (FixedClock("2026-01-01T01:00:00+01:00"), FixedClock(datetime(2026, 1, 1, 1, tzinfo=east))):
        assert [utc_text(clock.now()) for _ in range(3)] == [START] * 3


def test_fixed_clock_needs_a_zone() -> None:
    """A fixed clock made from a naive datetime raises ConfigError."""
    with pytest.raises(ConfigError, match="clock: has no time zone"):
        FixedClock(datetime(2026, 1, 1))  # noqa: DTZ001 - a naive time is what is tried


def test_recorded_clock_repeats_readings() -> None:
    """A recorded clock gives every reading that was recorded, and after the end the last one again."""
    answers = [datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in (0, 0, 1, 1, 1, 5)]
    reader = ClockReader(Scripted(*answers))
    texts = [reader.read() for _ in answers]
    assert texts == [moment.isoformat() for moment in answers]
    assert reader.readings == [(0, texts[0]), (2, texts[2]), (5, texts[5])]
    again = RecordedClock(reader.readings)
    assert [utc_text(again.now()) for _ in range(8)] == [*texts, texts[-1], texts[-1]]


def test_recorded_clock_takes_later_change() -> None:
    """Of two changes recorded at one reading, a recorded clock gives the later."""
    clock = RecordedClock([(0, START), (1, "2026-01-01T00:00:01Z"), (1, "2026-01-01T00:00:02Z")])
    assert [clock.now().second for _ in range(3)] == [0, 2, 2]


@pytest.mark.parametrize("readings", [[], [(1, START)]])
def test_recorded_clock_needs_first_reading(readings: list[tuple[int, str]]) -> None:
    """A recorded clock without reading 0 raises ConfigError."""
    with pytest.raises(ConfigError, match="must begin with reading 0"):
        RecordedClock(readings)


def test_recorded_clock_refuses_bad_text() -> None:
    """A recorded reading that is no time raises an error that names inputs.clock_readings."""
    with pytest.raises(ConfigError, match=r"inputs\.clock_readings: is not an ISO 8601 time"):
        RecordedClock([(0, "noon")])


def test_zone_change_is_no_change() -> None:
    """A clock reader writes UTC and records equal times of two zones as one reading."""
    east = timezone(timedelta(hours=2))
    reader = ClockReader(Scripted(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 2, tzinfo=east)))
    assert [reader.read(), reader.read()] == [START, START]
    assert reader.readings == [(0, START)]


def test_standing_clock_has_one_reading() -> None:
    """A clock reader records one reading for a clock that gives the same time again and again."""
    reader = ClockReader(FixedClock(START))
    assert {reader.read() for _ in range(5)} == {START}
    assert reader.readings == [(0, START)]


def test_backward_clock_is_caught() -> None:
    """A clock that goes back trips clock_monotonic with the two times, and the earlier reading stays."""
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
def test_naive_time_is_caught(answer: datetime) -> None:
    """A clock that gives a naive time trips clock_aware."""
    with pytest.raises(InvariantError, match="clock_aware: expected an aware datetime"):
        ClockReader(Scripted(answer)).read()


def test_non_time_answer_is_caught() -> None:
    """A clock that gives no datetime trips a rail that names the answer's type."""

    class Numeric:
        def now(self) -> datetime:
            number: object = 1_767_225_600
            assert not isinstance(number, datetime)
            return number  # type: ignore[return-value]  # the misbehaviour that is tried

    with pytest.raises(InvariantError, match="seen int"):
        ClockReader(Numeric()).read()
