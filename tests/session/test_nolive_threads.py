"""The guard among threads: whom it judges, and whom it leaves alone."""

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


def test_the_hook_leaves_a_bystander_alone() -> None:
    """Asked from a thread that was there before."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with NoLiveGuard() as guard:
            pool.submit(nolive._hook, "socket.connect", ()).result()
    assert guard.attempts == 0
