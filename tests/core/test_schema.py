import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from c2lib.core.contract import METRICS_FIELDS, PAYLOADS, SCHEMA_OF, Field, FieldKind, schema_texts, schemas
from c2lib.core.vocabulary import Artifact, EventKind

SHA, TIME = "0" * 64, "2026-01-01T00:00:00+00:00"
EXAMPLE_OF_KIND: dict[FieldKind, Any] = {
    FieldKind.INTEGER: 3,
    FieldKind.DECIMAL: "1.25",
    FieldKind.TIME: TIME,
    FieldKind.SHA256: SHA,
    FieldKind.IDENTIFIER: "o-00000001",
    FieldKind.TEXT: "words | and\nlines",
    FieldKind.TEXT_LIST: ["ghost_broker_order:o-1"],
    FieldKind.OBJECT: {"any": ["thing", 1]},
}
FILL = {
    "fill_id": "f-1",
    "client_order_id": "o-1",
    "broker_order_id": "b-1",
    "symbol": "BTC/USD",
    "side": "BUY",
    "quantity": "2",
    "price": "100.25",
    "fee": "0.0401",
    "liquidity": "TAKER",
    "leaves_quantity": "0",
    "bar_index": 4,
}
SNAPSHOT = {
    "schema_version": "C2_DRYRUN_STATE_V1",
    "run_id": "run_demo_001",
    "strategy_id": "strat_demo",
    "status": "INIT",
    "phase": "INIT",
    "ts_sim": 0,
    "started_ts": TIME,
    "ended_ts": None,
    "step": 0,
    "events_emitted": 0,
    "sink_retries": 0,
    "reject_code": None,
    "reject_reason": None,
    "fail_code": None,
    "fail_reason": None,
    "meta": {},
}
ENTRY = {
    "seq": 0,
    "ts": TIME,
    "level": "INFO",
    "code": "C2_DRYRUN_START",
    "message": "the session opens",
    "meta": {},
    "prev_hash": SHA,
    "entry_hash": SHA,
}
MANIFEST = {
    "schema_version": "C2_RUN_MANIFEST_V1",
    "run_id": "run_demo_001",
    "strategy_id": "strat_demo",
    "status": "COMPLETED",
    "behaviour_version": 1,
    "config": {},
    "config_sha256": SHA,
    "criteria_sha256": SHA,
    "market": {},
    "strategy": {},
    "inputs": {},
    "artifacts": {},
    "audit": {},
    "run_digest": SHA,
}


def example(field: Field) -> Any:
    """Return a value that fits a field."""
    return field.choices[0] if field.choices else EXAMPLE_OF_KIND[field.kind]


def event(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Return an event line of a kind."""
    return {
        "schema_version": "C2_DRYRUN_V1",
        "event_id": SHA,
        "run_id": "run_demo_001",
        "strategy_id": "strat_demo",
        "event_type": kind,
        "ts_sim": 0,
        "ts_utc": TIME,
        "payload": payload,
    }


GOOD: dict[Artifact, dict[str, Any]] = {
    Artifact.EVENTS: event("FILL", FILL),
    Artifact.SNAPSHOTS: SNAPSHOT,
    Artifact.AUDIT: ENTRY,
    Artifact.METRICS: {field.name: example(field) for field in METRICS_FIELDS},
    Artifact.MANIFEST: MANIFEST,
}


def fits(artifact: Artifact, value: Any) -> bool:
    """Whether a line or object fits the schema of its artifact."""
    return Draft202012Validator(schemas()[SCHEMA_OF[artifact][0]]).is_valid(value)


def test_sealed_artifacts_have_schemas() -> None:
    """Each of the five contract files has a schema under its published name."""
    assert set(schemas()) == {
        "event.schema.json",
        "state_snapshot.schema.json",
        "audit_entry.schema.json",
        "metrics.schema.json",
        "run_manifest.schema.json",
    }
    assert set(SCHEMA_OF) == set(GOOD)


@pytest.mark.parametrize("name", schemas())
def test_published_schema_is_valid(name: str) -> None:
    """Each published schema is valid draft 2020-12 and names that draft."""
    schema = schemas()[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("artifact", GOOD)
def test_good_line_fits_exactly(artifact: Artifact) -> None:
    """A good line fits its schema, and a line with one key more or one key less does not."""
    line = GOOD[artifact]
    assert fits(artifact, line)
    assert not fits(artifact, {**line, "extra": 1})
    assert not fits(artifact, [line])
    for key in line:
        assert not fits(artifact, {name: value for name, value in line.items() if name != key})


@pytest.mark.parametrize(
    ("artifact", "key", "value"),
    [
        (Artifact.EVENTS, "schema_version", "C2_DRYRUN_V2"),
        (Artifact.EVENTS, "event_id", SHA[1:]),
        (Artifact.EVENTS, "event_id", SHA + "\n"),
        (Artifact.EVENTS, "event_type", "FILLED"),
        (Artifact.EVENTS, "ts_sim", -1),
        (Artifact.EVENTS, "ts_sim", "0"),
        (Artifact.EVENTS, "ts_utc", "2026-01-01T00:00:00Z"),
        (Artifact.EVENTS, "payload", None),
        (Artifact.SNAPSHOTS, "status", "STOPPED"),
        (Artifact.SNAPSHOTS, "phase", "RUNNING"),
        (Artifact.SNAPSHOTS, "reject_code", "C2_ABORT_EXCEPTION"),
        (Artifact.SNAPSHOTS, "started_ts", None),
        (Artifact.AUDIT, "level", "DEBUG"),
        (Artifact.AUDIT, "code", "C2_SOMETHING"),
        (Artifact.AUDIT, "prev_hash", "G" * 64),
        (Artifact.METRICS, "fills_total", 1.5),
        (Artifact.METRICS, "seed", 2**53),
        (Artifact.MANIFEST, "config", "{}"),
        (Artifact.MANIFEST, "run_digest", None),
    ],
)
def test_wrong_value_does_not_fit(artifact: Artifact, key: str, value: Any) -> None:
    """A wrong version, code, hash, time or count does not fit its schema."""
    assert not fits(artifact, {**GOOD[artifact], key: value})


@pytest.mark.parametrize(
    ("artifact", "key", "value"),
    [
        (Artifact.SNAPSHOTS, "ended_ts", TIME),
        (Artifact.SNAPSHOTS, "reject_code", "C2_REJECT_LIVE_ENABLED"),
        (Artifact.SNAPSHOTS, "fail_code", "C2_ABORT_EXCEPTION"),
        (Artifact.AUDIT, "code", "C2_REJECT_LIVE_ENABLED"),
        (Artifact.AUDIT, "code", "C2_ABORT_EXCEPTION"),
        (Artifact.METRICS, "seed", -1),
        (Artifact.METRICS, "last_audit_event_ts", None),
    ],
)
def test_rarer_value_fits(artifact: Artifact, key: str, value: Any) -> None:
    """Null where null has a meaning, codes of every group and a negative seed fit their schemas."""
    assert fits(artifact, {**GOOD[artifact], key: value})


@pytest.mark.parametrize("kind", EventKind)
def test_payload_follows_event_kind(kind: EventKind) -> None:
    """An event needs every payload field of its kind, with null only where allowed, and may have more fields."""
    payload = {field.name: example(field) for field in PAYLOADS[kind]}
    assert fits(Artifact.EVENTS, event(kind.value, payload))
    assert fits(Artifact.EVENTS, event(kind.value, {**payload, "more": [1]}))
    for field in PAYLOADS[kind]:
        rest = {name: value for name, value in payload.items() if name != field.name}
        assert not fits(Artifact.EVENTS, event(kind.value, rest))
        assert fits(Artifact.EVENTS, event(kind.value, {**payload, field.name: None})) is field.nullable


@pytest.mark.parametrize("kind", [kind for kind in EventKind if kind is not EventKind.FILL])
def test_payload_fits_one_kind(kind: EventKind) -> None:
    """The payload of a fill does not fit an event of another kind."""
    assert not fits(Artifact.EVENTS, event(kind.value, FILL))


@pytest.mark.parametrize("name", schemas())
def test_schema_text_is_stable(name: str) -> None:
    """A schema's text is indented, with sorted keys and one newline at the end, and holds the schema."""
    text = schema_texts()[name]
    assert json.loads(text) == schemas()[name]
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def test_returned_schema_is_a_copy() -> None:
    """Changing a returned schema changes no schema that is returned later."""
    first = schemas()
    first["event.schema.json"]["properties"].clear()
    assert "payload" in schemas()["event.schema.json"]["properties"]
