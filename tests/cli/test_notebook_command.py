"""``c2lib notebook``: one of c2lib's notebooks by its name, with parameters as a shell has them."""

import json
import sys
from pathlib import Path

import pytest

from tests.app.conftest import Command
from tests.app.runs import market_csv


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the output root that command and kernel get."""
    monkeypatch.setenv("C2LIB_OUT", str(tmp_path / "out"))
    return tmp_path / "out"


def test_notebook_runs_to_pass(command: Command, tmp_path: Path, runs: Path) -> None:
    """A notebook runs with the parameters given, leaves its run and the executed notebook, and says the verdict."""
    market = market_csv(tmp_path / "day.csv")
    words = ("-p", "seed", "7", "-p", "market", market, "-p", "symbol", "ADA", "-p", "run_id", "nb")
    answer = command("notebook", "01_dryrun", *words)
    assert (answer.code, answer.err) == (0, "")
    path = runs / "notebooks" / "01_dryrun.ipynb"
    assert answer.facts == {
        "notebook": "01_dryrun",
        "path": str(path),
        "said": "PASS: finish_c/c2/nb/evidence",
    }
    given = json.loads(path.read_bytes())["metadata"]["papermill"]["parameters"]
    assert given == {"seed": 7, "market": str(market), "symbol": "ADA", "run_id": "nb"}


def test_failed_verdict_exits_1(command: Command, tmp_path: Path) -> None:
    """A notebook whose verdict is no PASS exits 1 with one line, and is left executed in the folder asked for."""
    answer = command("notebook", "01_dryrun", "-p", "steps", "1", "--out", tmp_path / "a {b}")
    assert answer.code == 1
    assert answer.complaint.startswith("cell [")
    assert "AssertionError: claims that do not hold" in answer.complaint
    assert (tmp_path / "a {b}" / "01_dryrun.ipynb").is_file()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("01_dryrun", "-p", "sede", "7"), "sede: is no parameter of this notebook (did you mean 'seed'?)"),
        (("01_dryrun", "-p", "seed", "x"), "seed: input should be a valid integer"),
        (("01_dryrun", "-p", "seed", "1", "-p", "seed", "2"), "-p seed: is given twice"),
        (("01_dryrun", "-p", "seed=1\nimport os", "2"), "seed=1\\nimport os: is no parameter of this notebook"),
        (("01_dryrun", "-p", "market", ""), "-p: is empty"),
        (("01_dryrun", "-p", "seed"), "-p: expected 2 arguments"),
        (("01_dryrum",), "NAME: '01_dryrum' is no notebook of c2lib (did you mean '01_dryrun'?)"),
        (("../01_dryrun",), "NAME: '../01_dryrun' is no notebook of c2lib"),
        (("",), "NAME: is empty"),
        (("01_dryrun", "--out", "file"), "{folder}/file: File exists"),
        (("01_dryrun", "--out", "file/deeper"), "{folder}/file/deeper: Not a directory"),
    ],
)
def test_wrong_words_run_nothing(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runs: Path,
    words: tuple[str, ...],
    complaint: str,
) -> None:
    """A name, parameter or folder that does not fit is exit code 2 with one line, and nothing is run or written."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    answer = command("notebook", *words)
    assert answer.code == 2
    assert answer.complaint.startswith(complaint.format(folder=tmp_path))
    assert not runs.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_missing_papermill_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without papermill the command is refused with the extra to install."""
    monkeypatch.setitem(sys.modules, "papermill.cli", None)
    answer = command("notebook", "01_dryrun")
    assert (answer.code, "c2lib[notebooks]" in answer.complaint) == (2, True)
