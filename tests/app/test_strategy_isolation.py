"""A strategy file is the one thing that is loaded: read once, from nowhere else, leaving nothing behind."""

import linecache
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from c2lib.app import strategy_files
from c2lib.app.paths import read_input
from c2lib.app.strategy_files import strategy_from_file, strategy_from_object
from c2lib.core.canon import sha256_hex
from c2lib.core.errors import StrategyLoadError
from c2lib.core.model import MAX_SOURCE_BYTES
from tests.app.conftest import Command
from tests.app.hosted import message_of
from tests.app.runs import BUYER, OWN, manifest_of, place_below, strategy_file, tree

SCRIPT = Path(sys.executable).with_name("c2lib")
TRAPS = ("json", "numpy", "yaml", "decimal", "helper", "sitecustomize", "c2lib_plugin")


@pytest.fixture
def trapped(tmp_path: Path) -> Path:
    """Return a folder in which every module that is imported from it leaves a mark."""
    folder = tmp_path / "trapped"
    folder.mkdir()
    for name in TRAPS:
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'a').write('{name} ')\n")
    return folder


def in_script(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run the console script with ``folder`` as the working folder."""
    return subprocess.run([SCRIPT, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("imported", ["json", "numpy, yaml, decimal"])
def test_neighbour_module_is_not_imported(trapped: Path, tmp_path: Path, imported: str) -> None:
    """A module beside the strategy file is not imported by the strategy or by c2lib, run or verified."""
    strategy_file(trapped, f"import {imported}\n{BUYER}")
    out = tmp_path / "out"
    done = in_script(trapped, "dryrun", *OWN, "--strategy-file", "mine.py:Buyer", "--out", str(out))
    assert done.returncode == 0, done.stderr
    again = ("verify", str(place_below(out)), "--strategy-file", "mine.py:Buyer")
    assert in_script(trapped, *again).returncode == 0
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "line", ["import helper", "from helper import x", "from . import helper", "from .helper import x"]
)
def test_sibling_import_is_refused(trapped: Path, tmp_path: Path, line: str) -> None:
    """A strategy that imports a file beside its own is refused with the line and advice, and nothing is written."""
    strategy_file(trapped, f"{line}\n{BUYER}")
    done = in_script(trapped, "dryrun", *OWN, "--strategy-file", "mine.py:Buyer", "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stdout) == (2, "")
    named = "a file" if "." in line.partition("import")[0] else "helper"
    assert f"mine.py, line 1: imports {named} from beside it, which the run could not seal" in done.stderr
    assert "put the code into one file, or install it as a package" in done.stderr
    assert not (tmp_path / "sprung").exists()
    assert not (tmp_path / "out").exists()


def test_strategies_are_not_discovered(trapped: Path, tmp_path: Path) -> None:
    """No strategy is found by the name of a file in the working folder or of an entry point."""
    for name in ("mine.py", "strat_demo.py"):
        (trapped / name).write_text((trapped / "helper.py").read_text())
    info = trapped / "plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[c2lib.strategies]\nmine = c2lib_plugin:Mine\n")
    done = in_script(trapped, "dryrun", *OWN, "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "'mine' is no built-in strategy, and no strategy file is given" in done.stderr
    assert not (tmp_path / "sprung").exists()


def test_loading_leaves_no_trace(tmp_path: Path) -> None:
    """Loading a strategy file changes no search path and writes no file."""
    path = strategy_file(tmp_path)
    before, beside = list(sys.path), tree(tmp_path)
    strategy_from_file(f"{path}:Buyer")
    assert sys.path == before
    assert tree(tmp_path) == beside


def test_swapped_file_runs_as_hashed(
    command: Command, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A strategy file that is replaced right after being read runs and is sealed as the bytes that were read."""
    path = strategy_file(tmp_path)
    first, read = path.read_bytes(), read_input

    def then_exchanged(name: Path, bound: int) -> bytes:
        data = read(name, bound)
        path.write_text("raise RuntimeError('the second file ran')\n")
        return data

    monkeypatch.setattr(strategy_files, "read_input", then_exchanged)
    answer = command("dryrun", *OWN, "--strategy-file", f"{path}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fills"]) == (0, 1)
    assert manifest_of(place_below(out))["strategy"]["sha256"] == sha256_hex(first)


def test_a_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading opens it one time, and the host gets its bytes."""
    path = strategy_file(tmp_path)
    opened: list[object] = []
    real = os.open

    def counted(name: object, *rest: Any, **more: Any) -> int:
        opened.append(name)
        return real(name, *rest, **more)  # type: ignore[arg-type]  # passed on as given

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", counted)
        strategy_from_file(f"{path}:Buyer")
    assert opened == [path]


def test_file_name_decides_nothing(tmp_path: Path) -> None:
    """Two files of one name keep their own modules, and no module of this process is called like them."""
    for number in ("1", "2"):
        (tmp_path / number).mkdir()
        path = strategy_file(tmp_path / number, f"{BUYER}\nSAID = {number}\nraise ValueError(SAID)\n")
        assert message_of(strategy_from_file(f"{path}:Buyer")) == f"ValueError: {number}"
    assert not {name for name in sys.modules if name == "mine" or name.startswith("c2lib_strategy")}


RUBBISH = ("", "-", "/", ":", "mine.py", "mine.py:", "mine.py::", "mine.py:1", "mine.py:Buyer()", "mine.py:a.b")
FORGED = ("mine.py:__import__('os')", "mine.py:Bu\u200byer", "mine.py:Buyer:", "mine.py:Buyer\n", "mine.py: Buyer")


@pytest.mark.parametrize("spec", [*RUBBISH, *FORGED])
def test_invalid_spec_is_refused(command: Command, out: Path, tmp_path: Path, spec: str) -> None:
    """A strategy not written as FILE.py:CLASS is refused with exit 2, and nothing of the text is evaluated."""
    strategy_file(tmp_path)
    answer = command("dryrun", *OWN, f"--strategy-file={tmp_path}/{spec}", "--out", out)
    assert answer.code == 2
    assert "does not name a strategy: write FILE.py:CLASS" in answer.complaint
    assert not out.exists()


@pytest.mark.parametrize("text", ["Buyer = 5\n", "Buyer = None\n", "import os as Buyer\n"])
def test_uncallable_name_fails_session(command: Command, out: Path, tmp_path: Path, text: str) -> None:
    """A strategy name that is not callable fails the session with exit 1 and a record."""
    answer = command("dryrun", *OWN, "--strategy-file", f"{strategy_file(tmp_path, text)}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fail_code"]) == (1, "C2_ABORT_EXCEPTION")
    assert "is not callable" in answer.err


@pytest.mark.parametrize("coding", ["nonsense", "rot13", "hex"])
def test_unknown_coding_is_refused(tmp_path: Path, coding: str) -> None:
    """A strategy file that declares an unknown or a non-text coding is refused as invalid Python."""
    path = strategy_file(tmp_path, f"# coding: {coding}\n{BUYER}")
    with pytest.raises(StrategyLoadError, match="is no valid Python"):
        strategy_from_file(f"{path}:Buyer")


def test_declared_coding_is_used(tmp_path: Path) -> None:
    """A strategy file is hashed by its bytes and decoded by its declared coding."""
    path = tmp_path / "mine.py"
    path.write_bytes(b"# coding: latin-1\nclass Mine:\n    def __init__(self, settings): raise ValueError('\xe9')\n")
    source = strategy_from_file(f"{path}:Mine")
    assert source.sha256 == sha256_hex(path.read_bytes())
    assert message_of(source) == "ValueError: \u00e9"


def test_huge_file_stays_unread(tmp_path: Path) -> None:
    """Of a strategy file over the size limit, no more than one byte over the limit is read."""
    path = tmp_path / "mine.py"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    assert len(read_input(path, MAX_SOURCE_BYTES)) == MAX_SOURCE_BYTES + 1
    with pytest.raises(StrategyLoadError, match="is larger than 1000000 bytes"):
        strategy_from_file(f"{path}:Mine")


@pytest.fixture
def cell() -> Iterator[str]:
    """Return the name under which a notebook's kernel keeps the text of a cell."""
    name = "/tmp/ipykernel_1/1.py"
    yield name
    linecache.cache.pop(name, None)


def made_in_cell(name: str, text: str) -> dict[str, object]:
    """Execute a cell as a kernel does, its text kept for tracebacks, and return its names."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names: dict[str, object] = {"__name__": "__main__"}
    exec(compile(text, name, "exec"), names)
    return names


def test_cell_class_is_hashed(cell: str) -> None:
    """A class of a notebook cell is hashed by its own text, decorators included."""
    text = "def plain(kind): return kind\n\n@plain\nclass Mine:\n    def __init__(self, settings): pass\n\nx = 1\n"
    source = strategy_from_object(made_in_cell(cell, text)["Mine"])
    expected = "@plain\nclass Mine:\n    def __init__(self, settings): pass\n"
    assert source.sha256 == sha256_hex(expected.encode())


def test_equal_cell_classes_are_separated(cell: str) -> None:
    """Two classes of one name in a notebook cell are each hashed by their own text."""
    head = "def helper(self): pass\n"
    parts = [f"class Mine:\n    help = helper\n    def on_bar(self, bar, view): return {number}\n" for number in (1, 2)]
    names = made_in_cell(cell, f"{head}{parts[0]}First = Mine\n{parts[1]}")
    assert strategy_from_object(names["First"]).sha256 == sha256_hex(parts[0].encode())
    assert strategy_from_object(names["Mine"]).sha256 == sha256_hex(parts[1].encode())


@pytest.mark.parametrize(
    "text",
    ["class Mine: x = 1\n", "def on_bar(self, bar, view): pass\nMine = type('Mine', (), {'on_bar': on_bar})\n"],
)
def test_ambiguous_cell_class_is_unhashed(cell: str, text: str) -> None:
    """A class of a notebook cell whose text cannot be identified has no hash."""
    assert strategy_from_object(made_in_cell(cell, text)["Mine"]).sha256 is None


def test_lost_cell_text_is_unhashed(cell: str) -> None:
    """A class of a notebook cell whose text was not kept has no hash."""
    text = "class Mine:\n    def __init__(self, settings): pass\n"
    kind = made_in_cell(cell, text)["Mine"]
    linecache.cache[cell] = (1, None, ["%magic\n", "class Mine:\n"], cell)
    assert strategy_from_object(kind).sha256 is None
    del linecache.cache[cell]
    assert strategy_from_object(kind).sha256 is None
