"""Events for tests of the comparison, made by hand."""

import json
from typing import Any

from c2lib.witness.align import Event, Line, Names

NAMES = Names("r", "s")


def event(kind: str, bar: int | None = None, number: int = 0, names: Names = NAMES, **payload: Any) -> Event:
    """Return an event; ``bar`` is the bar that it names."""
    if bar is not None:
        payload["bar_index"] = bar
    value = {
        "event_id": "0" * 64,
        "event_type": kind,
        "payload": payload,
        "run_id": names.run_id,
        "schema_version": "C2_DRYRUN_V1",
        "strategy_id": names.strategy_id,
        "ts_sim": number,
        "ts_utc": "2026-01-01T00:00:00+00:00",
    }
    return Event.of(Line(number + 1, value, json.dumps(value, separators=(",", ":")).encode()))


def tick(bar: int, decision: str = "HOLD", **payload: Any) -> Event:
    """Return a tick of a bar."""
    return event("STRATEGY_TICK", bar, decision=decision, **payload)


def order(name: str, bar: int, side: str = "BUY", quantity: str = "1") -> Event:
    """Return an order that was sent."""
    return event("ORDER_SUBMITTED", bar, client_order_id=name, side=side, quantity=quantity)


def fill(name: str, bar: int, leaves: str = "0", **payload: Any) -> Event:
    """Return a fill of an order."""
    return event("FILL", bar, client_order_id=name, leaves_quantity=leaves, **payload)
