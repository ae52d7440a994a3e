"""Pauses and tokens."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from c2lib.broker.adapter import BACKOFF_CAP_MICROS, TokenBucket, backoff_micros


def test_pauses_double_up_to_the_cap() -> None:
    """The same on every machine."""
    pauses = [backoff_micros(retry) for retry in range(1, 21)]
    assert pauses[:4] == [100_000, 200_000, 400_000, 800_000]
    assert max(pauses) == pauses[-1] == BACKOFF_CAP_MICROS


def test_a_clock_that_stands_or_goes_back_refills_nothing() -> None:
    """Only the burst is there."""
    times = iter((5_000_000, 5_000_000, 4_000_000, 5_000_000, 6_000_000))
    bucket = TokenBucket(2, "1", lambda: next(times))
    assert [bucket.take() for _ in range(5)] == [True, True, False, False, True]


@given(
    st.integers(1, 5),
    st.sampled_from(("0.001", "0.3", "1", "2.5", "1000")),
    st.lists(st.integers(0, 3_000_000), max_size=40),
)
def test_a_bucket_is_exact(burst: int, per_second: str, pauses: list[int]) -> None:
    """It gives what fractions give, however odd the rate."""
    now = 0
    bucket = TokenBucket(burst, per_second, lambda: now)
    assert bucket.take()
    level = Fraction(burst - 1)
    for pause in pauses:
        now += pause
        level = min(Fraction(burst), level + Fraction(pause, 10**6) * Fraction(per_second))
        assert bucket.take() is (level >= 1)
        level -= level >= 1
