"""The guard, tested with calls that really leave a process."""

import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from c2lib.core.errors import NoLiveViolationError
from c2lib.session import nolive
from c2lib.session.nolive import NoLiveGuard
from tests.session.harness import Record, acting, answering, deciding, open_session, own_config, run
from tests.session.ways_out import WAYS_OUT, connect, in_a_thread, swallowing


# a loop that asyncio was refused half-way complains of itself when it is collected
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize("wrapped", [lambda act: act, swallowing, in_a_thread], ids=["plain", "swallowed", "threaded"])
def test_ways_out_are_refused(way: str, wrapped: Callable[[Any], Any]) -> None:
    """Each way out of the process, even swallowed or in a thread, is refused, counted and fails the session."""
    record = Record()
    result = run(own_config(), record, strategy=acting(wrapped(WAYS_OUT[way])))
    assert (result.phase, result.fail_code) == ("ERROR_REQUIRES_OPERATOR", "C2_ABORT_NO_LIVE_VIOLATION")
    attempts = record.metrics()["no_live_attempts_total"]
    assert attempts >= 1
    assert result.fail_reason == f"session code tried {attempts} time(s) to leave the process"
    stop = next(entry for entry in record.audit() if entry["code"] == "C2_DRYRUN_STOP")
    assert stop["meta"]["no_live_attempts"] == attempts
    assert result.steps == 1
    record.keeps_the_contract()


def test_every_attempt_counts() -> None:
    """Every refused attempt within one step is counted, not only the first."""

    def act() -> None:
        for _ in range(3):
            swallowing(socket.socket)()

    record = Record()
    run(own_config(), record, strategy=acting(act))
    assert record.metrics()["no_live_attempts_total"] == 3


def test_loading_strategy_cannot_leave() -> None:
    """A strategy that tries to leave the process while loading fails its accepted session before any step."""

    def factory(settings: Any) -> Any:
        swallowing(socket.socket)()
        return answering({})(settings)

    result = run(own_config(), strategy=factory)
    assert (result.accepted, result.steps, result.fail_code) == (True, 0, "C2_ABORT_NO_LIVE_VIOLATION")


class Calling(list[str]):
    """A sink that phones home when it is given the final snapshot, and says nothing of it."""

    def append(self, line: str) -> None:
        """Keep a line."""
        if '"COMPLETED"' in line:
            swallowing(socket.socket)()
        super().append(line)


def test_closing_sink_cannot_leave() -> None:
    """A sink that tries to leave the process while the session closes makes the session FAILED."""
    record = Record(metrics=Calling())
    result = run(own_config(), record, strategy=answering({}))
    assert result.fail_code == "C2_ABORT_NO_LIVE_VIOLATION"
    assert record.snapshots()[-1]["status"] == "FAILED"


def test_callers_code_is_unguarded(listener: tuple[str, int]) -> None:
    """The caller's own code may use sockets between the calls of a session and after its stop."""
    session = open_session(own_config(), strategy=answering({}))
    for _ in range(3):
        connect(listener)
        assert session.step()
    connect(listener)
    session.cancel("enough")
    connect(listener)
    assert session.stop().status == "COMPLETED"
    connect(listener)


def test_failed_session_removes_guard(listener: tuple[str, int]) -> None:
    """After a session that failed by a NO-LIVE violation, the process may use sockets again."""
    run(own_config(), strategy=acting(socket.socket))
    connect(listener)


def test_hook_refuses_only_leaving() -> None:
    """Under an active guard the audit hook refuses and counts the events that leave the process, and no others."""
    guard = NoLiveGuard()
    nolive._hook("socket.connect", ())
    with guard:
        nolive._hook("open", ("/etc/hostname", "r", 0))
        nolive._hook("ctypes.dlopen", (None,))
        for event in ("socket.connect", "os.fork", "c2lib.fork_exec"):
            with pytest.raises(NoLiveViolationError, match=event):
                nolive._hook(event, ())
        with pytest.raises(NoLiveViolationError):
            nolive._hook("ctypes.dlopen", ("libc.so.6",))
    assert guard.attempts == 4
    nolive._hook("socket.connect", ())
    assert guard.attempts == 4
    guard.testing = True
    with guard, pytest.raises(NoLiveViolationError):
        nolive._hook("socket.connect", ())
    assert guard.attempts == 4


def test_fork_exec_is_audited() -> None:
    """A child started below subprocess is refused within a guard, and the wrapped call works outside one."""
    wrapped = nolive.audited(lambda *args: sum(args))
    assert wrapped(1, 2) == 3
    with NoLiveGuard() as guard, pytest.raises(NoLiveViolationError, match="fork_exec"):
        wrapped(1, 2)
    assert guard.attempts == 1


def test_canary_is_not_counted() -> None:
    """A guard stops its own canary and does not count the canary as an attempt."""
    guard = NoLiveGuard()
    assert guard.canary_problem() is None
    assert (guard.attempts, guard.testing) == (0, False)


def test_unstopped_canary_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary reports a problem when the audit hook does not stop its connection."""
    monkeypatch.setattr(nolive, "REFUSED_PREFIX", "nothing.")
    assert "not stopped" in (NoLiveGuard().canary_problem() or "")


NUMPY = """
import sys
from c2lib.core.config import DryrunConfig
from c2lib.session.orchestrator import LiveSessionOrchestrator

class Strategy:
    def __init__(self, settings): pass
    def on_bar(self, bar, view):
        import numpy
        return None if int(numpy.array([bar.close]).mean()) == bar.close else "rubbish"

assert "numpy" not in sys.modules
config = DryrunConfig(strategy_id="own", strategy_allowlist=("own",), seed=1, steps=4)
result = LiveSessionOrchestrator().run_dryrun(config, audit_sink=[], strategy=Strategy)
print(result.status.value, result.fail_reason, "numpy" in sys.modules)
"""


def test_importing_numpy_works() -> None:
    """A strategy may import numpy for the first time in the process within a guarded session."""
    done = subprocess.run([sys.executable, "-c", NUMPY], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("COMPLETED None True\n", "")


def test_nested_guard_counts_outside() -> None:
    """An attempt refused by a guard that a strategy entered also counts for the session's own guard."""

    def decide(bar: Any, view: Any) -> None:
        if bar.bar_index == 1:
            with NoLiveGuard():
                swallowing(socket.socket)()

    assert run(own_config(), strategy=deciding(decide)).fail_code == "C2_ABORT_NO_LIVE_VIOLATION"
