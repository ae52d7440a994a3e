"""Makes the same crossover trade in c2lib and two peers, and explains every difference or fails.

Rules kept here:

* the seed of truth is exact: means are compared as integers, ``3 * sum of 10`` against ``sum of 30``, in units of the
  last decimal of the file, by arithmetic that shares no code with c2lib;
* each engine's trades are looked at bar by bar; a bar on which two engines differ is explained by a cause of the
  table :data:`CAUSES` or counted as unexplained, and then the exit code is 1.

``python -m tests.bench.compare_trades FILE PEERS_PYTHON``
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from tests.bench.measure import note, output, say, table
from tests.bench.trades import Trade, read_trades, trades_of_events

CAUSES = {
    "tie": "the two means are equal to the last digit, and a mean in binary floats falls on either side of it",
    "after a tie": "an engine stands on the other side since a tie, until the next crossing that is none",
    "warm-up": "the first bar with both means: backtesting.py asks its strategy one bar later",
}

_LATE = "backtesting"
_FAST, _SLOW = 10, 30


class Difference(NamedTuple):
    """A bar on which two engines trade differently; ``cause`` is ``None`` when nothing explains it."""

    bar_index: int
    left: Trade | None
    right: Trade | None
    cause: str | None


def closes_of(path: Path) -> list[int]:
    """Return the closing prices of a CSV file as integers at its finest decimal."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        name = next(field for field in rows.fieldnames or () if field.lower() == "close")
        closes = [Decimal(row[name]) for row in rows]
    finest = min(int(close.as_tuple().exponent) for close in closes)
    return [int(close.scaleb(-finest)) for close in closes]


def margins(closes: Sequence[int]) -> list[int | None]:
    """Return, per bar, how far the mean of 10 lies above the mean of 30, times 30; ``None`` before there are both."""
    found: list[int | None] = [None] * min(len(closes), _SLOW - 1)
    ends = range(_SLOW, len(closes) + 1)
    found.extend(3 * sum(closes[end - _FAST : end]) - sum(closes[end - _SLOW : end]) for end in ends)
    return found


def differences(
    left: Sequence[Trade], right: Sequence[Trade], exact: Sequence[int | None], is_late: bool
) -> list[Difference]:
    """Return the bars on which two engines trade differently, in order, each with its cause.

    ``is_late`` says that exactly one of the two begins a bar after the means are there.
    """
    by_bar = ({trade.bar_index: trade for trade in left}, {trade.bar_index: trade for trade in right})
    found: list[Difference] = []
    for at in sorted({trade.bar_index for trade in set(left) ^ set(right)}):
        cause = "warm-up" if is_late and at in (_SLOW, _SLOW + 1) else cause_of(at, exact, found)
        found.append(Difference(at, by_bar[0].get(at), by_bar[1].get(at), cause))
    return found


def cause_of(bar_index: int, exact: Sequence[int | None], earlier: Sequence[Difference]) -> str | None:
    """Return the key of :data:`CAUSES` that explains a difference, from the exact means at the deciding bar."""
    decided = bar_index - 1
    if exact[decided] == 0:
        return "tie"
    last = earlier[-1] if earlier else None
    # a stretch of ties may be longer than one bar; whoever moved at its begin is overtaken at its end
    between = exact[last.bar_index - 1 : decided] if last else ()
    if last and last.cause in ("tie", "after a tie") and between and all(margin == 0 for margin in between):
        return "after a tie"
    return None


def expected(exact: Sequence[int | None]) -> list[tuple[int, str]]:
    """Return bar and side of each trade that the exact means ask for."""
    trades, is_long = [], False
    for decided, margin in enumerate(exact[:-1]):
        if margin is not None and (margin > 0) != is_long:
            is_long = not is_long
            trades.append((decided + 1, "BUY" if is_long else "SELL"))
    return trades


def trades_of_all(market: Path, peers_python: str, folder: Path) -> dict[str, list[Trade]]:
    """Run the three engines and return their trades."""
    found = {}
    note("c2lib")
    output(
        [
            sys.executable,
            "-m",
            "c2lib",
            "dryrun",
            "--strategy-id",
            "sma_cross",
            "--seed",
            "1",
            "--market",
            str(market),
            "--out",
            str(folder),
            "--set",
            'broker.taker_fee_rate="0"',
        ]
    )
    (events,) = folder.rglob("events.jsonl")
    found["c2lib"] = trades_of_events(events)
    for name in ("backtesting", "backtrader"):
        note(name)
        file = folder / f"{name}.jsonl"
        output([peers_python, "-m", f"tests.bench.peer_{name}", "crossover", str(market), "--trades", str(file)])
        found[name] = read_trades(file)
    return found


def report(engines: Mapping[str, Sequence[Trade]], exact: Sequence[int | None]) -> int:
    """Print the tables; return how many differences nothing explains."""
    found = {
        (left, right): differences(engines[left], engines[right], exact, _LATE in (left, right))
        for left, right in combinations(engines, 2)
    }
    say(
        f"bars {len(exact)}, bars with both means {sum(margin is not None for margin in exact)}, "
        f"bars on which they are equal {sum(margin == 0 for margin in exact)}"
    )
    truth = expected(exact)
    counts = [
        (name, str(len(trades)), "yes" if [trade[:2] for trade in trades] == truth else "no")
        for name, trades in engines.items()
    ]
    say("\n" + table(("engine", "trades", "as the exact means ask"), counts))
    rows = [
        (f"{left} / {right}", str(len(all_)), shown(all_[0]) if all_ else "none", str(unexplained(all_)))
        for (left, right), all_ in found.items()
    ]
    say("\n" + table(("pair", "bars that differ", "first difference", "unexplained"), rows))
    details = [
        (
            f"{left} / {right}",
            str(item.bar_index),
            side(item.left),
            side(item.right),
            str(exact[item.bar_index - 1]),
            item.cause or "UNEXPLAINED",
        )
        for (left, right), all_ in found.items()
        for item in all_
    ]
    if details:
        head = ("pair", "bar", "left", "right", "exact margin at the deciding bar", "cause")
        say("\n" + table(head, details) + "\n")
        for name in sorted({item.cause for all_ in found.values() for item in all_ if item.cause}):
            say(f"{name}: {CAUSES[name]}")
    return sum(map(unexplained, found.values()))


def unexplained(found: Sequence[Difference]) -> int:
    """Return how many of the differences have no cause."""
    return sum(item.cause is None for item in found)


def side(trade: Trade | None) -> str:
    """Return a trade for a table."""
    return f"{trade.side} {trade.price}" if trade else "-"


def shown(difference: Difference) -> str:
    """Return a difference for a table."""
    return f"bar {difference.bar_index}: {side(difference.left)} / {side(difference.right)}"


def main() -> int:
    """Compare and return the exit code."""
    market = Path(sys.argv[1]).resolve()
    if not market.is_file():
        say(f"there is no market file {sys.argv[1]}: name one with MARKET=path")
        return 2
    exact = margins(closes_of(market))
    with tempfile.TemporaryDirectory(prefix="c2lib-peers-") as folder:
        left = report(trades_of_all(market, sys.argv[2], Path(folder)), exact)
    say(f"\nunexplained differences: {left}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
