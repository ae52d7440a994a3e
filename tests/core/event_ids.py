"""The id of an event, computed the slow way that emitters and recogniser are compared with."""

from collections.abc import Mapping
from typing import Any

from c2lib.core.canon import EVENT_ID_KIND, canonical_sha256


def event_id(run_id: str, strategy_id: str, event_type: str, ts_sim: int, payload: Mapping[str, Any]) -> str:
    """Return the ``event_id`` of an event."""
    identity = {"run_id": run_id, "strategy_id": strategy_id, "event_type": event_type, "ts_sim": ts_sim}
    return canonical_sha256({"kind": EVENT_ID_KIND, **identity, "payload": payload})
