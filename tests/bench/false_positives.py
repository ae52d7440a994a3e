"""Counts what the secret detectors find in ordinary trading data, where there is nothing to find.

    python -m tests.bench.false_positives FILE...

Looked at are the file's name, its column names, every cell as text, and every line and name that two full runs on it
write (a tick for every bar, tagged orders, the run directory with its evidence draft). One line of JSON per file;
exit 1 when anything was found, which is told by its place and the detector's name.
"""

from __future__ import annotations

import csv
import gzip
import importlib
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from c2lib.app.evidence import write_evidence
from c2lib.app.runner import run_dryrun
from c2lib.core.config import DryrunConfig
from c2lib.core.model import OrderIntent, StrategySettings
from c2lib.core.redaction import find_secret
from c2lib.session.strategy import SmaCross

Place = tuple[str, str]
"""Where a text stands, and the text."""


class TaggedCross(SmaCross):
    """The crossover, whose orders say why in words."""

    def __init__(self, settings: StrategySettings) -> None:
        super().__init__(settings)
        self._symbol = settings.symbol

    def on_bar(self, bar: Any, view: Any) -> Any:
        """Return the crossover's order with a tag."""
        decided = super().on_bar(bar, view)
        if not decided:
            return None
        (order,) = decided
        assert isinstance(order, OrderIntent)
        tag = (
            f"{self._symbol}: cross at bar {bar.bar_index}, close {bar.close}, basic trend-following; long={self._long}"
        )
        return [order._replace(tag=tag)]


def rows_of(path: Path) -> Iterable[Sequence[Any]]:
    """Return the rows of a market file as its own format has them, the column names first."""
    if path.name.endswith((".csv", ".csv.gz")):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return csv.reader(data.decode("utf-8-sig").splitlines())
    pyarrow = importlib.import_module("pyarrow")
    if path.suffix == ".parquet":
        table = importlib.import_module("pyarrow.parquet").read_table(path)
    else:
        table = pyarrow.ipc.open_file(path).read_all()
    return (table.column_names, *zip(*(column.to_pylist() for column in table.columns), strict=True))


def cells(path: Path) -> Iterator[Place]:
    """Yield the file's name and every cell."""
    yield "name", path.name
    for number, row in enumerate(rows_of(path)):
        for column, cell in enumerate(row):
            yield f"row {number}, column {column + 1}", str(cell)


def market_of(path: Path, symbol: str) -> dict[str, str]:
    """Return what a config says of the file: floats of Feather and Parquet go to the nearest of a fine tick."""
    binary = {} if ".csv" in path.name else {"tick_size": "0.00000001", "rounding": "nearest"}
    return {"symbol": symbol, **binary}


def lines(path: Path, symbol: str) -> Iterator[Place]:
    """Yield every line, and the name of every file, of two full runs."""
    with tempfile.TemporaryDirectory() as folder:
        for own in (False, True):
            strategy_id = "tagged_cross" if own else "strat_demo"
            config = DryrunConfig(
                strategy_id=strategy_id, seed=1, strategy_allowlist=(strategy_id,), market=market_of(path, symbol)
            )
            strategy = TaggedCross if own else None
            result = run_dryrun(config, out_dir=folder, market=path, strategy=strategy)
            place = Path(result.path or "")
            write_evidence(place, date="2026-01-01", owner="A. Trader", market=path, strategy=strategy, plots=False)
            for file in sorted(place.rglob("*")):
                yield f"{strategy_id}: name", file.name
                if file.is_file():
                    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                        yield f"{strategy_id}: {file.name}, line {number}", line


def measured(path: Path) -> dict[str, Any]:
    """Return how many texts of a file were looked at and what was found in them."""
    symbol = "".join(char for char in path.name.partition(".")[0] if char.isalnum() or char in "_-")
    counts, found = {"cells": 0, "lines": 0}, []
    for kind, places in (("cells", cells(path)), ("lines", lines(path, symbol))):
        for where, text in places:
            counts[kind] += 1
            name = find_secret(text)
            if name:
                found.append(f"{where}: {name}")
    return {"file": path.name, "symbol": symbol, **counts, "found": len(found), "where": found[:20]}


def main(names: Sequence[str]) -> int:
    """Measure each file; return the exit code."""
    results = [measured(Path(name)) for name in names]
    for result in results:
        sys.stdout.write(json.dumps(result) + "\n")
    return 1 if not names or any(result["found"] for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
