"""The series that pictures are drawn from: whole for a short run, bounded for a long one."""

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.core.errors import RunPathError
from c2lib.core.model import OrderIntent
from c2lib.witness import series
from c2lib.witness.run import open_run
from c2lib.witness.series import Thinned
from tests.witness.sample_runs import EVENTS, MANIFEST, make_run, scripted


def test_series_has_bars_orders_fills(tmp_path: Path) -> None:
    """The series of a short run has one point for each tick, order and fill, in the log's order and with its values."""
    run = make_run()
    folder = run.write(tmp_path)
    seen = open_run(folder, series=True)
    ticks, orders, fills = (run.payloads(kind) for kind in ("STRATEGY_TICK", "ORDER_SUBMITTED", "FILL"))
    assert [(bar.bar_index, bar.bar_time, bar.close) for bar in seen.series.bars] == [
        (tick["bar_index"], tick["bar_time"], tick["close"]) for tick in ticks
    ]
    closes = {tick["bar_index"]: tick["close"] for tick in ticks}
    assert [(order.bar_index, order.side, order.close) for order in seen.series.orders] == [
        (order["bar_index"], order["side"], closes[order["bar_index"]]) for order in orders
    ]
    assert [(fill.bar_index, fill.side, fill.price) for fill in seen.series.fills] == [
        (fill["bar_index"], fill["side"], fill["price"]) for fill in fills
    ]
    sides = [f"{order['side']} orders" for order in orders] + [f"{fill['side']} fills" for fill in fills]
    assert seen.series.totals == {"bars": len(ticks), **{name: sides.count(name) for name in sorted(set(sides))}}
    assert seen.series.summary == seen.summary == open_run(folder).summary


def test_bars_have_position_and_equity(tmp_path: Path) -> None:
    """Each bar of the series has the position after the bar's fills and the equity at its close."""
    run = make_run()
    seen = open_run(run.write(tmp_path), series=True).series
    assert [bar.position for bar in seen.bars] == ["0", "1", "1", "1", "0", "1", "1", "1"]
    # bought at 100.01 for a fee of 0.020002, closed at 99.94
    assert [bar.equity for bar in seen.bars[:2]] == ["100000", "99999.909998"]
    assert seen.bars[-1].equity == run.payloads("SESSION_STOP")[0]["equity"]


def test_orders_have_the_last_close(tmp_path: Path) -> None:
    """Each order of a series has the close of the last tick before it."""
    run = make_run(tick_events="decisions", steps=64, strategy_id="sma_cross")
    seen = open_run(run.write(tmp_path), series=True).series
    closes = {bar.bar_index: bar.close for bar in seen.bars}
    assert [order.close for order in seen.orders] == [closes[order.bar_index] for order in seen.orders] != []


def test_unusable_lines_are_left_out(tmp_path: Path) -> None:
    """A line that cannot be read is left out of the series, and the others stay."""
    run = make_run()
    folder = run.write(tmp_path)
    lines = (folder / EVENTS).read_bytes().splitlines(keepends=True)
    lines[1] = b"rubbish\n"
    (folder / EVENTS).write_bytes(b"".join(lines))
    (folder / MANIFEST).unlink()
    seen = open_run(folder, series=True).series
    assert len(seen.bars) == 7
    assert len(seen.fills) == 3


@pytest.mark.parametrize("kind", ["missing", "directory"])
def test_series_needs_events(kind: str, tmp_path: Path) -> None:
    """The series of a run whose events.jsonl cannot be read raises RunPathError, and a finding names the file."""
    folder = make_run().write(tmp_path)
    (folder / EVENTS).unlink()
    if kind == "directory":
        (folder / EVENTS).mkdir()
    run = open_run(folder, series=True)
    assert any(finding.file == EVENTS for finding in run.findings)
    with pytest.raises(RunPathError, match=r"events\.jsonl cannot be read"):
        run.series.bars  # noqa: B018 - the attribute raises


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), max_size=400), st.integers(16, 64))
def test_thinned_points_keep_outline(points: list[tuple[int, int]], most: int) -> None:
    """A thinned series keeps the first point, the last and all extremes, in order and within its bound."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series, "MAX_POINTS", most)
        thinned = Thinned(1, 2)
        for at, point in enumerate(points):
            thinned.add((at, *point))
        kept = thinned.points()
    assert thinned.total == len(points)
    assert kept == sorted(kept)
    assert set(kept) <= {(at, *point) for at, point in enumerate(points)}
    assert len(kept) <= most
    if len(points) <= most:
        assert len(kept) == len(points)
    if points:
        assert (kept[0], kept[-1]) == ((0, *points[0]), (len(points) - 1, *points[-1]))
        for column in (0, 1):
            whole, left = [point[column] for point in points], [point[column + 1] for point in kept]
            assert (min(left), max(left)) == (min(whole), max(whole))


def test_buckets_keep_extremes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thinned series keeps a spike of one bar among thousands, wherever it stands."""
    monkeypatch.setattr(series, "MAX_POINTS", 64)
    for spike in range(0, 3000, 37):
        thinned = Thinned(0)
        for at in range(3000):
            thinned.add((1 if at == spike else 0, at))
        assert (1, spike) in thinned.points()


BUSY = scripted({bar: [OrderIntent("BUY" if bar % 2 else "SELL", 1, tag=f"wörd {bar}")] for bar in range(3000)})


def test_series_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a run with its series, and every row of it after, takes no more memory for three times the bars."""
    monkeypatch.setattr(series, "MAX_POINTS", 256)
    peaks = []
    for steps in (1000, 3000):
        folder = make_run(strategy=BUSY, steps=steps, run_id=f"r{steps}").write(tmp_path)
        tracemalloc.start()
        run = open_run(folder, series=True)
        assert run.findings == ()
        assert len(run.series.bars) <= 256
        assert run.series.totals["bars"] == steps
        for rows in (run.events(), run.orders(), run.fills(), run.round_trips(), run.equity()):
            assert sum(1 for _ in rows) > steps // 4
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 100_000
