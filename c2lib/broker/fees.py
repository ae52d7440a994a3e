"""What a fill costs.

Rules kept here:

* fee = price x quantity x rate, the maker's or the taker's, exact: counted in money units, nothing is rounded.

The maker-taker schedule is that of most electronic venues, with rates as a share of the notional.

>>> MakerTakerFee(maker_unit=0, taker_unit=2).fee(price=100, quantity=3, liquidity="TAKER")
600
"""

from __future__ import annotations

from c2lib.core.config import BrokerConfig
from c2lib.core.decimals import parse_decimal
from c2lib.core.model import TAKER, Grid


class MakerTakerFee:
    """A share of the notional; ``maker_unit`` and ``taker_unit`` are the rates as money units per tick and lot."""

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
