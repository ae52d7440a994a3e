"""c2lib: deterministic, bounded, NO-LIVE dry runs of a live-session orchestrator, and evidence to check them by.

What stands in ``__all__`` is the public face, loaded name by name when it is first asked for; everything else may move.
"""

# nothing is imported here: it would take long enough to be interrupted before the command line is ready for that
TYPE_CHECKING = False
if TYPE_CHECKING:
    from c2lib import plot as plot
    from c2lib.app.evidence import EvidenceDraft as EvidenceDraft
    from c2lib.app.evidence import verify_evidence as verify_evidence
    from c2lib.app.evidence import write_evidence as write_evidence
    from c2lib.app.runner import open_session as open_session
    from c2lib.app.runner import run_dryrun as run_dryrun
    from c2lib.app.verify import VerifyReport as VerifyReport
    from c2lib.app.verify import verify_run as verify_run
    from c2lib.core.config import DryrunConfig as DryrunConfig
    from c2lib.core.criteria import Criteria as Criteria
    from c2lib.core.errors import C2Error as C2Error
    from c2lib.core.errors import ConfigError as ConfigError
    from c2lib.core.errors import InputError as InputError
    from c2lib.core.errors import MarketDataError as MarketDataError
    from c2lib.core.errors import MissingExtraError as MissingExtraError
    from c2lib.core.errors import OutputError as OutputError
    from c2lib.core.errors import RunConflictError as RunConflictError
    from c2lib.core.errors import RunPathError as RunPathError
    from c2lib.core.errors import StrategyError as StrategyError
    from c2lib.core.errors import StrategyLoadError as StrategyLoadError
    from c2lib.core.model import Bar as Bar
    from c2lib.core.model import CancelIntent as CancelIntent
    from c2lib.core.model import OpenOrder as OpenOrder
    from c2lib.core.model import OrderIntent as OrderIntent
    from c2lib.core.model import PositionView as PositionView
    from c2lib.core.model import StrategySettings as StrategySettings
    from c2lib.core.states import SessionPhase as SessionPhase
    from c2lib.core.states import SessionStatus as SessionStatus
    from c2lib.market.csv_file import frame_csv as frame_csv
    from c2lib.market.files import open_market_file as open_market_file
    from c2lib.session.clocks import FixedClock as FixedClock
    from c2lib.session.orchestrator import LiveSessionOrchestrator as LiveSessionOrchestrator
    from c2lib.session.result import DryrunResult as DryrunResult
    from c2lib.session.session import DryrunSession as DryrunSession
    from c2lib.witness.diff import RunDiff as RunDiff
    from c2lib.witness.diff import diff_runs as diff_runs
    from c2lib.witness.run import Run as Run
    from c2lib.witness.run import open_run as open_run

    __version__: str

_EXPORTS = {
    "app.evidence": "EvidenceDraft verify_evidence write_evidence",
    "app.runner": "open_session run_dryrun",
    "app.verify": "VerifyReport verify_run",
    "core.config": "DryrunConfig",
    "core.criteria": "Criteria",
    "core.errors": "C2Error ConfigError InputError MarketDataError MissingExtraError OutputError RunConflictError "
    "RunPathError StrategyError StrategyLoadError",
    "core.model": "Bar CancelIntent OpenOrder OrderIntent PositionView StrategySettings",
    "core.states": "SessionPhase SessionStatus",
    "market.csv_file": "frame_csv",
    "market.files": "open_market_file",
    "session.clocks": "FixedClock",
    "session.orchestrator": "LiveSessionOrchestrator",
    "session.result": "DryrunResult",
    "session.session": "DryrunSession",
    "witness.diff": "RunDiff diff_runs",
    "witness.run": "Run open_run",
}
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names.split()}

__all__ = sorted(["__version__", "plot", *_MODULE_OF])


def __getattr__(name: str) -> object:
    """Load a public name from its module, or the version from the package's metadata (PEP 562)."""
    from importlib import import_module

    if name == "__version__":
        value = import_module("importlib.metadata").version("c2lib")
    elif name == "plot":
        value = import_module("c2lib.plot")
    elif name in _MODULE_OF:
        value = getattr(import_module(f"c2lib.{_MODULE_OF[name]}"), name)
    else:
        raise AttributeError(f"module 'c2lib' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
