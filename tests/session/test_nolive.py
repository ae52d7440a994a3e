"""The guard, tried with what really leaves a process."""

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
def test_every_way_out_is_refused_and_counted(way: str, wrapped: Callable[[Any], Any]) -> None:
    """However it is wrapped, the session ends for its operator and says how often it was tried."""
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


def test_every_attempt_of_a_step_counts() -> None:
    """Not only the first."""

    def act() -> None:
        for _ in range(3):
            swallowing(socket.socket)()

    record = Record()
    run(own_config(), record, strategy=acting(act))
    assert record.metrics()["no_live_attempts_total"] == 3


def test_a_strategy_cannot_leave_while_it_is_loaded() -> None:
    """Loading is session code; the session was accepted and takes no step."""

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


def test_a_sink_cannot_leave_while_the_session_closes() -> None:
    """Stopping is session code to its end."""
    record = Record(metrics=Calling())
    result = run(own_config(), record, strategy=answering({}))
    assert result.fail_code == "C2_ABORT_NO_LIVE_VIOLATION"
    assert record.snapshots()[-1]["status"] == "FAILED"


def test_the_guard_is_gone_after_the_session_and_between_its_steps(listener: tuple[str, int]) -> None:
    """The user's own code between two calls is not judged."""
    session = open_session(own_config(), strategy=answering({}))
    for _ in range(3):
        connect(listener)
        assert session.step()
    connect(listener)
    session.cancel("enough")
    connect(listener)
    assert session.stop().status == "COMPLETED"
    connect(listener)


def test_a_violation_leaves_no_guard_behind(listener: tuple[str, int]) -> None:
    """Nor does a session that failed."""
    run(own_config(), strategy=acting(socket.socket))
    connect(listener)


def test_the_hook_refuses_what_leaves_and_nothing_else() -> None:
    """Asked directly, since no tracer sees an audit hook run."""
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


def test_a_child_started_below_subprocess_is_audited() -> None:
    """Outside a session the wrapped call goes through as it is."""
    wrapped = nolive._audited(lambda *args: sum(args))
    assert wrapped(1, 2) == 3
    with NoLiveGuard() as guard, pytest.raises(NoLiveViolationError, match="fork_exec"):
        wrapped(1, 2)
    assert guard.attempts == 1


def test_the_canary_is_stopped_and_not_counted() -> None:
    """It proves the guard, it is no attempt."""
    guard = NoLiveGuard()
    assert guard.canary_problem() is None
    assert (guard.attempts, guard.testing) == (0, False)


def test_the_canary_tells_when_it_was_not_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the sockets' events unheard it flies to the loopback."""
    monkeypatch.setattr(nolive, "_REFUSED_PREFIX", "nothing.")
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


def test_importing_numpy_inside_a_strategy_works() -> None:
    """For the first time in the process; it loads libraries of its own and asks for the process itself."""
    pytest.importorskip("numpy", reason="numpy comes with the notebooks extra")
    done = subprocess.run([sys.executable, "-c", NUMPY], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("COMPLETED None True\n", "")


def test_a_guard_can_be_entered_by_a_deciding_strategy_without_harm() -> None:
    """A session in a session: what the inner one refuses, the outer one counts too."""

    def decide(bar: Any, view: Any) -> None:
        if bar.bar_index == 1:
            with NoLiveGuard():
                swallowing(socket.socket)()

    assert run(own_config(), strategy=deciding(decide)).fail_code == "C2_ABORT_NO_LIVE_VIOLATION"
