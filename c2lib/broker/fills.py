"""The parts of a fill model, each behind a protocol: where an order fills, how much of it, what it costs.

Rules kept here:

* an order decided on bar *n* meets bar *n + 1* first: no look-ahead;
* a bar has two moments: its open, and then its range, in which nothing is known of the path between high and low;
* integers only: prices in ticks, quantities in lots, fees in money units of the grid, so nothing is rounded.

The parts stand in ``prices``, ``volume``, ``fees`` and ``rejects``; ``build`` puts them together.

>>> from c2lib.broker.prices import price_rules
>>> len(price_rules(slippage_ticks=0, touch_fills=False))
8
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from c2lib.core.model import Bar, OrderRequest

if TYPE_CHECKING:
    from c2lib.broker.orders import VenueOrder
    from c2lib.broker.rejects import RejectReason

Price = tuple[int, str]
"""Where an order fills: ticks, and whether it made or took liquidity."""


class PriceRule(Protocol):
    """Says at which price an order fills on a bar; a stop that triggers hands its order on to another rule."""

    def at_open(self, order: VenueOrder, bar: Bar, step: int) -> Price | None:
        """Return the price at the open of the bar of a step, or ``None``."""
        ...

    def in_range(self, order: VenueOrder, bar: Bar) -> Price | None:
        """Return the price within the bar of an order that the open left as it was, or ``None``."""
        ...


class VolumeModel(Protocol):
    """Bounds what all orders together fill on a bar."""

    def budget(self, volume: int) -> int:
        """Return the lots that a bar of ``volume`` lots has for the orders."""
        ...


class FeeModel(Protocol):
    """Prices a fill."""

    def fee(self, price: int, quantity: int, liquidity: str) -> int:
        """Return the fee in money units of a fill of ``quantity`` lots at ``price`` ticks."""
        ...


class RejectModel(Protocol):
    """Refuses orders that are well formed."""

    def refusal(self, request: OrderRequest) -> RejectReason | None:
        """Return why the order is refused, or ``None``; asked once for each order that is well formed."""
        ...
