from enum import StrEnum

import pytest

from c2lib.core import vocabulary
from c2lib.core.vocabulary import (
    RUN_SUBDIRS,
    SEALED_BY_MANIFEST,
    Artifact,
    AuditCode,
    AuditLevel,
    EventKind,
    FailCode,
    RejectCode,
    StopReason,
)

REJECTIONS = [
    "C2_REJECT_MISSING_RUN_ID",
    "C2_REJECT_MISSING_STRATEGY_ID",
    "C2_REJECT_LIVE_ENABLED",
    "C2_REJECT_ALLOWLIST_MISSING",
    "C2_REJECT_ALLOWLIST_MALFORMED",
    "C2_REJECT_STRATEGY_NOT_ALLOWED",
    "C2_REJECT_UNKNOWN_STRATEGY",
    "C2_REJECT_BROKER_NOT_MOCK",
    "C2_REJECT_NO_AUDIT_SINK",
    "C2_REJECT_BAD_RETRY_CONFIG",
    "C2_REJECT_SECRET_IN_CONFIG",
    "C2_REJECT_NO_LIVE_GUARD",
]


def test_preflight_asks_in_the_order_of_the_design() -> None:
    """The codes of rejection, each with its text, in their order."""
    assert [code.value for code in RejectCode] == REJECTIONS


def test_the_codes_of_failure_are_those_of_the_design() -> None:
    """Nothing else can be the reason why a session needs its operator."""
    assert {code.value for code in FailCode} == {
        "C2_ABORT_SINK_WRITE_FAILED",
        "C2_ABORT_EXCEPTION",
        "C2_ABORT_INVARIANT",
        "C2_ABORT_UNKNOWN_OUTCOME",
        "C2_ABORT_NO_LIVE_VIOLATION",
    }


@pytest.mark.parametrize(
    "code",
    [
        "C2_DRYRUN_START",
        "C2_PHASE_TRANSITION",
        "C2_SINK_WRITE_RETRY",
        "C2_SINK_WRITE_FAILED",
        "C2_DRYRUN_STOP",
    ],
)
def test_an_audit_code_that_always_exists_does(code: str) -> None:
    """Other programs look for these very words."""
    assert AuditCode(code).value == code


def test_the_files_of_a_run_have_their_names() -> None:
    """Names and folders are the contract's."""
    assert [artifact.value for artifact in Artifact] == [
        "events.jsonl",
        "state_snapshots.jsonl",
        "audit.jsonl",
        "metrics.json",
        "run_manifest.json",
        "environment.json",
    ]
    assert RUN_SUBDIRS == ("finish_c", "c2")
    assert vocabulary.EVIDENCE_DIR == "evidence"


def test_the_manifest_seals_what_stands_before_it() -> None:
    """Everything but itself and the environment, which may differ between machines."""
    assert set(Artifact) - set(SEALED_BY_MANIFEST) == {Artifact.MANIFEST, Artifact.ENVIRONMENT}


def test_the_formats_have_their_versions() -> None:
    """A version stands in a field of the line, never in a file name."""
    assert vocabulary.EVENT_SCHEMA == "C2_DRYRUN_V1"
    assert vocabulary.STATE_SCHEMA == "C2_DRYRUN_STATE_V1"
    assert vocabulary.METRICS_SCHEMA == "C2_DRYRUN_METRICS_V1"
    assert vocabulary.MANIFEST_SCHEMA == "C2_RUN_MANIFEST_V1"


def test_the_small_vocabularies_are_closed() -> None:
    """Levels, stop reasons and event kinds have these words and no other."""
    assert {level.value for level in AuditLevel} == {"INFO", "WARN", "ERROR"}
    assert {reason.value for reason in StopReason} == {"completed", "cancelled", "failed"}
    assert {kind.value for kind in EventKind} == {
        "SESSION_START",
        "STRATEGY_TICK",
        "ORDER_SUBMITTED",
        "ORDER_ACKNOWLEDGED",
        "ORDER_REJECTED",
        "ORDER_CANCELLED",
        "ORDER_EXPIRED",
        "FILL",
        "FAULT_INJECTED",
        "RAIL_TRIPPED",
        "RECONCILED",
        "SESSION_STOP",
        "REJECTED",
    }


def test_no_code_means_two_things() -> None:
    """A word of one vocabulary of codes is in no other."""
    groups: tuple[type[StrEnum], ...] = (AuditCode, RejectCode, FailCode)
    words = [word.value for group in groups for word in group]
    assert len(words) == len(set(words))
    assert all(word.startswith("C2_") for word in words)
