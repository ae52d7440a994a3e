"""``c2lib show``: the facts of a run, and its tear sheet as a picture.

Exit 1 when something is wrong with the run: the facts are those of what keeps the contract.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from c2lib.cli.console import ProgressBar, checked, report
from c2lib.core.errors import ConfigError
from c2lib.core.redaction import redact_secrets, redact_whole

if TYPE_CHECKING:
    from c2lib.evidence.figures import Measured
    from c2lib.witness.run import Run

OPTIONS = (
    ("run_dir", "run directory", {"metavar": "RUN_DIR"}),
    ("--picture", "write the tear sheet too; needs the extra notebooks", {"metavar": "FILE.png|svg"}),
)

_SUMMARY = "run_id strategy_id symbol seed status stop_reason reject_code fail_code steps fills position equity"
_SUMMARY += " initial_cash no_live_required run_digest"


def run(options: argparse.Namespace) -> int:
    """Print the facts, and draw."""
    from c2lib.app.paths import output_file
    from c2lib.evidence.figures import measure
    from c2lib.witness.run import open_run

    file = Path(options.picture) if options.picture else None
    if file is not None and file.suffix not in (".png", ".svg"):
        raise ConfigError("--picture", "must end in .png or .svg")
    with ProgressBar() as bar, open_run(options.run_dir, progress=partial(bar, "B")) as opened:
        measured = measure(opened)
        facts = _facts(opened, measured)
        if file is not None:
            from c2lib.evidence.plots import PICTURES, image

            data = image(PICTURES["tear_sheet.png"](opened, measured), "svg" if file.suffix == ".svg" else "png")
            with output_file(file, "--picture") as out:
                out.write(data)
            facts["picture"] = redact_secrets(str(file))
    report(options, facts)
    return checked(opened.findings)


def _facts(opened: Run, measured: Measured) -> dict[str, Any]:
    """Return what a run is and came to, as plain JSON values."""
    from c2lib.witness.refold import decimal_text

    facts: dict[str, Any] = {"path": opened.path, "verdict": opened.verdict.value, "findings": len(opened.findings)}
    facts |= {name: getattr(opened.summary, name) for name in _SUMMARY.split()}
    facts |= {"period": list(measured.period), "interval": measured.interval}
    for name, value in asdict(measured.figures).items():
        facts[name] = decimal_text(value) if isinstance(value, Decimal) else value
    return dict(redact_whole(facts))
