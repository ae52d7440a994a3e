import time
from typing import Any

import pytest

from c2lib.core.errors import SinkWriteError
from c2lib.core.states import SessionPhase
from c2lib.core.vocabulary import Artifact, AuditCode, AuditLevel, EventKind
from c2lib.record.journal import Journal
from c2lib.record.sinks import Sinks
from tests.record.contract_check import checked_audit, checked_events, checked_metrics, checked_snapshots
from tests.record.foreign_sinks import Remembering, dead_from, every_other, failing_at

TS = "2026-01-01T00:00:00+00:00"
STATE: dict[str, Any] = {
    "status": "INIT",
    "phase": "INIT",
    "started_ts": TS,
    "ended_ts": None,
    "step": 0,
    "reject_code": None,
    "reject_reason": None,
    "fail_code": None,
    "fail_reason": None,
    "meta": {},
}
COUNTERS: dict[str, Any] = {
    **dict.fromkeys(
        (
            "orders_place_total",
            "orders_cancel_total",
            "orders_query_total",
            "order_state_transitions_total",
            "fills_total",
            "reconcile_mismatches_total",
            "retry_attempts_total",
            "safety_rail_trips_total",
            "no_live_attempts_total",
            "orders_blocked_total",
            "faults_injected_total",
        ),
        0,
    ),
    "reconciler_last_ok_ts": None,
    "seed": 1,
    "status": "COMPLETED",
    "orchestrator_state": SessionPhase.STOPPED.value,
}
RETRY = AuditCode.SINK_WRITE_RETRY.value
SECRET = "pass" + "word=hunter2hunter2"


def journal_on(max_retries: int = 0, **sinks: Any) -> Journal:
    """Return a journal at its first moment."""
    journal = Journal("run_demo_001", "strat_demo", Sinks(**sinks), max_retries)
    journal.ts = TS
    return journal


def write_some(journal: Journal) -> None:
    """Write and flush a little of everything."""
    for _ in range(4):
        journal.event(EventKind.FAULT_INJECTED, "fault", "target", "detail")
        journal.audit(AuditLevel.INFO, AuditCode.DRYRUN_START, "m")
        journal.snapshot(STATE)
    journal.flush(Artifact.EVENTS, Artifact.AUDIT)
    journal.metrics(COUNTERS)
    journal.flush(Artifact.METRICS, Artifact.SNAPSHOTS)


def retries_told(entries: list[dict[str, Any]]) -> int:
    """Return how many retries the audit reports."""
    return sum(entry["meta"]["retries"] for entry in entries if entry["code"] == RETRY)


def test_written_lines_keep_the_contract() -> None:
    """All lines that a journal writes keep the contract, and their numbers have no gap."""
    events, snapshots, audit, metrics = Remembering(), Remembering(), Remembering(), Remembering()
    journal = journal_on(events=events, snapshots=snapshots, audit=audit, metrics=metrics)
    write_some(journal)
    assert len(checked_events(events.lines)) == journal.events_emitted == 4
    assert len(checked_snapshots(snapshots.lines)) == journal.snapshots == 4
    assert len(checked_audit(audit.lines)) == journal.chain.entries == 4
    assert checked_metrics(metrics.lines)[0]["last_audit_event_ts"] == TS
    assert (journal.dead_sinks, journal.sink_failures, journal.sink_retries) == ((), (), 0)


def test_refused_lines_have_no_number() -> None:
    """A line that its sink did not take adds to no count and no chain."""
    journal = journal_on(events=dead_from(0), audit=dead_from(0), snapshots=dead_from(0), metrics=dead_from(0))
    before = (journal.events_emitted, journal.chain.entries, journal.chain.last_hash, journal.snapshots)
    with pytest.raises(SinkWriteError):
        journal.event(EventKind.FAULT_INJECTED, "fault", "target", "detail")
    with pytest.raises(SinkWriteError):
        journal.audit(AuditLevel.INFO, AuditCode.DRYRUN_START, "m")
    with pytest.raises(SinkWriteError):
        journal.snapshot(STATE)
    with pytest.raises(SinkWriteError):
        journal.metrics(COUNTERS)
    assert (journal.events_emitted, journal.chain.entries, journal.chain.last_hash, journal.snapshots) == before
    assert journal.dead_sinks == ("events.jsonl", "state_snapshots.jsonl", "audit.jsonl", "metrics.json")
    assert journal.is_dead(Artifact.METRICS)


def test_dead_sink_is_not_called() -> None:
    """A dead audit sink is not called again, for a line or a flush, and no error is raised."""
    audit = dead_from(0)
    journal = journal_on(audit=audit)
    with pytest.raises(SinkWriteError):
        journal.audit(AuditLevel.INFO, AuditCode.DRYRUN_START, "m")
    journal.audit(AuditLevel.INFO, AuditCode.DRYRUN_STOP, "m")
    journal.flush(Artifact.AUDIT)
    assert audit.calls == 1


@pytest.mark.parametrize("sink", ["events", "snapshots", "audit", "metrics"])
@pytest.mark.parametrize("call", range(6))
def test_retry_is_audited_after_line(sink: str, call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every retry has one audit entry after the retried line, without any sleep."""
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("slept"))
    sinks = {name: Remembering() for name in ("events", "snapshots", "audit", "metrics")}
    sinks[sink] = failing_at(call)
    journal = journal_on(1, **sinks)
    write_some(journal)
    entries = checked_audit(sinks["audit"].lines)
    met = call < sinks[sink].calls - 1
    assert retries_told(entries) == journal.sink_retries == met
    assert len([entry for entry in entries if entry["code"] == RETRY]) == met
    if sink == "audit" and call < 4:
        assert entries[call + 1]["code"] == RETRY
        assert entries[call]["code"] == AuditCode.DRYRUN_START


@pytest.mark.parametrize("flaky", ["events", "snapshots", "audit", "metrics", "all"])
def test_audited_retries_add_up(flaky: str) -> None:
    """The audit's retries add up to the retries made when sinks fail every other write."""
    sinks = {
        name: every_other() if flaky in (name, "all") else Remembering()
        for name in ("events", "snapshots", "audit", "metrics")
    }
    journal = journal_on(1, **sinks)
    write_some(journal)
    entries = checked_audit(sinks["audit"].lines)
    assert retries_told(entries) == journal.sink_retries > 0
    assert sum(len(failure.errors) for failure in journal.sink_failures) == journal.sink_retries
    checked_events(sinks["events"].lines)
    checked_snapshots(sinks["snapshots"].lines)


def test_metrics_count_own_retries() -> None:
    """Metrics count the retries of their own writing and the audit entries of these retries."""
    audit, metrics = Remembering(), failing_at(0, 1)
    journal = journal_on(2, audit=audit, metrics=metrics)
    journal.metrics(COUNTERS)
    (written,) = checked_metrics(metrics.lines)
    assert (written["sink_retries"], written["audit_events"]) == (2, 2)
    assert len(audit.lines) == 2


def test_snapshot_counts_own_retries() -> None:
    """A snapshot counts the retries of its own writing."""
    snapshots = failing_at(0, 1)
    journal_on(2, snapshots=snapshots).snapshot(STATE)
    assert checked_snapshots(snapshots.lines)[0]["sink_retries"] == 2


def test_retries_precede_final_failure() -> None:
    """The retries of a write that failed for good are audited before the entry of the failure."""
    audit = Remembering()
    journal = journal_on(2, events=dead_from(0), audit=audit)
    with pytest.raises(SinkWriteError):
        journal.event(EventKind.FAULT_INJECTED, "fault", "target", "detail")
    journal.audit(AuditLevel.ERROR, AuditCode.SINK_WRITE_FAILED, "m")
    assert [entry["code"] for entry in checked_audit(audit.lines)] == [RETRY, RETRY, "C2_SINK_WRITE_FAILED"]


def test_audit_death_spares_metrics() -> None:
    """An audit sink that dies while metrics are composed is the error, and the metrics sink stays usable."""
    metrics = failing_at(0)
    journal = journal_on(1, audit=dead_from(0), metrics=metrics)
    with pytest.raises(SinkWriteError, match=r"audit\.jsonl"):
        journal.metrics(COUNTERS)
    assert not journal.is_dead(Artifact.METRICS)
    journal.metrics(COUNTERS)
    assert len(checked_metrics(metrics.lines)) == 1


def test_journal_texts_are_redacted() -> None:
    """A secret in a run's names, a message or a meta reaches no line, and own hashes stay."""
    events, audit = Remembering(), Remembering()
    journal = Journal(SECRET, SECRET, Sinks(events=events, audit=audit), 0)
    journal.ts = TS
    journal.event(EventKind.FAULT_INJECTED, "fault", "target", "detail")
    journal.audit(AuditLevel.INFO, AuditCode.DRYRUN_START, SECRET, {SECRET: SECRET, "prev_hash": "0" * 64})
    assert "hunter2" not in "".join(events.lines + audit.lines)
    assert checked_audit(audit.lines)[0]["meta"]["prev_hash"] == "0" * 64
