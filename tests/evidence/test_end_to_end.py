"""Evidence of a run that was really made, read and executed again."""

from pathlib import Path

import pytest

from c2lib.app.evidence import verification_of
from c2lib.app.runner import run_dryrun
from c2lib.app.verify import verify_run
from c2lib.core.config import DryrunConfig
from c2lib.evidence.claims import Verification, evaluate, failed_names, passed
from c2lib.evidence.figures import measure
from c2lib.evidence.markdown import events_table
from c2lib.evidence.plots import plot_files
from c2lib.evidence.render import TEMPLATE_NAME, Stated, render
from c2lib.witness.run import open_run
from c2lib.witness.summary import RunSummary
from tests.evidence.outline import outline

TEMPLATE = Path(__file__).parents[2] / "evidence_templates" / TEMPLATE_NAME


def run_in(folder: Path, **changes: object) -> Path:
    """Run the demo session into ``folder`` and return its run directory."""
    values = {"strategy_id": "strat_demo", "run_id": "run_demo_001", "seed": 123, "steps": 16}
    result = run_dryrun(DryrunConfig(**(values | changes)), out_dir=folder)
    assert result.path is not None
    return Path(result.path)


def verified(place: Path) -> tuple[RunSummary, Verification]:
    """Return what verifying a run directory with replay says of it."""
    report = verify_run(place, replay=True)
    return report.summary, verification_of(report)


def test_references_occur_in_logs(tmp_path: Path) -> None:
    """Each event id and entry hash that a real PASS refers to is in its logs; the run can be rendered and drawn."""
    place = run_in(tmp_path)
    summary, verification = verified(place)
    claims = evaluate(summary, verification)
    assert failed_names(claims) == ()
    assert passed(claims)
    log = "".join((place / name).read_text(encoding="utf-8") for name in ("events.jsonl", "audit.jsonl"))
    hashes = {facts.sha256 for facts in summary.artifacts.values()} | {summary.run_digest}
    assert all(digest in log for claim in claims for digest in claim.references if digest not in hashes)
    template = TEMPLATE.read_text(encoding="utf-8")
    run = open_run(place)
    text = render(template, summary, claims, verification, measure(run), Stated("2026-01-31", "ops", {}))
    assert outline(text).headings[0] == "# EV-20260131-FINISH_C2-ORCH-DRYRUN-PASS"
    assert str(tmp_path) not in text
    assert len(events_table(run, limit=5).split("\n")) == 8
    assert len(plot_files(run)) == 3


def test_bent_criteria_are_no_pass(tmp_path: Path) -> None:
    """A real run that fails exactly as its own criteria ask is verified clean, and is a FAIL all the same."""
    bent = {"status": "FAILED", "stop_reason": "failed", "steps_as_planned": False, "min_fills": 0, "max_rail_trips": 9}
    (tmp_path / "raises.py").write_text("class Raises:\n    def __init__(self, settings):\n        raise ValueError\n")
    config = DryrunConfig(strategy_id="raises", strategy_allowlist=("raises",), seed=1, criteria=bent)
    result = run_dryrun(config, out_dir=tmp_path, strategy=f"{tmp_path / 'raises.py'}:Raises")
    assert (result.status, result.path is not None) == ("FAILED", True)
    report = verify_run(str(result.path), replay=True, run_kept_strategy=True)
    claims = evaluate(report.summary, verification_of(report))
    assert (report.ok, passed(claims), failed_names(claims)) == (True, False, ("status",))


@pytest.mark.parametrize(
    ("change", "claim"),
    [({"enabled": True}, "status"), ({"criteria": {"min_fills": 999}}, "min_fills")],
)
def test_unmet_criteria_fail_run(tmp_path: Path, change: dict[str, object], claim: str) -> None:
    """A real run that is rejected, or has too few fills, is a FAIL that names the unmet claim."""
    claims = evaluate(*verified(run_in(tmp_path, **change)))
    assert claim in failed_names(claims)
    assert not passed(claims)


def test_altered_run_fails(tmp_path: Path) -> None:
    """A real run with one byte added to its event log fails the claims sealed_and_clean and reproduced."""
    place = run_in(tmp_path)
    events = place / "events.jsonl"
    events.chmod(0o644)
    events.write_bytes(events.read_bytes() + b"\n")
    assert {"sealed_and_clean", "reproduced"} <= set(failed_names(evaluate(*verified(place))))
