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
from c2lib.witness.series import RunSeries
from c2lib.witness.summary import RunSummary
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


def test_environment_changes_no_picture(tmp_path: Path) -> None:
    """Hash seed, matplotlibrc and time zone of another process change no byte of any picture."""
    settings = tmp_path / "matplotlibrc"
    settings.write_text(HOSTILE_SETTINGS)
    here = {name: hashlib.sha256(png).hexdigest() for name, png in plot_files(run_of(series_of(12))).items()}
    there = drawn_elsewhere({"PYTHONHASHSEED": "4711", "MATPLOTLIBRC": str(settings), "TZ": "Asia/Tokyo"})
    assert there.split("\n")[:-1] == [f"{name} {digest}" for name, digest in here.items()]
    assert list(here) == list(PICTURES) == ["phases.png", "price.png", "equity.png"]


def test_drawing_keeps_user_settings() -> None:
    """Drawing ignores the user's matplotlib settings and leaves every setting unchanged."""
    series = series_of(3)
    plain = picture(series, "price.png")
    with matplotlib.rc_context({"axes.facecolor": "#ff0000", "figure.dpi": 41.0, "text.parse_math": True}):
        before = dict(matplotlib.rcParams)
        assert picture(series, "price.png") == plain
        assert dict(matplotlib.rcParams) == before


def test_import_loads_no_matplotlib() -> None:
    """Importing the modules evidence.plots and evidence.render does not load matplotlib."""
    code = "import sys, c2lib.evidence.plots, c2lib.evidence.render; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_missing_matplotlib_names_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing without matplotlib raises a MissingExtraError that names the extra c2lib[notebooks]."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"c2lib\[notebooks\]"):
        picture(series_of(1), "phases.png")


def test_picture_has_no_metadata() -> None:
    """A picture holds no text or time chunk, so no version, time or path of its maker."""
    png = picture(series_of(2), "phases.png")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert not any(chunk in png for chunk in (b"tEXt", b"iTXt", b"zTXt", b"tIME", b"Software"))


def test_orders_and_fills_are_drawn() -> None:
    """The price picture shows orders and fills, with a colour of its own for each side."""
    series = series_of(12)
    assert colours_of(picture(series, "price.png")) >= COLOURS
    assert picture(series, "price.png") != picture(replace(series, fills=()), "price.png")
    assert picture(series, "price.png") != picture(replace(series, orders=()), "price.png")


def test_every_fact_changes_picture() -> None:
    """A changed position, equity, phase trigger or run_id changes the bytes of the picture."""
    series = series_of(4)
    moved = replace(series, bars=(*series.bars[:-1], replace(series.bars[-1], position="3")))
    richer = replace(series, bars=(*series.bars[:-1], replace(series.bars[-1], equity="100001")))
    assert len({picture(series, "equity.png"), picture(moved, "equity.png"), picture(richer, "equity.png")}) == 3
    other = replace(series, summary=replace(series.summary, run_id="run_demo_002"))
    assert picture(series, "phases.png") != picture(other, "phases.png")
    moves = (*series.summary.phases[:2], PhaseMove("DRYRUN_ACTIVE", "STOPPING", "CANCELLED", 17, ""))
    cancelled = replace(series, summary=replace(series.summary, phases=moves))
    assert picture(series, "phases.png") != picture(cancelled, "phases.png")


def test_rejected_run_shows_reject_code() -> None:
    """Pictures of a rejected run show its reject code instead of axes, and an empty run has all three pictures."""
    rejected = RunSeries(rejected_summary(), (), (), ())
    other = RunSeries(rejected_summary(reject_code="C2_REJECT_BROKER_NOT_MOCK"), (), (), ())
    assert picture(rejected, "price.png") != picture(other, "price.png")
    assert picture(rejected, "equity.png") != picture(other, "equity.png")
    assert set(plot_files(run_of(RunSeries(RunSummary(), (), (), ())))) == {"phases.png", "price.png", "equity.png"}


def test_any_run_length_is_drawn() -> None:
    """A run of one bar and a run of thirty thousand bars have whole pictures."""
    assert colours_of(picture(series_of(1), "price.png"))
    assert colours_of(picture(series_of(1), "equity.png"))
    crowd = series_of(30_000, every=40)
    assert len(crowd.fills) > 400
    assert colours_of(picture(crowd, "price.png")) >= COLOURS


def test_order_without_bar_is_drawn() -> None:
    """An order or a fill whose bar has no recorded tick is still drawn in the price picture."""
    series = series_of(12)
    sparse = replace(series, bars=series.bars[1::4], orders=(replace(series.orders[0], bar_index=0), *series.orders))
    assert colours_of(picture(sparse, "price.png"))


HOSTILE_TEXT = "$\\frac{1}{0}$ $$ \\n\n\u202e{漢字} <b>|" + "x" * 300


def test_hostile_text_draws_without_warning() -> None:
    """Markup, unknown letters, long names and many phases are drawn as text without a warning."""
    moves = tuple(PhaseMove("INIT", HOSTILE_TEXT, HOSTILE_TEXT, number, "") for number in range(30))
    series = series_of(3, run_id=HOSTILE_TEXT, symbol=HOSTILE_TEXT, phases=moves, statuses=((HOSTILE_TEXT, 2),))
    bars = tuple(
        replace(bar, bar_time=HOSTILE_TEXT, close="x", position="1" * 400, equity="NaN") for bar in series.bars
    )
    for png in plot_files(run_of(replace(series, bars=bars))).values():
        assert colours_of(png)


def test_bands_lie_end_to_end() -> None:
    """Each phase band lasts from its move to the next move, and each status band from its snapshot to the next."""
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


def test_no_moves_make_no_bands() -> None:
    """A run without phase moves and statuses has no bands, and its counted events still give the width."""
    summary = RunSummary(event_counts={"STRATEGY_TICK": 4})
    assert (event_total(summary), bands(summary)) == (4, {"phase": [], "status": []})
    assert event_total(RunSummary()) == 0


def test_repeated_moves_are_drawn() -> None:
    """Every phase move has a band, also when a sink that fails while closing leaves the last move twice."""
    move = PhaseMove("STOPPING", "STOPPED", "CLOSED", 5, "")
    again = PhaseMove("STOPPING", "ERROR_REQUIRES_OPERATOR", "SINK_FAILED", 5, "")
    labels = [band.label for band in bands(RunSummary(phases=(move, again)))["phase"]]
    assert labels == ["STOPPING", "STOPPED", "ERROR_REQUIRES_OPERATOR"]
