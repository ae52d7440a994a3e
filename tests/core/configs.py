"""What the tests of the config share: the pinned default config, and a config that says little."""

import hashlib
import json
from typing import Any

from c2lib.core.config import DryrunConfig

SECRET = "pass" + "word=hunter2hunter2"

GOLDEN_CONFIG: dict[str, Any] = {
    "strategy_id": "strat_demo",
    "strategy": {"origin": "built-in", "class_name": None, "sha256": None, "params": {"quantity": 1}},
    "seed": 123,
    "clock_mode": "fixed",
    "clock_start": "2026-01-01T00:00:00+00:00",
    "steps": 64,
    "max_sink_retries": 0,
    "strategy_allowlist": ["strat_demo", "sma_cross"],
    "enabled": False,
    "tick_events": "every",
    "market": {
        "source": "synthetic",
        "symbol": "SYNTH",
        "tick_size": "0.01",
        "lot_size": "1",
        "rounding": "refuse",
        "file_sha256": None,
        "synthetic": {
            "start_price": "100",
            "start_time": "2026-01-01T00:00:00+00:00",
            "interval_seconds": 60,
            "volatility_ticks": 8,
        },
    },
    "broker": {
        "kind": "mock",
        "initial_cash": "100000",
        "fill_model": "next_open",
        "maker_fee_rate": "0",
        "taker_fee_rate": "0.0002",
        "slippage_ticks": 0,
        "latency_steps": 0,
        "participation": None,
        "reject_rate": "0",
        "touch_fills": False,
        "rate_limit": None,
        "max_retries": 0,
    },
    "limits": {
        "max_position": None,
        "max_order_quantity": None,
        "max_order_notional": None,
        "max_answer_quantity": None,
        "max_open_orders": None,
        "max_orders_per_step": None,
        "max_orders": None,
        "max_drawdown": None,
        "min_equity": "0",
    },
    "reconcile_every": 0,
    "faults": [],
    "criteria": {
        "status": "COMPLETED",
        "stop_reason": "completed",
        "steps_as_planned": True,
        "min_fills": 1,
        "max_rail_trips": 0,
        "max_no_live_attempts": 0,
    },
    "no_live_required": "hook",
    "strategy_timeout_s": 60,
    "keep_strategy": True,
}
GOLDEN_RUN_ID = "dry-f09acd1359f1"
GOLDEN_SHA256 = "ba719e619c209cd054a2fd12b3bf61b4597a402de9fea8813521fc6e97fac532"


def plain_sha256(value: Any) -> str:
    """Hash the way another program would, with nothing of c2lib."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def config(**values: Any) -> DryrunConfig:
    """Return a config that says as little as it must, and ``values``."""
    return DryrunConfig(**({"strategy_id": "strat_demo", "seed": 123} | values))
