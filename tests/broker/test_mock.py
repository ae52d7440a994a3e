import pytest

from c2lib.broker.mock import KEPT_ORDERS, KEPT_REPORTS
from c2lib.core.errors import (
    InvalidRequestError,
)
from c2lib.core.model import OrderReport
from c2lib.core.states import OrderStatus
from tests.broker.venue import HOUR, bar, fills_of, flat_bar, free_venue, market_order, order, venue_of


def test_ids_are_counted() -> None:
    """Orders and fills are numbered in the order of placing."""
    venue = free_venue()
    assert [venue.place_order(market_order(name)) for name in ("x", "y")] == ["b-000001", "b-000002"]
    venue.advance(flat_bar(0))
    cursor, fills = venue.iter_fills(0)
    assert [(fill.fill_id, fill.client_order_id) for fill in fills] == [("f-000001", "x"), ("f-000002", "y")]
    assert cursor == 2


def test_order_meets_next_bar() -> None:
    """An order meets the bar after the bar at which the order was decided."""
    venue = free_venue()
    venue.advance(flat_bar(0, 100))
    venue.place_order(market_order("c-1"))
    assert venue.iter_fills(0) == (0, [])
    venue.advance(flat_bar(1, 200))
    (fill,) = venue.iter_fills(0)[1]
    assert (fill.bar_index, fill.price, fill.leaves_quantity) == (1, 200, 0)


def test_client_id_works_once() -> None:
    """The venue refuses a client order id that was used, even for an equal order."""
    venue = free_venue()
    venue.place_order(market_order("c-1"))
    with pytest.raises(InvalidRequestError, match="'c-1' was used before"):
        venue.place_order(market_order("c-1"))


@pytest.mark.parametrize("name", ["b-000001", "c-1"])
def test_both_ids_find_order(name: str) -> None:
    """Queries and cancels find an order by its broker id and by its client id."""
    venue = free_venue()
    venue.place_order(market_order("c-1", quantity=2))
    assert venue.query_order(name) == OrderReport("b-000001", "c-1", OrderStatus.NEW, 2, 0)
    assert venue.cancel_order(name) is OrderStatus.CANCELLED
    assert venue.list_open_orders() == ()
    assert venue.query_order(name).status is OrderStatus.CANCELLED


def test_ended_order_stays_ended() -> None:
    """A cancel of an ended order returns the final status of the order and changes nothing."""
    venue = free_venue()
    venue.place_order(market_order("c-1"))
    venue.advance(flat_bar(0))
    assert venue.cancel_order("b-000001") is OrderStatus.FILLED
    venue.place_order(market_order("c-2"))
    assert [venue.cancel_order("b-000002") for _ in range(2)] == [OrderStatus.CANCELLED] * 2


def test_unknown_order_is_refused() -> None:
    """A query or a cancel of an order that was never placed is an error."""
    venue = free_venue()
    with pytest.raises(InvalidRequestError, match="no order 'b-000009'"):
        venue.query_order("b-000009")
    with pytest.raises(InvalidRequestError, match="no order 'b-000009'"):
        venue.cancel_order("b-000009")


@pytest.mark.parametrize("cursor", [-1, 2])
def test_unknown_cursor_is_refused(cursor: int) -> None:
    """A cursor below zero or beyond the last fill is an error."""
    venue = free_venue()
    venue.place_order(market_order("c-1"))
    venue.advance(flat_bar(0))
    with pytest.raises(InvalidRequestError, match="is not between 0 and 1"):
        venue.iter_fills(cursor)


def test_volume_is_shared() -> None:
    """A share of the volume serves the open before the range, and earlier orders before later ones."""
    venue = venue_of(participation="0.5")
    venue.place_order(order("LIMIT", limit=45, quantity=4, name="range"))
    venue.place_order(order("MARKET", quantity=2, name="open"))
    venue.place_order(order("STOP", stop=55, quantity=4, name="stop"))
    venue.advance(bar(0, 50, 60, 40))
    assert fills_of(venue) == [(0, 2, 50, "TAKER"), (0, 3, 45, "MAKER")]
    venue.advance(bar(1, 52, 53, 51, volume=0))
    venue.advance(bar(2, 52, 53, 51, volume=100))
    # the stop triggered on bar 0, where nothing was left for it, and is a market order since
    assert fills_of(venue)[2:] == [(2, 4, 52, "TAKER")]
    assert venue.query_order("range") == OrderReport("b-000001", "range", OrderStatus.PARTIALLY_FILLED, 4, 3)


def test_immediate_orders_never_wait() -> None:
    """An IOC order fills what the open offers, a FOK order all or nothing, and the remainder expires."""
    venue = venue_of(participation="0.5")
    venue.place_order(order("MARKET", quantity=6, tif="FOK", name="too-much"))
    venue.place_order(order("MARKET", quantity=3, tif="FOK", name="whole"))
    venue.place_order(order("MARKET", quantity=3, tif="IOC", name="part"))
    venue.place_order(order("LIMIT", limit=45, tif="IOC", name="away"))
    venue.advance(bar(0, 50, 60, 40))
    assert [fill[1] for fill in fills_of(venue)] == [3, 2]
    ends = {name: venue.query_order(name).status.value for name in ("too-much", "whole", "part", "away")}
    assert ends == {"too-much": "EXPIRED", "whole": "FILLED", "part": "EXPIRED", "away": "EXPIRED"}
    assert venue.list_open_orders() == ()


def test_day_order_expires() -> None:
    """A DAY order expires before the first bar of the next day; before any bar, its day is the first bar's."""
    venue = free_venue()
    venue.place_order(order("LIMIT", limit=10, tif="DAY", name="early"))
    venue.advance(bar(0, 50, 60, 40, time=0))
    venue.place_order(order("LIMIT", limit=40, tif="DAY", name="filled"))
    venue.advance(bar(1, 50, 60, 30, time=23 * HOUR))
    assert venue.query_order("early").status is OrderStatus.NEW
    venue.advance(bar(2, 5, 60, 5, time=24 * HOUR))
    assert venue.query_order("early").status is OrderStatus.EXPIRED
    assert [fill[0] for fill in fills_of(venue)] == [1]


def test_latency_delays_orders() -> None:
    """An order with a latency of two steps, placed after bar 0, meets bar 3."""
    venue = venue_of(latency_steps=2)
    venue.advance(flat_bar(0))
    venue.place_order(market_order("c-1"))
    for index in (1, 2, 3):
        venue.advance(flat_bar(index))
    assert fills_of(venue) == [(3, 1, 100, "TAKER")]


def test_ended_orders_are_kept() -> None:
    """The last ended orders can be queried, and a query of an older ended order raises an error that says so."""
    venue = free_venue()
    for number in range(KEPT_ORDERS + 1):
        venue.place_order(market_order(f"c-{number}"))
        venue.cancel_order(f"c-{number}")
    assert venue.query_order("c-1").status is OrderStatus.CANCELLED
    for name in ("c-0", "b-000001"):
        with pytest.raises(InvalidRequestError, match=f"among the last {KEPT_ORDERS} that ended"):
            venue.query_order(name)


def test_read_fills_are_kept() -> None:
    """Unread fills are all kept and read fills for a while, so that a reader going forward misses no fill."""
    venue, total = free_venue(), 3 * KEPT_REPORTS
    for number in range(total):
        venue.place_order(market_order(f"c-{number}"))
        venue.advance(flat_bar(number, 1))
    assert len(venue.iter_fills(0)[1]) == total
    seen: list[str] = []
    for cursor in range(0, total, 1000):
        seen.extend(fill.fill_id for fill in venue.iter_fills(cursor)[1][:1000])
    assert seen == [f"f-{number + 1:06d}" for number in range(total)]
    venue.iter_fills(total)
    assert len(venue.iter_fills(total - KEPT_REPORTS)[1]) == KEPT_REPORTS
    with pytest.raises(InvalidRequestError, match="read and forgotten"):
        venue.iter_fills(total - KEPT_REPORTS - 1)
