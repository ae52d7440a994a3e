r"""Values from a run, written so that neither markdown nor a line of text can make anything else of them.

A value is redacted and bounded, and what has no shape of its own is shown as ``[U+XXXX]``: whether a character has one
is asked of Unicode 3.2, the one version that every Python carries. In markdown, whatever else could be structure is a
numeric entity, and what a template shows is encoded unless it is :class:`Encoded` already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from textwrap import wrap
from unicodedata import ucd_3_2_0

from c2lib.core.contract import SHA256_PATTERN
from c2lib.core.errors import ConfigError
from c2lib.core.redaction import redact_secrets
from c2lib.core.text import MAX_SHOWN
from c2lib.core.vocabulary import EventKind
from c2lib.witness.refold import decimal_text
from c2lib.witness.run import Run


class Encoded(str):
    """Text that may stand in markdown as it is; whatever is made of it in a template is plain text again."""

    __slots__ = ()


NOTHING = Encoded("–")
"""What stands for a value that is not there."""

MAX_PADDED = 66
"""Most characters to which a cell of a markdown table is filled up: a hash in a code span."""

SHA256 = re.compile(SHA256_PATTERN, re.ASCII)
_SHA256_IN_TEXT = re.compile(r"\b[0-9a-f]{64}\b", re.ASCII)

_ALNUM = "[A-Za-z0-9]"

# only the group becomes an entity: the alternatives before it are characters that are harmless where they stand and
# stay readable; a dot behind a w is not, since renderers make a link of www., nor is a bracket, so that ( opens nothing
_ENTITIES = re.compile(
    rf"(?<={_ALNUM})(?:[-_/]|(?<![wW])\.)(?={_ALNUM})"
    r"|(?<=[0-9])[:+](?=[0-9])|(?<=[A-Za-z])\.(?= |$)|(?<=[A-Za-z0-9)]):(?= |$)|(?<!-)-(?=[0-9])|['(;?%]|(?<=[^0-9])\)"
    r"|([!-+./:-@\[-`{-~-]|^ | $| (?= ))",
    re.ASCII,
)

_SPAN = re.compile(r"`[^`]*`|<code>.*?</code>")

_CODE = re.compile(r"(?! )[^`|$<>&\\]+(?<! )")
"""What a code span shows as it is, in a table as well."""

# characters that Unicode calls letters, marks or symbols and that show nothing
_SHAPELESS = frozenset(
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
)


def visible(text: str, limit: int = MAX_SHOWN, *, ascii_only: bool = False) -> str:
    r"""Return ``text`` as one line in which every character shows; secrets are taken out first.

    Args:
        text: any text of a run.
        limit: most of its characters that are kept; how many more there are is said.
        ascii_only: whether to show all others by their code point, for fonts that lack them.

    >>> visible("one\ntwo")
    'one[U+000A]two'
    """

    def shows(char: str) -> bool:
        if char <= "~":
            return char >= " "
        return not ascii_only and ucd_3_2_0.category(char)[0] not in "CZ" and char not in _SHAPELESS

    text = redact_secrets(text)
    shown = "".join(char if shows(char) else f"[U+{ord(char):04X}]" for char in text[:limit])
    more = len(text) - limit
    return f"{shown}... (and {more} more)" if more > 0 else shown


def inline(text: str, limit: int = MAX_SHOWN) -> Encoded:
    """Return ``text`` for any place within a line of markdown."""
    return Encoded(_ENTITIES.sub(lambda match: f"&#{ord(match[0])};" if match[1] else match[0], visible(text, limit)))


def code(value: object, limit: int = MAX_SHOWN) -> Encoded:
    """Return a value as inline code; ``None`` and empty text become a dash.

    >>> code("--a *b*"), code("a|b`c`")
    ('`--a *b*`', '<code>a&#124;b&#96;c&#96;</code>')
    """
    text = visible(_plain(value), limit)
    if _CODE.fullmatch(text) and "  " not in text:
        return Encoded(f"`{text}`")
    return Encoded(f"<code>{inline(text, len(text))}</code>") if text else NOTHING


def encoded(value: object) -> Encoded:
    """Return a value as a template shows it: as it is when it is encoded, else encoded; ``None`` becomes a dash."""
    return value if isinstance(value, Encoded) else NOTHING if value is None else inline(_plain(value))


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return decimal_text(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def short(value: object) -> str:
    """Return a value as text in which each SHA-256 is cut to the 12 characters that it can be found by."""
    return _SHA256_IN_TEXT.sub(lambda match: match[0][:12], _plain(value))


def wrapped(value: object, begun: int = 2) -> Encoded:
    """Return a value as the text of a list item whose first line has ``begun`` characters, in lines of at most 100.

    What could be structure at the beginning of a line is encoded anywhere, and a code span is one word.
    """
    words = _SPAN.sub(lambda match: match[0].replace(" ", "\0"), encoded(value))
    lines = wrap(words, 98, initial_indent=" " * (begun - 2), break_long_words=False, break_on_hyphens=False)
    return Encoded("\n  ".join(lines).strip().replace("\0", " "))


def padded(table: Iterable[str]) -> list[str]:
    """Return the rows of a markdown table with their columns below each other, but for what long cells push aside."""
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table]
    widths = [min(max(map(len, column)), MAX_PADDED) for column in zip(*rows, strict=False)]
    if len(rows) > 1:
        rows[1] = [
            cell.replace("---", "-" * (width - len(cell) + 3)) for cell, width in zip(rows[1], widths, strict=False)
        ]
    return [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))} |" for row in rows]


_DETAILS = {
    EventKind.STRATEGY_TICK: "{bar_time} close {close} {decision}",
    EventKind.ORDER_SUBMITTED: "{side} {quantity} {client_order_id}",
    EventKind.FILL: "{side} {quantity} at {price}, fee {fee}, {client_order_id}",
}
_HEADER = "ts_sim  bar  event            detail\n------  ---  ---------------  ------"
MAX_DETAIL = 120


def events_table(run: Run, limit: int = 20) -> str:
    """Return the first ``limit`` bars, orders and fills of a run, in the order of the log.

    Raises:
        ConfigError: for a limit below 1.
        RunPathError: the event log could not be read.
    """
    if limit < 1:
        raise ConfigError("limit", "must be 1 or more")
    rows = [_HEADER]
    for event in islice((event for event in run.events() if event.event_type in _DETAILS), limit):
        detail = visible(_DETAILS[EventKind(event.event_type)].format(**event.payload), MAX_DETAIL)
        rows.append(f"{event.ts_sim:<8}{event.payload['bar_index']:<5}{event.event_type:<17}{detail}".rstrip())
    more = sum(run.summary.event_counts.get(kind, 0) for kind in _DETAILS) - len(rows) + 1
    return "\n".join([*rows, *([f"... {more} more"] if more > 0 else [])])
