from itertools import product

import pytest

from c2lib.core.errors import ForbiddenTransitionError
from c2lib.core.states import (
    ORDER_ENDS,
    ORDER_TABLE,
    SESSION_ENDS,
    SESSION_TABLE,
    STATUS_OF_PHASE,
    OrderStatus,
    OrderTrigger,
    SessionPhase,
    SessionTrigger,
    next_state,
    successors,
)

MAY_GO_TO = {
    "INIT": {"PREFLIGHT_OK", "PREFLIGHT_FAILED", "ERROR_REQUIRES_OPERATOR"},
    "PREFLIGHT_OK": {"DRYRUN_ACTIVE", "STOPPING", "ERROR_REQUIRES_OPERATOR"},
    "DRYRUN_ACTIVE": {"STOPPING", "ERROR_REQUIRES_OPERATOR"},
    "STOPPING": {"STOPPED", "ERROR_REQUIRES_OPERATOR"},
    "STOPPED": set(),
    "PREFLIGHT_FAILED": set(),
    "ERROR_REQUIRES_OPERATOR": set(),
}
STATUSES = {
    "INIT": "INIT",
    "PREFLIGHT_OK": "INIT",
    "DRYRUN_ACTIVE": "RUNNING",
    "STOPPING": "RUNNING",
    "STOPPED": "COMPLETED",
    "PREFLIGHT_FAILED": "REJECTED",
    "ERROR_REQUIRES_OPERATOR": "FAILED",
}
FAILURES = ("SINK_FAILED", "EXCEPTION_RAISED", "INVARIANT_BROKEN", "OUTCOME_UNKNOWN", "NO_LIVE_VIOLATED")
SESSION_ROWS = {
    ("INIT", "PREFLIGHT_PASSED", "PREFLIGHT_OK"),
    ("INIT", "PREFLIGHT_REJECTED", "PREFLIGHT_FAILED"),
    ("PREFLIGHT_OK", "FIRST_STEP", "DRYRUN_ACTIVE"),
    ("PREFLIGHT_OK", "CANCELLED", "STOPPING"),
    ("DRYRUN_ACTIVE", "BOUND_REACHED", "STOPPING"),
    ("DRYRUN_ACTIVE", "CANCELLED", "STOPPING"),
    ("STOPPING", "CLOSED", "STOPPED"),
} | {
    (phase, failure, "ERROR_REQUIRES_OPERATOR")
    for phase in ("INIT", "PREFLIGHT_OK", "DRYRUN_ACTIVE", "STOPPING")
    for failure in FAILURES
}
ORDER_ROWS = {
    ("PENDING_NEW", "ACKNOWLEDGED", "NEW"),
    ("PENDING_NEW", "REJECTED", "REJECTED"),
    ("NEW", "PARTIAL_FILL", "PARTIALLY_FILLED"),
    ("NEW", "FULL_FILL", "FILLED"),
    ("NEW", "CANCEL_REQUESTED", "PENDING_CANCEL"),
    ("NEW", "EXPIRED", "EXPIRED"),
    ("PARTIALLY_FILLED", "PARTIAL_FILL", "PARTIALLY_FILLED"),
    ("PARTIALLY_FILLED", "FULL_FILL", "FILLED"),
    ("PARTIALLY_FILLED", "CANCEL_REQUESTED", "PENDING_CANCEL"),
    ("PARTIALLY_FILLED", "EXPIRED", "EXPIRED"),
    ("NEW", "CANCELLED", "CANCELLED"),
    ("PARTIALLY_FILLED", "CANCELLED", "CANCELLED"),
    ("PENDING_CANCEL", "EXPIRED", "EXPIRED"),
    ("PENDING_CANCEL", "PARTIAL_FILL", "PENDING_CANCEL"),
    ("PENDING_CANCEL", "FULL_FILL", "FILLED"),
    ("PENDING_CANCEL", "CANCELLED", "CANCELLED"),
    ("PENDING_CANCEL", "CANCEL_REJECTED", "NEW"),
    ("PENDING_CANCEL", "CANCEL_REJECTED_PARTIAL", "PARTIALLY_FILLED"),
}


def test_phases_follow_the_design() -> None:
    """The phases of a session may follow each other exactly as the design's table says."""
    assert {phase.value: {after.value for after in successors(phase)} for phase in SessionPhase} == MAY_GO_TO


def test_phase_has_designed_status() -> None:
    """Each phase has the status that the design gives."""
    assert {phase.value: status.value for phase, status in STATUS_OF_PHASE.items()} == STATUSES


@pytest.mark.parametrize(("before", "trigger", "after"), sorted(SESSION_ROWS))
def test_session_moves_as_listed(before: str, trigger: str, after: str) -> None:
    """Each listed trigger moves a session to the listed phase."""
    assert next_state("session", SESSION_TABLE, SessionPhase(before), SessionTrigger(trigger)) == after


@pytest.mark.parametrize(
    ("phase", "trigger"),
    [pair for pair in product(SessionPhase, SessionTrigger) if pair not in {(row[0], row[1]) for row in SESSION_ROWS}],
)
def test_session_makes_no_other_move(phase: SessionPhase, trigger: SessionTrigger) -> None:
    """A trigger not listed for a phase raises an error that names machine, state and trigger."""
    with pytest.raises(ForbiddenTransitionError, match=f"^session: no transition from {phase} on {trigger}$"):
        next_state("session", SESSION_TABLE, phase, trigger)


@pytest.mark.parametrize(("before", "trigger", "after"), sorted(ORDER_ROWS))
def test_order_moves_as_listed(before: str, trigger: str, after: str) -> None:
    """Each listed trigger moves an order to the listed status."""
    assert next_state("order", ORDER_TABLE, OrderStatus(before), OrderTrigger(trigger)) == after


@pytest.mark.parametrize(
    ("status", "trigger"),
    [pair for pair in product(OrderStatus, OrderTrigger) if pair not in {(row[0], row[1]) for row in ORDER_ROWS}],
)
def test_order_makes_no_other_move(status: OrderStatus, trigger: OrderTrigger) -> None:
    """A trigger not listed for an order status raises an error that names machine, state and trigger."""
    with pytest.raises(ForbiddenTransitionError, match=f"^order: no transition from {status} on {trigger}$"):
        next_state("order", ORDER_TABLE, status, trigger)


def test_forbidden_move_keeps_state() -> None:
    """A forbidden transition leaves the caller's state unchanged."""
    phase = SessionPhase.STOPPED
    with pytest.raises(ForbiddenTransitionError):
        phase = next_state("session", SESSION_TABLE, phase, SessionTrigger.FIRST_STEP)
    assert phase is SessionPhase.STOPPED


def test_ends_have_no_rows() -> None:
    """The listed end states of session and order, and no other states, have no transition."""
    assert {"STOPPED", "PREFLIGHT_FAILED", "ERROR_REQUIRES_OPERATOR"} == SESSION_ENDS
    assert {"FILLED", "CANCELLED", "REJECTED", "EXPIRED"} == ORDER_ENDS
    assert set(SessionPhase) - {phase for phase, _ in SESSION_TABLE} == SESSION_ENDS
    assert set(OrderStatus) - {status for status, _ in ORDER_TABLE} == ORDER_ENDS


def test_tables_use_every_word() -> None:
    """Every state of session and order can be reached, and every trigger is used."""
    assert set(SESSION_TABLE.values()) | {SessionPhase.INIT} == set(SessionPhase)
    assert set(ORDER_TABLE.values()) | {OrderStatus.PENDING_NEW} == set(OrderStatus)
    assert {trigger for _, trigger in SESSION_TABLE} == set(SessionTrigger)
    assert {trigger for _, trigger in ORDER_TABLE} == set(OrderTrigger)


def test_every_open_phase_can_fail() -> None:
    """From every open phase each failure trigger leads to ERROR_REQUIRES_OPERATOR."""
    for phase in set(SessionPhase) - SESSION_ENDS:
        for failure in FAILURES:
            after = next_state("session", SESSION_TABLE, phase, SessionTrigger(failure))
            assert after is SessionPhase.ERROR_REQUIRES_OPERATOR
