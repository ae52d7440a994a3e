import pytest

from c2lib.broker.port import OrderReport
from c2lib.core.model import OrderIntent
from c2lib.core.states import OrderStatus
from c2lib.session.ledger import LocalOrder
from c2lib.session.reconcile import compare


def local(status: OrderStatus = OrderStatus.NEW, filled: int = 0, name: str = "c-1") -> LocalOrder:
    """Return an order of four lots as the session believes it."""
    order = LocalOrder(name, OrderIntent("BUY", 4))
    order.broker_order_id, order.status, order.filled = "b-1", status, filled
    return order


def report(status: OrderStatus = OrderStatus.NEW, filled: int = 0, name: str = "c-1") -> OrderReport:
    """Return an order of four lots as the broker reports it."""
    return OrderReport("b-1", name, status, 4, filled)


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        ([], [], []),
        ([local()], [report()], []),
        ([local()], [], [("missing_on_broker", "c-1")]),
        ([], [report()], [("ghost_broker_order", "c-1")]),
        ([local()], [report(OrderStatus.PARTIALLY_FILLED, 1)], [("partial_fill_mismatch", "c-1")]),
        ([local()], [report(OrderStatus.PENDING_CANCEL)], [("status_mismatch", "c-1")]),
        ([local(OrderStatus.PENDING_CANCEL)], [report(OrderStatus.PENDING_CANCEL)], []),
        ([local(OrderStatus.PENDING_CANCEL)], [report()], [("unknown_outcome", "c-1")]),
        ([local(OrderStatus.PENDING_CANCEL)], [], [("unknown_outcome", "c-1")]),
        ([local(OrderStatus.PENDING_NEW)], [], [("unknown_outcome", "c-1")]),
        ([local(OrderStatus.PENDING_NEW)], [report()], [("unknown_outcome", "c-1")]),
        (
            [local(name="c-2"), local(name="c-1")],
            [report(name="c-3"), report(name="c-1")],
            [("missing_on_broker", "c-2"), ("ghost_broker_order", "c-3")],
        ),
    ],
)
def test_every_difference_has_its_name(
    ours: list[LocalOrder], theirs: list[OrderReport], found: list[tuple[str, str]]
) -> None:
    """Each difference between session and broker has its code, own orders first and broker-only orders last."""
    assert compare(ours, theirs) == found


def test_comparing_changes_nothing() -> None:
    """Comparing the same orders twice gives the same answer and changes no order."""
    order = local(filled=1)
    assert compare([order], [report()]) == compare([order], [report()])
    assert (order.status, order.filled) == (OrderStatus.NEW, 1)
