"""What ``make lab`` opens, and, without a browser, what ``make test-lab`` looks for in one."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.lab.browser import leaves
from tests.lab.checks import NOTEBOOKS, Expected, NotAsExpectedError, check_outputs
from tests.lab.screenshots import MOST, SHOWN
from tests.lab.server import ROOT, TOKEN, lab


def test_lab_shows_runs_and_notebooks(tmp_path: Path) -> None:
    """JupyterLab opens the folder of notebooks, in reach of the runs beside it, and asks and fetches no news."""
    for name in ("notebooks", "out"):
        (tmp_path / "root" / name).mkdir(parents=True)
    (tmp_path / "home").mkdir()

    def get(path: str) -> Any:
        with urllib.request.urlopen(f"{address}{path}?token={TOKEN}") as answer:
            text = answer.read()
            return answer.geturl() if path == "/" else json.loads(text)

    with lab(tmp_path / "root", tmp_path / "home", venv=Path(sys.prefix)) as address:
        assert get("/").startswith(f"{address}/lab/tree/notebooks")
        assert sorted(entry["name"] for entry in get("/api/contents")["content"]) == ["notebooks", "out"]
        settings = get("/lab/api/settings/@jupyterlab/apputils-extension:notification")["schema"]["properties"]
    assert settings["fetchNews"]["default"] == "false"
    assert settings["checkForUpdates"]["default"] is False


def test_lab_shows_checkout() -> None:
    """Left to itself, JupyterLab shows the whole checkout, in which notebooks/ and out/ lie."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\nLAB_ROOT ?= $(CURDIR)\n" in makefile
    assert {"notebooks", "out"} <= {path.name for path in ROOT.iterdir() if path.is_dir()}


def test_every_notebook_is_checked() -> None:
    """Every notebook has its row among the checks in a browser."""
    assert set(NOTEBOOKS) == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


@pytest.mark.parametrize("script", ["checks", "screenshots"])
@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ({}, "none of chromium, chromium-browser, google-chrome is on PATH"),
        ({"CHROMIUM": "/none/chromium"}, "CHROMIUM=/none/chromium is no program"),
    ],
    ids=["none", "wrong"],
)
def test_missing_browser_exits_2(tmp_path: Path, script: str, named: dict[str, str], problem: str) -> None:
    """Without a browser one line says so, and how to name one, before anything is started."""
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path), **named}
    call = [sys.executable, "-m", f"tests.lab.{script}"]
    done = subprocess.run(call, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr == f"no browser: {problem}; install Debian's chromium, or name one with CHROMIUM=PATH\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "elsewhere"),
    [
        ("http://127.0.0.1:8888/lab", False),
        ("ws://127.0.0.1:8888/api/kernels/1/channels", False),
        ("blob:http://127.0.0.1:8888/1", False),
        ("data:image/png;base64,", False),
        ("file:///tmp/page.html", False),
        ("https://example.com/x.js", True),
        ("wss://example.com/", True),
        ("blob:https://example.com/1", True),
        ("http://127.0.0.1.example.com/", True),
        ("http://127.0.0.1@example.com/", True),
        ("//example.com/x.js", True),
    ],
)
def test_request_elsewhere_is_told(address: str, elsewhere: bool) -> None:
    """Requests to this machine are told from those to any other."""
    assert leaves(address) is elsewhere


def cell(identity: str, count: int | None, *outputs: dict[str, Any]) -> dict[str, Any]:
    """Return a code cell as JupyterLab has it."""
    return {"cell_type": "code", "id": identity, "execution_count": count, "outputs": list(outputs)}


PICTURE = {"output_type": "display_data", "data": {"image/png": ""}}
ERROR = {"output_type": "error", "ename": "KeyError", "evalue": "'x'"}


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ([cell("a", 1, PICTURE), cell("b", 2, ERROR)], "cell b: KeyError: 'x'"),
        ([cell("a", 1, PICTURE), cell("b", None)], "the last cell was not executed"),
        ([cell("a", 1), cell("b", 2)], "0 pictures, and not 1"),
        ([cell("a", 1, PICTURE, PICTURE), cell("b", 2)], "2 pictures, and not 1"),
    ],
)
def test_unexpected_output_is_named(cells: list[dict[str, Any]], problem: str) -> None:
    """An error, a cell that did not run and a picture too few or too many each have their message."""
    with pytest.raises(NotAsExpectedError, match=re.escape(problem)):
        check_outputs(cells, Expected(pictures=1))
    assert check_outputs([cell("a", 1, PICTURE), cell("b", 2)], Expected(pictures=1)) == ["a"]


def test_pictures_of_docs_are_there() -> None:
    """The pictures that ``make screenshots`` takes are committed, small, and all shown by a page."""
    shown = set()
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for name in re.findall(r"\]\(((?:docs/)?images/[^)]+)\)", page.read_text(encoding="utf-8")):
            shown.add(os.path.relpath(page.parent / name, ROOT / "docs" / "images"))
    assert shown == {f"{name}.png" for name in SHOWN}
    for name in shown:
        data = (ROOT / "docs" / "images" / name).read_bytes()
        assert data.startswith(b"\x89PNG")
        assert len(data) <= MOST
