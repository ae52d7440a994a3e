"""The contract with other programs: which fields each artifact and each payload has, and what they hold.

The line encoders, the witness's checks and the JSON Schemas in ``docs/contract`` are made from this table. The fields
of a payload stand in the order in which the session gives them; lines have them sorted. What JSON Schema cannot say (no
float that happens to be whole, canonical text, hashes that fit) is for the witness to check.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from c2lib.core.canon import MAX_INTEGER
from c2lib.core.decimals import DECIMAL_PATTERN
from c2lib.core.model import BUY, DAY, FOK, GTC, IOC, LIMIT, MAKER, MARKET, SELL, STOP, STOP_LIMIT, TAKER
from c2lib.core.states import SessionPhase, SessionStatus
from c2lib.core.vocabulary import (
    EVENT_SCHEMA,
    MANIFEST_SCHEMA,
    METRICS_SCHEMA,
    STATE_SCHEMA,
    Artifact,
    AuditCode,
    AuditLevel,
    EventKind,
    FailCode,
    RejectCode,
    StopReason,
)

IDENTIFIER_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._/=:^+-]{0,127}"
"""Names that c2lib or the config vouches for: ASCII, and the same inside a JSON string as outside it."""

SHA256_PATTERN = r"[0-9a-f]{64}"

_LEAP_YEAR = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
TIME_PATTERN = (
    r"(?:(?!0000)[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    rf"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}-02-29)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.(?!000000)[0-9]{6})?\+00:00"
)
"""``datetime.isoformat()`` of an instant in UTC: a day that the calendar has, and no fraction of nothing."""


class FieldKind(Enum):
    """The forms that a field can take."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    TIME = "time"
    SHA256 = "sha256"
    IDENTIFIER = "identifier"
    CHOICE = "choice"
    TEXT = "text"
    TEXT_LIST = "text list"
    OBJECT = "object"


PATTERNS = {
    FieldKind.DECIMAL: DECIMAL_PATTERN,
    FieldKind.TIME: TIME_PATTERN,
    FieldKind.SHA256: SHA256_PATTERN,
    FieldKind.IDENTIFIER: IDENTIFIER_PATTERN,
}

_SCHEMAS: Mapping[FieldKind, Mapping[str, Any]] = {
    FieldKind.INTEGER: {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER},
    FieldKind.TEXT_LIST: {"type": "array", "items": {"type": "string"}},
    FieldKind.OBJECT: {"type": "object"},
    # some engines let $ match before a last newline
    **{
        kind: {"pattern": f"^{pattern}$", "not": {"type": "string", "pattern": "\n"}}
        for kind, pattern in PATTERNS.items()
    },
}
"""What a schema says of a kind beyond that it is a string."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name, form and meaning.

    ``choices`` is the vocabulary of a ``CHOICE``; ``negative`` allows an ``INTEGER`` below zero.
    """

    name: str
    kind: FieldKind
    meaning: str
    nullable: bool = False
    choices: tuple[str, ...] = ()
    negative: bool = False

    @property
    def is_free_text(self) -> bool:
        """Whether people or foreign code can put text of their own here."""
        return self.kind in (FieldKind.TEXT, FieldKind.TEXT_LIST, FieldKind.OBJECT)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of this field."""
        schema = {"description": self.meaning, "type": "string", **_SCHEMAS.get(self.kind, {})}
        if self.negative:
            schema["minimum"] = -MAX_INTEGER
        if self.nullable:
            schema["type"] = [schema["type"], "null"]
        if self.choices:
            schema["enum"] = [*self.choices, None] if self.nullable else list(self.choices)
        return schema

    def problem_with(self, value: Any) -> str | None:
        """Say what is wrong with ``value`` in this field, or ``None`` when nothing is."""
        if value is None:
            return None if self.nullable else "is null"
        if self.kind is FieldKind.INTEGER:
            if isinstance(value, bool) or not isinstance(value, int):
                return "is not an integer"
            return "is out of range" if abs(value) > MAX_INTEGER or (value < 0 and not self.negative) else None
        if self.kind is FieldKind.OBJECT:
            return None if isinstance(value, dict) else "is not an object"
        if self.kind is FieldKind.TEXT_LIST:
            good = isinstance(value, list) and all(isinstance(item, str) for item in value)
            return None if good else "is not a list of texts"
        if not isinstance(value, str):
            return f"is not text but {type(value).__name__}"
        if self.kind is FieldKind.CHOICE and value not in self.choices:
            return f"is not one of {', '.join(self.choices)}"
        pattern = PATTERNS.get(self.kind)
        if pattern and not re.fullmatch(pattern, value, re.ASCII):
            return f"is not a {self.kind.value}"
        return None


AUDIT_CODES: tuple[str, ...] = (*AuditCode, *RejectCode, *FailCode)

_INT, _DEC, _TIME, _SHA = FieldKind.INTEGER, FieldKind.DECIMAL, FieldKind.TIME, FieldKind.SHA256
_ID, _CHOICE, _TEXT, _OBJ = FieldKind.IDENTIFIER, FieldKind.CHOICE, FieldKind.TEXT, FieldKind.OBJECT

PRICES_OF_TYPE = {MARKET: (False, False), LIMIT: (True, False), STOP: (False, True), STOP_LIMIT: (True, True)}
"""Whether an order of a type has a limit price, and a stop price."""

SIDES = (BUY, SELL)
ORDER_TYPES = tuple(PRICES_OF_TYPE)
TIMES_IN_FORCE = (GTC, IOC, FOK, DAY)
LIQUIDITIES = (MAKER, TAKER)
CLOCK_MODES = ("fixed", "injected", "market")

_BAR_INDEX = Field("bar_index", _INT, "index of the bar at which it happened, from 0")
_CLIENT_ID = Field("client_order_id", _ID, "the session's name of the order, its idempotency key")
_BROKER_ID = Field("broker_order_id", _ID, "the broker's name of the order")
_SYMBOL = Field("symbol", _ID, "instrument")
_SIDE = Field("side", _CHOICE, "direction", choices=SIDES)
_QUANTITY = Field("quantity", _DEC, "size in units of the instrument")

_ORDER_TERMS = (
    _SYMBOL,
    _SIDE,
    Field("order_type", _CHOICE, "kind of order", choices=ORDER_TYPES),
    _QUANTITY,
    Field("limit_price", _DEC, "worst price accepted, null without one", nullable=True),
    Field("stop_price", _DEC, "price that arms the order, null without one", nullable=True),
    Field("time_in_force", _CHOICE, "how long it stays", choices=TIMES_IN_FORCE),
    _BAR_INDEX,
    Field("tag", _TEXT, "the strategy's own word for it, redacted", nullable=True),
)
_ORDER_ANSWER = (
    _CLIENT_ID,
    Field("broker_order_id", _ID, "the broker's name of the order, null when it never got one", nullable=True),
    Field("reason", _TEXT, "why, null when there is nothing to say", nullable=True),
    _BAR_INDEX,
)

PAYLOADS: Mapping[EventKind, tuple[Field, ...]] = {
    EventKind.SESSION_START: (
        Field("clock_mode", _CHOICE, "where times come from", choices=CLOCK_MODES),
        Field("config_sha256", _SHA, "of the canonical JSON of the sealed config"),
        Field("criteria_sha256", _SHA, "of the canonical JSON of the sealed criteria"),
        Field("market_sha256", _SHA, "of the market file's bytes, or of the synthetic walk's parameters"),
        _SYMBOL,
        Field("steps", _INT, "steps planned"),
        Field("initial_cash", _DEC, "cash before the first step"),
    ),
    EventKind.STRATEGY_TICK: (
        _BAR_INDEX,
        Field("bar_time", _TIME, "the bar's own time"),
        Field("close", _DEC, "the bar's closing price"),
        Field("decision", _ID, "HOLD, or what was decided: BUY, SELL, CANCEL, several joined by +"),
    ),
    EventKind.ORDER_BLOCKED: (
        Field("rail", _ID, "name of the bound that the order would have passed"),
        Field("expected", _TEXT, "what the bound allows"),
        Field("seen", _TEXT, "what the order asked for"),
        *_ORDER_TERMS,
    ),
    EventKind.ORDER_SUBMITTED: (_CLIENT_ID, *_ORDER_TERMS),
    EventKind.ORDER_ACKNOWLEDGED: _ORDER_ANSWER,
    EventKind.ORDER_REJECTED: _ORDER_ANSWER,
    EventKind.ORDER_CANCELLED: _ORDER_ANSWER,
    EventKind.CANCEL_REJECTED: (
        _CLIENT_ID,
        Field("reason", _CHOICE, "why no open order was found", choices=("unknown_order", "too_late")),
        _BAR_INDEX,
    ),
    EventKind.ORDER_EXPIRED: _ORDER_ANSWER,
    EventKind.FILL: (
        Field("fill_id", _ID, "the broker's name of the fill"),
        _CLIENT_ID,
        _BROKER_ID,
        _SYMBOL,
        _SIDE,
        _QUANTITY,
        Field("price", _DEC, "price per unit"),
        Field("fee", _DEC, "what the broker took, in money"),
        Field("liquidity", _CHOICE, "whether it made or took liquidity", choices=LIQUIDITIES),
        Field("leaves_quantity", _DEC, "what is left open of the order"),
        _BAR_INDEX,
    ),
    EventKind.FAULT_INJECTED: (
        Field("fault", _ID, "kind of fault"),
        Field("target", _ID, "what it hits"),
        Field("detail", _TEXT, "how"),
    ),
    EventKind.RAIL_TRIPPED: (
        Field("rail", _ID, "name of the broken invariant"),
        Field("expected", _TEXT, "what must hold"),
        Field("seen", _TEXT, "what was there instead"),
    ),
    EventKind.RECONCILED: (
        Field("mismatches", FieldKind.TEXT_LIST, "each as name:client_order_id; empty when both sides agree"),
        Field("actions", FieldKind.TEXT_LIST, "corrective actions that were planned"),
        Field("as_of", _INT, "the venue's event count at which it was asked, null when it gives none", nullable=True),
        Field("position", _DEC, "units held by the session's books"),
        Field("cash", _DEC, "money held by the session's books"),
        Field("broker_position", _DEC, "units held by the venue's, null when it was not asked", nullable=True),
        Field("broker_cash", _DEC, "money held by the venue's, null when it was not asked", nullable=True),
    ),
    EventKind.SESSION_STOP: (
        Field("stop_reason", _CHOICE, "why stepping ended", choices=tuple(StopReason)),
        Field("steps", _INT, "steps made"),
        Field("position", _DEC, "units held"),
        Field("cash", _DEC, "money held"),
        Field("mark_price", _DEC, "last closing price, null when no bar was seen", nullable=True),
        Field("equity", _DEC, "cash plus position times mark price"),
    ),
    EventKind.REJECTED: (
        Field("code", _CHOICE, "the first gate that was closed", choices=tuple(RejectCode)),
        Field("reason", _TEXT, "what is wrong and what to do"),
    ),
}

_RUN_ID = Field("run_id", _TEXT, "name of the run")
_STRATEGY_ID = Field("strategy_id", _TEXT, "name of the strategy")
_STATUS = Field("status", _CHOICE, "what the session came to", choices=tuple(SessionStatus))
_CODES = (
    Field("reject_code", _CHOICE, "why it was rejected", nullable=True, choices=tuple(RejectCode)),
    Field("reject_reason", _TEXT, "the same in words", nullable=True),
    Field("fail_code", _CHOICE, "why it failed", nullable=True, choices=tuple(FailCode)),
    Field("fail_reason", _TEXT, "the same in words", nullable=True),
)

EVENT_FIELDS = (
    Field("schema_version", _CHOICE, "format of the line", choices=(EVENT_SCHEMA,)),
    Field("event_id", _SHA, "of the event's identity"),
    _RUN_ID,
    _STRATEGY_ID,
    Field("event_type", _CHOICE, "kind of event", choices=tuple(EventKind)),
    Field("ts_sim", _INT, "number of the event, from 0"),
    Field("ts_utc", _TIME, "the injected clock's time of the step"),
    Field("payload", _OBJ, "what the kind carries"),
)

SNAPSHOT_FIELDS = (
    Field("schema_version", _CHOICE, "format of the line", choices=(STATE_SCHEMA,)),
    _RUN_ID,
    _STRATEGY_ID,
    _STATUS,
    Field("phase", _CHOICE, "what the process is doing", choices=tuple(SessionPhase)),
    Field("ts_sim", _INT, "number of the snapshot, from 0"),
    Field("started_ts", _TIME, "when the session was opened"),
    Field("ended_ts", _TIME, "when it ended, null before", nullable=True),
    Field("step", _INT, "steps made"),
    Field("events_emitted", _INT, "events so far"),
    Field("sink_retries", _INT, "writes tried again so far"),
    *_CODES,
    Field("meta", _OBJ, "stop_reason once it is known"),
)

AUDIT_FIELDS = (
    Field("seq", _INT, "number of the entry, from 0"),
    Field("ts", _TIME, "the injected clock's time of the step"),
    Field("level", _CHOICE, "attention asked for", choices=tuple(AuditLevel)),
    Field("code", _CHOICE, "what is recorded", choices=AUDIT_CODES),
    Field("message", _TEXT, "the same in words"),
    Field("meta", _OBJ, "the particulars"),
    Field("prev_hash", _SHA, "entry_hash of the entry before, 64 zeros for the first"),
    Field("entry_hash", _SHA, "of this entry without entry_hash"),
)

LIFECYCLE_COUNTERS = (
    Field("orders_place_total", _INT, "calls of place_order"),
    Field("orders_cancel_total", _INT, "calls of cancel_order"),
    Field("orders_query_total", _INT, "calls of query_order and list_open_orders"),
    Field("order_state_transitions_total", _INT, "moves of the order state machine"),
    Field("fills_total", _INT, "fills applied"),
    Field("reconcile_mismatches_total", _INT, "mismatches named by the reconciler"),
    Field("retry_attempts_total", _INT, "broker calls tried again"),
    Field("safety_rail_trips_total", _INT, "rails broken"),
    Field("no_live_attempts_total", _INT, "attempts that the NO-LIVE guard refused"),
    Field("orders_blocked_total", _INT, "orders that a limit kept from being placed"),
    Field("faults_injected_total", _INT, "faults of the fault plan that acted"),
    Field("orchestrator_state", _CHOICE, "phase the session ends in", choices=tuple(SessionPhase)),
    Field("last_audit_event_ts", _TIME, "of the last audit entry, null without one", nullable=True),
    Field("reconciler_last_ok_ts", _TIME, "of the last clean reconciliation, null without one", nullable=True),
)

METRICS_FIELDS = (
    Field("schema_version", _CHOICE, "format of the object", choices=(METRICS_SCHEMA,)),
    _RUN_ID,
    _STRATEGY_ID,
    Field("seed", _INT, "the run's seed", negative=True),
    _STATUS,
    Field("events_emitted", _INT, "lines of events.jsonl"),
    Field("audit_events", _INT, "audit entries when the metrics were composed"),
    Field("sink_retries", _INT, "writes tried again until then"),
    *LIFECYCLE_COUNTERS,
)

MANIFEST_FIELDS = (
    Field("schema_version", _CHOICE, "format of the object", choices=(MANIFEST_SCHEMA,)),
    _RUN_ID,
    _STRATEGY_ID,
    _STATUS,
    Field("behaviour_version", _INT, "which behaviour of c2lib made the bytes"),
    Field("config", _OBJ, "the sealed config"),
    Field("config_sha256", _SHA, "of its canonical JSON"),
    Field("criteria_sha256", _SHA, "of the canonical JSON of its criteria"),
    Field("market", _OBJ, "source, sha256 and bars, the number of them"),
    Field("strategy", _OBJ, "origin, class_name and sha256 of the source, imports: version by module from elsewhere"),
    Field("inputs", _OBJ, "what came from outside the config"),
    Field("artifacts", _OBJ, "sha256, bytes and lines of each sealed file, strategy.py among them when it is kept"),
    Field("audit", _OBJ, "entries and last_hash of the chain"),
    Field("run_digest", _SHA, "of this object without run_digest"),
)

SCHEMA_OF: Mapping[Artifact, tuple[str, tuple[Field, ...]]] = {
    Artifact.EVENTS: ("event.schema.json", EVENT_FIELDS),
    Artifact.SNAPSHOTS: ("state_snapshot.schema.json", SNAPSHOT_FIELDS),
    Artifact.AUDIT: ("audit_entry.schema.json", AUDIT_FIELDS),
    Artifact.METRICS: ("metrics.schema.json", METRICS_FIELDS),
    Artifact.MANIFEST: ("run_manifest.schema.json", MANIFEST_FIELDS),
}
"""File name and fields of the schema that a line of a ``.jsonl`` or the object of a ``.json`` artifact fits."""


def _object(fields: tuple[Field, ...], *, closed: bool) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {field.name: field.json_schema() for field in fields},
        "required": [field.name for field in fields],
        "additionalProperties": not closed,
    }


def schemas() -> dict[str, dict[str, Any]]:
    """Return every schema by its file name; it has what a table has: exact keys, each required."""
    found = {}
    for artifact, (name, fields) in SCHEMA_OF.items():
        unit = "A line" if artifact.value.endswith(".jsonl") else "The object"
        head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{unit} of {artifact.value}"}
        found[name] = head | _object(fields, closed=True)
    # an event's payload has the fields of its kind; it may carry more
    found[SCHEMA_OF[Artifact.EVENTS][0]] |= {
        "$defs": {kind.value: _object(fields, closed=False) for kind, fields in PAYLOADS.items()},
        "allOf": [
            {
                "if": {"properties": {"event_type": {"const": kind.value}}, "required": ["event_type"]},
                "then": {"properties": {"payload": {"$ref": f"#/$defs/{kind.value}"}}},
            }
            for kind in PAYLOADS
        ],
    }
    return found


def schema_texts() -> dict[str, str]:
    """Return every schema as its file holds it: indented, keys sorted, one newline at the end."""
    return {
        name: json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for name, schema in schemas().items()
    }
