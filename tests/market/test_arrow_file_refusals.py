"""Feather and Parquet files that cannot be used are refused by row and column, or as a whole."""

import gzip
import pickle
import sys
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.errors import ConfigError, MarketDataError, MissingExtraError
from c2lib.market import arrow_file
from tests.market.arrow_tables import TIMES, content, feather, parquet, table
from tests.market.csv_text import GOOD, HEADER, bars_of, refusal, text_of

DAMAGED = "is damaged, or encrypted"


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"open": [1.5, None, 2.0]}, "column 'open': is empty"),
        ({"close": [1.5, float("nan"), 2.0]}, "column 'close': 'nan' is not a decimal number"),
        ({"high": [2.0, float("inf"), 2.0]}, "column 'high': 'inf' is not a decimal number"),
        ({"high": [2.0, 1e300, 2.0]}, "column 'high': '1e+300' has more than 60 digits"),
        ({"low": [1.0, -1.5, 2.0]}, "column 'low': '-1.5' is not greater than 0"),
        ({"low": [1.0, -0.0, 2.0]}, "column 'low': '-0.0' is not greater than 0"),
        ({"high": [2.0, 1.75, 2.0]}, "column 'high': high '1.75' is below close '2.0'"),
        ({"low": [1.0, 1.75, 2.0]}, "column 'low': open '1.5' is below low '1.75'"),
        (
            {"close": [1.5, 1.6000000000000003, 2.0]},
            "column 'close': '1.6000000000000003' looks like float noise (read",
        ),
        ({"date": [1_767_312_000, 1.5, 1_767_312_120]}, "column 'date': '1.5' is no count since 1970 of a time from"),
        ({"volume": [10.0, -1.0, 0.0]}, "column 'volume': '-1.0' is negative"),
        ({"volume": pa.array([10, None, 0], pa.int64())}, "column 'volume': is empty"),
        ({"volume": ["10", None, "0"]}, "column 'volume': is empty"),
        ({"volume": pa.array([10, float("nan"), 0], pa.float32())}, "column 'volume': 'nan' is not a decimal number"),
        (
            {"date": pa.array([0, 0, 1], pa.timestamp("s"))},
            "column 'date': 1970-01-01T00:00:00+00:00 is not after 1970",
        ),
        ({"date": pa.array([0, 1001, 2000], pa.timestamp("ns"))}, "column 'date': is finer than a microsecond"),
        ({"date": pa.array([0, 10**12, 2], pa.timestamp("s"))}, "column 'date': is out of range in UTC"),
        ({"date": pa.array([0, None, 2], pa.timestamp("ns"))}, "column 'date': is empty"),
        ({"date": ["2026-01-02", None, "2026-01-04"]}, "column 'date': '' is not an ISO 8601 time"),
        ({"date": ["2026-01-02", "now", "2026-01-04"]}, "column 'date': 'now' is not an ISO 8601 time"),
        (
            {"date": ["2026-01-02", "2026-01-03 00:00:00.1234567", "2026-01-04"]},
            "column 'date': '2026-01-03 00:00:00.1234567' is finer than a microsecond",
        ),
    ],
)
@pytest.mark.parametrize("ending", ["feather", "parquet"])
def test_bad_cell_names_row(columns: Any, problem: str, ending: str) -> None:
    """An invalid cell of an Arrow file is refused with its row, counted from 1 over all batches."""
    bars = table(**columns)
    error = refusal(content(bars, ending), f"day.{ending}")
    assert f"/day.{ending}, row 2: {problem}" in str(error)
    assert (error.line, error.unit) == (2, "row")
    assert refusal(feather(bars, None, 1), "day.feather").line == 2


def test_off_grid_names_row() -> None:
    """A price of an Arrow file off the given grid is refused with its row."""
    error = refusal(feather(table()), "day.feather", tick_size="1")
    assert (error.line, error.problem) == (1, "column 'open': '1.5' is not a multiple of the tick size 1")


def test_row_error_is_pickled() -> None:
    """The error of a row says row, not line, also after pickling."""
    error = refusal(feather(table()), "day.feather", tick_size="1")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.unit, again.line) == (str(error), "row", 1)


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"open": [True, True, True]}, "column 'open' is of type 'bool', which is no number"),
        ({"open": pa.array([1, 2, 2], pa.float16())}, "column 'open' is of type 'halffloat', which is no number"),
        ({"volume": pa.nulls(3)}, "column 'volume' is of type 'null', which is no number"),
        ({"close": [[1.5], [2.0], [2.0]]}, "column 'close' is of type 'list<"),
        ({"date": [True, True, True]}, "column 'date' is of type 'bool', which is no time"),
        (
            {"time": ["00:00", "00:01", "00:02"]},
            "columns 'date' and 'time' is of type 'timestamp[ns, tz=UTC]', which is",
        ),
        ({"date": None}, "no column is the time"),
        ({"date": None, "a": TIMES, "b": TIMES}, "no column is the time"),
        ({"low": None}, "no column is named low; found 'date', 'open', 'high', 'close', 'volume'"),
        ({"Open": [1, 2, 3]}, "column 'open' stands 2 times"),
        ({"timestamp": TIMES}, "columns 'date' and 'timestamp' could each be the time"),
    ],
)
def test_bad_columns_are_refused(columns: Any, problem: str) -> None:
    """Columns of an Arrow file that are missing, doubled or of another type are refused for the whole file."""
    error = refusal(feather(table(**columns)), "day.feather")
    assert error.line == 0
    assert error.problem.startswith(problem)


@pytest.mark.parametrize("ending", ["feather", "parquet"])
def test_empty_table_is_refused(ending: str) -> None:
    """An Arrow file with columns and no rows is refused."""
    assert refusal(content(table().slice(0, 0), ending), f"day.{ending}").problem == "the file has no row"


@pytest.mark.parametrize("ending", ["feather", "parquet"])
def test_too_many_rows_are_refused(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An Arrow file has at most one row for each step, so that a packed file cannot fill the disk."""
    monkeypatch.setattr(arrow_file, "MAX_ROWS", 2)
    assert refusal(content(table(), ending), f"day.{ending}").problem == "the file has more than 2 rows"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"FEA1" + bytes(60), "is a Feather file of version 1, which cannot be read"),
        (b"PARE" + bytes(60), "is an encrypted Parquet file, which cannot be read"),
        (b"PK\x03\x04" + bytes(60), "is a zip archive or a workbook, which cannot be read"),
        (b"", "the file is empty"),
        (b"ARROW1", DAMAGED),
        (b"PAR1", DAMAGED),
    ],
)
def test_unreadable_kind_is_named(data: bytes, problem: str) -> None:
    """A file of a kind that cannot be read is named by its first bytes, whatever it is called."""
    for name in ("day.csv", "day.feather", "day"):
        assert refusal(data, name).problem == problem


def test_first_bytes_say_kind() -> None:
    """A Feather or Parquet file is read as what it is, packed or not, whatever its name says."""
    for data in (feather(table()), parquet(table()), text_of(HEADER, *GOOD).encode()):
        for name in ("day.csv", "day.feather", "day.parquet", "day.txt"):
            assert bars_of(data, name) == bars_of(gzip.compress(data), name) == bars_of(text_of(HEADER, *GOOD))


@pytest.mark.parametrize("ending", ["feather", "parquet"])
def test_cut_file_is_refused(ending: str) -> None:
    """An Arrow file cut anywhere is refused, since its end holds its table of contents."""
    data = content(table(), ending)
    for keep in range(8, len(data), 7):
        assert refusal(data[:keep], f"day.{ending}").problem == DAMAGED


FILES = [("feather", feather(table(), compression, 2)) for compression in (None, "lz4", "zstd")] + [
    ("parquet", parquet(table(), compression=compression)) for compression in ("none", "snappy")
]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.integers(8, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_any_bytes_are_handled(file: tuple[str, bytes], flips: list[tuple[int, int]]) -> None:
    """An Arrow file of any content gives bars or raises MarketDataError."""
    ending, data = file[0], bytearray(file[1])
    for place, byte in flips:
        data[8 + place % (len(data) - 8)] = byte
    with suppress(MarketDataError):
        bars_of(bytes(data), f"day.{ending}")


@pytest.mark.parametrize(
    ("raised", "problem"),
    [
        (pa.ArrowMemoryError("x"), "asks for more memory than there is"),
        (pa.ArrowNotImplementedError("x"), "uses something of its format that pyarrow cannot read"),
        (pa.ArrowKeyError("x"), DAMAGED),
        (pa.ArrowException("x"), DAMAGED),
    ],
)
def test_pyarrow_errors_are_replaced(raised: Exception, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of pyarrow is replaced by one of c2lib, since pyarrow's text may repeat what a file holds."""

    def failing(*_arguments: object, **_options: object) -> None:
        raise raised

    monkeypatch.setattr(ipc, "open_file", failing)
    monkeypatch.setattr(pq, "ParquetFile", failing)
    for ending in ("feather", "parquet"):
        assert refusal(content(table(), ending), f"day.{ending}").problem == problem


def test_missing_pyarrow_names_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow, reading an Arrow file names the extra to install, and a CSV file is read as usual."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "c2lib.market.arrow_file")
    with pytest.raises(
        MissingExtraError, match=r"reading Feather or Parquet needs the extra 'data': pip install"
    ) as it:
        bars_of(feather(table()), "day.feather")
    assert it.value.extra == "data"
    assert len(bars_of(text_of(HEADER, *GOOD))) == 3


def test_rounding_needs_tick_size() -> None:
    """Rounding without a tick size is refused with the name of the field to fill in."""
    with pytest.raises(ConfigError, match=r"^market\.tick_size: is left out"):
        bars_of(feather(table()), "day.feather", rounding="nearest")
