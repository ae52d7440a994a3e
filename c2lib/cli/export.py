"""``c2lib export``: the tables of a run as CSV or Parquet files.

Exit 1 when something is wrong with the run: the files hold what of it keeps the contract.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from c2lib.cli.console import ProgressBar, checked, report
from c2lib.core.redaction import redact_secrets

FORMAT = {"choices": ("csv", "parquet"), "default": "csv"}
OPTIONS = (
    ("run_dir", "run directory", {"metavar": "RUN_DIR"}),
    ("--format", "csv, with every digit, or parquet, which needs the extra data; default csv", FORMAT),
    ("--out", "folder of the files; left out: exports/NAME_OF_THE_RUN below the output root", {"metavar": "DIR"}),
)


def run(options: argparse.Namespace) -> int:
    """Write the files and print how many rows each has."""
    from c2lib.app.export import export_run
    from c2lib.app.paths import output_root
    from c2lib.witness.run import open_run

    with ProgressBar() as bar, open_run(options.run_dir, progress=partial(bar, "B")) as opened:
        folder = Path(options.out) if options.out else output_root() / "exports" / Path(opened.path).resolve().name
        counts = export_run(opened, folder, options.format)
    report(options, {"path": redact_secrets(str(folder)), "format": options.format, **counts})
    return checked(opened.findings)
