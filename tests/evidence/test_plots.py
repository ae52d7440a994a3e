import hashlib
import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib
import pytest
from PIL import Image

from c2lib.core.errors import MissingExtraError
from c2lib.evidence.plots import PICTURES, SIDES, bands, event_total, picture, plot_files
from c2lib.witness.audit import PhaseMove
from c2lib.witness.run import RunSeries, RunSummary
from tests.evidence.runs import clean_summary, rejected_summary, run_of, series_of

ROOT = Path(__file__).parents[2]
COLOURS = {mark.colour for mark in SIDES.values()}

DRAW = """
import hashlib
from c2lib.evidence.plots import plot_files
from tests.evidence.runs import run_of, series_of
for name, png in plot_files(run_of(series_of(12))).items():
    print(name, hashlib.sha256(png).hexdigest())
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
"""


def colours_of(png: bytes) -> set[str]:
    """Return the colours of a picture's pixels, as hex."""
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.size == (1100, 550)
        counted = picture.convert("RGB").getcolors(1 << 24)
    assert counted is not None
    colours: set[str] = set()
    for _, pixel in counted:
        assert isinstance(pixel, tuple)
        colours.add("#" + "".join(f"{part:02X}" for part in pixel[:3]))
    return colours


def drawn_elsewhere(environment: dict[str, str]) -> str:
    """Draw in another process and return names and digests."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", DRAW],
        cwd=ROOT,
        env=dict(os.environ) | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return result.stdout


def test_another_process_with_hostile_settings_draws_the_same_bytes(tmp_path: Path) -> None:
    """Hash seed, matplotlibrc, time zone and folder of the user change no byte."""
    settings = tmp_path / "matplotlibrc"
    settings.write_text(HOSTILE_SETTINGS)
    here = {name: hashlib.sha256(png).hexdigest() for name, png in plot_files(run_of(series_of(12))).items()}
    there = drawn_elsewhere({"PYTHONHASHSEED": "4711", "MATPLOTLIBRC": str(settings), "TZ": "Asia/Tokyo"})
    assert there.split("\n")[:-1] == [f"{name} {digest}" for name, digest in here.items()]
    assert list(here) == list(PICTURES) == ["phases.png", "price.png", "equity.png"]


def test_the_users_own_settings_are_left_as_they_were() -> None:
    """Whatever was set before drawing neither shows nor is lost."""
    series = series_of(3)
    plain = picture(series, "price.png")
    with matplotlib.rc_context({"axes.facecolor": "#ff0000", "figure.dpi": 41.0, "text.parse_math": True}):
        before = dict(matplotlib.rcParams)
        assert picture(series, "price.png") == plain
        assert dict(matplotlib.rcParams) == before


def test_importing_the_room_loads_no_matplotlib() -> None:
    """Only drawing needs the library."""
    code = "import sys, c2lib.evidence.plots, c2lib.evidence.render; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_drawing_without_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a plain installation says what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"c2lib\[notebooks\]"):
        picture(series_of(1), "phases.png")


def test_a_picture_carries_no_word_of_who_drew_it() -> None:
    """No text chunk: no version, no time, no path."""
    png = picture(series_of(2), "phases.png")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert not any(chunk in png for chunk in (b"tEXt", b"iTXt", b"zTXt", b"tIME", b"Software"))


def test_sides_are_drawn_only_where_there_are_orders_and_fills() -> None:
    """Taking the fills away changes the picture; both sides have their own colour."""
    series = series_of(12)
    assert colours_of(picture(series, "price.png")) >= COLOURS
    assert picture(series, "price.png") != picture(replace(series, fills=()), "price.png")
    assert picture(series, "price.png") != picture(replace(series, orders=()), "price.png")


def test_every_fact_drawn_changes_the_bytes() -> None:
    """A position, an equity, a trigger or a run_id that differs is seen."""
    series = series_of(4)
    moved = replace(series, bars=(*series.bars[:-1], replace(series.bars[-1], position="3")))
    richer = replace(series, bars=(*series.bars[:-1], replace(series.bars[-1], equity="100001")))
    assert len({picture(series, "equity.png"), picture(moved, "equity.png"), picture(richer, "equity.png")}) == 3
    other = replace(series, summary=replace(series.summary, run_id="run_demo_002"))
    assert picture(series, "phases.png") != picture(other, "phases.png")
    moves = (*series.summary.phases[:2], PhaseMove("DRYRUN_ACTIVE", "STOPPING", "CANCELLED", 17, ""))
    cancelled = replace(series, summary=replace(series.summary, phases=moves))
    assert picture(series, "phases.png") != picture(cancelled, "phases.png")


def test_a_rejected_run_gets_pictures_that_say_so() -> None:
    """Without a bar there is a sentence with status and code instead of axes."""
    rejected = RunSeries(rejected_summary(), (), (), ())
    other = RunSeries(rejected_summary(reject_code="C2_REJECT_BROKER_NOT_MOCK"), (), (), ())
    assert picture(rejected, "price.png") != picture(other, "price.png")
    assert picture(rejected, "equity.png") != picture(other, "equity.png")
    assert set(plot_files(run_of(RunSeries(RunSummary(), (), (), ())))) == {"phases.png", "price.png", "equity.png"}


def test_one_bar_no_fill_and_thirty_thousand_bars_can_be_drawn() -> None:
    """The smallest and a large run both give whole pictures."""
    assert colours_of(picture(series_of(1), "price.png"))
    assert colours_of(picture(series_of(1), "equity.png"))
    crowd = series_of(30_000, every=40)
    assert len(crowd.fills) > 400
    assert colours_of(picture(crowd, "price.png")) >= COLOURS


def test_orders_between_the_ticks_lie_on_the_last_close_before_them() -> None:
    """With ticks of decisions only, an order or a fill can belong to a bar that is not there."""
    series = series_of(12)
    sparse = replace(series, bars=series.bars[1::4], orders=(replace(series.orders[0], bar_index=0), *series.orders))
    assert colours_of(picture(sparse, "price.png"))


HOSTILE_TEXT = "$\\frac{1}{0}$ $$ \\n\n\u202e{漢字} <b>|" + "x" * 300


def test_hostile_texts_are_shown_and_not_obeyed() -> None:
    """Markup, unknown letters, long names and many phases draw without a warning; all warnings are errors here."""
    moves = tuple(PhaseMove("INIT", HOSTILE_TEXT, HOSTILE_TEXT, number, "") for number in range(30))
    series = series_of(3, run_id=HOSTILE_TEXT, symbol=HOSTILE_TEXT, phases=moves, statuses=((HOSTILE_TEXT, 2),))
    bars = tuple(
        replace(bar, bar_time=HOSTILE_TEXT, close="x", position="1" * 400, equity="NaN") for bar in series.bars
    )
    for png in plot_files(run_of(replace(series, bars=bars))).values():
        assert colours_of(png)


def test_bands_lie_end_to_end() -> None:
    """Each phase lasts from the move into it to the next one, each status from its snapshot to the next one."""
    summary = clean_summary()
    assert event_total(summary) == 18
    seen = bands(summary)
    assert [(band.label, band.start, band.end) for band in seen["phase"]] == [
        ("INIT", 0, 0),
        ("PREFLIGHT_OK", 0, 1),
        ("DRYRUN_ACTIVE", 1, 17),
        ("STOPPING", 17, 18),
        ("STOPPED", 18, 18),
    ]
    assert seen["phase"][2].cause == "FIRST_STEP at ts_sim 1"
    assert [(band.label, band.start, band.end) for band in seen["status"]] == [
        ("INIT", 0, 1),
        ("RUNNING", 1, 18),
        ("COMPLETED", 18, 18),
    ]


def test_no_moves_no_bands() -> None:
    """Nothing recorded is nothing drawn; the events counted still give the width."""
    summary = RunSummary(event_counts={"STRATEGY_TICK": 4})
    assert (event_total(summary), bands(summary)) == (4, {"phase": [], "status": []})
    assert event_total(RunSummary()) == 0


def test_repeated_moves_are_all_drawn() -> None:
    """A sink that failed while closing leaves the last move twice: both are shown."""
    move = PhaseMove("STOPPING", "STOPPED", "CLOSED", 5, "")
    again = PhaseMove("STOPPING", "ERROR_REQUIRES_OPERATOR", "SINK_FAILED", 5, "")
    labels = [band.label for band in bands(RunSummary(phases=(move, again)))["phase"]]
    assert labels == ["STOPPING", "STOPPED", "ERROR_REQUIRES_OPERATOR"]
