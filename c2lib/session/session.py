"""One dry run: opened, stepped, stopped.

Rules kept here:

* snapshot-only: the number of steps is bounded when the session opens, and nothing here loops past it;
* how the steps are cut up changes no byte, and neither does asking twice;
* whatever foreign code raises ends the session in an end state with a code; nothing is swallowed; an interrupt from
  the keyboard does the same and goes on its way, since half a step cannot be continued;
* the NO-LIVE guard is active while session code runs, and only then.

See :class:`c2lib.session.orchestrator.LiveSessionOrchestrator` for a runnable example.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from c2lib.core.canon import component_seed
from c2lib.core.clock import ClockReader, micros_text
from c2lib.core.config import SealedConfig
from c2lib.core.errors import C2Error, ConfigError, NoLiveViolationError, SinkWriteError, StrategyError
from c2lib.core.model import Bar, MarketData, Strategy, StrategySettings
from c2lib.core.redaction import FOREIGN, clean_text, describe_exception
from c2lib.core.states import SessionPhase, SessionTrigger
from c2lib.core.vocabulary import AuditCode, AuditLevel, EventKind, FailCode, StopReason
from c2lib.record.journal import Journal
from c2lib.session.execution import Dealer
from c2lib.session.lifecycle import Books, Failure, Lifecycle, Rejection, failure_of
from c2lib.session.nolive import NoLiveGuard
from c2lib.session.preflight import CHECKS, PreflightFacts, audit_meta
from c2lib.session.rails import Rail, broken_rail, trip
from c2lib.session.result import DryrunResult, result_of
from c2lib.session.strategy import HOLD, AnswerReader, StrategyFactory, StrategySource, Wanted

STOPPED_EARLY = "stopped before the bound"

_STEPPABLE = (SessionPhase.PREFLIGHT_OK, SessionPhase.DRYRUN_ACTIVE)


class DryrunSession:
    """A session made by :meth:`LiveSessionOrchestrator.open`; a context manager that stops on leaving."""

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
        self._steps_planned = config.steps
        self._journal = journal
        self._market = market
        self._bars: Iterator[Bar] = iter(())
        self._clock = clock
        self._source = source
        self._life = Lifecycle(journal, config.seed)
        self._desk = Desk(config, journal)
        self._guard = guard
        self._cancel: dict[str, Any] | None = None
        self._rail_trips = 0

    @property
    def phase(self) -> SessionPhase:
        """What the session is doing."""
        return self._life.phase

    @property
    def steps(self) -> int:
        """Steps made."""
        return self._life.steps

    def begin(self, *, has_audit_sink: bool, enabled_override: bool) -> None:
        """Open the record, ask the gates and announce the session; called once, by the orchestrator, under the guard.

        Raises :class:`ConfigError` when the market has no bar, and whatever reading its first bar raises.
        """
        first = next(iter(self._market.bars(1)), None)
        self._bars = iter(self._market.bars(self._steps_planned))
        if first is None:
            raise ConfigError("market", "has no bars")
        started_ts = self._clock.text if self._clock else micros_text(first.time)
        with self._ending_on_errors():
            self._life.open(started_ts, enabled=self.config.enabled)
            if self.config.enabled and enabled_override:
                message = "the gate to live trading was overridden by a test: no evidence of a PASS"
                self._journal.audit(AuditLevel.WARN, AuditCode.LIVE_GATE_OVERRIDDEN, message)
            if self._passes_preflight(has_audit_sink, enabled_override):
                self._life.move(SessionTrigger.PREFLIGHT_PASSED)
                self._announce()
                self._load_strategy()
                self._check_attempts()

    def step(self) -> bool:
        """Take one step; return whether there was one to take."""
        return self.run_n_steps(1) == 1

    def run_n_steps(self, count: int) -> int:
        """Take up to ``count`` steps, never past the bound; return how many were taken."""
        if type(count) is not int or count < 0:
            raise ConfigError("count", "must be a whole number, 0 or more")
        life = self._life
        before = life.steps
        count = min(count, self._steps_planned - before)
        if count < 1 or life.phase not in _STEPPABLE:
            return 0
        with self._ending_on_errors(), self._guard:
            if life.phase is SessionPhase.PREFLIGHT_OK:
                life.move(SessionTrigger.FIRST_STEP)
            self._take_steps(count)
        return life.steps - before

    def cancel(self, reason: str) -> None:
        """Ask the session to end before its bound; without effect once it is ending."""
        if type(reason) is not str:
            raise ConfigError("reason", "must be text")
        if self._life.phase not in _STEPPABLE:
            return
        self._cancel = {"step": self._life.steps, "reason": clean_text(reason)}
        self._life.stop_reason = StopReason.CANCELLED
        with self._ending_on_errors(), self._guard:
            message = "a cancel was asked for"
            self._journal.audit(AuditLevel.WARN, AuditCode.CANCEL_REQUESTED, message, self._cancel)
            self._life.move(SessionTrigger.CANCELLED)

    def stop(self) -> DryrunResult:
        """End the session and return its result; a session that ended before keeps its result."""
        if self._life.steps < self._steps_planned:
            self.cancel(STOPPED_EARLY)
        if not self._life.ended:
            with self._ending_on_errors():
                with self._guard:
                    self._wind_down()
                self._check_attempts()
        if not self._life.ended:
            self._close(SessionTrigger.CLOSED)
        return self.result()

    def result(self) -> DryrunResult:
        """Return where the session stands."""
        return result_of(self._life, self._journal, self._desk.books(), self._desk.dealer.ledger.fills)

    def inputs(self) -> dict[str, Any]:
        """Return what came from outside the config, as the manifest keeps it."""
        return {
            "cancel": self._cancel,
            "clock_readings": [list(reading) for reading in self._clock.readings] if self._clock else None,
            "sink_failures": [[f.sink, f.call, list(f.errors)] for f in self._journal.sink_failures],
        }

    def strategy_facts(self) -> dict[str, Any]:
        """Return what the manifest says of the strategy."""
        return self._source.facts() if self._source else {"origin": None, "sha256": None}

    def market_facts(self) -> dict[str, Any]:
        """Return what the manifest says of the market."""
        market = self._market
        return {"source": self.config.market.source, "sha256": market.sha256, "bars": market.bar_count}

    def __enter__(self) -> DryrunSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextmanager
    def _ending_on_errors(self) -> Iterator[None]:
        try:
            yield
        except FOREIGN as error:
            self._abort(error)
        except BaseException as error:
            self._abort(error)
            raise

    def _passes_preflight(self, has_audit_sink: bool, enabled_override: bool) -> bool:
        facts = PreflightFacts(self.config, self._source is not None, has_audit_sink, self._guard, enabled_override)
        for check in CHECKS:
            problem = check.look(facts)
            meta = audit_meta(check, problem, self._guard)
            level = AuditLevel.INFO if problem is None else AuditLevel.WARN
            self._journal.audit(level, AuditCode.PREFLIGHT_CHECK, f"preflight check {check.name}", meta)
            if problem is not None:
                self._life.rejection = Rejection(check.code, clean_text(problem))
                self._close(SessionTrigger.PREFLIGHT_REJECTED)
                return False
        return True

    def _announce(self) -> None:
        config, books = self.config, self._desk.books()
        self._journal.event(
            EventKind.SESSION_START,
            config.clock_mode,
            config.sha256(),
            config.criteria.sha256(),
            self._market.sha256,
            config.market.symbol,
            self._steps_planned,
            books.cash,
        )
        self._life.announced = True

    def _load_strategy(self) -> None:
        assert self._source is not None, "preflight lets no session pass without a strategy"
        market = self.config.market
        seed = component_seed(self.config.seed, "strategy")
        settings = StrategySettings(seed, market.symbol, market.tick_size, market.lot_size)
        self._desk.load_strategy(self._source.factory, settings)

    def _take_steps(self, count: int) -> None:
        life, journal, clock, guard, on_bar = self._life, self._journal, self._clock, self._guard, self._desk.on_bar
        last = life.steps + count
        for bar in islice(self._bars, count):
            journal.ts = clock.read() if clock else micros_text(bar.time)
            on_bar(bar)
            if guard.attempts:
                self._check_attempts()
            life.steps += 1
        if life.steps < last:
            trip(Rail.BAR_COUNT, f"{self._steps_planned} bars", f"{life.steps}")

    def _check_attempts(self) -> None:
        attempts = self._guard.attempts
        if attempts:
            raise NoLiveViolationError(f"session code tried {attempts} time(s) to leave the process")

    def _wind_down(self) -> None:
        if self._clock:
            self._journal.ts = self._clock.read()
        if self._life.stop_reason is None:
            self._life.stop_reason = StopReason.COMPLETED
            self._life.move(SessionTrigger.BOUND_REACHED)
        self._desk.dealer.book_fills()
        self._desk.dealer.cancel_open("session_stop")
        unknown = self._desk.dealer.unknown_outcomes(self._desk.dealer.reconcile())
        if unknown:
            reason = f"the outcome of {len(unknown)} order(s) is unknown: ask the broker before anything else"
            self._life.fail(Failure(FailCode.UNKNOWN_OUTCOME, reason, SessionTrigger.OUTCOME_UNKNOWN))

    def _abort(self, error: BaseException) -> None:
        parts: tuple[Callable[[], None], ...] = (
            lambda: self._tell(error),
            lambda: self._desk.dealer.cancel_open("session_failed"),
        )
        with self._guard:
            self._life.fail(failure_of(error, self._guard.attempts))
            for part in parts:
                try:
                    part()
                except FOREIGN as second:  # the failure that ends the session is the first one; this one is noted
                    self._note_second(second)
            self._close(SessionTrigger.EXCEPTION_RAISED)

    def _tell(self, error: BaseException) -> None:
        rail = broken_rail(error)
        if rail is not None:
            self._rail_trips += 1
            self._journal.event(EventKind.RAIL_TRIPPED, *rail)
            self._journal.audit(AuditLevel.ERROR, AuditCode.RAIL_TRIPPED, "a rail tripped", rail._asdict())
        elif isinstance(error, SinkWriteError):
            self._life.tell_sink_death(error)

    def _note_second(self, error: BaseException) -> None:
        try:
            if isinstance(error, SinkWriteError):
                self._life.tell_sink_death(error)
            else:
                meta = {"error": describe_exception(error)}
                self._journal.audit(AuditLevel.ERROR, FailCode.EXCEPTION, "while ending a failed session", meta)
        except SinkWriteError:
            # the audit sink is dead, and closing will say so
            return

    def _close(self, trigger: SessionTrigger) -> None:
        with self._guard:
            self._life.close(trigger, self._desk.books(), self._counters)

    def _counters(self) -> dict[str, Any]:
        return {
            **self._desk.dealer.counters(),
            "safety_rail_trips_total": self._rail_trips,
            "no_live_attempts_total": self._guard.attempts,
        }


_NOTHING = Wanted((), HOLD)


class Desk:
    """Strategy and dealer of one session."""

    def __init__(self, config: SealedConfig, journal: Journal) -> None:
        self.dealer = Dealer(config, journal)
        self._texts = self.dealer.texts
        self._every_tick = config.tick_events == "every"
        self._write_tick = journal.emitter(EventKind.STRATEGY_TICK)
        self._strategy: Strategy
        self._answers = AnswerReader()
        self._mark: int | None = None

    def load_strategy(self, factory: StrategyFactory, settings: StrategySettings) -> None:
        """Make the strategy that decides from the first bar on."""
        try:
            self._strategy = factory(settings)
        except C2Error as error:
            raise _in_the_strategys_mouth(error) from error

    def on_bar(self, bar: Bar) -> None:
        """Take one step."""
        dealer = self.dealer
        view = dealer.on_bar(bar)
        self._mark = bar.close
        try:
            answer = self._strategy.on_bar(bar, view)
        except C2Error as error:
            raise _in_the_strategys_mouth(error) from error
        intents, decision = _NOTHING if answer is None else self._answers.read(answer)
        if intents or self._every_tick:
            self._write_tick(bar.bar_index, micros_text(bar.time), self._texts.prices[bar.close], decision)
        if intents:
            dealer.act(intents)

    def books(self) -> Books:
        """Return position and money as the last event says them."""
        ledger, texts, mark = self.dealer.ledger, self._texts, self._mark
        return Books(
            texts.quantities[ledger.position],
            texts.money[ledger.cash],
            None if mark is None else texts.prices[mark],
            texts.money[ledger.equity(mark)],
        )


def _in_the_strategys_mouth(error: C2Error) -> StrategyError:
    return StrategyError(f"the strategy raised {describe_exception(error)}")
