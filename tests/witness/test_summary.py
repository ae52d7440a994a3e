from pathlib import Path

import pytest

from c2lib.core.canon import canonical_sha256
from c2lib.core.vocabulary import BEHAVIOUR_VERSION
from c2lib.witness.run import open_run
from tests.witness.sample_runs import (
    AUDIT,
    EVENTS,
    MANIFEST,
    METRICS,
    SNAPSHOTS,
    cancelled_run,
    examined,
    failed_run,
    forged,
    make_run,
    rejected_run,
    retried_run,
    tripped_run,
)


def test_completed_run_is_summarised(tmp_path: Path) -> None:
    """The summary of a completed run has its names, counts, balances, phases and hashes."""
    run = make_run()
    summary = examined(run, tmp_path).summary
    stop = run.payloads("SESSION_STOP")[0]
    assert (summary.run_id, summary.strategy_id, summary.seed) == ("run_demo_001", "strat_demo", 123)
    assert (summary.status, summary.stop_reason, summary.steps, summary.steps_planned) == (
        "COMPLETED",
        "completed",
        8,
        8,
    )
    assert (summary.fills, summary.position, summary.cash) == (3, stop["position"], stop["cash"])
    assert (summary.mark_price, summary.equity, summary.fees) == (stop["mark_price"], stop["equity"], "0.059998")
    assert (summary.no_live_attempts, summary.no_live_held, summary.no_live_required) == (0, True, "hook")
    assert summary.statuses == (("INIT", 0), ("RUNNING", 1), ("COMPLETED", 20))
    assert [move.after for move in summary.phases] == ["PREFLIGHT_OK", "DRYRUN_ACTIVE", "STOPPING", "STOPPED"]
    assert sum(summary.event_counts.values()) == len(run.events)
    assert sum(summary.audit_counts.values()) == summary.audit_entries == len(run.audit)
    assert summary.config == run.config
    assert summary.config_sha256 == canonical_sha256(run.config)
    assert summary.market_sha256 == run.payloads("SESSION_START")[0]["market_sha256"]
    assert set(summary.artifacts) == {EVENTS, SNAPSHOTS, AUDIT, METRICS, MANIFEST}
    assert summary.artifacts[EVENTS].lines == len(run.events)
    assert summary.run_digest is not None
    assert len(summary.run_digest) == 64
    assert summary.behaviour_version == BEHAVIOUR_VERSION


@pytest.mark.parametrize(
    ("required", "named", "held"),
    [
        ("hook", None, True),
        ("namespace", "namespace", True),
        ("namespace", None, False),
        ("hook", "namespace", False),
        ("namespace", "hook", False),
    ],
)
def test_required_layer_must_be_recorded(required: str, named: str | None, held: bool, tmp_path: Path) -> None:
    """NO-LIVE counts as held only when the audit names the very layer that the sealed config requires."""
    run = make_run()
    run.config["no_live_required"] = required
    (check,) = [entry for entry in run.audit if entry["meta"].get("check") == "no_live_guard"]
    if named:
        check["meta"]["layer"] = named
    summary = forged(run, tmp_path).summary
    assert (summary.no_live_required, summary.no_live_held) == (required, held)


def test_rejected_run_has_reject_code(tmp_path: Path) -> None:
    """The summary of a rejected run has the reject code and reason, no steps and no held NO-LIVE guard."""
    summary = examined(rejected_run(), tmp_path).summary
    assert (summary.status, summary.reject_code) == ("REJECTED", "C2_REJECT_ALLOWLIST_MISSING")
    assert summary.reject_reason
    assert (summary.steps, summary.steps_planned, summary.cash) == (0, None, "0")
    assert summary.no_live_held is False
    assert list(summary.references) == ["rejected"]


def test_failed_run_has_fail_code(tmp_path: Path) -> None:
    """The summary of a failed run has the fail code and reason, and the rail that tripped."""
    summary = examined(failed_run(), tmp_path / "failed").summary
    assert (summary.status, summary.fail_code, summary.fail_reason) == (
        "FAILED",
        "C2_ABORT_EXCEPTION",
        "ValueError: no idea",
    )
    summary = examined(tripped_run(), tmp_path / "tripped").summary
    assert (summary.fail_code, summary.rail_trips) == ("C2_ABORT_INVARIANT", 1)
    assert "rail_tripped" in summary.references


def test_cancelled_run_has_stop_reason(tmp_path: Path) -> None:
    """The summary of a cancelled run has the stop reason and the steps that were run."""
    summary = examined(cancelled_run(), tmp_path).summary
    assert (summary.status, summary.stop_reason, summary.steps) == ("COMPLETED", "cancelled", 5)


def test_retries_come_from_audit(tmp_path: Path) -> None:
    """The summary counts all sink retries of the audit trail, those while closing included."""
    run = retried_run()
    retries = sum(entry["meta"]["retries"] for entry in run.entries("C2_SINK_WRITE_RETRY"))
    assert examined(run, tmp_path).summary.sink_retries == retries


def test_unsealed_run_has_no_config(tmp_path: Path) -> None:
    """The summary of a run without a manifest has no config, and has what the log alone can give."""
    run = make_run()
    run.sealed = False
    summary = examined(run, tmp_path).summary
    assert (summary.config, summary.run_digest, summary.behaviour_version) == ({}, None, None)
    assert (summary.seed, summary.no_live_required) == (123, None)
    assert summary.config_sha256 == run.payloads("SESSION_START")[0]["config_sha256"]


def test_missing_facts_are_empty(tmp_path: Path) -> None:
    """The summary of a run with missing files has empty facts, and the status of the snapshots."""
    folder = make_run().write(tmp_path / "snapshots")
    for name in (EVENTS, AUDIT, METRICS, MANIFEST):
        (folder / name).unlink()
    summary = open_run(folder).summary
    assert (summary.status, summary.run_id, summary.seed) == ("COMPLETED", "run_demo_001", None)
    assert summary.audit_last_hash == ""
    run = make_run()
    run.entries("C2_DRYRUN_STOP")[0]["meta"]["no_live_attempts"] = "none"
    summary = examined(run, tmp_path / "attempts").summary
    assert (summary.no_live_attempts, summary.no_live_held) == (None, False)
