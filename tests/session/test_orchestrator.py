import hashlib
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from c2lib.core.config import seal
from c2lib.core.errors import ConfigError, InputError, MarketDataError
from c2lib.core.model import Bar
from c2lib.market.synthetic import SyntheticWalk
from c2lib.session.clocks import FixedClock
from c2lib.session.orchestrator import LiveSessionOrchestrator
from c2lib.session.strategy import StrategySource
from tests.session.golden import GOLDEN_SHA256
from tests.session.harness import (
    SECRET,
    SECRET_PART,
    Bars,
    MovingClock,
    Record,
    Scripted,
    answering,
    config_of,
    flat_bars,
    open_session,
    own_config,
    run,
)

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - a naive time is the point


class Own:
    """The least that a custom sink can be."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, line: str) -> None:
        """Keep a line."""
        self.text += line


class Answering:
    """A clock that answers one thing, or raises it."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def now(self) -> Any:
        """Return the answer."""
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer


RUNBOOK_CALL = """
from c2lib import DryrunConfig, LiveSessionOrchestrator

cfg = DryrunConfig(strategy_id="strat_demo", run_id=run_id, seed=123, clock_mode="fixed", max_sink_retries=0)
orch = LiveSessionOrchestrator()
res = orch.run_dryrun(cfg, clock=clock, event_sink=ev_f, state_sink=st_f, metrics_sink=m_f, audit_sink=a_f)
"""


@pytest.mark.parametrize("kind", ["handles", "lists", "own"])
def test_runbook_call_runs(kind: str, tmp_path: Path) -> None:
    """The runbook's call runs with only its import line changed, into handles, lists or custom sinks."""
    sinks: list[Any] = [Own() for _ in range(4)]
    if kind == "handles":
        sinks = [(tmp_path / name).open("w", encoding="utf-8", newline="") for name in "abcd"]
    elif kind == "lists":
        sinks = [[], [], [], []]
    clock = Answering(datetime(2026, 1, 1, tzinfo=UTC))
    names: dict[str, Any] = dict(zip(("ev_f", "st_f", "a_f", "m_f"), sinks, strict=True))
    names |= {"run_id": "run_demo_001", "clock": clock}
    exec(RUNBOOK_CALL, names)
    res = names["res"]
    assert (res.accepted, res.status.value, res.run_id) == (True, "COMPLETED", "run_demo_001")
    assert (res.reject_code, res.fail_code) == (None, None)
    if kind == "handles":
        for sink in sinks:
            sink.close()
        texts = [(tmp_path / name).read_text(encoding="utf-8") for name in "abcd"]
    else:
        texts = [sink.text if isinstance(sink, Own) else "".join(sink) for sink in sinks]
    assert [hashlib.sha256(text.encode()).hexdigest() for text in texts] == list(GOLDEN_SHA256.values())


def test_clean_run_has_three_snapshots() -> None:
    """A clean run writes exactly three snapshots: INIT, RUNNING and COMPLETED."""
    record = Record()
    run(config_of(), record)
    assert [snapshot["status"] for snapshot in record.snapshots()] == ["INIT", "RUNNING", "COMPLETED"]
    assert [snapshot["phase"] for snapshot in record.snapshots()] == ["INIT", "DRYRUN_ACTIVE", "STOPPED"]
    assert record.snapshots()[-1]["meta"] == {"stop_reason": "completed"}
    record.keeps_the_contract()


def test_empty_strategy_id_is_rejected() -> None:
    """An empty strategy_id is rejected as MISSING_STRATEGY_ID with exactly one event."""
    record = Record()
    result = run(config_of(strategy_id=""), record)
    assert result.reject_code == "C2_REJECT_MISSING_STRATEGY_ID"
    assert [event["event_type"] for event in record.events()] == ["REJECTED"]


def test_run_equals_its_steps() -> None:
    """run_dryrun gives the same result and bytes as open, all steps and stop in order."""
    whole, cut = Record(), Record()
    result = LiveSessionOrchestrator().run_dryrun(config_of(), **whole.keywords())
    assert run(config_of(), cut) == result
    assert whole.bytes() == cut.bytes()


def test_synthetic_walk_is_default() -> None:
    """Without a market the synthetic walk gives the bars, 64 at most, and event 0 records the walk's hash."""
    record, config = Record(), seal(config_of(steps=None))
    result = run(config, record)
    walk = SyntheticWalk(123, config.market.synthetic, "0.01", "1", 64)
    assert [tick["close"] for tick in record.payloads("STRATEGY_TICK")] == [
        config.grid().price_text(bar.close) for bar in walk.bars(64)
    ]
    assert record.payloads("SESSION_START")[0]["market_sha256"] == walk.sha256
    assert result.steps == 64


def test_market_object_brings_its_facts() -> None:
    """A market object brings its bars, tick size and hash, and steps left out mean all of its bars."""
    record = Record()
    session = open_session(own_config(steps=None), record, market=flat_bars(100, 101), strategy=answering({}))
    session.run_n_steps(99)
    assert session.stop().steps == 2
    manifest = session.manifest({})
    assert manifest["market"] == {"source": "file", "sha256": "ab" * 32, "bars": 2}
    assert manifest["strategy"] == {"origin": "object", "class_name": None, "sha256": None, "imports": {}}
    assert [tick["close"] for tick in record.payloads("STRATEGY_TICK")] == ["1", "1.01"]


def lying(**facts: Any) -> Bars:
    """Return a market that says something else of itself."""
    market = flat_bars(100, 101)
    for name, value in facts.items():
        setattr(market, name, value)
    return market


class Broken(Bars):
    """A market whose bars cannot be read."""

    def bars(self, count: int) -> Any:
        """Raise."""
        raise MarketDataError("bars.csv", 3, "is damaged")


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ({"steps": 3}, {"market": flat_bars(100, 101)}, "steps: 3 steps, but the market file has 2 bars"),
        ({"steps": None}, {"market": flat_bars()}, "steps: "),
        ({"steps": 1}, {"market": lying(bars=lambda count: iter(()))}, "market: has no bars"),
        ({"steps": 1}, {"market": lying(sha256='x","forged":"')}, "market.file_sha256: "),
        ({"steps": 1}, {"market": lying(tick_size="wide")}, "market.tick_size: "),
        ({"steps": 1}, {"market": lying(tick_size="0.010")}, "market.tick_size: is 0.01, but the market given"),
        ({"steps": 1, "market": {"tick_size": "0.5"}}, {"market": flat_bars(100)}, "market.tick_size: is 0.5, but"),
        ({"steps": 1}, {"market": Broken([])}, "steps: "),
        ({"market": {"source": "file"}}, {}, "market.source: "),
        ({}, {"strategy": Scripted(lambda bar, view: None)}, "strategy: must be a class or factory"),
        ({}, {"clock": 5}, r"clock: int has no \.now\(\)"),
        ({}, {"clock": Answering(NAIVE)}, r"clock: \.now\(\) must answer an aware datetime"),
        ({}, {"clock": Answering("2026-01-01")}, r"clock: \.now\(\) must answer an aware datetime"),
        ({}, {"clock": Answering(OSError(SECRET))}, r"clock: \.now\(\) raised OSError: \[REDACTED:assignment\]"),
        ({"clock_mode": "injected"}, {}, "clock_mode: 'injected' needs a clock"),
        ({"clock_mode": "market"}, {"clock": FixedClock("2026-01-01T00:00:00Z")}, "clock_mode: 'market' takes"),
        ({"clock_start": "2026-01-01T00:00:00Z"}, {"clock": MovingClock()}, "clock_start: only the built-in"),
    ],
)
def test_malformed_input_writes_nothing(values: dict[str, Any], options: dict[str, Any], message: str) -> None:
    """Malformed input raises an error that names the field and shows no secret, and nothing is written."""
    record = Record()
    with pytest.raises(ConfigError, match=f"^{message}") as caught:
        open_session(config_of(**values), record, **options)
    assert record.whole() == ""
    assert SECRET_PART not in str(caught.value)


def test_unreadable_market_writes_nothing() -> None:
    """A market that cannot be read raises an error that names the line, and nothing is written."""
    record = Record()
    with pytest.raises(InputError, match=r"bars\.csv, line 3: is damaged"):
        open_session(config_of(steps=1), record, market=Broken([Bar(0, 0, 1, 1, 1, 1, 1)]))
    assert record.whole() == ""


@pytest.mark.parametrize("name", ["sha256", "tick_size", "bar_count", "smallest_gap", "bars"])
def test_incomplete_market_is_refused(name: str) -> None:
    """A market object without one of its five members is refused with the member's name, and so is a path."""
    whole = {member: getattr(flat_bars(1, 2), member) for member in ("sha256", "tick_size", "bar_count", "bars")}
    whole["smallest_gap"] = None
    del whole[name]
    record = Record()
    for market in (SimpleNamespace(**whole), "bars.csv"):
        with pytest.raises(ConfigError, match=r"^market: (SimpleNamespace|str) has no \.") as caught:
            open_session(own_config(), record, strategy=answering({}), market=market)
        assert (market == "bars.csv") or f".{name} (c2lib.open_market_file(" in str(caught.value)
    assert record.whole() == ""


@pytest.mark.parametrize("sink", ["event_sink", "state_sink", "metrics_sink", "audit_sink"])
def test_invalid_sink_is_refused(sink: str) -> None:
    """An object that is no sink is refused before any other sink is written to."""
    record = Record()
    with pytest.raises(ConfigError, match="has neither"):
        LiveSessionOrchestrator().open(config_of(), **(record.keywords() | {sink: 5}))
    assert record.whole() == ""


@pytest.mark.parametrize("market", [None, flat_bars(100, 101)])
def test_sealing_again_changes_nothing(market: Any) -> None:
    """Sealing a sealed config again returns an equal config."""
    sealed = seal(config_of(run_id=None, steps=2), market)
    assert seal(sealed, market) == sealed


def test_clock_mode_decides_times() -> None:
    """Times come from the built-in clock, the caller's clock or the bars, as clock_mode says."""
    fixed, injected, market = Record(), Record(), Record()
    run(config_of(steps=3, clock_start="2020-02-02T02:02:02+02:00"), fixed)
    run(config_of(steps=3, clock_mode="injected"), injected, clock=MovingClock())
    run(own_config(steps=3, clock_mode="market"), market, market=flat_bars(1, 2, 3), strategy=answering({}))
    assert {event["ts_utc"] for event in fixed.events()} == {"2020-02-02T00:02:02+00:00"}
    assert [snapshot["ended_ts"] for snapshot in injected.snapshots()] == [None, None, "2026-01-01T00:00:04+00:00"]
    ticks = [event for event in injected.events() if event["event_type"] == "STRATEGY_TICK"]
    assert [tick["ts_utc"][17:19] for tick in ticks] == ["01", "02", "03"]
    ticks = [event for event in market.events() if event["event_type"] == "STRATEGY_TICK"]
    assert [tick["ts_utc"] for tick in ticks] == [tick["payload"]["bar_time"] for tick in ticks]
    assert market.snapshots()[0]["started_ts"] == ticks[0]["ts_utc"]
    assert market.snapshots()[-1]["ended_ts"] == ticks[-1]["ts_utc"]


def test_times_are_in_utc() -> None:
    """A clock's time in another zone is written in UTC."""
    record = Record()
    moment = datetime.fromisoformat("2026-01-01T02:30:00+02:30")
    run(config_of(), record, clock=Answering(moment))
    assert {event["ts_utc"] for event in record.events()} == {datetime(2026, 1, 1, tzinfo=UTC).isoformat()}


def test_strategy_source_is_kept() -> None:
    """A StrategySource given as the strategy keeps its origin and its hash in the strategy facts."""
    source = StrategySource("file", "Mine", "cd" * 32, answering({}), imports={"numpy": "2.1.0"})
    session = open_session(own_config(), strategy=source)
    facts = {"origin": "file", "class_name": "Mine", "sha256": "cd" * 32}
    assert session.manifest({})["strategy"] == {**facts, "imports": {"numpy": "2.1.0"}}
    assert session.config.strategy.canonical() == {**facts, "params": {}}
    assert session.stop().status == "COMPLETED"


def test_missing_strategy_has_no_facts() -> None:
    """A session without a strategy has null as origin and hash in its strategy facts."""
    session = open_session(own_config())
    assert session.manifest({})["strategy"] == {"origin": None, "class_name": None, "sha256": None, "imports": {}}
