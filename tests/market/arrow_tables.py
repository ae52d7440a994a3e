"""What the tests of Feather and Parquet files share: small tables, and the bytes of files that hold them."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

START = datetime(2026, 1, 2, tzinfo=UTC)
TIMES = [START + timedelta(minutes=minute) for minute in range(3)]
NAMES = ["feather", "arrow", "parquet"]


def table(**columns: Any) -> Any:
    """Return the bars of ``csv_text.GOOD`` as freqtrade stores them; ``columns`` replace, add or, ``None``, drop."""
    good: dict[str, Any] = {
        "date": pa.array(TIMES, pa.timestamp("ns", "UTC")),
        "open": [1.5, 1.5, 2.0],
        "high": [2.0, 2.5, 2.0],
        "low": [1.0, 1.5, 2.0],
        "close": [1.5, 2.0, 2.0],
        "volume": [10.0, 20.0, 0.0],
    }
    return pa.table({name: column for name, column in (good | columns).items() if column is not None})


def feather(bars: Any, compression: str | None = None, batch_rows: int | None = None) -> bytes:
    """Return the bytes of a Feather file."""
    stream = io.BytesIO()
    with ipc.new_file(stream, bars.schema, options=ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(bars, max_chunksize=batch_rows)
    return stream.getvalue()


def parquet(bars: Any, **options: Any) -> bytes:
    """Return the bytes of a Parquet file."""
    stream = io.BytesIO()
    pq.write_table(bars, stream, **options)
    return stream.getvalue()


def content(bars: Any, ending: str) -> bytes:
    """Return the bytes of the kind of file that is named so."""
    return parquet(bars) if ending == "parquet" else feather(bars)
