"""What hosts do to the process that owns them, and what is left when it goes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from c2lib.app import strategy_host
from c2lib.app.strategy_host import StrategyHost
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import OutputError, StrategyEndedError, StrategyError
from c2lib.session.nolive import NoLiveGuard
from c2lib.session.orchestrator import LiveSessionOrchestrator
from c2lib.session.strategy import StrategySource
from tests.app.hosted import BUYS, FLAT, bar, descendants, dumpable, hosted, is_gone, open_handles, strategy


def test_memory_is_closed_meanwhile() -> None:
    """A process that owns a host cannot be read by its user's other processes until the last host is closed."""
    assert dumpable()
    with StrategyHost(), StrategyHost():
        assert not dumpable()
    assert dumpable()


def test_nothing_is_left_behind() -> None:
    """A host that is closed leaves no handle, no thread and no process."""
    handles, threads = open_handles(), threading.active_count()
    with StrategyHost() as one:
        with hosted(one, BUYS) as mine:
            mine.on_bar(bar(0), FLAT)
            pids = [mine.pid, one._process.pid]
        mine.close()
        assert is_gone(pids[0])
    assert is_gone(pids[1])
    assert open_handles() == handles
    assert threading.active_count() == threads


def test_dead_host_raises_output_error() -> None:
    """A host whose process was killed gives no more sessions, and the one that it had ends as a strategy's exit."""
    with StrategyHost() as one, hosted(one, strategy("import os; os.kill(os.getppid(), 9)")) as mine:
        mine.on_bar(bar(0), FLAT)
        assert is_gone(one._process.pid)
        with pytest.raises(OutputError, match="the strategy host gives no answer"):
            one.session("hook", 20.0)
        mine.close()
        with pytest.raises(StrategyError, match="closed"):
            mine.on_bar(bar(1), FLAT)


def test_late_child_names_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that is not ready in time is named by that, and not by the time that a strategy's answer may take."""
    with StrategyHost() as one:
        monkeypatch.setattr(strategy_host, "START_TIMEOUT_S", 0.0)
        with pytest.raises(OutputError, match=r"process did not start in 0 s \(C2_ABORT_STRATEGY_TIMEOUT\)$"):
            one.session("hook", 20.0)


def test_unstartable_host_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that cannot be started leaves nothing behind but a typed error."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(OutputError, match="cannot be started: No such file"):
        StrategyHost()
    assert dumpable()


PARENT = """
import os, sys, time
from tests.app.hosted import BUYS, FLAT, bar, descendants, hosted, strategy
from c2lib.app.strategy_host import StrategyHost
with StrategyHost() as host, hosted(host, strategy({on_bar!r}), {layer!r}, 60.0) as mine:
    print(host._process.pid, mine.pid, flush=True)
    mine.on_bar(bar(0), FLAT)
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("layer", ["hook", "namespace"])
@pytest.mark.parametrize(
    "on_bar",
    ["while True: pass", "import ctypes; ctypes.PyDLL(None).sleep(60)", "import signal; signal.pause()"],
    ids=["python", "native", "waiting"],
)
def test_children_die_with_parent(ending: signal.Signals, layer: str, on_bar: str) -> None:
    """A parent that is ended by a signal leaves no child, even one whose native code holds the interpreter."""
    root = Path(__file__).resolve().parents[2]
    code = PARENT.format(on_bar=on_bar, layer=layer)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root) as parent:
        assert parent.stdout is not None
        pids = [int(text) for text in parent.stdout.readline().split()]
        pids += [inner for pid in pids for inner in descendants(pid)]
        parent.send_signal(ending)
        parent.wait(10)
    assert len(set(pids)) >= 2
    assert all(is_gone(pid) for pid in pids)


def test_guard_leaves_the_host_alone() -> None:
    """What a session's own guard refuses is nothing that a host does for a strategy, its end by force among it."""
    with StrategyHost() as one, hosted(one, strategy("while bar.bar_index: pass"), timeout_s=1.0) as mine:
        with NoLiveGuard() as guard:
            mine.on_bar(bar(0), FLAT)
            with pytest.raises(StrategyEndedError):
                mine.on_bar(bar(1), FLAT)
            mine.close()
        assert guard.attempts == 0
    assert is_gone(mine.pid)


def test_interrupt_ends_the_child() -> None:
    """An interrupt in the middle of an answer ends the child, as the answer would be taken for the next one."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with StrategyHost() as one, hosted(one, strategy("while True: pass")) as mine:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                mine.on_bar(bar(0), FLAT)
            assert is_gone(mine.pid)
            with pytest.raises(StrategyError, match="closed"):
                mine.on_bar(bar(1), FLAT)
    finally:
        signal.signal(signal.SIGALRM, before)


def run(source: StrategySource) -> tuple[list[str], str]:
    """Return the events of a session on a strategy, and its status."""
    events: list[str] = []
    config = DryrunConfig(strategy_id="mine", strategy_allowlist=("mine",), run_id="r", seed=7, steps=300)
    orchestrator = LiveSessionOrchestrator()
    result = orchestrator.run_dryrun(
        config, event_sink=events, state_sink=[], metrics_sink=[], audit_sink=[], strategy=source
    )
    return events, result.status.value


def test_session_cannot_tell() -> None:
    """A session on a hosted strategy writes the events that it writes on the same class in its own process."""
    on_bar = """
        step = bar.bar_index % 7
        if step == 0: return [OrderIntent("BUY" if view.position < 1 else "SELL", 2, tag=str(view))]
        if step == 3: return (OrderIntent("BUY", 1, "LIMIT", bar.low - 5, None, "GTC"),)
        if step == 5: return [CancelIntent(order.client_order_id) for order in view.open_orders]
    """
    file = strategy(on_bar)
    here: dict[str, Any] = {}
    exec(file.source, here)
    with StrategyHost() as one, one.session("hook", 20.0) as session, session.bound():
        there = run(StrategySource("file", "Mine", "0" * 64, lambda settings: session.load(*file, settings)))
        assert session.finish() == 0
    assert there == run(StrategySource("file", "Mine", "0" * 64, here["Mine"]))
    assert there[1] == "COMPLETED"
    assert len(there[0]) > 400
