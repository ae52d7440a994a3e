"""A second model of the broker: lists and fractions, one screen per rule, nothing shared with the real one.

It is slow and plain on purpose. An order is a dict; a price is a :class:`~fractions.Fraction` of a tick; the bars that
an order may meet are counted, and every rule is spelt out for a purchase and for a sale.
"""

from fractions import Fraction
from typing import Any

DAY_MICROS = 24 * 60 * 60 * 10**6


class Oracle:
    """The venue as its rules on paper say."""

    def __init__(self, slippage: int, latency: int, share: Fraction | None, touch: bool, fee: dict[str, int]) -> None:
        self.slippage, self.latency, self.share, self.touch, self.fee = slippage, latency, share, touch, fee
        self.orders: list[dict[str, Any]] = []
        self.fills: list[tuple[Any, ...]] = []
        self.bars_seen = 0
        self.today: int | None = None

    def place(self, name: str, side: str, kind: str, lots: int, limit: int | None, stop: int | None, tif: str) -> None:
        """Take in an order that is well formed."""
        self.orders.append(
            {
                "name": name,
                "side": side,
                "kind": kind,
                "lots": lots,
                "left": lots,
                "limit": limit,
                "stop": stop,
                "tif": tif,
                "meets": self.bars_seen + self.latency,
                "day": self.today,
                "cancel": None,
                "state": "NEW",
            }
        )

    def open_orders(self) -> list[dict[str, Any]]:
        """Return the orders that can still fill."""
        return [o for o in self.orders if o["state"] in ("NEW", "PARTIALLY_FILLED", "PENDING_CANCEL")]

    def cancel(self, name: str) -> str:
        """Ask for a cancel and return the state of the order."""
        order = next(o for o in self.orders if o["name"] == name)
        if order["state"] in ("NEW", "PARTIALLY_FILLED"):
            order["state"] = "CANCELLED" if self.latency == 0 else "PENDING_CANCEL"
            order["cancel"] = self.bars_seen + self.latency
        return str(order["state"])

    def close(self) -> None:
        """Let every cancel on its way arrive."""
        for order in self.open_orders():
            if order["state"] == "PENDING_CANCEL":
                order["state"] = "CANCELLED"

    def bar(self, index: int, time: int, opening: int, high: int, low: int, volume: int) -> None:
        """Live through a bar."""
        today = time // DAY_MICROS
        for order in self.open_orders():
            if order["tif"] == "DAY":
                placed = today if order["day"] is None else order["day"]
                order["day"] = placed
                if today > placed:
                    order["state"] = "EXPIRED"
        room: Any = None if self.share is None else int(volume * self.share)
        present = [o for o in self.open_orders() if o["meets"] <= self.bars_seen]
        later = []
        for order in present:
            before = order["kind"]
            deal = self.at_open(order, opening)
            if deal is None and order["kind"] == before and order["tif"] not in ("IOC", "FOK"):
                later.append(order)
            room = self.deal(order, deal, room, index)
            if order["tif"] in ("IOC", "FOK") and order["left"]:
                order["state"] = "EXPIRED"
        for order in later:
            room = self.deal(order, self.within(order, high, low), room, index)
        self.bars_seen += 1
        self.today = today
        for order in self.open_orders():
            if order["cancel"] is not None and order["cancel"] <= self.bars_seen:
                order["state"] = "CANCELLED"

    def at_open(self, order: dict[str, Any], opening: int) -> tuple[int, str] | None:
        """Return the deal that the open offers."""
        buy, kind = order["side"] == "BUY", order["kind"]
        if kind in ("STOP", "STOP_LIMIT"):
            reached = opening >= order["stop"] if buy else opening <= order["stop"]
            return self.triggered(order, opening) if reached else None
        if kind == "MARKET":
            return self.slip(order, opening), "TAKER"
        good = opening <= order["limit"] if buy else opening >= order["limit"]
        first = order["meets"] == self.bars_seen
        return (opening, "TAKER" if first else "MAKER") if good else None

    def within(self, order: dict[str, Any], high: int, low: int) -> tuple[int, str] | None:
        """Return the deal that the range offers."""
        buy, kind = order["side"] == "BUY", order["kind"]
        if kind == "LIMIT":
            through = low < order["limit"] if buy else high > order["limit"]
            touched = low == order["limit"] if buy else high == order["limit"]
            return (order["limit"], "MAKER") if through or (touched and self.touch) else None
        reached = high >= order["stop"] if buy else low <= order["stop"]
        return self.triggered(order, order["stop"]) if reached else None

    def triggered(self, order: dict[str, Any], price: int) -> tuple[int, str] | None:
        """Turn a stop into what it becomes, and return the deal of the trigger."""
        if order["kind"] == "STOP":
            order["kind"] = "MARKET"
            return self.slip(order, price), "TAKER"
        order["kind"] = "LIMIT"
        good = price <= order["limit"] if order["side"] == "BUY" else price >= order["limit"]
        return (price, "TAKER") if good else None

    def slip(self, order: dict[str, Any], price: int) -> int:
        """Return a price made worse."""
        return price + self.slippage if order["side"] == "BUY" else max(1, price - self.slippage)

    def deal(self, order: dict[str, Any], deal: tuple[int, str] | None, room: Any, index: int) -> Any:
        """Fill what the volume allows and return the volume that is left."""
        if deal is None:
            return room
        lots = order["left"] if room is None else min(order["left"], room)
        if lots == 0 or (order["tif"] == "FOK" and lots < order["left"]):
            return room
        price, liquidity = deal
        order["left"] -= lots
        fee = price * lots * self.fee[liquidity]
        self.fills.append((order["name"], order["side"], lots, price, fee, liquidity, order["left"], index))
        if order["left"] == 0:
            order["state"] = "FILLED"
        elif order["state"] == "NEW":
            order["state"] = "PARTIALLY_FILLED"
        return None if room is None else room - lots
