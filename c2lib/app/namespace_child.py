"""The child process of :mod:`c2lib.app.namespace`: away from every network, then the same work as ever.

Rules kept here:

* it leaves the network before it has a second thread and before any code that a user chose is read;
* where the kernel refuses, a session is run all the same, and its preflight rejects it with the reason;
* stdout belongs to the answer: what the strategy prints goes to stderr;
* it ends without waiting for threads and without running what the strategy left for the end of the process.

>>> answer({"task": "run", "config": {"seed": "7"}}, None, print)["error"]["args"]
['strategy_id: is missing']
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from c2lib.app.namespace import error_facts, result_facts
from c2lib.app.runner import run_here
from c2lib.app.strategy_files import received
from c2lib.app.verify import replay_here
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import C2Error
from c2lib.session.nolive import NamespaceGuard

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000

Tell = Callable[[Mapping[str, Any]], None]

_ADVICE = (
    "allow unprivileged user namespaces (sysctls user.max_user_namespaces, kernel.unprivileged_userns_clone, "
    "kernel.apparmor_restrict_unprivileged_userns; in a container its seccomp profile), or require the layer 'hook'"
)


def leave_network(libc: Any = None, proc: Path = Path("/proc/self")) -> str | None:
    """Move this process into a user and a network namespace of its own; return what refused it, or ``None``.

    The user stays the one that it was, so that files keep their owner. ``libc`` and ``proc`` are what is asked.
    """
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True) if libc is None else libc
    if not hasattr(libc, "unshare"):
        return "no_live_required is 'namespace', but this system has none: it takes Linux, or require the layer 'hook'"
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
        return _refused(ctypes.get_errno())
    try:
        # in this order: the kernel takes no map of groups from a user who could still drop some
        (proc / "setgroups").write_text("deny")
        (proc / "uid_map").write_text(f"{user} {user} 1")
        (proc / "gid_map").write_text(f"{group} {group} 1")
    except OSError as error:
        return _refused(error.errno or 0)
    return None


def _refused(number: int) -> str:
    name = errno.errorcode.get(number, str(number))
    return f"no_live_required is 'namespace', but the kernel refused an empty network namespace ({name}): {_ADVICE}"


def answer(job: Mapping[str, Any], refusal: str | None, tell: Tell) -> Mapping[str, Any]:
    """Do a job and return what came of it; ``tell`` is told of the progress meanwhile."""
    try:
        return _TASKS[job["task"]](job, refusal, tell)
    except (C2Error, OSError, KeyboardInterrupt) as error:
        return {"error": error_facts(error)}


def _run(job: Mapping[str, Any], refusal: str | None, tell: Tell) -> Mapping[str, Any]:
    result = run_here(
        DryrunConfig.parse(job["config"]),
        root=Path(job["root"]),
        market=job["market"],
        source=received(job["strategy"]),
        progress=lambda done, planned: tell({"progress": [done, planned]}),
        guard=partial(NamespaceGuard, refusal),
    )
    return {"result": result_facts(result)}


def _replay(job: Mapping[str, Any], refusal: str | None, tell: Tell) -> Mapping[str, Any]:
    del tell
    finding = replay_here(Path(job["place"]), job["market"], received(job["strategy"]), job["recorded"])
    return {"finding": finding.facts() if finding else None, "refusal": refusal}


_TASKS: Mapping[str, Callable[[Mapping[str, Any], str | None, Tell], Mapping[str, Any]]] = {
    "run": _run,
    "replay": _replay,
}


def main() -> None:
    """Take a job from stdin, answer on stdout, and end the process."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as channel:
        os.dup2(2, 1)

        def tell(message: Mapping[str, Any]) -> None:
            channel.write(json.dumps(message) + "\n")
            channel.flush()

        answered = answer(json.load(sys.stdin), leave_network(), tell)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        tell(answered)
    os._exit(0)


if __name__ == "__main__":
    main()
