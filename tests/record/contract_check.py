"""Checks the lines of artifacts against the contract, with nothing but ``json`` and the facts of ``core``."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from c2lib.core.canon import GENESIS_HASH, canonical_json, canonical_sha256
from c2lib.core.contract import AUDIT_FIELDS, EVENT_FIELDS, METRICS_FIELDS, PAYLOADS, SNAPSHOT_FIELDS, Field
from c2lib.core.vocabulary import EventKind
from tests.core.event_ids import event_id


def parsed(lines: Sequence[str]) -> list[dict[str, Any]]:
    """Return the objects of lines, each of which must be one canonical line."""
    objects = [json.loads(line) for line in lines]
    for line, value in zip(lines, objects, strict=True):
        assert line == canonical_json(value) + "\n"
    return objects


def entry_hash(entry: Mapping[str, Any]) -> str:
    """Return the hash of an audit entry, the slow way: over everything in it but ``entry_hash`` itself."""
    return canonical_sha256({key: value for key, value in entry.items() if key != "entry_hash"})


def hold(value: dict[str, Any], fields: Sequence[Field], *, exact: bool = True) -> None:
    """Assert that an object has the fields of a table, each in its form, and no other when ``exact``."""
    names = {field.name for field in fields}
    assert names == set(value) if exact else names <= set(value)
    for field in fields:
        assert field.problem_with(value[field.name]) is None, (field.name, value)


def checked_events(lines: Sequence[str]) -> list[dict[str, Any]]:
    """Return the events of lines that keep the contract."""
    events = parsed(lines)
    for number, event in enumerate(events):
        hold(event, EVENT_FIELDS)
        hold(event["payload"], PAYLOADS[EventKind(event["event_type"])], exact=False)
        assert event["ts_sim"] == number
        identity = (event["run_id"], event["strategy_id"], event["event_type"], event["ts_sim"], event["payload"])
        assert event["event_id"] == event_id(*identity)
    return events


def checked_snapshots(lines: Sequence[str]) -> list[dict[str, Any]]:
    """Return the snapshots of lines that keep the contract."""
    snapshots = parsed(lines)
    for number, snapshot in enumerate(snapshots):
        hold(snapshot, SNAPSHOT_FIELDS)
        assert snapshot["ts_sim"] == number
    return snapshots


def checked_audit(lines: Sequence[str]) -> list[dict[str, Any]]:
    """Return the audit entries of lines that keep the contract and whose chain is whole."""
    entries = parsed(lines)
    head = GENESIS_HASH
    for number, entry in enumerate(entries):
        hold(entry, AUDIT_FIELDS)
        assert (entry["seq"], entry["prev_hash"]) == (number, head)
        head = entry_hash(entry)
        assert entry["entry_hash"] == head
    return entries


def checked_metrics(lines: Sequence[str]) -> list[dict[str, Any]]:
    """Return the metrics objects, one at most, of lines that keep the contract."""
    metrics = parsed(lines)
    assert len(metrics) <= 1
    for value in metrics:
        hold(value, METRICS_FIELDS)
    return metrics
