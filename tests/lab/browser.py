"""A real browser: JupyterLab and exported pages in it, notebooks run whole, sliders moved, every request recorded."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # what would leave the machine is recorded and finds no address
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
LONGEST = 120_000
"""Longest time for anything, in milliseconds."""

RUN_ALL = """async () => {
  const panel = jupyterapp.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await jupyterapp.commands.execute('notebook:clear-all-cell-outputs');
  await jupyterapp.commands.execute('notebook:run-all-cells');
  return panel.content.model.sharedModel.toJSON().cells;
}"""
SHOW = """async id => {
  const content = jupyterapp.shell.currentWidget.content;
  const index = content.widgets.findIndex(cell => cell.model.id === id);
  await content.scrollToItem(index, 'start');
  const cell = content.widgets[index];
  await cell.ready;
  cell.node.dataset.shown = id;
}"""
STATE = "part => part.innerText + [...part.querySelectorAll('img')].map(image => image.src).join()"
LOADED = "parts => parts.filter(image => image.complete && image.naturalWidth > 0).length"


def find_chromium() -> str:
    """Return the browser's path: CHROMIUM, or the first of its names on PATH; leave with 2 when there is none."""
    named = os.environ.get("CHROMIUM")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        sought = f"CHROMIUM={named} is no program" if named else f"none of {', '.join(NAMES)} is on PATH"
        sys.stderr.write(f"no browser: {sought}; install Debian's chromium, or name one with CHROMIUM=PATH\n")
        raise SystemExit(2)
    return found


def leaves(address: str) -> bool:
    """Whether a request goes to another machine."""
    parts = urlsplit(address.removeprefix("blob:"))
    return parts.scheme not in ("data", "file", "about") and parts.hostname not in ("127.0.0.1", "localhost")


class Pages:
    """Opens pages in a browser, and records the address of every request that they make."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self.requests: list[str] = []
        context.set_default_timeout(LONGEST)
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("page", lambda page: page.on("websocket", lambda socket: self.requests.append(socket.url)))

    def open(self, address: str) -> Any:
        """Return a new page, loaded."""
        page = self._context.new_page()
        page.goto(address)
        return page

    def strangers(self) -> list[str]:
        """Return the requests to other machines."""
        return [address for address in self.requests if leaves(address)]


@contextmanager
def browser(width: int = 1100, height: int = 900) -> Iterator[Pages]:
    """Start the browser with a profile of its own, which is gone afterwards."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        yield Pages(chromium.new_context(viewport={"width": width, "height": height}))
        chromium.close()


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, page: Any, path: str) -> None:
        self.page = page
        page.wait_for_function("path => window.jupyterapp?.shell?.currentWidget?.context?.path === path", arg=path)

    def run_all(self) -> list[dict[str, Any]]:
        """Run every cell anew, as the menu does, and return the cells with what came out."""
        cells: list[dict[str, Any]] = self.page.evaluate(RUN_ALL)
        return cells

    def cell(self, identity: str) -> Any:
        """Scroll to a cell and return it."""
        self.page.evaluate(SHOW, identity)
        return self.page.locator(f'[data-shown="{identity}"]')


def move_slider(part: Any, slider: str, share: float = 0.7) -> tuple[str, str]:
    """Click on a slider and return what is shown before and after; both are the same when nothing changes.

    JupyterLab keeps the arrow keys for itself, so that a slider in an output is moved by the mouse.

    Args:
        part: Where the slider and what it changes are shown.
        slider: Its selector in there: ``input[type=range]``, or ``.noUi-target`` of ipywidgets.
        share: Where on its length it is clicked.
    """
    before = part.evaluate(STATE)
    track = part.locator(slider).first
    box = track.bounding_box()
    track.click(position={"x": box["width"] * share, "y": box["height"] / 2})
    for _ in range(50):
        after = part.evaluate(STATE)
        if after != before:
            break
        part.page.wait_for_timeout(100)
    return before, after


def pictures_in(part: Any) -> int:
    """Return how many pictures are shown and have loaded."""
    count: int = part.locator("img").evaluate_all(LOADED)
    return count
