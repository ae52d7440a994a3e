"""The child process of :mod:`c2lib.app.namespace`: it leaves every network, then does the same work as ever.

It does so before it has a second thread and before it reads any code that a user chose. Where the kernel refuses, the
preflight of the session rejects it with the reason. stdout is for the answer: what a strategy prints goes to stderr.
"""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from c2lib.app.namespace import Progress, error_facts
from c2lib.app.runner import run_here
from c2lib.app.strategy_files import received
from c2lib.app.verify import replay_here
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import C2Error
from c2lib.session.nolive import NamespaceGuard

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000

_ADVICE = (
    "allow unprivileged user namespaces (sysctls user.max_user_namespaces, kernel.unprivileged_userns_clone, "
    "kernel.apparmor_restrict_unprivileged_userns; in a container its seccomp profile), or require the layer 'hook'"
)


def leave_network(libc: Any = None, proc: Path = Path("/proc/self")) -> str | None:
    """Move this process into a user and a network namespace of its own; return what refused it, or ``None``.

    The user stays the same, so that files keep their owner. ``libc`` and ``proc`` stand for the system's own.
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


def answer(
    job: Mapping[str, Any], refusal: str | None, report: Callable[[Mapping[str, Any]], None]
) -> Mapping[str, Any]:
    """Do a job and return what came of it; ``report`` gets its progress meanwhile."""

    def progress(done: int, planned: int) -> None:
        report({"progress": [done, planned]})

    try:
        return _TASKS[job["task"]](job, refusal, progress)
    except (C2Error, OSError, KeyboardInterrupt) as error:
        return {"error": error_facts(error)}


def _run(job: Mapping[str, Any], refusal: str | None, progress: Progress) -> Mapping[str, Any]:
    result = run_here(
        DryrunConfig.parse(job["config"]),
        root=Path(job["root"]),
        market=job["market"],
        source=received(job["strategy"]),
        progress=progress,
        guard=partial(NamespaceGuard, refusal),
    )
    return {"result": dataclasses.asdict(result)}


def _replay(job: Mapping[str, Any], refusal: str | None, progress: Progress) -> Mapping[str, Any]:
    source = received(job["strategy"])
    finding = replay_here(job["place"], job["manifest"], job["market"], source, job["recorded"], progress)
    return {"finding": finding.facts() if finding else None, "refusal": refusal}


_TASKS: Mapping[str, Callable[[Mapping[str, Any], str | None, Progress], Mapping[str, Any]]] = {
    "run": _run,
    "replay": _replay,
}


def main() -> None:
    """Take a job from stdin, answer on stdout, and end the process, whatever threads and exit handlers were left."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as channel:
        os.dup2(2, 1)

        def report(message: Mapping[str, Any]) -> None:
            channel.write(json.dumps(message) + "\n")
            channel.flush()

        answered = answer(json.load(sys.stdin), leave_network(), report)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        report(answered)
    os._exit(0)


if __name__ == "__main__":
    main()
