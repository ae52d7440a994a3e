"""``c2lib verify``: check run directories, and evidence files (``EV-….md``) with the runs that they are about.

Every path is reported on, also after one that could not be. Exit 0 when nothing was found in any of them, 1 when
something was, 2 when one could not be reported on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from c2lib.cli.console import COULD_NOT, FLAG, GOOD, NOT_GOOD, ProgressBar, report, say
from c2lib.core.errors import InputError, OutputError, RunPathError

if TYPE_CHECKING:
    from c2lib.app.verify import VerifyReport


REPLAY_OPTIONS = (
    ("--market", "market file for the replay, when the run used one", {"metavar": "FILE"}),
    ("--strategy-file", "strategy for the replay, when it was one's own", {"metavar": "FILE.py:CLASS"}),
    ("--run-kept-strategy", "execute the strategy.py that the run keeps: code of its maker", FLAG),
)
"""What a replay needs of the files that the run was made with; their hashes must be the sealed ones."""

OPTIONS = (
    ("paths", "run directory, or evidence file EV-….md", {"nargs": "+", "metavar": "PATH"}),
    ("--run", "run of the evidence files; left out: the one they lie in", {"metavar": "DIR"}),
    ("--no-replay", "do not execute the session again", FLAG),
    ("--require-sealed", "anything less than SEALED is a finding", FLAG),
    ("--expect-digest", "run_digest that the run must have", {"metavar": "HEX"}),
    *REPLAY_OPTIONS,
    ("--require-namespace", "execute a strategy file only where it has no network", FLAG),
)


def run(options: argparse.Namespace) -> int:
    """Report on each path."""
    from c2lib.app.evidence import is_evidence, verify_evidence
    from c2lib.app.runner import source_of
    from c2lib.app.verify import verify_run

    same = ("require_sealed", "expect_digest", "market", "require_namespace", "run_kept_strategy")
    given: dict[str, Any] = {name: getattr(options, name) for name in same}
    given |= {"replay": not options.no_replay, "strategy": source_of(options.strategy_file)}
    codes = []
    for path in options.paths:
        try:
            with ProgressBar() as progress:
                if is_evidence(path):
                    found = verify_evidence(path, run=options.run, progress=progress, **given)
                elif options.run is None:
                    found = verify_run(path, progress=progress, **given)
                else:
                    raise RunPathError(f"{path} is no evidence file: --run names the run of one")
        except (InputError, OutputError) as error:
            say(str(error))
            codes.append(COULD_NOT)
        else:
            report(options, found.facts(), _lines(found))
            codes.append(GOOD if found.ok else NOT_GOOD)
    return max(codes)


def _lines(report: VerifyReport) -> Iterator[str]:
    verdict = f"{report.verdict} {'OK' if report.ok else 'NOT OK'}"
    replay = "executed again" if report.replayed else "not executed again"
    yield f"{verdict}  {report.path}  ({replay}; run_digest {report.summary.run_digest})"
    yield from (f"  finding: {finding.text()}" for finding in report.findings)
    yield from (f"  unchecked: {what}" for what in report.unchecked)
    yield from (f"  note: {what}" for what in report.notes)
