"""``c2lib diff``: where and why two runs part.

Rules kept here:

* exit 0 when the runs are the same, but for the name perhaps, 1 when they differ, 2 when they could not be compared;
* what is the cause stands before what follows from it, and the sides are always in the order A, B.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from typing import Any

from c2lib.cli.console import show

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
    return 0 if found.same else 1


def _lines(found: Any) -> Iterator[str]:
    yield found.outcome.value.replace("_", " ")
    for name, side in (("A", found.a), ("B", found.b)):
        yield f"  {name}: {side.path}  ({side.verdict}; run_id {side.run_id})"
        yield from (f"  {name} cannot be compared: {what}" for what in side.damage)
    yield from (f"  why: {field.text()}" for field in found.causes)
    if found.events.first is not None:
        yield f"  first event: {found.events.first.text()}"
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


def _event_lines(events: Any) -> Iterator[str]:
    yield f"  events: {events.aligned} side by side, {events.differing} of them differ"
    yield from _counts("events", [count for count in events.counts if count.a != count.b])
    for what in ("orders", "fills", "others"):
        for side in "ab":
            yield from _examples(f"{what} only in {side.upper()}", getattr(events, f"{what}_only_{side}"))
    yield from _examples("orders that differ", events.orders_differing)
    yield from _examples("fills that differ", events.fills_differing)
    if events.quiet_ticks.a or events.quiet_ticks.b:
        yield f"  only one side tells {events.quiet_ticks.text()}"
    alone = sum(count.a != count.b for count in events.counts)
    for name, examples in events.asides.items():
        if name == "numbers" and alone:
            # of an event that only one side has, every later number is another
            continue
        yield from _examples(_ASIDES[name], examples, most=1)


def _counts(what: str, counts: Iterable[Any]) -> Iterator[str]:
    told = ", ".join(count.text() for count in counts)
    if told:
        yield f"  {what}: {told}"


def _examples(what: str, examples: Any, most: int = 3) -> Iterator[str]:
    if examples.count:
        yield f"  {what}: {examples.count}"
    yield from (f"    {example.text()}" for example in examples.first[:most])
