"""``c2lib dryrun --strategy-file``: code of one's own, named, allowed, hashed and guarded."""

from pathlib import Path

import pytest

from tests.app.conftest import Command
from tests.app.runs import (
    BUYER,
    DEMO,
    OWN,
    RUN,
    place_below,
    strategy_file,
    tree,
)


def test_allowed_strategy_file_runs(command: Command, out: Path, tmp_path: Path) -> None:
    """A strategy from a file runs when the strategy_id is named and allowed."""
    file = strategy_file(tmp_path)
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fills"]) == (0, 1)


def test_strategy_file_must_be_allowed(command: Command, out: Path, tmp_path: Path) -> None:
    """A strategy from a file that is not on the allowlist is rejected."""
    words = (
        "--strategy-id",
        "mine",
        "--seed",
        "7",
        "--run-id",
        RUN,
        "--strategy-file",
        f"{strategy_file(tmp_path)}:Buyer",
    )
    assert command("dryrun", *words, "--out", out).facts["reject_code"] == "C2_REJECT_STRATEGY_NOT_ALLOWED"


def test_strategy_name_needs_file(command: Command, out: Path) -> None:
    """A strategy_id that is no built-in and has no strategy file is rejected as unknown."""
    assert command("dryrun", *OWN, "--out", out).facts["reject_code"] == "C2_REJECT_UNKNOWN_STRATEGY"


def test_changed_strategy_file_conflicts(command: Command, out: Path, tmp_path: Path) -> None:
    """A changed strategy file under a published run_id is refused: the manifest is the first difference."""
    file = strategy_file(tmp_path)
    command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    before = tree(out)
    file.write_text(BUYER + "# a remark\n")
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert answer.code == 1
    assert "first in run_manifest.json, line 1" in answer.complaint
    assert tree(out) == before


@pytest.mark.parametrize(
    "text",
    [
        "import socket\nsocket.create_connection(('127.0.0.1', 9))\n",
        "import socket\ntry:\n    socket.getaddrinfo('localhost', 80)\nexcept BaseException:\n    pass\n",
        "import subprocess\nsubprocess.run(['true'])\n",
        "import os\nos.system('true')\n",
    ],
)
def test_leaving_code_fails_the_run(command: Command, out: Path, tmp_path: Path, text: str) -> None:
    """Strategy code that tries to leave the process on loading fails the run with a published record."""
    file = strategy_file(tmp_path, text + BUYER)
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert answer.code == 1
    assert (answer.facts["status"], answer.facts["fail_code"]) == ("FAILED", "C2_ABORT_NO_LIVE_VIOLATION")
    assert answer.facts["path"] == str(place_below(out))
    assert answer.err.startswith("c2lib: FAILED: ")


def test_broken_strategy_reports_one_line(command: Command, out: Path, tmp_path: Path) -> None:
    """A strategy that raises fails the run, and its message is printed as one escaped line."""
    text = "class Buyer:\n    def __init__(self, settings):\n        raise RuntimeError('one\\ntwo')\n"
    answer = command("dryrun", *OWN, "--strategy-file", f"{strategy_file(tmp_path, text)}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fail_code"]) == (1, "C2_ABORT_EXCEPTION")
    assert answer.err == "c2lib: FAILED: RuntimeError: one\\ntwo\n"


@pytest.mark.parametrize("what", ["raise SystemExit(0)", "import sys; sys.exit()"])
def test_strategy_exit_is_an_exception(command: Command, out: Path, tmp_path: Path, what: str) -> None:
    """A strategy that calls exit fails the run like any other exception."""
    file = strategy_file(tmp_path, f"{what}\n{BUYER}")
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fail_code"]) == (1, "C2_ABORT_EXCEPTION")


def test_interrupt_leaves_staging_folder(command: Command, out: Path, tmp_path: Path) -> None:
    """An interrupted run exits 130, publishes nothing, leaves a staging folder and does not disturb the next run."""
    file = strategy_file(tmp_path, BUYER.replace("return [", "raise KeyboardInterrupt\n        return ["))
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert (answer.code, "interrupted" in answer.complaint) == (130, True)
    (left,) = place_below(out).parent.iterdir()
    assert left.name.startswith(f".staging-{RUN}-")
    assert command("dryrun", *DEMO, "--out", out).code == 0
