"""The NO-LIVE guard: session code cannot leave the process, and every attempt counts.

While a guard is active, sockets, name look-ups, child processes and foreign libraries are refused in the thread that
runs the session and in every thread started since the guard was made; a refusal counts even when the code swallows it.
An audit hook (PEP 578) is no sandbox: what it misses is listed in ``docs/no-live.md``.
"""

from __future__ import annotations

import _posixsubprocess
import errno
import sys
import threading
from collections.abc import Callable

# bound here: session code could put another get_ident into threading
from threading import get_ident
from typing import Any

from c2lib.core.errors import NoLiveViolationError
from c2lib.core.redaction import clean_text

REFUSED = frozenset[str]().union(
    ("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn", "subprocess.Popen"),
    # no audit hook is called in another interpreter of the process
    ("c2lib.fork_exec", "cpython.PyInterpreterState_New"),
    # without enable_load_extension, SELECT load_extension(…) is refused by SQLite itself
    ("ctypes.dlopen", "sqlite3.enable_load_extension", "sqlite3.load_extension"),
    # a socket of the C library's own, to a daemon that may pass lines on
    ("syslog.openlog", "syslog.syslog"),
)
REFUSED_PREFIX = "socket."

REFUSED_IMPORTS = frozenset[str]().union(
    # it is there already: an import of it is for a copy whose fork_exec is not audited
    ("_posixsubprocess",),
    # extension modules whose sockets raise no audit event
    ("_tkinter", "grpc._cython.cygrpc", "psycopg2._psycopg", "pyarrow._flight", "pycurl", "zmq.backend.cython._zmq"),
)

MAX_TRIED = 10
"""Most refused attempts that are named."""

_MAX_SHOWN, _MAX_TARGET, _MAX_ITEMS = 200, 600, 16

HOOK, NAMESPACE = "hook", "namespace"
"""The values of ``no_live_required``."""

_active: tuple[NoLiveGuard, ...] = ()
# re-entrant: a garbage collection while it is held may run session code, which may be refused
_lock = threading.RLock()
_installed = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    target = refused_target(event, args) if _active else None
    if target is None:
        return
    thread = get_ident()
    # a thread that runs a session of its own answers to that session's guard alone
    responsible = [guard for guard in _active if guard.owner == thread]
    responsible = responsible or [guard for guard in _active if guard.covers(thread)]
    if responsible:
        for guard in responsible:
            if not guard.testing:
                guard.count(event, target)
        raise refusal(event, target)


def refused_target(event: str, args: tuple[Any, ...]) -> str | None:
    """Return what an audit event aims at where that is an attempt to leave the process, else ``None``."""
    if event == "import":
        name = str.__str__(args[0]) if args else ""
        return name if name in REFUSED_IMPORTS else None
    # importing ctypes opens the process itself, which is no foreign library
    opens_itself = event == "ctypes.dlopen" and args and args[0] is None
    if opens_itself or not (event in REFUSED or event.startswith(REFUSED_PREFIX)):
        return None
    return target_of(args)


def refusal(event: str, target: str) -> NoLiveViolationError:
    """Return what is raised for an attempt that is refused; of what it aims at, a module alone is named."""
    return NoLiveViolationError(f"refused by the NO-LIVE guard: {event} {target if event == 'import' else ''}".rstrip())


def target_of(value: object, depth: int = 0) -> str:
    """Return the plain values of an audit event as text; whatever has methods of its own is left out."""
    if type(value) is str or type(value) is bytes:
        return repr(value[:_MAX_TARGET])
    if type(value) is int:
        return str(value) if value.bit_length() <= 64 else ""
    if type(value) is tuple and [type(item) for item in value[:4]] in ([str, int], [str, int, int, int]):
        host, port = value[:2]
        return f"{repr(host[:_MAX_TARGET])[1:-1]}:{port}" if 0 <= port < 2**16 else ""
    if (type(value) is tuple or type(value) is list) and depth < 3:
        return " ".join(filter(None, (target_of(item, depth + 1) for item in value[:_MAX_ITEMS])))[:_MAX_TARGET]
    return ""


def audited(fork_exec: Callable[..., int]) -> Callable[..., int]:
    """Return ``fork_exec`` with the audit event that the standard library raises for ``subprocess`` alone."""

    def audited_fork_exec(*args: Any) -> int:
        sys.audit("c2lib.fork_exec")
        return fork_exec(*args)

    return audited_fork_exec


def _install() -> None:
    global _installed
    with _lock:
        if not _installed:
            sys.addaudithook(_hook)
            # multiprocessing's spawn calls this directly, unaudited, and subprocess keeps its own name for it
            fork_exec = audited(_posixsubprocess.fork_exec)
            _posixsubprocess.fork_exec = fork_exec
            if "subprocess" in sys.modules:
                vars(sys.modules["subprocess"])["_fork_exec"] = fork_exec
            _installed = True


class NoLiveGuard:
    """Refuses and counts while entered; ``attempts`` is the count since it was made, ``tried`` names the first of them.

    ``layer`` is the NO-LIVE layer that the strategy runs in; what its own process refuses is counted here as well.
    ``problem`` says why that layer does not hold there, ``None`` when it does.
    Threads that were there before, such as a Jupyter kernel's, are left alone, and so is everything while no guard is
    active. ``testing`` leaves refusals uncounted: it is for the canary.

    >>> guard = NoLiveGuard()
    >>> guard.canary_problem() is None, guard.attempts
    (True, 0)
    """

    def __init__(self, layer: str = HOOK, problem: str | None = None) -> None:
        _install()
        self.layer, self.problem = layer, problem
        self.attempts = 0
        self.tried: list[str] = []
        self.testing = False
        self._depth = 0
        # the thread that runs the session, which any thread may step
        self.owner = get_ident()
        known = {thread.ident: thread for thread in threading.enumerate()}
        self._older_threads = {ident: known.get(ident) for ident in sys._current_frames()}

    def count(self, event: str, target: str) -> None:
        """Count an attempt that was refused: the name of its audit event, and what it aimed at."""
        with _lock:
            self.attempts += 1
            if len(self.tried) < MAX_TRIED:
                self.tried.append(clean_text(f"{event} {target}".rstrip())[:_MAX_SHOWN])

    def covers(self, thread: int) -> bool:
        """Whether ``thread`` runs the session or was started since the guard was made."""
        if thread == self.owner or thread not in self._older_threads:
            return True
        # the number of a thread that ended is given to the next one started
        older = self._older_threads[thread]
        return older is not None and not older.is_alive()

    def __enter__(self) -> NoLiveGuard:
        global _active
        with _lock:
            self.owner = get_ident()
            self._depth += 1
            if self._depth == 1:
                _active = (*_active, self)
        return self

    def __exit__(self, *_: object) -> None:
        global _active
        with _lock:
            self._depth -= 1
            if not self._depth:
                # a guard that session code took out of the tuple counts that as an attempt
                self.attempts += self not in _active
                _active = tuple(guard for guard in _active if guard is not self)

    def canary_problem(self) -> str | None:
        """Try to connect to the loopback, uncounted; return ``problem`` when that was stopped, else what is wrong."""
        self.testing = True
        try:
            with self:
                _connect_to_loopback()
        except NoLiveViolationError:
            return self.problem
        finally:
            self.testing = False
        return "the canary's loopback connection was not stopped by the audit hook"


def _connect_to_loopback() -> int:
    """Try to connect to a port of the loopback; return the error number, 0 when somebody listened."""
    import socket

    with socket.socket() as canary:
        canary.settimeout(0.05)
        return canary.connect_ex(("127.0.0.1", 9))


def network_problem() -> str | None:
    """Return what network this process has, ``None`` when it has none; to be called where no hook refuses it."""
    import socket

    if {name for _, name in socket.if_nameindex()} - {"lo"}:
        return "this process has a network interface beside lo"
    stopped = _connect_to_loopback() == errno.ENETUNREACH
    return None if stopped else "the kernel did not stop the canary's loopback connection"
