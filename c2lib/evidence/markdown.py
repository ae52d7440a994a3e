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
from collections.abc import Iterator, Sequence
from typing import NewType
from unicodedata import ucd_3_2_0

from c2lib.core.contract import SHA256_PATTERN
from c2lib.core.errors import ConfigError, DefectError
from c2lib.core.redaction import redact_secrets
from c2lib.core.vocabulary import EventKind
from c2lib.evidence.claims import Claim
from c2lib.witness.run import RunSeries

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


MAX_CELL = 120
"""Most characters of a value that a cell shows."""

_SHA256 = re.compile(SHA256_PATTERN, re.ASCII)


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with its columns below each other and no blank at a line's end."""
    shown = [tuple(header), *(tuple(_shown(cell) for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = [shown[0], tuple("-" * width for width in widths), *shown[1:]]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _shown(cell: str) -> str:
    return short(cell) if _SHA256.fullmatch(cell) else visible(cell, MAX_CELL) or "-"


def claims_table(claims: Sequence[Claim]) -> str:
    """Return the claims with what was expected and seen, and the beginnings of the hashes that bear them."""
    return aligned(
        ("claim", "expected", "observed", "result", "borne by"),
        [
            (
                claim.name,
                claim.expected,
                claim.observed,
                "PASS" if claim.passed else "FAIL",
                " ".join(map(short, claim.references)),
            )
            for claim in claims
        ],
    )


def events_table(series: RunSeries, limit: int = 20) -> str:
    """Return the first ``limit`` bars, orders and fills in the order of their events.

    Raises :class:`ConfigError` for a limit below 1.
    """
    if limit < 1:
        raise ConfigError("limit", "must be 1 or more")
    # the sort is stable, so that events which a damaged log numbers alike keep their places
    rows = [row for _, row in sorted(_event_rows(series), key=lambda pair: pair[0])]
    text = aligned(("ts_sim", "bar", "event", "detail"), rows[:limit])
    more = len(rows) - limit
    return f"{text}\n... {more} more" if more > 0 else text


def _event_rows(series: RunSeries) -> Iterator[tuple[int, tuple[str, str, str, str]]]:
    for bar in series.bars:
        detail = f"{bar.bar_time} close {bar.close} {bar.decision}"
        yield bar.ts_sim, (str(bar.ts_sim), str(bar.bar_index), EventKind.STRATEGY_TICK.value, detail)
    for order in series.orders:
        detail = f"{order.side} {order.quantity} {order.client_order_id}"
        yield order.ts_sim, (str(order.ts_sim), str(order.bar_index), EventKind.ORDER_SUBMITTED.value, detail)
    for fill in series.fills:
        detail = f"{fill.side} {fill.quantity} at {fill.price}, fee {fill.fee}, {fill.client_order_id}"
        yield fill.ts_sim, (str(fill.ts_sim), str(fill.bar_index), EventKind.FILL.value, detail)
