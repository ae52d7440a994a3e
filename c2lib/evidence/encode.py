r"""Values from a run, written so that markdown can do nothing with them.

Rules kept here:

* a value is redacted, bounded, and every character that has no shape of its own is shown as ``[U+XXXX]``;
* in markdown everything else that could mean something is a numeric entity, which can never be structure;
* a table is built from :data:`Encoded` cells alone, so that a row can be neither forged nor hidden;
* the same on every Python: what has a shape is asked of Unicode 3.2, the one version that all of them carry.

>>> code("a|b`c`")
'<code>a&#124;b&#96;c&#96;</code>'
>>> code("out/finish_c/c2/run_demo_001")
'<code>out&#47;finish_c&#47;c2&#47;run_demo_001</code>'
>>> visible("one\ntwo")
'one[U+000A]two'
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NewType
from unicodedata import ucd_3_2_0

from c2lib.core.errors import DefectError
from c2lib.core.secrets import redact_secrets

Encoded = NewType("Encoded", str)
"""Text that may stand in markdown as it is: one line, no structure of its own."""

MAX_SHOWN = 200
"""Most characters of a value that are shown; how many more there are is said."""

NOTHING = Encoded("–")
"""What stands for a value that is not there."""

_ALNUM = "[A-Za-z0-9]"

# a dot behind a w stays no dot: renderers make a link of www.
_ENTITIES = re.compile(
    rf"(?<={_ALNUM})(?:[-_]|(?<![wW])\.)(?={_ALNUM})"
    r"|(?<=[0-9])[:+](?=[0-9])|(?<=[A-Za-z])\.(?= |$)"
    r"|([!-+./:-@\[-`{-~-]|^ | $| (?= ))",
    re.ASCII,
)

# characters that Unicode calls letters, marks or symbols and that show nothing
_SHAPELESS = frozenset(
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
)


def _has_shape(char: str) -> bool:
    return ucd_3_2_0.category(char)[0] not in "CZ" and char not in _SHAPELESS


def visible(text: str, limit: int = MAX_SHOWN, *, ascii_only: bool = False) -> str:
    """Return ``text`` as one line in which every character shows; at most ``limit`` of its characters are kept.

    Secrets are taken out first. ``ascii_only`` shows all others by their code point, for fonts that lack them.
    """
    text = redact_secrets(text)
    shown = "".join(
        char if " " <= char <= "~" or (char > "~" and not ascii_only and _has_shape(char)) else f"[U+{ord(char):04X}]"
        for char in text[:limit]
    )
    more = len(text) - limit
    return f"{shown}... (and {more} more)" if more > 0 else shown


def inline(text: str, limit: int = MAX_SHOWN) -> Encoded:
    """Return ``text`` for any place within a line of markdown."""
    return Encoded(_ENTITIES.sub(_entity, visible(text, limit)))


def _entity(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};" if match[1] else match[0]


def code(text: object, limit: int = MAX_SHOWN) -> Encoded:
    """Return a value as inline code; ``None`` and empty text become a dash."""
    shown = "" if text is None else inline(str(text), limit)
    return Encoded(f"<code>{shown}</code>") if shown else NOTHING


def short(digest: str) -> str:
    """Return the first 12 characters of a hash, enough to find it by."""
    return digest[:12]


def table(header: Sequence[str], rows: Sequence[Sequence[Encoded]]) -> str:
    """Return a markdown table; raise :class:`DefectError` when a row does not fit its header."""
    lines = [_row(header), _row(["---"] * len(header))]
    for row in rows:
        if len(row) != len(header):
            raise DefectError(f"a row of {len(row)} cells in a table of {len(header)}")
        lines.append(_row(row))
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def bullets(sentences: Sequence[str]) -> str:
    """Return a markdown list of sentences whose values are encoded already."""
    return "\n".join(f"- {sentence}" for sentence in sentences)
