"""The work of the child process, done here in the process of the tests, which has a network."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from c2lib.app.namespace import RESULT
from c2lib.app.namespace_child import CLONE_NEWNET, CLONE_NEWUSER, answer, leave_network
from c2lib.app.strategy_files import sendable, strategy_from_file
from c2lib.core.vocabulary import RejectCode
from tests.app.attempts import refusal_here
from tests.app.runs import manifest_of, place_below, strategy_file
from tests.app.sessions import CONFIG, OWN


class Libc:
    """A C library whose kernel says yes or no."""

    def __init__(self, says: int) -> None:
        self.says = says
        self.asked: list[int] = []

    def unshare(self, flags: int) -> int:
        """Say it."""
        self.asked.append(flags)
        return self.says


def told(message: Any) -> None:
    """Take a message."""


def job(root: Path, **values: Any) -> dict[str, Any]:
    """Return the job of a run."""
    config = CONFIG.model_copy(update={"no_live_required": "namespace", **values})
    return {
        "task": "run",
        "config": config.model_dump(mode="json"),
        "root": str(root),
        "market": None,
        "strategy": None,
    }


def test_leaving_creates_both_namespaces(tmp_path: Path) -> None:
    """leave_network asks for a user and a network namespace and keeps the user and group of the process."""
    libc = Libc(0)
    assert leave_network(libc, tmp_path) is None
    assert libc.asked == [CLONE_NEWUSER | CLONE_NEWNET]
    assert (tmp_path / "setgroups").read_text() == "deny"
    assert (tmp_path / "uid_map").read_text() == f"{os.geteuid()} {os.geteuid()} 1"
    assert (tmp_path / "gid_map").read_text() == f"{os.getegid()} {os.getegid()} 1"


def test_missing_namespaces_are_reported() -> None:
    """On a system without namespaces, leave_network returns a reason that names Linux."""
    assert "takes Linux" in (leave_network(object()) or "")


def test_kernel_refusal_is_reported(tmp_path: Path) -> None:
    """When the kernel refuses the call or the user maps, leave_network returns the reason."""
    assert "refused an empty network namespace" in (leave_network(Libc(-1), tmp_path) or "")
    assert errno.errorcode[errno.ENOENT] in (leave_network(Libc(0), tmp_path / "none") or "")


def test_network_fails_the_canary(tmp_path: Path) -> None:
    """A run in a process that still has a network is rejected by the canary of the namespace guard."""
    result = RESULT.validate_python(answer(job(tmp_path), None, told)["result"])
    assert result.reject_code is RejectCode.NO_LIVE_GUARD
    assert "run it with c2lib dryrun or c2lib.run_dryrun" in (result.reject_reason or "")


def test_refusal_becomes_reject_reason(tmp_path: Path) -> None:
    """The reject reason of a run is the kernel's refusal, word for word."""
    result = RESULT.validate_python(answer(job(tmp_path), "the kernel would not", told)["result"])
    assert (result.reject_code, result.reject_reason) == (RejectCode.NO_LIVE_GUARD, "the kernel would not")


def test_child_rejects_hook_layer(tmp_path: Path) -> None:
    """A job for the hook layer is rejected by the child's namespace guard and reports no progress."""
    messages: list[Any] = []
    away = job(tmp_path, no_live_required="hook")
    result = RESULT.validate_python(answer(away, None, messages.append)["result"])
    assert (result.reject_code, messages) == (RejectCode.NO_LIVE_GUARD, [])


def test_replay_answers_with_finding(tmp_path: Path) -> None:
    """A replay in the child answers without a finding for equal bytes, and with REPLAY_DIVERGED for others."""
    answer(job(tmp_path), "the kernel would not", told)
    place = place_below(tmp_path)
    replay = {"task": "replay", "place": str(place), "manifest": manifest_of(place), "market": None, "strategy": None}
    replay["recorded"] = None
    same = answer({**replay, "recorded": "the kernel would not"}, "why", told)
    assert same == {"finding": None, "refusal": "why"}
    assert answer(replay, None, told)["finding"]["code"] == "REPLAY_DIVERGED"


def test_sent_strategy_is_accepted(tmp_path: Path) -> None:
    """A strategy whose source is sent to the child is accepted and answered with a result."""
    source = strategy_from_file(f"{strategy_file(tmp_path)}:Buyer")
    own = {**job(tmp_path), "config": OWN.model_dump(mode="json"), "strategy": sendable(source)}
    assert "result" in answer(own, "no", told)


@pytest.mark.parametrize(
    ("values", "kind"),
    [({"config": {}}, "ConfigError"), ({"root": "/proc/version"}, "RunPathError")],
)
def test_error_is_an_answer(tmp_path: Path, values: dict[str, Any], kind: str) -> None:
    """An error in the child is an answer with the kind and the arguments of the error."""
    error = answer({**job(tmp_path), **values}, None, told)["error"]
    assert (error["kind"], bool(error["args"])) == (kind, True)


PROBE = """
import ctypes, os
user, group = os.geteuid(), os.getegid()
gone = ctypes.CDLL(None).unshare(0x10000000 | 0x40000000) == 0
for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
    with open(f"/proc/self/{name}", "w") as file:
        file.write(text)
print(gone)
"""


def test_probe_agrees_on_refusal() -> None:
    """A probe without c2lib gets a namespace exactly where the tests assume that the kernel gives one."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout == "True\n") is (refusal_here() is None), (done, refusal_here())
