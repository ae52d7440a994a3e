"""The NO-LIVE guard: session code cannot leave the process, and every attempt counts.

Rules kept here:

* while a guard is active, sockets, name look-ups, child processes and foreign libraries are refused in the
  session's thread and in every thread started since the guard was made; a refusal is counted even when the
  code swallows it;
* threads that were there before, such as a Jupyter kernel's, are left alone, and so is everything while no
  guard is active;
* the canary proves that the guard holds: a loopback connection that must be stopped, and is not counted.

An audit hook (PEP 578) is no sandbox: native code can go around it.

>>> guard = NoLiveGuard()
>>> guard.canary_problem() is None, guard.attempts
(True, 0)
"""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any

from c2lib.core.errors import NoLiveViolationError

_REFUSED = frozenset(
    {
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
    for guard in _active:
        if guard.judges(thread):
            guard.refuse(event)


def _install() -> None:
    global _installed
    with _lock:
        if not _installed:
            sys.addaudithook(_hook)
            _installed = True


class NoLiveGuard:
    """Refuses and counts while entered; ``attempts`` is the count over its whole life."""

    layer = "hook"

    def __init__(self) -> None:
        _install()
        self.attempts = 0
        self._owner = threading.get_ident()
        self._bystanders = frozenset(sys._current_frames()) - {self._owner}
        self._testing = False

    def judges(self, thread: int) -> bool:
        """Whether what ``thread`` does is the session's doing."""
        return thread not in self._bystanders

    def refuse(self, event: str) -> None:
        """Count an attempt, unless it is the canary's, and raise :class:`NoLiveViolationError`."""
        if not self._testing:
            self.attempts += 1
        raise NoLiveViolationError(f"refused by the NO-LIVE guard: {event}")

    def __enter__(self) -> NoLiveGuard:
        global _active
        with _lock:
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

        self._testing = True
        try:
            with self, socket.socket() as canary:
                canary.settimeout(0.05)
                canary.connect_ex(("127.0.0.1", 9))
        except NoLiveViolationError:
            return None
        finally:
            self._testing = False
        return "the canary's loopback connection was not stopped by the audit hook"
