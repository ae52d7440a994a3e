"""Runs sessions in memory and checks what they write against the contract."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from c2lib.core.config import DryrunConfig
from c2lib.core.model import Bar, CancelIntent, OrderIntent, PositionView, Strategy, StrategySettings
from c2lib.core.states import SESSION_TABLE, STATUS_OF_PHASE, SessionPhase, SessionTrigger
from c2lib.session.orchestrator import LiveSessionOrchestrator
from c2lib.session.result import DryrunResult
from c2lib.session.session import DryrunSession
from tests.record.contract_check import checked_audit, checked_events, checked_metrics, checked_snapshots

ARTIFACTS = ("events", "snapshots", "audit", "metrics")
SECRET = "pass" + "word=hunter2hunter2"
SECRET_PART = "hunter2"

Answer = Sequence[OrderIntent | CancelIntent] | None


def config_of(**values: Any) -> DryrunConfig:
    """Return a small config, ``values`` in it."""
    return DryrunConfig(**{"strategy_id": "strat_demo", "run_id": "run_demo_001", "seed": 123, "steps": 12} | values)


def own_config(**values: Any) -> DryrunConfig:
    """Return a config that lets a strategy of one's own in."""
    return config_of(**{"strategy_id": "own", "strategy_allowlist": ("own",)} | values)


class Record:
    """Four lists, or other sinks, and what was written to them."""

    def __init__(self, **sinks: Any) -> None:
        self.sinks: dict[str, Any] = {name: sinks.get(name, []) for name in ARTIFACTS}

    def keywords(self) -> dict[str, Any]:
        """Return the sinks as the orchestrator takes them."""
        names = {"events": "event_sink", "snapshots": "state_sink", "audit": "audit_sink", "metrics": "metrics_sink"}
        return {names[name]: sink for name, sink in self.sinks.items()}

    def lines(self, name: str) -> list[str]:
        """Return the lines of one artifact."""
        sink = self.sinks[name]
        lines: list[str] = sink if isinstance(sink, list) else sink.lines
        return lines

    def bytes(self) -> dict[str, str]:
        """Return the text of each artifact."""
        return {name: "".join(self.lines(name)) for name in ARTIFACTS}

    def whole(self) -> str:
        """Return everything that was written anywhere."""
        return "".join(self.bytes().values())

    def events(self) -> list[dict[str, Any]]:
        """Return the events, each of which keeps the contract."""
        return checked_events(self.lines("events"))

    def payloads(self, kind: str) -> list[dict[str, Any]]:
        """Return the payloads of one kind of event."""
        return [event["payload"] for event in self.events() if event["event_type"] == kind]

    def mismatches(self) -> list[list[str]]:
        """Return what each reconciliation found."""
        return [payload["mismatches"] for payload in self.payloads("RECONCILED")]

    def snapshots(self) -> list[dict[str, Any]]:
        """Return the snapshots, each of which keeps the contract."""
        return checked_snapshots(self.lines("snapshots"))

    def audit(self) -> list[dict[str, Any]]:
        """Return the audit entries of a chain that holds."""
        return checked_audit(self.lines("audit"))

    def codes(self) -> list[str]:
        """Return the audit codes in order."""
        return [entry["code"] for entry in self.audit()]

    def metrics(self) -> dict[str, Any]:
        """Return the metrics object."""
        (value,) = checked_metrics(self.lines("metrics"))
        return value

    def keeps_the_contract(self) -> None:
        """Assert that whatever was written is in its form, and the phases' path allowed."""
        self.events()
        self.snapshots()
        checked_metrics(self.lines("metrics"))
        phases_of(self.audit())


def phases_of(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the phases that audit entries report, each move of which the table must have.

    An end that was written before a sink failed for good is replaced by the end that was written after.
    """
    phases = [SessionPhase.INIT]
    moves = [entry["meta"] for entry in entries if entry["code"] == "C2_PHASE_TRANSITION"]
    for number, move in enumerate(moves):
        before, after = SessionPhase(move["from"]), SessionPhase(move["to"])
        assert SESSION_TABLE[before, SessionTrigger(move["trigger"])] is after
        if number + 1 < len(moves) and moves[number + 1]["from"] == move["from"]:
            continue
        assert phases[-1] is before
        phases.append(after)
    return [phase.value for phase in phases]


def statuses_of(phases: Sequence[str]) -> list[str]:
    """Return the statuses that a path of phases shows, each once."""
    return list(dict.fromkeys(STATUS_OF_PHASE[SessionPhase(phase)].value for phase in phases))


def open_session(config: DryrunConfig | None = None, record: Record | None = None, **options: Any) -> DryrunSession:
    """Open a session; ``options`` go to the orchestrator."""
    override = options.pop("enabled_override_for_tests", False)
    orchestrator = LiveSessionOrchestrator(enabled_override_for_tests=override)
    return orchestrator.open(config or config_of(), **(record or Record()).keywords(), **options)


def run(config: DryrunConfig | None = None, record: Record | None = None, **options: Any) -> DryrunResult:
    """Open a session, take all its steps, stop it."""
    session = open_session(config, record, **options)
    session.run_n_steps(session.config.steps or 0)
    return session.stop()


class Scripted:
    """A strategy that does what a function of the bar and the view says."""

    def __init__(self, decide: Callable[[Bar, PositionView], Any]) -> None:
        self._decide = decide

    def on_bar(self, bar: Bar, view: PositionView) -> Any:
        """Return what the function says."""
        return self._decide(bar, view)


def deciding(decide: Callable[[Bar, PositionView], Any]) -> Callable[[StrategySettings], Strategy]:
    """Return the factory of a strategy that decides by a function."""
    return lambda settings: Scripted(decide)


def answering(answers: Mapping[int, Any]) -> Callable[[StrategySettings], Strategy]:
    """Return the factory of a strategy that gives these answers at these bars, and holds at the others."""
    return deciding(lambda bar, view: answers.get(bar.bar_index))


def acting(act: Callable[[], object], at: int = 1) -> Callable[[StrategySettings], Strategy]:
    """Return the factory of a strategy that does something at a bar, and holds."""

    def decide(bar: Bar, _view: PositionView) -> None:
        if bar.bar_index == at:
            act()

    return deciding(decide)


class MovingClock:
    """A clock that advances by a second per reading, or as its script says."""

    def __init__(self, *seconds: int) -> None:
        self._seconds = list(seconds)
        self._count = 0

    def now(self) -> datetime:
        """Return the next time."""
        second = self._seconds[min(self._count, len(self._seconds) - 1)] if self._seconds else self._count
        self._count += 1
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)


class Bars:
    """A market of bars given in Python."""

    def __init__(self, bars: Sequence[Bar], tick_size: str = "0.01") -> None:
        self._bars = bars
        self.tick_size = tick_size
        self.sha256 = "ab" * 32

    @property
    def bar_count(self) -> int:
        """How many bars there are."""
        return len(self._bars)

    @property
    def smallest_gap(self) -> int | None:
        """The least time between two bars."""
        return min((later.time - bar.time for bar, later in pairwise(self._bars)), default=None)

    def bars(self, count: int) -> Any:
        """Yield the first ``count`` bars."""
        return iter(self._bars[:count])


def flat_bars(*prices: int) -> Bars:
    """Return a market whose bars stand at one price each."""
    start = 1_767_225_600_000_000
    return Bars([Bar(i, start + i * 60_000_000, price, price, price, price, 10) for i, price in enumerate(prices)])


BUY, SELL = OrderIntent("BUY", 1), OrderIntent("SELL", 1)

STEPS = 12

BUSY = {0: [BUY, OrderIntent("BUY", 1, "LIMIT", limit_price=1)], 3: [SELL], 6: [BUY], 11: [SELL]}

FAILED = "ERROR_REQUIRES_OPERATOR"


def ending(result: Any) -> tuple[str, str | None]:
    """Return where a session ended and with what code."""
    return result.phase.value, result.fail_code.value if result.fail_code else None


def raising(error: BaseException) -> Callable[[], object]:
    """Return what raises an error."""

    def act() -> None:
        raise error

    return act
