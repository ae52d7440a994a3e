"""The pictures of the docs, taken of the notebooks in JupyterLab: ``make screenshots`` writes docs/images."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.lab.browser import browser, find_chromium
from tests.lab.checks import NOTEBOOKS, check_outputs, open_notebook, opened_lab, say
from tests.lab.server import ROOT

IMAGES = ROOT / "docs" / "images"
SHOWN = {"01_dryrun": "sheet", "02_verify": "findings"}
"""The notebooks that are shown, and the cell at the top of each picture."""

MOST = 200_000
"""Largest picture, in bytes."""


def main(folder: Path) -> int:
    """Write the pictures and return the exit code."""
    find_chromium()
    folder.mkdir(exist_ok=True)
    with opened_lab() as (address, _), browser(width=1000, height=850) as pages:
        for name, cell in SHOWN.items():
            notebook = open_notebook(pages, address, name)
            notebook.page.evaluate("() => jupyterapp.shell.collapseLeft()")
            check_outputs(notebook.run_all(), NOTEBOOKS[name])
            notebook.cell(cell)
            notebook.page.wait_for_timeout(1000)  # what was scrolled to is drawn
            data = notebook.page.screenshot()
            if len(data) > MOST:
                sys.stderr.write(f"{name}: a picture of {len(data)} bytes is larger than {MOST}\n")
                return 1
            (folder / f"{name}.png").write_bytes(data)
            say(f"{folder.name}/{name}.png: {len(data)} bytes")
            notebook.page.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES))
