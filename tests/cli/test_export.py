"""``c2lib export``: the tables of a run as CSV and Parquet, the same bytes every time, and what cannot be written."""

import csv
import os
import re
from collections.abc import Callable
from dataclasses import astuple
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from c2lib import open_run
from c2lib.core.vocabulary import Artifact
from tests.app.conftest import Command
from tests.app.runs import RUN, flip_byte, market_csv

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
NAMES = ("orders", "fills", "trades", "equity", "transitions")
READ: dict[str, Any] = {"int64": int, "double": float, "timestamp[us, tz=UTC]": datetime.fromisoformat, "string": str}


@pytest.fixture
def traded(command: Command, out: Path, tmp_path: Path) -> Path:
    """Return a published run with round trips, fees and prices of a file."""
    words = ("--strategy-id", "sma_cross", "--seed", "7", "--param", "fast=2", "--param", "slow=5")
    market = ("--market", market_csv(tmp_path / "day.csv"), "--initial-cash", "5000.1234567890123456")
    return Path(command("dryrun", *words, *market, "--out", out).facts["path"])


def rows_of(run: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return what the tables of a run must hold."""
    opened = open_run(run)
    return {
        "orders": list(opened.orders()),
        "fills": list(opened.fills()),
        "trades": list(opened.round_trips()),
        "equity": list(opened.equity()),
        "transitions": list(map(astuple, opened.phases)),
    }


def test_csv_has_texts_of_log(command: Command, traded: Path, tmp_path: Path) -> None:
    """A CSV file holds every row of its table with the texts of the log, nothing where there is nothing."""
    answer = command("export", traded, "--out", tmp_path / "tables")
    assert (answer.code, answer.err) == (0, "")
    for name, expected in rows_of(traded).items():
        with (tmp_path / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert rows == [["" if value is None else str(value) for value in row] for row in expected]
        assert (answer.facts[name], len(header)) == (len(expected), len(expected[0]))
        assert expected
    assert (answer.facts["path"], answer.facts["format"]) == (str(tmp_path / "tables"), "csv")


def test_parquet_has_types(command: Command, traded: Path, tmp_path: Path) -> None:
    """A Parquet file holds the same rows, numbers as numbers and times in UTC, null where there is nothing."""
    answer = command("export", traded, "--format", "parquet", "--out", tmp_path)
    for name, expected in rows_of(traded).items():
        table: Any = pq.read_table(tmp_path / f"{name}.parquet")
        reads = [READ[str(field.type)] for field in table.schema]
        typed = [
            tuple(None if value is None else read(value) for read, value in zip(reads, row, strict=True))
            for row in expected
        ]
        assert [tuple(row.values()) for row in table.to_pylist()] == typed
        assert answer.facts[name] == len(typed)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_same_run_gives_same_bytes(command: Command, traded: Path, tmp_path: Path, form: str) -> None:
    """Two exports of a run have the same bytes, and a second one into the same folder replaces the first."""
    for folder in ("a", "b", "b"):
        command("export", traded, "--format", form, "--out", tmp_path / folder)
    files = {path.name for path in (tmp_path / "a").iterdir()}
    assert files == {f"{name}.{form}" for name in NAMES} == {path.name for path in (tmp_path / "b").iterdir()}
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def test_page_describes_every_column(command: Command, published: Path, tmp_path: Path) -> None:
    """The page on export lists the columns of each file in their order, and the Parquet type of each column."""
    command("export", published, "--format", "parquet", "--out", tmp_path)
    listed = re.findall(r"^\| `(\w+)` \| [^|]+ \| (`.*`) \|$", PAGE, re.MULTILINE)
    types = dict(re.findall(r"^\| (`.*`) \| `(int64|double|string|timestamp\[us, tz=UTC\])` \|", PAGE, re.MULTILINE))
    described = {name: kind for names, kind in types.items() for name in re.findall(r"\w+", names)}
    schemas: dict[str, Any] = {name: pq.read_schema(tmp_path / f"{name}.parquet") for name in NAMES}
    assert {name: re.findall(r"\w+", columns) for name, columns in listed} == {n: s.names for n, s in schemas.items()}
    assert described == {field.name: str(field.type) for schema in schemas.values() for field in schema}


def test_commands_of_page_run(
    command: Command, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands that the page shows do what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("C2LIB_OUT", str(tmp_path / "out"))
    (block,) = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines():
        assert command(*line.replace("RUN_ID", RUN).split()[1:]).code == 0, line
    assert (tmp_path / "run.svg").is_file()
    assert (tmp_path / "out" / "exports" / RUN / "trades.csv").is_file()
    assert (tmp_path / "tables" / "equity.parquet").is_file()
    assert (tmp_path / "out" / "notebooks" / "01_dryrun.ipynb").is_file()


def test_damaged_run_exits_1(command: Command, published: Path, tmp_path: Path) -> None:
    """The tables of a damaged run are written with exit code 1, and what is wrong is said on stderr."""
    flip_byte(published / Artifact.AUDIT, 3)
    answer = command("export", published, "--out", tmp_path / "tables")
    assert answer.code == 1
    assert answer.err.startswith("c2lib: finding: ")
    assert len(list((tmp_path / "tables").iterdir())) == len(NAMES)


def test_missing_pyarrow_is_named(
    command: Command, published: Path, tmp_path: Path, without: Callable[[str], None]
) -> None:
    """Parquet without pyarrow is refused with the extra to install, and nothing is written; CSV needs none."""
    without("pyarrow")
    answer = command("export", published, "--format", "parquet", "--out", tmp_path / "tables")
    assert (answer.code, "c2lib[data]" in answer.complaint) == (2, True)
    assert not (tmp_path / "tables").exists()
    assert command("export", published, "--out", tmp_path / "tables").code == 0


def test_unwritable_file_is_named(command: Command, published: Path, tmp_path: Path) -> None:
    """A symlink, a pipe or a folder in the place of a file is refused by its name and left as it is."""
    (tmp_path / "mine").write_text("mine")
    folders = [tmp_path / name for name in ("link", "pipe", "folder")]
    files = [folder / "fills.csv" for folder in folders]
    for folder in folders:
        folder.mkdir()
    files[0].symlink_to(tmp_path / "mine")
    os.mkfifo(files[1])
    files[2].mkdir()
    for folder in folders:
        answer = command("export", published, "--out", folder)
        assert (answer.code, answer.out) == (2, "")
        assert answer.complaint.startswith(f"{folder / 'fills.csv'}: ")
    assert (tmp_path / "mine").read_text() == "mine"


def test_missing_log_exits_2(command: Command, published: Path, tmp_path: Path) -> None:
    """A run whose event log is not there is exit code 2 with the name of the run."""
    (published / Artifact.EVENTS).unlink()
    answer = command("export", published, "--out", tmp_path / "tables")
    assert (answer.code, answer.complaint.startswith(str(published))) == (2, True)
