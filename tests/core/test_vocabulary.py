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


def test_reject_codes_follow_the_design() -> None:
    """The reject codes are those of the design in their order."""
    assert [code.value for code in RejectCode] == REJECTIONS


def test_fail_codes_follow_the_design() -> None:
    """The fail codes are exactly those of the design."""
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
def test_promised_audit_code_exists(code: str) -> None:
    """Each audit code on which other programs rely exists."""
    assert AuditCode(code).value == code


def test_run_files_have_their_names() -> None:
    """The files and folders of a run have the names of the contract."""
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


def test_manifest_seals_other_artifacts() -> None:
    """The manifest seals every artifact except the manifest and the environment."""
    assert set(Artifact) - set(SEALED_BY_MANIFEST) == {Artifact.MANIFEST, Artifact.ENVIRONMENT}


def test_formats_have_their_versions() -> None:
    """Events, snapshots, metrics and manifest have their schema versions."""
    assert vocabulary.EVENT_SCHEMA == "C2_DRYRUN_V1"
    assert vocabulary.STATE_SCHEMA == "C2_DRYRUN_STATE_V1"
    assert vocabulary.METRICS_SCHEMA == "C2_DRYRUN_METRICS_V1"
    assert vocabulary.MANIFEST_SCHEMA == "C2_RUN_MANIFEST_V1"


def test_small_vocabularies_are_closed() -> None:
    """Audit levels, stop reasons and event kinds have exactly their listed words."""
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
    """No code stands in two vocabularies, and every code begins with C2_."""
    groups: tuple[type[StrEnum], ...] = (AuditCode, RejectCode, FailCode)
    words = [word.value for group in groups for word in group]
    assert len(words) == len(set(words))
    assert all(word.startswith("C2_") for word in words)
