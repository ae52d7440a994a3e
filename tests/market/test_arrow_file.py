"""Feather and Parquet files give the bars that the same CSV file gives."""

import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.market import arrow_file
from c2lib.market.files import open_market_file
from tests.market.arrow_tables import NAMES, TIMES, content, feather, parquet, table
from tests.market.csv_text import FIRST, GOOD, HEADER, bars_of, opened, text_of

BARS = bars_of(text_of(HEADER, *GOOD))
DAYS = [date(2026, 1, 2), date(2026, 1, 3), date(2026, 1, 4)]


@pytest.mark.parametrize("ending", NAMES)
def test_bars_equal_csv_bars(ending: str) -> None:
    """An Arrow file has the tick size, count and bars of the equal CSV file, and the hash of its own bytes."""
    data = content(table(), ending)
    with opened(data, f"day.{ending}") as market:
        assert (market.tick_size, market.bar_count, list(market.bars(3))) == ("0.5", 3, BARS)
        assert market.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_compressed_feather_is_read(compression: str | None) -> None:
    """Feather files compressed as pandas and freqtrade do give their bars."""
    assert bars_of(feather(table(), compression), "DAY.FEATHER") == BARS


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
def test_compressed_parquet_is_read(compression: str) -> None:
    """Compressed Parquet files, with or without page checksums, give their bars."""
    for checksum in (False, True):
        data = parquet(table(), compression=compression, write_page_checksum=checksum, row_group_size=2)
        assert bars_of(data, "day.parquet") == BARS


@pytest.mark.parametrize(
    "kind",
    [pa.float64(), pa.float32(), pa.decimal128(20, 8), pa.decimal256(50, 8), pa.string(), pa.large_string()],
    ids=str,
)
@pytest.mark.parametrize("ending", ["feather", "parquet"])
def test_numbers_have_exact_values(kind: Any, ending: str) -> None:
    """Floats in an Arrow file count by their shortest text, decimals and strings as written."""
    bars = table()
    for index in range(1, 6):
        number_of = Decimal if pa.types.is_decimal(kind) else str if "string" in str(kind) else float
        column = pa.array([number_of(number) for number in bars.column(index).to_pylist()], kind)
        bars = bars.set_column(index, bars.column_names[index], column)
    assert bars_of(content(bars, ending), f"day.{ending}") == BARS


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint64()], ids=str)
def test_integer_columns_are_read(kind: Any) -> None:
    """Prices and volumes in Feather and Parquet files may be integers."""
    whole = {name: pa.array([3, 4, 5], kind) for name in ("open", "high", "low", "close", "volume")}
    with opened(feather(table(**whole)), "day.feather") as market:
        assert market.tick_size == "1"
        assert [(bar.close, bar.volume) for bar in market.bars(3)] == [(3, 3), (4, 4), (5, 5)]


def test_float32_keeps_shortest_text() -> None:
    """The 32-bit float nearest to 1.1 is read as 1.1, although its 64-bit value has more digits."""
    prices = {name: pa.array([1.1, 5.33e-05, 16777216.0], pa.float32()) for name in ("open", "high", "low", "close")}
    with opened(feather(table(**prices)), "day.feather") as market:
        assert market.tick_size == "0.0000001"
        assert [bar.close for bar in market.bars(3)] == [11_000_000, 533, 167_772_160_000_000]


@pytest.mark.parametrize(
    "column",
    [
        *(pa.array(TIMES, pa.timestamp(unit, "UTC")) for unit in ("s", "ms", "us", "ns")),
        *(pa.array([moment.replace(tzinfo=None) for moment in TIMES], pa.timestamp(unit)) for unit in ("s", "ns")),
        pa.array(TIMES, pa.timestamp("ms", "America/New_York")),
        [moment.isoformat() for moment in TIMES],
        pa.array([f"{moment:%Y-%m-%d %H:%M}" for moment in TIMES], pa.large_string()),
    ],
    ids=lambda column: str(getattr(column, "type", "text")),
)
def test_times_have_any_unit(column: Any) -> None:
    """Times of an Arrow file may have any unit and zone, and a time without a zone is UTC."""
    for ending in ("feather", "parquet"):
        assert bars_of(content(table(date=column), ending), f"day.{ending}") == BARS


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()], ids=str)
def test_dates_are_utc_midnights(kind: Any) -> None:
    """Dates without a time of day are midnights in UTC."""
    bars = bars_of(feather(table(date=pa.array(DAYS, kind))), "day.feather")
    assert [bar.time - FIRST for bar in bars] == [0, 86_400_000_000, 2 * 86_400_000_000]


@pytest.mark.parametrize("name", ["__index_level_0__", "Datetime", "timestamp", "Timestamp_UTC"])
def test_pandas_index_is_time(name: str) -> None:
    """The time may be the index that pandas stored as the last column under any name."""
    moved = {"date": None, name: pa.array(TIMES, pa.timestamp("ns"))}
    assert bars_of(parquet(table(**moved)), "day.parquet") == BARS


def test_other_columns_are_ignored() -> None:
    """Columns that are no bar's are ignored whatever their content, and the case of names does not matter."""
    extra = {"note": [{"open": 1}, None, {}], "open.x": ["?", None, ""], "When": pa.array(DAYS, pa.date32())}
    bars = table(**extra)
    bars = bars.rename_columns([name if name in extra else name.title() for name in bars.column_names])
    bars = bars.select(bars.column_names[::-1])
    for ending in ("feather", "parquet"):
        assert bars_of(content(bars, ending), f"day.{ending}") == BARS


def test_missing_volumes_are_zero() -> None:
    """Bars of a file without volumes have volume 0."""
    assert [bar.volume for bar in bars_of(feather(table(volume=None)), "day.feather")] == [0, 0, 0]


def test_batches_keep_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars of an Arrow file come in order, whatever batches the rows are cut into, empty ones included."""
    for batch_rows, rows_at_a_time in ((1, 8192), (2, 1), (None, 2)):
        monkeypatch.setattr(arrow_file, "BATCH_ROWS", rows_at_a_time)
        assert bars_of(feather(table(), None, batch_rows), "day.feather") == BARS
        assert bars_of(parquet(table(), row_group_size=batch_rows), "day.parquet") == BARS
    empty = feather(pa.concat_tables([table().slice(0, 0), table()]))
    assert bars_of(empty, "day.feather") == BARS


def test_hashed_bytes_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is overwritten during reading gives the bars of the bytes that were hashed."""
    path, data = tmp_path / "day.feather", feather(table())
    path.write_bytes(data)
    read = arrow_file.read_arrow

    def overwritten_first(*arguments: Any, **options: Any) -> Any:
        path.write_bytes(b"")
        return read(*arguments, **options)

    monkeypatch.setattr(arrow_file, "read_arrow", overwritten_first)
    with open_market_file(path) as market:
        assert (market.sha256, list(market.bars(3))) == (hashlib.sha256(data).hexdigest(), BARS)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(1e-9, 1e6, allow_subnormal=False), min_size=1, max_size=6),
    st.lists(st.just(0.0) | st.floats(1e-12, 1e12), min_size=6, max_size=6),
)
def test_floats_equal_their_text(prices: list[float], volumes: list[float]) -> None:
    """Float columns give the same bars as a CSV file with the shortest text of each float."""
    times = [datetime(2026, 1, 2, hour, tzinfo=UTC) for hour in range(len(prices))]
    columns: dict[str, Any] = dict.fromkeys(("open", "high", "low", "close"), prices)
    data = table(date=times, volume=volumes[: len(prices)], **columns)
    rows = [
        f"{time.isoformat()},{price!r},{price!r},{price!r},{price!r},{volume!r}"
        for time, price, volume in zip(times, prices, volumes, strict=False)
    ]
    sizes = {"tick_size": "0.000000001", "lot_size": "0.001", "rounding": "nearest"}
    assert bars_of(feather(data), "day.feather", **sizes) == bars_of(text_of(HEADER, *rows), **sizes)
