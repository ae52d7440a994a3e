"""What really leaves a process; where a guard does not hold, a child at most comes of it."""

import ctypes
import multiprocessing
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress


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
