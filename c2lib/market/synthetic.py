"""The seeded walk that stands in for a market file.

It is made of integers, from a generator that is asked for nothing but bits, so that a seed gives the same bars on every
machine and Python. Each bar takes the same number of bits, so that a longer walk begins with the shorter one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from c2lib.core.canon import canonical_sha256, component_seed
from c2lib.core.clock import parse_utc, utc_micros
from c2lib.core.config import SyntheticMarket
from c2lib.core.decimals import units_of
from c2lib.core.errors import ConfigError
from c2lib.core.model import Bar
from c2lib.market.cells import LAST_MOMENT, positive_decimal

MAX_VOLUME = 1024
"""Largest volume of a bar, in lots."""

_BITS_PER_BAR = 80
_GAP_MASK = 0xF
"""A bar in sixteen opens away from the close before it."""


class SyntheticWalk:
    """Bars of a random walk; a :class:`~c2lib.core.model.MarketData`.

    No leg of a bar is wider than ``volatility_ticks``, and no price lies below one tick.

    >>> walk = SyntheticWalk(123, SyntheticMarket(), "0.01", "1", steps=2)
    >>> [(bar.open, bar.close) for bar in walk.bars(2)]
    [(10000, 10001), (10001, 9994)]
    """

    def __init__(self, seed: int, parameters: SyntheticMarket, tick_size: str, lot_size: str, steps: int) -> None:
        """Check what the bars follow from.

        Args:
            seed: The run's, from which the walk's own follows.
            parameters: Start, interval and volatility of the walk.
            tick_size: The tick that prices are counted in, a positive decimal.
            lot_size: The lot that volumes are counted in, likewise.
            steps: How many bars there are.

        Raises:
            ConfigError: The start price lies off the tick grid, a size is no positive decimal, or the last bar would
                lie after the year 9999.
        """
        self.tick_size = positive_decimal(tick_size, "market.tick_size")
        self.lot_size = positive_decimal(lot_size, "market.lot_size")
        self.bar_count = steps
        self._seed = seed
        self._parameters = parameters
        self._start_time = utc_micros(parse_utc(parameters.start_time, "market.synthetic.start_time"))
        self._interval = parameters.interval_seconds * 1_000_000
        self.smallest_gap = self._interval if steps > 1 else None
        try:
            self._start_price = units_of(parameters.start_price, self.tick_size)
        except ValueError:
            problem = f"{parameters.start_price} is not a multiple of the tick size {self.tick_size}"
            raise ConfigError("market.synthetic.start_price", problem, hint="change one of the two") from None
        if self._start_time + (steps - 1) * self._interval > LAST_MOMENT:
            problem = f"{steps} bars would go beyond the year 9999"
            hint = "take fewer steps, a shorter interval or an earlier start_time"
            raise ConfigError("market.synthetic.interval_seconds", problem, hint=hint)

    @property
    def sha256(self) -> str:
        """Hash of what the bars follow from; not of their number, since the walk is a prefix of itself."""
        return canonical_sha256(
            {
                "generator": "c2lib_synthetic_walk",
                # goes up whenever the bars of a seed change
                "version": 1,
                "seed": self._seed,
                "parameters": self._parameters.canonical(),
                "tick_size": self.tick_size,
                "lot_size": self.lot_size,
            }
        )

    def bars(self, count: int) -> Iterator[Bar]:
        """Yield the first ``count`` bars, all of them when there are fewer, from the first one at each call."""
        generator = random.Random(component_seed(self._seed, "market"))  # noqa: S311 - a market is no secret
        getrandbits = generator.getrandbits
        widest = self._parameters.volatility_ticks
        choices = 2 * widest + 1
        time, interval, close = self._start_time, self._interval, self._start_price
        for index in range(min(count, self.bar_count)):
            bits = getrandbits(_BITS_PER_BAR)
            # each leg scales 16 bits of its own to its range by multiplying: no rejection, hence no extra draw
            start = close
            if index and not bits & _GAP_MASK:
                start += ((bits & 0xFFFF) * choices >> 16) - widest
                if start < 1:
                    start = 2 - start
            close = start + ((bits >> 16 & 0xFFFF) * choices >> 16) - widest
            if close < 1:
                # mirrored at one tick: the walk turns back without a leg wider than drawn
                close = 2 - close
            top, bottom = (start, close) if start > close else (close, start)
            high = top + ((bits >> 32 & 0xFFFF) * (widest + 1) >> 16)
            low = bottom - ((bits >> 48 & 0xFFFF) * (widest + 1) >> 16)
            volume = 1 + (bits >> 64) % MAX_VOLUME
            yield Bar(index, time, start, high, low if low > 1 else 1, close, volume)
            time += interval
