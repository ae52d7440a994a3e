from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.broker.port import BrokerFill
from c2lib.core.errors import ForbiddenTransitionError, InvariantError
from c2lib.core.model import Grid, OrderIntent
from c2lib.core.states import OrderStatus, OrderTrigger
from c2lib.session.ledger import Ledger


def with_order(side: str = "BUY", quantity: int = 4, cash: int = 1000) -> Ledger:
    """Return a ledger with one order at the broker."""
    ledger = Ledger(cash, notional_unit=1)
    ledger.submit("c-1", OrderIntent(side, quantity))
    ledger.acknowledge("c-1", "b-1")
    return ledger


def fill(fill_id: str = "f-1", quantity: int = 4, price: int = 100, fee: int = 1, side: str = "BUY") -> BrokerFill:
    """Return a fill of that order."""
    return BrokerFill(fill_id, "c-1", "b-1", side, quantity, price, fee, "TAKER", 0, 0)


def state(ledger: Ledger) -> tuple[int, int, int, int]:
    """Return what a refused fill must leave alone."""
    return ledger.position, ledger.cash, ledger.fills, ledger.transitions


def test_buy_takes_cash() -> None:
    """A buy fill lowers cash by price times quantity and the fee, raises the position and ends the order."""
    ledger = with_order()
    ledger.apply(fill())
    assert state(ledger) == (4, 599, 1, 2)
    assert ledger.open_orders == {}
    assert (ledger.equity(110), ledger.equity(None)) == (1039, 599)


def test_sale_gives_cash() -> None:
    """A sell fill raises cash, less the fee, and lowers the position, and a short position lowers the equity."""
    ledger = with_order("SELL")
    ledger.apply(fill(side="SELL"))
    assert state(ledger) == (-4, 1399, 1, 2)
    assert ledger.equity(110) == 959


def test_partial_fills_add_up() -> None:
    """Partial fills add up, each moves the order's status, and the order stays open until the last fill."""
    ledger = with_order()
    ledger.apply(fill("f-1", 1))
    order = ledger.open_orders["c-1"]
    assert (order.status, order.filled) == (OrderStatus.PARTIALLY_FILLED, 1)
    ledger.apply(fill("f-2", 2))
    assert (order.status, order.filled) == (OrderStatus.PARTIALLY_FILLED, 3)
    ledger.apply(fill("f-3", 1))
    assert (order.status, ledger.open_orders, ledger.transitions) == (OrderStatus.FILLED, {}, 4)


@pytest.mark.parametrize(
    ("second", "rail"),
    [
        (fill("f-1", 1), "duplicate_fill"),
        (fill("f-2", 4), "fill_beyond_order"),
        (fill("f-2", 0), "fill_beyond_order"),
        (fill("f-2", -1), "fill_beyond_order"),
        (fill("f-2", 1)._replace(client_order_id="c-2"), "unknown_order"),
        (fill("f-2", 1, side="SELL"), "fill_side"),
        (fill("f-2", 1, price=10**6), "negative_cash"),
        (fill("f-2", 1, price=1, fee=10**6), "negative_cash"),
    ],
)
def test_breaking_fill_is_not_applied(second: BrokerFill, rail: str) -> None:
    """A fill that breaks a rail raises an error naming the rail and changes nothing in the ledger."""
    ledger = with_order()
    ledger.apply(fill("f-1", 1))
    before = state(ledger)
    with pytest.raises(InvariantError) as caught:
        ledger.apply(second)
    assert caught.value.rail == rail
    assert state(ledger) == before
    assert ledger.open_orders["c-1"].filled == 1


def test_last_money_unit_is_spendable() -> None:
    """A fill may bring cash to exactly zero, and one unit less trips the rail negative_cash."""
    ledger = with_order(cash=401)
    ledger.apply(fill())
    assert ledger.cash == 0
    with pytest.raises(InvariantError, match="negative_cash"):
        with_order(cash=400).apply(fill())


def test_cash_rail_shows_money() -> None:
    """The rail negative_cash shows the missing cash as money, not in units of the grid."""
    grid = Grid.of("0.01", "1", fee_scale=4)
    ledger = Ledger(grid.money("3.99"), grid.notional_unit, grid.money_text)
    ledger.submit("c-1", OrderIntent("BUY", 4))
    ledger.acknowledge("c-1", "b-1")
    with pytest.raises(InvariantError, match=r"cash of 0 or more, seen -0\.010001 after fill f-1$"):
        ledger.apply(fill())


def test_unasked_cancel_is_one_transition() -> None:
    """A cancel that nobody asked for is one transition, also where a request was on its way."""
    for requested in (False, True):
        ledger = with_order()
        if requested:
            ledger.request_cancel("c-1", "strategy")
        ledger.cancel("c-1", asked=False)
        assert (ledger.transitions, ledger.open_orders) == (2, {})


def test_ended_order_is_dropped() -> None:
    """A rejected or cancelled order is removed from the ledger, and a second answer trips unknown_order."""
    ledger = with_order()
    ledger.submit("c-2", OrderIntent("BUY", 1))
    ledger.move("c-2", OrderTrigger.REJECTED)
    assert list(ledger.open_orders) == ["c-1"]
    ledger.cancel("c-1")
    assert (ledger.open_orders, ledger.transitions) == ({}, 4)
    for answer in (partial(ledger.move, trigger=OrderTrigger.REJECTED), ledger.cancel):
        with pytest.raises(InvariantError, match="unknown_order"):
            answer("c-1")


def test_order_table_guards_moves() -> None:
    """Acknowledging or rejecting an order that the broker already acknowledged raises and changes nothing."""
    ledger = with_order()
    with pytest.raises(ForbiddenTransitionError):
        ledger.acknowledge("c-1", "b-1")
    with pytest.raises(ForbiddenTransitionError):
        ledger.move("c-1", OrderTrigger.REJECTED)
    assert (ledger.open_orders["c-1"].status, ledger.transitions) == (OrderStatus.NEW, 1)


@given(st.lists(st.tuples(st.sampled_from(("BUY", "SELL")), st.integers(1, 9), st.integers(1, 99)), max_size=30))
def test_memory_follows_open_orders(trades: list[tuple[str, int, int]]) -> None:
    """A ledger keeps nothing of finished orders, however many there were."""
    ledger = Ledger(10**6, 1)
    for number, (side, quantity, price) in enumerate(trades):
        ledger.submit("c-1", OrderIntent(side, quantity))
        ledger.acknowledge("c-1", "b-1")
        ledger.apply(fill(f"f-{number}", quantity, price, 0, side))
    assert ledger.open_orders == {}
    assert ledger.fills == len(trades)
