"""Events for tests of the comparison, made by hand."""

import json
from typing import Any

from c2lib.witness.align import Line
from c2lib.witness.diff import Names

NAMES = Names("r", "s")


def event(kind: str, bar: int | None = None, number: int = 0, names: Names = NAMES, **payload: Any) -> Line:
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
    return Line(number + 1, kind, value, payload, json.dumps(value, separators=(",", ":")).encode())


def tick(bar: int, decision: str = "HOLD", **payload: Any) -> Line:
    """Return a tick of a bar."""
    return event("STRATEGY_TICK", bar, decision=decision, **payload)


def order(name: str, bar: int, side: str = "BUY", quantity: str = "1") -> Line:
    """Return an order that was sent."""
    return event("ORDER_SUBMITTED", bar, client_order_id=name, side=side, quantity=quantity)


def fill(name: str, bar: int, leaves: str = "0", **payload: Any) -> Line:
    """Return a fill of an order."""
    return event("FILL", bar, client_order_id=name, leaves_quantity=leaves, **payload)


def entry(number: int, code: str = "C2_NOTE", entry_hash: str = "h", ts: str = "t", **meta: Any) -> Line:
    """Return an audit entry; its number counts from 1."""
    value = {"seq": number - 1, "ts": ts, "code": code, "meta": meta, "entry_hash": entry_hash}
    return Line(number, code, value, {}, repr(value).encode())
