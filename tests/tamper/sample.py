"""The small runs that are tampered with: together they have every event kind that a run can have.

``full`` buys in parts, is rejected, cancels, lets an order expire, and its sinks fail now and then; ``tripped`` is
ended by a rail; ``refused`` never passes preflight. All three are published by the parts that publish every run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from c2lib.app.environment import environment_facts
from c2lib.app.runner import Job, source_of
from c2lib.core.config import DryrunConfig
from c2lib.core.model import Bar, CancelIntent, OrderIntent, PositionView, StrategySettings
from c2lib.core.vocabulary import Artifact
from c2lib.record.files import StagedRun
from c2lib.record.lines import object_line
from c2lib.session.orchestrator import seal_config
from tests.app.sessions import Ticking

RUN_ID = "run_tamper_001"

NO_INPUTS: Mapping[str, Any] = {"cancel": None, "clock_readings": None, "sink_failures": []}

RETRIED: Mapping[str, Any] = {
    **NO_INPUTS,
    "sink_failures": [
        [Artifact.EVENTS, 4, ["OSError"]],
        [Artifact.AUDIT, 2, ["OSError", "TimeoutError"]],
        [Artifact.METRICS, 0, ["OSError"]],
    ],
}
"""Sinks that fail in a few of their calls and take the line when it is tried again."""


class Busy:
    """Buys in parts, waits with a limit that is cancelled, lets an order expire, sells some."""

    def __init__(self, settings: StrategySettings) -> None:
        del settings

    def on_bar(self, bar: Bar, view: PositionView) -> Sequence[OrderIntent | CancelIntent]:
        """Return what the bar's number asks for."""
        if bar.bar_index == 0:
            far = bar.low // 2
            return [OrderIntent("BUY", 60), OrderIntent("BUY", 5, "LIMIT", limit_price=far)]
        if bar.bar_index == 1:
            return [OrderIntent("BUY", 3, "LIMIT", limit_price=bar.low // 2, time_in_force="IOC")]
        if bar.bar_index == 2:
            return [CancelIntent(name) for name in view.open_orders[-1:]]
        return [OrderIntent("SELL", 2)] if bar.bar_index == 3 else []


class Greedy:
    """Buys more than its cash can pay."""

    def __init__(self, settings: StrategySettings) -> None:
        del settings

    def on_bar(self, bar: Bar, view: PositionView) -> Sequence[OrderIntent]:
        """Return the one order, on the first bar."""
        return [OrderIntent("BUY", 10**7)] if bar.bar_index == 0 else []


STRATEGIES: Mapping[str, type[Busy] | type[Greedy] | None] = {"full": Busy, "tripped": Greedy, "refused": None}
"""The strategy of each run, by the run's name; ``None``: a built-in one."""

_BUSY: Mapping[str, Any] = {
    "strategy_id": "busy",
    "strategy_allowlist": ("busy",),
    "steps": 6,
    "max_sink_retries": 2,
    "clock_mode": "injected",
    "broker": {"participation": "0.05", "reject_rate": "0.25", "slippage_ticks": 1, "maker_fee_rate": "0.0001"},
}

CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "full": _BUSY,
    "tripped": {"strategy_id": "greedy", "strategy_allowlist": ("greedy",), "steps": 2},
    "refused": {"strategy_id": "strat_demo", "enabled": True, "steps": 2},
}


def publish(root: Path, name: str, *, strategy: Any = None, **values: Any) -> Path:
    """Publish one of the three runs below ``root``, with other config values perhaps, and return its directory."""
    given: dict[str, Any] = {"run_id": RUN_ID, "seed": 20, **CONFIGS[name], **values}
    config = DryrunConfig(**given)
    clock = Ticking() if config.clock_mode == "injected" else None
    inputs = RETRIED if name == "full" else NO_INPUTS
    source = source_of(strategy or STRATEGIES[name])
    job = Job(seal_config(config, None, clock), None, clock, source, inputs)
    with StagedRun(root, RUN_ID) as staged:
        session, result = job.execute(staged)
        manifest = job.manifest(session, result, staged.seal())
        staged.add(Artifact.ENVIRONMENT, object_line(environment_facts({"market_file": None})))
        staged.add(Artifact.MANIFEST, object_line(manifest))
        return staged.publish()
