"""The outcome of a dry run: counts and hashes, never the record itself, so that it stays small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from c2lib.core.rich import Look, Rich
from c2lib.core.states import SessionPhase, SessionStatus
from c2lib.core.vocabulary import FailCode, RejectCode, StopReason


@dataclass(frozen=True, slots=True, repr=False)
class DryrunResult(Rich):
    """The outcome of a dry run.

    ``accepted`` says whether preflight let it step. ``fail_meta`` is what the audit says of a failure beside its
    reason: ``exception``, ``bar_index`` and ``lines`` where the strategy raised, ``bar_index`` alone where its answer
    was unusable, ``attempts`` and ``tried`` where session code tried to leave the process. ``position``, ``cash`` and
    ``equity`` are decimal text.
    ``run_digest`` and ``path`` are set when a run directory was published, ``reproduced`` when one of the same
    bytes was there already; ``staging`` names the folder that stays when a sink failed. ``dead_sinks`` names the
    artifacts whose sink failed for good, whatever the session failed of first, and ``violated_late`` says that a
    NO-LIVE violation came while the record was being closed: such a run is never published.
    """

    _look: ClassVar[Look] = Look(
        "run_id",
        "status",
        "reject_code fail_code steps fills position equity stop_reason reject_reason fail_reason fail_lines "
        "strategy_id cash events_emitted audit_events sink_retries dead_sinks violated_late reproduced run_digest",
    )

    accepted: bool
    run_id: str
    strategy_id: str
    status: SessionStatus
    phase: SessionPhase
    stop_reason: StopReason | None
    reject_code: RejectCode | None
    reject_reason: str | None
    fail_code: FailCode | None
    fail_reason: str | None
    steps: int
    events_emitted: int
    audit_events: int
    audit_last_hash: str
    sink_retries: int
    fills: int
    position: str
    cash: str
    equity: str
    fail_meta: Mapping[str, Any] = field(default_factory=dict)
    dead_sinks: tuple[str, ...] = ()
    violated_late: bool = False
    run_digest: str | None = None
    path: str | None = None
    reproduced: bool = False
    staging: str | None = None

    def text(self) -> str:
        """Return the outcome for people, without what differs from machine to machine."""
        names = ("run_id", "status", "steps", "fills", "position", "equity", "run_digest")
        lines = [f"{name:<12}{getattr(self, name)}" for name in names]
        lines[1] += f" ({self.stop_reason})" if self.stop_reason else ""
        if self.reject_code:
            lines.append(f"rejected    {self.reject_code.value}: {self.reject_reason}")
        if self.fail_code:
            lines.append(f"failed      {self.fail_code.value}: {self.fail_reason}")
            lines.extend(f"            {line}" for line in self.fail_lines)
        return "\n".join(lines)

    @property
    def fail_lines(self) -> list[str]:
        """Where a failure came from: the bar and the strategy's own lines, or what session code tried."""
        bar_index, lines = self.fail_meta.get("bar_index"), self.fail_meta.get("lines", ())
        where = [f"on bar {bar_index}"] if bar_index is not None else []
        return [*where, *lines, *(f"refused: {tried}" for tried in self.fail_meta.get("tried", ()))]

    def summary(self) -> dict[str, Any]:
        """Return the facts that the command line prints, as plain JSON values."""
        names = ("accepted", "run_id", "status", "stop_reason", "reject_code", "fail_code", "steps", "fills")
        values = {name: getattr(self, name) for name in (*names, "run_digest", "path", "reproduced")}
        return {name: value.value if isinstance(value, StrEnum) else value for name, value in values.items()}
