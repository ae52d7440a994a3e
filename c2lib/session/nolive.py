"""The NO-LIVE guard: session code cannot leave the process, and every attempt counts.

Rules kept here:

* while a guard is active, sockets, name look-ups, child processes and foreign libraries are refused in the thread
  that entered it and in every thread started since it was made; a refusal is counted even when the code swallows it;
* threads that were there before, such as a Jupyter kernel's, are left alone, and so is everything while no
  guard is active; a thread that runs a session of its own answers to that session's guard alone;
* the canary proves that the guard holds: a loopback connection that must be stopped, and is not counted.

An audit hook (PEP 578) is no sandbox: native code can go around it.

>>> guard = NoLiveGuard()
>>> guard.canary_problem() is None, guard.attempts
(True, 0)
"""

from __future__ import annotations

import _posixsubprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, NoReturn

from c2lib.core.errors import NoLiveViolationError

_REFUSED = frozenset(
    {
        "c2lib.fork_exec",
        "ctypes.dlopen",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "pty.spawn",
        "subprocess.Popen",
    }
)
_REFUSED_PREFIX = "socket."

_active: tuple[NoLiveGuard, ...] = ()
_lock = threading.Lock()
_installed = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _active or not (event in _REFUSED or event.startswith(_REFUSED_PREFIX)):
        return
    if event == "ctypes.dlopen" and args and args[0] is None:
        return
    thread = threading.get_ident()
    own = [guard for guard in _active if guard.entered_by(thread)]
    judges = own or [guard for guard in _active if guard.judges(thread)]
    if judges:
        _refuse(judges, event)


def _refuse(judges: list[NoLiveGuard], event: str) -> NoReturn:
    if not any(guard.testing for guard in judges):
        for guard in set(judges):
            guard.attempts += 1
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
            # multiprocessing's spawn calls this directly, unaudited
            _posixsubprocess.fork_exec = _audited(_posixsubprocess.fork_exec)
            _installed = True


class NoLiveGuard:
    """Refuses and counts while entered; ``attempts`` is the count over its whole life."""

    layer = "hook"

    def __init__(self) -> None:
        _install()
        self.attempts = 0
        self.testing = False
        self._owner = threading.get_ident()
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
            self._owner = threading.get_ident()
            _active = (*_active, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _active
        with _lock:
            _active = tuple(guard for guard in _active if guard is not self)

    def canary_problem(self) -> str | None:
        """Try to connect to the loopback; return ``None`` when that was stopped, else what is wrong."""
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
