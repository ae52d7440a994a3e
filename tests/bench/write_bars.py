"""Writes the bars that all engines read: c2lib's seeded walk as a CSV file of one-minute bars.

``python -m tests.bench.write_bars FILE BARS``
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from c2lib.core.config import SyntheticMarket
from c2lib.core.decimals import format_scaled
from c2lib.market.synthetic import SyntheticWalk

_SEED = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CENTS = 2


def write_bars(path: Path, count: int) -> None:
    """Write ``count`` bars."""
    walk = SyntheticWalk(_SEED, SyntheticMarket(), "0.01", "1", count)
    with path.open("w", encoding="ascii", newline="") as file:
        file.write("timestamp,open,high,low,close,volume\n")
        for bar in walk.bars(count):
            time = _EPOCH + timedelta(microseconds=bar.time)
            prices = ",".join(format_scaled(price, _CENTS) for price in (bar.open, bar.high, bar.low, bar.close))
            file.write(f"{time:%Y-%m-%d %H:%M:%S},{prices},{bar.volume}\n")


if __name__ == "__main__":
    write_bars(Path(sys.argv[1]), int(sys.argv[2]))
