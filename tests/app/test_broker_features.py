"""Runs that use the whole broker: every one verifies, refolded and executed again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from c2lib import (
    Bar,
    CancelIntent,
    DryrunConfig,
    OrderIntent,
    PositionView,
    StrategySettings,
    open_run,
    run_dryrun,
    verify_run,
)

_TYPES, _TIMES = ("MARKET", "LIMIT", "STOP", "STOP_LIMIT"), ("GTC", "IOC", "FOK", "DAY")


class Wild:
    """Places and cancels orders of every kind near the close, at random."""

    def __init__(self, settings: StrategySettings) -> None:
        self._random = random.Random(settings.seed)

    def on_bar(self, bar: Bar, view: PositionView) -> Sequence[OrderIntent | CancelIntent]:
        """Return up to two orders and perhaps a cancel."""
        draw = self._random
        intents: list[OrderIntent | CancelIntent] = []
        if view.open_orders and draw.random() < 0.3:
            intents.append(CancelIntent(draw.choice(view.open_orders).client_order_id))
        for _ in range(draw.choice((0, 0, 1, 2))):
            kind = draw.choice(_TYPES)
            limit = bar.close + draw.randint(-8, 8) if "LIMIT" in kind else None
            stop = bar.close + draw.randint(-8, 8) if "STOP" in kind else None
            side, quantity = draw.choice(("BUY", "SELL")), draw.randint(1, 60)
            intents.append(OrderIntent(side, quantity, kind, limit, stop, draw.choice(_TIMES)))
        return intents


@pytest.mark.parametrize("seed", range(6))
def test_random_orders_are_reproduced(tmp_path: Path, seed: int) -> None:
    """A run of random orders over random broker features verifies without a finding and is reproduced by replay."""
    draw = random.Random(seed)
    broker = {
        "initial_cash": "100000000",
        "slippage_ticks": draw.choice((0, 2)),
        "latency_steps": draw.choice((0, 1, 3)),
        "participation": draw.choice((None, "0.05", "0.5")),
        "reject_rate": draw.choice(("0", "0.2")),
        "touch_fills": draw.choice((True, False)),
        "rate_limit": draw.choice((None, {"burst": 3, "per_second": "0.01"})),
        "max_retries": draw.choice((0, 2)),
    }
    config = DryrunConfig(
        strategy_id="wild",
        strategy_allowlist=("wild",),
        seed=seed,
        steps=120,
        broker=broker,
        market={"synthetic": {"interval_seconds": draw.choice((60, 36_000, 86_400))}},
        clock_mode=draw.choice(("fixed", "market")),
    )
    result = run_dryrun(config, out_dir=tmp_path, strategy=Wild)
    report = verify_run(str(result.path), True, strategy=Wild)
    assert result.status == "COMPLETED"
    assert [finding.text() for finding in report.findings] == []
    assert report.replayed


POOR = """from c2lib import OrderIntent

class Poor:
    def __init__(self, settings):
        pass

    def on_bar(self, bar, view):
        if bar.bar_index == 0:
            return [OrderIntent("BUY", 1_000_000), OrderIntent("BUY", 1, time_in_force="DAY"), OrderIntent("BUY", 3)]
        return [OrderIntent("SELL", view.position)] if view.position else None
"""


def test_unaffordable_order_ends_no_run(tmp_path: Path) -> None:
    """A run of daily bars goes on past an order beyond its cash and a DAY order, and verifies with replay."""
    file = tmp_path / "poor.py"
    file.write_text(POOR)
    config = DryrunConfig(
        strategy_id="poor",
        strategy_allowlist=("poor",),
        seed=1,
        steps=5,
        market={"synthetic": {"interval_seconds": 86_400}},
    )
    result = run_dryrun(config, out_dir=tmp_path, strategy=f"{file}:Poor")
    assert (result.status, result.position, result.fills) == ("COMPLETED", "0", 2)
    ends = {order.client_order_id: order.status for order in open_run(str(result.path)).orders()}
    assert ends == {"c-000001": "CANCELLED", "c-000002": "REJECTED", "c-000003": "FILLED", "c-000004": "FILLED"}
    report = verify_run(str(result.path), True, strategy=f"{file}:Poor")
    assert ([finding.text() for finding in report.findings], report.replayed) == ([], True)
