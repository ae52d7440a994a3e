"""FIX 4.4, Appendix D, group B: a cancel meets an order, each matrix by its name, through the real venue and ledger."""

from collections.abc import Sequence
from functools import partial

import pytest

from c2lib.core.errors import (
    ForbiddenTransitionError,
    InvalidRequestError,
)
from c2lib.core.model import OrderIntent
from c2lib.core.states import OrderStatus, OrderTrigger
from c2lib.session.ledger import Ledger
from tests.broker.venue import bar, market_order, order, venue_of

CANCEL = "cancel"
FILL = bar(0, 50, 60, 40)
QUIET = bar(0, 90, 95, 85)

# a latency, the lots asked for, what happens in turn, and the states that the order shows after each
ROWS: dict[str, tuple[int, int, Sequence[object], list[str]]] = {
    "B.1.a zero-filled order, cancel accepted": (
        1,
        4,
        [QUIET, CANCEL, QUIET],
        ["NEW", "PENDING_CANCEL", "CANCELLED"],
    ),
    "B.1.b part-filled order, an execution while the cancel is active": (
        1,
        12,
        [QUIET, FILL, CANCEL, FILL],
        ["NEW", "PARTIALLY_FILLED", "PENDING_CANCEL", "CANCELLED"],
    ),
    "B.1.b two executions while the cancel is active": (
        2,
        16,
        [QUIET, QUIET, FILL, CANCEL, FILL, FILL],
        ["NEW", "NEW", "PARTIALLY_FILLED", "PENDING_CANCEL", "PENDING_CANCEL", "CANCELLED"],
    ),
    "B.1.c order filled before the cancel is accepted": (
        1,
        5,
        [QUIET, CANCEL, FILL, CANCEL],
        ["NEW", "PENDING_CANCEL", "FILLED", "FILLED"],
    ),
    "B.1.d cancel before the order was acted upon": (
        2,
        4,
        [CANCEL, FILL, FILL, FILL],
        ["PENDING_CANCEL", "PENDING_CANCEL", "CANCELLED", "CANCELLED"],
    ),
    "B.1.e a second cancel crosses the first": (
        1,
        4,
        [QUIET, CANCEL, CANCEL, QUIET, CANCEL],
        ["NEW", "PENDING_CANCEL", "PENDING_CANCEL", "CANCELLED", "CANCELLED"],
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_group_b_matrix_holds(row: str) -> None:
    """In every matrix of FIX group B, venue and ledger have the same states and the lots add up."""
    latency, lots, happenings, states = ROWS[row]
    venue, ledger, cursor, seen = venue_of(latency_steps=latency, participation="0.5"), Ledger(10**6, 1), 0, []
    ledger.submit("c-1", OrderIntent("BUY", lots))
    ledger.acknowledge("c-1", venue.place_order(order("LIMIT", limit=70, quantity=lots)))
    for number, happening in enumerate(happenings):
        if happening == CANCEL:
            local = ledger.open_orders.get("c-1")
            status = venue.cancel_order("b-000001")
            if status is OrderStatus.PENDING_CANCEL and local and local.status is not status:
                ledger.request_cancel("c-1")
        else:
            assert isinstance(happening, tuple)
            venue.advance(FILL._replace(bar_index=number, open=happening[2], high=happening[3], low=happening[4]))
            cursor, fills = venue.iter_fills(cursor)
            for fill in fills:
                ledger.apply(fill)
        report = venue.query_order("c-1")
        if report.status is OrderStatus.CANCELLED and "c-1" in ledger.open_orders:
            ledger.cancel("c-1")
        seen.append(report.status.value)
        assert report.filled_quantity == ledger.position
        assert ("c-1" in ledger.open_orders) == (report.status.value not in ("FILLED", "CANCELLED"))
    assert seen == states


def test_unknown_cancel_invents_no_order() -> None:
    """A cancel of an unknown order, matrix B.1.f, is refused and invents no order."""
    venue = venue_of(latency_steps=1)
    with pytest.raises(InvalidRequestError, match="no order 'b-000009'"):
        venue.cancel_order("b-000009")
    assert venue.list_open_orders() == ()


def test_second_cancel_request_fails() -> None:
    """A second cancel request of the session is no transition of FIX's table."""
    ledger = Ledger(10**6, 1)
    ledger.submit("c-1", OrderIntent("BUY", 1))
    ledger.acknowledge("c-1", "b-1")
    ledger.request_cancel("c-1")
    with pytest.raises(ForbiddenTransitionError):
        ledger.request_cancel("c-1")


@pytest.mark.parametrize(("cancelled", "moves"), [(True, 3), (False, 2)])
def test_pending_cancel_counts_late(cancelled: bool, moves: int) -> None:
    """The two transitions of a cancel count when the cancel succeeds, since events report no cancel request."""
    ledger = Ledger(10**6, 1)
    ledger.submit("c-1", OrderIntent("BUY", 1))
    ledger.acknowledge("c-1", "b-1")
    ledger.request_cancel("c-1")
    assert ledger.transitions == 1
    (ledger.cancel if cancelled else partial(ledger.move, trigger=OrderTrigger.EXPIRED))("c-1")
    assert ledger.transitions == moves


def test_pending_cancel_may_expire() -> None:
    """A DAY order with a pending cancel expires when its day ends first."""
    venue = venue_of(latency_steps=2)
    venue.advance(bar(0, 50, 60, 40, time=0))
    venue.place_order(order("LIMIT", limit=10, tif="DAY"))
    venue.place_order(market_order("c-2"))
    assert venue.cancel_order("c-1") is OrderStatus.PENDING_CANCEL
    venue.advance(bar(1, 50, 60, 40, time=24 * 3_600_000_000))
    assert venue.cancel_order("c-1") is OrderStatus.EXPIRED
    venue.close()
    assert venue.query_order("c-1").status is OrderStatus.EXPIRED
