"""Market files of any length: the memory that reading them takes does not grow with them."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from tests.market.arrow_tables import feather, parquet
from tests.market.csv_text import HEADER, text_of

READ_ALL = """
import resource, sys
from collections import deque
from c2lib.market.files import open_market_file
with open_market_file(sys.argv[1]) as market:
    deque(market.bars(market.bar_count), 0)
    print(market.bar_count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
FEW, MANY = 20_000, 200_000
START = datetime(2026, 1, 2, tzinfo=UTC)


def csv_file(bars: int) -> bytes:
    """Return a CSV file of so many bars."""
    rows = (f"{START + timedelta(minutes=at)},{1 + at % 500},2000,1,{1 + at % 700},{at % 900}" for at in range(bars))
    return text_of(HEADER, *rows).encode()


def table(bars: int) -> pa.Table:
    """Return the same bars as a table."""
    columns = {
        "date": pa.array([1_767_312_000 + 60 * at for at in range(bars)], pa.timestamp("s", "UTC")),
        "open": pa.array([1 + at % 500 for at in range(bars)], pa.float64()),
        "high": pa.array([2000] * bars, pa.float64()),
        "low": pa.array([1] * bars, pa.float64()),
        "close": pa.array([1 + at % 700 for at in range(bars)], pa.float64()),
        "volume": pa.array([at % 900 for at in range(bars)], pa.float64()),
    }
    return pa.table(columns)


def peak(path: Path, bars: int) -> int:
    """Return the most memory that a process of its own ever held while it read a file."""
    # between the two stands a shell, since a process inherits the peak of the one that starts it
    through_shell = ["/bin/sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", READ_ALL, str(path)]
    answer = subprocess.run(through_shell, capture_output=True, text=True, check=True).stdout
    count, memory = map(int, answer.split())
    assert count == bars
    return memory


@pytest.mark.parametrize("ending", ["csv", "feather", "parquet"])
def test_memory_stays_flat(ending: str, tmp_path: Path) -> None:
    """Reading ten times as many bars takes at most 1.15 times the memory."""
    peaks = []
    for bars in (FEW, MANY):
        path = tmp_path / f"{bars}.{ending}"
        if ending == "csv":
            path.write_bytes(csv_file(bars))
        else:
            path.write_bytes(parquet(table(bars)) if ending == "parquet" else feather(table(bars), "lz4", FEW))
        peaks.append(peak(path, bars))
    assert peaks[1] <= 1.15 * peaks[0]
