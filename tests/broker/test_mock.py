"""The mock venue, by hand and against an independent model of venue, adapter and ledger together."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from c2lib.broker.adapter import BrokerAdapter
from c2lib.broker.fills import MakerTakerFee, NextOpen
from c2lib.broker.mock import MockBroker
from c2lib.core.errors import InvalidRequestError, OrderRejectedError
from c2lib.core.model import Bar, BrokerPort, OrderReport
from c2lib.core.states import OrderStatus
from c2lib.session.ledger import Ledger
from tests.broker.venue import flat_bar, free_venue, market_order

TICK, LOT, FEE_RATE, CASH = Fraction(1, 100), Fraction(1, 4), Fraction(3, 10000), Fraction(10**9)
NOTIONAL_UNIT = 25 * 10**4
"""Money units (10 to the minus 8) in a tick of 0.01 times a lot of 0.25."""
FEE_UNIT = 25 * 3


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
    [({"order_type": "LIMIT"}, "unsupported_order_type"), ({"quantity": 0}, "quantity_not_positive")],
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


class Halving(NextOpen):
    """Fills half of what is left, and nothing on odd bars."""

    def execution(self, request: Any, leaves_quantity: int, bar: Bar) -> Any:
        """Return the smaller half of the rest, at least a lot."""
        if bar.bar_index % 2:
            return None
        return super().execution(request, (leaves_quantity + 1) // 2, bar)


def test_a_fill_model_may_fill_in_parts_or_not_at_all() -> None:
    """The order stays open until nothing is left."""
    venue = MockBroker(Halving(), MakerTakerFee(0, 0))
    venue.place_order(market_order("c-1", quantity=3))
    seen = []
    for index in range(5):
        venue.advance(flat_bar(index))
        seen.append((venue.query_order("c-1").status.value, venue.query_order("c-1").filled_quantity))
    assert seen == [("PARTIALLY_FILLED", 2)] * 2 + [("FILLED", 3)] * 3
    assert [fill.leaves_quantity for fill in venue.iter_fills(0)[1]] == [1, 0]


class Trading(RuleBasedStateMachine):
    """Venue, adapter and ledger against lists and fractions."""

    def __init__(self) -> None:
        super().__init__()
        self.venue = MockBroker(NextOpen(), MakerTakerFee(0, FEE_UNIT))
        self.adapter: BrokerPort = BrokerAdapter(self.venue)
        self.ledger = Ledger(int(CASH * 10**8), NOTIONAL_UNIT)
        self.cursor = 0
        self.bars = 0
        self.mark = 0
        # the model: every order as [side, lots, broker id, state], every fill as (order, price in ticks)
        self.orders: list[list[Any]] = []
        self.fills: list[tuple[int, int, int]] = []
        self.seen = 0

    def open_orders(self) -> list[int]:
        """Return the numbers of the orders that the model takes for open."""
        return [number for number, order in enumerate(self.orders) if order[3] == "open"]

    @rule(side=st.sampled_from(("BUY", "SELL")), lots=st.integers(1, 50), again=st.booleans())
    def place(self, side: str, lots: int, again: bool) -> None:
        """Place an order, perhaps twice."""
        name = f"c-{len(self.orders)}"
        self.ledger.submit(name, side, lots)
        broker_order_id = self.adapter.place_order(market_order(name, side, lots))
        if again:
            assert self.adapter.place_order(market_order(name, side, lots)) == broker_order_id
        self.ledger.acknowledge(name, broker_order_id)
        self.orders.append([side, lots, broker_order_id, "open"])

    @precondition(lambda self: self.open_orders())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancel an order that is open."""
        number = data.draw(st.sampled_from(self.open_orders()))
        assert self.adapter.cancel_order(self.orders[number][2]) is OrderStatus.CANCELLED
        self.ledger.cancel(f"c-{number}")
        self.orders[number][3] = "cancelled"

    @rule(opening=st.integers(1, 10**5), closing=st.integers(1, 10**5))
    def advance(self, opening: int, closing: int) -> None:
        """Let a bar pass; everything open fills at its open."""
        self.venue.advance(Bar(self.bars, 0, opening, max(opening, closing), min(opening, closing), closing, 1))
        for number in self.open_orders():
            self.fills.append((number, opening, self.bars))
            self.orders[number][3] = "filled"
        self.bars, self.mark = self.bars + 1, closing

    @rule(keep=st.integers(0, 5))
    def read_fills(self, keep: int) -> None:
        """Read the fills, and go back over some of them without booking them twice."""
        cursor, fills = self.adapter.iter_fills(self.cursor)
        expected = self.fills[self.seen :]
        assert cursor == len(self.fills)
        assert [(fill.client_order_id, fill.price, fill.bar_index) for fill in fills] == [
            (f"c-{number}", price, bar) for number, price, bar in expected
        ]
        for fill in fills:
            self.ledger.apply(fill)
        self.cursor, self.seen = cursor, len(self.fills)
        back = max(0, cursor - keep)
        assert len(self.adapter.iter_fills(back)[1]) == cursor - back

    @rule(beyond=st.integers(1, 9))
    def read_beyond(self, beyond: int) -> None:
        """Ask from a cursor outside the fills, which is refused."""
        for cursor in (-beyond, len(self.fills) + beyond):
            with pytest.raises(InvalidRequestError):
                self.adapter.iter_fills(cursor)

    @invariant()
    def money_is_exact(self) -> None:
        """Cash, position and equity are what the fractions say, to the last money unit."""
        cash, lots = CASH, 0
        for number, price, _ in self.fills[: self.seen]:
            side, quantity = self.orders[number][0], self.orders[number][1]
            notional = price * TICK * quantity * LOT
            cash += (-notional if side == "BUY" else notional) - notional * FEE_RATE
            lots += quantity if side == "BUY" else -quantity
        assert Fraction(self.ledger.cash, 10**8) == cash
        assert self.ledger.position == lots
        assert Fraction(self.ledger.equity(self.mark), 10**8) == cash + lots * LOT * self.mark * TICK

    @invariant()
    def both_sides_list_the_same_open_orders(self) -> None:
        """In the order of placing; once the fills are read, the ledger has the same."""
        listed = [report.client_order_id for report in self.adapter.list_open_orders()]
        assert listed == [f"c-{number}" for number in self.open_orders()]
        if self.seen == len(self.fills):
            assert list(self.ledger.open_orders) == listed

    @invariant()
    def no_fill_on_the_deciding_bar(self) -> None:
        """Hold that an order waits for the bar after the one that decided it."""
        for number in self.open_orders():
            assert self.adapter.query_order(f"c-{number}").filled_quantity == 0


TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=40, stateful_step_count=30)
