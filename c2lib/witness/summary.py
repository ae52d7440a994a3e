"""A run in numbers and names, made by the witness's own arithmetic, never of a total that stands in its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from c2lib.core.states import SESSION_ENDS
from c2lib.core.vocabulary import AuditCode, EventKind, FailCode
from c2lib.witness.agreement import Logs
from c2lib.witness.audit import PhaseMove
from c2lib.witness.events import EventLog
from c2lib.witness.foreign import RunbookRun
from c2lib.witness.lines import RunName, at
from c2lib.witness.reader import FileFacts
from c2lib.witness.refold import decimal_text


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as its files have it; what they do not have is empty, 0 or ``None``.

    ``statuses`` holds the status and the events emitted of each snapshot. ``event_counts`` and ``audit_counts`` count
    by type and by code. ``references`` maps ``session_start``, ``first_fill``, ``last_fill``, ``session_stop``,
    ``rejected`` and ``rail_tripped`` to an event id. ``config`` is the manifest's.
    """

    run_id: str = ""
    strategy_id: str = ""
    seed: int | None = None
    status: str = ""
    stop_reason: str | None = None
    reject_code: str | None = None
    reject_reason: str | None = None
    fail_code: str | None = None
    fail_reason: str | None = None
    started_ts: str | None = None
    ended_ts: str | None = None
    symbol: str = ""
    steps: int = 0
    steps_planned: int | None = None
    fills: int = 0
    position: str = "0"
    initial_cash: str | None = None
    cash: str = "0"
    mark_price: str | None = None
    equity: str = "0"
    fees: str = "0"
    rail_trips: int = 0
    no_live_attempts: int | None = None
    no_live_required: str | None = None
    no_live_held: bool = False
    enabled_overridden: bool = False
    sink_retries: int = 0
    phases: tuple[PhaseMove, ...] = ()
    statuses: tuple[tuple[str, int], ...] = ()
    event_counts: Mapping[str, int] = field(default_factory=dict)
    audit_counts: Mapping[str, int] = field(default_factory=dict)
    audit_entries: int = 0
    audit_last_hash: str = ""
    references: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    config_sha256: str = ""
    criteria_sha256: str = ""
    market_sha256: str = ""
    behaviour_version: int | None = None
    run_digest: str | None = None
    artifacts: Mapping[str, FileFacts] = field(default_factory=dict)


def summarise(
    logs: Logs, run: RunName, manifest: Mapping[str, Any] | None, measured: Mapping[str, FileFacts]
) -> RunSummary:
    """Return the summary of a run of c2lib."""
    events, audit, last = logs.events, logs.audit, logs.snapshots.last
    books, sealed = events.books, manifest or {}
    config, start, stop, rejection = sealed.get("config", {}), books.start, books.stop, books.rejection
    status = logs.status if audit.phase in SESSION_ENDS or audit.moves else last.get("status", "")
    required, layer = at(config, "no_live_required"), audit.canary_layer
    required = required if isinstance(required, str) and required else None
    attempts = _integer(audit.stop_meta.get("no_live_attempts"))
    no_attempt = attempts == 0 and not audit.counts[FailCode.NO_LIVE_VIOLATION]
    market_sha256 = at(sealed.get("market"), "sha256")
    return replace(
        _of_both(logs, run, measured),
        seed=_integer(logs.metrics["seed"] if logs.metrics else at(config, "seed")),
        status=str(status),
        stop_reason=stop.get("stop_reason"),
        reject_code=rejection.get("code", last.get("reject_code")),
        reject_reason=rejection.get("reason", last.get("reject_reason")),
        started_ts=last.get("started_ts", audit.first_ts),
        symbol=start.get("symbol", ""),
        steps=stop.get("steps", 0),
        steps_planned=start.get("steps"),
        initial_cash=start.get("initial_cash"),
        mark_price=None if books.mark is None else decimal_text(books.mark),
        no_live_attempts=attempts,
        no_live_required=required,
        no_live_held=layer is not None and required in (None, layer) and no_attempt,
        enabled_overridden=audit.counts[AuditCode.LIVE_GATE_OVERRIDDEN] > 0,
        phases=tuple(audit.moves),
        statuses=tuple((state.status, state.events_emitted) for state in logs.snapshots.states),
        audit_last_hash=audit.last_hash if audit.emitted else "",
        references=dict(events.references),
        config=config,
        config_sha256=start.get("config_sha256", sealed.get("config_sha256", "")),
        criteria_sha256=start.get("criteria_sha256", sealed.get("criteria_sha256", "")),
        market_sha256=start.get("market_sha256", market_sha256 if isinstance(market_sha256, str) else ""),
        behaviour_version=sealed.get("behaviour_version"),
        run_digest=sealed.get("run_digest"),
    )


def _integer(value: Any) -> int | None:
    return value if type(value) is int else None


def summarise_runbook_run(
    run: RunbookRun, metrics: Mapping[str, Any] | None, measured: Mapping[str, FileFacts]
) -> RunSummary:
    """Return the summary of a run of another program, as far as its log has it."""
    status, seed = run.snapshots.last.get("status") or "", (metrics or {}).get("seed")
    return replace(_of_both(run, run.run, measured), seed=seed, status=status, statuses=run.snapshots.states)


def _of_both(logs: Logs | RunbookRun, run: RunName, measured: Mapping[str, FileFacts]) -> RunSummary:
    """Return what a run of c2lib and one of another program say in the same words."""
    events, audit = logs.events, logs.audit
    ending = ("reject_code", "reject_reason", "fail_code", "fail_reason", "started_ts", "ended_ts")
    facts: dict[str, Any] = {name: logs.snapshots.last.get(name) for name in ending}
    if isinstance(events, EventLog):
        facts |= {name: decimal_text(getattr(events.books, name)) for name in ("position", "cash", "equity", "fees")}
    return RunSummary(
        run_id=run.run_id,
        strategy_id=run.strategy_id,
        fills=events.counts[EventKind.FILL],
        rail_trips=events.counts[EventKind.RAIL_TRIPPED],
        sink_retries=audit.retries,
        event_counts=dict(sorted(events.counts.items())),
        audit_counts=dict(sorted(audit.counts.items())),
        audit_entries=audit.emitted,
        artifacts=dict(measured),
        **facts,
    )
