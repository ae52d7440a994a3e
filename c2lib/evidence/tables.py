"""Plain tables for a notebook or a terminal: aligned text, the same for the same run.

Rules kept here:

* one row is one line, whatever the values hold;
* what is left out is counted, but for a hash, which shows its beginning.

>>> print(aligned(("side", "price"), [("BUY", "1.5"), ("SELL", "20")]))
side  price
----  -----
BUY   1.5
SELL  20
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from c2lib.core.errors import ConfigError
from c2lib.core.fields import SHA256_PATTERN
from c2lib.core.vocabulary import EventKind
from c2lib.evidence.claims import Claim
from c2lib.evidence.encode import short, visible
from c2lib.witness.facts import RunSeries

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
                " ".join(map(short, claim.bearers)),
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
