"""The child's own work, asked for in this process, which keeps its network."""

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


def test_it_asks_for_both_namespaces_and_stays_who_it_is(tmp_path: Path) -> None:
    """A network's namespace can be had by anybody in a user's namespace of his own alone."""
    libc = Libc(0)
    assert leave_network(libc, tmp_path) is None
    assert libc.asked == [CLONE_NEWUSER | CLONE_NEWNET]
    assert (tmp_path / "setgroups").read_text() == "deny"
    assert (tmp_path / "uid_map").read_text() == f"{os.geteuid()} {os.geteuid()} 1"
    assert (tmp_path / "gid_map").read_text() == f"{os.getegid()} {os.getegid()} 1"


def test_a_system_without_namespaces_is_told() -> None:
    """It has no such call."""
    assert "takes Linux" in (leave_network(object()) or "")


def test_a_kernel_that_says_no_is_told(tmp_path: Path) -> None:
    """At the call, and at the maps, which some kernels refuse instead."""
    assert "refused an empty network namespace" in (leave_network(Libc(-1), tmp_path) or "")
    assert errno.errorcode[errno.ENOENT] in (leave_network(Libc(0), tmp_path / "none") or "")


def test_in_a_process_with_a_network_the_canary_says_so(tmp_path: Path) -> None:
    """Whoever answers here has not left it: the guard finds out, whatever it was told."""
    result = RESULT.validate_python(answer(job(tmp_path), None, told)["result"])
    assert result.reject_code is RejectCode.NO_LIVE_GUARD
    assert "run it with c2lib dryrun or c2lib.run_dryrun" in (result.reject_reason or "")


def test_a_refusal_is_the_reason_of_the_rejection(tmp_path: Path) -> None:
    """Word for word."""
    result = RESULT.validate_python(answer(job(tmp_path), "the kernel would not", told)["result"])
    assert (result.reject_code, result.reject_reason) == (RejectCode.NO_LIVE_GUARD, "the kernel would not")


def test_a_hook_run_tells_its_progress(tmp_path: Path) -> None:
    """In the messages of an answer; the guard is that of the layer all the same, so that no run claims another's."""
    messages: list[Any] = []
    away = job(tmp_path, no_live_required="hook")
    result = RESULT.validate_python(answer(away, None, messages.append)["result"])
    assert (result.reject_code, messages) == (RejectCode.NO_LIVE_GUARD, [])


def test_a_replay_answers_with_its_finding(tmp_path: Path) -> None:
    """None where the bytes are the same, the first difference where they are not."""
    answer(job(tmp_path), "the kernel would not", told)
    place = place_below(tmp_path)
    replay = {"task": "replay", "place": str(place), "manifest": manifest_of(place), "market": None, "strategy": None}
    replay["recorded"] = None
    same = answer({**replay, "recorded": "the kernel would not"}, "why", told)
    assert same == {"finding": None, "refusal": "why"}
    assert answer(replay, None, told)["finding"]["code"] == "REPLAY_DIVERGED"


def test_a_strategy_arrives_as_it_was_sent(tmp_path: Path) -> None:
    """The hash is of its bytes."""
    source = strategy_from_file(f"{strategy_file(tmp_path)}:Buyer")
    own = {**job(tmp_path), "config": OWN.model_dump(mode="json"), "strategy": sendable(source)}
    assert "result" in answer(own, "no", told)


@pytest.mark.parametrize(
    ("values", "kind"),
    [({"config": {}}, "ConfigError"), ({"root": "/proc/version"}, "RunPathError")],
)
def test_an_error_is_an_answer(tmp_path: Path, values: dict[str, Any], kind: str) -> None:
    """With its kind and what it says."""
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


def test_the_tests_take_no_machine_for_a_refusing_one_that_is_none() -> None:
    """Asked without a line of c2lib, the kernel says the same as it says to a run."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout == "True\n") is (refusal_here() is None), (done, refusal_here())
