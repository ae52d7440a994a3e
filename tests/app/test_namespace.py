"""A run without a network: the same as any run, in a child process; and what happens where there is no namespace."""

import subprocess
import sys
from pathlib import Path

import pytest

from c2lib.app.runner import run_dryrun
from c2lib.app.verify import verify_run
from c2lib.core.errors import ConfigError, OutputError, RunConflictError
from c2lib.core.states import SessionStatus
from c2lib.core.vocabulary import RejectCode
from tests.app.attempts import refusal_here
from tests.app.conftest import Command
from tests.app.runs import (
    DEMO,
    OWN,
    Answer,
    place_below,
    sealed_bytes,
    strategy_file,
)
from tests.app.sessions import CONFIG, Buyer, Ticking

AWAY = ("--no-live", "namespace")
AWAY_CONFIG = CONFIG.model_copy(update={"no_live_required": "namespace"})
OWN_CONFIG = CONFIG.model_copy(update={"strategy_id": "mine", "strategy_allowlist": ("mine",)})
AWAY_OWN = AWAY_CONFIG.model_copy(update={"strategy_id": "mine", "strategy_allowlist": ("mine",)})
EXPECTED = SessionStatus.REJECTED if refusal_here() else SessionStatus.COMPLETED
"""What a run comes to that does nothing wrong; what the tests below say of such a run holds on either machine."""

REFUSING = """
import ctypes, os, sys
from pathlib import Path
user, group = os.geteuid(), os.getegid()
if ctypes.CDLL(None).unshare(0x10000000) == 0:
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        (Path("/proc/self") / name).write_text(text)
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
os.execv(sys.executable, [sys.executable, "-m", "c2lib", *sys.argv[1:]])
"""
"""Runs a command in a user namespace that may have no further ones; where there is none at all, just runs it."""


def where_the_kernel_refuses(*words: str | Path) -> Answer:
    """Run a command of c2lib on a machine that gives no namespace."""
    done = subprocess.run(
        [sys.executable, "-c", REFUSING, *map(str, words)], capture_output=True, text=True, check=False, timeout=60
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def test_namespace_runs_are_equal(tmp_path: Path) -> None:
    """Runs under the namespace layer are equal in every byte, and differ in digest from a hook-layer run."""
    results = [run_dryrun(AWAY_CONFIG, out_dir=tmp_path / name) for name in "ab"]
    hook = run_dryrun(CONFIG, out_dir=tmp_path / "hook")
    assert [result.status for result in results] == [EXPECTED, EXPECTED]
    assert sealed_bytes(place_below(tmp_path / "a")) == sealed_bytes(place_below(tmp_path / "b"))
    assert results[0].run_digest not in (None, hook.run_digest)
    again = run_dryrun(AWAY_CONFIG, out_dir=tmp_path / "a")
    assert (again.reproduced, again.run_digest) == (True, results[0].run_digest)


def test_namespace_run_verifies_anywhere(command: Command, out: Path) -> None:
    """A namespace run verifies with a replay, also on a machine whose kernel refuses a namespace."""
    run_dryrun(AWAY_CONFIG, out_dir=out)
    words = ("verify", place_below(out), "--text")
    for answer in (command(*words), where_the_kernel_refuses(*words)):
        assert (answer.code, answer.out.startswith("SEALED OK")) == (0, True), answer
        assert "unchecked" not in answer.out


def test_strategy_replay_uses_namespace(out: Path, tmp_path: Path) -> None:
    """A strategy file is replayed in a namespace, or the report states that only the hook was available."""
    strategy = f"{strategy_file(tmp_path)}:Buyer"
    assert run_dryrun(AWAY_OWN, out_dir=out, strategy=strategy).status is EXPECTED
    told: list[tuple[str, int, int]] = []
    report = verify_run(
        place_below(out), replay=True, strategy=strategy, progress=lambda *how_far: told.append(how_far)
    )
    assert (report.ok, report.replayed) == (True, True)
    assert ({unit for unit, _, _ in told}, told[-1][0]) == ({"B", "step"}, "step")
    assert [text for text in report.unchecked if "hook alone" in text] == (
        [f"the network while executing again: hook alone, since {refusal_here()}"] if refusal_here() else []
    )
    refused = where_the_kernel_refuses("verify", place_below(out), "--text", "--strategy-file", strategy)
    assert (refused.code, refused.out.startswith("SEALED OK")) == (0, True), refused
    assert "unchecked: the network while executing again: hook alone, since no_live_required" in refused.out


def test_required_namespace_is_required(out: Path, tmp_path: Path) -> None:
    """With --require-namespace a strategy file is executed without a network or not at all, which is exit 2."""
    strategy = f"{strategy_file(tmp_path)}:Buyer"
    run_dryrun(OWN_CONFIG, out_dir=out, strategy=strategy)
    words = ("verify", place_below(out), "--strategy-file", strategy)
    refused = where_the_kernel_refuses(*words, "--require-namespace")
    assert (refused.code, refused.out, "was not executed again" in refused.err) == (2, "", True), refused
    assert where_the_kernel_refuses(*words).code == 0
    if refusal_here() is None:
        assert verify_run(place_below(out), replay=True, strategy=strategy, require_namespace=True).ok


def test_refusing_kernel_rejects_run(out: Path) -> None:
    """Where the kernel refuses a namespace, the run is rejected with the reason, published, and can be verified."""
    answer = where_the_kernel_refuses("dryrun", *DEMO, *AWAY, "--out", out)
    assert (answer.code, answer.facts["reject_code"]) == (1, RejectCode.NO_LIVE_GUARD)
    assert (answer.facts["steps"], answer.facts["path"]) == (0, str(place_below(out)))
    assert "the kernel refused an empty network namespace (E" in answer.err
    assert "user.max_user_namespaces" in answer.err
    assert verify_run(place_below(out), replay=True).ok
    again = where_the_kernel_refuses("dryrun", *DEMO, *AWAY, "--out", out)
    assert again.facts["reproduced"] is True


WRONG: dict[str, tuple[str, ...]] = {
    "a bad run id": (*DEMO[:4], "--run-id", "../x"),
    "a market that is not there": (*DEMO, "--market", "none.csv"),
    "more steps than the model takes": (*DEMO, "--steps", "0"),
    "a strategy file that is not there": (*OWN, "--strategy-file", "none.py:Buyer"),
    "an injected clock": (*DEMO, "--clock-mode", "injected"),
}


@pytest.mark.parametrize("what", WRONG)
def test_malformed_input_is_refused(command: Command, tmp_path: Path, what: str) -> None:
    """Malformed input has the same exit code and message under the namespace layer as under the hook layer."""
    here = command("dryrun", *WRONG[what], "--out", tmp_path / "out")
    away = command("dryrun", *WRONG[what], *AWAY, "--out", tmp_path / "out")
    assert (away.code, away.complaint) == (here.code, here.complaint) == (2, here.complaint)
    assert not (tmp_path / "out").exists()


def test_conflict_keeps_its_fields(out: Path) -> None:
    """A RunConflictError from the child process keeps the run's path and the names of the differing fields."""
    run_dryrun(AWAY_CONFIG, out_dir=out)
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(AWAY_CONFIG.model_copy(update={"seed": 8}), out_dir=out)
    assert (caught.value.path, list(caught.value.fields)) == (str(place_below(out)), ["seed"])


def test_objects_are_refused_by_name(out: Path) -> None:
    """A strategy that exists in this process only is refused with advice, and no child is started."""
    with pytest.raises(ConfigError, match="runs in another") as caught:
        run_dryrun(AWAY_OWN, out_dir=out, strategy=Buyer)
    assert (caught.value.field, bool(caught.value.hint)) == ("strategy", True)
    assert not out.exists()


def test_clocks_stay_here(out: Path) -> None:
    """A clock of the caller's is read in this process while the strategy runs in another."""
    clock = Ticking()
    assert run_dryrun(AWAY_CONFIG, out_dir=out, clock=clock).status is EXPECTED
    assert clock.looks > 0


def test_progress_is_reported(out: Path) -> None:
    """The steps of a strategy in the host are reported chunk by chunk."""
    seen: list[tuple[int, int]] = []
    result = run_dryrun(
        AWAY_CONFIG.model_copy(update={"steps": 9000, "tick_events": "decisions"}),
        out_dir=out,
        progress=lambda *done: seen.append(done),
    )
    assert result.status is EXPECTED
    assert seen == ([] if refusal_here() else [(4096, 9000), (8192, 9000), (9000, 9000)])


def test_broken_progress_is_the_callers(out: Path) -> None:
    """An error of the progress is raised as it is, and no run is published."""

    def break_off(done: int, planned: int) -> None:
        raise ZeroDivisionError(f"{done} of {planned}")

    config = AWAY_CONFIG.model_copy(update={"steps": 9000})
    if refusal_here():
        assert run_dryrun(config, out_dir=out, progress=break_off).status is SessionStatus.REJECTED
        return
    with pytest.raises(ZeroDivisionError, match="4096 of 9000"):
        run_dryrun(config, out_dir=out, progress=break_off)
    assert not place_below(out).exists()


def test_unstartable_host_is_reported(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that cannot be started is an OutputError, and nothing is written."""
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(OutputError, match="cannot be started: No such file"):
        run_dryrun(AWAY_CONFIG, out_dir=out)
    assert not out.exists()


PROBE = """
import ctypes, os
user, group = os.geteuid(), os.getegid()
gone = ctypes.CDLL(None).unshare(0x10000000 | 0x20000000 | 0x40000000) == 0
for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
    with open(f"/proc/self/{name}", "w") as file:
        file.write(text)
print(gone)
"""


def test_refusal_is_the_kernels() -> None:
    """Asked without a line of c2lib, the kernel says the same as it says to a run."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout == "True\n") is (refusal_here() is None), (done, refusal_here())
