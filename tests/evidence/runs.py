"""Runs to make evidence of, built from the witness's own facts."""

import hashlib
from decimal import Decimal
from typing import Any

from c2lib.core.config import DryrunConfig, SealedConfig, seal
from c2lib.evidence.claims import Replay, Verification
from c2lib.evidence.figures import Figures, Measured
from c2lib.witness.audit import PhaseMove
from c2lib.witness.findings import Verdict
from c2lib.witness.reader import FileFacts
from c2lib.witness.summary import RunSummary

CLEAN = Verification(Verdict.SEALED, findings=0, replay=Replay.IDENTICAL)
MEASURED = Measured(
    Figures(bars=8, trades=1, pnl=Decimal("-0.04"), max_drawdown=Decimal("0.31")),
    bars=tuple((at, f"2026-01-01T00:0{at}:00+00:00", 0.0, 0.0, 0.0) for at in range(8)),
    imports={},
)


def digest(word: str) -> str:
    """Return a hash that stands for ``word``."""
    return hashlib.sha256(word.encode()).hexdigest()


def config(**changes: Any) -> SealedConfig:
    """Return the sealed config of the demo run, with changes."""
    values = {"strategy_id": "strat_demo", "run_id": "run_demo_001", "seed": 123, "steps": 8} | changes
    return seal(DryrunConfig(**values))


def clean_summary(sealed: SealedConfig | None = None, **changes: Any) -> RunSummary:
    """Return the summary of a run that did everything right, with changes."""
    sealed = sealed or config()
    steps = sealed.steps
    files = {
        "events.jsonl": FileFacts(digest("events"), 5120, 18),
        "state_snapshots.jsonl": FileFacts(digest("snapshots"), 990, 3),
        "audit.jsonl": FileFacts(digest("audit"), 7000, 19),
        "metrics.json": FileFacts(digest("metrics"), 700, 1),
        "run_manifest.json": FileFacts(digest("manifest"), 2500, 1),
        "environment.json": FileFacts(digest("environment"), 400, 1),
    }
    values: dict[str, Any] = {
        "run_id": sealed.run_id,
        "strategy_id": sealed.strategy_id,
        "seed": sealed.seed,
        "status": "COMPLETED",
        "stop_reason": "completed",
        "started_ts": "2026-01-01T00:00:00+00:00",
        "ended_ts": "2026-01-01T00:00:00+00:00",
        "symbol": sealed.market.symbol,
        "steps": steps,
        "steps_planned": steps,
        "fills": 2,
        "position": "1",
        "cash": "99899.47",
        "mark_price": "100.53",
        "equity": "100000",
        "fees": "0.04",
        "no_live_attempts": 0,
        "no_live_required": sealed.no_live_required,
        "no_live_held": True,
        "phases": (
            PhaseMove("INIT", "PREFLIGHT_OK", "PREFLIGHT_PASSED", 0, digest("move 0")),
            PhaseMove("PREFLIGHT_OK", "DRYRUN_ACTIVE", "FIRST_STEP", 1, digest("move 1")),
            PhaseMove("DRYRUN_ACTIVE", "STOPPING", "BOUND_REACHED", 17, digest("move 2")),
            PhaseMove("STOPPING", "STOPPED", "CLOSED", 18, digest("move 3")),
        ),
        "statuses": (("INIT", 0), ("RUNNING", 1), ("COMPLETED", 18)),
        "event_counts": {
            "SESSION_START": 1,
            "STRATEGY_TICK": steps,
            "ORDER_SUBMITTED": 2,
            "ORDER_ACKNOWLEDGED": 2,
            "FILL": 2,
            "SESSION_STOP": 1,
        },
        "audit_counts": {"C2_DRYRUN_START": 1, "C2_PREFLIGHT_CHECK": 12, "C2_PHASE_TRANSITION": 4},
        "audit_entries": 19,
        "audit_last_hash": digest("last entry"),
        "references": {
            "session_start": digest("session_start"),
            "first_fill": digest("first_fill"),
            "last_fill": digest("last_fill"),
            "session_stop": digest("session_stop"),
        },
        "config": sealed.canonical(),
        "config_sha256": digest("config"),
        "criteria_sha256": sealed.criteria.digest(),
        "market_sha256": digest("market"),
        "behaviour_version": 1,
        "run_digest": digest("run"),
        "artifacts": files,
    }
    return RunSummary(**(values | changes))


def rejected_summary(**changes: Any) -> RunSummary:
    """Return the summary of a run that preflight rejected."""
    values: dict[str, Any] = {
        "status": "REJECTED",
        "stop_reason": None,
        "reject_code": "C2_REJECT_LIVE_ENABLED",
        "reject_reason": "enabled is true: this package runs dry only, leave enabled at false",
        "steps": 0,
        "steps_planned": None,
        "fills": 0,
        "position": "0",
        "cash": "0",
        "mark_price": None,
        "equity": "0",
        "fees": "0",
        "no_live_held": False,
        "phases": (PhaseMove("INIT", "PREFLIGHT_FAILED", "PREFLIGHT_REJECTED", 1, digest("move 0")),),
        "statuses": (("INIT", 0), ("REJECTED", 1)),
        "event_counts": {"REJECTED": 1},
        "references": {"rejected": digest("rejected")},
        "market_sha256": "",
    }
    return clean_summary(config(enabled=True), **(values | changes))
