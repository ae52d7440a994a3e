"""The mock venue, by hand; beside an independent model in ``test_oracle``."""

from typing import Any

import pytest

from c2lib.broker.mock import KEPT_FILLS, KEPT_ORDERS
from c2lib.core.errors import InvalidRequestError, OrderRejectedError
from c2lib.core.model import OrderReport, OrderRequest
from c2lib.core.states import OrderStatus
from tests.broker.venue import HOUR, bar, fills_of, flat_bar, free_venue, market_order, order, venue_of


def test_ids_are_counted_and_orders_fill_in_the_order_of_placing() -> None:
    """No clock, no chance: the same calls, the same ids."""
    venue = free_venue()
    assert [venue.place_order(market_order(name)) for name in ("x", "y")] == ["b-000001", "b-000002"]
    venue.advance(flat_bar(0))
    cursor, fills = venue.iter_fills(0)
    assert [(fill.fill_id, fill.client_order_id) for fill in fills] == [("f-000001", "x"), ("f-000002", "y")]
    assert cursor == 2


def test_an_order_does_not_fill_on_the_bar_that_decided_it() -> None:
    """It meets the bar after; there is no look-ahead."""
    venue = free_venue()
    venue.advance(flat_bar(0, 100))
    venue.place_order(market_order("c-1"))
    assert venue.iter_fills(0) == (0, [])
    venue.advance(flat_bar(1, 200))
    (fill,) = venue.iter_fills(0)[1]
    assert (fill.bar_index, fill.price, fill.leaves_quantity) == (1, 200, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"side": "LEND"}, "unknown_side"),
        ({"order_type": "ICEBERG"}, "unknown_order_type"),
        ({"time_in_force": "GTD"}, "unknown_time_in_force"),
        ({"order_type": "STOP", "stop_price": 5, "time_in_force": "IOC"}, "unsupported_combination"),
        ({"quantity": 0}, "quantity_not_positive"),
        ({"order_type": "LIMIT"}, "price_missing"),
        ({"order_type": "STOP_LIMIT", "limit_price": 5}, "price_missing"),
        ({"limit_price": 5}, "price_not_wanted"),
        ({"order_type": "LIMIT", "limit_price": 0}, "price_not_positive"),
        ({"order_type": "STOP", "stop_price": -1}, "price_not_positive"),
    ],
)
def test_what_the_venue_cannot_do_it_rejects_with_a_reason(change: dict[str, Any], reason: str) -> None:
    """A rejected order leaves nothing behind."""
    venue = free_venue()
    with pytest.raises(OrderRejectedError) as caught:
        venue.place_order(market_order("c-1")._replace(**change))
    assert caught.value.reason == reason
    assert venue.list_open_orders() == ()


def test_a_client_order_id_can_be_used_once() -> None:
    """Not even for the same order: idempotency is the adapter's."""
    venue = free_venue()
    venue.place_order(market_order("c-1"))
    with pytest.raises(InvalidRequestError, match="'c-1' was used before"):
        venue.place_order(market_order("c-1"))


@pytest.mark.parametrize("name", ["b-000001", "c-1"])
def test_an_order_answers_to_both_its_ids(name: str) -> None:
    """For a query and for a cancel."""
    venue = free_venue()
    venue.place_order(market_order("c-1", quantity=2))
    assert venue.query_order(name) == OrderReport("b-000001", "c-1", OrderStatus.NEW, 2, 0)
    assert venue.cancel_order(name) is OrderStatus.CANCELLED
    assert venue.list_open_orders() == ()
    assert venue.query_order(name).status is OrderStatus.CANCELLED


def test_an_order_that_ended_stays_as_it_is() -> None:
    """A cancel that comes too late says so; a second cancel changes nothing."""
    venue = free_venue()
    venue.place_order(market_order("c-1"))
    venue.advance(flat_bar(0))
    assert venue.cancel_order("b-000001") is OrderStatus.FILLED
    venue.place_order(market_order("c-2"))
    assert [venue.cancel_order("b-000002") for _ in range(2)] == [OrderStatus.CANCELLED] * 2


def test_an_order_that_nobody_placed_is_an_error() -> None:
    """Neither a query nor a cancel invents one."""
    venue = free_venue()
    with pytest.raises(InvalidRequestError, match="no order 'b-000009'"):
        venue.query_order("b-000009")
    with pytest.raises(InvalidRequestError, match="no order 'b-000009'"):
        venue.cancel_order("b-000009")


@pytest.mark.parametrize("cursor", [-1, 2])
def test_a_cursor_that_was_never_given_is_an_error(cursor: int) -> None:
    """Beyond the end or below zero."""
    venue = free_venue()
    venue.place_order(market_order("c-1"))
    venue.advance(flat_bar(0))
    with pytest.raises(InvalidRequestError, match="is not between 0 and 1"):
        venue.iter_fills(cursor)


@pytest.mark.parametrize(
    ("request_", "met", "fill"),
    [
        # bars are (open, high, low); a fill is (lots, price, liquidity)
        (order("MARKET"), (50, 60, 40), (1, 50, "TAKER")),
        (order("LIMIT", limit=55), (50, 60, 40), (1, 50, "TAKER")),
        (order("LIMIT", limit=50), (50, 60, 40), (1, 50, "TAKER")),
        (order("LIMIT", limit=45), (50, 60, 40), (1, 45, "MAKER")),
        (order("LIMIT", limit=40), (50, 60, 40), None),
        (order("LIMIT", "SELL", limit=45), (50, 60, 40), (1, 50, "TAKER")),
        (order("LIMIT", "SELL", limit=55), (50, 60, 40), (1, 55, "MAKER")),
        (order("LIMIT", "SELL", limit=60), (50, 60, 40), None),
        (order("STOP", stop=45), (50, 60, 40), (1, 50, "TAKER")),
        (order("STOP", stop=55), (50, 60, 40), (1, 55, "TAKER")),
        (order("STOP", stop=60), (50, 60, 40), (1, 60, "TAKER")),
        (order("STOP", stop=61), (50, 60, 40), None),
        (order("STOP", "SELL", stop=55), (50, 60, 40), (1, 50, "TAKER")),
        (order("STOP", "SELL", stop=40), (50, 60, 40), (1, 40, "TAKER")),
        (order("STOP", "SELL", stop=39), (50, 60, 40), None),
        (order("STOP_LIMIT", stop=55, limit=57), (50, 60, 40), (1, 55, "TAKER")),
        (order("STOP_LIMIT", stop=55, limit=54), (50, 60, 40), None),
        (order("STOP_LIMIT", stop=45, limit=50), (50, 60, 40), (1, 50, "TAKER")),
        (order("STOP_LIMIT", stop=45, limit=49), (50, 60, 40), None),
        (order("STOP_LIMIT", "SELL", stop=45, limit=45), (50, 60, 40), (1, 45, "TAKER")),
    ],
)
def test_where_an_order_fills_on_its_first_bar(
    request_: OrderRequest, met: tuple[int, int, int], fill: tuple[int, int, str] | None
) -> None:
    """At the open, at the gap, at the stop, at the limit that is traded through, or nowhere."""
    venue = free_venue()
    venue.place_order(request_)
    venue.advance(bar(0, *met))
    assert fills_of(venue) == ([(0, *fill)] if fill else [])


def test_a_limit_that_rests_makes_liquidity_even_at_a_later_open() -> None:
    """It was in the book before; the better price is still its own."""
    venue = free_venue()
    venue.place_order(order("LIMIT", limit=50))
    venue.advance(bar(0, 60, 60, 55))
    venue.advance(bar(1, 45, 60, 40))
    assert fills_of(venue) == [(1, 1, 45, "MAKER")]


def test_a_stop_limit_beyond_its_limit_rests_as_a_limit_from_the_next_bar() -> None:
    """Triggered at 60 and worth 55 at most: the same bar's low does not count, the next one's does."""
    venue = free_venue()
    venue.place_order(order("STOP_LIMIT", stop=50, limit=55))
    venue.advance(bar(0, 60, 60, 40))
    assert fills_of(venue) == []
    venue.advance(bar(1, 60, 60, 40))
    assert fills_of(venue) == [(1, 1, 55, "MAKER")]


def test_a_touch_fills_only_where_the_config_says_so() -> None:
    """For both sides."""
    venue = venue_of(touch_fills=True)
    venue.place_order(order("LIMIT", limit=40))
    venue.place_order(order("LIMIT", "SELL", limit=60, name="c-2"))
    venue.advance(bar(0, 50, 60, 40))
    assert fills_of(venue) == [(0, 1, 40, "MAKER"), (0, 1, 60, "MAKER")]


def test_slippage_is_against_the_order_and_never_below_one_tick() -> None:
    """On market and stop orders; a limit keeps its price."""
    venue = venue_of(slippage_ticks=3)
    for number, request in enumerate(
        (
            order("MARKET"),
            order("MARKET", "SELL"),
            order("STOP", stop=4),
            order("LIMIT", limit=9),
            order("STOP_LIMIT", stop=3, limit=3),
        )
    ):
        venue.place_order(request._replace(client_order_id=f"c-{number}"))
    venue.advance(bar(0, 2, 5, 2))
    assert [price for _, _, price, _ in fills_of(venue)] == [5, 1, 2, 7, 3]


def test_volume_is_shared_in_order_of_arrival_the_open_first() -> None:
    """Half of ten lots: the market order that came last is served at the open, before the range."""
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


def test_orders_at_once_fill_at_the_open_or_expire() -> None:
    """IOC takes what there is, FOK all or nothing; neither waits for the range."""
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


def test_a_day_order_expires_before_the_first_bar_of_a_later_day() -> None:
    """It does not meet that bar; one placed before any bar has the day of the first."""
    venue = free_venue()
    venue.place_order(order("LIMIT", limit=10, tif="DAY", name="early"))
    venue.advance(bar(0, 50, 60, 40, time=0))
    venue.place_order(order("LIMIT", limit=40, tif="DAY", name="filled"))
    venue.advance(bar(1, 50, 60, 30, time=23 * HOUR))
    assert venue.query_order("early").status is OrderStatus.NEW
    venue.advance(bar(2, 5, 60, 5, time=24 * HOUR))
    assert venue.query_order("early").status is OrderStatus.EXPIRED
    assert [fill[0] for fill in fills_of(venue)] == [1]


def test_latency_delays_orders_and_cancels_alike() -> None:
    """Placed after bar 0 with two steps on the way, an order meets bar 3."""
    venue = venue_of(latency_steps=2)
    venue.advance(flat_bar(0))
    venue.place_order(market_order("c-1"))
    for index in (1, 2, 3):
        venue.advance(flat_bar(index))
    assert fills_of(venue) == [(3, 1, 100, "TAKER")]


def test_the_seed_decides_which_orders_are_rejected() -> None:
    """Two venues agree; about a quarter is refused, all of them at a rate of one."""

    def told(rate: str) -> list[str]:
        venue, answers = venue_of(reject_rate=rate), []
        for number in range(400):
            try:
                venue.place_order(market_order(f"c-{number}"))
                answers.append("")
            except OrderRejectedError as error:
                answers.append(error.reason)
        return answers

    assert told("0.25") == told("0.25")
    assert 60 < told("0.25").count("seeded_reject") < 140
    assert set(told("1")) == {"seeded_reject"}


def test_what_ended_is_remembered_for_a_while() -> None:
    """The last ones can be asked for, the one before them is forgotten, with a clear word."""
    venue = free_venue()
    for number in range(KEPT_ORDERS + 1):
        venue.place_order(market_order(f"c-{number}"))
        venue.cancel_order(f"c-{number}")
    assert venue.query_order("c-1").status is OrderStatus.CANCELLED
    for name in ("c-0", "b-000001"):
        with pytest.raises(InvalidRequestError, match=f"among the last {KEPT_ORDERS} that ended"):
            venue.query_order(name)


def test_fills_that_were_read_are_kept_for_a_while() -> None:
    """Unread ones for ever; whoever reads forward misses none, however the reads are cut."""
    venue, total = free_venue(), 3 * KEPT_FILLS
    for number in range(total):
        venue.place_order(market_order(f"c-{number}"))
        venue.advance(flat_bar(number))
    assert len(venue.iter_fills(0)[1]) == total
    seen: list[str] = []
    for cursor in range(0, total, 1000):
        seen.extend(fill.fill_id for fill in venue.iter_fills(cursor)[1][:1000])
    assert seen == [f"f-{number + 1:06d}" for number in range(total)]
    venue.iter_fills(total)
    assert len(venue.iter_fills(total - KEPT_FILLS)[1]) == KEPT_FILLS
    with pytest.raises(InvalidRequestError, match="read and forgotten"):
        venue.iter_fills(total - KEPT_FILLS - 1)
