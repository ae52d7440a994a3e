"""The small runs that are tampered with: together they have every event kind that a run can have.

``full`` buys in several fills, is rejected, cancels, lets an order expire, and its sinks fail now and then; ``tripped``
is ended by a rail; ``refused`` never passes preflight; ``kept`` keeps its strategy's file. All are published by the
code that publishes every run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from c2lib.app.evidence import write_evidence
from c2lib.app.paths import environment_facts
from c2lib.app.runner import Job, run_dryrun, source_of
from c2lib.app.strategy_files import strategy_from_source
from c2lib.core.config import DryrunConfig, seal
from c2lib.core.model import Bar, CancelIntent, OrderIntent, PositionView, StrategySettings
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from c2lib.record.files import StagedRun
from c2lib.record.lines import object_line
from c2lib.session.strategy import StrategySource
from tests.app.sessions import Ticking

RUN_ID = "run_tamper_001"

SEALED = (*map(str, SEALED_BY_MANIFEST), str(Artifact.MANIFEST))
"""Names of the files that the seal covers, the manifest among them."""

STRATEGY = str(Artifact.STRATEGY)

Content = Mapping[str, bytes]
"""The bytes of the sealed files of a run, by name."""

NO_INPUTS: Mapping[str, Any] = {"cancel": None, "clock_readings": None, "sink_failures": [], "strategy_end": None}

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
        far = bar.low // 2
        if bar.bar_index == 0:
            return [OrderIntent("BUY", 60), OrderIntent("BUY", 5, "LIMIT", limit_price=far)]
        if bar.bar_index == 1:
            return [OrderIntent("BUY", 3, "LIMIT", limit_price=far, time_in_force="IOC")]
        if bar.bar_index == 2:
            return [CancelIntent(order.client_order_id) for order in view.open_orders[-1:]]
        return [OrderIntent("SELL", 2)] if bar.bar_index == 3 else []


class Calm(Busy):
    """Does on every bar what the busy one does on its first."""

    def on_bar(self, bar: Bar, view: PositionView) -> Sequence[OrderIntent | CancelIntent]:
        """Return one small order."""
        return [OrderIntent("BUY", 1)]


class Greedy:
    """Sells so much that the fee alone is more than its cash: equity falls below 0."""

    def __init__(self, settings: StrategySettings) -> None:
        del settings

    def on_bar(self, bar: Bar, view: PositionView) -> Sequence[OrderIntent]:
        """Return the one order, on the first bar."""
        return [OrderIntent("SELL", 10**7)] if bar.bar_index == 0 else []


FILE = b"""from c2lib import OrderIntent

class Buyer:
    def __init__(self, settings):
        pass

    def on_bar(self, bar, view):
        return [OrderIntent("BUY", 1)] if bar.bar_index == 0 else None
"""

STRATEGIES: Mapping[str, StrategySource | None] = {
    "full": source_of(Busy),
    "tripped": source_of(Greedy),
    "refused": None,
    "kept": strategy_from_source("buyer.py", "Buyer", FILE),
}
"""The strategy of each run, by the run's name; ``None``: a built-in one."""

_BROKER: Mapping[str, Any] = {
    "participation": "0.05",
    "reject_rate": "0.25",
    "slippage_ticks": 1,
    "maker_fee_rate": "0.0001",
}

CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "full": {
        "strategy_id": "busy",
        "strategy_allowlist": ("busy",),
        "steps": 6,
        "max_sink_retries": 2,
        "clock_mode": "injected",
        "broker": _BROKER,
    },
    "tripped": {
        "strategy_id": "greedy",
        "strategy_allowlist": ("greedy",),
        "steps": 2,
        "broker": {"taker_fee_rate": "0.01"},
    },
    "refused": {"strategy_id": "strat_demo", "enabled": True, "steps": 2},
}

KEPT: Mapping[str, Any] = {"strategy_id": "buyer", "strategy_allowlist": ("buyer",), "steps": 2}
"""The config of ``kept``, a run that keeps its strategy's file."""


@dataclass(frozen=True)
class Variant:
    """What a run like ``full`` is made with instead: config values, inputs, a strategy, earlier clock readings."""

    values: Mapping[str, Any]
    inputs: Mapping[str, Any] | None = None
    strategy: type[Busy] = Busy
    earlier_looks: int = 0


VARIANTS: Mapping[str, Variant] = {
    "another seed": Variant({"seed": 22}),
    "fewer steps": Variant({"steps": 5}),
    "more steps": Variant({"steps": 7}),
    "no slippage": Variant({"broker": {**_BROKER, "slippage_ticks": 0}}),
    "no bound on participation": Variant({"broker": {**_BROKER, "participation": None}}),
    "a lower fee": Variant({"broker": {**_BROKER, "taker_fee_rate": "0.0001"}}),
    "no rejects": Variant({"broker": {**_BROKER, "reject_rate": "0"}}),
    "latency": Variant({"broker": {**_BROKER, "latency_steps": 1}}),
    "more cash": Variant({"broker": {**_BROKER, "initial_cash": "100001"}}),
    "another market": Variant({"market": {"synthetic": {"volatility_ticks": 9}}}),
    "other criteria": Variant({"criteria": {"min_fills": 0}}),
    "cancelled": Variant({}, inputs={**RETRIED, "cancel": {"step": 4, "reason": "enough"}}),
    "no sink failure": Variant({}, inputs=NO_INPUTS),
    "a later clock": Variant({}, earlier_looks=3600),
    "another strategy": Variant({}, strategy=Calm),
}
"""Sound runs of the same name as ``full`` that are other runs."""


def publish(root: Path, name: str, variant: Variant | None = None) -> Path:
    """Publish a run below ``root``, or a variant of it, and return its directory."""
    changed = variant or Variant({}, RETRIED if name == "full" else NO_INPUTS)
    given: dict[str, Any] = {"run_id": RUN_ID, "seed": 20, **CONFIGS[name], **changed.values}
    config = DryrunConfig(**given)
    clock = Ticking() if config.clock_mode == "injected" else None
    if clock is not None:
        clock.looks = changed.earlier_looks
    source = source_of(changed.strategy) if variant else STRATEGIES[name]
    inputs = RETRIED if changed.inputs is None else changed.inputs
    job = Job(seal(config, strategy=source, clock_injected=clock is not None), None, clock, source, inputs)
    with StagedRun(root, RUN_ID) as staged:
        session, _ = job.execute(staged.sink)
        manifest = session.manifest(staged.seal())
        staged.add(Artifact.ENVIRONMENT, object_line(environment_facts(None)))
        staged.add(Artifact.MANIFEST, object_line(manifest))
        return staged.publish()


def content_of(place: Path) -> Content:
    """Return the bytes of the sealed files of a run directory."""
    return {name: (place / name).read_bytes() for name in (*SEALED, STRATEGY) if (place / name).exists()}


class Sample:
    """The runs, published below ``root``, each in a place of its own; ``full`` with an evidence draft."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.places: dict[str, Path] = {name: publish(root / name, name) for name in CONFIGS}
        config = DryrunConfig(run_id=RUN_ID, seed=20, **KEPT)
        self.places["kept"] = Path(run_dryrun(config, out_dir=root / "kept", strategy=STRATEGIES["kept"]).path or "")
        self.contents = {name: content_of(place) for name, place in self.places.items()}
        draft = write_evidence(
            self.places["full"], date="2026-01-01", owner="Q", strategy=STRATEGIES["full"], plots=False
        )
        self.evidence = Path(draft.path)

    @cached_property
    def others(self) -> dict[str, Content]:
        """The sealed files of every variant."""
        return {
            name: content_of(publish(self._root / name.replace(" ", "-"), "full", variant))
            for name, variant in VARIANTS.items()
        }
