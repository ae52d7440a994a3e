"""``c2lib diff``: where and why two runs differ.

Exit 0 when the runs are the same, but for the name perhaps, 1 when they differ, 2 when they cannot be compared. The
cause stands before what follows from it, and the sides are always in the order A, B.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from itertools import product
from typing import TYPE_CHECKING

from c2lib.cli.console import GOOD, NOT_GOOD, show

if TYPE_CHECKING:
    from c2lib.witness.align import EventComparison, Examples, FieldDifference
    from c2lib.witness.diff import RunDiff

_ASIDES = {
    "times": "other times",
    "names": "other names of orders and fills",
    "numbers": "other ts_sim",
    "ids": "other event ids of the same events",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("a", metavar="A", help="run directory")
    parser.add_argument("b", metavar="B", help="run directory to compare it with")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of text")


def run(options: argparse.Namespace) -> int:
    """Compare the two directories."""
    from c2lib.witness.diff import diff_runs

    found = diff_runs(options.a, options.b)
    for line in [json.dumps(found.facts())] if options.json else _lines(found):
        show(line)
    return GOOD if found.same else NOT_GOOD


def _lines(found: RunDiff) -> Iterator[str]:
    yield found.outcome.value.replace("_", " ")
    for name, side in (("A", found.a), ("B", found.b)):
        yield f"  {name}: {side.path}  ({side.verdict}; run_id {side.run_id})"
        yield from (f"  {name} cannot be compared: {what}" for what in side.damage)
    yield from (f"  why: {field.text()}" for field in found.causes)
    yield from _event_lines(found.events)
    yield from (f"  snapshots: {field.text()}" for field in found.snapshots)
    if found.phases is not None:
        yield f"  {found.phases.text()}"
    if found.audit_first is not None:
        yield f"  first audit entry: {found.audit_first.text()}"
    yield from _counts("audit entries", found.audit_counts)
    yield from (f"  metrics: {field.text()}" for field in found.metrics)
    yield from (f"  file: {what}" for what in found.files)
    yield from (f"  note: {what}" for what in found.notes)


def _event_lines(events: EventComparison) -> Iterator[str]:
    if events.first is not None:
        yield f"  first event: {events.first.text()}"
    yield f"  events: {events.aligned} side by side, {events.differing} of them differ"
    yield from _counts("events", events.counts)
    for group, side in product(("orders", "fills", "others"), "ab"):
        yield from _examples(f"{group} only in {side.upper()}", getattr(events, f"{group}_only_{side}"))
    for group in ("orders", "fills"):
        yield from _examples(f"{group} that differ", getattr(events, f"{group}_differing"))
    if events.quiet_ticks.a or events.quiet_ticks.b:
        yield f"  only one side tells {events.quiet_ticks.text()}"
    same_counts = all(count.a == count.b for count in events.counts)
    for name, examples in events.asides.items():
        # of an event that only one side has, every later number is another
        if name != "numbers" or same_counts:
            yield from _examples(_ASIDES[name], examples, most=1)


def _counts(label: str, counts: Iterable[FieldDifference]) -> Iterator[str]:
    differing = ", ".join(count.text() for count in counts if count.a != count.b)
    if differing:
        yield f"  {label}: {differing}"


def _examples(label: str, examples: Examples, most: int = 3) -> Iterator[str]:
    if examples.count:
        yield f"  {label}: {examples.count}"
    yield from (f"    {example.text()}" for example in examples.first[:most])
