"""What a strategy file can try against its own record: each row of the page's table, through the command line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import pytest

from c2lib.core.vocabulary import Artifact, FailCode
from c2lib.witness.findings import FindingCode
from tests.app.conftest import Command
from tests.app.hosted import descendants, is_gone
from tests.app.runs import OWN, Answer, in_process_of_its_own, manifest_of, place_below, strategy_file
from tests.app.test_strategy_host_hostile import PIPES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "strategy-host.md"
SAFE = "COMPLETED, as without it"


class Attack(NamedTuple):
    """Bodies of a strategy: of its module, its constructor and ``on_bar`` on the second bar; and what comes of it."""

    comes_of_it: str
    top: str = ""
    init: str = "pass"
    on_bar: str = "pass"


HOLD_ON = "import ctypes; ctypes.PyDLL(None).sleep(600)"
COUNTERS = (
    "import gc, socket\n"
    "try: socket.socket()\n"
    "except BaseException: pass\n"
    "from c2lib.session import nolive\n"
    "nolive._active = ()\n"
    "for each in gc.get_objects():\n"
    "    if isinstance(each, nolive.NoLiveGuard): each.attempts = 0"
)
TAKES = "answers(), (4).to_bytes(4, 'big') + b'null'"

ATTACKS = {
    "`MockBroker._fill` wrapped to buy at 0.01": Attack(
        SAFE,
        "from c2lib.broker import mock\nreal = mock.MockBroker._fill\n"
        "mock.MockBroker._fill = lambda self, order, price, *rest: real(self, order, 1, *rest)",
    ),
    "`os._exit(0)` in the constructor": Attack(FailCode.STRATEGY_EXITED, init="import os; os._exit(0)"),
    "`os._exit(0)` in `on_bar`": Attack(FailCode.STRATEGY_EXITED, on_bar="import os; os._exit(0)"),
    "`os._exit(0)` by `atexit`": Attack(SAFE, init="import atexit, os; atexit.register(os._exit, 0)"),
    "an answer forged on its pipe": Attack(
        FailCode.STRATEGY_PROTOCOL, PIPES, on_bar="os.write(answers(), answer(bar, [['BUY', 0]]))"
    ),
    "two answers at once": Attack(FailCode.STRATEGY_PROTOCOL, PIPES, on_bar="os.write(answers(), answer(bar, []) * 2)"),
    "a result line forged on stdout": Attack(
        SAFE, on_bar='import os; os.write(1, b\'{"status": "COMPLETED", "fills": 99}\\n\')'
    ),
    "never returning, in Python": Attack(FailCode.STRATEGY_TIMEOUT, on_bar="while True: pass"),
    "never returning, in native code": Attack(FailCode.STRATEGY_TIMEOUT, on_bar=HOLD_ON),
    "never returning from its constructor": Attack(FailCode.STRATEGY_TIMEOUT, init="while True: pass"),
    "printing without end": Attack(
        FailCode.STRATEGY_TIMEOUT, on_bar="import os\nwhile True: os.write(1, b'x' * 65536)"
    ),
    "an answer of 2 MB": Attack(
        FailCode.STRATEGY_PROTOCOL, on_bar="return [OrderIntent('BUY', 1, tag='x' * 2_000_000)]"
    ),
    "a thread left running": Attack(
        SAFE, on_bar="import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()"
    ),
    "a guard's counter reset": Attack(FailCode.NO_LIVE_VIOLATION, on_bar=COUNTERS),
    "`platform.platform()` in the constructor": Attack(
        FailCode.NO_LIVE_VIOLATION, init="import platform; platform.platform()"
    ),
    "the record's files held open by its parent": Attack(
        SAFE,
        on_bar=(
            "import os\n"
            "for name in os.listdir('/proc/self/fd'):\n"
            "    try: assert '.staging' not in os.readlink(f'/proc/self/fd/{name}')\n"
            "    except FileNotFoundError: pass"
        ),
    ),
}
"""Attempts by their names on the page."""


def text_of(attack: Attack) -> str:
    """Return a strategy's file: it attacks on the second bar and buys on the third."""

    def indented(code: str, by: int) -> str:
        return "".join(f"{' ' * by}{line}\n" for line in dedent(code).splitlines())

    return (
        f"from c2lib.core.model import OrderIntent\n{dedent(attack.top)}\n"
        "class Buyer:\n    def __init__(self, settings):\n"
        f"{indented(attack.init, 8)}    def on_bar(self, bar, view):\n        if bar.bar_index == 1:\n"
        f"{indented(attack.on_bar, 12)}        return [OrderIntent('BUY', 1)] if bar.bar_index == 2 else None\n"
    )


def run(command: Command, folder: Path, attack: Attack, *words: str | Path) -> Answer:
    """Run a strategy that attacks, below ``folder``."""
    folder.mkdir(exist_ok=True)
    file = strategy_file(folder, text_of(attack))
    return command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", folder / "out", *words)


def test_page_has_each_attack() -> None:
    """The page's table has a row of each attack, in the order of the list, with what comes of it."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    told = {row.split(" | ")[0].removeprefix("| "): row.split(" | ")[1] for row in rows}
    shown = {name: told.get(name) for name in ATTACKS}
    assert shown == {
        name: attack.comes_of_it if attack.comes_of_it == SAFE else f"`{attack.comes_of_it}`"
        for name, attack in ATTACKS.items()
    }


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_comes_to_nothing(command: Command, tmp_path: Path, name: str) -> None:
    """An attack changes nothing of the record or ends the session with its code, and a replay says the same at once."""
    attack = ATTACKS[name]
    answer = run(command, tmp_path, attack, "--set", "strategy_timeout_s=2")
    if attack.comes_of_it == SAFE:
        plain = run(command, tmp_path / "plain", Attack(SAFE))
        assert record_of(tmp_path / "out") == record_of(tmp_path / "plain" / "out")
        assert (answer.code, answer.facts["fills"]) == (0, plain.facts["fills"]) == (0, 1)
    else:
        assert (answer.code, answer.facts["fail_code"]) == (1, attack.comes_of_it)
    begun = time.monotonic()
    again = command("verify", place_below(tmp_path / "out"), "--strategy-file", f"{tmp_path}/mine.py:Buyer", "--json")
    assert (again.code, json.loads(again.out)["replayed"]) == (0, True), again
    assert time.monotonic() - begun < 2 or attack.comes_of_it != FailCode.STRATEGY_TIMEOUT


def record_of(root: Path) -> list[str]:
    """Return a run's events behind the first, which names the strategy's hash, and its metrics."""
    place = place_below(root)
    return [*(place / Artifact.EVENTS).read_text().splitlines()[1:], (place / Artifact.METRICS).read_text()]


def test_second_path_is_not_forged(command: Command, tmp_path: Path) -> None:
    """A strategy that replaces the comparing sink in its own process changes no verdict on another path of the line."""
    forging = (
        "from c2lib.app import replay\n"
        "replay.ComparingSink._compare = lambda self: None\n"
        "replay.ComparingSink.finish = lambda self: None"
    )
    assert run(command, tmp_path, Attack(SAFE, init=forging)).code == 0
    honest = place_below(tmp_path / "out")
    forged = tmp_path / "forged" / honest.name
    shutil.copytree(honest, forged)
    lines = (forged / Artifact.STRATEGY).read_bytes()
    assert lines
    forge(forged)
    words = ("verify", honest, forged, "--strategy-file", f"{tmp_path}/mine.py:Buyer", "--json")
    answer = command(*words)
    first, second = map(json.loads, answer.out.splitlines())
    assert (answer.code, first["ok"], second["ok"]) == (1, True, False)
    assert FindingCode.REPLAY_DIVERGED in [finding["code"] for finding in second["findings"]]


def forge(place: Path) -> None:
    """Give a run another time in its audit, with every hash that fits."""
    from c2lib.core.canon import canonical_json, run_digest, sha256_hex

    entries = [json.loads(line) for line in (place / Artifact.AUDIT).read_text().splitlines()]
    entries[0]["message"] = "dry run opened, with love"
    previous = "0" * 64
    for entry in entries:
        entry["prev_hash"] = previous
        body = {name: value for name, value in entry.items() if name != "entry_hash"}
        previous = entry["entry_hash"] = sha256_hex(canonical_json(body).encode())
    text = "".join(f"{canonical_json(entry)}\n" for entry in entries)
    (place / Artifact.AUDIT).write_text(text)
    manifest = manifest_of(place)
    manifest["audit"]["last_hash"] = previous
    manifest["artifacts"][Artifact.AUDIT.value] = {
        "sha256": sha256_hex(text.encode()),
        "bytes": len(text.encode()),
        "lines": len(entries),
    }
    manifest["run_digest"] = run_digest(manifest)
    (place / Artifact.MANIFEST).write_text(canonical_json(manifest) + "\n")


def test_warm_process_decides_nothing(tmp_path: Path) -> None:
    """The same strategy comes to the same run in a process that did its look-up before and in one that did not."""
    attack = ATTACKS["`platform.platform()` in the constructor"]
    file = strategy_file(tmp_path, text_of(attack))
    words = ["dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out"]
    cold = in_process_of_its_own(*words, str(tmp_path / "cold"))
    command = f"main({[*words, str(tmp_path / 'warm')]!r})"
    warming = f"import platform, sys; platform.platform(); from c2lib.cli.main import main; sys.exit({command})"
    warm = subprocess.run([sys.executable, "-c", warming], capture_output=True, text=True, check=False, timeout=60)
    assert (cold.code, warm.returncode) == (1, 1)
    assert cold.facts["run_digest"] == json.loads(warm.stdout)["run_digest"]
    audit = (place_below(tmp_path / "cold") / Artifact.AUDIT).read_text()
    assert '"meta":{"attempts":1,"tried":["subprocess.Popen \'uname\' \'uname\' \'-p\'"]}' in audit


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_ended_command_leaves_no_child(tmp_path: Path, ending: signal.Signals) -> None:
    """A command that is ended by a signal leaves no process, whatever its strategy does then."""
    mark = tmp_path / "mark"
    attack = Attack("", on_bar=f"open({str(mark)!r}, 'w').close(); {HOLD_ON}")
    file = strategy_file(tmp_path, text_of(attack))
    words = [sys.executable, "-m", "c2lib", "dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not mark.exists():
            assert process.poll() is None
            time.sleep(0.01)
        children = descendants(process.pid)
        os.kill(process.pid, ending)
        process.wait(10)
    assert len(children) >= 2
    assert all(is_gone(pid) for pid in children)


def test_interrupt_leaves_a_staging_folder(tmp_path: Path) -> None:
    """An interrupt from the keyboard in the middle of an answer is exit 130, with no result and no child left."""
    mark = tmp_path / "mark"
    attack = Attack("", on_bar=f"open({str(mark)!r}, 'w').close(); {HOLD_ON}")
    file = strategy_file(tmp_path, text_of(attack))
    words = [sys.executable, "-m", "c2lib", "dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", str(tmp_path)]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while not mark.exists():
                assert process.poll() is None
                time.sleep(0.01)
            children = descendants(process.pid)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (process.returncode, out, "interrupted" in err) == (130, "", True)
    assert all(is_gone(pid) for pid in children)
    (left,) = place_below(tmp_path).parent.iterdir()
    assert '"code":"C2_DRYRUN_STOP"' in (left / Artifact.AUDIT).read_text()


def test_exception_names_its_line(command: Command, tmp_path: Path) -> None:
    """A strategy that raises is named with type, message, bar and the lines of its own file, in audit and on stderr."""
    attack = Attack("", "def helper(): raise ValueError('no such price')", on_bar="helper()")
    answer = run(command, tmp_path, attack)
    lines = ["FAILED: ValueError: no such price", "  on bar 1", "  strategy.py:8: helper()"]
    lines.append("  strategy.py:2: def helper(): raise ValueError('no such price')")
    assert [line for line in answer.err.splitlines() if line] == [f"c2lib: {line}" for line in lines]
    (entry,) = [
        json.loads(line)
        for line in (place_below(tmp_path / "out") / Artifact.AUDIT).read_text().splitlines()
        if '"C2_ABORT_EXCEPTION"' in line
    ]
    assert entry["meta"] == {
        "exception": "ValueError",
        "bar_index": 1,
        "lines": [lines[2].strip(), lines[3].strip()],
    }


def test_unusable_answer_names_its_bar(command: Command, tmp_path: Path) -> None:
    """An answer that cannot be used is named with its bar, in audit and on stderr."""
    answer = run(command, tmp_path, Attack("", on_bar="return 7"))
    problem = "StrategyError: on_bar must return a list or tuple of intents, not int"
    assert [line for line in answer.err.splitlines() if line] == [f"c2lib: FAILED: {problem}", "c2lib:   on bar 1"]
    audit = (place_below(tmp_path / "out") / Artifact.AUDIT).read_text().splitlines()
    (entry,) = [json.loads(line) for line in audit if '"C2_ABORT_EXCEPTION"' in line]
    assert (entry["message"], entry["meta"]["bar_index"]) == (problem, 1)
