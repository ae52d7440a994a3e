"""Runs of every kind that c2lib makes, by number: what a run is made of follows from its number alone."""

import contextlib
import copy
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from c2lib.core.canon import sha256_hex
from c2lib.core.errors import NoLiveViolationError
from c2lib.core.model import Bar, CancelIntent, OrderIntent, PositionView, StrategySettings
from c2lib.session.nolive import NoLiveGuard
from c2lib.session.session import DryrunSession
from c2lib.session.strategy import StrategySource
from tests.session.harness import Bars
from tests.witness.sample_runs import AUDIT, EVENTS, METRICS, SNAPSHOTS, Run, make_run

TEXTS = ("größer", "e\u0301", '"quoted" \\ and\nmore', "\u2028\x07", "中文 😀", "mean reversion", "")
SECRET = "pass" + "word=hunter2hunter2"
KINDS, TIMES_IN_FORCE = ("MARKET", "LIMIT", "STOP", "STOP_LIMIT"), ("GTC", "IOC", "FOK", "DAY")
STEPS = 20
SOURCE = Path(__file__).read_bytes()


def leave() -> None:
    """Try to leave the process and swallow the refusal."""
    with contextlib.suppress(NoLiveViolationError):
        socket.socket().close()


class Drawn:
    """Places and cancels orders of every kind near the close, at random."""

    most = 60
    """Lots of its largest order."""

    def __init__(self, settings: StrategySettings) -> None:
        self._random = random.Random(settings.seed)

    def on_bar(self, bar: Bar, view: PositionView) -> Any:
        """Return up to three orders and perhaps a cancel."""
        draw = self._random
        intents: list[OrderIntent | CancelIntent] = []
        if view.open_orders and draw.random() < 0.3:
            names = [order.client_order_id for order in view.open_orders]
            intents.append(CancelIntent(draw.choice((*names, "c-999999"))))
        for _ in range(draw.choice((0, 0, 1, 2, 3))):
            kind = draw.choice(KINDS)
            limit = max(1, bar.close + draw.randint(-8, 8)) if "LIMIT" in kind else None
            stop = max(1, bar.close + draw.randint(-8, 8)) if "STOP" in kind else None
            tag = draw.choice((None, *TEXTS, SECRET))
            side, quantity, held = draw.choice(("BUY", "SELL")), draw.randint(1, self.most), draw.choice(TIMES_IN_FORCE)
            intents.append(OrderIntent(side, quantity, kind, limit, stop, held, tag))
        return tuple(intents) if draw.random() < 0.5 else intents


class Raising(Drawn):
    """Raises on its sixth bar."""

    def on_bar(self, bar: Bar, view: PositionView) -> Any:
        """Act, then raise."""
        if bar.bar_index == 5:
            raise ValueError(f"keine Ahnung\n größer e\u0301 {SECRET}")
        return super().on_bar(bar, view)


class RaisingAtOnce(Drawn):
    """Raises on its first bar."""

    def on_bar(self, bar: Bar, view: PositionView) -> Any:
        """Raise."""
        raise KeyError("at once")


class NeverMade(Drawn):
    """Raises when it is made."""

    def __init__(self, settings: StrategySettings) -> None:
        raise RuntimeError("not today")


class Talking(Drawn):
    """Answers with something that is no list of intents."""

    def on_bar(self, bar: Bar, view: PositionView) -> Any:
        """Act, then answer nonsense."""
        return "BUY" if bar.bar_index == 4 else super().on_bar(bar, view)


class Leaving(Drawn):
    """Tries to leave the process, twice, and swallows that."""

    def on_bar(self, bar: Bar, view: PositionView) -> Any:
        """Act, then try."""
        if bar.bar_index == 3:
            leave()
            leave()
        return super().on_bar(bar, view)


class LeavingAtOnce(Drawn):
    """Tries to leave the process when it is made."""

    def __init__(self, settings: StrategySettings) -> None:
        super().__init__(settings)
        leave()


class TooLarge(Drawn):
    """Buys more than its cash can pay, after a while."""

    def on_bar(self, bar: Bar, view: PositionView) -> Any:
        """Act, then buy."""
        return [OrderIntent("BUY", 2**40)] if bar.bar_index == 6 else super().on_bar(bar, view)


class Clock:
    """A clock that goes on by the seconds of its script, then stands; what is no number is returned or raised."""

    def __init__(self, *script: Any) -> None:
        self._script = script
        self._now = datetime(2026, 1, 1, tzinfo=UTC)
        self._at = 0

    def now(self) -> Any:
        """Return the next time."""
        step = self._script[self._at] if self._at < len(self._script) else 0
        self._at += 1
        if isinstance(step, BaseException):
            raise step
        if not isinstance(step, int | float):
            return step
        self._now += timedelta(seconds=step)
        return self._now


class FewerBars(Bars):
    """A market that has fewer bars than it says."""

    def bars(self, count: int) -> Any:
        """Yield some of the bars."""
        return iter(self._bars[: min(count, 7)])


def bars(draw: random.Random, kind: type[Bars] = Bars) -> Bars:
    """Return a market of random bars on a grid of 0.0001."""
    made, close, time = [], 10_000, 1_767_225_600_000_000
    for index in range(STEPS + draw.randint(0, 3)):
        opened, close = close, max(50, close + draw.randint(-30, 30))
        high, low = max(opened, close) + draw.randint(0, 9), max(1, min(opened, close) - draw.randint(0, 9))
        made.append(Bar(index, time, opened, high, low, close, draw.randint(0, 500)))
        time += draw.choice((60_000_000, 3_600_000_000, 90_061_000_001))
    return kind(made, "0.0001")


def all_steps(session: DryrunSession) -> None:
    """Take every step."""
    session.run_n_steps(STEPS)


def cancelling(steps: int) -> Callable[[DryrunSession], None]:
    """Return what cancels a session after so many steps."""

    def drive(session: DryrunSession) -> None:
        session.run_n_steps(steps)
        session.cancel(f"genug für heute e\u0301 {SECRET}")

    return drive


def stopping(session: DryrunSession) -> None:
    """Take a few steps, one by one, and leave the rest."""
    for _ in range(9):
        session.step()


@dataclass(frozen=True)
class Course:
    """How a session goes: its strategy, who drives it, and what else is given to it."""

    strategy: type[Drawn] | None = Drawn
    drive: Callable[[DryrunSession], object] = all_steps
    clock: Callable[[], Any] | None = None
    data: type[Bars] | None = None
    leaking: Mapping[str, int] = field(default_factory=dict)
    refusal: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    fail_code: str | None = None
    reject_code: str | None = None
    publishable: bool = True
    """Whether the app publishes such a run; the others are what the runbook's call leaves in sinks of its own."""


def rejected(code: str, **values: Any) -> Course:
    """Return a course that preflight ends."""
    return Course(values=values, reject_code=f"C2_REJECT_{code}")


NO_BOUND = {"participation": None, "rate_limit": None, "reject_rate": "0", "latency_steps": 0}
EXCEPTION, INVARIANT, NO_LIVE = "C2_ABORT_EXCEPTION", "C2_ABORT_INVARIANT", "C2_ABORT_NO_LIVE_VIOLATION"
NAIVE = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)

COURSES: Mapping[str, Course] = {
    "completed": Course(),
    "built-in": Course(None, values={"strategy_id": "strat_demo"}),
    "built-in, few steps": Course(None, values={"strategy_id": "sma_cross", "steps": 1}),
    "bars given in Python": Course(data=Bars),
    "cancelled": Course(drive=cancelling(7)),
    "cancelled at once": Course(drive=cancelling(0)),
    "cancelled after its last step": Course(drive=cancelling(STEPS)),
    "stopped early": Course(drive=stopping),
    "gate overridden": Course(values={"enabled": True}),
    "raises": Course(Raising, fail_code=EXCEPTION),
    "raises at once": Course(RaisingAtOnce, fail_code=EXCEPTION),
    "raises when made": Course(NeverMade, fail_code=EXCEPTION),
    "answers nonsense": Course(Talking, fail_code=EXCEPTION),
    "clock raises": Course(clock=lambda: Clock(0, 0, 1, OSError("no time")), fail_code=EXCEPTION),
    "clock raises at the end": Course(clock=lambda: Clock(*[1] * (STEPS + 1), OSError("x")), fail_code=EXCEPTION),
    "clock goes back": Course(clock=lambda: Clock(0, 2, 2, -1), fail_code=INVARIANT),
    "clock without a zone": Course(clock=lambda: Clock(0, 2, NAIVE), fail_code=INVARIANT),
    "clock goes back in a cancelled session": Course(
        drive=cancelling(2), clock=lambda: Clock(0, 2, 2, -1), fail_code=INVARIANT
    ),
    "fewer bars": Course(data=FewerBars, fail_code=INVARIANT),
    "too large": Course(TooLarge, values={"broker": NO_BOUND}),
    "leaves": Course(Leaving, fail_code=NO_LIVE),
    "leaves when made": Course(LeavingAtOnce, fail_code=NO_LIVE),
    "a sink leaves": Course(leaking={EVENTS: 9}, fail_code=NO_LIVE),
    "a sink leaves while closing": Course(leaking={METRICS: 0}, fail_code=NO_LIVE, publishable=False),
    "no run_id": Course(values={"run_id": " "}, reject_code="C2_REJECT_MISSING_RUN_ID", publishable=False),
    "no strategy_id": rejected("MISSING_STRATEGY_ID", strategy_id=" "),
    "enabled": rejected("LIVE_ENABLED", enabled=True),
    "empty allowlist": rejected("ALLOWLIST_MISSING", strategy_allowlist=()),
    "no allowlist": rejected("ALLOWLIST_MISSING", strategy_allowlist=None),
    "malformed allowlist": rejected("ALLOWLIST_MALFORMED", strategy_allowlist=("own", "größer")),
    "not allowed": rejected("STRATEGY_NOT_ALLOWED", strategy_id="größer"),
    "unknown strategy": Course(
        None,
        values={"strategy_id": "nobody", "strategy_allowlist": ("nobody",)},
        reject_code="C2_REJECT_UNKNOWN_STRATEGY",
    ),
    "live broker": rejected("BROKER_NOT_MOCK", broker={"kind": "größer"}),
    "too many retries": rejected("BAD_RETRY_CONFIG", max_sink_retries=101),
    "negative retries": rejected("BAD_RETRY_CONFIG", max_sink_retries=-1),
    "secret symbol": rejected("SECRET_IN_CONFIG", market={"symbol": "ghp_" + "0123456789abcdefABCD" * 2}),
    "secret in the broker": rejected("BROKER_NOT_MOCK", broker={"kind": SECRET}),
    "secret strategy": rejected("STRATEGY_NOT_ALLOWED", strategy_id=SECRET),
    "no namespace": Course(refusal="the kernel has none: größer", reject_code="C2_REJECT_NO_LIVE_GUARD"),
    "hook alone": rejected("NO_LIVE_GUARD", no_live_required="namespace"),
}
"""Every way in which a session can go, by name."""

VARIANTS = 4
"""How often each course is run, everything else drawn anew."""


@cache
def _generated(name: str, variant: int) -> Run:
    course, draw = COURSES[name], random.Random(f"{name} {variant}")
    values: dict[str, Any] = {
        "strategy_id": "own",
        "strategy_allowlist": ("own", "strat_demo", "sma_cross"),
        "steps": STEPS,
        "seed": draw.choice((0, 7, -3, 2**53 - 1)),
        "tick_events": draw.choice(("every", "decisions")),
        "max_sink_retries": draw.choice((0, 2)),
    }
    guard: Any = None
    if course.refusal or (draw.random() < 0.3 and "no_live_required" not in course.values):
        values["no_live_required"] = "namespace"
        guard = lambda: NoLiveGuard("namespace", course.refusal)  # noqa: E731 - a guard is made for the session
    clock = course.clock() if course.clock else _clock(draw, values)
    values |= {**course.values, "broker": _broker(draw) | course.values.get("broker", {})}
    values["market"] = _market(draw) | course.values.get("market", {})
    data = bars(draw, course.data) if course.data else None
    if data:
        values["market"] = {"source": "file", "lot_size": draw.choice(("1", "0.01"))}
    strategy: Any = course.strategy
    if course.reject_code and draw.random() < 0.5:
        # a run of a built-in strategy can be executed again by whoever has it
        strategy, values["strategy_id"] = None, values["strategy_id"].replace("own", "strat_demo")
    if strategy and draw.random() < 0.5:
        values["keep_strategy"] = draw.random() < 0.7
        imports = draw.choice(({}, {"numpy": "2.1.0", "größer": None}))
        strategy = StrategySource("file", strategy.__name__, sha256_hex(SOURCE), strategy, SOURCE, imports)
    params: dict[str, Any] | None = None
    if strategy:
        params = draw.choice(({}, {"fast": 3, "on": True, "share": "0.5", "text": "größer"}))
    return make_run(
        course.drive,
        strategy=strategy,
        params=params,
        clock=clock,
        data=data,
        guard=guard,
        failing=_failing(draw) if values["max_sink_retries"] == 2 else None,
        leaking=course.leaking,
        enabled_override="gate" in name,
        **values,
    )


def _clock(draw: random.Random, values: dict[str, Any]) -> Any:
    mode = values["clock_mode"] = draw.choice(("fixed", "fixed", "market", "injected"))
    if mode == "injected":
        return Clock(*[draw.choice((0, 0, 1, 0.5, 0.000001, 3600)) for _ in range(STEPS + 5)])
    if mode == "fixed" and draw.random() < 0.5:
        values["clock_start"] = "2024-02-29T23:59:59.000001+01:00"
    return None


def _broker(draw: random.Random) -> dict[str, Any]:
    return {
        "initial_cash": "100000000.5",
        "maker_fee_rate": draw.choice(("0", "0.00007")),
        "taker_fee_rate": draw.choice(("0", "0.0002")),
        "slippage_ticks": draw.choice((0, 3)),
        "latency_steps": draw.choice((0, 0, 1, 3)),
        "participation": draw.choice((None, "0.05", "1")),
        "reject_rate": draw.choice(("0", "0.2")),
        "touch_fills": draw.random() < 0.5,
        "rate_limit": draw.choice((None, {"burst": 2, "per_second": "0.0001"})),
        "max_retries": draw.choice((0, 2)),
    }


def _market(draw: random.Random) -> dict[str, Any]:
    return {
        "symbol": draw.choice(("SYNTH", "EUR/USD", "BTC-PERP.1")),
        "tick_size": draw.choice((None, "0.05", "0.00000001")),
        "lot_size": draw.choice(("1", "0.25")),
        "synthetic": {"interval_seconds": draw.choice((60, 18_000, 86_400))},
    }


def _failing(draw: random.Random) -> dict[str, Sequence[int]]:
    """Return calls that fail, of each sink: now one, now two in a row, never three."""
    gaps = [draw.choice((4, 5, 9)) for _ in range(4)]
    return {
        name: sorted({call + more for call in range(gap, 200, gap) for more in range(draw.choice((1, 2)))})
        for name, gap in zip((EVENTS, SNAPSHOTS, AUDIT, METRICS), gaps, strict=True)
    }


def generated_run(name: str, variant: int) -> Run:
    """Return a copy of a run."""
    return copy.deepcopy(_generated(name, variant))
