"""How much of a bar's volume the orders may fill.

Rules kept here:

* budget = floor(volume x share) lots a bar, over all orders, handed out in their order of arrival;
* a bar of no volume, or of a file that has none, has nothing to hand out: no order fills on it;
* without a share nothing bounds a fill, whatever the volume.

>>> Participation(1, 1).budget(35), Participation(1, 1).budget(9), Unlimited().budget(0) > 2**53
(3, 0, True)
"""

from __future__ import annotations

from c2lib.core.decimals import parse_decimal

NO_BOUND = 1 << 200
"""More lots than any orders can ask for."""


class Unlimited:
    """A market deep enough for every order."""

    def budget(self, volume: int) -> int:
        """Return no bound."""
        del volume
        return NO_BOUND


class Participation:
    """A share of the volume: ``value`` times ten to the minus ``scale``, as participation-of-volume orders state it."""

    def __init__(self, value: int, scale: int) -> None:
        self._value = value
        self._divisor = int(10**scale)

    @classmethod
    def of(cls, share: str) -> Participation:
        """Return the model of a decimal share."""
        return cls(*parse_decimal(share))

    def budget(self, volume: int) -> int:
        """Return floor(volume x share)."""
        return volume * self._value // self._divisor
