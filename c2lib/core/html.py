"""Tables of HTML for notebooks and pages.

They take font and colours from the page around them, fetch nothing, have neither script nor id, and can be read
without their styles. No text of a value becomes markup, and a secret in one is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import islice
from typing import Any

from c2lib.core.redaction import redact_secrets
from c2lib.core.text import one_line

MAX_ROWS = 20
MAX_CELL = 500
"""Most characters of a value that are shown."""

_TABLE = '<table cellpadding="4" style="border-collapse:collapse;color:inherit;overflow-wrap:anywhere">'
_CAPTION = '<caption style="color:inherit;text-align:left">'
_ROW = '<tr style="vertical-align:top;border-bottom:1px solid var(--jp-border-color2,currentColor)">'
# JupyterLab puts the text of a cell to the right
_LEFT = 'style="text-align:left"'


def cell_text(value: Any) -> str:
    """Return a value as one line without secrets; the items of a tuple, list or mapping follow each other."""
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, Mapping):
        value = [f"{name}={item}" for name, item in value.items()]
    text = ", ".join(map(str, value)) if type(value) in (list, tuple) else str(value)
    # more is searched for secrets than is shown, since one may begin within that and end after it
    text = one_line(redact_secrets(text[: 8 * MAX_CELL]))
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


def facts_table(title: str, status: object, facts: Iterable[tuple[str, object]]) -> str:
    """Return names and values as an HTML table under a title and a status word."""
    return _table(f"<strong>{_escaped(title)}</strong> <em>{_escaped(status)}</em>", (), facts)


def rows_table(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]], count: int) -> str:
    """Return the first :data:`MAX_ROWS` of ``count`` rows as an HTML table; the first value of each is its heading."""
    shown = f"first {MAX_ROWS} of {count:,} rows" if count > MAX_ROWS else f"{count} row{'s' * (count != 1)}"
    return _table(f"{_escaped(name)}: {shown}", columns, islice(rows, MAX_ROWS))


def _table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f'<th scope="col" {_LEFT}>{_escaped(name)}</th>' for name in columns)
    lines = [f"{_TABLE}{_CAPTION}{caption}</caption>", *([f"<thead>{_ROW}{head}</tr></thead>"] if head else [])]
    for first, *rest in rows:
        cells = "".join(f"<td {_LEFT}>{_escaped(value)}</td>" for value in rest)
        lines.append(f'{_ROW}<th scope="row" {_LEFT}>{_escaped(first)}</th>{cells}</tr>')
    return "\n".join([*lines, "</table>"])


def _escaped(value: object) -> str:
    return escape(cell_text(value))
