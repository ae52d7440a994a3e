"""One dry run: opened by the orchestrator, stepped, cancelled, stopped.

The number of steps is bounded when the session opens. How the steps are cut up changes no byte, and neither does
asking twice. Whatever foreign code raises ends the session in an end state with a code; an interrupt from the keyboard
does so too and is raised again, since half a step cannot be continued.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any, ClassVar

from c2lib.core.canon import component_seed
from c2lib.core.clock import micros_text
from c2lib.core.config import SealedConfig
from c2lib.core.errors import ConfigError, NoLiveViolationError, SinkWriteError, StrategyEndedError
from c2lib.core.model import Bar, MarketData, OpenOrder, StrategySettings
from c2lib.core.redaction import FOREIGN, clean_text, describe_exception
from c2lib.core.rich import Look, Rich
from c2lib.core.states import SessionPhase, SessionTrigger
from c2lib.core.vocabulary import AuditCode, AuditLevel, EventKind, FailCode, RejectCode, StopReason
from c2lib.record.journal import Journal
from c2lib.record.seal import build_manifest
from c2lib.session.clocks import ClockReader
from c2lib.session.execution import Execution
from c2lib.session.lifecycle import Failure, Lifecycle, failure_of
from c2lib.session.nolive import HOOK, NoLiveGuard
from c2lib.session.preflight import CHECKS, PreflightFacts
from c2lib.session.rails import Rail, broken_rail, trip
from c2lib.session.result import DryrunResult
from c2lib.session.strategy import CheckedStrategy, StrategySource

STOPPED_EARLY = "stopped before the bound"

RECENT = 20
"""Most events that :attr:`DryrunSession.events` returns."""

_TABLES = {"open_orders": " ".join(OpenOrder._fields), "events": "ts_sim event_type payload"}
_STEPPABLE = (SessionPhase.PREFLIGHT_OK, SessionPhase.DRYRUN_ACTIVE)


class DryrunSession(Rich, AbstractContextManager["DryrunSession"]):
    """A session made by :meth:`LiveSessionOrchestrator.open`; a context manager that stops on leaving.

    The NO-LIVE guard is active while session code runs, and only then. ``resources`` are closed when it is stopped.

    Between two steps, position and equity can be read as decimal text, and the rest as copies; before the first step
    there is no bar and no position, and after the end they stay as they are.
    """

    _look: ClassVar[Look] = Look(
        "config.run_id", "phase", "steps position equity config.strategy_id config.steps config.seed bar", _TABLES
    )

    def __init__(
        self,
        config: SealedConfig,
        journal: Journal,
        market: MarketData,
        clock: ClockReader | None,
        source: StrategySource | None,
        guard: NoLiveGuard,
    ) -> None:
        self.config = config
        self._journal = journal
        self._market = market
        self._bars: Iterator[Bar] = iter(())
        self._clock = clock
        self._source = source
        self._strategy: CheckedStrategy
        self._lifecycle = Lifecycle(journal, config.seed)
        self._execution = Execution(config, journal, market.smallest_gap)
        self._guard = guard
        self._cancel: dict[str, Any] | None = None
        self._strategy_end: dict[str, Any] | None = None
        self._rail_trips = 0
        self.resources = ExitStack()

    @property
    def phase(self) -> SessionPhase:
        """Where the session stands in its state machine."""
        return self._lifecycle.phase

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        return self._lifecycle.steps

    @property
    def position(self) -> str:
        """Units held, negative when short."""
        return self._execution.books().position

    @property
    def equity(self) -> str:
        """Cash and the position at the last close."""
        return self._execution.books().equity

    @property
    def bar(self) -> Bar | None:
        """The bar that was met last, as the strategy sees it."""
        return self._execution.bar

    @property
    def open_orders(self) -> tuple[OpenOrder, ...]:
        """The open orders, oldest first, as the strategy will see them."""
        return tuple(order.shown() for order in self._execution.ledger.open_orders.values())

    @property
    def events(self) -> tuple[dict[str, Any], ...]:
        """The last events, at most :data:`RECENT`, of an event sink that is a list or a deque; of another one, none."""
        kept = self._journal.event_sink
        lines = islice(reversed(kept), RECENT) if isinstance(kept, list | deque) else ()
        return tuple(json.loads(line) for line in lines)[::-1]

    def begin(self, facts: PreflightFacts) -> None:
        """Open the record, run preflight and load the strategy; called once, by the orchestrator, under the guard.

        Raises :class:`ConfigError` for a market without bars; what reading its first bar raises goes through as it is.
        """
        first = next(iter(self._market.bars(1)), None)
        self._bars = iter(self._market.bars(self.config.steps))
        if first is None:
            raise ConfigError("market", "has no bars")
        started_ts = self._clock.text if self._clock else micros_text(first.time)
        with self._ending_on_errors():
            self._lifecycle.open(started_ts, enabled=self.config.enabled)
            if self.config.enabled and facts.enabled_override:
                message = "the gate to live trading was overridden by a test: no evidence of a PASS"
                self._journal.audit(AuditLevel.WARN, AuditCode.LIVE_GATE_OVERRIDDEN, message)
            if self._passes_preflight(facts):
                self._lifecycle.move(SessionTrigger.PREFLIGHT_PASSED)
                self._announce()
                self._load_strategy()
                if self._guard.attempts:
                    raise NoLiveViolationError

    def step(self) -> bool:
        """Take one step; return whether there was one: ``False`` at the bound, and once the session is ending."""
        return self.run_n_steps(1) == 1

    def run_n_steps(self, count: int) -> int:
        """Take steps, never past the bound; an error in one ends the session, and its result says how.

        Args:
            count: the most steps to take, 0 or more.

        Returns:
            How many steps were taken.

        Raises:
            ConfigError: ``count`` is no whole number of 0 or more.
        """
        if type(count) is not int or count < 0:
            raise ConfigError("count", "must be a whole number, 0 or more")
        lifecycle = self._lifecycle
        before = lifecycle.steps
        count = min(count, self.config.steps - before)
        if count < 1 or lifecycle.phase not in _STEPPABLE:
            return 0
        with self._ending_on_errors(), self._guard:
            if lifecycle.phase is SessionPhase.PREFLIGHT_OK:
                lifecycle.move(SessionTrigger.FIRST_STEP)
            self._take_steps(count)
        return lifecycle.steps - before

    def cancel(self, reason: str) -> None:
        """End the stepping before its bound; :meth:`stop` then cancels open orders and reconciles.

        Without effect once the session is ending.

        Args:
            reason: free text for the audit and the manifest; secrets in it are redacted.

        Raises:
            ConfigError: ``reason`` is no text.
        """
        if type(reason) is not str:
            raise ConfigError("reason", "must be text")
        if self._lifecycle.phase not in _STEPPABLE:
            return
        self._cancel = {"step": self._lifecycle.steps, "reason": clean_text(reason)}
        self._lifecycle.stop_reason = StopReason.CANCELLED
        with self._ending_on_errors(), self._guard:
            message = "a cancel was asked for"
            self._journal.audit(AuditLevel.WARN, AuditCode.CANCEL_REQUESTED, message, self._cancel)
            self._lifecycle.move(SessionTrigger.CANCELLED)

    def stop(self) -> DryrunResult:
        """End the session: cancel open orders, reconcile, write the closing entries.

        A session stopped before its bound counts as cancelled; one that ended before keeps its result.

        Returns:
            The outcome, whatever it is: a session that failed or was rejected raises nothing here.
        """
        lifecycle = self._lifecycle
        with self.resources:
            if lifecycle.steps < self.config.steps:
                self.cancel(STOPPED_EARLY)
            if not lifecycle.ended:
                with self._ending_on_errors():
                    with self._guard:
                        self._wind_down()
                    # one that session code swallowed
                    if self._guard.attempts:
                        raise NoLiveViolationError
            if not lifecycle.ended:
                self._close()
        return self.result()

    def result(self) -> DryrunResult:
        """Return the outcome as it stands now; that of an ended session is final."""
        lifecycle, journal, books = self._lifecycle, self._journal, self._execution.books()
        (reject_code, reject_reason), failure = lifecycle.rejection or (None, None), lifecycle.failure
        return DryrunResult(
            accepted=lifecycle.accepted,
            run_id=journal.run_id,
            strategy_id=journal.strategy_id,
            status=lifecycle.status,
            phase=lifecycle.phase,
            stop_reason=lifecycle.stop_reason,
            reject_code=reject_code,
            reject_reason=reject_reason,
            fail_code=failure.code if failure else None,
            fail_reason=failure.reason if failure else None,
            fail_meta=failure.meta if failure else {},
            steps=lifecycle.steps,
            events_emitted=journal.events_emitted,
            audit_events=journal.chain.entries,
            audit_last_hash=journal.chain.last_hash,
            sink_retries=journal.sink_retries,
            fills=self._execution.ledger.fills,
            position=books.position,
            cash=books.cash,
            equity=books.equity,
            dead_sinks=journal.dead_sinks,
            violated_late=lifecycle.violated_late,
        )

    def inputs(self) -> dict[str, Any]:
        """Return what came from outside the config, as the manifest keeps it."""
        return {
            "cancel": self._cancel,
            "clock_readings": [list(reading) for reading in self._clock.readings] if self._clock else None,
            "sink_failures": [[f.sink, f.call, list(f.errors)] for f in self._journal.sink_failures],
            "strategy_end": self._strategy_end,
        }

    def manifest(self, artifacts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the manifest of the session, given sha256, bytes and lines of each of its files."""
        config, market, chain = self.config, self._market, self._journal.chain
        imports = dict(self._source.imports) if self._source else {}
        return build_manifest(
            run_id=self._journal.run_id,
            strategy_id=self._journal.strategy_id,
            status=self._lifecycle.status.value,
            config=config.canonical(),
            market={"source": config.market.source, "sha256": market.sha256, "bars": market.bar_count},
            strategy={**config.strategy.model_dump(exclude={"params"}), "imports": imports},
            inputs=self.inputs(),
            artifacts=artifacts,
            audit={"entries": chain.entries, "last_hash": chain.last_hash},
        )

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _passes_preflight(self, facts: PreflightFacts) -> bool:
        """Audit each check up to the first that fails, which rejects the session."""
        for check in CHECKS:
            problem = check.problem(facts)
            meta: dict[str, Any] = {"check": check.name, "passed": problem is None}
            if check.code is RejectCode.NO_LIVE_GUARD and self._guard.layer != HOOK:
                meta["layer"] = self._guard.layer
            level = AuditLevel.INFO if problem is None else AuditLevel.WARN
            self._journal.audit(level, AuditCode.PREFLIGHT_CHECK, f"preflight check {check.name}", meta)
            if problem is not None:
                self._lifecycle.rejection = (check.code, clean_text(problem))
                self._close()
                return False
        return True

    def _announce(self) -> None:
        config, cash = self.config, self._execution.books().cash
        hashes = config.digest(), config.criteria.digest(), self._market.sha256
        start = EventKind.SESSION_START
        self._journal.event(start, config.clock_mode, *hashes, config.market.symbol, config.steps, cash)
        self._lifecycle.announced = True

    def _load_strategy(self) -> None:
        assert self._source is not None, "preflight lets no session pass without a strategy"
        market, params = self.config.market, MappingProxyType(self.config.strategy.params)
        seed = component_seed(self.config.seed, "strategy")
        settings = StrategySettings(seed, market.symbol, market.tick_size, market.lot_size, params)
        self._strategy = CheckedStrategy(self._source, settings)

    def _take_steps(self, count: int) -> None:
        """Take steps: each bar goes to the venue, then the strategy is asked, then its intents are carried out."""
        lifecycle, journal, clock, guard = self._lifecycle, self._journal, self._clock, self._guard
        execution, decide = self._execution, self._strategy.decide
        prices, write_tick = execution.prices, journal.emitter(EventKind.STRATEGY_TICK)
        every_tick, stands_still = self.config.tick_events == "every", self.config.clock_start is not None
        last = lifecycle.steps + count
        for bar in islice(self._bars, count):
            if not stands_still:
                journal.ts = clock.read() if clock else micros_text(bar.time)
            view = execution.on_bar(bar)
            intents, decision = decide(bar, view)
            if guard.attempts:
                raise NoLiveViolationError
            if intents or every_tick:
                write_tick(bar.bar_index, micros_text(bar.time), prices[bar.close], decision)
            if intents:
                execution.act(intents)
            lifecycle.steps += 1
        if lifecycle.steps < last:
            trip(Rail.BAR_COUNT, f"{self.config.steps} bars", f"{lifecycle.steps}")

    def _wind_down(self) -> None:
        """Read the last fills, cancel what is open, reconcile; what is then open or unknown needs the operator."""
        if self._source and self._source.finish:
            self._source.finish()
        if self._clock:
            self._journal.ts = self._clock.read()
        if self._lifecycle.stop_reason is None:
            self._lifecycle.stop_reason = StopReason.COMPLETED
            self._lifecycle.move(SessionTrigger.BOUND_REACHED)
        self._execution.book_last_fills()
        self._execution.cancel_open("session_stop")
        unresolved = self._execution.reconcile()
        if unresolved:
            reason = f"{unresolved} order(s) are open or of unknown outcome: ask the broker before anything else"
            self._lifecycle.fail(Failure(FailCode.UNKNOWN_OUTCOME, reason))

    def _close(self) -> None:
        with self._guard:
            self._lifecycle.close(self._execution.books(), self._counters)

    def _counters(self) -> dict[str, Any]:
        return {
            **self._execution.counters(),
            "safety_rail_trips_total": self._rail_trips,
            "no_live_attempts_total": self._guard.attempts,
            "orders_blocked_total": 0,
            "faults_injected_total": 0,
        }

    @contextmanager
    def _ending_on_errors(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._abort(error)
            if not isinstance(error, FOREIGN):
                raise

    def _abort(self, error: BaseException) -> None:
        """End a session that failed; of several failures the first one is its outcome."""
        with self._guard:
            bar_index = self._lifecycle.steps if self._lifecycle.phase is SessionPhase.DRYRUN_ACTIVE else None
            failure = self._lifecycle.fail(failure_of(error, self._guard.attempts, self._guard.tried, bar_index))
            if isinstance(error, StrategyEndedError) and failure.code is error.code:
                # 0 while it was made, else the bar that it was shown, from 1
                self._strategy_end = {"step": 0 if bar_index is None else bar_index + 1, "code": error.code.value}
            for act in (partial(self._record_error, error), partial(self._execution.cancel_open, "session_failed")):
                try:
                    act()
                except FOREIGN as second:
                    # that the audit sink is dead is recorded when closing
                    with suppress(SinkWriteError):
                        self._record_error(second, in_full=True)
            self._close()

    def _record_error(self, error: BaseException, *, in_full: bool = False) -> None:
        """Record a broken rail or a dead sink; ``in_full``: whatever else it is as well."""
        rail = broken_rail(error)
        if rail is not None:
            self._rail_trips += 1
            self._journal.event(EventKind.RAIL_TRIPPED, *rail.values())
            self._journal.audit(AuditLevel.ERROR, AuditCode.RAIL_TRIPPED, "a rail tripped", rail)
        elif isinstance(error, SinkWriteError):
            self._lifecycle.audit_dead_sink(error)
        elif in_full:
            meta = {"error": describe_exception(error)}
            self._journal.audit(AuditLevel.ERROR, FailCode.EXCEPTION, "while ending a failed session", meta)
