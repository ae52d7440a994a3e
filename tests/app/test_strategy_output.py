"""Where a strategy's prints go, and whether what it leaves running holds a command up."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.app.conftest import Command
from tests.app.runs import DEMO, OWN, in_process_of_its_own, place_below, strategy_file

PRINTS = """
import ctypes, os, sys
def shout(where):
    print('{"accepted": true}', where)
    sys.__stdout__.write("two\\n")
    os.write(1, b"three\\n")
    libc = ctypes.CDLL(None)
    libc.puts(b"four")
    libc.fflush(None)
    print("no end of line", end="")
shout("import")
class Buyer:
    def __init__(self, settings):
        shout("constructor")
    def on_bar(self, bar, view):
        shout("on_bar")
"""

THREADS = """
import threading, time
def stay():
    threading.Thread(target=time.sleep, args=(600,)).start()
stay()
class Buyer:
    def __init__(self, settings):
        stay()
    def on_bar(self, bar, view):
        stay()
"""

CLASS = """
import threading
import c2lib
over = threading.Event()
class Mine:
    def __init__(self, settings):
        print("of the strategy")
    def on_bar(self, bar, view):
        threading.Thread(target=over.wait).start()
config = c2lib.DryrunConfig(strategy_id="mine", strategy_allowlist=("mine",), seed=1, steps=2)
print(c2lib.run_dryrun(config, strategy=Mine).status.value, threading.active_count() > 1)
over.set()
"""


@pytest.mark.parametrize("layer", ["hook", "namespace"])
def test_prints_stay_off_stdout(command: Command, tmp_path: Path, layer: str) -> None:
    """Whatever a strategy file writes to its stdout, by whatever way, is on stderr, and stdout is the result alone."""
    mine = ("--strategy-file", f"{strategy_file(tmp_path, PRINTS)}:Buyer")
    answer = command("dryrun", *OWN, *mine, "--out", tmp_path, "--no-live", layer)
    assert answer.facts["run_id"]
    if answer.facts["status"] != "REJECTED":
        for line in ('{"accepted": true} import', '{"accepted": true} on_bar', "two", "three", "four"):
            assert f"{line}\n" in answer.err
        assert answer.err.endswith("\n")
    again = command("verify", "--text", place_below(tmp_path), *mine)
    assert "two" not in again.out.splitlines()
    assert len(again.out.splitlines()) == 1
    drafted = command("evidence", place_below(tmp_path), *mine, "--no-plots")
    assert "two" not in drafted.out.splitlines()


@pytest.mark.parametrize("layer", ["hook", "namespace"])
def test_built_in_prints_nothing(command: Command, tmp_path: Path, layer: str) -> None:
    """A built-in strategy prints nothing: stdout is the result alone, and stderr is empty."""
    answer = command("dryrun", *DEMO, "--out", tmp_path, "--no-live", layer)
    assert answer.facts["run_id"]
    assert "two" not in answer.err


def test_threads_hold_no_command_up(tmp_path: Path) -> None:
    """Threads that a strategy file leaves running, non-daemon ones, end with the session, and so does the command."""
    mine = ("--strategy-file", f"{strategy_file(tmp_path, THREADS)}:Buyer")
    before = time.monotonic()
    assert in_process_of_its_own("dryrun", *OWN, *mine, "--out", tmp_path).code == 0
    assert in_process_of_its_own("verify", place_below(tmp_path), *mine).code == 0
    assert time.monotonic() - before < 60


def test_class_keeps_its_stdout() -> None:
    """A class run from Python keeps its stdout, to which c2lib adds nothing, and no run waits for its threads."""
    done = subprocess.run([sys.executable, "-c", CLASS], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("of the strategy\nCOMPLETED True\n", "")
