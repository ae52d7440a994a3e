"""What a session went through, in lanes: its phases, what went wrong over ``ts_sim``, and the lives of its orders.

Drawn into the axes of :mod:`c2lib.evidence.plots`. Colours are Okabe and Ito's, which readers with any colour vision
can distinguish; what a colour says, a shape, a direction or a word says as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from textwrap import wrap
from typing import Any, NamedTuple

from c2lib.core.model import BUY, SELL
from c2lib.core.vocabulary import EventKind
from c2lib.evidence.markdown import visible
from c2lib.witness.run import Run
from c2lib.witness.series import Thinned

INK, GREY, PALE = "#222222", "#6E6E6E", "#E3E3E3"
UP, DOWN, GOOD, LINE = "#0072B2", "#D55E00", "#009E73", "#4D4D4D"
MOST_LANES, MOST_BOXES = 40, 7
BOXES = {
    "INIT": "#CFE8F7",
    "PREFLIGHT_OK": "#CFE8F7",
    "DRYRUN_ACTIVE": "#FBE3B0",
    "STOPPING": "#F6F0B0",
    "STOPPED": "#BFE6D8",
    "PREFLIGHT_FAILED": "#F6C9AE",
    "ERROR_REQUIRES_OPERATOR": "#F6C9AE",
}
INCIDENTS = (
    EventKind.FAULT_INJECTED,
    EventKind.RAIL_TRIPPED,
    EventKind.ORDER_BLOCKED,
    EventKind.ORDER_REJECTED,
    EventKind.CANCEL_REJECTED,
)
MARKS = {
    "SUBMITTED": ("|", LINE),
    "ACKNOWLEDGED": ("", LINE),
    "REJECTED": ("s", DOWN),
    "CANCEL_REJECTED": ("", LINE),
    "CANCELLED": ("x", INK),
    "EXPIRED": ("D", INK),
}
"""How the events of an order are drawn, fills apart."""


class Mark(NamedTuple):
    """How a side is drawn: ``shift`` sizes from the price, so that the shape's tip touches it and hides no other."""

    colour: str
    shape: str
    shift: float


SIDES = {BUY: Mark(UP, "^", -0.5), SELL: Mark(DOWN, "v", 0.5)}


def fitted(text: str, width: int) -> str:
    """Return a text of a run in at most ``width`` characters, each of which the font has."""
    shown = visible(text, ascii_only=True)
    return shown if len(shown) <= width else f"{shown[: width - 3]}..."


def draw_boxes(axes: Any, run: Run) -> None:
    """Draw a box for each phase, in their order, and what led to it."""
    moves = run.phases[:MOST_BOXES]
    boxes = [(moves[0].before, "")] if moves else [("no phase is recorded", "")]
    boxes += [(move.after, f"{_broken(move.trigger, 17)}\nat event {move.ts_sim:,}") for move in moves]
    boxes += [(f"{more} more", "")] if (more := len(run.phases) - len(moves)) else []
    style: dict[str, Any] = {"ha": "center", "va": "center", "color": INK, "linespacing": 1.1}
    for at, (phase, cause) in enumerate(boxes):
        box = {"boxstyle": "round,pad=0.5", "fc": BOXES.get(phase, PALE), "ec": GREY}
        axes.text(at, 1, _broken(phase, 11), bbox=box, **style)
        axes.text(at, 0.15, cause, fontsize=8, **{**style, "va": "top", "color": GREY})
        if at:
            axes.annotate("", (at - 0.41, 1), (at - 0.59, 1), arrowprops={"arrowstyle": "-|>", "color": INK})
    axes.set_axis_off()
    axes.set(xlim=(-0.5, max(len(boxes), 5) - 0.5), ylim=(-0.9, 1.6))


def _broken(text: str, width: int) -> str:
    """Return a text in lines of about ``width`` characters, which may end behind an underscore."""
    return "\n".join(line.replace("_ ", "_") for line in wrap(fitted(text, 60).replace("_", "_ "), width))


def incidents(run: Run) -> dict[str, list[tuple[int, int]]]:
    """Return the kinds of what went wrong in a run, named with their numbers, each with the spans where it lies."""
    counts, retries = run.summary.event_counts, run.summary.sink_retries
    kinds = [kind for kind in INCIDENTS if counts.get(kind)]
    if (run.metrics or {}).get("reconcile_mismatches_total"):
        kinds.append(EventKind.RECONCILED)
    points = {kind.value: Thinned() for kind in kinds}
    for event in run.events() if kinds else ():
        if event.event_type in points and event.payload.get("mismatches", True):
            points[event.event_type].add((event.ts_sim, event.ts_sim))
    wrong = {f"{kind} ({thinned.total:,})": thinned.points() for kind, thinned in points.items()}
    # a write tried again stands in the audit trail, which does not number it: it lies somewhere in its phase
    marks = [(0, 0), *((move.ts_sim, move.retries) for move in run.phases), (sum(counts.values()), retries)]
    tried = [(start, end) for (start, before), (end, after) in pairwise(marks) if after > before]
    return {**wrong, f"writes tried again ({retries:,})": tried} if tried else wrong


def draw_lanes(axes: Any, run: Run, lanes: Mapping[str, Sequence[tuple[int, int]]]) -> None:
    """Draw an event as a stroke, and what lies between two as a bar."""
    for row, spans in enumerate(lanes.values()):
        axes.broken_barh([(start, end - start) for start, end in spans], (row - 0.15, 0.3), color=DOWN, alpha=0.4)
        axes.plot([start for start, _ in spans], [row] * len(spans), "|", color=DOWN, markersize=13, mew=1.4)
    for move in run.phases:
        axes.axvline(move.ts_sim, color=GREY, lw=0.7, ls=":")
    total = sum(run.summary.event_counts.values())
    axes.set_yticks(range(len(lanes)), list(lanes))
    axes.set(ylim=(len(lanes) - 0.4, -0.6), xlim=(-0.02 * total - 0.5, 1.02 * total + 0.5))
    axes.set_xlabel("ts_sim (events so far; dotted: a phase begins)")
    axes.locator_params(axis="x", integer=True)


class Life(NamedTuple):
    """An order: its name and terms, its side, and the bar and the word for each of its events."""

    label: str
    side: str
    events: list[tuple[int, str]]


def lives_of(run: Run, first: int) -> list[Life]:
    """Return the lives of the orders that were submitted after the ``first`` ones, as many as there are lanes for."""
    lives: dict[str, Life] = {}
    submitted = 0
    for event in run.events():
        name, terms, word = event.payload.get("client_order_id", ""), event.payload, event.event_type
        if word == EventKind.ORDER_SUBMITTED:
            if first <= submitted < first + MOST_LANES:
                prices = (terms[price] for price in ("stop_price", "limit_price") if terms[price])
                label = (name, terms["side"], terms["quantity"], terms["order_type"], *prices, terms["time_in_force"])
                lives[name] = Life(" ".join(label), terms["side"], [])
            submitted += 1
        if name in lives:
            filled = "FILLED" if terms.get("leaves_quantity") == "0" else "PARTIALLY_FILLED"
            word = filled if word == EventKind.FILL else word.removeprefix("ORDER_")
            lives[name].events.append((terms["bar_index"], word))
    return list(lives.values())


def draw_lives(axes: Any, lives: Sequence[Life]) -> None:
    """Draw a lane for each order, from the bar of its first event to that of its last."""
    for row, life in enumerate(lives):
        bars, (last, word) = [bar for bar, _ in life.events], life.events[-1]
        axes.plot([bars[0], last], [row, row], color=LINE, lw=1.2)
        for bar, what in life.events:
            shape, colour = MARKS.get(what, (SIDES[life.side].shape, SIDES[life.side].colour))
            axes.plot(
                [bar], [row], shape, color=colour, markersize=7, markerfacecolor=colour if shape in "^v" else "none"
            )
        axes.annotate(word, (last, row), (8, 0), textcoords="offset points", va="center", fontsize=8, color=GREY)
    ends = [bar for life in lives for bar, _ in life.events] or [0]
    axes.set_xlim(min(ends) - 0.5, max(ends) + 0.25 * (max(ends) - min(ends)) + 1.5)
    axes.set_yticks(range(len(lives)), [fitted(life.label, 48) for life in lives])
    axes.set(ylim=(max(len(lives), 1) - 0.4, -0.6), xlabel="bar, from 0")
    axes.grid(axis="x", color=PALE, linewidth=0.6)
    axes.locator_params(axis="x", integer=True)
