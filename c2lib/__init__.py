"""c2lib: deterministic, bounded, NO-LIVE dry runs of a live-session orchestrator, and evidence to check them by.

Rules kept here:

* ``import c2lib`` loads almost nothing: each public name is loaded from its room when it is first asked for
  (PEP 562);
* what stands in ``__all__`` is the public face; everything else may move.

>>> config = DryrunConfig(strategy_id="strat_demo", run_id="run_demo_001", seed=123, steps=8)
>>> events = []
>>> LiveSessionOrchestrator().run_dryrun(config, event_sink=events, audit_sink=[]).status.value
'COMPLETED'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from c2lib.app.evidence import EvidenceDraft, draw_plots, verify_evidence, write_evidence
    from c2lib.app.runner import run_dryrun
    from c2lib.app.verify import VerifyReport, verify_run
    from c2lib.core.clock import FixedClock
    from c2lib.core.config import DryrunConfig
    from c2lib.core.criteria import Criteria
    from c2lib.core.errors import C2Error, ConfigError, InputError, MarketDataError, RunConflictError
    from c2lib.core.model import Bar, CancelIntent, OrderIntent, PositionView, StrategySettings
    from c2lib.core.states import SessionPhase, SessionStatus
    from c2lib.evidence.markdown import events_table
    from c2lib.jupyter.notebook import NotebookParameters, show_markdown, show_png
    from c2lib.market.files import open_market_file
    from c2lib.session.orchestrator import LiveSessionOrchestrator
    from c2lib.session.result import DryrunResult
    from c2lib.session.session import DryrunSession
    from c2lib.witness.align import RunDiff
    from c2lib.witness.diff import diff_runs
    from c2lib.witness.run import read_series

_HOMES = {
    "Bar": "core.model",
    "C2Error": "core.errors",
    "CancelIntent": "core.model",
    "ConfigError": "core.errors",
    "Criteria": "core.criteria",
    "DryrunConfig": "core.config",
    "DryrunResult": "session.result",
    "DryrunSession": "session.session",
    "EvidenceDraft": "app.evidence",
    "FixedClock": "core.clock",
    "InputError": "core.errors",
    "LiveSessionOrchestrator": "session.orchestrator",
    "MarketDataError": "core.errors",
    "NotebookParameters": "jupyter.notebook",
    "OrderIntent": "core.model",
    "PositionView": "core.model",
    "RunConflictError": "core.errors",
    "RunDiff": "witness.align",
    "SessionPhase": "core.states",
    "SessionStatus": "core.states",
    "StrategySettings": "core.model",
    "VerifyReport": "app.verify",
    "diff_runs": "witness.diff",
    "draw_plots": "app.evidence",
    "events_table": "evidence.markdown",
    "open_market_file": "market.files",
    "read_series": "witness.run",
    "run_dryrun": "app.runner",
    "show_markdown": "jupyter.notebook",
    "show_png": "jupyter.notebook",
    "verify_evidence": "app.evidence",
    "verify_run": "app.verify",
    "write_evidence": "app.evidence",
}

__all__ = [
    "Bar",
    "C2Error",
    "CancelIntent",
    "ConfigError",
    "Criteria",
    "DryrunConfig",
    "DryrunResult",
    "DryrunSession",
    "EvidenceDraft",
    "FixedClock",
    "InputError",
    "LiveSessionOrchestrator",
    "MarketDataError",
    "NotebookParameters",
    "OrderIntent",
    "PositionView",
    "RunConflictError",
    "RunDiff",
    "SessionPhase",
    "SessionStatus",
    "StrategySettings",
    "VerifyReport",
    "diff_runs",
    "draw_plots",
    "events_table",
    "open_market_file",
    "read_series",
    "run_dryrun",
    "show_markdown",
    "show_png",
    "verify_evidence",
    "verify_run",
    "write_evidence",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'c2lib' has no attribute {name!r}")
    value = getattr(import_module(f"c2lib.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
