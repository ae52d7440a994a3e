import pytest

from c2lib.broker.mock import KEPT_ORDERS, KEPT_REPORTS, MockBroker
from c2lib.broker.port import OrderReport
from c2lib.core.config import BrokerConfig
from c2lib.core.errors import InvalidRequestError, OrderRejectedError
from c2lib.core.model import Grid
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


@pytest.mark.parametrize(
    ("side", "price", "cash", "covered"),
    [
        # a purchase of 4 at 10 costs 40 and a fee of 20; a sale brings 40 and costs a fee of 60
        ("BUY", 10, "60", True),
        ("BUY", 10, "59.9", False),
        ("SELL", 10, "20", True),
        ("SELL", 10, "19.9", False),
    ],
)
def test_last_unit_covers_fill(side: str, price: int, cash: str, covered: bool) -> None:
    """A fill may take cash to exactly zero, fee included, and one unit less cancels its order for want of cash."""
    rate = "0.5" if side == "BUY" else "1.5"
    venue = MockBroker(BrokerConfig(taker_fee_rate=rate, initial_cash=cash), Grid.of("1", "1", fee_scale=1), seed=1)
    venue.place_order(order("MARKET", side, quantity=4))
    venue.advance(flat_bar(0, price))
    report = venue.query_order("c-1")
    assert len(fills_of(venue)) == covered
    if covered:
        assert (report.status, venue.iter_ends(0)) == (OrderStatus.FILLED, (0, []))
    else:
        assert venue.iter_ends(0) == (1, [report])
        assert report == OrderReport("b-000001", "c-1", OrderStatus.CANCELLED, 4, 0, "insufficient_funds")


def test_cash_follows_slippage_and_volume() -> None:
    """Cash is checked for what would be filled, at the slipped price, and the volume that it leaves goes on."""
    venue = venue_of(slippage_ticks=5, participation="0.5", initial_cash="275")
    venue.place_order(order("MARKET", quantity=9, name="two-bars"))
    venue.place_order(order("MARKET", quantity=1, name="late"))
    venue.advance(bar(0, 50, 50, 50, volume=10))
    assert fills_of(venue) == [(0, 5, 55, "TAKER")]
    venue.place_order(order("MARKET", "SELL", quantity=2, name="sale"))
    venue.advance(bar(1, 50, 50, 50, volume=10))
    # both purchases lack cash and use no volume; the sale comes after them
    assert [(end.client_order_id, end.filled_quantity) for end in venue.iter_ends(0)[1]] == [
        ("two-bars", 5),
        ("late", 0),
    ]
    assert fills_of(venue)[1:] == [(1, 2, 45, "TAKER")]


def test_nothing_is_reserved() -> None:
    """Orders that together ask for more than the cash are all accepted, and cash goes to those that fill first."""
    venue = venue_of(initial_cash="100")
    for name, limit in (("low", 40), ("open", 60), ("lower", 30)):
        venue.place_order(order("LIMIT", limit=limit, quantity=2, name=name))
    assert len(venue.list_open_orders()) == 3
    venue.advance(bar(0, 50, 50, 45))
    assert fills_of(venue) == [(0, 2, 50, "TAKER")]
    assert [report.client_order_id for report in venue.list_open_orders()] == ["low", "lower"]
    venue.place_order(order("MARKET", "SELL", quantity=1, name="sale"))
    venue.advance(bar(1, 50, 50, 20))
    assert [end.client_order_id for end in venue.iter_ends(0)[1]] == ["low", "lower"]
    assert venue.list_open_orders() == ()


@pytest.mark.parametrize("tif", ["IOC", "FOK"])
def test_immediate_order_lacks_cash(tif: str) -> None:
    """An IOC or FOK order that cash does not cover ends once, cancelled for want of cash and not expired."""
    venue = venue_of(initial_cash="99")
    venue.place_order(order("MARKET", quantity=2, tif=tif))
    venue.advance(flat_bar(0, 50))
    assert [(end.status.value, end.reason) for end in venue.iter_ends(0)[1]] == [("CANCELLED", "insufficient_funds")]


def test_ends_are_reported_in_order() -> None:
    """Ends without a fill are reported in their order, with a reason where nobody asked, and again from a cursor."""
    venue = venue_of(initial_cash="10", latency_steps=1)
    venue.advance(bar(0, 50, 60, 40, time=0))
    venue.place_order(order("LIMIT", limit=10, name="asked"))
    venue.place_order(order("LIMIT", limit=45, tif="IOC", name="ioc"))
    venue.place_order(order("LIMIT", limit=10, tif="DAY", name="day"))
    venue.place_order(order("MARKET", name="poor"))
    venue.cancel_order("asked")
    venue.advance(bar(1, 50, 60, 40, time=HOUR))
    venue.advance(bar(2, 50, 60, 40, time=24 * HOUR))
    cursor, ends = venue.iter_ends(0)
    assert [(end.client_order_id, end.status.value, end.reason) for end in ends] == [
        ("asked", "CANCELLED", None),
        ("day", "EXPIRED", "DAY"),
        ("ioc", "EXPIRED", "IOC"),
        ("poor", "CANCELLED", "insufficient_funds"),
    ]
    assert venue.iter_ends(2) == (cursor, ends[2:])
    assert venue.iter_ends(cursor) == (4, [])
    with pytest.raises(InvalidRequestError, match="end cursor 5 is not between 0 and 4"):
        venue.iter_ends(5)


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


@pytest.mark.parametrize(("gap", "rejected"), [(24 * HOUR, True), (24 * HOUR - 1, False), (HOUR, False), (None, False)])
def test_day_never_fills_on_days(gap: int | None, rejected: bool) -> None:
    """Where no two bars are nearer than a day, DAY orders are rejected by name, and all others are accepted."""
    venue = MockBroker(BrokerConfig(), Grid.of("1", "1", fee_scale=4), 1, gap)
    for tif in ("GTC", "IOC", "FOK"):
        venue.place_order(order("MARKET", tif=tif, name=tif))
    if rejected:
        for kind in (order("MARKET", tif="DAY"), order("STOP", stop=3, tif="DAY")):
            with pytest.raises(OrderRejectedError) as caught:
                venue.place_order(kind)
            assert caught.value.reason == "day_never_fills"
        with pytest.raises(OrderRejectedError, match="quantity_not_positive"):
            venue.place_order(order("MARKET", tif="DAY", quantity=0))
    else:
        venue.place_order(order("MARKET", tif="DAY"))


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
