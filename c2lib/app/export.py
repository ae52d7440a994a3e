"""The tables of a run as files for others: CSV with the texts of the log, Parquet with types.

The names ``trades`` and ``equity`` are those of the runbook's family. The same run gives the same bytes.
``docs/export.md`` describes the columns.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, fields
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

from c2lib.app.paths import output_file
from c2lib.core.errors import MissingExtraError
from c2lib.witness.audit import PhaseMove
from c2lib.witness.rows import DTYPES, TABLES
from c2lib.witness.run import Run

_TABLE_OF = {"orders": "orders", "fills": "fills", "trades": "round_trips", "equity": "equity"}
_ROW_GROUP = 65_536
"""Rows that are held at a time for a Parquet file."""

Rows = Iterable[Sequence[Any]]


def export_run(run: Run, folder: Path, form: str) -> dict[str, int]:
    """Write orders, fills, trades, equity and transitions of a run, and return how many rows each has.

    Args:
        run: the run.
        folder: where the files go; files of these names are written anew.
        form: ``csv`` or ``parquet``.

    Raises:
        MissingExtraError: Parquet without pyarrow.
        OutputError: the disk refused a file.
        RunPathError: the event log could not be read.
    """
    pyarrow = _pyarrow() if form == "parquet" else None
    counts = {}
    for name, columns, rows in _tables(run):
        with output_file(folder / f"{name}.{form}", "--out") as out:
            counts[name] = _parquet(pyarrow, out, columns, rows) if pyarrow else _csv(out, columns, rows)
    return counts


def _tables(run: Run) -> Iterator[tuple[str, Sequence[str], Rows]]:
    for name, table in _TABLE_OF.items():
        yield name, TABLES[table].row._fields, getattr(run, table)()
    yield "transitions", [field.name for field in fields(PhaseMove)], map(astuple, run.phases)


def _csv(out: BinaryIO, columns: Sequence[str], rows: Rows) -> int:
    lines = csv.writer(SimpleNamespace(write=lambda text: out.write(text.encode())), lineterminator="\n")
    # the header is no row
    return sum(1 for _ in map(lines.writerow, chain([columns], rows))) - 1


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("export to Parquet", "data") from None
    return pyarrow


def _parquet(pyarrow: Any, out: BinaryIO, columns: Sequence[str], rows: Rows) -> int:
    types: dict[str, tuple[Any, Callable[[Any], Any]]] = {
        "int64": (pyarrow.int64(), int),
        "float64": (pyarrow.float64(), float),
        "datetime64[us, UTC]": (pyarrow.timestamp("us", "UTC"), datetime.fromisoformat),
    }
    kinds = [types.get(DTYPES.get(name, ""), (pyarrow.string(), str)) for name in columns]
    schema = pyarrow.schema([(name, kind) for name, (kind, _) in zip(columns, kinds, strict=True)])
    left, count = iter(rows), 0
    with pyarrow.parquet.ParquetWriter(out, schema) as made:
        while group := list(islice(left, _ROW_GROUP)):
            values = [
                [None if value is None else read(value) for value in column]
                for column, (_, read) in zip(zip(*group, strict=True), kinds, strict=True)
            ]
            made.write_table(pyarrow.table(values, schema=schema))
            count += len(group)
    return count
