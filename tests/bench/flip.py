"""The strategy with a fill on every bar, for c2lib: the other engines have their own twin of it."""

from __future__ import annotations

from c2lib.core.model import BUY, SELL, Bar, OrderIntent, PositionView, StrategySettings

_BUY_ONE = (OrderIntent(BUY, 1),)
_SELL_ONE = (OrderIntent(SELL, 1),)


class Flip:
    """Buys one lot on even bars and sells it on odd ones, by market orders."""

    def __init__(self, settings: StrategySettings) -> None:
        del settings

    def on_bar(self, bar: Bar, view: PositionView) -> tuple[OrderIntent, ...]:
        """Return the next market order."""
        del view
        return _SELL_ONE if bar.bar_index & 1 else _BUY_ONE
