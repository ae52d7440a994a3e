"""A pandas DataFrame as a market: read and sealed as the CSV file that it is written as."""

import hashlib
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from c2lib import frame_csv, open_market_file, run_dryrun, verify_evidence, verify_run, write_evidence
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import MarketDataError
from tests.market.csv_text import GOOD, HEADER, bars_of, text_of

BARS = bars_of(text_of(HEADER, *GOOD))
TIMES = [f"2026-01-02 00:0{minute}:00" for minute in range(3)]
GOLDEN = (
    "timestamp,open,high,low,close,volume\n"
    "2026-01-02T00:00:00+00:00,1.5,2.0,1.0,1.5,10\n"
    "2026-01-02T00:01:00+00:00,1.5,2.5,1.5,2.0,20\n"
    "2026-01-02T00:02:00+00:00,2.0,2.0,2.0,2.0,0\n"
)
GOLDEN_SHA256 = "a2db400c44bb3e2fa239375eef95b79c252ce533fb2e205a5d69cf646a9e9f83"


def frame(**columns: Any) -> pd.DataFrame:
    """Return the bars of ``csv_text.GOOD``, their moments in the index; ``columns`` replace, add or, ``None``, drop."""
    good: dict[str, Any] = {
        "Open": [1.5, 1.5, 2.0],
        "High": [2.0, 2.5, 2.0],
        "Low": [1.0, 1.5, 2.0],
        "Close": [1.5, 2.0, 2.0],
        "Volume": [10, 20, 0],
    }
    kept = {name: column for name, column in (good | columns).items() if column is not None}
    return pd.DataFrame(kept, index=pd.DatetimeIndex(TIMES, tz="UTC"))


def bars(source: Any, **sizes: Any) -> Any:
    """Return the bars of a frame."""
    with open_market_file(source, **sizes) as market:
        return list(market.bars(market.bar_count))


def refused(source: Any, **sizes: Any) -> MarketDataError:
    """Return the error that a frame is refused with."""
    with pytest.raises(MarketDataError) as caught:
        bars(source, **sizes)
    return caught.value


def test_frame_is_sealed_as_csv(tmp_path: Path) -> None:
    """The hash of a frame is that of its CSV bytes, which are fixed by their definition and give the same bars."""
    data = b"".join(frame_csv(frame()))
    assert data.decode() == GOLDEN
    assert hashlib.sha256(data).hexdigest() == GOLDEN_SHA256
    (tmp_path / "bars.csv").write_bytes(data)
    with open_market_file(frame()) as market, open_market_file(tmp_path / "bars.csv") as file:
        assert (market.sha256, market.tick_size) == (file.sha256, file.tick_size) == (GOLDEN_SHA256, "0.5")
        assert list(market.bars(9)) == list(file.bars(9)) == BARS


@pytest.mark.parametrize(
    "source",
    [
        frame().reset_index(names="Date"),
        frame().reset_index(names="TIMESTAMP").set_index("Volume", append=False).reset_index(),
        frame().rename_axis("when"),
        frame().tz_convert("Asia/Tokyo"),
        frame().tz_localize(None),
        frame(note=["a,b", '"', "\n"], **{"0": [None, 1, 2]}),
        frame().iloc[:, ::-1],
        frame().reset_index(names="date").astype({"date": str}),
        frame().reset_index(names="time").assign(time=[1767312000, 1767312060, 1767312120]),
        frame().reset_index(drop=True).assign(Date="2026-01-02", Time=["00:00", "00:01", "00:02"]),
        frame().astype({"Open": "float32", "Close": "Float64", "Volume": "Int64"}),
        frame().astype(str),
        frame(Open=[Decimal("1.5"), Decimal("1.50"), Decimal(2)]),
        frame().set_axis(pd.DatetimeIndex(TIMES, tz="UTC").as_unit("ns")),
        frame().set_axis([stamp.to_pydatetime() for stamp in frame().index]),
    ],
    ids=lambda value: None,
)
def test_usual_frames_are_understood(source: pd.DataFrame) -> None:
    """Columns count by name in any case, times stand in the index or a column, and numbers may have any type."""
    assert bars(source) == BARS


def test_float32_has_few_digits() -> None:
    """The 32-bit float nearest to 1.1 is written as 1.1."""
    prices = {name: np.array([1.1, 1.1, 1.1], np.float32) for name in ("Open", "High", "Low", "Close")}
    with open_market_file(frame(**prices)) as market:
        assert market.tick_size == "1.1"


@pytest.mark.parametrize(
    ("source", "line", "problem"),
    [
        (frame(Open=[1.5, np.nan, 2.0]), 2, "column 'open': is empty"),
        (frame(Open=[1.5, None, 2.0]), 2, "column 'open': is empty"),
        (frame(High=[2.0, np.inf, 2.0]), 2, "column 'high': 'inf' is not a decimal number"),
        (frame(Low=[1.0, "x\ny", 2.0]), 2, "is not proper CSV: unexpected end of data"),
        (frame(Close=[1.5, 1.8000000000000003, 2.0]), 2, "column 'close': '1.8000000000000003' looks like float noise"),
        (frame(Open=[True, True, True]), 1, "column 'open': 'True' is not a decimal number"),
        (frame(Open=None), 0, "no column is named open; found '', 'High', 'Low', 'Close', 'Volume'"),
        (frame(close=[1, 1, 1]), 0, "column 'close' stands 2 times"),
        (frame().reset_index(drop=True), 0, "no column is the time"),
        (frame(date=TIMES, timestamp=TIMES), 0, "columns 'date' and 'timestamp' could each be the time"),
        (frame().iloc[:0], 0, "has no row"),
        (frame().iloc[::-1], 2, "column 'timestamp': '2026-01-02T00:01:00+00:00' is not after 2026-01-02T00:02:00"),
        (frame().set_axis(pd.DatetimeIndex([*TIMES[:2], None], tz="UTC")), 3, "column 'timestamp': '' is not an ISO"),
        (frame().set_axis(pd.DatetimeIndex([1, 2, 3], tz="UTC")), 1, "column 'timestamp': '1970-01-01T00:00:00.000000"),
        (
            pd.concat({"AAPL": frame()}, axis=1),
            0,
            "no column is named open or high or low or close; found '', \"('AAPL",
        ),
        (pd.DataFrame(), 0, "no column is named open or high or low or close; found ''"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_frame_is_refused(source: pd.DataFrame, line: int, problem: str) -> None:
    """A frame that is no market is refused with its row, counted from 1, and its column."""
    error = refused(source)
    assert str(error).startswith("the DataFrame, row " if line else "the DataFrame: ")
    assert (error.line, error.problem[: len(problem)]) == (line, problem)


def test_noisy_frame_gets_flags() -> None:
    """The tick size that a refusal advises reads the frame."""
    noisy = frame(Close=[1.5, 1.8000000000000003, 2.0])
    assert refused(noisy).hint == "read it with --tick-size 0.1 --rounding nearest"
    assert [bar.close for bar in bars(noisy, tick_size="0.1", rounding="nearest")] == [15, 18, 20]


def test_long_frame_keeps_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that is turned into text in several parts gives the same bytes."""
    whole = b"".join(frame_csv(frame()))
    monkeypatch.setattr(sys.modules["c2lib.market.csv_file"], "BLOCK_ROWS", 1)
    assert b"".join(frame_csv(frame())) == whole


def test_run_on_frame_is_verified(tmp_path: Path) -> None:
    """A run on a frame is verified with replay on the frame, and by a reviewer on the CSV file of it."""
    result = run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=1), out_dir=tmp_path, market=frame())
    assert (result.status.value, result.steps) == ("COMPLETED", 3)
    (tmp_path / "bars.csv").write_bytes(b"".join(frame_csv(frame())))
    assert result.path is not None
    for market in (frame(), tmp_path / "bars.csv"):
        report = verify_run(result.path, market=market)
        assert (report.ok, report.replayed) == (True, True)
    again = run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=1), out_dir=tmp_path, market=tmp_path / "bars.csv")
    assert again.reproduced


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (frame(Close=[1.5, 2.0, 2.5], High=[2.0, 2.5, 2.5]), "has sha256 "),
        (frame().iloc[:0], "has no row (a bar is one row)"),
        (frame(Close=None), "no column is named close"),
    ],
)
def test_other_frame_is_no_finding(tmp_path: Path, other: pd.DataFrame, problem: str) -> None:
    """A run on a frame is not reported on with another frame, or with one without bars: the error says why."""
    result = run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=1), out_dir=tmp_path, market=frame())
    assert result.path is not None
    with pytest.raises(MarketDataError) as caught:
        verify_run(result.path, market=other)
    assert str(caught.value).startswith("the DataFrame")
    assert problem in str(caught.value)


def test_frame_bears_evidence(tmp_path: Path) -> None:
    """Evidence of a run on a frame is written and checked with the frame in place of a file."""
    result = run_dryrun(DryrunConfig(strategy_id="sma_cross", seed=1), out_dir=tmp_path, market=frame())
    assert result.path is not None
    draft = write_evidence(result.path, date="2026-01-01", owner="o", market=frame(), plots=False)
    assert (draft.report.ok, draft.report.replayed) == (True, True)
    assert verify_evidence(draft.path, market=frame()).ok
