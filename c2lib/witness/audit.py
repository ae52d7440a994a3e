"""``audit.jsonl``, line by line: form, chain, and the path of phases.

Rules kept here:

* ``entry_hash`` is recomputed, ``prev_hash`` is that of the entry before, ``seq`` grows by one from 0;
* a phase moves by the session table alone; the first entry opens the run, the last move reaches an end;
* after that move stand only entries of writes tried again: they came while closing;
* where a sink died late, or the NO-LIVE guard refused something while closing, the closing entries stand twice,
  and the last move counts.

>>> log = AuditLog(Findings())
>>> log.phase.value, log.moves
('INIT', [])
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from c2lib.core.canon import GENESIS_HASH, sha256_hex
from c2lib.core.contract import AUDIT_FIELDS
from c2lib.core.states import SESSION_ENDS, SESSION_TABLE, SessionPhase, SessionTrigger
from c2lib.core.vocabulary import NO_LIVE_CHECK, Artifact, AuditCode, FailCode
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.lines import LineCheck, encode

FILE = Artifact.AUDIT.value
HOOK_LAYER = "hook"
"""The NO-LIVE layer of a canary check that names none."""

MAX_MOVES = 100
"""Most phase moves that are kept; the longest path has five."""

MAX_TAIL = 100_000
"""Most retry entries after the last move that are kept; a session's bound on retries allows far fewer."""


@dataclass(frozen=True, slots=True)
class PhaseMove:
    """One ``C2_PHASE_TRANSITION``: from where, to where, why, after how many events, and the ``entry_hash`` of it."""

    before: str
    after: str
    trigger: str
    ts_sim: int
    entry_hash: str


class RetryEntry(NamedTuple):
    """A ``C2_SINK_WRITE_RETRY``: its time and how many retries it stands for."""

    ts: str
    retries: int


class AuditLog:
    """The audit trail so far.

    ``entries`` counts lines; ``end_entries``, ``end_retries`` and ``end_ts`` tell entries, retries and time at
    the last phase move, ``tail`` what came after it; ``canary_layer`` is the NO-LIVE layer that the canary found to
    hold, ``None`` when it found none; ``dead_sinks`` names the sinks that failed for good;
    ``closed_twice`` says that a NO-LIVE violation came late.
    """

    def __init__(self, findings: Findings) -> None:
        self.entries = 0
        self.last_hash = GENESIS_HASH
        self.counts: Counter[str] = Counter()
        self.phase = SessionPhase.INIT
        self.moves: list[PhaseMove] = []
        self.stop_meta: Mapping[str, Any] = {}
        self.first_ts: str | None = None
        self.failed_checks = 0
        self.canary_layer: str | None = None
        self.dead_sinks: dict[str, None] = {}
        self.closed_twice = False
        self.end_entries = self.end_retries = 0
        self.end_ts: str | None = None
        self.tail: list[RetryEntry] = []
        self._retries = 0
        self._findings = findings
        self._check = LineCheck(FILE, AUDIT_FIELDS, findings)
        self._before_end = SessionPhase.INIT
        self._number = 0
        self._next_seq = 0
        self._last_ts = ""
        self._known_hash: str | None = GENESIS_HASH
        self._handlers: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            AuditCode.PHASE_TRANSITION: self._moved,
            AuditCode.SINK_WRITE_RETRY: self._retried,
            AuditCode.SINK_WRITE_FAILED: self._sink_failed,
            FailCode.NO_LIVE_VIOLATION: self._violated,
            AuditCode.PREFLIGHT_CHECK: self._preflight,
            AuditCode.DRYRUN_STOP: self._stopping,
        }

    @property
    def retries(self) -> int:
        """How many writes were tried again, over all entries."""
        return self._retries

    def take(self, number: int, data: bytes) -> None:
        """Take the next line in."""
        self.entries += 1
        self._number = number
        entry = self._check.value(number, data)
        if entry is None:
            self._next_seq += 1
            self._known_hash = None
            return
        self._chain(entry)
        self._order(entry)
        code = entry["code"]
        self.counts[code] += 1
        handler = self._handlers.get(code)
        if handler is not None:
            handler(entry)

    def finish(self) -> None:
        """Say what only the end of the file shows."""
        if self.phase not in SESSION_ENDS:
            self._report(FindingCode.PHASE_PATH_FORBIDDEN, "a path that reaches an end phase", self.phase.value)
        stops = 1 + self.closed_twice
        if self.counts[AuditCode.DRYRUN_STOP] != stops and not self.dead_sinks:
            seen = self.counts[AuditCode.DRYRUN_STOP]
            self._report(FindingCode.SEQUENCE_BROKEN, f"{stops} C2_DRYRUN_STOP", seen)

    def _report(self, code: FindingCode, expected: object, seen: object) -> None:
        self._findings.add(code, FILE, self._number, expected=expected, seen=seen)

    def _chain(self, entry: Mapping[str, Any]) -> None:
        claimed = entry["entry_hash"]
        body = {key: value for key, value in entry.items() if key != "entry_hash"}
        expected = sha256_hex(encode(body).encode())
        if claimed != expected:
            self._report(FindingCode.CHAIN_BROKEN, f"entry_hash {expected}", claimed)
        if self._known_hash is not None and entry["prev_hash"] != self._known_hash:
            self._report(FindingCode.CHAIN_BROKEN, f"prev_hash {self._known_hash}", entry["prev_hash"])
        self.last_hash = self._known_hash = claimed

    def _order(self, entry: Mapping[str, Any]) -> None:
        seq, ts, code = entry["seq"], entry["ts"], entry["code"]
        if seq != self._next_seq:
            self._report(FindingCode.SEQUENCE_BROKEN, f"seq {self._next_seq}", seq)
        self._next_seq = seq + 1
        if ts < self._last_ts:
            self._report(FindingCode.CLOCK_WENT_BACK, f"a ts not before {self._last_ts}", ts)
        self._last_ts = ts
        if (code == AuditCode.DRYRUN_START) is not (self._number == 1):
            self._report(FindingCode.SEQUENCE_BROKEN, "C2_DRYRUN_START as the first entry and no other", code)
        if self._number == 1:
            self.first_ts = ts
        if self.phase in SESSION_ENDS and not self._may_follow_the_end(code):
            self._report(FindingCode.SEQUENCE_BROKEN, "only writes tried again after the last phase move", code)

    def _moved(self, entry: Mapping[str, Any]) -> None:
        meta = entry["meta"]
        try:
            before, after = SessionPhase(meta["from"]), SessionPhase(meta["to"])
            trigger, ts_sim = SessionTrigger(meta["trigger"]), meta["ts_sim"]
        except (KeyError, ValueError):
            ts_sim = None
        if type(ts_sim) is not int or ts_sim < 0:
            self._report(FindingCode.CONTRACT_BROKEN, "meta with the phases from and to, trigger and ts_sim", meta)
            return
        self._follow(before, after, trigger)
        self.phase = after
        self.end_entries, self.end_retries, self.end_ts = self.entries, self._retries, entry["ts"]
        self.tail.clear()
        if self.moves and ts_sim < self.moves[-1].ts_sim:
            self._report(FindingCode.SEQUENCE_BROKEN, f"ts_sim {self.moves[-1].ts_sim} or more", ts_sim)
        if len(self.moves) < MAX_MOVES:
            move = PhaseMove(before.value, after.value, trigger.value, ts_sim, entry["entry_hash"])
            self.moves.append(move)

    def _follow(self, before: SessionPhase, after: SessionPhase, trigger: SessionTrigger) -> None:
        current = self.phase
        if current in SESSION_ENDS and (self.dead_sinks or self.closed_twice):
            # the move that was written before things went wrong was never made
            current = self._before_end
        if before is not current:
            self._report(FindingCode.PHASE_PATH_FORBIDDEN, f"a move from {current.value}", f"from {before.value}")
        elif SESSION_TABLE.get((before, trigger)) is not after:
            path = f"{before.value} to {after.value} on {trigger.value}"
            self._report(FindingCode.PHASE_PATH_FORBIDDEN, "a move of the session table", path)
        elif after is SessionPhase.PREFLIGHT_OK and (self.failed_checks or not self.counts[AuditCode.PREFLIGHT_CHECK]):
            seen = f"{self.failed_checks} of {self.counts[AuditCode.PREFLIGHT_CHECK]} failed"
            self._report(FindingCode.PHASE_PATH_FORBIDDEN, "preflight checks before it, all passed", seen)
        self._before_end = before

    def _retried(self, entry: Mapping[str, Any]) -> None:
        retries = entry["meta"].get("retries")
        if type(retries) is not int or retries < 1:
            self._report(FindingCode.CONTRACT_BROKEN, "meta.retries of 1 or more", retries)
            retries = 1
        self._retries += retries
        if self.phase in SESSION_ENDS and len(self.tail) < MAX_TAIL:
            self.tail.append(RetryEntry(entry["ts"], retries))

    def _sink_failed(self, entry: Mapping[str, Any]) -> None:
        sink = entry["meta"].get("sink")
        name = sink if isinstance(sink, str) and sink in set(Artifact) else FILE
        if name not in self.dead_sinks:
            self.dead_sinks[name] = None
            self._findings.add(
                FindingCode.INCOMPLETE_RUN,
                name,
                expected="a sink that took every line",
                seen="one that failed for good",
            )

    def _violated(self, entry: Mapping[str, Any]) -> None:
        del entry
        self.closed_twice = self.closed_twice or self.phase in SESSION_ENDS

    def _preflight(self, entry: Mapping[str, Any]) -> None:
        passed = entry["meta"].get("passed") is True
        self.failed_checks += not passed
        if entry["meta"].get("check") == NO_LIVE_CHECK:
            layer = entry["meta"].get("layer", HOOK_LAYER)
            self.canary_layer = layer if passed and isinstance(layer, str) else None

    def _stopping(self, entry: Mapping[str, Any]) -> None:
        self.stop_meta = entry["meta"]

    def _may_follow_the_end(self, code: str) -> bool:
        if self.dead_sinks or code in (AuditCode.SINK_WRITE_RETRY, AuditCode.SINK_WRITE_FAILED):
            return True
        if not self.closed_twice:
            return code == FailCode.NO_LIVE_VIOLATION
        return code in (AuditCode.DRYRUN_STOP, AuditCode.PHASE_TRANSITION)
