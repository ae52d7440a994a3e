"""What the tests of the runner share: a config, strategies and a clock given in Python."""

from datetime import UTC, datetime, timedelta
from typing import Any

from c2lib.core.config import DryrunConfig
from c2lib.core.model import Bar, OrderIntent, PositionView, StrategySettings
from tests.app.runs import RUN

CONFIG = DryrunConfig(strategy_id="strat_demo", seed=7, run_id=RUN)


def config(**values: Any) -> DryrunConfig:
    """Return the config that most tests run, with other values."""
    return CONFIG.model_copy(update=values)


class Buyer:
    """Buys on the third bar."""

    def __init__(self, settings: StrategySettings) -> None:
        self.settings = settings

    def on_bar(self, bar: Bar, view: PositionView) -> list[OrderIntent]:
        """Return the one order."""
        return [OrderIntent("BUY", 1)] if bar.bar_index == 2 else []


class Breaking(Buyer):
    """Raises on the third bar."""

    def on_bar(self, bar: Bar, view: PositionView) -> list[OrderIntent]:
        """Break."""
        if bar.bar_index == 2:
            raise RuntimeError("broken on purpose")
        return []


class Ticking:
    """A clock that is a second later at each reading."""

    def __init__(self) -> None:
        self.looks = 0

    def now(self) -> datetime:
        """Return the time of this reading."""
        self.looks += 1
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.looks, microseconds=1)


OWN = config(strategy_id="mine", strategy_allowlist=("mine",))
