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
from collections.abc import Callable, Mapping, Sequence

# bound here: session code could put another get_ident into threading
from threading import get_ident
from types import TracebackType
from typing import Any, NoReturn

from c2lib.core.errors import NoLiveViolationError

_REFUSED = frozenset(
    {
        "c2lib.fork_exec",
        # no audit hook is called in another interpreter of the process
        "cpython.PyInterpreterState_New",
        "ctypes.dlopen",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "pty.spawn",
        "sqlite3.load_extension",
        "subprocess.Popen",
        # a socket of the C library's own, to a daemon that may pass lines on
        "syslog.openlog",
        "syslog.syslog",
    }
)
_REFUSED_PREFIX = "socket."

_active: tuple[NoLiveGuard, ...] = ()
# re-entrant: a garbage collection while it is held may run session code, which may be refused
_lock = threading.RLock()
_installed = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _active or not (event in _REFUSED or event.startswith(_REFUSED_PREFIX)):
        return
    if event == "ctypes.dlopen" and args and args[0] is None:
        return
    thread = get_ident()
    own = [guard for guard in _active if guard.entered_by(thread)]
    judges = [guard for guard in own or _active if not guard.aside and (own or guard.judges(thread))]
    if judges:
        _refuse(judges, event)


def _refuse(judges: Sequence[NoLiveGuard], event: str) -> NoReturn:
    with _lock:
        for guard in judges:
            guard.attempts += not guard.testing
    raise NoLiveViolationError(f"refused by the NO-LIVE guard: {event}")


def _audited(fork_exec: Callable[..., int]) -> Callable[..., int]:
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
            audited = _audited(_posixsubprocess.fork_exec)
            _posixsubprocess.fork_exec = audited
            if "subprocess" in sys.modules:
                vars(sys.modules["subprocess"])["_fork_exec"] = audited
            _installed = True


class NoLiveGuard:
    """Refuses and counts while entered; ``attempts`` is the count since it was made.

    Threads that were there before, such as a Jupyter kernel's, are left alone, and so is everything while no guard is
    active; a thread that runs a session of its own answers to that session's guard alone.

    >>> guard = NoLiveGuard()
    >>> guard.canary_problem() is None, guard.attempts
    (True, 0)
    """

    layer = "hook"

    def __init__(self) -> None:
        _install()
        self.attempts = 0
        self.testing = self.aside = False
        self._depth = 0
        self._owner = get_ident()
        known = {thread.ident: thread for thread in threading.enumerate()}
        self._bystanders = {ident: known.get(ident) for ident in sys._current_frames()}

    def entered_by(self, thread: int) -> bool:
        """Whether ``thread`` runs the session, which any thread may step."""
        return thread == self._owner

    def judges(self, thread: int) -> bool:
        """Whether ``thread`` runs the session or was started since the guard was made."""
        if thread == self._owner or thread not in self._bystanders:
            return True
        # the number of a thread that ended is given to the next one started
        bystander = self._bystanders[thread]
        return bystander is not None and not bystander.is_alive()

    def __enter__(self) -> NoLiveGuard:
        global _active
        with _lock:
            self._owner = get_ident()
            self._depth += 1
            if self._depth == 1:
                _active = (*_active, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _active
        with _lock:
            self._depth -= 1
            if not self._depth:
                # a guard that session code took out of the tuple counts that as an attempt
                self.attempts += self not in _active
                _active = tuple(guard for guard in _active if guard is not self)

    def canary_problem(self) -> str | None:
        """Try to connect to the loopback, uncounted; return ``None`` when that was stopped, else what is wrong."""
        import socket

        self.testing = True
        try:
            with self, socket.socket() as canary:
                canary.settimeout(0.05)
                canary.connect_ex(("127.0.0.1", 9))
        except NoLiveViolationError:
            return None
        finally:
            self.testing = False
        return "the canary's loopback connection was not stopped by the audit hook"


class NamespaceGuard(NoLiveGuard):
    """The hook, in a process that has no network; ``refusal`` says why the kernel gave it no empty namespace."""

    layer = "namespace"

    def __init__(self, refusal: str | None = None) -> None:
        super().__init__()
        self._refusal = refusal

    def canary_problem(self) -> str | None:
        """Try under the hook, then with the hook aside, where the kernel must stop the connection."""
        problem = super().canary_problem() or self._refusal
        if problem is None:
            self.aside = True
            try:
                problem = network_problem()
            finally:
                self.aside = False
            if problem:
                problem = f"no_live_required is 'namespace', but {problem}: {_WHERE_NAMESPACES_ARE}"
        return problem


_WHERE_NAMESPACES_ARE = "run it with c2lib dryrun or c2lib.run_dryrun, which start it in an empty network namespace"


def network_problem() -> str | None:
    """Return what network this process has, ``None`` when it has none; to be called with the hook aside."""
    import socket

    if {name for _, name in socket.if_nameindex()} - {"lo"}:
        return "this process has a network interface beside lo"
    with socket.socket() as canary:
        canary.settimeout(0.05)
        answer = canary.connect_ex(("127.0.0.1", 9))
    return None if answer == errno.ENETUNREACH else "the kernel did not stop the canary's loopback connection"


class RecordedGuard(NoLiveGuard):
    """The hook, for executing a run of the layer ``namespace`` again: the canary's answer is the recorded one."""

    layer = "namespace"

    def __init__(self, problem: str | None) -> None:
        super().__init__()
        self._problem = problem

    def canary_problem(self) -> str | None:
        """Try under the hook, then return the recorded answer."""
        return super().canary_problem() or self._problem


GUARDS: Mapping[str, Callable[[], NoLiveGuard]] = {"hook": NoLiveGuard, "namespace": NamespaceGuard}
"""The guard for each value of ``no_live_required``."""
