"""Each notebook in a real browser, and then its HTML export: ``make test-lab``.

A new notebook gets a row in :data:`NOTEBOOKS`; a slider in one of its outputs gets a :class:`Slider`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tests.lab import samples
from tests.lab.browser import Notebook, Pages, browser, find_chromium, move_slider, pictures_in
from tests.lab.server import ROOT, TOKEN, lab

NBCONVERT = (str(ROOT / ".venv" / "bin" / "jupyter"), "nbconvert", "--to", "html", "--template", "basic")


class Slider(NamedTuple):
    """A slider in the output of a cell; ``exported`` when it works in the HTML export too."""

    cell: str
    track: str = "input[type=range]"
    exported: bool = True


class Expected(NamedTuple):
    """How many pictures a notebook shows, and which sliders."""

    pictures: int
    sliders: tuple[Slider, ...] = ()


NOTEBOOKS = {"01_dryrun": Expected(pictures=3), "02_verify": Expected(pictures=1)}
"""What is expected of each notebook in notebooks/."""

SAMPLE = Expected(pictures=1, sliders=(Slider("html"), Slider("widget", ".noUi-target", exported=False)))
"""What is expected of the sample, which has both kinds of slider."""


class NotAsExpectedError(Exception):
    """Something in the browser is not as it should be."""


def require(holds: bool, problem: str) -> None:
    """Raise :class:`NotAsExpectedError` unless something holds."""
    if not holds:
        raise NotAsExpectedError(problem)


def say(text: str) -> None:
    """Write a line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def opened_lab() -> Iterator[tuple[str, Path]]:
    """Start JupyterLab over copies of the notebooks and the samples; give its address and the folder of the copies."""
    with TemporaryDirectory() as folder:
        home, notebooks = Path(folder, "home"), Path(folder, "root", "notebooks")
        home.mkdir()
        shutil.copytree(ROOT / "notebooks", notebooks, ignore=shutil.ignore_patterns(".*"))
        samples.write(notebooks)
        with lab(notebooks.parent, home, "--LabApp.expose_app_in_browser=True") as address:
            yield address, notebooks


def open_notebook(pages: Pages, address: str, name: str) -> Notebook:
    """Open a notebook in JupyterLab, in a workspace of its own."""
    path = f"notebooks/{name}.ipynb"
    return Notebook(pages.open(f"{address}/lab/workspaces/{name}/tree/{path}?token={TOKEN}"), path)


def outputs_of(cells: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each output of some cells behind the id of its cell."""
    for cell in cells:
        yield from ((cell["id"], output) for output in cell.get("outputs", ()))


def check_outputs(cells: list[dict[str, Any]], expected: Expected) -> list[str]:
    """Check that every cell ran without an error and the pictures are there; return the ids of the cells with one."""
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    for identity, output in outputs_of(cells):
        error = f"{output.get('ename')}: {output.get('evalue')}"
        require(output["output_type"] != "error", f"cell {identity}: {error}")
    require(code[-1]["execution_count"] == len(code), "the last cell was not executed")
    drawn = [identity for identity, output in outputs_of(cells) if "image/png" in output.get("data", {})]
    require(len(drawn) == expected.pictures, f"{len(drawn)} pictures, and not {expected.pictures}")
    return drawn


def check_slider(part: Any, slider: Slider, where: str) -> None:
    """Check that what is shown changes with a slider."""
    before, after = move_slider(part, slider.track)
    require(before != after, f"{where}: moving the slider of cell {slider.cell} changes nothing: {before[:200]}")


def check_notebook(pages: Pages, address: str, name: str, expected: Expected) -> str:
    """Run a notebook whole in JupyterLab and check what it shows; return that in words."""
    start = time.monotonic()
    notebook = open_notebook(pages, address, name)
    cells = notebook.run_all()
    took = time.monotonic() - start
    for identity in check_outputs(cells, expected):
        require(pictures_in(notebook.cell(identity)) == 1, f"cell {identity}: the picture is not shown")
    for slider in expected.sliders:
        check_slider(notebook.cell(slider.cell), slider, "JupyterLab")
    notebook.page.close()
    return (
        f"{len(cells)} cells run in {took:.1f} s, {expected.pictures} pictures, {len(expected.sliders)} sliders moved"
    )


def export(notebook: Path, folder: Path) -> Path:
    """Execute a notebook and export it to HTML, as a reader would to pass it on."""
    words = [*NBCONVERT, "--execute", "--output-dir", str(folder), str(notebook)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    require(done.returncode == 0, done.stderr)
    return folder / f"{notebook.stem}.html"


def check_export(pages: Pages, page: Path, expected: Expected) -> str:
    """Open an exported notebook as a file, and check what it shows; return that in words."""
    opened = pages.open(page.as_uri())
    require(pictures_in(opened) == expected.pictures, f"{page.name}: not {expected.pictures} pictures")
    sliders = [slider for slider in expected.sliders if slider.exported]
    for slider in sliders:
        part = opened.locator(f'[id="cell-id={slider.cell}"]')
        check_slider(part if part.count() else opened.locator("body"), slider, page.name)
    opened.close()
    return f"exported, {expected.pictures} pictures, {len(sliders)} sliders moved"


def check_refusals(address: str) -> None:
    """Check that a notebook that raises, and one that loads something from elsewhere, are found out."""
    with browser() as pages:
        try:
            check_notebook(pages, address, samples.RAISING, Expected(0))
        except NotAsExpectedError as error:
            require("ZeroDivisionError" in str(error), f"another error than the planted one: {error}")
        else:
            raise NotAsExpectedError("a cell that raises was not noticed")
        require(not pages.strangers(), f"requests left the machine: {pages.strangers()}")
        check_notebook(pages, address, samples.LOADING, Expected(0))
        require(pages.strangers() == [samples.ELSEWHERE], f"the planted request was not noticed: {pages.strangers()}")


def main() -> int:
    """Check every notebook and return the exit code."""
    find_chromium()
    rows = {**NOTEBOOKS, samples.SOUND: SAMPLE}
    try:
        names = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
        require(names == set(NOTEBOOKS), f"no row, or no notebook: {', '.join(names ^ set(NOTEBOOKS))}")
        with opened_lab() as (address, notebooks), TemporaryDirectory() as folder:
            with browser() as pages:
                for name, expected in rows.items():
                    say(f"{name}: {check_notebook(pages, address, name, expected)}")
                    page = export(notebooks / f"{name}.ipynb", Path(folder))
                    say(f"{name}: {check_export(pages, page, expected)}")
                require(not pages.strangers(), f"requests left the machine: {pages.strangers()}")
                say(f"{len(pages.requests)} requests, none of them to another machine")
            check_refusals(address)
            say("a notebook that raises and one that loads a picture from elsewhere: both found")
    except NotAsExpectedError as error:
        sys.stderr.write(f"not as expected: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
