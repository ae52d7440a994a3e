"""The tables of a run as files for others: CSV with the texts of the log, Parquet with types.

The names ``trades`` and ``equity`` are those of the runbook's family; ``docs/export.md`` describes the columns. The
same run gives the same bytes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, fields
from itertools import chain, islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

from c2lib.app.paths import output_file
from c2lib.core.errors import MissingExtraError
from c2lib.witness.audit import PhaseMove
from c2lib.witness.rows import DTYPES, TABLES
from c2lib.witness.run import Run

_ROW_GROUP = 65_536
"""Rows that are held at a time for a Parquet file."""

_Rows = Iterable[Sequence[Any]]


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
    write = _csv
    if form == "parquet":
        try:
            import pyarrow.parquet  # noqa: F401 - asked for before any file is made
        except ImportError:
            raise MissingExtraError("export to Parquet", "data") from None
        write = _parquet
    counts = {}
    for name, columns, rows in _tables(run):
        with output_file(folder / f"{name}.{form}", "--out") as out:
            counts[name] = write(out, columns, rows)
    return counts


def _tables(run: Run) -> Iterator[tuple[str, Sequence[str], _Rows]]:
    for table in ("orders", "fills", "round_trips", "equity"):
        yield "trades" if table == "round_trips" else table, TABLES[table].row._fields, getattr(run, table)()
    yield "transitions", [field.name for field in fields(PhaseMove)], map(astuple, run.phases)


def _csv(out: BinaryIO, columns: Sequence[str], rows: _Rows) -> int:
    lines = csv.writer(SimpleNamespace(write=lambda text: out.write(text.encode())), lineterminator="\n")
    # the header is no row
    return sum(1 for _ in map(lines.writerow, chain([columns], rows))) - 1


def _parquet(out: BinaryIO, columns: Sequence[str], rows: _Rows) -> int:
    import pyarrow
    from pyarrow import parquet

    utc, dtypes = pyarrow.timestamp("us", "UTC"), [DTYPES.get(name, "string") for name in columns]
    kinds = [utc if "UTC" in dtype else pyarrow.type_for_alias(dtype) for dtype in dtypes]
    schema, left, count = pyarrow.schema(list(zip(columns, kinds, strict=True))), iter(rows), 0
    with parquet.ParquetWriter(out, schema) as made:
        while group := list(islice(left, _ROW_GROUP)):
            values = zip(zip(*group, strict=True), kinds, strict=True)
            table = [pyarrow.array(column).cast(kind) for column, kind in values]
            made.write_table(pyarrow.table(table, schema=schema))
            count += len(group)
    return count
