import pytest

from c2lib.broker.adapter import BrokerAdapter, CallCounts
from c2lib.broker.mock import MockBroker
from c2lib.core.errors import BrokerTimeoutError, InvalidRequestError, OrderRejectedError
from c2lib.core.model import BrokerPort, OrderRequest
from c2lib.core.states import OrderStatus
from tests.broker.venue import flat_bar, free_venue, market_order


def fronted() -> tuple[BrokerAdapter, MockBroker]:
    """Return an adapter and the venue behind it."""
    venue = free_venue()
    return BrokerAdapter(venue), venue


def test_an_adapter_is_a_port_itself() -> None:
    """It can stand wherever a venue can."""
    port: BrokerPort = BrokerAdapter(free_venue())
    inner = BrokerAdapter(port)
    assert inner.place_order(market_order("c-1")) == "b-000001"


def test_placing_an_order_twice_has_one_effect_and_one_answer() -> None:
    """The client order id is the idempotency key."""
    adapter, venue = fronted()
    assert {adapter.place_order(market_order("c-1")) for _ in range(3)} == {"b-000001"}
    venue.advance(flat_bar(0))
    assert len(venue.iter_fills(0)[1]) == 1
    assert adapter.counts.place == 3


def test_one_key_for_two_orders_is_a_permanent_error() -> None:
    """The second order does not reach the venue."""
    adapter, venue = fronted()
    adapter.place_order(market_order("c-1"))
    with pytest.raises(InvalidRequestError, match="stands for another order"):
        adapter.place_order(market_order("c-1", quantity=2))
    assert len(venue.list_open_orders()) == 1


def test_a_key_is_remembered_after_its_effect_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that did not come through can be tried again under its key."""
    adapter, venue = fronted()

    def times_out(request: OrderRequest) -> str:
        raise BrokerTimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(venue, "place_order", times_out)
        with pytest.raises(BrokerTimeoutError):
            adapter.place_order(market_order("c-1"))
    assert adapter.place_order(market_order("c-1")) == "b-000001"
    assert adapter.counts.place == 2


def test_a_rejected_order_leaves_its_key_free() -> None:
    """Nothing was placed under it."""
    adapter, _ = fronted()
    with pytest.raises(OrderRejectedError):
        adapter.place_order(market_order("c-1", quantity=0))
    assert adapter.place_order(market_order("c-1")) == "b-000001"


def test_a_forgotten_key_does_not_fool_the_venue() -> None:
    """The venue still knows that it was used; forgetting what was never known is no error."""
    adapter, _ = fronted()
    adapter.place_order(market_order("c-1"))
    adapter.forget("c-1")
    adapter.forget("c-9")
    with pytest.raises(InvalidRequestError, match="was used before"):
        adapter.place_order(market_order("c-1"))


def test_calls_are_counted_whatever_comes_of_them() -> None:
    """Cancels and queries go through and count; a failing one counts as well."""
    adapter, _ = fronted()
    adapter.place_order(market_order("c-1"))
    assert adapter.query_order("c-1") == adapter.list_open_orders()[0]
    assert adapter.cancel_order("b-000001") is OrderStatus.CANCELLED
    with pytest.raises(InvalidRequestError):
        adapter.query_order("c-9")
    with pytest.raises(InvalidRequestError):
        adapter.cancel_order("b-9")
    assert adapter.iter_fills(0) == (0, [])
    assert adapter.counts == CallCounts(place=1, cancel=2, query=3, retries=0)
