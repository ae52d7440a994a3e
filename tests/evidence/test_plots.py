import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

import c2lib
from c2lib import plot
from c2lib.core.errors import MissingExtraError, RunPathError
from c2lib.core.model import CancelIntent, OrderIntent
from c2lib.evidence import figures, lanes, plots
from c2lib.evidence.plots import PICTURES, amount, image, plot_files
from c2lib.witness.audit import PhaseMove
from c2lib.witness.run import Run, open_run
from tests.witness.sample_runs import (
    EVENTS,
    cancelled_run,
    failed_run,
    make_run,
    rejected_run,
    retried_run,
    scripted,
    tripped_run,
)
from tests.witness.sample_runs import Run as SampleRun

ROOT = Path(__file__).parents[2]
DRAWINGS: dict[str, Callable[[Run], Figure]] = {
    name: getattr(plot, name) for name in ("tear_sheet", "price", "equity", "phases", "orders")
}

DRAW = """
import hashlib, sys
from c2lib import open_run, plot
run = open_run(sys.argv[1])
for name in ("tear_sheet", "price", "equity", "phases", "orders"):
    for form in ("png", "svg"):
        print(name, form, hashlib.sha256(plot.image(getattr(plot, name)(run), form)).hexdigest())
"""

HOSTILE_SETTINGS = """
figure.dpi: 37
savefig.dpi: 300
savefig.bbox: tight
font.family: monospace
font.size: 21
axes.facecolor: FF0000
lines.linewidth: 9
axes.grid: True
path.sketch: 1, 100, 2
xtick.labelsize: 3
svg.fonttype: none
"""


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[SampleRun], Run]:
    """Return what writes a sample run and opens it."""

    def write(sample: SampleRun) -> Run:
        return open_run(sample.write(tmp_path / str(len(list(tmp_path.iterdir())))))

    return write


def words(figure: Figure) -> list[str]:
    """Return every text of a figure that is drawn."""
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible()]
    return [text.get_text() for text in [*figure.texts, *texts] if text.get_text()]


def colours_of(png: bytes) -> set[str]:
    """Return the colours of a picture's pixels, as hex."""
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.size[0] == 1100
        counted = picture.convert("RGB").getcolors(1 << 24)
    assert counted is not None
    return {"#" + bytes(pixel).hex().upper() for _, pixel in counted if isinstance(pixel, tuple)}


def test_environment_changes_no_picture(tmp_path: Path) -> None:
    """Hash seed, matplotlibrc and time zone of another process change no byte of any picture, as PNG or as SVG."""
    folder = make_run(steps=40).write(tmp_path)
    settings = tmp_path / "matplotlibrc"
    settings.write_text(HOSTILE_SETTINGS)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DRAW, folder],
        cwd=ROOT,
        env=dict(os.environ) | {"PYTHONHASHSEED": "4711", "MATPLOTLIBRC": str(settings), "TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    run = open_run(folder)
    forms: tuple[Literal["png", "svg"], ...] = ("png", "svg")
    here = [
        f"{name} {form} {hashlib.sha256(image(draw(run), form)).hexdigest()}"
        for name, draw in DRAWINGS.items()
        for form in forms
    ]
    assert done.stdout.split("\n")[:-1] == here


def test_evidence_has_three_pictures(opened: Callable[[SampleRun], Run]) -> None:
    """The pictures beside the evidence are the tear sheet, the price and the phases, and progress counts them."""
    run, seen = opened(make_run()), []
    made = plot_files(run, lambda done, planned: seen.append((done, planned)))
    assert list(made) == list(PICTURES) == ["tear_sheet.png", "price.png", "phases.png"]
    assert seen == [(0, 3), (1, 3), (2, 3)]
    assert made["tear_sheet.png"] == image(plot.tear_sheet(run))
    assert made["price.png"] == image(plot.price(run))
    assert made["phases.png"] == image(plot.phases(run))


def test_drawing_keeps_user_settings(opened: Callable[[SampleRun], Run]) -> None:
    """Drawing ignores the user's matplotlib settings and leaves every setting unchanged."""
    run = opened(make_run())
    plain = image(plot.price(run))
    with matplotlib.rc_context({"axes.facecolor": "#ff0000", "figure.dpi": 41.0, "text.parse_math": True}):
        before = dict(matplotlib.rcParams)
        assert image(plot.price(run)) == plain
        assert dict(matplotlib.rcParams) == before


def test_import_loads_no_matplotlib() -> None:
    """Importing c2lib.plot and the module evidence.render does not load matplotlib."""
    code = "import sys, c2lib, c2lib.evidence.render; c2lib.plot.tear_sheet; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0
    assert c2lib.plot is plot
    assert set(plot.__all__) == {"image", "time_travel", *DRAWINGS}


@pytest.mark.parametrize("name", DRAWINGS)
def test_missing_matplotlib_names_extra(
    name: str, opened: Callable[[SampleRun], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawing without matplotlib raises a MissingExtraError that names the extra c2lib[notebooks]."""
    run = opened(make_run())
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"c2lib\[notebooks\]"):
        DRAWINGS[name](run)


def test_missing_log_is_named(opened: Callable[[SampleRun], Run], tmp_path: Path) -> None:
    """Drawing a run whose events.jsonl is not there raises a RunPathError that names it."""
    folder = make_run().write(tmp_path)
    (folder / EVENTS).unlink()
    with pytest.raises(RunPathError, match=r"events\.jsonl cannot be read"):
        plot.tear_sheet(open_run(folder))


def test_picture_has_no_metadata(opened: Callable[[SampleRun], Run]) -> None:
    """A picture holds no version, time or path of its maker, as PNG or as SVG."""
    figure = plot.phases(opened(make_run()))
    png, svg = image(figure), image(figure, "svg").decode()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert not any(chunk in png for chunk in (b"tEXt", b"iTXt", b"zTXt", b"tIME", b"Software"))
    assert svg.startswith("<?xml")
    assert not any(word in svg for word in ("dc:date", "Matplotlib v", matplotlib.__version__))


def test_figure_shows_itself(opened: Callable[[SampleRun], Run]) -> None:
    """A figure has a method that IPython asks for its PNG, which has the bytes of plot.image."""
    figure: Any = plot.phases(opened(make_run()))
    assert figure._repr_png_() == image(figure)


def test_fills_are_drawn(opened: Callable[[SampleRun], Run]) -> None:
    """The price picture shows fills, with a colour and a count of its own for each side."""
    script = {0: [OrderIntent("BUY", 2)], 4: [OrderIntent("SELL", 1)], 6: [OrderIntent("SELL", 1)]}
    figure = plot.price(opened(make_run(strategy=scripted(script), steps=12)))
    assert colours_of(image(figure)) >= {lanes.UP, lanes.DOWN}
    assert {"BUY filled (1)", "SELL filled (2)", "price\n(quote currency)", "time of the bar (UTC)"} <= set(
        words(figure)
    )
    still = plot.price(opened(make_run(strategy=scripted({}), steps=12)))
    assert "BUY filled (0)" in words(still)


def test_many_fills_are_a_density(opened: Callable[[SampleRun], Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the fills are counted by part of the run in axes of their own, without a marker."""
    script = {bar: [OrderIntent("BUY" if bar % 2 else "SELL", 1)] for bar in range(150)}
    run = opened(make_run(strategy=scripted(script), steps=150))
    marked = plot.price(run)
    monkeypatch.setattr(figures, "MOST_MARKS", 100)
    crowded = plot.price(run)
    assert (len(marked.axes), len(crowded.axes)) == (1, 2)
    assert "fills in\n2 bars" in words(crowded)
    assert [np.size(line.get_xdata()) for line in crowded.axes[0].lines] == [150, 0, 0]
    assert len(plot.tear_sheet(run).axes) == 5


def test_every_fact_changes_picture(opened: Callable[[SampleRun], Run]) -> None:
    """A changed position, equity, fill, trigger or run_id changes the bytes of its picture."""
    run = opened(make_run(steps=12))
    plain = figures.measure(run)
    last = plain.bars[-1]
    moved = replace(plain, bars=(*plain.bars[:-1], (*last[:3], 3.0, last[4])))
    richer = replace(plain, bars=(*plain.bars[:-1], (*last[:4], last[4] + 1)))
    lost = replace(plain, trades=((3, -5.0),))
    tiles = replace(plain, figures=replace(plain.figures, fees=Decimal("7.77")))
    draw = PICTURES["tear_sheet.png"]
    assert len({image(draw(run, seen)) for seen in (plain, moved, richer, lost, tiles)}) == 5
    assert image(PICTURES["price.png"](run, replace(plain, fills={}))) != image(PICTURES["price.png"](run, plain))
    other = replace(run, summary=replace(run.summary, run_id="run_demo_002"))
    moves = (*run.phases[:-1], replace(run.phases[-1], trigger="CANCELLED"))
    cancelled = replace(run, summary=replace(run.summary, phases=moves))
    assert len({image(plot.phases(seen)) for seen in (run, other, cancelled)}) == 3


def test_title_says_strategy_and_outcome(opened: Callable[[SampleRun], Run]) -> None:
    """A picture begins with strategy, instrument, status, reason, profit, period and run."""
    good, failed, rejected, cancelled = map(opened, (make_run(), failed_run(), rejected_run(), cancelled_run()))
    for draw in DRAWINGS.values():
        seen = words(draw(good))
        assert seen[0].startswith("strat_demo on SYNTH: ")
        assert "COMPLETED" in seen
        assert f"NO-LIVE dry run {good.summary.run_id}" in seen
        assert any(text.startswith("P&L +0.") for text in seen)
        assert "FAILED   C2_ABORT_EXCEPTION" in words(draw(failed))
        assert "ValueError: no idea" in words(draw(failed))
        assert "REJECTED   C2_REJECT_ALLOWLIST_MISSING" in words(draw(rejected))
        assert "COMPLETED   cancelled" in words(draw(cancelled))
    assert "2026-01-01 00:00 to 2026-01-01 00:07 UTC, 8 bars" in words(plot.tear_sheet(good))
    assert "no bars" in words(plot.tear_sheet(rejected))


def test_tear_sheet_shows_figures(opened: Callable[[SampleRun], Run]) -> None:
    """The tear sheet has the six figures, each with its name, and axes named for people."""
    run = opened(make_run(steps=64))
    seen, made = words(plot.tear_sheet(run)), figures.measure(run).figures
    assert made.trades > 2
    for value, name in (
        (str(made.trades), f"trades, {made.winning_trades} won"),
        ("0 %" if not made.win_rate else f"{made.win_rate * 100:.1f} %", "win rate"),
        (f"{made.profit_factor:.2f}", "profit factor"),
        (amount(made.fees), "fees"),
    ):
        assert seen[seen.index(name) - 1] == value
    assert {"price\n(quote currency)", "P&L\n(quote currency)", "position\n(units)", "P&L of\neach trade"} <= set(seen)
    assert "no trade ended" in words(plot.tear_sheet(opened(make_run(strategy=scripted({}), steps=4))))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0.00"),
        ("1234567.891", "+1,234,567.89"),
        ("-1", "\N{MINUS SIGN}1.00"),
        ("-0.5", "\N{MINUS SIGN}0.500"),
        ("0.00001234", "+0.0000123"),
        ("1e-300", "+0.0000000000000000000000000000"),
    ],
)
def test_amounts_keep_three_digits(value: str, text: str) -> None:
    """An amount has two places, a small one three digits, and a sign when it is asked for."""
    assert amount(Decimal(value), "+") == text


@pytest.mark.parametrize(
    ("step", "bars", "first", "others"),
    [
        ("minutes", 64, "00:00\n2026-01-01", ["00:15", "00:30"]),
        ("hours", 60, "00:00\n2026-01-01", ["12:00", "00:00"]),
        ("days", 90, "2026-01", ["2026-02", "2026-03"]),
        ("days", 20, "2026-01-01", ["2026-01-05", "2026-01-12"]),
        ("weeks", 120, "2026-01", ["2026-07", "2027-01"]),
        ("minutes", 1, "00:00\n2026-01-01", []),
    ],
)
def test_dates_stand_on_the_axis(step: str, bars: int, first: str, others: list[str]) -> None:
    """The bars' axis has dates or times at round spans, six at most, whatever the bars are apart."""
    from datetime import UTC, datetime, timedelta

    start = datetime(2026, 1, 1, tzinfo=UTC)
    points = [(at, (start + at * timedelta(**{step: 1})).isoformat()) for at in range(bars)]
    axes = Figure().subplots()
    plots._date_axis(axes, points, bars - 1)
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert 1 <= len(labels) <= plots.MOST_TICKS
    assert labels[: 1 + len(others)] == [first, *others]


def test_late_trade_is_drawn(opened: Callable[[SampleRun], Run]) -> None:
    """A trade that ends on a bar without a tick, where a strategy raised, lies within the axes."""
    run = opened(
        make_run(strategy=scripted({0: [OrderIntent("BUY", 1)], 4: [OrderIntent("SELL", 1)], 5: ValueError()}))
    )
    measured = figures.measure(run)
    assert measured.trades[-1][0] == measured.bars[-1][0] + 1 == 5
    assert all(axes.get_xlim()[1] > 5 for axes in plot.tear_sheet(run).axes)


def test_unrecorded_bars_are_counted(opened: Callable[[SampleRun], Run]) -> None:
    """The header says how many of the bars are recorded where not all are."""
    run = opened(make_run(tick_events="decisions", steps=30))
    (facts,) = {text for text in words(plot.tear_sheet(run)) if text.endswith(" of 30 bars recorded")}
    assert f" {figures.measure(run).figures.bars} of" in facts


def test_any_run_length_is_drawn(opened: Callable[[SampleRun], Run]) -> None:
    """A run of one bar, one without fills and one that records decisions alone have whole pictures."""
    for sample in (make_run(steps=1), make_run(strategy=scripted({}), steps=5), make_run(tick_events="decisions")):
        run = opened(sample)
        for draw in DRAWINGS.values():
            assert colours_of(image(draw(run)))


HOSTILE_TEXT = "$\\frac{1}{0}$ $$ \\n\n\u202e{漢字} <b>|" + "x" * 300


def test_hostile_text_draws_without_warning(opened: Callable[[SampleRun], Run]) -> None:
    """Markup, unknown letters, long names, absurd numbers and many phases are drawn as text without a warning."""
    run = opened(make_run())
    moves = tuple(PhaseMove("INIT", HOSTILE_TEXT, HOSTILE_TEXT, number, "") for number in range(30))
    facts = dict.fromkeys(("run_id", "strategy_id", "symbol", "status", "fail_code", "fail_reason"), HOSTILE_TEXT)
    summary = replace(run.summary, **facts, phases=moves, equity="9" * 300)  # type: ignore[arg-type] # all are texts
    hostile = replace(run, summary=summary)
    measured = figures.measure(hostile)
    absurd = replace(measured, bars=tuple((*bar[:3], 1e300, float("nan")) for bar in measured.bars))
    for seen in (measured, absurd):
        for draw in PICTURES.values():
            assert colours_of(image(draw(hostile, seen)))
    assert "23 more" in [text.replace("\n", " ") for text in words(plot.phases(hostile))]


def test_quiet_run_has_phases_alone(opened: Callable[[SampleRun], Run]) -> None:
    """The phases of a run in which nothing went wrong are a row of boxes, each with what led to it."""
    figure = plot.phases(opened(make_run()))
    assert len(figure.axes) == 1
    assert figure.get_size_inches()[1] < 2.5
    assert {"INIT", "PREFLIGHT_\nOK", "DRYRUN_\nACTIVE", "STOPPING", "STOPPED"} <= set(words(figure))
    assert "FIRST_STEP\nat event 1" in words(figure)


def test_what_went_wrong_has_lanes(opened: Callable[[SampleRun], Run]) -> None:
    """Retries, rails and refused cancels have a lane each, counted, over the events of the run."""
    refused = make_run(strategy=scripted({bar: [CancelIntent("c-000099")] for bar in range(4)}))
    for sample, lane in (
        (retried_run(), "writes tried again ("),
        (tripped_run(), "RAIL_TRIPPED (1)"),
        (refused, "CANCEL_REJECTED (4)"),
    ):
        run = opened(sample)
        figure = plot.phases(run)
        assert len(figure.axes) == 2
        assert any(text.startswith(lane) for text in words(figure)), lane
        assert figure.get_size_inches()[1] > 2.5
    spans = lanes.incidents(opened(refused))["CANCEL_REJECTED (4)"]
    events = [event["ts_sim"] for event in refused.events if event["event_type"] == "CANCEL_REJECTED"]
    assert [start for start, _ in spans] == events


def test_retries_lie_in_their_phase(opened: Callable[[SampleRun], Run]) -> None:
    """Writes tried again are drawn over the phase in which the audit trail has them, and add up to all of them."""
    run = opened(retried_run())
    counts = [move.retries for move in run.phases]
    assert counts == sorted(counts)
    assert 0 < counts[-1] <= run.summary.sink_retries
    (lane,) = [spans for name, spans in lanes.incidents(run).items() if name.startswith("writes")]
    starts = {0, *(move.ts_sim for move in run.phases)}
    assert {start for start, _ in lane} <= starts


def test_orders_have_a_lane_each(opened: Callable[[SampleRun], Run]) -> None:
    """Each order has a lane with its terms, from the bar of its submission to that of its end, and its last word."""
    script = {
        0: [OrderIntent("BUY", 2)],
        2: [OrderIntent("SELL", 1, "LIMIT", limit_price=99_999), OrderIntent("SELL", 1, "LIMIT", 99_999, None, "IOC")],
        5: [CancelIntent("c-000002")],
    }
    run = opened(make_run(strategy=scripted(script), steps=8))
    seen = words(plot.orders(run))
    assert seen[0].endswith("orders 1 to 3 of 3")
    assert {"c-000001 BUY 2 MARKET GTC", "c-000002 SELL 1 LIMIT 999.99 GTC", "c-000003 SELL 1 LIMIT 999.99 IOC"} <= set(
        seen
    )
    assert {"FILLED", "CANCELLED", "EXPIRED"} <= set(seen)
    assert [(life.events[0][0], life.events[-1][0]) for life in lanes.lives_of(run, 0)] == [(0, 1), (2, 5), (2, 3)]
    assert words(plot.orders(opened(make_run(strategy=scripted({}), steps=2))))[0].endswith(": no orders")


def test_many_orders_are_paged(opened: Callable[[SampleRun], Run]) -> None:
    """Of many orders forty are drawn, from the one that is asked for."""
    script = {bar: [OrderIntent("BUY" if bar % 2 else "SELL", 1)] for bar in range(100)}
    run = opened(make_run(strategy=scripted(script), steps=100))
    assert words(plot.orders(run))[0].endswith("orders 1 to 40 of 100")
    assert words(plot.orders(run, first=90))[0].endswith("orders 91 to 100 of 100")
    assert words(plot.orders(run, first=100))[0].endswith("no orders")
