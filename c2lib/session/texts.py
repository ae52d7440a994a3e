"""The texts of a run's numbers, made once and remembered.

Rules kept here:

* inside a session there are integers alone; their texts are made where something is written;
* the same prices, quantities and fees come again and again, so that a text is mostly a look-up.

>>> texts = Texts.of(Grid.of("0.01", "1"))
>>> texts.prices[10125], texts.quantities[3], texts.money[-5]
('101.25', '3', '-0.05')
"""

from __future__ import annotations

from typing import NamedTuple

from c2lib.core.decimals import KnownTexts
from c2lib.core.model import Grid


class Texts(NamedTuple):
    """Ticks, lots and money units as canonical decimal text."""

    prices: KnownTexts
    quantities: KnownTexts
    money: KnownTexts

    @classmethod
    def of(cls, grid: Grid) -> Texts:
        """Return the texts on a grid."""
        return cls(KnownTexts(grid.price_text), KnownTexts(grid.quantity_text), KnownTexts(grid.money_text))
