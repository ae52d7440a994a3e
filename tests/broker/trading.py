"""Venue, adapter and ledger driven side by side with the oracle, step by step."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from c2lib.broker.adapter import BrokerAdapter
from c2lib.broker.mock import MockBroker
from c2lib.broker.port import BrokerPort, OrderRequest
from c2lib.core.config import BrokerConfig
from c2lib.core.errors import BrokerUnavailableError, InvalidRequestError
from c2lib.core.model import Bar, Grid, OrderIntent
from c2lib.session.ledger import Ledger
from tests.broker.oracle import Oracle

CASH = st.sampled_from((10**14, 200, 40))
FEES = {"MAKER": Fraction(1, 10), "TAKER": Fraction(3, 10)}
UNIT = 10
"""Money units in one of money: on a grid of one decimal of fee, a tenth is a unit."""
PRICES = st.integers(1, 9)
STOPS = {"STOP", "STOP_LIMIT"}


class Stuttering:
    """A port that is unavailable for a number of calls, then behaves."""

    def __init__(self, port: BrokerPort) -> None:
        self.port = port
        self.failures = 0

    def __getattr__(self, name: str) -> Any:
        def call(*values: Any) -> Any:
            if self.failures:
                self.failures -= 1
                raise BrokerUnavailableError(name)
            return getattr(self.port, name)(*values)

        return call


class Trading(RuleBasedStateMachine):
    """All order types and times in force, cancels, bars, retries and fill models."""

    @initialize(
        slippage=st.integers(0, 3),
        latency=st.integers(0, 3),
        share=st.sampled_from((None, "1", "0.5", "0.1")),
        touch=st.booleans(),
        cash=CASH,
    )
    def begin(self, slippage: int, latency: int, share: str | None, touch: bool, cash: int) -> None:
        """Choose the fill models, and the cash."""
        config = BrokerConfig(
            slippage_ticks=slippage,
            latency_steps=latency,
            participation=share,
            touch_fills=touch,
            maker_fee_rate="0.1",
            taker_fee_rate="0.3",
            initial_cash=str(cash),
        )
        self.venue = MockBroker(config, Grid.of("1", "1", fee_scale=1), seed=1)
        self.port = Stuttering(self.venue)
        self.adapter = BrokerAdapter(self.port, max_retries=2)
        self.oracle = Oracle(slippage, latency, None if share is None else Fraction(share), touch, FEES, cash)
        self.ledger = Ledger(cash * UNIT, UNIT)
        self.bars = self.time = self.cursor = self.end_cursor = 0
        self.cash = cash

    @rule(
        side=st.sampled_from(("BUY", "SELL")),
        kind=st.sampled_from(("MARKET", "LIMIT", "STOP", "STOP_LIMIT", "STOP_LIMIT")),
        tif=st.sampled_from(("GTC", "GTC", "IOC", "FOK", "DAY")),
        lots=st.integers(1, 9),
        prices=st.tuples(PRICES, PRICES),
        failures=st.integers(0, 2),
        again=st.booleans(),
    )
    def place(
        self, side: str, kind: str, tif: str, lots: int, prices: tuple[int, int], failures: int, again: bool
    ) -> None:
        """Place an order, after some failures, and perhaps twice."""
        tif = "GTC" if kind in STOPS and tif in ("IOC", "FOK") else tif
        limit = prices[0] if "LIMIT" in kind else None
        stop = prices[1] if kind in STOPS else None
        name = f"c-{len(self.oracle.orders)}"
        request = OrderRequest(name, "SYNTH", side, kind, lots, limit, stop, tif)
        self.ledger.submit(name, OrderIntent(side, lots))
        self.port.failures = failures
        broker_order_id = self.adapter.place_order(request)
        if again:
            assert self.adapter.place_order(request) == broker_order_id
        self.ledger.acknowledge(name, broker_order_id)
        self.oracle.place(name, side, kind, lots, limit, stop, tif)

    @precondition(lambda self: self.oracle.orders)
    @rule(number=st.integers(0, 99), failures=st.integers(0, 2))
    def cancel(self, number: int, failures: int) -> None:
        """Cancel an order, open or not."""
        name = f"c-{number % len(self.oracle.orders)}"
        self.port.failures = failures
        assert self.adapter.cancel_order(name).value == self.oracle.cancel(name)

    @rule(path=st.lists(PRICES, min_size=4, max_size=4), volume=st.integers(0, 20), hours=st.integers(1, 20))
    def bar(self, path: list[int], volume: int, hours: int) -> None:
        """Let a bar pass."""
        self.time += hours * 3600 * 10**6
        high, low = max(path), min(path)
        self.venue.advance(Bar(self.bars, self.time, path[0], high, low, path[-1], volume))
        self.oracle.bar(self.bars, self.time, path[0], high, low, path[-1], volume)
        self.bars += 1

    @rule()
    def close(self) -> None:
        """Let the cancels arrive."""
        self.venue.close()
        self.oracle.close()

    @rule(back=st.integers(0, 5), failures=st.integers(0, 2))
    def read_fills(self, back: int, failures: int) -> None:
        """Read on, and go back over some of it."""
        self.port.failures = failures
        end, fills = self.adapter.iter_fills(self.cursor)
        for fill in fills:
            self.ledger.apply(fill)
        start, self.cursor = max(0, end - back), end
        assert len(self.adapter.iter_fills(start)[1]) == end - start

    @rule(back=st.integers(0, 5), failures=st.integers(0, 2))
    def read_ends(self, back: int, failures: int) -> None:
        """Read the ends on, and go back over some of them."""
        self.port.failures = failures
        end, reports = self.adapter.iter_ends(self.end_cursor)
        assert [report.client_order_id for report in reports] == [e[0] for e in self.oracle.ends[self.end_cursor :]]
        start, self.end_cursor = max(0, end - back), end
        assert len(self.adapter.iter_ends(start)[1]) == end - start

    @rule(beyond=st.integers(1, 9))
    def read_beyond(self, beyond: int) -> None:
        """Ask from a cursor outside the fills or the ends, which is refused."""
        for read, known in ((self.adapter.iter_fills, self.oracle.fills), (self.adapter.iter_ends, self.oracle.ends)):
            for cursor in (-beyond, len(known) + beyond):
                with pytest.raises(InvalidRequestError):
                    read(cursor)

    @invariant()
    def fills_are_those_of_the_oracle(self) -> None:
        """All of them, in order, with price, fee, liquidity and what is left."""
        fills = self.venue.iter_fills(0)[1]
        seen = [
            (f[1], f.side, f.quantity, f.price, Fraction(f.fee, UNIT), f.liquidity, f.leaves_quantity, f.bar_index)
            for f in fills
        ]
        assert seen == self.oracle.fills
        assert [f.fill_id for f in fills] == [f"f-{number + 1:06d}" for number in range(len(fills))]

    @invariant()
    def ends_are_those_of_the_oracle(self) -> None:
        """All of them, in order, each with its state, its reason and what was filled before."""
        ends = self.venue.iter_ends(0)[1]
        seen = [(end.client_order_id, end.status.value, end.reason, end.filled_quantity) for end in ends]
        assert seen == self.oracle.ends

    @invariant()
    def orders_are_those_of_the_oracle(self) -> None:
        """Each with its state and what was filled; the open ones are listed, oldest first."""
        for order in self.oracle.orders:
            report = self.venue.query_order(order["name"])
            assert (report.status.value, report.filled_quantity) == (order["state"], order["lots"] - order["left"])
            assert order["lots"] - order["left"] == sum(f[2] for f in self.oracle.fills if f[0] == order["name"])
        listed = [report.client_order_id for report in self.venue.list_open_orders()]
        assert listed == [order["name"] for order in self.oracle.open_orders()]

    @invariant()
    def money_is_exact(self) -> None:
        """Cash and position are what the fractions say, to the last unit."""
        cash, position = Fraction(self.cash), 0
        for _, side, lots, price, fee, *_ in self.oracle.fills[: self.cursor]:
            sign = 1 if side == "BUY" else -1
            cash -= Fraction(sign * lots * price) + fee
            position += sign * lots
        assert cash >= 0
        assert Fraction(self.ledger.cash, UNIT) == cash
        assert self.ledger.position == position
        assert Fraction(self.ledger.equity(7), UNIT) == cash + 7 * position
