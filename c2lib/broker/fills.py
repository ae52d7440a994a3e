"""How orders fill against bars, and what a fill costs.

Rules kept here:

* an order decided on bar *n* meets bar *n + 1* first: no look-ahead;
* integers only: prices in ticks, quantities in lots, fees in money units of the grid, so nothing is rounded.

>>> MakerTakerFee(maker_unit=0, taker_unit=2).fee(price=100, quantity=3, liquidity="TAKER")
600
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from c2lib.core.config import BrokerConfig
from c2lib.core.decimals import parse_decimal
from c2lib.core.model import MARKET, TAKER, Bar, Grid, OrderRequest


class Execution(NamedTuple):
    """What a fill model grants an order on one bar: lots, ticks, and whether it took liquidity."""

    quantity: int
    price: int
    liquidity: str


class FillModel(Protocol):
    """Decides whether and how an open order fills on a bar."""

    order_types: frozenset[str]
    """The order types that it can fill; a venue rejects the others."""

    def execution(self, request: OrderRequest, leaves_quantity: int, bar: Bar) -> Execution | None:
        """Return the execution of ``leaves_quantity`` lots on ``bar``, or ``None``."""
        ...


class FeeModel(Protocol):
    """Prices a fill."""

    def fee(self, price: int, quantity: int, liquidity: str) -> int:
        """Return the fee in money units of a fill of ``quantity`` lots at ``price`` ticks."""
        ...


class NextOpen:
    """Market orders fill whole at the open of the first bar after the one that decided them.

    Price = ``bar.open``; quantity = everything left; a market order always takes liquidity.
    """

    order_types = frozenset({MARKET})

    def execution(self, request: OrderRequest, leaves_quantity: int, bar: Bar) -> Execution | None:
        """Return the whole rest at the bar's open."""
        del request
        return Execution(leaves_quantity, bar.open, TAKER)


class MakerTakerFee:
    """A share of the notional: fee = price x quantity x rate, exact.

    ``maker_unit`` and ``taker_unit`` are the rates as money units per tick and lot.
    """

    def __init__(self, maker_unit: int, taker_unit: int) -> None:
        self._maker_unit = maker_unit
        self._taker_unit = taker_unit

    @classmethod
    def of(cls, config: BrokerConfig, grid: Grid) -> MakerTakerFee:
        """Return the fee model of a broker config on a grid whose ``fee_scale`` holds both rates."""

        def unit(rate: str) -> int:
            value, scale = parse_decimal(rate)
            return int(grid.tick_value * grid.lot_value * value * 10 ** (grid.fee_scale - scale))

        return cls(unit(config.maker_fee_rate), unit(config.taker_fee_rate))

    def fee(self, price: int, quantity: int, liquidity: str) -> int:
        """Return the fee in money units."""
        return price * quantity * (self._taker_unit if liquidity == TAKER else self._maker_unit)
