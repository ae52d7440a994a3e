"""What a strategy is shown, held against models of its own and against the log."""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.broker.port import BrokerFill
from c2lib.core.model import CancelIntent, OpenOrder, OrderIntent, PositionView, StrategySettings
from c2lib.session.ledger import Ledger
from c2lib.witness.refold import Books
from tests.session.harness import Record, answering, config_of, deciding, flat_bars, own_config, run

Trades = Sequence[tuple[int, int]]
"""Signed lots and a price each."""


def entry_model(trades: Trades) -> Fraction | None:
    """Return the average cost of the position that trades leave, lot by lot and never rounded."""
    position, cost = 0, Fraction(0)
    for lots, price in trades:
        for _ in range(abs(lots)):
            sign = 1 if lots > 0 else -1
            if position * sign < 0:
                cost -= cost / abs(position)
            else:
                cost += price
            position += sign
    return cost / abs(position) if position else None


@given(
    st.lists(st.tuples(st.integers(-9, 9).filter(bool), st.integers(1, 10**6)), max_size=40),
    st.sampled_from([1, 10**12]),
)
def test_average_entry_agrees_with_model(trades: Trades, scale: int) -> None:
    """The average entry price is that of a lot-by-lot model, to the rounding of its additions."""
    ledger = Ledger(10**40, 1)
    for number, (lots, price) in enumerate(trades):
        side = "BUY" if lots > 0 else "SELL"
        ledger.submit("c-1", OrderIntent(side, abs(lots)))
        ledger.acknowledge("c-1", "b-1")
        ledger.apply(BrokerFill(f"f-{number}", "c-1", "b-1", side, abs(lots), price * scale, 0, "TAKER", 0, 0))
    seen = PositionView(ledger.position, (), ledger.entry_units).average_entry_price
    model = entry_model([(lots, price * scale) for lots, price in trades])
    assert (seen is None) == (model is None)
    if seen is not None and model is not None:
        assert abs(Fraction(seen) - model) <= len(trades) * Fraction(1, 2 * 10**9)


@given(st.integers(-(10**90), 10**90), st.integers(0, 80))
def test_money_is_exact(units: int, scale: int) -> None:
    """Cash and equity are exact decimals whatever the strategy's decimal context rounds to."""
    view = PositionView(cash_units=units, equity_units=-units, money_scale=scale)
    with localcontext() as context:
        context.prec = 3
        cash, equity = view.cash, view.equity
    assert Fraction(cash) == -Fraction(equity) == Fraction(units, 10**scale)


def shown(steps: int = 200, **broker: Any) -> tuple[Record, list[PositionView]]:
    """Run a strategy that trades all the time, and return what it was shown."""
    views: list[PositionView] = []

    def decide(bar: Any, view: PositionView) -> Any:
        views.append(view)
        at = bar.bar_index
        wanted: list[Any] = [CancelIntent(order.client_order_id) for order in view.open_orders[:1] if at % 5 == 0]
        wanted.append(OrderIntent("BUY" if at % 7 < 4 else "SELL", 1 + at % 3, tag=f"market {at}"))
        wanted.append(OrderIntent("SELL", 40, "LIMIT", bar.close + 2, None, "DAY", f"far {at}"))
        return wanted

    record = Record()
    run(own_config(steps=steps, broker={"participation": "0.03", **broker}), record, strategy=deciding(decide))
    return record, views


@pytest.mark.parametrize("broker", [{}, {"latency_steps": 2}, {"taker_fee_rate": "0.00037", "slippage_ticks": 3}])
def test_view_agrees_with_log(broker: dict[str, Any]) -> None:
    """At each bar the view has the position, cash, equity and open orders that the log adds up to by then."""
    record, views = shown(**broker)
    books = Books(lambda *words: pytest.fail(str(words)))
    left: dict[str, OpenOrder] = {}
    at = 0
    for event in record.events():
        kind, payload = event["event_type"], event["payload"]
        name = payload.get("client_order_id", "")
        books.apply(kind, payload)
        if kind == "ORDER_SUBMITTED":
            limit = payload["limit_price"]
            ticks = None if limit is None else int(Decimal(limit) * 100)
            quantity, tail = int(payload["quantity"]), (payload["time_in_force"], payload["tag"])
            left[name] = OpenOrder(name, payload["side"], quantity, quantity, payload["order_type"], ticks, None, *tail)
        elif kind == "FILL":
            left[name] = left[name]._replace(leaves=int(payload["leaves_quantity"]))
        if kind in ("ORDER_CANCELLED", "ORDER_EXPIRED") or (name in left and not left[name].leaves):
            del left[name]
        if kind == "STRATEGY_TICK":
            view = views[at]
            assert Decimal(view.position) == books.position
            assert (view.cash, view.equity) == (books.cash, books.equity)
            assert view.open_orders == tuple(left.values())
            at += 1
    assert at == len(views) == 200
    assert any(order.leaves < order.quantity for view in views for order in view.open_orders)


def test_tag_finds_order() -> None:
    """The oldest open order of a tag is found by it, the tag as the strategy wrote it; another tag finds none."""
    found: list[Any] = []
    tags = ["stop", "pass" + "word=hunter2hunter2", "stop"]

    def decide(bar: Any, view: PositionView) -> Any:
        found.append([view.order(tag) for tag in (*tags[:2], "none")])
        return [OrderIntent("BUY", 1, "LIMIT", 1, tag=tag) for tag in tags] if bar.bar_index == 0 else None

    run(own_config(steps=2), strategy=deciding(decide), market=flat_bars(100, 100))
    assert found[0] == [None, None, None]
    assert [order and order.client_order_id for order in found[1]] == ["c-000001", "c-000002", None]


def test_unchanged_view_is_kept() -> None:
    """A view is made again only when something in it changed."""
    views: list[PositionView] = []

    def decide(bar: Any, view: PositionView) -> Any:
        views.append(view)
        return [OrderIntent("BUY", 1)] if bar.bar_index == 1 else None

    run(own_config(steps=6), strategy=deciding(decide), market=flat_bars(100, 110, 120, 120, 130, 130))
    assert [earlier is later for earlier, later in pairwise(views)] == [
        True,
        False,
        True,
        False,
        True,
    ]


SETTINGS = StrategySettings(7, "EURUSD", "0.0005", "1000")


@given(st.integers(-(10**12), 10**12))
def test_settings_convert_exactly(count: int) -> None:
    """A price and a quantity on the grid are converted back to the ticks and lots that they were made of."""
    assert SETTINGS.to_ticks(Decimal("0.0005") * count) == count
    assert SETTINGS.to_ticks(str(Decimal("0.0005") * count)) == count
    assert SETTINGS.to_lots(1000 * count) == SETTINGS.to_lots(f"{1000 * count}.0") == count


@pytest.mark.parametrize("price", ["1.00051", "abc", "NaN", Decimal("Infinity"), Decimal("1E-30"), "1e999"])
def test_settings_refuse_off_grid(price: Any) -> None:
    """A price off the grid, or none at all, raises ValueError instead of being rounded."""
    with pytest.raises(ValueError, match=r"multiple|decimal|digits"):
        SETTINGS.to_ticks(price)


def test_strategy_gets_settings() -> None:
    """A strategy of a session is made with the tick size, the lot size and the parameters of its config."""
    made: list[StrategySettings] = []

    def factory(settings: StrategySettings) -> Any:
        made.append(settings)
        return answering({})(settings)

    market = {"tick_size": "0.25", "lot_size": "10"}
    values = {"strategy_id": "own", "strategy_allowlist": ("own",), "strategy": {"params": {"at": "99.75"}}}
    run(config_of(market=market, **values), strategy=factory)
    (settings,) = made
    assert settings.to_ticks(str(settings.params["at"])) == 399
    assert settings.to_lots(50) == 5
