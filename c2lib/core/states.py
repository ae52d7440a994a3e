"""The state machines of the session and of an order, one table each, and the status that belongs to a phase.

A table maps ``(state, trigger)`` to the next state; what is not in it is forbidden, and an end has no row. The order
table follows FIX 4.4, OrdStatus (39) and Appendix D, with FIX's "Canceled" spelt as the runbook does. A cancel that
nobody asked for is FIX's unsolicited one (group E). An order whose cancel is pending ends by a fill or by the cancel
(group B), or by its time in force, which the matrices neither show nor forbid.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from c2lib.core.errors import ForbiddenTransitionError
from c2lib.core.vocabulary import FailCode


class SessionPhase(StrEnum):
    """What the process is doing."""

    INIT = "INIT"
    PREFLIGHT_OK = "PREFLIGHT_OK"
    DRYRUN_ACTIVE = "DRYRUN_ACTIVE"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    PREFLIGHT_FAILED = "PREFLIGHT_FAILED"
    ERROR_REQUIRES_OPERATOR = "ERROR_REQUIRES_OPERATOR"


class SessionStatus(StrEnum):
    """What the artifacts say."""

    INIT = "INIT"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"


class SessionTrigger(StrEnum):
    """Why a session changes its phase."""

    PREFLIGHT_PASSED = "PREFLIGHT_PASSED"
    PREFLIGHT_REJECTED = "PREFLIGHT_REJECTED"
    FIRST_STEP = "FIRST_STEP"
    BOUND_REACHED = "BOUND_REACHED"
    CANCELLED = "CANCELLED"
    CLOSED = "CLOSED"
    SINK_FAILED = "SINK_FAILED"
    EXCEPTION_RAISED = "EXCEPTION_RAISED"
    INVARIANT_BROKEN = "INVARIANT_BROKEN"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    NO_LIVE_VIOLATED = "NO_LIVE_VIOLATED"
    STRATEGY_TIMED_OUT = "STRATEGY_TIMED_OUT"
    STRATEGY_EXITED = "STRATEGY_EXITED"
    STRATEGY_PROTOCOL_BROKEN = "STRATEGY_PROTOCOL_BROKEN"


class OrderStatus(StrEnum):
    """Where an order stands."""

    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class OrderTrigger(StrEnum):
    """What happens to an order (FIX ExecType, 150, and the cancel request)."""

    ACKNOWLEDGED = "ACKNOWLEDGED"
    REJECTED = "REJECTED"
    PARTIAL_FILL = "PARTIAL_FILL"
    FULL_FILL = "FULL_FILL"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    CANCEL_REJECTED = "CANCEL_REJECTED"
    CANCEL_REJECTED_PARTIAL = "CANCEL_REJECTED_PARTIAL"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


_P, _T = SessionPhase, SessionTrigger

TRIGGER_OF_FAIL_CODE: Mapping[FailCode, SessionTrigger] = {
    FailCode.SINK_WRITE_FAILED: _T.SINK_FAILED,
    FailCode.EXCEPTION: _T.EXCEPTION_RAISED,
    FailCode.INVARIANT: _T.INVARIANT_BROKEN,
    FailCode.UNKNOWN_OUTCOME: _T.OUTCOME_UNKNOWN,
    FailCode.NO_LIVE_VIOLATION: _T.NO_LIVE_VIOLATED,
    FailCode.STRATEGY_TIMEOUT: _T.STRATEGY_TIMED_OUT,
    FailCode.STRATEGY_EXITED: _T.STRATEGY_EXITED,
    FailCode.STRATEGY_PROTOCOL: _T.STRATEGY_PROTOCOL_BROKEN,
}
"""What a failure ends a session by, in any phase that is no end."""

SESSION_TABLE: Mapping[tuple[SessionPhase, SessionTrigger], SessionPhase] = {
    (_P.INIT, _T.PREFLIGHT_PASSED): _P.PREFLIGHT_OK,
    (_P.INIT, _T.PREFLIGHT_REJECTED): _P.PREFLIGHT_FAILED,
    (_P.PREFLIGHT_OK, _T.FIRST_STEP): _P.DRYRUN_ACTIVE,
    (_P.PREFLIGHT_OK, _T.CANCELLED): _P.STOPPING,
    (_P.DRYRUN_ACTIVE, _T.BOUND_REACHED): _P.STOPPING,
    (_P.DRYRUN_ACTIVE, _T.CANCELLED): _P.STOPPING,
    (_P.STOPPING, _T.CLOSED): _P.STOPPED,
    **{
        (phase, failure): _P.ERROR_REQUIRES_OPERATOR
        for phase in (_P.INIT, _P.PREFLIGHT_OK, _P.DRYRUN_ACTIVE, _P.STOPPING)
        for failure in TRIGGER_OF_FAIL_CODE.values()
    },
}

STATUS_OF_PHASE: Mapping[SessionPhase, SessionStatus] = {
    _P.INIT: SessionStatus.INIT,
    _P.PREFLIGHT_OK: SessionStatus.INIT,
    _P.DRYRUN_ACTIVE: SessionStatus.RUNNING,
    _P.STOPPING: SessionStatus.RUNNING,
    _P.STOPPED: SessionStatus.COMPLETED,
    _P.PREFLIGHT_FAILED: SessionStatus.REJECTED,
    _P.ERROR_REQUIRES_OPERATOR: SessionStatus.FAILED,
}

SESSION_ENDS = frozenset({_P.STOPPED, _P.PREFLIGHT_FAILED, _P.ERROR_REQUIRES_OPERATOR})

_O, _E = OrderStatus, OrderTrigger

ORDER_TABLE: Mapping[tuple[OrderStatus, OrderTrigger], OrderStatus] = {
    (_O.PENDING_NEW, _E.ACKNOWLEDGED): _O.NEW,
    (_O.PENDING_NEW, _E.REJECTED): _O.REJECTED,
    (_O.NEW, _E.PARTIAL_FILL): _O.PARTIALLY_FILLED,
    (_O.NEW, _E.FULL_FILL): _O.FILLED,
    (_O.NEW, _E.CANCEL_REQUESTED): _O.PENDING_CANCEL,
    (_O.NEW, _E.CANCELLED): _O.CANCELLED,
    (_O.NEW, _E.EXPIRED): _O.EXPIRED,
    (_O.PARTIALLY_FILLED, _E.PARTIAL_FILL): _O.PARTIALLY_FILLED,
    (_O.PARTIALLY_FILLED, _E.FULL_FILL): _O.FILLED,
    (_O.PARTIALLY_FILLED, _E.CANCEL_REQUESTED): _O.PENDING_CANCEL,
    (_O.PARTIALLY_FILLED, _E.CANCELLED): _O.CANCELLED,
    (_O.PARTIALLY_FILLED, _E.EXPIRED): _O.EXPIRED,
    (_O.PENDING_CANCEL, _E.PARTIAL_FILL): _O.PENDING_CANCEL,
    (_O.PENDING_CANCEL, _E.FULL_FILL): _O.FILLED,
    (_O.PENDING_CANCEL, _E.CANCELLED): _O.CANCELLED,
    (_O.PENDING_CANCEL, _E.EXPIRED): _O.EXPIRED,
    (_O.PENDING_CANCEL, _E.CANCEL_REJECTED): _O.NEW,
    (_O.PENDING_CANCEL, _E.CANCEL_REJECTED_PARTIAL): _O.PARTIALLY_FILLED,
}

ORDER_ENDS = frozenset({_O.FILLED, _O.CANCELLED, _O.REJECTED, _O.EXPIRED})

StateT = TypeVar("StateT", bound=StrEnum)
TriggerT = TypeVar("TriggerT", bound=StrEnum)


def next_state(
    machine: str, table: Mapping[tuple[StateT, TriggerT], StateT], state: StateT, trigger: TriggerT
) -> StateT:
    """Return the state that ``trigger`` leads to, or raise :class:`ForbiddenTransitionError` naming ``machine``."""
    try:
        return table[state, trigger]
    except KeyError:
        raise ForbiddenTransitionError(machine, state.value, trigger.value) from None


def moves_by(table: Mapping[tuple[StateT, TriggerT], StateT], trigger: TriggerT) -> Mapping[StateT, StateT]:
    """Return what ``trigger`` makes of each state that it may meet, for loops that make one move again and again.

    >>> moves_by(ORDER_TABLE, OrderTrigger.ACKNOWLEDGED)[OrderStatus.PENDING_NEW].value
    'NEW'
    """
    return {before: after for (before, by), after in table.items() if by is trigger}


def successors(state: SessionPhase) -> frozenset[SessionPhase]:
    """Return the phases that may follow ``state`` by whatever trigger."""
    return frozenset(after for (before, _), after in SESSION_TABLE.items() if before is state)
