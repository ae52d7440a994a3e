"""The live-session orchestrator, which in this package runs dry.

Rules kept here:

* a config that is malformed, or does not go with what was handed over, raises before anything is written;
* :meth:`LiveSessionOrchestrator.run_dryrun` is open, all steps, stop, in this order and nothing else;
* the gate to live trading opens for a test alone, by an argument that no config, parameter or flag reaches.

>>> events, snapshots, metrics, audit = [], [], [], []
>>> config = DryrunConfig(strategy_id="strat_demo", run_id="run_demo_001", seed=123, steps=8)
>>> result = LiveSessionOrchestrator().run_dryrun(
...     config, event_sink=events, state_sink=snapshots, metrics_sink=metrics, audit_sink=audit)
>>> result.accepted, result.status.value, len(snapshots)
(True, 'COMPLETED', 3)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from c2lib.core.clock import ClockReader, FixedClock
from c2lib.core.config import DryrunConfig, seal
from c2lib.core.errors import ConfigError, InvariantError
from c2lib.core.model import Clock, MarketData
from c2lib.core.redaction import describe_exception
from c2lib.market.synthetic import SyntheticWalk
from c2lib.record.journal import Journal
from c2lib.record.sinks import Sinks
from c2lib.session.nolive import GUARDS, NoLiveGuard
from c2lib.session.result import DryrunResult
from c2lib.session.session import DryrunSession
from c2lib.session.strategy import StrategySource, built_in_source, object_source


class LiveSessionOrchestrator:
    """Opens and runs dry-run sessions.

    ``enabled_override_for_tests`` lets a config with ``enabled=True`` pass its gate; the override is audited,
    and such a run can never be evidence of a PASS. ``guard`` makes the NO-LIVE guard of a session; left out: that
    of the layer which the config requires, and preflight lets its canary try.
    """

    def __init__(
        self, *, enabled_override_for_tests: bool = False, guard: Callable[[], NoLiveGuard] | None = None
    ) -> None:
        self._enabled_override = enabled_override_for_tests
        self._make_guard = guard

    def open(
        self,
        config: DryrunConfig,
        *,
        clock: Clock | None = None,
        event_sink: Any = None,
        state_sink: Any = None,
        metrics_sink: Any = None,
        audit_sink: Any = None,
        market: MarketData | None = None,
        strategy: Any = None,
    ) -> DryrunSession:
        """Return a session that passed or failed its preflight.

        A sink is anything with ``.write(str)`` or ``.append(str)``, a clock anything with ``.now()``. ``market``
        takes the place of the synthetic walk; ``strategy`` is a class taking a ``StrategySettings``, or a
        ``StrategySource``. Raises :class:`ConfigError` naming the field that is malformed.
        """
        guard = (self._make_guard or GUARDS.get(config.no_live_required, NoLiveGuard))()
        # what is handed over is foreign from the first look on
        with guard:
            return self._opened(
                config, clock, Sinks(event_sink, state_sink, audit_sink, metrics_sink), market, strategy, guard
            )

    def _opened(
        self,
        config: DryrunConfig,
        clock: Clock | None,
        sinks: Sinks,
        market: MarketData | None,
        strategy: Any,
        guard: NoLiveGuard,
    ) -> DryrunSession:
        sealed = seal(config, market, clock_injected=clock is not None)
        if market is None:
            asked = sealed.market
            market = SyntheticWalk(sealed.seed, asked.synthetic, asked.tick_size, asked.lot_size, sealed.steps)
        if sealed.clock_start is not None:
            clock = FixedClock(sealed.clock_start)
        reader = None if clock is None else _first_reading(clock)
        journal = Journal(sealed.run_id, sealed.strategy_id, sinks, sealed.max_sink_retries)
        session = DryrunSession(sealed, journal, market, reader, _source_of(sealed.strategy_id, strategy), guard)
        session.begin(has_audit_sink=sinks.audit is not None, enabled_override=self._enabled_override)
        return session

    def run_dryrun(
        self,
        config: DryrunConfig,
        *,
        clock: Clock | None = None,
        event_sink: Any = None,
        state_sink: Any = None,
        metrics_sink: Any = None,
        audit_sink: Any = None,
        market: MarketData | None = None,
        strategy: Any = None,
    ) -> DryrunResult:
        """Open a session, take all its steps, stop it; see :meth:`open` for the arguments."""
        session = self.open(
            config,
            clock=clock,
            event_sink=event_sink,
            state_sink=state_sink,
            metrics_sink=metrics_sink,
            audit_sink=audit_sink,
            market=market,
            strategy=strategy,
        )
        session.run_n_steps(session.config.steps)
        return session.stop()


def _first_reading(clock: Clock) -> ClockReader:
    if not callable(getattr(clock, "now", None)):
        raise ConfigError("clock", f"{type(clock).__name__} has no .now()")
    reader = ClockReader(clock)
    try:
        reader.read()
    except InvariantError as error:
        raise ConfigError("clock", f".now() must answer {error.expected}, not {error.seen}") from None
    except Exception as error:  # a clock is foreign code
        raise ConfigError("clock", f".now() raised {describe_exception(error)}") from None
    return reader


def _source_of(strategy_id: str, strategy: Any) -> StrategySource | None:
    if strategy is None:
        return built_in_source(strategy_id)
    return strategy if isinstance(strategy, StrategySource) else object_source(strategy, None)
