"""Short ways to make orders, bars and venues."""

from typing import Any

from c2lib.broker.mock import MockBroker
from c2lib.broker.port import OrderRequest
from c2lib.core.config import BrokerConfig
from c2lib.core.model import Bar, Grid

HOUR = 3_600_000_000


def market_order(client_order_id: str, side: str = "BUY", quantity: int = 1) -> OrderRequest:
    """Return a market order."""
    return OrderRequest(client_order_id, "SYNTH", side, "MARKET", quantity, None, None, "GTC")


def order(
    order_type: str,
    side: str = "BUY",
    *,
    limit: int | None = None,
    stop: int | None = None,
    quantity: int = 1,
    tif: str = "GTC",
    name: str = "c-1",
) -> OrderRequest:
    """Return an order of any type."""
    return OrderRequest(name, "SYNTH", side, order_type, quantity, limit, stop, tif)


def flat_bar(bar_index: int, price: int = 100) -> Bar:
    """Return a bar that stands at one price."""
    return Bar(bar_index, bar_index * 60_000_000, price, price, price, price, 10)


def bar(
    bar_index: int, opening: int, high: int, low: int, volume: int = 10, time: int | None = None, close: int = 0
) -> Bar:
    """Return a bar that closes at its open, unless a close is given."""
    at = bar_index * 60_000_000 if time is None else time
    return Bar(bar_index, at, opening, high, low, close or opening, volume)


def free_venue() -> MockBroker:
    """Return a venue that takes no fee."""
    return venue_of()


def venue_of(**fields: Any) -> MockBroker:
    """Return the venue of a broker config with these fields, free of charge."""
    return MockBroker(BrokerConfig(taker_fee_rate="0", **fields), Grid.of("1", "1"), seed=7)


def fills_of(venue: MockBroker) -> list[tuple[int, int, int, str]]:
    """Return bar, lots, price and liquidity of all fills."""
    return [(fill.bar_index, fill.quantity, fill.price, fill.liquidity) for fill in venue.iter_fills(0)[1]]
