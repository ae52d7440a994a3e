"""``c2lib evidence``: verify a run and write its evidence draft.

Exit 0 when the draft says PASS, 1 when it says FAIL; either way it is written and its path printed.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from c2lib.cli.console import FLAG, GOOD, NOT_GOOD, ProgressBar, checked, report
from c2lib.cli.verify import REPLAY_OPTIONS
from c2lib.core.redaction import redact_secrets

OPTIONS = (
    ("run_dir", "run directory", {"metavar": "RUN_DIR"}),
    ("--date", "date of the evidence; left out: today in UTC", {"metavar": "YYYY-MM-DD"}),
    ("--owner", "who answers for it; left out: not named", {"default": "not named"}),
    *REPLAY_OPTIONS,
    ("--no-plots", "leave the pictures out", FLAG),
)


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
    report(options, {"passed": draft.passed, "path": place, "failed_claims": list(draft.failed_claims)})
    checked(draft.report.findings)
    return GOOD if draft.passed else NOT_GOOD
