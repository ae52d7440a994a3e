"""A second model of the broker: lists and fractions, one screen per rule, nothing shared with the real one.

It is slow and plain on purpose. An order is a dict; a price is a :class:`~fractions.Fraction` of a tick; the bars that
an order may meet are counted, and every rule is spelt out for a purchase and for a sale.
"""

from fractions import Fraction
from typing import Any

DAY_MICROS = 24 * 60 * 60 * 10**6


class Oracle:
    """The venue as its rules on paper say."""

    def __init__(
        self, slippage: int, latency: int, share: Fraction | None, touch: bool, fee: dict[str, Fraction], cash: int
    ) -> None:
        self.slippage, self.latency, self.share, self.touch, self.fee = slippage, latency, share, touch, fee
        self.cash = Fraction(cash)
        self.orders: list[dict[str, Any]] = []
        self.fills: list[tuple[Any, ...]] = []
        self.ends: list[tuple[str, str, str | None, int]] = []
        self.bars_seen = self.asked = 0
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
            order["state"] = "PENDING_CANCEL"
            order["cancel"] = self.bars_seen + self.latency
            self.asked += 1
            order["asked"] = self.asked
            if self.latency == 0:
                self.end(order, "CANCELLED", None)
        return str(order["state"])

    def end(self, order: dict[str, Any], state: str, reason: str | None) -> None:
        """End an order without a fill."""
        order["state"] = state
        self.ends.append((order["name"], state, reason, order["lots"] - order["left"]))

    def close(self) -> None:
        """Let every cancel on its way arrive."""
        waiting = [order for order in self.open_orders() if order["state"] == "PENDING_CANCEL"]
        for order in sorted(waiting, key=lambda order: int(order["asked"])):
            self.end(order, "CANCELLED", None)

    def bar(self, index: int, time: int, opening: int, high: int, low: int, closing: int, volume: int) -> None:
        """Live through a bar."""
        today = time // DAY_MICROS
        for order in self.open_orders():
            if order["tif"] == "DAY":
                placed = today if order["day"] is None else order["day"]
                order["day"] = placed
                if today > placed:
                    self.end(order, "EXPIRED", "DAY")
        room: Any = None if self.share is None else int(volume * self.share)
        present = [o for o in self.open_orders() if o["meets"] <= self.bars_seen]
        later = []
        for order in present:
            deal = self.at_open(order, opening)
            if deal is None and order["tif"] not in ("IOC", "FOK"):
                later.append(order)
            room = self.deal(order, deal, room, index)
            if order["tif"] in ("IOC", "FOK") and order["left"] and order["state"] != "CANCELLED":
                self.end(order, "EXPIRED", order["tif"])
        for order in later:
            room = self.deal(order, self.within(order, high, low, closing), room, index)
        self.bars_seen += 1
        self.today = today
        arrived = [o for o in self.open_orders() if o["cancel"] is not None and o["cancel"] <= self.bars_seen]
        for order in sorted(arrived, key=lambda order: int(order["asked"])):
            self.end(order, "CANCELLED", None)

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

    def within(self, order: dict[str, Any], high: int, low: int, closing: int) -> tuple[int, str] | None:
        """Return the deal that the range offers; a stop-limit that the open triggered is a limit by now."""
        buy, kind = order["side"] == "BUY", order["kind"]
        if kind == "LIMIT":
            through = low < order["limit"] if buy else high > order["limit"]
            touched = low == order["limit"] if buy else high == order["limit"]
            return (order["limit"], "MAKER") if through or (touched and self.touch) else None
        reached = high >= order["stop"] if buy else low <= order["stop"]
        if not reached:
            return None
        deal = self.triggered(order, order["stop"])
        if deal is None:
            # the stop lies beyond the limit, and of the later prices only the close is known to be later
            through = closing < order["limit"] if buy else closing > order["limit"]
            touched = closing == order["limit"]
            deal = (order["limit"], "MAKER") if through or (touched and self.touch) else None
        return deal

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
        fee = price * lots * self.fee[liquidity]
        cash = self.cash - price * lots - fee if order["side"] == "BUY" else self.cash + price * lots - fee
        if cash < 0:
            self.end(order, "CANCELLED", "insufficient_funds")
            return room
        self.cash = cash
        order["left"] -= lots
        self.fills.append((order["name"], order["side"], lots, price, fee, liquidity, order["left"], index))
        if order["left"] == 0:
            order["state"] = "FILLED"
        elif order["state"] == "NEW":
            order["state"] = "PARTIALLY_FILLED"
        return None if room is None else room - lots
