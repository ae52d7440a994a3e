"""A trade as all engines tell it, and its file.

Rules kept here:

* standard library only, since the peers' environments have nothing else;
* a price is decimal text: c2lib's as it stands in the event, a peer's float by its shortest text, so that two of
  them are equal only when the numbers are.

>>> price_text(1.07160), price_text(1e-05), price_text(2.0)
('1.0716', '0.00001', '2')
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple


class Trade(NamedTuple):
    """One fill: the bar that it happened on, counted from 0, ``BUY`` or ``SELL``, and the price."""

    bar_index: int
    side: str
    price: str


def price_text(price: float) -> str:
    """Return the canonical decimal text of a peer's price."""
    text = format(Decimal(repr(float(price))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def write_trades(path: str, trades: Iterable[Trade]) -> None:
    """Write trades as JSON, one a line."""
    Path(path).write_text("".join(json.dumps(trade) + "\n" for trade in trades), encoding="ascii")


def read_trades(path: Path) -> list[Trade]:
    """Return the trades of a file that :func:`write_trades` wrote."""
    return [Trade(*json.loads(line)) for line in path.read_text(encoding="ascii").splitlines()]


def trades_of_events(path: Path) -> list[Trade]:
    """Return the fills in an ``events.jsonl`` of c2lib."""
    found = []
    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            event = json.loads(line)
            if event["event_type"] == "FILL":
                payload = event["payload"]
                found.append(Trade(payload["bar_index"], payload["side"], payload["price"]))
    return found


def peer_options() -> argparse.Namespace:
    """Return the arguments that every peer's script takes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=("crossover", "flip"))
    parser.add_argument("market", help="CSV file; its first column is the time")
    parser.add_argument("--trades", help="write the trades to this file")
    parser.add_argument("--no-statistics", action="store_true", help="leave out what is computed after the run")
    return parser.parse_args()
