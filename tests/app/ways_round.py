"""Ways round an audit hook, as a strategy can try them; what comes of each is measured by ``tests.app.attempts``.

The child that runs a strategy file imports this, so it is light: an extension module is imported by the attempt alone.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import gc
import importlib
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from c2lib.core.model import Bar, OrderIntent, PositionView, Strategy, StrategySettings
from c2lib.session import nolive
from tests.session.ways_out import WAYS_OUT, connect, swallowing


class Target(NamedTuple):
    """Somebody who listens, on a loopback port and on a socket in the file system, and who is connected already."""

    port: int
    path: str
    open: int
    """Handle of this process's end of a connection."""

    @property
    def over(self) -> Path:
        """A file that is there once the session is over."""
        return Path(f"{self.path}.over")

    @property
    def user(self) -> Path:
        """A file that is there once a user was looked up."""
        return Path(f"{self.path}.user")

    def connect(self) -> None:
        """Connect as anybody would."""
        connect(("127.0.0.1", self.port))

    def connect_when_over(self, *_: Any) -> None:
        """Connect once the session is over, at the first call alone, and raise nothing."""
        with suppress(OSError):
            self.over.unlink()
            self.connect()


def connect_by_ctypes(target: Target) -> None:
    """Connect by the C library that is loaded already."""
    address = struct.pack("=H", socket.AF_INET) + struct.pack("!H", target.port) + bytes((127, 0, 0, 1)) + bytes(8)
    _connect_to(socket.AF_INET, address)


def connect_to_a_path(target: Target) -> None:
    """Connect to a socket in the file system, by the C library."""
    _connect_to(socket.AF_UNIX, struct.pack("=H", socket.AF_UNIX) + target.path.encode() + b"\0")


def _connect_to(family: int, address: bytes) -> None:
    libc = ctypes.CDLL(None)
    handle = libc.socket(family, socket.SOCK_STREAM, 0)
    libc.connect(handle, address, len(address))
    libc.close(handle)


def _connecting_program(target: Target) -> list[str]:
    """Return a program that connects, by its shell's own means where that is bash."""
    bash = shutil.which("bash")
    if bash:
        return [bash, "-c", f"exec 2>/dev/null 3<>/dev/tcp/127.0.0.1/{target.port}"]
    return [sys.executable, "-c", f"import socket; socket.create_connection(('127.0.0.1', {target.port}))"]


def program_by_ctypes(target: Target) -> None:
    """Let the C library start a program that connects."""
    name, flag, text = _connecting_program(target)
    ctypes.CDLL(None).system(f'{name} {flag} "{text}" 2>/dev/null'.encode())


def _fork_exec(fork_exec: Callable[..., int], target: Target) -> None:
    words = [word.encode() for word in _connecting_program(target)]
    errors = os.pipe()
    pid = fork_exec(
        *(words, [words[0]], True, (), None, None, -1, -1, -1, -1, -1, -1),
        *(*errors, True, False, -1, None, None, None, -1, None, False),
    )
    os.waitpid(pid, 0)


def fork_exec_imported_again(target: Target) -> None:
    """Start a program by a copy of the module that starts programs."""
    ours = sys.modules.pop("_posixsubprocess")
    try:
        _fork_exec(vars(__import__("_posixsubprocess"))["fork_exec"], target)
    finally:
        sys.modules["_posixsubprocess"] = ours


def fork_exec_of_the_closure(target: Target) -> None:
    """Start a program by the function that the guard's own one calls."""
    guarded = vars(sys.modules["_posixsubprocess"])["fork_exec"]
    _fork_exec(guarded.__closure__[0].cell_contents, target)


def tcl(command: str) -> Callable[[Target], None]:
    """Return what lets Tcl evaluate a command."""

    def evaluate(target: Target) -> None:
        # not by importlib: this is refused before anybody looks whether it is installed
        __import__("_tkinter")
        program = " ".join(f"{{{word}}}" for word in _connecting_program(target))
        vars(importlib.import_module("tkinter"))["Tcl"]().eval(command.format(port=target.port, program=program))

    return evaluate


def connect_by_zmq(target: Target) -> None:
    """Connect by ZeroMQ, whose own thread does it."""
    zmq: Any = importlib.import_module("zmq")
    pushing = zmq.Context().socket(zmq.PUSH)
    connected = pushing.get_monitor_socket(zmq.EVENT_CONNECTED)
    pushing.connect(f"tcp://127.0.0.1:{target.port}")
    connected.poll(5000)


def connect_by_flight(target: Target) -> None:
    """Connect by Arrow Flight, which is gRPC."""
    flight: Any = importlib.import_module("pyarrow.flight")
    flight.connect(("127.0.0.1", target.port)).wait_for_available(1)


def ask_s3(target: Target) -> None:
    """Ask Arrow's file system of S3 for a file."""
    fs: Any = importlib.import_module("pyarrow.fs")
    store = fs.S3FileSystem(
        anonymous=True,
        region="here",
        scheme="http",
        endpoint_override=f"127.0.0.1:{target.port}",
        connect_timeout=1,
        request_timeout=1,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
    )
    store.get_file_info("bucket/key")


def load_by_sql(_: Target) -> None:
    """Let SQLite load a library into the process."""
    with sqlite3.connect(":memory:") as database:
        # a Python that was built without the method raises nothing, so here is what it would raise
        raised = functools.partial(sys.audit, "sqlite3.enable_load_extension", database)
        getattr(database, "enable_load_extension", raised)(True)
        database.execute("SELECT load_extension('/nonexistent/library')")


def look_up_user(target: Target) -> None:
    """Look a user up by the C library, and write down that the answer came."""
    target.user.write_text(pwd.getpwnam("root").pw_name)


def use_what_is_open(target: Target) -> None:
    """Write into a connection that the process has already, where this process has it."""
    if stat.S_ISSOCK(os.fstat(target.open).st_mode):
        os.write(target.open, b"an order")


def take_the_guard_out(target: Target) -> None:
    """Clear the variable in which the guard stands, then connect."""
    nolive._active = ()
    target.connect()


def put_the_guard_back(target: Target) -> None:
    """Clear the variable in which the guard stands, connect, and restore it."""
    saved = nolive._active
    nolive._active = ()
    try:
        target.connect()
    finally:
        nolive._active = saved


def wait_until_it_is_over(target: Target) -> None:
    """Leave a thread behind that connects when the session is over."""

    def wait() -> None:
        while not target.over.exists():
            time.sleep(0.01)
        target.connect_when_over()

    threading.Thread(target=wait, name="left behind").start()


def set_timer(target: Target) -> None:
    """Leave a timer behind, whose signal connects when the session is over."""
    signal.signal(signal.SIGALRM, target.connect_when_over)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)


class Finder:
    """A finder of modules that connects when the session is over, and finds none."""

    def __init__(self, target: Target) -> None:
        self.find_spec = target.connect_when_over


BEFORE: dict[str, Callable[[], object]] = {
    "`connect` of pyzmq that was imported before the session": lambda: importlib.import_module("zmq"),
}
"""What a class does where it is defined, before there is a session."""

WAYS_ROUND: dict[str, Callable[[Target], object]] = {
    "`socket` of Tcl, by `tkinter`": tcl("socket 127.0.0.1 {port}"),
    "a program started by `exec` of Tcl": tcl("exec {program}"),
    "`connect` of pyzmq": connect_by_zmq,
    **dict.fromkeys(BEFORE, connect_by_zmq),
    "`pyarrow.flight`": connect_by_flight,
    "`pyarrow.fs.S3FileSystem`": ask_s3,
    "`SELECT load_extension(…)` by `sqlite3`": load_by_sql,
    "a program started by `_posixsubprocess`, imported again": fork_exec_imported_again,
    "a program started by the `fork_exec` that the guard's own one calls": fork_exec_of_the_closure,
    "`connect` by `ctypes` from the C library that is loaded already (`dlopen(None)`)": connect_by_ctypes,
    "a program started by `ctypes`, such as bash with its `/dev/tcp`": program_by_ctypes,
    "a socket in the file system, by `ctypes`": connect_to_a_path,
    "`pwd.getpwnam`, whose C library asks whom `nsswitch.conf` names": look_up_user,
    "a connection that was open before, by `os.write`": use_what_is_open,
    "the guard taken out of its variable, then a socket": take_the_guard_out,
    "the guard taken out of its variable, a socket, and the guard put back": put_the_guard_back,
    "a thread that waits until the session is over": wait_until_it_is_over,
    "a function for `atexit`": lambda target: atexit.register(swallowing(target.connect)),
    "a function for `threading._register_atexit`": lambda target: vars(threading)["_register_atexit"](
        swallowing(target.connect)
    ),
    "a callback of the garbage collector, once the session is over": lambda target: gc.callbacks.append(
        target.connect_when_over
    ),
    "a timer's signal, once the session is over": set_timer,
    "`sys.setprofile`, once the session is over": lambda target: sys.setprofile(target.connect_when_over),
    "a finder in `sys.meta_path`, once the session is over": lambda target: sys.meta_path.insert(0, Finder(target)),
}
"""What was found to go round the hook, or could be thought to, by the name that it has on the page."""


def trying(name: str, target: Target) -> type[Strategy]:
    """Return the class of a strategy that tries on the second bar, swallows what is raised, and buys on the third."""
    with suppress(BaseException):
        BEFORE.get(name, lambda: None)()

    class Trying:
        """Tries to leave."""

        def __init__(self, settings: StrategySettings) -> None:
            del settings

        def on_bar(self, bar: Bar, view: PositionView) -> list[OrderIntent] | None:
            """Try, or buy."""
            del view
            if bar.bar_index == 1:
                swallowing(WAYS_OUT.get(name) or functools.partial(WAYS_ROUND[name], target))()
            return [OrderIntent("BUY", 1)] if bar.bar_index == 2 else None

    return Trying


def strategy_text(name: str, target: Target) -> str:
    """Return the text of a file whose ``Trying`` tries an attempt."""
    return f"from tests.app.ways_round import Target, trying\n\nTrying = trying({name!r}, {target!r})\n"
