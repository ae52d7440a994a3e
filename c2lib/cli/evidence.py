"""``c2lib evidence``: verify a run and write its evidence draft.

Exit 0 when the draft says PASS, 1 when it says FAIL; either way it is written and its path printed.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime

from c2lib.cli.console import GOOD, NOT_GOOD, ProgressBar, say, show
from c2lib.cli.verify import add_replay_options
from c2lib.core.redaction import redact_secrets


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("run_dir", metavar="RUN_DIR", help="run directory")
    parser.add_argument("--date", metavar="YYYY-MM-DD", help="date of the evidence; left out: today in UTC")
    parser.add_argument("--owner", default="operator", help="who answers for it")
    add_replay_options(parser)
    parser.add_argument("--no-plots", action="store_true", help="leave the pictures out")


def run(options: argparse.Namespace) -> int:
    """Write the draft and print where."""
    from c2lib.app.evidence import write_evidence

    with ProgressBar() as bar:
        draft = write_evidence(
            options.run_dir,
            date=datetime.now(UTC).date().isoformat() if options.date is None else options.date,
            owner=options.owner,
            market=options.market,
            strategy=options.strategy_file,
            run_kept_strategy=options.run_kept_strategy,
            plots=not options.no_plots,
            progress=bar,
        )
    place = redact_secrets(draft.path)
    show(json.dumps({"passed": draft.passed, "path": place, "failed_claims": list(draft.failed_claims)}))
    for finding in draft.report.findings:
        say(f"finding: {finding.text()}")
    return GOOD if draft.passed else NOT_GOOD
