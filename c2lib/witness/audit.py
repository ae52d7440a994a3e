"""``audit.jsonl``, line by line: form, chain, and the path of phases.

A phase moves by the session table alone; after the last move stand only entries of writes tried again, which came while
closing. Where a sink died late, or the NO-LIVE guard refused something while closing, the closing entries stand twice,
and the last move counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from c2lib.core.canon import GENESIS_HASH
from c2lib.core.contract import AUDIT_FIELDS
from c2lib.core.states import SESSION_ENDS, SESSION_TABLE, SessionPhase, SessionTrigger
from c2lib.core.vocabulary import NO_LIVE_CHECK, Artifact, AuditCode, FailCode
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.lines import LineLog, digest_of

HOOK_LAYER = "hook"
"""The NO-LIVE layer of a canary check that names none."""

MAX_MOVES = 100
"""Most phase moves that are kept; the longest path has five."""

MAX_TAIL = 100_000
"""Most retry entries after the last move that are kept; a session's bound on retries allows far fewer."""

_CHAIN, _FORM = FindingCode.CHAIN_BROKEN, FindingCode.CONTRACT_BROKEN
_PATH, _SEQUENCE = FindingCode.PHASE_PATH_FORBIDDEN, FindingCode.SEQUENCE_BROKEN


@dataclass(frozen=True, slots=True)
class PhaseMove:
    """A ``C2_PHASE_TRANSITION``: from where, to where, why, after how many events and retries, its ``entry_hash``."""

    before: str
    after: str
    trigger: str
    ts_sim: int
    entry_hash: str
    retries: int = 0


class AuditLog(LineLog):
    """The audit trail so far.

    ``retries`` counts writes tried again; ``end_entries``, ``end_retries`` and ``end_ts`` are how many lines and
    retries there were at the last phase move, and its time; ``tail`` has time and retries of each entry about them that
    came after it. ``canary_layer`` is the NO-LIVE layer that the canary found to hold, ``None`` when it found none;
    ``dead_sinks`` names the sinks that failed for good; ``closed_twice`` says that a NO-LIVE violation came late.

    >>> log = AuditLog(Findings())
    >>> log.phase.value, log.moves
    ('INIT', [])
    """

    number = "seq"
    retries = failed_checks = end_entries = end_retries = 0
    last_hash = GENESIS_HASH
    phase = _before_end = SessionPhase.INIT
    first_ts: str | None = None
    end_ts: str | None = None
    canary_layer: str | None = None
    closed_twice = False
    _known_hash: str | None = GENESIS_HASH

    def __init__(self, findings: Findings) -> None:
        super().__init__(Artifact.AUDIT.value, AUDIT_FIELDS, findings)
        self.counts: Counter[str] = Counter()
        self.moves: list[PhaseMove] = []
        self.stop_meta: Mapping[str, Any] = {}
        self.dead_sinks: dict[str, None] = {}
        self.tail: list[tuple[str, int]] = []

    def value(self, number: int, data: bytes) -> dict[str, Any] | None:
        """Return the entry of a line, its place in the chain checked, or ``None`` when it cannot be used."""
        entry = super().value(number, data)
        if entry is None:
            self._known_hash = None
            return None
        claimed = entry["entry_hash"]
        body = {key: value for key, value in entry.items() if key != "entry_hash"}
        self.same(_CHAIN, "entry_hash", digest_of(body), claimed)
        if self._known_hash is not None:
            self.same(_CHAIN, "prev_hash", self._known_hash, entry["prev_hash"])
        self.last_hash = self._known_hash = claimed
        return entry

    def _fold(self, value: Mapping[str, Any]) -> None:
        code, meta, first = value["code"], value["meta"], self.line == 1
        self.in_time("ts", value)
        self.first_ts = self.last_ts if first else self.first_ts
        opens = code == AuditCode.DRYRUN_START
        self.require(opens is first, _SEQUENCE, "C2_DRYRUN_START as the first entry and no other", code)
        in_place = self.phase not in SESSION_ENDS or self._may_follow_the_end(code)
        self.require(in_place, _SEQUENCE, "only writes tried again after the last phase move", code)
        self.counts[code] += 1
        match code:
            case AuditCode.DRYRUN_STOP:
                self.stop_meta = meta
            case FailCode.NO_LIVE_VIOLATION:
                self.closed_twice = self.closed_twice or self.phase in SESSION_ENDS
            case AuditCode.PHASE_TRANSITION:
                self._moved(meta, value["entry_hash"])
            case AuditCode.SINK_WRITE_RETRY:
                self._retried(meta.get("retries"))
            case AuditCode.SINK_WRITE_FAILED:
                self._sink_failed(meta.get("sink"))
            case AuditCode.PREFLIGHT_CHECK:
                self.failed_checks += meta.get("passed") is not True
                if meta.get("check") == NO_LIVE_CHECK:
                    layer = meta.get("layer", HOOK_LAYER) if meta.get("passed") is True else None
                    self.canary_layer = layer if isinstance(layer, str) else None

    def finish(self) -> None:
        """Report what only the end of the file shows."""
        self.require(self.phase in SESSION_ENDS, _PATH, "a path that reaches an end phase", self.phase)
        expected, seen = 1 + self.closed_twice, self.counts[AuditCode.DRYRUN_STOP]
        self.require(expected == seen or bool(self.dead_sinks), _SEQUENCE, f"{expected} C2_DRYRUN_STOP", seen)

    def _may_follow_the_end(self, code: str) -> bool:
        if self.dead_sinks or code in (AuditCode.SINK_WRITE_RETRY, AuditCode.SINK_WRITE_FAILED):
            return True
        if not self.closed_twice:
            return code == FailCode.NO_LIVE_VIOLATION
        return code in (AuditCode.DRYRUN_STOP, AuditCode.PHASE_TRANSITION)

    def _moved(self, meta: Mapping[str, Any], entry_hash: str) -> None:
        try:
            before, after = SessionPhase(meta["from"]), SessionPhase(meta["to"])
            trigger, ts_sim = SessionTrigger(meta["trigger"]), meta["ts_sim"]
        except (KeyError, ValueError):
            ts_sim = None
        if type(ts_sim) is not int or ts_sim < 0:
            self.add(_FORM, "meta with the phases from and to, trigger and ts_sim", meta)
            return
        self._follow(before, after, trigger)
        self.phase = after
        self.end_entries, self.end_retries, self.end_ts = self.emitted, self.retries, self.last_ts
        self.tail.clear()
        last = self.moves[-1].ts_sim if self.moves else 0
        self.require(ts_sim >= last, _SEQUENCE, f"ts_sim {last} or more", ts_sim)
        if len(self.moves) < MAX_MOVES:
            names = (before.value, after.value, trigger.value)
            self.moves.append(PhaseMove(*names, ts_sim, entry_hash, self.retries))

    def _follow(self, before: SessionPhase, after: SessionPhase, trigger: SessionTrigger) -> None:
        current, checks, failed = self.phase, self.counts[AuditCode.PREFLIGHT_CHECK], self.failed_checks
        if current in SESSION_ENDS and (self.dead_sinks or self.closed_twice):
            # the move that was written before things went wrong was never made
            current = self._before_end
        if before is not current:
            self.add(_PATH, f"a move from {current}", f"from {before}")
        elif SESSION_TABLE.get((before, trigger)) is not after:
            self.add(_PATH, "a move of the session table", f"{before} to {after} on {trigger}")
        elif after is SessionPhase.PREFLIGHT_OK and (failed or not checks):
            self.add(_PATH, "preflight checks before it, all passed", f"{failed} of {checks} failed")
        self._before_end = before

    def _retried(self, retries: Any) -> None:
        if type(retries) is not int or retries < 1:
            self.add(_FORM, "meta.retries of 1 or more", retries)
            retries = 1
        self.retries += retries
        if self.phase in SESSION_ENDS and len(self.tail) < MAX_TAIL:
            self.tail.append((self.last_ts, retries))

    def _sink_failed(self, sink: Any) -> None:
        name = sink if isinstance(sink, str) and sink in set(Artifact) else self.file
        if name not in self.dead_sinks:
            self.dead_sinks[name] = None
            expected, seen = "a sink that took every line", "one that failed for good"
            self.findings.add(FindingCode.INCOMPLETE_RUN, name, expected=expected, seen=seen)
