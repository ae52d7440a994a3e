"""Pictures of a run: the same series gives the same bytes, whoever draws them and wherever.

matplotlib is imported here alone, and only when something is drawn; the user's settings of it neither change a picture
nor are changed. No character of a run's texts is markup. Decimals become binary floats here, for drawing, and nowhere
else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Literal, NamedTuple

from c2lib.core.errors import MissingExtraError
from c2lib.core.model import BUY, SELL
from c2lib.evidence.markdown import visible
from c2lib.witness.run import Run
from c2lib.witness.series import RunSeries
from c2lib.witness.summary import RunSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


SIZE_INCHES = (10.0, 5.0)
DOTS_PER_INCH = 110

MAX_BANDS = 12
"""Most phases or statuses drawn; how many more there are is said."""

FEW_BARS = 120
"""Up to this many bars each close gets a dot of its own."""

TITLE_WIDTH = 88
"""Characters of a line of a title."""

INK, GREY = "#222222", "#6E6E6E"
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
"""The colours are Okabe and Ito's, which readers with any colour vision can distinguish."""


class Mark(NamedTuple):
    """How a side is drawn: ``shift`` sizes from the price, so that the shape's tip touches it and hides no other."""

    colour: str
    shape: str
    shift: float


SIDES = {BUY: Mark("#0072B2", "^", -0.5), SELL: Mark("#D55E00", "v", 0.5)}


class Band(NamedTuple):
    """A phase or a status from one number of events to another, and what led to it."""

    label: str
    start: int
    end: int
    cause: str


def event_total(summary: RunSummary) -> int:
    """Return the number of events that the bands of a run lie over."""
    moments = [move.ts_sim for move in summary.phases] + [events for _, events in summary.statuses]
    return max([*moments, sum(summary.event_counts.values())], default=0)


def bands(summary: RunSummary) -> dict[str, list[Band]]:
    """Return the bands of the phases, one for the first phase and each move, and of the statuses, one a snapshot."""
    moves, last = summary.phases, event_total(summary)
    phases = [(move.after, move.ts_sim, f"{move.trigger} at ts_sim {move.ts_sim}") for move in moves]
    if moves:
        phases.insert(0, (moves[0].before, 0, ""))
    statuses = [(status, events, f"at ts_sim {events}") for status, events in summary.statuses]
    return {"phase": _bands(phases, last), "status": _bands(statuses, last)}


def _bands(starts: Sequence[tuple[str, int, str]], last: int) -> list[Band]:
    """Return the bands of labels, starts and causes; each ends where the next one starts."""
    ends = [*(start for _, start, _ in starts[1:]), last]
    return [Band(label, start, end, cause) for (label, start, cause), end in zip(starts, ends, strict=False)]


def plot_files(run: Run, progress: Callable[[int, int], object] | None = None) -> dict[str, bytes]:
    """Return every picture of a run, opened with ``series``, by its file name, each of :data:`PICTURES`.

    Args:
        run: The run.
        progress: Called with the pictures drawn and the pictures in all, before each.

    Raises:
        MissingExtraError: without matplotlib.
        RunPathError: the event log could not be read.
    """
    made: dict[str, bytes] = {}
    for name in PICTURES:
        if progress is not None:
            progress(len(made), len(PICTURES))
        made[name] = picture(run.series, name)
    return made


def picture(series: RunSeries, name: str) -> bytes:
    """Return one of :data:`PICTURES` of a run, as a PNG; raise :class:`MissingExtraError` without matplotlib."""
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("drawing", "notebooks") from None
    what, draw = PICTURES[name]
    run_id = _fitted(series.summary.run_id, 3 * TITLE_WIDTH) or "(no run_id)"
    lines = [run_id[at : at + TITLE_WIDTH] for at in range(0, len(run_id), TITLE_WIDTH)]
    pieces: list[bytes] = []
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
        title = "\n".join([f"NO-LIVE dry run: {what}", *lines])
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, color=INK)
        draw(figure, series)
        figure.align_ylabels()
        # matplotlib writes a PNG to anything with a write; this folder opens no file
        file = SimpleNamespace(write=pieces.append)
        canvas.print_png(file, metadata={"Software": None})  # type: ignore[no-untyped-call] # matplotlib has no types here
    return b"".join(pieces)


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


def _draw_phases(figure: Figure, series: RunSeries) -> None:
    panels = bands(series.summary)
    heights = [min(max(len(rows), 1), MAX_BANDS + 1) for rows in panels.values()]
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    for axes, (name, rows) in zip((upper, lower), panels.items(), strict=True):
        _draw_bands(axes, name, rows, event_total(series.summary))
    _whole_numbers(lower)
    lower.set_xlabel("ts_sim (events emitted so far)")


def _draw_bands(axes: Axes, name: str, rows: Sequence[Band], last: int) -> None:
    labels = [_fitted(band.label, 32) for band in rows[:MAX_BANDS]]
    for row, band in enumerate(rows[:MAX_BANDS]):
        colour = BAND_COLOURS.get(band.label, GREY)
        axes.barh(row, band.end - band.start, left=band.start, height=0.34, color=colour)
        axes.plot([band.start], [row], marker="D", markersize=6, color=colour, markeredgecolor=INK)
        right = band.start > last / 2
        axes.annotate(
            _fitted(band.cause, 80),
            (band.start, row - 0.21),
            xytext=(-6 if right else 6, 0),
            textcoords="offset points",
            ha="right" if right else "left",
            va="bottom",
            fontsize=8,
            color=INK,
        )
    if not rows:
        axes.text(0.5, 0.5, "none recorded", transform=axes.transAxes, ha="center", va="center", color=INK)
    if len(rows) > MAX_BANDS:
        labels.append(f"{len(rows) - MAX_BANDS} more")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(max(len(labels), 1) - 0.5, -0.8)
    axes.set_xlim(-0.02 * max(last, 1), 1.02 * max(last, 1))
    axes.set_ylabel(name)
    _grid(axes, "x")


def _draw_price(figure: Figure, series: RunSeries) -> None:
    if not series.bars:
        _draw_nothing(figure, series.summary)
        return
    axes = figure.subplots()
    indices = [bar.bar_index for bar in series.bars]
    closes = [_number(bar.close) for bar in series.bars]
    label = f"close ({series.totals['bars']})"
    axes.plot(indices, closes, color=LINE_COLOUR, linewidth=0.9, marker=_dot(series), label=label, zorder=2)
    crowd = max(len(series.orders), len(series.fills))
    size = 8.0 if crowd <= 40 else 5.0 if crowd <= 400 else 3.0
    for side, mark in SIDES.items():
        orders = [(order.bar_index, _number(order.close)) for order in series.orders if order.side == side]
        fills = [(fill.bar_index, _number(fill.price)) for fill in series.fills if fill.side == side]
        _draw_marks(axes, orders, f"{side} ordered ({series.totals[f'{side} orders']})", mark, size, filled=False)
        _draw_marks(axes, fills, f"{side} filled ({series.totals[f'{side} fills']})", mark, size, filled=True)
    axes.set_ylabel(_fitted(f"price of {series.summary.symbol}", 60))
    _grid(axes)
    _bar_axis(axes, series)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=5, frameon=False, borderaxespad=0.2)


def _draw_marks(
    axes: Axes, points: Sequence[tuple[int, float]], label: str, mark: Mark, size: float, *, filled: bool
) -> None:
    from matplotlib.transforms import offset_copy

    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        transform=offset_copy(axes.transData, axes.get_figure(root=True), y=mark.shift * size, units="points"),
        linestyle="none",
        marker=mark.shape,
        markersize=size,
        markerfacecolor=mark.colour if filled else "none",
        markeredgecolor=mark.colour,
        markeredgewidth=min(1.1, size / 8),
        label=label,
        zorder=4 if filled else 3,
    )


def _draw_equity(figure: Figure, series: RunSeries) -> None:
    if not series.bars:
        _draw_nothing(figure, series.summary)
        return
    upper, lower = figure.subplots(2, 1, sharex=True)
    indices = [bar.bar_index for bar in series.bars]
    positions = [_number(bar.position) for bar in series.bars]
    equities = [_number(bar.equity) for bar in series.bars]
    upper.step(indices, positions, where="post", color=POSITION_COLOUR, linewidth=1.2, marker=_dot(series))
    upper.axhline(0, color=GREY, linewidth=0.7)
    upper.set_ylabel("position (units)")
    lower.plot(indices, equities, color=EQUITY_COLOUR, linewidth=1.2, marker=_dot(series))
    lower.set_ylabel("equity (money)")
    for axes in (upper, lower):
        _grid(axes)
    _bar_axis(lower, series)


def _draw_nothing(figure: Figure, summary: RunSummary) -> None:
    axes = figure.subplots()
    axes.set_axis_off()
    code = summary.reject_code or summary.fail_code or ""
    lines = ("This run has no bars to draw.", f"status {summary.status or 'not recorded'}", code)
    text = "\n".join(_fitted(line, 80) for line in lines)
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=13, color=INK, linespacing=1.8)


def _dot(series: RunSeries) -> str:
    return "." if len(series.bars) <= FEW_BARS else ""


def _grid(axes: Axes, axis: Literal["both", "x"] = "both") -> None:
    axes.grid(axis=axis, color="#E3E3E3", linewidth=0.6)
    axes.set_axisbelow(True)


def _whole_numbers(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


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


PICTURES: dict[str, tuple[str, Callable[[Figure, RunSeries], None]]] = {
    "phases.png": ("phases and statuses", _draw_phases),
    "price.png": ("price, orders and fills", _draw_price),
    "equity.png": ("position and equity", _draw_equity),
}
"""The pictures of a run by their file names: what each shows, and what draws it."""
