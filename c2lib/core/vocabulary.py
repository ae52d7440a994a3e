"""The closed vocabularies of the contract: every word that another program may compare with stands here once."""

from __future__ import annotations

from enum import StrEnum

EVENT_SCHEMA = "C2_DRYRUN_V1"
STATE_SCHEMA = "C2_DRYRUN_STATE_V1"
METRICS_SCHEMA = "C2_DRYRUN_METRICS_V1"
MANIFEST_SCHEMA = "C2_RUN_MANIFEST_V1"

BEHAVIOUR_VERSION = 2
"""Grows whenever the bytes of a run with unchanged inputs change, which sets an upgrade apart from tampering."""


class Artifact(StrEnum):
    """The files of a run directory."""

    EVENTS = "events.jsonl"
    SNAPSHOTS = "state_snapshots.jsonl"
    AUDIT = "audit.jsonl"
    METRICS = "metrics.json"
    STRATEGY = "strategy.py"
    MANIFEST = "run_manifest.json"
    ENVIRONMENT = "environment.json"


RUN_SUBDIRS = ("finish_c", "c2")
"""The folders between the output root and a run directory."""

STAGING_PREFIX = ".staging-"
"""First characters of a staging folder's name; no ``run_id`` may begin so."""

NO_LIVE_CHECK = "no_live_guard"
"""Name of the preflight check that lets the canary try."""

SEALED_BY_MANIFEST = (Artifact.EVENTS, Artifact.SNAPSHOTS, Artifact.AUDIT, Artifact.METRICS)
"""What every manifest seals; that of a run which keeps its strategy file seals :attr:`Artifact.STRATEGY` as well."""

MIN_EQUITY = "min_equity"
"""Name of the limit, and of the rail that trips below it."""

EVIDENCE_DIR = "evidence"

STRATEGY_ORIGINS = ("built-in", "file", "object")
"""Where a strategy can come from."""


class EventKind(StrEnum):
    """What an event can be."""

    SESSION_START = "SESSION_START"
    STRATEGY_TICK = "STRATEGY_TICK"
    ORDER_BLOCKED = "ORDER_BLOCKED"
    ORDER_SUBMITTED = "ORDER_SUBMITTED"
    ORDER_ACKNOWLEDGED = "ORDER_ACKNOWLEDGED"
    ORDER_REJECTED = "ORDER_REJECTED"
    ORDER_CANCELLED = "ORDER_CANCELLED"
    CANCEL_REJECTED = "CANCEL_REJECTED"
    ORDER_EXPIRED = "ORDER_EXPIRED"
    FILL = "FILL"
    FAULT_INJECTED = "FAULT_INJECTED"
    RAIL_TRIPPED = "RAIL_TRIPPED"
    RECONCILED = "RECONCILED"
    SESSION_STOP = "SESSION_STOP"
    REJECTED = "REJECTED"


INSUFFICIENT_FUNDS = "insufficient_funds"
"""The reason of an ``ORDER_CANCELLED`` that the venue made unasked: the order's next fill was not covered by cash."""


class StopReason(StrEnum):
    """Why a session stopped stepping."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class AuditLevel(StrEnum):
    """How much an audit entry asks for attention."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class RejectCode(StrEnum):
    """Why preflight said no, in the order in which it asks."""

    MISSING_RUN_ID = "C2_REJECT_MISSING_RUN_ID"
    MISSING_STRATEGY_ID = "C2_REJECT_MISSING_STRATEGY_ID"
    LIVE_ENABLED = "C2_REJECT_LIVE_ENABLED"
    ALLOWLIST_MISSING = "C2_REJECT_ALLOWLIST_MISSING"
    ALLOWLIST_MALFORMED = "C2_REJECT_ALLOWLIST_MALFORMED"
    STRATEGY_NOT_ALLOWED = "C2_REJECT_STRATEGY_NOT_ALLOWED"
    UNKNOWN_STRATEGY = "C2_REJECT_UNKNOWN_STRATEGY"
    BROKER_NOT_MOCK = "C2_REJECT_BROKER_NOT_MOCK"
    NO_AUDIT_SINK = "C2_REJECT_NO_AUDIT_SINK"
    BAD_RETRY_CONFIG = "C2_REJECT_BAD_RETRY_CONFIG"
    SECRET_IN_CONFIG = "C2_REJECT_SECRET_IN_CONFIG"
    NO_LIVE_GUARD = "C2_REJECT_NO_LIVE_GUARD"


class FailCode(StrEnum):
    """Why a session needs its operator."""

    SINK_WRITE_FAILED = "C2_ABORT_SINK_WRITE_FAILED"
    EXCEPTION = "C2_ABORT_EXCEPTION"
    INVARIANT = "C2_ABORT_INVARIANT"
    UNKNOWN_OUTCOME = "C2_ABORT_UNKNOWN_OUTCOME"
    NO_LIVE_VIOLATION = "C2_ABORT_NO_LIVE_VIOLATION"
    STRATEGY_TIMEOUT = "C2_ABORT_STRATEGY_TIMEOUT"
    STRATEGY_EXITED = "C2_ABORT_STRATEGY_EXITED"
    STRATEGY_PROTOCOL = "C2_ABORT_STRATEGY_PROTOCOL"


STRATEGY_ENDS = {
    FailCode.STRATEGY_TIMEOUT: "the strategy gave no answer within strategy_timeout_s",
    FailCode.STRATEGY_EXITED: "the strategy's process ended before its session",
    FailCode.STRATEGY_PROTOCOL: "the strategy's process sent something that is no answer",
}
"""The failures that the own process of a strategy file ends a session in, in words."""


class AuditCode(StrEnum):
    """What an audit entry records, beside the reject and fail codes."""

    DRYRUN_START = "C2_DRYRUN_START"
    LIVE_GATE_OVERRIDDEN = "C2_LIVE_GATE_OVERRIDDEN"
    PREFLIGHT_CHECK = "C2_PREFLIGHT_CHECK"
    PHASE_TRANSITION = "C2_PHASE_TRANSITION"
    SINK_WRITE_RETRY = "C2_SINK_WRITE_RETRY"
    SINK_WRITE_FAILED = "C2_SINK_WRITE_FAILED"
    CANCEL_REQUESTED = "C2_CANCEL_REQUESTED"
    ORDER_REJECTED = "C2_ORDER_REJECTED"
    BROKER_RETRY = "C2_BROKER_RETRY"
    BROKER_FAILED = "C2_BROKER_FAILED"
    RAIL_TRIPPED = "C2_RAIL_TRIPPED"
    RECONCILE_MISMATCH = "C2_RECONCILE_MISMATCH"
    DRYRUN_STOP = "C2_DRYRUN_STOP"
