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


def test_every_kind_of_event_has_a_payload() -> None:
    """No kind can be emitted without a table."""
    assert set(PAYLOADS) == set(EventKind) == set(PROMISED)


@pytest.mark.parametrize("kind", EventKind)
def test_a_payload_keeps_what_was_promised(kind: EventKind) -> None:
    """The fields that other programs rely on stand in their order; more may follow."""
    promised = PROMISED[kind.value].split(", ")
    assert names(PAYLOADS[kind])[: len(promised)] == promised


def test_the_envelope_of_an_event_is_exact() -> None:
    """Eight keys, no more."""
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


def test_a_snapshot_has_its_keys() -> None:
    """The design's list, word by word."""
    listed = (
        "schema_version, run_id, strategy_id, status, phase, ts_sim, started_ts, ended_ts, step, events_emitted, "
        "sink_retries, reject_code, reject_reason, fail_code, fail_reason, meta"
    )
    assert names(contract.SNAPSHOT_FIELDS) == listed.split(", ")


def test_an_audit_entry_has_its_keys() -> None:
    """The design's list, word by word."""
    listed = "seq, ts, level, code, message, meta, prev_hash, entry_hash"
    assert names(contract.AUDIT_FIELDS) == listed.split(", ")


def test_the_metrics_have_their_keys() -> None:
    """The head of the design and every life-cycle counter."""
    listed = "schema_version, run_id, strategy_id, seed, status, events_emitted, audit_events, sink_retries"
    assert names(contract.METRICS_FIELDS)[:8] == listed.split(", ")
    assert set(names(contract.METRICS_FIELDS)) >= COUNTERS


def test_the_manifest_has_what_a_replay_needs() -> None:
    """Config, inputs, hashes and the digest over all of it."""
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
def test_a_schema_version_takes_one_word(table: str, version: str) -> None:
    """Another version is another format."""
    assert by_name(TABLES[table])["schema_version"].choices == (version,)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_sound(table: str) -> None:
    """No name twice, a meaning for each field, words for a choice and for nothing else."""
    fields = TABLES[table]
    assert len(set(names(fields))) == len(fields)
    for field in fields:
        assert field.meaning
        assert bool(field.choices) is (field.kind is FieldKind.CHOICE)


@pytest.mark.parametrize("table", TABLES)
def test_a_field_has_the_form_that_its_name_promises(table: str) -> None:
    """Money and quantities are decimals, times are times, hashes are hashes."""
    for field in TABLES[table]:
        assert (field.name in MONEY) <= (field.kind is FieldKind.DECIMAL)
        assert field.name.endswith("sha256") <= (field.kind is FieldKind.SHA256)
        assert field.name.endswith(("_ts", "_utc", "_time")) <= (field.kind is FieldKind.TIME)
        assert field.name.endswith("_total") <= (field.kind is FieldKind.INTEGER)


def test_the_vocabularies_of_orders_are_the_designs() -> None:
    """Sides, order types, times in force and liquidity."""
    order, fill = by_name(PAYLOADS[EventKind.ORDER_SUBMITTED]), by_name(PAYLOADS[EventKind.FILL])
    assert order["side"].choices == fill["side"].choices == ("BUY", "SELL")
    assert order["order_type"].choices == ("MARKET", "LIMIT", "STOP", "STOP_LIMIT")
    assert order["time_in_force"].choices == ("GTC", "IOC", "FOK", "DAY")
    assert fill["liquidity"].choices == ("MAKER", "TAKER")
    assert by_name(PAYLOADS[EventKind.SESSION_START])["clock_mode"].choices == ("fixed", "injected", "market")


def test_an_audit_entry_may_carry_every_code() -> None:
    """Rejections and failures are recorded under their own codes."""
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
def test_null_stands_only_where_it_means_something(table: str, nullable: set[str]) -> None:
    """A field that is null elsewhere is a defect."""
    assert {field.name for field in TABLES[table] if field.nullable} == nullable
