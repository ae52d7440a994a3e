"""Pictures of a run: the same series gives the same bytes, whoever draws them and wherever.

Rules kept here:

* matplotlib is imported here alone, and only when something is drawn; pyplot never is;
* the user's matplotlib settings neither leak in nor are changed;
* texts of a run are shown character by character: no markup, nothing that the font lacks;
* sides, orders and fills differ by shape as well as by colour (Okabe and Ito's palette);
* decimals become binary floats here, for drawing, and nowhere else.

>>> from c2lib.witness.run import RunSummary
>>> sorted(plot_files(RunSeries(RunSummary(), (), (), ())))
['equity.png', 'phases.png', 'price.png']
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from c2lib.core.errors import MissingExtraError
from c2lib.core.model import BUY, SELL
from c2lib.evidence.markdown import visible
from c2lib.witness.run import OrderPoint, RunSeries, RunSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


PICTURES = ("phases.png", "price.png", "equity.png")
"""File names of the pictures of a run."""

SIZE_INCHES = (10.0, 5.0)
DOTS_PER_INCH = 110

MAX_BANDS = 12
"""Most phases or statuses drawn; how many more there are is said."""

FEW_BARS = 120
"""Up to this many bars each close gets a dot of its own."""

INK, GREY = "#222222", "#6E6E6E"
SIDE_COLOURS = {BUY: "#0072B2", SELL: "#D55E00"}
SIDE_SHAPES = {BUY: "^", SELL: "v"}
SIDE_SHIFTS = {BUY: -0.5, SELL: 0.5}
"""A triangle touches the price with its tip, BUY from below, SELL from above, so that neither hides the other."""

LINE_COLOUR, POSITION_COLOUR, EQUITY_COLOUR = "#4D4D4D", "#CC79A7", "#009E73"
BAND_COLOURS = {
    "INIT": "#56B4E9",
    "PREFLIGHT_OK": "#0072B2",
    "DRYRUN_ACTIVE": "#E69F00",
    "RUNNING": "#E69F00",
    "STOPPING": "#F0E442",
    "STOPPED": "#009E73",
    "COMPLETED": "#009E73",
    "PREFLIGHT_FAILED": "#D55E00",
    "REJECTED": "#D55E00",
    "ERROR_REQUIRES_OPERATOR": "#D55E00",
    "FAILED": "#D55E00",
}

_TITLE_WIDTH = 88


def plot_files(series: RunSeries) -> dict[str, bytes]:
    """Return every picture of a run by its file name, each of :data:`PICTURES`."""
    return dict(zip(PICTURES, (phases_png(series), price_png(series), equity_png(series)), strict=True))


def phases_png(series: RunSeries) -> bytes:
    """Return the phases and statuses of a run over its events, as a PNG."""
    return _drawn(series.summary, "phases and statuses", _draw_phases, series)


def price_png(series: RunSeries) -> bytes:
    """Return the closing price of each bar with the orders and fills, as a PNG."""
    return _drawn(series.summary, "price, orders and fills", _draw_price if series.bars else _draw_nothing, series)


def equity_png(series: RunSeries) -> bytes:
    """Return position and equity after each bar, as a PNG."""
    return _drawn(series.summary, "position and equity", _draw_equity if series.bars else _draw_nothing, series)


class _Collected:
    """Where a PNG is written to: bytes in memory."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep some more bytes."""
        self.parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: what was written is kept."""


def _drawn(summary: RunSummary, what: str, draw: Callable[[Figure, RunSeries], None], series: RunSeries) -> bytes:
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("drawing", "notebooks") from None
    collected = _Collected()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "text.parse_math": False,
                "font.size": 9.0,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.edgecolor": GREY,
                "axes.formatter.useoffset": False,
                "axes.formatter.limits": (-12, 12),
            }
        )
        figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        figure.suptitle(_title(summary, what), x=0.01, ha="left", fontsize=10.5, color=INK)
        draw(figure, series)
        figure.align_ylabels()
        canvas.print_png(collected, metadata={"Software": None})  # type: ignore[no-untyped-call] # matplotlib has no types here
    return b"".join(collected.parts)


def _title(summary: RunSummary, what: str) -> str:
    name = _fitted(summary.run_id, 3 * _TITLE_WIDTH) or "(no run_id)"
    lines = [name[at : at + _TITLE_WIDTH] for at in range(0, len(name), _TITLE_WIDTH)]
    return "\n".join([f"NO-LIVE dry run: {what}", *lines])


def _fitted(text: str, width: int) -> str:
    """Return a text of a run in at most ``width`` characters, each of which the font has."""
    shown = visible(text, ascii_only=True)
    return shown if len(shown) <= width else f"{shown[: width - 3]}..."


def _number(text: str) -> float:
    """Return a decimal as a float, NaN (which is not drawn) when it is none."""
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _draw_nothing(figure: Figure, series: RunSeries) -> None:
    summary = series.summary
    axes = figure.subplots()
    axes.set_axis_off()
    code = summary.reject_code or summary.fail_code
    lines = ["This run has no bars to draw.", f"status {summary.status or 'not recorded'}", code or ""]
    text = "\n".join(_fitted(line, 80) for line in lines)
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=13, color=INK, linespacing=1.8)


def _draw_phases(figure: Figure, series: RunSeries) -> None:
    summary = series.summary
    last = event_total(summary)
    panels = [("phase", phase_bands(summary, last)), ("status", status_bands(summary, last))]
    heights = [min(max(len(bands), 1), MAX_BANDS + 1) for _, bands in panels]
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    for axes, (name, bands) in zip((upper, lower), panels, strict=True):
        _draw_bands(axes, name, bands, last)
    _whole_numbers(lower)
    lower.set_xlabel("ts_sim (events emitted so far)")


def _draw_bands(axes: Axes, name: str, bands: Sequence[Band], last: int) -> None:
    labels = []
    for row, band in enumerate(bands[:MAX_BANDS]):
        colour = BAND_COLOURS.get(band.label, GREY)
        axes.barh(row, band.end - band.start, left=band.start, height=0.34, color=colour)
        axes.plot([band.start], [row], marker="D", markersize=6, color=colour, markeredgecolor=INK)
        right = band.start > last / 2
        axes.annotate(
            _fitted(band.note, 80),
            (band.start, row - 0.21),
            xytext=(-6 if right else 6, 0),
            textcoords="offset points",
            ha="right" if right else "left",
            va="bottom",
            fontsize=8,
            color=INK,
        )
        labels.append(_fitted(band.label, 32))
    if not bands:
        axes.text(0.5, 0.5, "none recorded", transform=axes.transAxes, ha="center", va="center", color=INK)
    if len(bands) > MAX_BANDS:
        labels.append(f"{len(bands) - MAX_BANDS} more")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(max(len(labels), 1) - 0.5, -0.8)
    axes.set_xlim(-0.02 * max(last, 1), 1.02 * max(last, 1))
    axes.set_ylabel(name)
    axes.grid(axis="x", color="#E3E3E3", linewidth=0.6)
    axes.set_axisbelow(True)


def _bar_axis(axes: Axes, series: RunSeries) -> None:
    first, last = series.bars[0], series.bars[-1]
    ends = f"{first.bar_index} at {first.bar_time}"
    if last is first:
        axes.set_xticks([first.bar_index])
    else:
        ends += f"  to  {last.bar_index} at {last.bar_time}"
        _whole_numbers(axes)
    axes.set_xlabel(f"bar index ({_fitted(ends, 100)})")
    margin = max(0.5, 0.02 * (last.bar_index - first.bar_index))
    axes.set_xlim(first.bar_index - margin, last.bar_index + margin)


def _whole_numbers(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _grid(axes: Axes) -> None:
    axes.grid(color="#E3E3E3", linewidth=0.6)
    axes.set_axisbelow(True)


def _draw_price(figure: Figure, series: RunSeries) -> None:
    axes = figure.subplots()
    indices = [bar.bar_index for bar in series.bars]
    closes = [_number(bar.close) for bar in series.bars]
    dot = "." if len(indices) <= FEW_BARS else ""
    axes.plot(indices, closes, color=LINE_COLOUR, linewidth=0.9, marker=dot, label=f"close ({len(indices)})", zorder=2)
    crowd = max(len(series.orders), len(series.fills))
    size = 8.0 if crowd <= 40 else 5.0 if crowd <= 400 else 3.0
    for side in (BUY, SELL):
        orders = [(order.bar_index, _close_at(indices, closes, order)) for order in series.orders if order.side == side]
        fills = [(fill.bar_index, _number(fill.price)) for fill in series.fills if fill.side == side]
        _mark(axes, orders, f"{side} ordered", side, size, "none")
        _mark(axes, fills, f"{side} filled", side, size, SIDE_COLOURS[side])
    axes.set_ylabel(_fitted(f"price of {series.summary.symbol}", 60))
    _grid(axes)
    _bar_axis(axes, series)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=5, frameon=False, borderaxespad=0.2)


def _close_at(indices: Sequence[int], closes: Sequence[float], order: OrderPoint) -> float:
    """Return the last close that is not after an order: with ticks of decisions only, bars are missing."""
    return closes[max(bisect_right(indices, order.bar_index) - 1, 0)]


def _mark(axes: Axes, points: Sequence[tuple[int, float]], label: str, side: str, size: float, face: str) -> None:
    from matplotlib.transforms import offset_copy

    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        transform=offset_copy(axes.transData, axes.get_figure(root=True), y=SIDE_SHIFTS[side] * size, units="points"),
        linestyle="none",
        marker=SIDE_SHAPES[side],
        markersize=size,
        markerfacecolor=face,
        markeredgecolor=SIDE_COLOURS[side],
        markeredgewidth=min(1.1, size / 8),
        label=f"{label} ({len(points)})",
        zorder=3 if face == "none" else 4,
    )


def _draw_equity(figure: Figure, series: RunSeries) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True)
    indices = [bar.bar_index for bar in series.bars]
    dot = "." if len(indices) <= FEW_BARS else ""
    positions = [_number(bar.position) for bar in series.bars]
    equities = [_number(bar.equity) for bar in series.bars]
    upper.step(indices, positions, where="post", color=POSITION_COLOUR, linewidth=1.2, marker=dot)
    upper.axhline(0, color=GREY, linewidth=0.7)
    upper.set_ylabel("position (units)")
    lower.plot(indices, equities, color=EQUITY_COLOUR, linewidth=1.2, marker=dot)
    lower.set_ylabel("equity (money)")
    for axes in (upper, lower):
        _grid(axes)
    _bar_axis(lower, series)


class Band(NamedTuple):
    """A phase or a status from one number of events to another, and what led to it."""

    label: str
    start: int
    end: int
    note: str


def event_total(summary: RunSummary) -> int:
    """Return the number of events that the bands of a run lie over."""
    moments = [move.ts_sim for move in summary.phases] + [events for _, events in summary.statuses]
    return max([*moments, sum(summary.event_counts.values())], default=0)


def phase_bands(summary: RunSummary, last: int) -> list[Band]:
    """Return a band for the first phase and for each move, up to ``last`` events."""
    moves = summary.phases
    if not moves:
        return []
    starts = [*(move.ts_sim for move in moves), last]
    first = Band(moves[0].before, 0, starts[0], "")
    rest = (
        Band(move.after, start, end, f"{move.trigger} at ts_sim {start}")
        for move, (start, end) in zip(moves, pairwise(starts), strict=True)
    )
    return [first, *rest]


def status_bands(summary: RunSummary, last: int) -> list[Band]:
    """Return a band for each snapshot, up to ``last`` events."""
    starts = [*(events for _, events in summary.statuses), last]
    return [
        Band(status, start, end, f"at ts_sim {start}")
        for (status, _), (start, end) in zip(summary.statuses, pairwise(starts), strict=True)
    ]
