"""A run in numbers and names, put together from what the witness refolded.

Rules kept here:

* position, cash, fees and equity are the witness's own; the status is the one that the path of phases ends in;
* what only the manifest or the snapshots can tell is taken from there, and empty without them.

>>> from c2lib.witness.agreement import make_logs
>>> from c2lib.witness.findings import Findings
>>> logs = Logs(*make_logs(Findings()), metrics=None, read=frozenset())
>>> summarise(logs, RunName(), None, {}).status
''
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from c2lib.core.states import SESSION_ENDS
from c2lib.core.vocabulary import AuditCode, EventKind, FailCode
from c2lib.witness.agreement import Logs
from c2lib.witness.checks import RunName
from c2lib.witness.facts import FileFacts, RunSummary
from c2lib.witness.manifest import at
from c2lib.witness.refold import Books, decimal_text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _status(logs: Logs) -> str:
    if logs.audit.phase in SESSION_ENDS or logs.audit.moves:
        return logs.status.value
    return _text(logs.snapshots.last.get("status"))


def _books(books: Books) -> dict[str, Any]:
    return {
        "symbol": _text(books.start.get("symbol")),
        "steps": books.stop.get("steps", 0),
        "steps_planned": books.start.get("steps"),
        "stop_reason": books.stop.get("stop_reason"),
        "position": decimal_text(books.position),
        "cash": decimal_text(books.cash),
        "mark_price": None if books.mark is None else decimal_text(books.mark),
        "equity": decimal_text(books.equity),
        "fees": decimal_text(books.fees),
    }


def _control(logs: Logs, required: str | None) -> dict[str, Any]:
    audit, last = logs.audit, logs.snapshots.last
    layer_there = audit.canary_layer is not None and required in (None, audit.canary_layer)
    attempts = audit.stop_meta.get("no_live_attempts")
    attempts = attempts if type(attempts) is int else None
    return {
        "reject_code": logs.events.books.rejection.get("code", last.get("reject_code")),
        "reject_reason": logs.events.books.rejection.get("reason", last.get("reject_reason")),
        "fail_code": last.get("fail_code"),
        "fail_reason": last.get("fail_reason"),
        "started_ts": last.get("started_ts", audit.first_ts),
        "ended_ts": last.get("ended_ts"),
        "no_live_attempts": attempts,
        "no_live_held": layer_there and attempts == 0 and not audit.counts[FailCode.NO_LIVE_VIOLATION],
        "enabled_overridden": audit.counts[AuditCode.LIVE_GATE_OVERRIDDEN] > 0,
        "sink_retries": audit.retries,
        "phases": tuple(audit.moves),
        "statuses": tuple((state.status, state.events_emitted) for state in logs.snapshots.states),
        "audit_counts": dict(sorted(audit.counts.items())),
        "audit_entries": audit.entries,
        "audit_last_hash": audit.last_hash if audit.entries else "",
    }


def _sealed(logs: Logs, manifest: Mapping[str, Any] | None) -> dict[str, Any]:
    sealed, start = manifest or {}, logs.events.books.start
    seed = logs.metrics["seed"] if logs.metrics else at(sealed.get("config"), "seed")
    return {
        "seed": seed if type(seed) is int else None,
        "config": sealed.get("config", {}),
        "no_live_required": _text(at(sealed.get("config"), "no_live_required")) or None,
        "config_sha256": start.get("config_sha256", sealed.get("config_sha256", "")),
        "criteria_sha256": start.get("criteria_sha256", sealed.get("criteria_sha256", "")),
        "market_sha256": start.get("market_sha256", _text(at(sealed.get("market"), "sha256"))),
        "behaviour_version": sealed.get("behaviour_version"),
        "run_digest": sealed.get("run_digest"),
    }


def summarise(
    logs: Logs, run: RunName, manifest: Mapping[str, Any] | None, measured: Mapping[str, FileFacts]
) -> RunSummary:
    """Return the summary of what was read."""
    events, sealed = logs.events, _sealed(logs, manifest)
    return RunSummary(
        run_id=run.run_id,
        strategy_id=run.strategy_id,
        status=_status(logs),
        fills=events.counts[EventKind.FILL],
        rail_trips=events.counts[EventKind.RAIL_TRIPPED],
        event_counts=dict(sorted(events.counts.items())),
        bearers=dict(events.bearers),
        artifacts=dict(measured),
        **_books(events.books),
        **_control(logs, sealed["no_live_required"]),
        **sealed,
    )
