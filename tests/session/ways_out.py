"""Calls that really leave a process; without a guard, the worst result is a child process."""

import _socket
import asyncio
import ctypes
import http.client
import importlib
import multiprocessing
import os
import pty
import socket
import subprocess
import sys
import syslog
import threading
import urllib.request
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from typing import Literal

NOWHERE = "/nonexistent/program"
NOBODY = ("127.0.0.1", 9)
"""Where nobody listens."""


def fork() -> None:
    """Fork, and end the child where there is one."""
    if os.fork() == 0:
        os._exit(0)


def fork_with_terminal() -> None:
    """Fork with a terminal of its own, and end the child where there is one."""
    if os.forkpty()[0] == 0:
        os._exit(0)


def start(method: Literal["fork", "spawn"]) -> None:
    """Start a process the way that multiprocessing does."""
    make = {"fork": multiprocessing.get_context("fork").Process, "spawn": multiprocessing.get_context("spawn").Process}
    process = make[method](target=int)
    process.start()
    process.join()


def submit() -> None:
    """Submit a task to a pool of processes."""
    with ProcessPoolExecutor(1) as pool:
        pool.submit(int)


def fork_exec() -> None:
    """Start a program below subprocess, by the name that subprocess keeps for it."""
    vars(subprocess)["_fork_exec"](
        *([b"true"], [b"/bin/true"], True, (), None, None, -1, -1, -1, -1, -1, -1),
        *(-1, -1, True, False, -1, None, None, None, -1, None, True),
    )


def another_interpreter() -> None:
    """Make an interpreter of its own within the process, whose events no audit hook of this one receives."""
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    interpreters = importlib.import_module(name)
    interpreters.destroy(interpreters.create())


async def open_connection() -> None:
    """Connect as asyncio does."""
    await asyncio.open_connection(*NOBODY)


WAYS_OUT: dict[str, Callable[[], object]] = {
    "`socket.socket`": socket.socket,
    "`_socket.socket`": _socket.socket,
    "`socket.create_connection`": lambda: socket.create_connection(NOBODY, 1),
    "`socket.getaddrinfo`": lambda: socket.getaddrinfo("localhost", 80),
    "`socket.gethostbyname`": lambda: socket.gethostbyname("localhost"),
    "`asyncio.run` of a connection": lambda: asyncio.run(open_connection()),
    "`http.client`": lambda: http.client.HTTPConnection(*NOBODY, timeout=1).request("GET", "/"),
    "`urllib.request`": lambda: urllib.request.urlopen("http://127.0.0.1:9/", timeout=1).close(),
    "`subprocess.run`": lambda: subprocess.run(["true"], check=True),
    "`subprocess._fork_exec`": fork_exec,
    "`os.system`": lambda: os.system("true"),
    "`os.popen`": lambda: os.popen("true").close(),
    "`os.posix_spawn`": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "`os.fork`": fork,
    "`os.forkpty`": fork_with_terminal,
    "`os.execv`": lambda: os.execv(NOWHERE, [NOWHERE]),
    "`pty.spawn`": lambda: pty.spawn("true"),
    "`multiprocessing`, by fork": lambda: start("fork"),
    "`multiprocessing`, by spawn": lambda: start("spawn"),
    "`concurrent.futures.ProcessPoolExecutor`": submit,
    "`ctypes.CDLL` of a library": lambda: ctypes.CDLL("libc.so.6"),
    "`syslog.syslog`": lambda: syslog.syslog("an order"),
    "another interpreter in the process": another_interpreter,
}
"""What the hook refuses, by the name that it has on the page."""


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
