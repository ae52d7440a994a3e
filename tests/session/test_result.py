import dataclasses
import json

import pytest

from tests.record.foreign_sinks import dead_from
from tests.session.harness import Record, config_of, run


def test_result_agrees_with_record() -> None:
    """The counts, heads, position and cash of a result agree with the artifacts."""
    record = Record()
    result = run(config_of(), record)
    stop = record.payloads("SESSION_STOP")[0]
    assert (result.accepted, result.status, result.phase) == (True, "COMPLETED", "STOPPED")
    assert (result.events_emitted, result.audit_events) == (len(record.events()), len(record.audit()))
    assert result.audit_last_hash == record.audit()[-1]["entry_hash"]
    assert (result.position, result.cash, result.equity) == (stop["position"], stop["cash"], stop["equity"])
    assert (result.fills, result.steps) == (len(record.payloads("FILL")), stop["steps"])
    assert (result.stop_reason, result.dead_sinks, result.run_digest, result.path) == ("completed", (), None, None)


def test_result_is_immutable() -> None:
    """No field of a DryrunResult can be assigned."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        run().accepted = False  # type: ignore[misc] # that is the point


@pytest.mark.parametrize(
    ("values", "status", "codes"),
    [
        ({}, "COMPLETED", (None, None)),
        ({"enabled": True}, "REJECTED", ("C2_REJECT_LIVE_ENABLED", None)),
    ],
)
def test_summary_is_plain_json(values: dict[str, bool], status: str, codes: tuple[str | None, str | None]) -> None:
    """A result's summary is plain JSON, with status and codes, that needs no encoder of its own."""
    summary = run(config_of(**values)).summary()
    assert json.loads(json.dumps(summary)) == summary
    assert summary["status"] == status
    assert (summary["reject_code"], summary["fail_code"]) == codes
    assert all(type(value) in (str, int, bool, type(None)) for value in summary.values())


def test_result_names_dead_sinks() -> None:
    """A result names every sink that failed for good and has status FAILED."""
    result = run(config_of(), Record(events=dead_from(0), metrics=dead_from(0)))
    assert result.dead_sinks == ("events.jsonl", "metrics.json")
    assert (result.accepted, result.status, result.stop_reason) == (True, "FAILED", "failed")
    assert result.summary()["fail_code"] == "C2_ABORT_SINK_WRITE_FAILED"


@pytest.mark.parametrize(
    ("values", "record", "told"),
    [
        ({}, Record(), "COMPLETED (completed)"),
        ({"enabled": True}, Record(), "rejected    C2_REJECT_LIVE_ENABLED: enabled is true"),
        (
            {},
            Record(events=dead_from(0)),
            "failed      C2_ABORT_SINK_WRITE_FAILED: sink 'events.jsonl' failed 1 time(s)",
        ),
    ],
)
def test_text_explains_ending(values: dict[str, bool], record: Record, told: str) -> None:
    """A result's text for people shows how the session ended, with code and reason where there is one."""
    result = run(config_of(**values), record)
    text = result.text()
    assert told in text
    assert text.startswith(f"run_id      {result.run_id}\n")
    assert ("rejected " in text, "failed " in text) == (bool(result.reject_code), bool(result.fail_code))
