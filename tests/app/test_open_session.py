"""Sessions that are stepped by hand: what can be seen of them, what they write, and what they leave behind."""

import gc
import io
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import c2lib
from c2lib.core.states import ORDER_ENDS
from c2lib.session.session import RECENT
from tests.app.hosted import descendants
from tests.app.sessions import OWN, Breaking, config
from tests.core.test_html import Read

MIXED = """
from random import Random
from c2lib import CancelIntent, OrderIntent

class Mixed:
    def __init__(self, settings):
        self.random = Random(settings.seed)

    def on_bar(self, bar, view):
        kind = self.random.randrange(5)
        if kind == 0:
            return [OrderIntent("BUY", 7, tag="in")]
        if kind == 1:
            return [OrderIntent("SELL", 4, "LIMIT", bar.close + 3), OrderIntent("BUY", 2, "STOP", None, bar.close + 9)]
        if kind == 2:
            return [CancelIntent(order.client_order_id) for order in view.open_orders[:2]]
"""

FILES = {"event_sink": "events.jsonl", "state_sink": "state_snapshots.jsonl"}
FILES |= {"audit_sink": "audit.jsonl", "metrics_sink": "metrics.json"}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the strategy as it is named on a command line."""
    path = tmp_path_factory.mktemp("strategies") / "mixed.py"
    path.write_text(MIXED, encoding="utf-8")
    return f"{path}:Mixed"


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    """Compare the processes below this one before and after a test."""
    before = set(descendants(os.getpid()))
    yield
    assert set(descendants(os.getpid())) <= before


def sinks() -> dict[str, Any]:
    """Return a list for each file."""
    return {name: [] for name in FILES}


def refolded(lines: dict[str, Any], place: Path) -> dict[str, Any]:
    """Return what the witness makes of the lines written so far, in units of the instrument."""
    place.mkdir(exist_ok=True)
    for name, file in FILES.items():
        (place / file).write_text("".join(lines[name]), encoding="utf-8")
    with c2lib.open_run(place) as run:
        last = [*run.equity()][-1:]
        open_orders = [row for row in run.orders() if row.status not in {end.value for end in ORDER_ENDS}]
        events = [(event.ts_sim, event.event_type, event.event_id) for event in run.events()]
        return {
            "position": run.summary.position,
            "equity": last[0].equity if last else run.summary.equity,
            "close": last[0].close if last else None,
            "bar_index": last[0].bar_index if last else None,
            "events": events[-RECENT:],
            "open_orders": [
                (
                    *(row.client_order_id, row.side, Decimal(row.quantity)),
                    *(Decimal(row.quantity) - Decimal(row.filled_quantity), row.order_type),
                    *(price and Decimal(price) for price in (row.limit_price, row.stop_price)),
                    *(row.time_in_force, row.tag),
                )
                for row in open_orders
            ],
        }


def seen(session: c2lib.DryrunSession) -> dict[str, Any]:
    """Return what a session shows, in units of the instrument."""
    market, bar = session.config.market, session.bar
    tick, lot = Decimal(market.tick_size or "0"), Decimal(market.lot_size)
    close = None if bar is None else format((bar.close * tick).normalize(), "f")
    return {
        "position": session.position,
        "equity": session.equity,
        "close": close,
        "bar_index": None if bar is None else bar.bar_index,
        "events": [(event["ts_sim"], event["event_type"], event["event_id"]) for event in session.events],
        "open_orders": [
            (
                *(order.client_order_id, order.side, order.quantity * lot, order.leaves * lot, order.order_type),
                *(price and price * tick for price in (order.limit_price, order.stop_price)),
                *(order.time_in_force, order.tag),
            )
            for order in session.open_orders
        ],
    }


@pytest.mark.parametrize("hosted", [False, True])
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(1, 10**6), participation=st.sampled_from([None, "0.004"]), latency=st.integers(0, 2))
def test_session_shows_refolded_state(
    mixed: str, tmp_path: Path, hosted: bool, seed: int, participation: str | None, latency: int
) -> None:
    """At every step a session shows what the witness refolds from the log up to there."""
    broker = {"participation": participation, "latency_steps": latency, "taker_fee_rate": "0.001"}
    draft = config(seed=seed, steps=25, strategy_id="mine", strategy_allowlist=("mine",)).model_dump() | {
        "broker": broker
    }
    names: dict[str, Any] = {}
    exec(MIXED, names)
    lines = sinks()
    opened: c2lib.DryrunSession
    if hosted:
        opened = c2lib.open_session(c2lib.DryrunConfig(**draft), strategy=mixed, **lines)
    else:
        made = names["Mixed"]
        opened = c2lib.LiveSessionOrchestrator().open(c2lib.DryrunConfig(**draft), strategy=made, **lines)
    with opened as session:
        assert (session.position, session.equity, session.bar, session.open_orders) == ("0", "100000", None, ())
        while session.step():
            assert seen(session) == refolded(lines, tmp_path / "run")
        before = seen(session)
        assert session.steps == 25
    assert seen(session)["open_orders"] == refolded(lines, tmp_path / "run")["open_orders"] == []
    assert (session.position, session.equity) == (session.result().position, session.result().equity)
    assert session.bar == session.bar
    assert before["bar_index"] == seen(session)["bar_index"] == 24


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 30), max_size=5), look=st.booleans())
def test_cuts_change_no_byte(mixed: str, tmp_path: Path, cuts: list[int], look: bool) -> None:
    """However a session is cut into steps and looked at meanwhile, it writes the bytes that run_dryrun writes."""
    result = c2lib.run_dryrun(OWN, strategy=mixed, out_dir=tmp_path)
    lines = sinks()
    with c2lib.open_session(OWN, strategy=mixed, **lines) as session:
        for count in cuts:
            session.run_n_steps(count)
            if look:
                assert session.events
                session._repr_html_()
        session.run_n_steps(session.config.steps)
    assert result.path
    for name, file in FILES.items():
        assert "".join(lines[name]) == (Path(result.path) / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("end", ["leave", "raise", "stop", "drop", "cancel"])
def test_no_child_survives_session(mixed: str, end: str) -> None:
    """However a session is ended, the process of its strategy ends with it, and what it showed stays."""
    before = set(descendants(os.getpid()))
    session = c2lib.open_session(OWN, strategy=mixed)
    assert session.run_n_steps(3) == 3
    assert set(descendants(os.getpid())) > before
    if end == "leave":
        with session:
            pass
    elif end == "raise":
        with suppress(KeyboardInterrupt), session:
            raise KeyboardInterrupt
    elif end == "drop":
        del session
        gc.collect()
        assert set(descendants(os.getpid())) <= before
        return
    else:
        if end == "cancel":
            session.cancel("enough")
            assert not session.step()
        assert session.stop() == session.stop()
    assert set(descendants(os.getpid())) <= before
    assert session.steps == 3
    assert session.result().stop_reason == "cancelled"
    assert session.bar
    assert session.bar.bar_index == 2


def test_failed_session_ends() -> None:
    """A strategy that raises ends its session at that bar: no more steps, and the result says why."""
    with c2lib.open_session(OWN, strategy=Breaking) as session:
        assert session.run_n_steps(10) == 2
        assert not session.step()
        assert session.bar
        assert session.bar.bar_index == 2
    assert session.result().fail_code == "C2_ABORT_EXCEPTION"


def test_rejected_session_has_no_steps(mixed: str) -> None:
    """A session that preflight rejects shows its start: flat, and without a bar."""
    with c2lib.open_session(config(strategy_id="mine"), strategy=mixed) as session:
        assert not session.step()
        assert (session.position, session.equity, session.bar, session.open_orders) == ("0", "100000", None, ())
    assert session.stop().reject_code == "C2_REJECT_STRATEGY_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("error", "wrong"),
    [
        (c2lib.ConfigError, {"config": {"seed": 1}}),
        (c2lib.ConfigError, {"market": ""}),
        (c2lib.ConfigError, {"event_sink": 7}),
        (c2lib.ConfigError, {"clock": 7}),
        (c2lib.InputError, {"market": "/nowhere/bars.csv"}),
        (c2lib.ConfigError, {"market": 7}),
        (c2lib.StrategyLoadError, {"strategy": "/nowhere/mine.py:Mine"}),
        (c2lib.StrategyLoadError, {"strategy": "mine.py"}),
        (c2lib.ConfigError, {"strategy": 7}),
    ],
)
def test_wrong_argument_is_named(mixed: str, error: type[Exception], wrong: dict[str, Any]) -> None:
    """A wrong argument raises an error of c2lib, and no process is left."""
    arguments: dict[str, Any] = {"config": OWN, "strategy": mixed} | wrong
    with pytest.raises(error):
        c2lib.open_session(arguments.pop("config"), **arguments)


def test_thread_stays_unbound(mixed: str) -> None:
    """While a session is open, the thread that steps it may use every core that it could use before."""
    before = os.sched_getaffinity(0)
    with c2lib.open_session(OWN, strategy=mixed) as session:
        session.run_n_steps(2)
        assert os.sched_getaffinity(0) == before


def test_markets_are_equal(tmp_path: Path) -> None:
    """A market file, the frame of its rows and the open market give the same session, and an open one stays open."""
    rows = "".join(f"2026-01-01T00:{n:02}:00Z,{100 + n},{101 + n},{99 + n},{100 + n},5\n" for n in range(30))
    path = tmp_path / "bars.csv"
    path.write_text(f"time,open,high,low,close,volume\n{rows}", encoding="utf-8")
    records = set()
    frame = pandas.read_csv(path)
    with c2lib.open_market_file(path) as market:
        for source in (path, str(path), market, market, frame):
            lines = sinks()
            with c2lib.open_session(config(strategy_id="sma_cross"), market=source, **lines) as session:
                session.run_n_steps(100)
            assert session.steps == 30
            # the hash of a frame is that of another file
            records.add(json.dumps([event["payload"] for event in map(json.loads, lines["event_sink"][1:])]))
    assert len(records) == 1


@pytest.mark.parametrize(("make", "kept"), [(None, True), (list, True), (io.StringIO, False)])
def test_events_come_from_sink(make: Callable[[], Any] | None, kept: bool) -> None:
    """The last events are those of the sink where it is a list, and of the session itself where there is none."""
    with c2lib.open_session(config(), **({"event_sink": make()} if make else {})) as session:
        assert [event["event_type"] for event in session.events] == ["SESSION_START"] * kept
        session.run_n_steps(40)
        assert len(session.events) == RECENT * kept
        for event in session.events:
            event.clear()
        assert all(session.events)


def test_session_shows_itself(mixed: str) -> None:
    """A session's line and HTML hold its name, phase, books, bar, open orders and last events."""
    with c2lib.open_session(OWN, strategy=mixed) as session:
        assert "bar_index" not in "".join(Read(session._repr_html_()).text).partition("events")[0]
        while not session.open_orders and session.step():
            continue
        assert repr(session).startswith(f"DryrunSession(config.run_id={session.config.run_id}, phase=DRYRUN_ACTIVE, ")
        assert "/" not in repr(session)
        text = "".join(Read(session._repr_html_()).text)
        order, bar = session.open_orders[0], session.bar
        assert bar
        for part in (f"bar_index={bar.bar_index}, time={bar.time}", f"equity{session.equity}", order.client_order_id):
            assert part in text
        assert re.search(r"events: \d+ rows", text)
