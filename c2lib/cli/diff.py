"""``c2lib diff``: where and why two runs differ.

Exit 0 when the runs are the same, but for the name perhaps, 1 when they differ, 2 when they cannot be compared. The
cause stands before what follows from it, and the sides are always in the order A, B.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from c2lib.cli.console import GOOD, NOT_GOOD, ProgressBar, report

if TYPE_CHECKING:
    from c2lib.witness.diff import Comparison, RunDiff


OPTIONS = (
    ("a", "run directory", {"metavar": "A"}),
    ("b", "run directory to compare it with", {"metavar": "B"}),
)


def run(options: argparse.Namespace) -> int:
    """Compare the two directories."""
    from c2lib.witness.diff import diff_runs

    with ProgressBar() as bar:
        found = diff_runs(options.a, options.b, progress=partial(bar, "B"))
    report(options, found.facts(), _lines(found))
    return GOOD if found.same else NOT_GOOD


def _lines(found: RunDiff) -> Iterator[str]:
    yield found.outcome.value.replace("_", " ")
    for name, side in (("A", found.a), ("B", found.b)):
        ended = f", {side.status}" if side.status else ""
        yield f"  {name}: {side.path}  ({side.verdict}{ended}; run_id {side.run_id})"
        yield from (f"  {name} cannot be compared: {what}" for what in side.damage)
    yield from (f"  why: {field.text()}" for field in found.causes)
    yield from _comparison("event", "events", found.events)
    yield from _comparison("audit entry", "audit entries", found.audit)
    yield from (f"  ending: {field.text()}" for field in found.ending)
    yield from (f"  file: {what}" for what in found.files)
    yield from (f"  note: {what}" for what in found.notes)


def _comparison(one: str, many: str, found: Comparison) -> Iterator[str]:
    if found.first is not None:
        yield f"  first {one}: {found.first.text()}"
    every, *kinds = found.counts
    yield f"  {many}, {every.text()}"
    yield from (f"    {tally.text()}" for tally in kinds if tally.differing or tally.only_a or tally.only_b)
