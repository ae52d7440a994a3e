"""The live-session orchestrator, which in this package runs dry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from c2lib.core.config import DryrunConfig, seal
from c2lib.core.errors import ConfigError
from c2lib.core.model import Clock, MarketData
from c2lib.market.synthetic import SyntheticWalk
from c2lib.record.journal import Journal
from c2lib.record.sinks import Sinks
from c2lib.session.clocks import FixedClock, first_reading
from c2lib.session.nolive import NoLiveGuard
from c2lib.session.preflight import PreflightFacts
from c2lib.session.result import DryrunResult
from c2lib.session.session import DryrunSession
from c2lib.session.strategy import StrategySource, built_in_source, object_source


class LiveSessionOrchestrator:
    """Opens and runs dry-run sessions.

    Args:
        enabled_override_for_tests: lets a config with ``enabled=True`` pass its gate. No config, parameter or flag
            reaches this; the override is audited, and such a run is never evidence of a PASS.
        guard: makes the NO-LIVE guard of a session; without it, that of the layer ``hook``. Preflight rejects the
            session when the guard is of another layer than the config requires, or its canary is not stopped.

    >>> events, snapshots, metrics, audit = [], [], [], []
    >>> config = DryrunConfig(strategy_id="strat_demo", run_id="run_demo_001", seed=123, steps=8)
    >>> result = LiveSessionOrchestrator().run_dryrun(
    ...     config, event_sink=events, state_sink=snapshots, metrics_sink=metrics, audit_sink=audit)
    >>> result.accepted, result.status.value, len(snapshots)
    (True, 'COMPLETED', 3)
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
        """Open a session: seal the config, write the first entries, run preflight, load the strategy.

        A sink is anything with ``.write(str)`` or ``.append(str)``; each call is given one line, ended by a newline.

        Args:
            config: what to run; ``session.config`` is the sealed form, with nothing left out.
            clock: anything whose ``.now()`` returns a ``datetime`` with a time zone; read when the session opens, at
                each step and when it stops. Without it, ``clock_mode`` decides between a clock that stands still at
                ``clock_start`` and the times of the bars.
            event_sink: gets ``events.jsonl``; ``None``, here and below, writes nowhere.
            state_sink: gets ``state_snapshots.jsonl``.
            metrics_sink: gets ``metrics.json``, one line.
            audit_sink: gets ``audit.jsonl``; preflight rejects a session without it.
            market: the bars, in place of the synthetic walk.
            strategy: a class or factory that takes one ``StrategySettings``, or a ``StrategySource``. Without it, the
                built-in strategy named ``strategy_id``.

        Returns:
            A session that can be stepped, or one that ended already: rejected by preflight, for a config that is
            well-formed but not allowed, or failed. ``session.result()`` says which, and why.

        Raises:
            ConfigError: a field or argument is malformed, or two do not go together; nothing was written.
            InputError: the market's first bar cannot be read; nothing was written.
        """
        guard = (self._make_guard or NoLiveGuard)()
        # clock, market, sinks and strategy are foreign code from the first call on
        with guard:
            given = strategy if isinstance(strategy, StrategySource | None) else object_source(strategy, None)
            for name in () if market is None else ("sha256", "tick_size", "bar_count", "smallest_gap", "bars"):
                if not hasattr(market, name):
                    hint = "c2lib.open_market_file(FILE or DataFrame) returns one that has all"
                    raise ConfigError("market", f"{type(market).__name__} has no .{name}", hint=hint)
            sealed = seal(config, market, strategy=given, clock_injected=clock is not None)
            if market is None:
                asked = sealed.market
                market = SyntheticWalk(sealed.seed, asked.synthetic, asked.tick_size, asked.lot_size, sealed.steps)
            if sealed.clock_start is not None:
                clock = FixedClock(sealed.clock_start)
            reader = None if clock is None else first_reading(clock)
            sinks = Sinks(event_sink, state_sink, audit_sink, metrics_sink)
            journal = Journal(sealed.run_id, sealed.strategy_id, sinks, sealed.max_sink_retries)
            source = given or built_in_source(sealed.strategy_id)
            session = DryrunSession(sealed, journal, market, reader, source, guard)
            override = self._enabled_override
            session.begin(PreflightFacts(sealed, source is not None, audit_sink is not None, guard, override))
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
        """Open a session, take all its steps, stop it: exactly these calls, in this order.

        See :meth:`open` for the arguments.

        Returns:
            The outcome. A run that was rejected or failed is a result with its code, not an exception.

        Raises:
            ConfigError: as :meth:`open` does; nothing was written.
            InputError: as :meth:`open` does; nothing was written.
        """
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
