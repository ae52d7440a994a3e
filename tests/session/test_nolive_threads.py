"""The guard among threads: which ones it covers, and which ones it lets through."""

import _thread
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from c2lib.session import nolive
from c2lib.session.nolive import NoLiveGuard
from tests.session.harness import acting, open_session, own_config, run
from tests.session.ways_out import connect, in_a_thread, swallowing


def test_earlier_thread_may_connect(listener: tuple[str, int]) -> None:
    """A thread older than the session may use sockets during a step without failing the session."""
    asked, done = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def serve() -> None:
        asked.wait(10)
        try:
            connect(listener)
        except BaseException as error:
            errors.append(error)
        done.set()

    older = threading.Thread(target=serve)
    older.start()

    def act() -> None:
        asked.set()
        assert done.wait(10)

    result = run(own_config(), strategy=acting(act))
    older.join()
    assert (errors, result.status) == ([], "COMPLETED")


def test_stepping_thread_is_judged() -> None:
    """A session is guarded in the thread that steps the session, even a thread older than the session."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        session = open_session(own_config(), strategy=acting(swallowing(socket.socket)))
        pool.submit(session.run_n_steps, 12).result()
    assert session.stop().fail_code == "C2_ABORT_NO_LIVE_VIOLATION"


@pytest.mark.parametrize("inner_leaves", [False, True])
def test_concurrent_sessions_are_separate(inner_leaves: bool) -> None:
    """An attempt by a session in another thread counts for that session only, and its canary for none."""
    inner: list[Any] = []

    def run_inner() -> None:
        act = swallowing(socket.socket) if inner_leaves else int
        inner.append(run(own_config(), strategy=acting(act)))

    outer = run(own_config(), strategy=acting(in_a_thread(run_inner)))
    assert outer.status == "COMPLETED"
    assert inner[0].fail_code == ("C2_ABORT_NO_LIVE_VIOLATION" if inner_leaves else None)


def test_reused_thread_number_is_judged() -> None:
    """An older thread is let through while alive, and its thread number is judged again once the thread ended."""
    leave = threading.Event()
    older = threading.Thread(target=leave.wait)
    older.start()
    guard = NoLiveGuard()
    assert older.ident is not None
    assert not guard.covers(older.ident)
    leave.set()
    older.join()
    assert guard.covers(older.ident)


def test_raw_thread_is_let_through() -> None:
    """A thread started below the threading module, before the guard, is let through."""
    leave, idents = threading.Event(), list[int]()

    def wait() -> None:
        idents.append(_thread.get_ident())
        leave.wait(10)

    _thread.start_new_thread(wait, ())
    while not idents:
        time.sleep(0.001)
    guard = NoLiveGuard()
    leave.set()
    assert not guard.covers(idents[0])
    assert guard.covers(threading.get_ident())


def test_hook_ignores_earlier_threads() -> None:
    """The audit hook lets the events of a thread older than the guard pass uncounted."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with NoLiveGuard() as guard:
            pool.submit(nolive._hook, "socket.connect", ()).result()
    assert guard.attempts == 0
