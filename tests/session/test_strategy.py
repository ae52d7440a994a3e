from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.core.errors import ConfigError
from c2lib.core.model import Bar, OrderIntent, PositionView, Strategy, StrategySettings
from c2lib.session.strategy import BUILT_IN, SmaCross, StratDemo, StrategySource, built_in_source, object_source

SETTINGS = StrategySettings(7, "SYNTH", "0.01", "1")
VIEW = PositionView(0, ())
# small numbers, so that means meet and cross often, then anything
CLOSES = st.lists(st.integers(1, 3), min_size=28, max_size=60) | st.lists(st.integers(1, 2**50), max_size=60)


def sides(strategy: Strategy, closes: Sequence[int]) -> list[str]:
    """Return what a strategy does on bars of these closes: a side, or nothing."""
    answers = [strategy.on_bar(Bar(i, 0, close, close, close, close, 1), VIEW) for i, close in enumerate(closes)]
    for answer in answers:
        assert answer is None or (len(answer) == 1 and isinstance(answer[0], OrderIntent))
    return [answer[0].side if answer and isinstance(answer[0], OrderIntent) else "" for answer in answers]


def crossings(closes: Sequence[int]) -> list[str]:
    """Return what a crossing of means says, with each mean taken afresh."""
    done, long = [], False
    for end in range(1, len(closes) + 1):
        seen = closes[:end]
        above = len(seen) >= 30 and Fraction(sum(seen[-10:]), 10) > Fraction(sum(seen[-30:]), 30)
        done.append("" if above == long or len(seen) < 30 else "BUY" if above else "SELL")
        long = above if len(seen) >= 30 else long
    return done


@given(CLOSES)
def test_sma_cross_follows_means(closes: list[int]) -> None:
    """sma_cross is long exactly while the fast mean, computed afresh at each bar, is above the slow mean."""
    assert sides(SmaCross(SETTINGS), closes) == crossings(closes)


def test_sma_cross_starts_late() -> None:
    """sma_cross decides first on bar 29, buys a rising market and sells after the market turned."""
    done = sides(SmaCross(SETTINGS), [*range(1, 41), *range(40, 0, -1)])
    assert done.index("BUY") == 29
    assert done.index("SELL") > 40


def test_equal_means_are_no_crossing() -> None:
    """On equal means sma_cross never buys, and sells a position that was bought before."""
    assert not any(sides(SmaCross(SETTINGS), [100] * 90))
    assert sides(SmaCross(SETTINGS), [*[100] * 30, 200, *[100] * 60]).count("SELL") == 1


def test_strat_demo_alternates_sides() -> None:
    """strat_demo buys first, then alternates sides about every eighth bar, decided by the seed alone."""
    done = sides(StratDemo(SETTINGS), [100] * 800)
    traded = [side for side in done if side]
    assert done[0] == "BUY"
    assert traded == (["BUY", "SELL"] * len(traded))[: len(traded)]
    assert 60 < len(traded) < 140
    assert sides(StratDemo(SETTINGS), range(1, 801)) == done
    assert sides(StratDemo(SETTINGS._replace(seed=8)), [100] * 800) != done


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_built_ins_have_names(name: str) -> None:
    """Each built-in strategy is found by its name, without a source hash, and is made anew for each session."""
    source = built_in_source(name)
    assert source is not None
    assert (source.origin, source.class_name, source.sha256) == ("built-in", None, None)
    assert source.factory(SETTINGS).on_bar.__self__ is not source.factory(SETTINGS).on_bar.__self__  # type: ignore[attr-defined] # a method has one


def test_unknown_name_has_no_source() -> None:
    """A name that is no built-in strategy gives no source."""
    assert built_in_source("sma") is None


def test_factory_becomes_object_source() -> None:
    """A strategy class or factory becomes a source of origin object with the class's name and the given hash."""
    assert object_source(StratDemo, "ab" * 32) == StrategySource("object", "StratDemo", "ab" * 32, StratDemo)
    source = object_source(lambda settings: StratDemo(settings), None)
    assert (source.origin, source.class_name, source.sha256) == ("object", None, None)


@pytest.mark.parametrize("thing", [StratDemo(SETTINGS), "strat_demo", 5])
def test_strategy_instance_is_refused(thing: Any) -> None:
    """An instance or a name given in place of a strategy class or factory raises ConfigError."""
    with pytest.raises(ConfigError, match="strategy: must be a class or factory"):
        object_source(thing, None)


class CallableStrategy:
    """A strategy that can be called, which makes it no factory."""

    def __call__(self, settings: StrategySettings) -> Strategy:
        """Return another."""
        return StratDemo(settings)

    def on_bar(self, bar: Bar, view: PositionView) -> None:
        """Hold."""


def test_callable_instance_is_refused() -> None:
    """A strategy instance that can be called is refused as well, since an instance would carry state over."""
    with pytest.raises(ConfigError, match="an instance would carry state over"):
        object_source(CallableStrategy(), None)
