"""The seeded walk: the same bars everywhere, sane bars, and a price that goes somewhere."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.clock import micros_text
from c2lib.core.config import MAX_STEPS, SyntheticMarket
from c2lib.core.errors import ConfigError
from c2lib.core.model import Bar, MarketData
from c2lib.market.synthetic import MAX_VOLUME, SyntheticWalk
from tests.market.csv_text import MINUTE

START = 1_767_225_600_000_000


def walk(seed: int = 123, steps: int = 64, tick_size: str = "0.01", **parameters: object) -> SyntheticWalk:
    """Return a walk, at defaults where nothing is said."""
    return SyntheticWalk(seed, SyntheticMarket.model_validate(parameters), tick_size, "1", steps)


def all_bars(market: MarketData) -> list[Bar]:
    """Return every bar of a market."""
    return list(market.bars(market.bar_count))


def test_seed_has_recorded_bars() -> None:
    """The first bars of seed 123 have the recorded values."""
    assert list(walk().bars(5)) == [
        (0, 1767225600000000, 10000, 10004, 9996, 10001, 856),
        (1, 1767225660000000, 10001, 10002, 9986, 9994, 630),
        (2, 1767225720000000, 9994, 9994, 9987, 9992, 247),
        (3, 1767225780000000, 9992, 10005, 9989, 9997, 272),
        (4, 1767225840000000, 9997, 10002, 9995, 10001, 330),
    ]


def test_seed_has_recorded_hash() -> None:
    """The market hash of seed 123 has the recorded value."""
    assert walk().sha256 == "5eed2445aa56db4a929b1cd97fa2e3050d04e2994a650f37ff64020305df7c8d"


def test_bars_restart_at_each_call() -> None:
    """Two iterators over one synthetic walk do not disturb each other."""
    market = walk()
    first, second = market.bars(64), market.bars(64)
    next(first)
    assert next(second) == next(iter(all_bars(market)))
    assert [*first] == [*second]


def test_longer_walk_extends_shorter() -> None:
    """The number of steps changes no bar and not the hash of a synthetic walk."""
    short, long = walk(steps=10), walk(steps=500)
    assert all_bars(short) == list(long.bars(10))
    assert short.sha256 == long.sha256


def test_bars_end_with_steps() -> None:
    """Asking a synthetic walk for more bars than planned returns the planned bars."""
    assert len(list(walk(steps=3).bars(10))) == walk(steps=3).bar_count == 3


def test_spelling_changes_no_hash() -> None:
    """A trailing zero or an exponent in a parameter does not change the market hash."""
    assert walk(tick_size="1e-2").sha256 == walk(tick_size="0.010").sha256 == walk().sha256


@pytest.mark.parametrize(
    "other",
    [
        walk(seed=124),
        walk(tick_size="0.02"),
        walk(volatility_ticks=9),
        SyntheticWalk(123, SyntheticMarket(), "0.01", "0.1", 64),
    ],
    ids=["seed", "tick size", "volatility", "lot size"],
)
def test_hash_covers_every_parameter(other: SyntheticWalk) -> None:
    """Another seed, parameter, tick size or lot size changes the market hash."""
    assert other.sha256 != walk().sha256


def test_bars_lie_one_interval_apart() -> None:
    """Bar times begin at the start time and grow by the interval."""
    bars = list(walk(start_time="2026-01-01T01:00:00+01:00", interval_seconds=60).bars(3))
    assert [bar.time for bar in bars] == [START, START + MINUTE, START + 2 * MINUTE]
    assert micros_text(bars[0].time) == "2026-01-01T00:00:00+00:00"


def test_walk_wanders() -> None:
    """Over a thousand bars the price moves further than the width of many bars, and some bars open with a gap."""
    bars = all_bars(walk(steps=1000))
    closes = [bar.close for bar in bars]
    gaps = [bar for last, bar in pairwise(bars) if bar.open != last.close]
    assert max(closes) - min(closes) > 50
    assert len(set(closes)) > 50
    assert 20 < len(gaps) < 120


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**53 - 1),
    start=st.integers(1, 200),
    volatility=st.sampled_from([1, 2, 8, 1000, 10_000]),
)
def test_every_bar_is_valid(seed: int, start: int, volatility: int) -> None:
    """High and low enclose each bar, no leg is too wide, no price is below a tick and no volume below a lot."""
    close = start
    for bar in walk(seed, 200, "1", start_price=str(start), volatility_ticks=volatility).bars(200):
        assert 1 <= bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert 1 <= bar.volume <= MAX_VOLUME
        legs = (bar.open - close, bar.close - bar.open, bar.high - max(bar.open, bar.close))
        assert max(abs(leg) for leg in legs) <= volatility
        close = bar.close


def test_start_price_needs_grid() -> None:
    """A start price off the tick grid is refused by its field, with the price and the tick size."""
    with pytest.raises(ConfigError, match=r"100.005 is not a multiple of the tick size 0.01") as caught:
        walk(start_price="100.005")
    assert caught.value.field == "market.synthetic.start_price"


@pytest.mark.parametrize(("tick_size", "lot_size", "field"), [("0", "1", "tick_size"), ("1", "x", "lot_size")])
def test_bad_size_is_refused(tick_size: str, lot_size: str, field: str) -> None:
    """A tick or lot size that is no positive decimal is refused by its field."""
    with pytest.raises(ConfigError) as caught:
        SyntheticWalk(1, SyntheticMarket(), tick_size, lot_size, 1)
    assert caught.value.field == f"market.{field}"


def test_walk_beyond_calendar_refused() -> None:
    """A walk with a bar beyond the calendar is refused before its first bar."""
    with pytest.raises(ConfigError, match="beyond the year 9999") as caught:
        walk(steps=MAX_STEPS, interval_seconds=86_400)
    assert caught.value.field == "market.synthetic.interval_seconds"
    assert walk(steps=1, start_time="9999-12-31T23:59:59+00:00", interval_seconds=86_400).bar_count == 1


@pytest.mark.parametrize(("steps", "gap"), [(1, None), (2, 86_400_000_000), (9, 86_400_000_000)])
def test_smallest_gap_is_the_interval(steps: int, gap: int | None) -> None:
    """The smallest gap of a walk is its interval, and a walk of one bar has none."""
    assert walk(steps=steps, interval_seconds=86_400).smallest_gap == gap
