"""Pictures of a run as matplotlib figures, and their bytes: the same run gives the same bytes, whoever draws it.

matplotlib is imported here alone, and only when something is drawn; the user's settings of it neither change a picture
nor are changed. No character of a run's texts is markup.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import accumulate, chain
from textwrap import wrap
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from c2lib.core.errors import MissingExtraError
from c2lib.core.states import SessionStatus
from c2lib.core.vocabulary import EventKind, StopReason
from c2lib.evidence.figures import Figures, Measured, measure, profit
from c2lib.evidence.lanes import (
    DOWN,
    GOOD,
    GREY,
    INK,
    LINE,
    PALE,
    SIDES,
    UP,
    draw_boxes,
    draw_lanes,
    draw_lives,
    fitted,
    incidents,
    lives_of,
)
from c2lib.evidence.markdown import NOTHING
from c2lib.witness.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, DOTS_PER_INCH = 6.875, 160
"""Of every picture, in inches: letters of 9 points and more stay legible on a page and on a telephone."""

HEADER, TILES, LINE_HEIGHT = 1.0, 1.04, 0.17
"""Heights in inches of what stands above every picture, of the figures in two rows, and of a line of text."""

FEW_BARS = 120
"""Up to this many bars each close gets a dot of its own."""

MOST_TICKS = 6


class Panel(NamedTuple):
    """Axes of a picture: their share of its height, what draws them, their label, and whether they show where 0 is."""

    share: float
    draw: Callable[[Axes, Measured], None]
    label: str
    zero: bool = True


def tear_sheet(run: Run, measured: Measured | None = None) -> Figure:
    """Return a page with a run's outcome, figures, price and fills, equity from 0, position, and trades.

    Args:
        run: The run.
        measured: What it was measured to, where it was; that is so for the other pictures as well.
    """
    return _panels(run, measured, "tear sheet", (*PRICE_PANELS, *EQUITY_PANELS, TRADES_PANEL), 7.2, TILES)


def price(run: Run, measured: Measured | None = None) -> Figure:
    """Return the closes of a run and its fills, as a density where they are many."""
    return _panels(run, measured, "price and fills", PRICE_PANELS, 3.6)


def equity(run: Run, measured: Measured | None = None) -> Figure:
    """Return the equity of a run from 0, with its drawdown, and the position."""
    return _panels(run, measured, "equity and position", EQUITY_PANELS, 4.0)


def phases(run: Run, measured: Measured | None = None) -> Figure:
    """Return the phases of a run and, over ``ts_sim``, what went wrong in it, where something did."""
    del measured
    wrong = incidents(run)
    shares = [1.3, *([0.6 + 0.34 * len(wrong)] if wrong else ())]
    with _page(run, "phases", sum(shares)) as figure:
        upper, *lower = figure.subplots(len(shares), 1, squeeze=False, height_ratios=shares)[:, 0]
        draw_boxes(upper, run)
        for axes in lower:
            draw_lanes(axes, run, wrong)
    return figure


def orders(run: Run, first: int = 0) -> Figure:
    """Return the lives of up to 40 orders of a run, a lane each, from submission to end.

    Args:
        run: The run.
        first: How many orders to leave out at the beginning.
    """
    lives, total = lives_of(run, first), run.summary.event_counts.get(EventKind.ORDER_SUBMITTED, 0)
    what = f"orders {first + 1:,} to {first + len(lives):,} of {total:,}" if lives else "no orders"
    with _page(run, what, 0.9 + 0.22 * max(len(lives), 3)) as figure:
        draw_lives(figure.subplots(), lives)
    return figure


def image(figure: Figure, form: Literal["png", "svg"] = "png") -> bytes:
    """Return the bytes of a figure; they hold no time and no version, and do not depend on the user's settings.

    Args:
        figure: One of this module's.
        form: ``png`` or ``svg``.
    """
    pieces: list[bytes] = []
    nothing = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
    with _own_settings():
        from matplotlib.backends import backend_agg, backend_svg

        # matplotlib writes to anything with a write; this folder opens no file
        file: Any = SimpleNamespace(write=pieces.append, seek=None)
        kept = figure.canvas
        canvas: Any = backend_agg.FigureCanvasAgg(figure) if form == "png" else backend_svg.FigureCanvasSVG(figure)
        getattr(canvas, f"print_{form}")(file, metadata=nothing)
        figure.set_canvas(kept)
    return b"".join(pieces)


def plot_files(
    run: Run, progress: Callable[[int, int], object] | None = None, measured: Measured | None = None
) -> dict[str, bytes]:
    """Return the pictures of a run that stand beside its evidence by their file names, each of :data:`PICTURES`.

    Args:
        run: The run.
        progress: Called with the pictures drawn and the pictures in all, before each.
        measured: What the run was measured to, where it was.

    Raises:
        MissingExtraError: without matplotlib.
        RunPathError: the event log could not be read.
    """
    made: dict[str, bytes] = {}
    measured = measured or measure(run)
    for name, draw in PICTURES.items():
        if progress is not None:
            progress(len(made), len(PICTURES))
        made[name] = image(draw(run, measured))
    return made


@contextmanager
def _own_settings() -> Iterator[None]:
    """Draw by settings of our own, and leave the user's as they were."""
    try:
        import matplotlib
    except ImportError:
        raise MissingExtraError("drawing", "notebooks") from None
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "text.parse_math": False,
                "font.size": 9.0,
                "axes.labelsize": 9.0,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.edgecolor": GREY,
                "axes.formatter.useoffset": False,
                "axes.formatter.limits": (-12, 12),
                "axes.unicode_minus": True,
                "legend.frameon": False,
                "svg.hashsalt": "c2lib",
            }
        )
        yield


@contextmanager
def _page(run: Run, what: str, height: float, facts: str = "", tiles: float = 0) -> Iterator[Figure]:
    """Make a figure with its header, ``height`` inches for axes below that and ``tiles``, and finish what is drawn."""
    with _own_settings():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        summary = run.summary
        reason = wrap(fitted(summary.reject_reason or summary.fail_reason or "", 240), 92)
        whole = HEADER + LINE_HEIGHT * len(reason) + tiles + height
        figure = Figure(figsize=(WIDTH, whole), dpi=DOTS_PER_INCH, layout="constrained")
        FigureCanvasAgg(figure)
        layout: Any = figure.get_layout_engine()
        layout.set(rect=(0, 0, 0.99, height / whole), h_pad=0.05, w_pad=0.06)
        on = f" on {fitted(summary.symbol, 20)}" if summary.symbol else ""
        _write(figure, 0.1, f"{fitted(summary.strategy_id, 34) or 'no strategy'}{on}: {what}", 13, weight="bold")
        colour = GOOD if summary.status == SessionStatus.COMPLETED else DOWN
        code = summary.reject_code or summary.fail_code or ""
        cancelled = "cancelled" if summary.stop_reason == StopReason.CANCELLED else ""
        outcome = f"{fitted(summary.status, 20) or 'no status'}   {fitted(code, 40) or cancelled}"
        _write(figure, 0.36, outcome.rstrip(), 11.5, weight="bold", color=colour)
        named = f"NO-LIVE dry run {fitted(summary.run_id, 60) or 'without a run_id'}"
        for number, line in enumerate((*filter(None, (facts,)), named, *reason)):
            _write(figure, 0.6 + LINE_HEIGHT * number, line, 9, color=INK if line in reason else GREY)
        money = profit(run)
        if money is not None:
            cash = f"initial cash {amount(Decimal(summary.initial_cash or '0'))}"
            _write(figure, 0.36, f"P&L {amount(money, '+')}", 11.5, WIDTH - 0.09, weight="bold", ha="right")
            _write(figure, 0.6, cash, 9, WIDTH - 0.09, color=GREY, ha="right")
        yield figure
        # what is still open is settled by these settings, not by those of whoever shows the figure
        layout.execute(figure)
        figure.set_layout_engine("none")
        for axes in figure.axes:
            # the last digits of a layout depend on the order of a set
            axes.set_position(tuple(round(length, 5) for length in axes.get_position().bounds))
        figure._repr_png_ = partial(image, figure)  # type: ignore[attr-defined] # IPython asks for it


def _write(figure: Figure, down: float, text: str, size: float, across: float = 0.09, **more: Any) -> None:
    """Write a line so many inches below the upper edge, and from the left one."""
    width, height = figure.get_size_inches()
    figure.text(across / width, 1 - down / height, text, fontsize=size, va="top", **{"color": INK, **more})


def amount(value: Decimal, sign: Literal["", "+"] = "") -> str:
    """Return an amount of money with two places, or with three digits when it is smaller than one.

    >>> amount(Decimal("1234.567"), "+"), amount(Decimal("0.00001234"))
    ('+1,234.57', '0.0000123')
    """
    places = 2 if not value or abs(value) >= 1 else 2 - value.adjusted()
    return f"{value:{sign if value else ''},.{min(places, 28)}f}".replace("-", "\N{MINUS SIGN}")


def _percent(share: Decimal | None) -> str:
    percent = 0 if share is None else share * 100
    small = f"{percent:.2g} %" if percent >= 0.001 or not percent else "under 0.001 %"
    return NOTHING if share is None else f"{percent:.1f} %" if percent >= 1 else small


def _panels(
    run: Run, measured: Measured | None, what: str, panels: Sequence[Panel], height: float, tiles: float = 0
) -> Figure:
    """Draw panels below each other over the bars of a run; where there are none, the phases."""
    measured = measured or measure(run)
    bars, panels = measured.bars, [panel for panel in panels if panel is not DENSITY_PANEL or measured.density]
    if not bars:
        with _page(run, what, 1.3, "no bars") as figure:
            draw_boxes(figure.subplots(), run)
        return figure
    count, steps = measured.figures.bars, run.summary.steps
    recorded = f"{count:,} of {steps:,} bars recorded" if count < steps else f"{count:,} bar{'s'[: count > 1]}"
    facts = f"{' to '.join(measured.period)} UTC, {recorded}"
    with _page(run, what, height, facts, tiles) as figure:
        if tiles:
            _draw_tiles(figure, measured.figures, height)
        shares = [panel.share for panel in panels]
        column = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=shares)[:, 0]
        for axes, panel in zip(column, panels, strict=True):
            panel.draw(axes, measured)
            if panel.zero:
                axes.axhline(0, color=GREY, lw=0.7)
            axes.set_ylabel(panel.label.format(measured.bin_width))
            if axes.get_legend_handles_labels()[1]:
                axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 0.98), ncols=3, borderaxespad=0, fontsize=9)
            axes.grid(color=PALE, linewidth=0.6)
            axes.set_axisbelow(True)
        exits = [bar for bar, _ in (*chain(*measured.fills.values()), *measured.trades)]
        _date_axis(column[-1], [bar[:2] for bar in bars], max(bars[-1][0], *exits, 0))
        figure.align_ylabels()
    return figure


def _draw_tiles(figure: Figure, figures: Figures, height: float) -> None:
    """Write the figures in two rows of three, above the axes."""
    factor = figures.profit_factor
    tiles = (
        (f"{figures.trades:,}", f"trades, {figures.winning_trades:,} won"),
        (_percent(figures.win_rate), "win rate"),
        (NOTHING if factor is None else f"{factor:.2f}", "profit factor"),
        (amount(figures.max_drawdown), f"max drawdown ({_percent(figures.max_drawdown_share)})"),
        (_percent(figures.exposure), "exposure, share of bars"),
        (amount(figures.fees), "fees"),
    )
    top = figure.get_size_inches()[1] - height - TILES
    for number, (value, label) in enumerate(tiles):
        row, column = divmod(number, 3)
        across, down = 0.09 + column * 2.28, top + 0.05 + row * 0.5
        _write(figure, down, value, 14, across, weight="bold")
        _write(figure, down + 0.23, label, 9, across, color=GREY)


def _draw_price(axes: Axes, measured: Measured) -> None:
    from matplotlib.transforms import offset_copy

    indices = [bar[0] for bar in measured.bars]
    axes.plot(indices, [bar[2] for bar in measured.bars], color=LINE, lw=0.9, marker=_dot(indices), label="close")
    size = 8.0 if sum(measured.fill_counts.values()) <= 60 else 5.5
    for side, mark in SIDES.items():
        points = measured.fills.get(side, ())
        axes.plot(
            [x for x, _ in points],
            [y for _, y in points],
            transform=offset_copy(axes.transData, axes.get_figure(root=True), y=mark.shift * size, units="points"),
            linestyle="none",
            marker=mark.shape,
            markersize=size,
            markerfacecolor=mark.colour,
            markeredgecolor="white",
            markeredgewidth=0.4,
            label=f"{side} filled ({measured.fill_counts[side]:,})",
            zorder=4,
        )


def _draw_density(axes: Axes, measured: Measured) -> None:
    """Draw how many fills there were in each part of the run, purchases upwards and sales downwards."""
    first, width = measured.bars[0][0], measured.bin_width
    for side, mark in SIDES.items():
        bins = [(at, count) for (of, at), count in sorted(measured.density.items()) if of == side]
        middles = [first + at * width + (width - 1) / 2 for at, _ in bins]
        way = 1 if mark.shift < 0 else -1
        axes.bar(middles, [way * count for _, count in bins], width=width, color=mark.colour)
    axes.yaxis.set_major_formatter(lambda count, _: f"{abs(count):,.0f}")


def _draw_pnl(axes: Axes, measured: Measured) -> None:
    indices, money = [bar[0] for bar in measured.bars], [bar[4] for bar in measured.bars]
    peaks = list(accumulate(money, max, initial=0.0))[1:]
    axes.fill_between(indices, money, peaks, color=DOWN, alpha=0.25, lw=0, label="drawdown from the last peak")
    axes.plot(indices, money, color=GOOD, lw=1.3, marker=_dot(indices), label="equity from 0")


def _draw_position(axes: Axes, measured: Measured) -> None:
    indices, held = [bar[0] for bar in measured.bars], [bar[3] for bar in measured.bars]
    axes.fill_between(indices, held, step="post", color=LINE, alpha=0.25, lw=0)
    axes.step(indices, held, where="post", color=LINE, lw=0.9)


def _draw_trades(axes: Axes, measured: Measured) -> None:
    """Draw the profit or loss of each round trip where it ended, up or down from 0."""
    width = 3.0 if len(measured.trades) <= 60 else 1.2 if len(measured.trades) <= 500 else 0.6
    for colour, sign in ((UP, 1), (DOWN, -1)):
        points = [(x, y) for x, y in measured.trades if y * sign > 0]
        axes.vlines([x for x, _ in points], 0, [y for _, y in points], color=colour, lw=width)
    if not measured.trades:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no trade ended", transform=axes.transAxes, ha="center", va="center", color=GREY)


DENSITY_PANEL = Panel(0.8, _draw_density, "fills in\n{:,} bars")
PRICE_PANELS = (Panel(2.4, _draw_price, "price\n(quote currency)", zero=False), DENSITY_PANEL)
EQUITY_PANELS = (Panel(1.8, _draw_pnl, "P&L\n(quote currency)"), Panel(0.8, _draw_position, "position\n(units)"))
TRADES_PANEL = Panel(1.2, _draw_trades, "P&L of\neach trade")


def _dot(indices: Sequence[int]) -> str:
    return "." if len(indices) <= FEW_BARS else ""


STEPS = (60, 120, 300, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600)
MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)
A_MONDAY = 345_600


def _date_axis(axes: Axes, points: Sequence[tuple[int, str]], last: int) -> None:
    """Label bars, up to the ``last``, with their times: where a round span of time begins, and there is room."""
    times = [datetime.fromisoformat(time) for _, time in points]
    seconds = [int(time.timestamp()) - A_MONDAY for time in times]
    months = [time.year * 12 + time.month - 1 for time in times]
    shown, marks = slice(0, 7), [0]
    for unit, step in (*((seconds, step) for step in STEPS), *((months, step) for step in MONTHS)):
        marks = [0, *(at for at in range(1, len(unit)) if unit[at] // step != unit[at - 1] // step)]
        if len(marks) <= MOST_TICKS:
            shown = slice(0, 7) if unit is months else slice(0, 10) if step >= STEPS[10] else slice(11, 16)
            break
    first = points[0][0]
    marks = marks[:: math.ceil(len(marks) / MOST_TICKS)]
    if len(marks) > 1 and points[marks[1]][0] - first < (last - first) / 8:
        del marks[0]
    labels = [points[at][1][shown] for at in marks]
    labels[0] += f"\n{points[marks[0]][1][:10]}" if shown.start else ""
    axes.set_xticks([points[at][0] for at in marks], labels)
    axes.set_xlabel("time of the bar (UTC)")
    margin = max(0.5, 0.015 * (last - first))
    axes.set_xlim(first - margin, last + margin)


PICTURES: Mapping[str, Callable[[Run, Measured], Figure]] = {
    "tear_sheet.png": tear_sheet,
    "price.png": price,
    "phases.png": phases,
}
"""The pictures beside the evidence by their file names."""
