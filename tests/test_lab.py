"""What ``make lab`` opens."""

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

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
