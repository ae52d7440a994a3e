"""Run directories that every verifier of the contract must judge alike: good ones, and ways to make them bad."""

import copy
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from c2lib.core.canon import sha256_hex
from c2lib.core.model import Bar, CancelIntent, OrderIntent, PositionView, StrategySettings
from c2lib.session.session import DryrunSession
from c2lib.session.strategy import StrategySource
from tests.app.sessions import Ticking
from tests.witness import sample_runs
from tests.witness.sample_runs import BUY_ONE, METRICS, Run, make_run, scripted

Files = dict[str, bytes]
"""The files of a run directory by name."""


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
        for _ in range(draw.choice((0, 1, 1, 2))):
            kind = draw.choice(("MARKET", "LIMIT", "STOP", "STOP_LIMIT"))
            limit = bar.close + draw.randint(-8, 8) if "LIMIT" in kind else None
            stop = bar.close + draw.randint(-8, 8) if "STOP" in kind else None
            side, quantity = draw.choice(("BUY", "SELL")), draw.randint(1, 60)
            intents.append(OrderIntent(side, quantity, kind, limit, stop, draw.choice(("GTC", "IOC", "FOK", "DAY"))))
        return intents


def wild_run(seed: int, **broker: object) -> Run:
    """Return a run that uses the whole broker: partial fills, rejects, latency, expiries, maker and taker fees."""
    settings = {"initial_cash": "100000000", "maker_fee_rate": "0.00007", "reject_rate": "0.2", **broker}
    market = {"tick_size": "0.05", "lot_size": "0.25", "synthetic": {"interval_seconds": 18_000}}
    return make_run(strategy=Wild, seed=seed, steps=24, broker=settings, market=market, max_sink_retries=1)


def _cancel_at_once(session: DryrunSession) -> None:
    session.cancel("not today")


def late_violation() -> Run:
    """Return a run in which a sink tried to leave the process while the session closed: it closes twice."""
    return make_run(leaking={METRICS: 0})


def unknown_strategy() -> Run:
    """Return a run whose strategy nobody knows."""
    return make_run(strategy_id="nobody", strategy_allowlist=("nobody",))


def short_of_cash() -> Run:
    """Return a run with orders that cash does not cover, one after a fill of its own, and limits that are cancelled."""
    low = OrderIntent("BUY", 1, "LIMIT", limit_price=1)
    high = OrderIntent("SELL", 1, "LIMIT", limit_price=10**6)
    script = {
        0: [OrderIntent("BUY", 10**7), low, high, OrderIntent("BUY", 10)],
        1: [OrderIntent("BUY", 2, "LIMIT", limit_price=11_000), OrderIntent("BUY", 90), OrderIntent("SELL", 8)],
        4: [CancelIntent("c-000002"), CancelIntent("c-000003")],
    }
    return make_run(strategy=scripted(script), broker={"initial_cash": "1100"})


SOURCE = b"""from c2lib import OrderIntent

class Mine:
    def __init__(self, settings):
        pass

    def on_bar(self, bar, view):
        return [OrderIntent("BUY", 1)] if bar.bar_index == 2 else None
"""


def file_run(source: bytes) -> Run:
    """Return a run of a strategy file of those bytes, which buys once."""
    strategy = scripted({2: BUY_ONE})
    return make_run(strategy=StrategySource("file", "Mine", sha256_hex(source), strategy, source))


GOOD: Mapping[str, Callable[[], Run]] = {
    "completed": lambda: make_run(steps=12),
    "wild, partial fills": lambda: wild_run(1, participation="0.05", slippage_ticks=2),
    "wild, latency": lambda: wild_run(2, latency_steps=2, touch_fills=True),
    "wild, rate limit": lambda: wild_run(3, rate_limit={"burst": 2, "per_second": "0.0001"}, latency_steps=1),
    "decisions only": lambda: make_run(tick_events="decisions", strategy=scripted({1: BUY_ONE, 4: BUY_ONE})),
    "market clock": lambda: make_run(clock_mode="market"),
    "ticking clock": lambda: make_run(clock_mode="injected", clock=Ticking()),
    "text beyond ASCII": lambda: make_run(
        strategy=scripted({0: [OrderIntent("BUY", 1, tag='größer \u2028 "\\ \x07 \U0001f600')]})
    ),
    "cancelled": sample_runs.cancelled_run,
    "cancelled at once": lambda: make_run(_cancel_at_once),
    "failed": sample_runs.failed_run,
    "rejected": sample_runs.rejected_run,
    "rejected, unknown strategy": unknown_strategy,
    "short of cash": short_of_cash,
    "rail tripped": sample_runs.tripped_run,
    "retried": sample_runs.retried_run,
    "violation while stepping": lambda: make_run(leaking={"events.jsonl": 4}),
    "violation while closing": late_violation,
    "strategy file": lambda: file_run(SOURCE),
    "gate overridden": lambda: make_run(enabled=True, enabled_override=True),
    "run_id derived": lambda: make_run(run_id=None),
}


@cache
def _good(name: str) -> Run:
    return GOOD[name]()


def good_run(name: str) -> Run:
    """Return a copy of a good run."""
    return copy.deepcopy(_good(name))
