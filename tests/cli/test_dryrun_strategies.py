"""``c2lib dryrun --strategy-file``: code of one's own, named, allowed, hashed and guarded."""

from pathlib import Path

import pytest

from tests.app.conftest import Command
from tests.app.runs import (
    BUYER,
    OWN,
    RUN,
    place_below,
    strategy_file,
    tree,
)


def test_a_strategy_of_ones_own_runs(command: Command, out: Path, tmp_path: Path) -> None:
    """When it is named and allowed."""
    file = strategy_file(tmp_path)
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fills"]) == (0, 1)


def test_a_strategy_of_ones_own_must_be_allowed(command: Command, out: Path, tmp_path: Path) -> None:
    """A file alone opens no gate."""
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


def test_a_name_without_a_file_is_no_strategy(command: Command, out: Path) -> None:
    """Nothing is discovered by itself."""
    assert command("dryrun", *OWN, "--out", out).facts["reject_code"] == "C2_REJECT_UNKNOWN_STRATEGY"


def test_a_strategy_file_that_changed_is_another_run(command: Command, out: Path, tmp_path: Path) -> None:
    """The hash of the file is sealed: under one run_id, exit 1, and the first event differs by its config_sha256."""
    file = strategy_file(tmp_path)
    command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    before = tree(out)
    file.write_text(BUYER + "# a remark\n")
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert answer.code == 1
    assert "first in events.jsonl, line 1" in answer.complaint
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
def test_code_that_leaves_the_process_while_it_is_loaded_fails(
    command: Command, out: Path, tmp_path: Path, text: str
) -> None:
    """Swallowed or not: exit 1, the code, and a published record of it."""
    file = strategy_file(tmp_path, text + BUYER)
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert answer.code == 1
    assert (answer.facts["status"], answer.facts["fail_code"]) == ("FAILED", "C2_ABORT_NO_LIVE_VIOLATION")
    assert answer.facts["path"] == str(place_below(out))
    assert answer.err.startswith("c2lib: FAILED: ")


def test_a_strategy_that_breaks_says_so_in_one_line(command: Command, out: Path, tmp_path: Path) -> None:
    """Exit 1, its message, which cannot forge a second line, and the line of its file."""
    text = "class Buyer:\n    def __init__(self, settings):\n        raise RuntimeError('one\\ntwo')\n"
    answer = command("dryrun", *OWN, "--strategy-file", f"{strategy_file(tmp_path, text)}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fail_code"]) == (1, "C2_ABORT_EXCEPTION")
    lines = ["FAILED: RuntimeError: one\\ntwo", "  strategy.py:3: raise RuntimeError('one\\ntwo')"]
    assert answer.err.splitlines() == [f"c2lib: {line}" for line in lines]


@pytest.mark.parametrize("what", ["raise SystemExit(0)", "import sys; sys.exit()"])
def test_a_strategy_cannot_exit_into_success(command: Command, out: Path, tmp_path: Path, what: str) -> None:
    """Leaving is an exception like any other."""
    file = strategy_file(tmp_path, f"{what}\n{BUYER}")
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fail_code"]) == (1, "C2_ABORT_EXCEPTION")


def test_raised_interrupt_is_an_exception(command: Command, out: Path, tmp_path: Path) -> None:
    """An interrupt that a strategy raises is its exception, with its bar and line, and nobody's at the keyboard."""
    file = strategy_file(tmp_path, BUYER.replace("return [", "raise KeyboardInterrupt\n        return ["))
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fail_code"]) == (1, "C2_ABORT_EXCEPTION")
    lines = ["FAILED: KeyboardInterrupt", "  on bar 0", "  strategy.py:9: raise KeyboardInterrupt"]
    assert answer.err.splitlines() == [f"c2lib: {line}" for line in lines]
