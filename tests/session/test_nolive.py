"""The guard, tried with what really leaves a process; where it did not hold, a child at most would come of it."""

import _thread
import ctypes
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from c2lib.core.errors import NoLiveViolationError
from c2lib.session import nolive
from c2lib.session.nolive import NoLiveGuard
from tests.session.harness import Record, acting, answering, deciding, open_session, own_config, run


def fork() -> None:
    """Fork, and end the child where there is one."""
    if os.fork() == 0:
        os._exit(0)


def fork_with_terminal() -> None:
    """Fork with a terminal of its own, and end the child where there is one."""
    if os.forkpty()[0] == 0:
        os._exit(0)


def spawn() -> None:
    """Start a fresh interpreter the way that multiprocessing does."""
    process = multiprocessing.get_context("spawn").Process(target=print)
    process.start()
    process.join()


NOWHERE = "/nonexistent/program"
WAYS_OUT: dict[str, Callable[[], object]] = {
    "socket": socket.socket,
    "look-up": lambda: socket.getaddrinfo("localhost", 80),
    "name": lambda: socket.gethostbyname("localhost"),
    "subprocess": lambda: subprocess.run(["true"], check=True),
    "system": lambda: os.system("true"),
    "popen": lambda: os.popen("true").close(),
    "fork": fork,
    "forkpty": fork_with_terminal,
    "exec": lambda: os.execv(NOWHERE, [NOWHERE]),
    "posix_spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "library": lambda: ctypes.CDLL("libc.so.6"),
    "multiprocessing": spawn,
}


@pytest.fixture
def listener() -> Iterator[tuple[str, int]]:
    """Give the address of a loopback listener."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()


def connect(address: tuple[str, int]) -> None:
    """Connect to a listener."""
    socket.create_connection(address, timeout=5).close()


def swallowing(act: Callable[[], object]) -> Callable[[], object]:
    """Return the same with whatever it raises swallowed, as careless code does."""

    def silent() -> None:
        with suppress(BaseException):
            act()

    return silent


def in_a_thread(act: Callable[[], object]) -> Callable[[], object]:
    """Return the same done in a thread of its own, swallowed there."""

    def threaded() -> None:
        thread = threading.Thread(target=swallowing(act))
        thread.start()
        thread.join()

    return threaded


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


def test_a_thread_that_was_there_before_may_use_sockets_meanwhile(listener: tuple[str, int]) -> None:
    """Such as a kernel's; the session waits for it in the middle of a step and is none the worse."""
    asked, done = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def serve() -> None:
        asked.wait(10)
        try:
            connect(listener)
        except BaseException as error:
            errors.append(error)
        done.set()

    bystander = threading.Thread(target=serve)
    bystander.start()

    def act() -> None:
        asked.set()
        assert done.wait(10)

    result = run(own_config(), strategy=acting(act))
    bystander.join()
    assert (errors, result.status) == ([], "COMPLETED")


def test_a_session_is_judged_in_whatever_thread_steps_it() -> None:
    """Even in one that was there before it was opened, where another's code would be left alone."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        session = open_session(own_config(), strategy=acting(swallowing(socket.socket)))
        pool.submit(session.run_n_steps, 12).result()
    assert session.stop().fail_code == "C2_ABORT_NO_LIVE_VIOLATION"


@pytest.mark.parametrize("inner_leaves", [False, True])
def test_two_sessions_at_the_same_time_answer_for_themselves(inner_leaves: bool) -> None:
    """Neither the canary nor an attempt of a session in another thread counts for this one."""
    inner: list[Any] = []

    def run_inner() -> None:
        act = swallowing(socket.socket) if inner_leaves else int
        inner.append(run(own_config(), strategy=acting(act)))

    outer = run(own_config(), strategy=acting(in_a_thread(run_inner)))
    assert outer.status == "COMPLETED"
    assert inner[0].fail_code == ("C2_ABORT_NO_LIVE_VIOLATION" if inner_leaves else None)


def test_a_threads_number_given_to_another_thread_is_no_disguise() -> None:
    """A bystander is let through while it lives, and its number no longer."""
    leave = threading.Event()
    bystander = threading.Thread(target=leave.wait)
    bystander.start()
    guard = NoLiveGuard()
    assert bystander.ident is not None
    assert not guard.judges(bystander.ident)
    leave.set()
    bystander.join()
    assert guard.judges(bystander.ident)


def test_a_bystander_that_threading_does_not_know_is_let_through() -> None:
    """A thread started below ``threading`` has a number and nothing else."""
    leave, idents = threading.Event(), list[int]()

    def wait() -> None:
        idents.append(_thread.get_ident())
        leave.wait(10)

    _thread.start_new_thread(wait, ())
    while not idents:
        time.sleep(0.001)
    guard = NoLiveGuard()
    leave.set()
    assert not guard.judges(idents[0])
    assert guard.judges(threading.get_ident())


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


def test_the_hook_leaves_a_bystander_alone() -> None:
    """Asked from a thread that was there before."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with NoLiveGuard() as guard:
            pool.submit(nolive._hook, "socket.connect", ()).result()
    assert guard.attempts == 0


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
