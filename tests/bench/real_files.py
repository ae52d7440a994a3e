"""Every order type under every fill model on market files that people have, each run verified with replay.

Rules kept here:

* one strategy for all: on every eighth bar an order of the type asked for, near the close, sides in turn; what is
  still open 16 bars later is cancelled;
* a run counts as good when it is COMPLETED and its verification with replay finds nothing;
* the table says what each run did, so that a fill model without effect can be seen.

``python -m tests.bench.real_files [--steps N] [--out DIR] FILE…``; with ``--out`` runs and drafts are kept for a look.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from c2lib import (
    Bar,
    CancelIntent,
    DryrunConfig,
    OrderIntent,
    PositionView,
    StrategySettings,
    open_market_file,
    run_dryrun,
    write_evidence,
)
from tests.bench.measure import say, table

FILL_MODELS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "slippage": {"slippage_ticks": 3},
    "latency": {"latency_steps": 2},
    "participation": {"participation": "0.01"},
    "touch": {"touch_fills": True},
    "rejects": {"reject_rate": "0.1"},
}

_OFTEN, _PATIENCE, _LOTS = 8, 16, 20
_TICKS_WITHOUT_OWN_GRID = "0.00000001"


class Regular:
    """Places an order of one type on every eighth bar and cancels what waited too long."""

    order_type = "MARKET"

    def __init__(self, settings: StrategySettings) -> None:
        del settings
        self._born: dict[str, int] = {}

    def on_bar(self, bar: Bar, view: PositionView) -> Sequence[OrderIntent | CancelIntent]:
        """Return an order, or the cancels that are due."""
        names = [order.client_order_id for order in view.open_orders]
        self._born = {name: self._born.get(name, bar.bar_index) for name in names}
        due = [CancelIntent(name) for name, born in self._born.items() if bar.bar_index - born > _PATIENCE]
        if bar.bar_index % _OFTEN:
            return due
        is_buy = view.position <= 0
        reach = max(1, (bar.high - bar.low) // 2)
        away = -reach if is_buy else reach
        limit = stop = None
        if self.order_type == "LIMIT":
            limit = bar.close + away
        if self.order_type.startswith("STOP"):
            stop = bar.close - away
            limit = stop - away if self.order_type == "STOP_LIMIT" else None
        return [*due, OrderIntent("BUY" if is_buy else "SELL", _LOTS, self.order_type, limit, stop)]


class RegularLimit(Regular):
    """The same with limit orders."""

    order_type = "LIMIT"


class RegularStop(Regular):
    """The same with stop orders."""

    order_type = "STOP"


class RegularStopLimit(Regular):
    """The same with stop-limit orders."""

    order_type = "STOP_LIMIT"


STRATEGIES = (Regular, RegularLimit, RegularStop, RegularStopLimit)


def market_of(path: Path) -> dict[str, Any]:
    """Return the market part of the config: floats of a binary file are rounded by the declared rule."""
    if path.suffix in (".feather", ".parquet", ".arrow"):
        return {"tick_size": _TICKS_WITHOUT_OWN_GRID, "rounding": "nearest"}
    return {}


def one_run(path: Path, strategy: type[Regular], model: str, steps: int, out: Path) -> tuple[str, ...]:
    """Run, verify and draft one combination; return its row."""
    order_type = strategy.order_type
    with open_market_file(path, **market_of(path)) as market:
        bars = market.bar_count
    config = DryrunConfig(
        run_id=f"{path.name.split('.')[0]}-{order_type}-{model}".replace("_", "-"),
        strategy_id="regular",
        strategy_allowlist=("regular",),
        seed=7,
        steps=min(steps, bars),
        market=market_of(path),
        broker={"initial_cash": "1000000000", **FILL_MODELS[model]},
    )
    result = run_dryrun(config, out_dir=out, market=path, strategy=strategy)
    if result.path is None:
        return (path.name, order_type, model, result.status.value, "", "", "", "not published")
    draft = write_evidence(result.path, date="2026-01-01", owner="real files", market=path, strategy=strategy)
    report = draft.report
    kinds: Counter[str] = Counter()
    with Path(result.path, "events.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            kinds[line.partition('"event_type":"')[2].partition('"')[0]] += 1
    good = "clean" if report.ok else f"{len(report.findings)} findings"
    counts = (str(kinds[kind]) for kind in ("ORDER_SUBMITTED", "FILL", "ORDER_CANCELLED", "ORDER_REJECTED"))
    return (path.name, order_type, model, result.status.value, *counts, good)


@contextmanager
def output_root(kept: str | None) -> Iterator[Path]:
    """Give a folder that is kept, or one that is not."""
    if kept:
        yield Path(kept)
        return
    with tempfile.TemporaryDirectory(prefix="c2lib-real-") as folder:
        yield Path(folder)


def main() -> int:
    """Run every combination and print the table; 1 when one was not good."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--out")
    options = parser.parse_args()
    with output_root(options.out) as out:
        rows = [
            one_run(path, strategy, model, options.steps, out)
            for path in options.files
            for strategy in STRATEGIES
            for model in FILL_MODELS
        ]
    names = ("file", "type", "fill model", "status", "submitted", "fills", "cancelled", "rejected", "verify")
    say(table(names, rows))
    bad = [row for row in rows if row[3] != "COMPLETED" or row[-1] != "clean"]
    say(f"\n{len(rows)} runs, {len(rows) - len(bad)} completed and clean")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
