"""The determinism contract, over all that a machine can vary: processes that differ in one thing, the same bytes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from c2lib.app import runner
from c2lib.app.verify import verify_run
from c2lib.core.vocabulary import BEHAVIOUR_VERSION
from c2lib.witness.findings import FindingCode
from tests.app.conftest import Command
from tests.app.runs import codes, market_csv, strategy_file
from tests.app.sessions import OWN
from tests.app.vector import GOLDEN, made_in, turn_listings_round
from tests.naming import ROOT, missing, named
from tests.record.test_files_folders import umask
from tests.session.golden import GOLDEN_BEHAVIOUR_VERSION

PAGE = ROOT / "docs" / "determinism.md"

UNSET = ("PYTHONHASHSEED", "PYTHONUTF8", "PYTHONOPTIMIZE", "PYTHONDEVMODE", "TZ", "LANG", "LANGUAGE", "LC_ALL")


class Other(NamedTuple):
    """What one process has otherwise than the plain one."""

    env: Mapping[str, str] = {}
    flags: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    umask: int = -1
    folder: str = "made"
    elsewhere: bool = False
    bare: bool = False


ALONE = {
    "hash seed 0": Other({"PYTHONHASHSEED": "0"}),
    "hash seed 1": Other({"PYTHONHASHSEED": "1"}),
    "hash seed random": Other({"PYTHONHASHSEED": "random"}),
    "time zone": Other({"TZ": "America/St_Johns"}),
    "locale C, no UTF-8": Other({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "locale C.UTF-8": Other({"LC_ALL": "C.UTF-8", "LANG": "tr_TR.UTF-8", "LANGUAGE": "tr"}),
    "UTF-8 mode": Other({"PYTHONUTF8": "1"}),
    "current folder": Other(elsewhere=True),
    "user and home": Other({"HOME": "/nonexistent", "USER": "somebody", "LOGNAME": "somebody"}),
    "no environment": Other(bare=True),
    "-O": Other(flags=("-O",)),
    "-OO": Other(flags=("-OO",)),
    "-X dev": Other(flags=("-X", "dev")),
}

TOGETHER = Other(
    env={"PYTHONHASHSEED": "4711", "TZ": "Pacific/Auckland", "LC_ALL": "C", "PYTHONUTF8": "0", "HOME": "/nonexistent"},
    flags=("-OO", "-X", "dev"),
    words=("--cut", "5", "--market", "b.csv", "--reversed"),
    umask=0o077,
    folder="anders wo/ä",
    elsewhere=True,
)


def made(other: Other, tmp_path: Path) -> tuple[Any, int, str]:
    """Return what a process of its own made of the vector, its exit code, and what it complained of."""
    folder = tmp_path / other.folder
    folder.mkdir(parents=True)
    given = {} if other.bare else {name: text for name, text in os.environ.items() if name not in UNSET}
    done = subprocess.run(
        [sys.executable, *other.flags, "-m", "tests.app.vector", str(folder), *other.words],
        cwd=folder if other.elsewhere else ROOT,
        env={**given, "PYTHONPATH": str(ROOT), **other.env},
        umask=other.umask,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return json.loads(done.stdout or "null"), done.returncode, done.stderr


@pytest.mark.parametrize("what", ALONE)
def test_one_environment_change_keeps_bytes(what: str, tmp_path: Path) -> None:
    """One changed setting of the process changes no byte of a sealed file, of a draft or of the run digest."""
    assert made(ALONE[what], tmp_path) == (GOLDEN, 0, "")


def test_combined_changes_keep_bytes(tmp_path: Path) -> None:
    """All changed settings of the process together change no byte of the golden vector."""
    assert made(TOGETHER, tmp_path) == (GOLDEN, 0, "")


@pytest.mark.parametrize("cut", [1, 7])
def test_step_size_keeps_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    """The number of steps taken at a time changes no byte of the golden vector."""
    monkeypatch.setattr(runner, "_CHUNK", cut)
    assert made_in(tmp_path, "day.csv") == GOLDEN


@pytest.mark.parametrize("mask", [0, 0o077])
def test_umask_keeps_bytes(tmp_path: Path, mask: int) -> None:
    """A wide or a narrow umask changes no byte of the golden vector."""
    with umask(mask):
        assert made_in(tmp_path, "day.csv") == GOLDEN


@pytest.mark.parametrize(
    ("folder", "market"), [("ein Ordner, größer 日本", "day.csv"), ("here", "Zürich bars (2).CSV"), ("a/b/c", "x.csv")]
)
def test_names_keep_bytes(tmp_path: Path, folder: str, market: str) -> None:
    """The names of the output folder and of the market file change no byte of the golden vector."""
    place = tmp_path / folder
    place.mkdir(parents=True)
    assert made_in(place, market) == GOLDEN


def test_listing_order_keeps_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order in which a file system lists a folder changes no byte of the golden vector."""
    monkeypatch.setattr(os, "listdir", os.listdir)
    monkeypatch.setattr(os, "scandir", os.scandir)
    turn_listings_round()
    assert made_in(tmp_path, "day.csv") == GOLDEN


def test_findings_have_one_order(published: Path) -> None:
    """Findings on unexpected files are sorted by name, whatever order the folder is listed in."""
    for name in "hcagbfde":
        (published / f"{name}.txt").touch()
        (published / "evidence" / name).mkdir(parents=True)
    found = [finding.file for finding in verify_run(published, replay=False).findings]
    assert found == sorted(found)
    assert len(found) == 16


def test_command_matches_python_call(command: Command, out: Path, tmp_path: Path) -> None:
    """The command line makes a run with the same digest as the Python call with the same config."""
    words = ("--strategy-id", "sma_cross", "--run-id", "vector_file", "--seed", "7", "--clock-mode", "market")
    answer = command("dryrun", *words, "--market", market_csv(tmp_path / "day.csv"), "--out", out)
    assert answer.facts["run_digest"] == GOLDEN["file"]["run_digest"]
    assert answer.facts["fills"] > 0


def test_vector_pins_behaviour_version() -> None:
    """The behaviour version is the one for which the golden digests were recorded."""
    assert BEHAVIOUR_VERSION == GOLDEN_BEHAVIOUR_VERSION


def test_reversed_listing_reverses_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The helper that reverses folder listings does reverse os.listdir and os.scandir."""
    for name in "abc":
        (tmp_path / name).touch()
    before = os.listdir(tmp_path)
    monkeypatch.setattr(os, "listdir", os.listdir)
    monkeypatch.setattr(os, "scandir", os.scandir)
    turn_listings_round()
    assert os.listdir(tmp_path) == before[::-1]
    with os.scandir(tmp_path) as entries:
        assert [entry.name for entry in entries] == before[::-1]


ASKING = """
import os
from c2lib import OrderIntent

class Buyer:
    def __init__(self, settings):
        pass

    def on_bar(self, bar, view):
        return [OrderIntent("BUY", 1)] if bar.bar_index == 2 and os.environ["TZ"] == "UTC" else None
"""
"""A strategy that reads the time zone of the machine."""


def test_machine_dependent_strategy_diverges(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy that reads the machine's time zone is REPLAY_DIVERGED on a machine with another time zone."""
    spec = f"{strategy_file(tmp_path, ASKING)}:Buyer"
    monkeypatch.setenv("TZ", "UTC")
    path = Path(runner.run_dryrun(OWN, out_dir=out, strategy=spec).path or "")
    assert codes(path, strategy=spec) == []
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert set(codes(path, strategy=spec)) == {FindingCode.REPLAY_DIVERGED}


def sections(text: str) -> dict[str, str]:
    """Return the sections of the page by their headings."""
    return {part.partition("\n")[0]: part for part in text.split("\n## ")[1:]}


def test_named_tests_exist() -> None:
    """Every test that docs/determinism.md names exists."""
    text = PAGE.read_text(encoding="utf-8")
    assert len(named(text)) > 20
    assert not missing(named(text))


@pytest.mark.parametrize("part", ["What is promised", "Over what", "How it is kept"])
def test_every_promise_names_tests(part: str) -> None:
    """Each table row of docs/determinism.md names at least one test, and names tests in one form only."""
    rows = [line for line in sections(PAGE.read_text(encoding="utf-8"))[part].splitlines() if line.startswith("| ")]
    assert len(rows) > 3
    for row in rows[1:]:
        assert named(row), row
        assert row.count("::") == len(named(row)), row


def test_every_variation_is_documented() -> None:
    """The bold names under "Over what" in docs/determinism.md are exactly the settings that are varied alone."""
    bold = re.findall(r"\*\*(.+?)\*\*", sections(PAGE.read_text(encoding="utf-8"))["Over what"])
    assert sorted(bold) == sorted(ALONE)
