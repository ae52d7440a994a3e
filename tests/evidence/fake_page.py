"""A page that runs the script of the time travel without a browser: the real HTML, a small engine, a small DOM."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import quickjs

SCRIPT = Path(__file__).with_name("fake_page.js").read_text(encoding="utf-8")
VOID = {"input", "meta"}


class _Tree(HTMLParser):
    """Reads HTML into ``[tag, attributes, children]``."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[list[Any]] = [["html", {}, []]]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        node = [tag, {name: value or "" for name, value in attrs}, []]
        self.open[-1][2].append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        """Close the element that is open, which must have this name unless it is the outermost."""
        if len(self.open) > 1:
            assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        """Add text."""
        self.open[-1][2].append(data)


def tree(html: str) -> list[Any]:
    """Return the elements of an HTML text, which must be closed in their order."""
    reader = _Tree()
    reader.feed(html)
    reader.close()
    assert len(reader.open) == 1
    return reader.open[0]


class Page:
    """A page with one output of the time travel, or with several; the numbers of outputs count from 0."""

    def __init__(self, html: str, address: str = "") -> None:
        self._engine = quickjs.Context()
        self._engine.eval(SCRIPT)
        for at in range(self.call("open_page", tree(html), address)):
            self.call("start_script", at)
            found: list[str] = []
            _scripts(tree(html), found)
            self._engine.eval(found[2 * at + 1])

    def call(self, name: str, *given: Any) -> Any:
        """Call a function of the fake page."""
        return self._engine.eval(f"{name}({', '.join(map(json.dumps, given))})")

    def seen(self, at: int = 0) -> dict[str, Any]:
        """Return what an output shows."""
        shown: dict[str, Any] = json.loads(self.call("seen", at))
        return shown

    def at(self, moment: int, at: int = 0) -> dict[str, Any]:
        """Draw the slider of an output to a moment and return what it shows then."""
        self.call("drag", at, moment)
        return self.seen(at)


def _scripts(node: list[Any], found: list[str]) -> None:
    """Collect the texts of the scripts below an element."""
    for child in node[2]:
        if isinstance(child, list):
            if child[0] == "script":
                found.append("".join(child[2]))
            _scripts(child, found)
