"""Short ways to make orders and bars."""

from c2lib.broker.fills import MakerTakerFee, NextOpen
from c2lib.broker.mock import MockBroker
from c2lib.core.model import Bar, OrderRequest


def market_order(client_order_id: str, side: str = "BUY", quantity: int = 1) -> OrderRequest:
    """Return a market order."""
    return OrderRequest(client_order_id, "SYNTH", side, "MARKET", quantity, None, None, "GTC")


def flat_bar(bar_index: int, price: int = 100) -> Bar:
    """Return a bar that stands at one price."""
    return Bar(bar_index, bar_index * 60_000_000, price, price, price, price, 10)


def free_venue() -> MockBroker:
    """Return a venue that takes no fee."""
    return MockBroker(NextOpen(), MakerTakerFee(0, 0))
