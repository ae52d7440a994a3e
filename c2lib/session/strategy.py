"""The built-in strategies, and how any strategy reaches a session.

Rules kept here:

* nothing is discovered: a strategy is built in, or a class that the caller handed over;
* a strategy is made anew for each session, from its settings alone, so that no state leaks from run to run;
* arithmetic on ticks is integer arithmetic, so that a comparison never depends on the machine.

>>> sorted(BUILT_IN)
['sma_cross', 'strat_demo']
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from c2lib.core.errors import ConfigError
from c2lib.core.model import BUY, SELL, Bar, CancelIntent, OrderIntent, PositionView, Strategy, StrategySettings

Decision = Sequence[OrderIntent | CancelIntent] | None

_BUY_ONE: Decision = (OrderIntent(BUY, 1),)
_SELL_ONE: Decision = (OrderIntent(SELL, 1),)


class StratDemo:
    """Buys one lot on the first bar, then changes sides between long and flat at random, one bar in eight."""

    def __init__(self, settings: StrategySettings) -> None:
        self._draw = random.Random(settings.seed).getrandbits  # noqa: S311 - a seeded walk, no secret
        self._long = False

    def on_bar(self, bar: Bar, view: PositionView) -> Decision:
        """Return a market order when the side changes."""
        del view
        if bar.bar_index and self._draw(3):
            return None
        self._long = not self._long
        return _BUY_ONE if self._long else _SELL_ONE


class SmaCross:
    """Long one lot while the mean of the last 10 closes is above that of the last 30, else flat.

    The means are compared as ``fast_sum * 30 > slow_sum * 10``, by the running difference of the two sides; the first
    decision falls on the 30th bar.
    """

    fast, slow = 10, 30

    def __init__(self, settings: StrategySettings) -> None:
        del settings
        # closes that never were count as 0, until the 30th bar has pushed the last of them out
        self._closes = deque([0] * self.slow, maxlen=self.slow)
        self._missing = self.slow
        self._lead = 0
        self._long = False

    def on_bar(self, bar: Bar, view: PositionView) -> Decision:
        """Return a market order at a crossing."""
        del view
        closes, close = self._closes, bar.close
        leaves_fast = closes[-self.fast]
        self._lead += self.slow * (close - leaves_fast) - self.fast * (close - closes[0])
        closes.append(close)
        if self._missing:
            self._missing -= 1
            if self._missing:
                return None
        above = self._lead > 0
        if above == self._long:
            return None
        self._long = above
        return _BUY_ONE if above else _SELL_ONE


StrategyFactory = Callable[[StrategySettings], Strategy]

BUILT_IN: Mapping[str, StrategyFactory] = {"strat_demo": StratDemo, "sma_cross": SmaCross}


@dataclass(frozen=True, slots=True)
class StrategySource:
    """Where a strategy comes from: ``origin`` is ``built-in``, ``file`` or ``object``; ``sha256`` is of its source.

    The hash is ``None`` for the built-in ones, which the behaviour version stands for, and for an object
    whose source cannot be had.
    """

    origin: str
    sha256: str | None
    factory: StrategyFactory

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says of the strategy."""
        return {"origin": self.origin, "sha256": self.sha256}


def built_in_source(strategy_id: str) -> StrategySource | None:
    """Return the built-in strategy of that name, or ``None``."""
    factory = BUILT_IN.get(strategy_id)
    return StrategySource("built-in", None, factory) if factory else None


def object_source(factory: Any, source_sha256: str | None) -> StrategySource:
    """Return the source of a class handed over in Python; raise :class:`ConfigError` when it is no class or factory."""
    if not callable(factory) or hasattr(type(factory), "on_bar"):
        raise ConfigError(
            "strategy", "must be a class or factory taking StrategySettings", hint="an instance would carry state over"
        )
    return StrategySource("object", source_sha256, factory)
