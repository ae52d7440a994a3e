"""What the witness found, as facts that others can read.

Rules kept here:

* a finding names the code, the file, the line from 1, the event id where there is one, and both sides;
* the summary is rebuilt from the log by the witness's own arithmetic, never copied from a total that the actor wrote;
* money, prices and quantities are decimal text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from c2lib.witness.findings import Finding, Verdict


@dataclass(frozen=True, slots=True)
class PhaseMove:
    """One ``C2_PHASE_TRANSITION``: where from, where to, why, after how many events, and the entry that bears it."""

    before: str
    after: str
    trigger: str
    ts_sim: int
    entry_hash: str


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file really is: hash and size of its bytes, number of its line ends."""

    sha256: str
    bytes: int
    lines: int


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as its log tells it; what the log does not tell is empty, 0 or ``None``.

    ``statuses`` holds ``(status, events emitted)`` per snapshot. ``event_counts`` and ``audit_counts`` count by
    event type and by code. ``references`` maps ``session_start``, ``first_fill``, ``last_fill``, ``session_stop``,
    ``rejected``, ``rail_tripped`` to the event id that bears it. ``config`` is the manifest's.
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


@dataclass(frozen=True, slots=True)
class Examination:
    """What looking at a run directory gave: verdict, findings, what could not be checked, and the summary."""

    path: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]
    summary: RunSummary


@dataclass(frozen=True, slots=True)
class BarPoint:
    """A ``STRATEGY_TICK`` with the books after it: all as decimal text but the numbers of bar and event."""

    bar_index: int
    bar_time: str
    ts_sim: int
    close: str
    decision: str
    position: str
    equity: str


@dataclass(frozen=True, slots=True)
class OrderPoint:
    """An ``ORDER_SUBMITTED``."""

    bar_index: int
    ts_sim: int
    client_order_id: str
    side: str
    quantity: str


@dataclass(frozen=True, slots=True)
class FillPoint:
    """A ``FILL``."""

    bar_index: int
    ts_sim: int
    event_id: str
    client_order_id: str
    side: str
    quantity: str
    price: str
    fee: str


@dataclass(frozen=True, slots=True)
class RunSeries:
    """A run as series to draw and tabulate."""

    summary: RunSummary
    bars: tuple[BarPoint, ...]
    orders: tuple[OrderPoint, ...]
    fills: tuple[FillPoint, ...]
