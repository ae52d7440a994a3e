import pytest

from c2lib.core import contract
from c2lib.core.contract import AUDIT_CODES, PAYLOADS, Field, FieldKind
from c2lib.core.vocabulary import AuditCode, EventKind, FailCode, RejectCode

ANSWER = "client_order_id, broker_order_id, reason, bar_index"
ORDER = "client_order_id, symbol, side, order_type, quantity, limit_price, stop_price, time_in_force, bar_index"
FILL = (
    "fill_id, client_order_id, broker_order_id, symbol, side, quantity, price, fee, liquidity, leaves_quantity, "
    "bar_index"
)
PROMISED = {
    "SESSION_START": "clock_mode, config_sha256, criteria_sha256, market_sha256",
    "STRATEGY_TICK": "bar_index, bar_time, close, decision",
    "ORDER_SUBMITTED": ORDER,
    "ORDER_ACKNOWLEDGED": ANSWER,
    "ORDER_REJECTED": ANSWER,
    "ORDER_CANCELLED": ANSWER,
    "ORDER_EXPIRED": ANSWER,
    "FILL": FILL,
    "FAULT_INJECTED": "fault, target, detail",
    "RAIL_TRIPPED": "rail, expected, seen",
    "RECONCILED": "mismatches",
    "SESSION_STOP": "stop_reason, steps, position, cash, mark_price, equity",
    "REJECTED": "code, reason",
}
COUNTERS = {
    "orders_place_total",
    "orders_cancel_total",
    "orders_query_total",
    "order_state_transitions_total",
    "fills_total",
    "reconcile_mismatches_total",
    "retry_attempts_total",
    "safety_rail_trips_total",
    "orchestrator_state",
    "last_audit_event_ts",
    "reconciler_last_ok_ts",
}
TABLES: dict[str, tuple[Field, ...]] = {
    "events": contract.EVENT_FIELDS,
    "snapshots": contract.SNAPSHOT_FIELDS,
    "audit": contract.AUDIT_FIELDS,
    "metrics": contract.METRICS_FIELDS,
    "manifest": contract.MANIFEST_FIELDS,
    **{kind.value: fields for kind, fields in PAYLOADS.items()},
}
MONEY = {"close", "quantity", "limit_price", "stop_price", "price", "fee", "leaves_quantity", "position", "cash"}


def names(fields: tuple[Field, ...]) -> list[str]:
    """Return the names of the fields in their order."""
    return [field.name for field in fields]


def by_name(fields: tuple[Field, ...]) -> dict[str, Field]:
    """Return the fields by their names."""
    return {field.name: field for field in fields}


def test_every_event_kind_has_payload() -> None:
    """Every kind of event has a payload table."""
    assert set(PAYLOADS) == set(EventKind) == set(PROMISED)


@pytest.mark.parametrize("kind", EventKind)
def test_payload_keeps_promised_fields(kind: EventKind) -> None:
    """Each payload begins with its promised fields in their order."""
    promised = PROMISED[kind.value].split(", ")
    assert names(PAYLOADS[kind])[: len(promised)] == promised


def test_event_envelope_is_exact() -> None:
    """An event has exactly eight keys."""
    assert names(contract.EVENT_FIELDS) == [
        "schema_version",
        "event_id",
        "run_id",
        "strategy_id",
        "event_type",
        "ts_sim",
        "ts_utc",
        "payload",
    ]


def test_snapshot_has_designed_keys() -> None:
    """A snapshot has exactly the keys of the design in their order."""
    listed = (
        "schema_version, run_id, strategy_id, status, phase, ts_sim, started_ts, ended_ts, step, events_emitted, "
        "sink_retries, reject_code, reject_reason, fail_code, fail_reason, meta"
    )
    assert names(contract.SNAPSHOT_FIELDS) == listed.split(", ")


def test_audit_entry_has_designed_keys() -> None:
    """An audit entry has exactly the keys of the design in their order."""
    listed = "seq, ts, level, code, message, meta, prev_hash, entry_hash"
    assert names(contract.AUDIT_FIELDS) == listed.split(", ")


def test_metrics_have_designed_keys() -> None:
    """The metrics begin with the keys of the design and hold every lifecycle counter."""
    listed = "schema_version, run_id, strategy_id, seed, status, events_emitted, audit_events, sink_retries"
    assert names(contract.METRICS_FIELDS)[:8] == listed.split(", ")
    assert set(names(contract.METRICS_FIELDS)) >= COUNTERS


def test_manifest_has_replay_keys() -> None:
    """The manifest has exactly the keys that a replay needs."""
    assert set(names(contract.MANIFEST_FIELDS)) == {
        "schema_version",
        "run_id",
        "strategy_id",
        "status",
        "behaviour_version",
        "config",
        "config_sha256",
        "criteria_sha256",
        "market",
        "strategy",
        "inputs",
        "artifacts",
        "audit",
        "run_digest",
    }


@pytest.mark.parametrize(
    ("table", "version"),
    [
        ("events", "C2_DRYRUN_V1"),
        ("snapshots", "C2_DRYRUN_STATE_V1"),
        ("metrics", "C2_DRYRUN_METRICS_V1"),
        ("manifest", "C2_RUN_MANIFEST_V1"),
    ],
)
def test_schema_version_is_fixed(table: str, version: str) -> None:
    """The field schema_version of each artifact has exactly one permitted value."""
    assert by_name(TABLES[table])["schema_version"].choices == (version,)


@pytest.mark.parametrize("table", TABLES)
def test_table_is_sound(table: str) -> None:
    """A field table has unique names, a meaning for each field, and choices exactly for choice fields."""
    fields = TABLES[table]
    assert len(set(names(fields))) == len(fields)
    for field in fields:
        assert field.meaning
        assert bool(field.choices) is (field.kind is FieldKind.CHOICE)


@pytest.mark.parametrize("table", TABLES)
def test_field_kind_follows_name(table: str) -> None:
    """Fields named like money, times, hashes and counters have the kind that the name promises."""
    for field in TABLES[table]:
        assert (field.name in MONEY) <= (field.kind is FieldKind.DECIMAL)
        assert field.name.endswith("sha256") <= (field.kind is FieldKind.SHA256)
        assert field.name.endswith(("_ts", "_utc", "_time")) <= (field.kind is FieldKind.TIME)
        assert field.name.endswith("_total") <= (field.kind is FieldKind.INTEGER)


def test_order_vocabularies_match_design() -> None:
    """Sides, order types, times in force, liquidity and clock modes have the words of the design."""
    order, fill = by_name(PAYLOADS[EventKind.ORDER_SUBMITTED]), by_name(PAYLOADS[EventKind.FILL])
    assert order["side"].choices == fill["side"].choices == ("BUY", "SELL")
    assert order["order_type"].choices == ("MARKET", "LIMIT", "STOP", "STOP_LIMIT")
    assert order["time_in_force"].choices == ("GTC", "IOC", "FOK", "DAY")
    assert fill["liquidity"].choices == ("MAKER", "TAKER")
    assert by_name(PAYLOADS[EventKind.SESSION_START])["clock_mode"].choices == ("fixed", "injected", "market")


def test_audit_carries_every_code() -> None:
    """An audit entry may carry every audit, reject and fail code."""
    assert set(AUDIT_CODES) == {*AuditCode, *RejectCode, *FailCode}
    assert by_name(contract.AUDIT_FIELDS)["code"].choices == AUDIT_CODES


@pytest.mark.parametrize(
    ("table", "nullable"),
    [
        ("events", set()),
        ("audit", set()),
        ("manifest", set()),
        ("snapshots", {"ended_ts", "reject_code", "reject_reason", "fail_code", "fail_reason"}),
        ("metrics", {"last_audit_event_ts", "reconciler_last_ok_ts"}),
        ("ORDER_SUBMITTED", {"limit_price", "stop_price", "tag"}),
        ("ORDER_REJECTED", {"broker_order_id", "reason"}),
        ("FILL", set()),
        ("SESSION_STOP", {"mark_price"}),
    ],
)
def test_null_is_limited(table: str, nullable: set[str]) -> None:
    """In each table only the fields for which null has a meaning may be null."""
    assert {field.name for field in TABLES[table] if field.nullable} == nullable
