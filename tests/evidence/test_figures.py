"""The figures of a run, held against computations that share no code with them."""

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from c2lib import plot
from c2lib.core.model import OrderIntent
from c2lib.evidence import figures
from c2lib.evidence.figures import Figures, Measured, measure
from c2lib.witness import series
from c2lib.witness.run import open_run
from tests.witness.sample_runs import Run, failed_run, make_run, rejected_run, scripted
from tests.witness.test_rows import busy_runs


def measured(run: Run) -> Measured:
    """Return what is measured of a run, written to a folder of its own."""
    with TemporaryDirectory() as place, open_run(run.write(Path(place))) as opened:
        return measure(opened)


def units(run: Run) -> Iterator[tuple[int, int, Fraction]]:
    """Yield each lot that was filled: its bar, its direction, and the money that it brought, its share of the fee."""
    for fill in run.payloads("FILL"):
        way, quantity = (1 if fill["side"] == "BUY" else -1), int(fill["quantity"])
        for _ in range(quantity):
            yield fill["bar_index"], way, -way * Fraction(fill["price"]) - Fraction(fill["fee"]) / quantity


def last_close(run: Run) -> Fraction:
    """Return the last close that a run has."""
    stops, ticks = run.payloads("SESSION_STOP"), run.payloads("STRATEGY_TICK")
    closes = [stop["mark_price"] for stop in stops if stop["mark_price"]] or [tick["close"] for tick in ticks[-1:]]
    return Fraction(closes[0]) if closes else Fraction(0)


def model(run: Run) -> dict[str, Any]:
    """Return the figures of a run by lots and flows of cash: a trade is what cash did between two flat positions."""
    lots, trades = list(units(run)), []
    held, flow = 0, Fraction(0)
    for _, way, money in lots:
        held, flow = held + way, flow + money
        if held == 0:
            trades.append(flow)
            flow = Fraction(0)
    cash = Fraction(run.payloads("SESSION_START")[0]["initial_cash"])
    equities, positions = [cash], []
    for tick in run.payloads("STRATEGY_TICK"):
        so_far = [lot for lot in lots if lot[0] <= tick["bar_index"]]
        positions.append(sum(way for _, way, _ in so_far))
        equities.append(cash + sum(money for _, _, money in so_far) + positions[-1] * Fraction(tick["close"]))
    equities.append(cash + sum(money for _, _, money in lots) + sum(way for _, way, _ in lots) * last_close(run))
    falls = [max(equities[: at + 1]) - equity for at, equity in enumerate(equities)]
    won, lost = (sum(abs(pnl) for pnl in trades if (pnl > 0) is good) for good in (True, False))
    return {
        "trades": len(trades),
        "winning_trades": sum(pnl > 0 for pnl in trades),
        "win_rate": Fraction(sum(pnl > 0 for pnl in trades), len(trades)) if trades else None,
        "profit_factor": Fraction(won) / lost if lost else None,
        "max_drawdown": max(falls),
        "max_drawdown_share": max(falls) / max(equities[: falls.index(max(falls)) + 1]) if max(falls) else None,
        "bars": len(positions),
        "exposure": Fraction(sum(position != 0 for position in positions), len(positions)) if positions else None,
        "fees": sum((Fraction(fill["fee"]) for fill in run.payloads("FILL")), Fraction(0)),
    }


RATIOS = ("win_rate", "profit_factor", "max_drawdown_share", "exposure")


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(busy_runs())
def test_figures_match_lots_and_cash(run: Run) -> None:
    """Trades, win rate, profit factor, drawdown, exposure and fees are those of a model of lots and flows of cash."""
    if not run.payloads("SESSION_START"):
        return
    seen = measured(run).figures
    for name, expected in model(run).items():
        value = getattr(seen, name)
        if name in RATIOS and expected is not None:
            assert abs(Fraction(value) - expected) <= abs(expected) * Fraction(1, 10**25), name
        elif name == "max_drawdown" or expected is None or name in ("trades", "winning_trades", "bars", "fees"):
            # fees of a fill that turns the position round are shared to 28 digits
            assert value is expected if expected is None else abs(Fraction(value) - expected) <= Fraction(1, 10**20), (
                name
            )


def test_figures_match_pandas(tmp_path: Path) -> None:
    """The figures of a run of 3,000 bars are those that pandas makes of the tables of the run."""
    folder = make_run(strategy_id="sma_cross", steps=3000).write(tmp_path)
    run = open_run(folder)
    seen = measure(run).figures
    trips, equity, fills = (run.to_pandas(table) for table in ("round_trips", "equity", "fills"))
    assert seen.trades == len(trips) > 50
    assert float(seen.win_rate or 0) == pytest.approx((trips.pnl > 0).mean())
    won, lost = trips.pnl[trips.pnl > 0].sum(), -trips.pnl[trips.pnl < 0].sum()
    assert float(seen.profit_factor or 0) == pytest.approx(won / lost)
    fall = equity.equity.cummax() - equity.equity
    assert float(seen.max_drawdown) == pytest.approx(fall.max())
    assert float(seen.max_drawdown_share or 0) == pytest.approx(fall.max() / equity.equity.cummax()[fall.idxmax()])
    assert float(seen.exposure or 0) == pytest.approx((equity.position != 0).mean())
    assert float(seen.fees) == pytest.approx(fills.fee.sum())
    assert float(seen.pnl or 0) == pytest.approx(equity.equity.iloc[-1] - 100_000)


def test_known_run_has_known_figures() -> None:
    """A run of two trades, worked out by hand, has the figures of docs/figures.md."""
    script = {
        0: [OrderIntent("BUY", 2)],
        2: [OrderIntent("SELL", 2)],
        4: [OrderIntent("SELL", 1)],
        6: [OrderIntent("BUY", 1)],
    }
    run = make_run(strategy=scripted(script), steps=8, broker={"maker_fee_rate": "0", "taker_fee_rate": "0"})
    for fill, price in zip(run.payloads("FILL"), ("100", "103", "103", "105"), strict=True):
        fill["price"] = price
    for tick, close in zip(run.payloads("STRATEGY_TICK"), (100, 101, 102, 103, 103, 104, 105, 105), strict=True):
        tick["close"] = str(close)
    run.payloads("SESSION_STOP")[0].update(mark_price="105", equity="100004", cash="100004")
    run.rehash()
    assert measured(run).figures == Figures(
        pnl=Decimal(4),
        trades=2,
        winning_trades=1,
        win_rate=Decimal("0.5"),
        profit_factor=Decimal(3),
        max_drawdown=Decimal(2),
        max_drawdown_share=Decimal(2) / Decimal(100006),
        bars=8,
        exposure=Decimal("0.5"),
        fees=Decimal(0),
    )


def test_figures_without_meaning_are_none() -> None:
    """A run without a session has no profit, no rates and no exposure; one without trades has no win rate."""
    assert measured(rejected_run()).figures == Figures()
    still = measured(make_run(strategy=scripted({}), steps=3)).figures
    assert still == Figures(pnl=Decimal(0), bars=3, exposure=Decimal(0))
    assert measured(failed_run()).figures.bars == 3


def test_many_fills_become_density(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fills beyond the bound are counted by part of the run, none left out, and no longer kept one by one."""
    monkeypatch.setattr(figures, "MOST_MARKS", 20)
    script = {bar: [OrderIntent("BUY" if bar % 2 else "SELL", 1)] for bar in range(300)}
    seen = measured(make_run(strategy=scripted(script), steps=300))
    assert seen.fills == {}
    assert dict(seen.fill_counts) == {"BUY": 149, "SELL": 150}
    assert sum(seen.density.values()) == 299
    assert max(at for _, at in seen.density) < figures.BINS
    assert seen.bin_width == 3
    few = measured(make_run(strategy=scripted({0: [OrderIntent("BUY", 1)]}), steps=3))
    assert (few.density, len(few.fills["BUY"])) == ({}, 1)


BUSY = scripted({bar: [OrderIntent("BUY" if bar % 2 else "SELL", 1, tag=f"wörd {bar}")] for bar in range(3000)})


def test_measuring_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a run, every row of it and its figures takes hardly more memory for three times the bars."""
    monkeypatch.setattr(series, "MAX_POINTS", 64)
    peaks = []
    for steps in (1000, 3000):
        folder = make_run(strategy=BUSY, steps=steps, run_id=f"r{steps}").write(tmp_path)
        tracemalloc.start()
        run = open_run(folder)
        assert run.findings == ()
        seen = measure(run)
        assert (seen.figures.bars, len(seen.bars) <= 64, len(seen.trades) <= 64) == (steps, True, True)
        for rows in (run.events(), run.orders(), run.fills(), run.round_trips(), run.equity()):
            assert sum(1 for _ in rows) > steps // 4
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000


def test_page_example_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/figures.md runs as it stands and leaves a tear sheet and an SVG."""
    monkeypatch.setenv("C2LIB_OUT", str(tmp_path))
    page = (Path(__file__).parents[2] / "docs" / "figures.md").read_text(encoding="utf-8")
    made: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], made)
    assert made["sheet"].texts[0].get_text() == "strat_demo on SYNTH: tear sheet"
    assert made["svg"].startswith(b"<?xml")


def test_page_names_every_picture() -> None:
    """docs/figures.md names each function of c2lib.plot."""
    page = (Path(__file__).parents[2] / "docs" / "figures.md").read_text(encoding="utf-8")
    assert all(f"`plot.{name}(" in page for name in plot.__all__)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (60, "1 min"),
        (5400, "90 min"),
        (14_400, "4 h"),
        (604_800, "7 d"),
        (1, "1 s"),
        (61, "61 s"),
        (0.5, None),
        (0, None),
    ],
)
def test_interval_has_its_largest_unit(seconds: float, text: str | None) -> None:
    """The interval of bars is the smallest between two neighbours, in its largest whole unit; a gap is none."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    times = [start, start + timedelta(seconds=seconds), start + timedelta(seconds=3 * seconds), start]
    bars = [(at, time.isoformat(), 0.0, 0.0, 0.0) for at, time in zip((0, 1, 2, 9), times, strict=True)]
    assert Measured(bars=tuple(bars)).interval == text
    assert Measured(bars=tuple(bars[:1])).interval is Measured().interval is None
    assert (Measured(bars=tuple(bars)).period, Measured().period) == (("2026-01-01 00:00",), ())
