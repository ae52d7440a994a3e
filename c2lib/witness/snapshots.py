"""``state_snapshots.jsonl``, line by line: form, order, and what each status must and must not say.

Rules kept here:

* the status is that of the phase; counts never shrink; every snapshot tells the same start;
* only a snapshot of an end has an end time and codes; a code has its reason; REJECTED and FAILED have one.

>>> log = SnapshotLog(Findings(), RunName())
>>> log.take(1, b"{}")
>>> log.taken, log.last
(1, {})
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from c2lib.core.contract import SNAPSHOT_FIELDS
from c2lib.core.states import SESSION_ENDS, STATUS_OF_PHASE, SessionPhase, SessionStatus
from c2lib.core.vocabulary import Artifact
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.lines import LineCheck, RunName

FILE = Artifact.SNAPSHOTS.value

MAX_STATES = 100
"""Most snapshots that are kept; a run has at most four."""

_GROWING = ("step", "events_emitted", "sink_retries")
_STATUS = FindingCode.STATUS_PATH_WRONG


class State(NamedTuple):
    """What a snapshot says of the path: status, phase and events emitted."""

    status: str
    phase: str
    events_emitted: int


class SnapshotLog:
    """The snapshots so far; ``taken`` counts lines, ``states`` holds the usable ones, ``last`` is the last of them."""

    def __init__(self, findings: Findings, run: RunName) -> None:
        self.taken = 0
        self.states: list[State] = []
        self.last: Mapping[str, Any] = {}
        self._findings = findings
        self._check = LineCheck(FILE, SNAPSHOT_FIELDS, findings, run)
        self._number = 0
        self._next_ts_sim = 0

    def take(self, number: int, data: bytes) -> None:
        """Take the next line in."""
        self.taken += 1
        self._number = number
        snapshot = self._check.value(number, data)
        if snapshot is None:
            self._next_ts_sim += 1
            return
        if snapshot["ts_sim"] != self._next_ts_sim:
            self._report(FindingCode.SEQUENCE_BROKEN, f"ts_sim {self._next_ts_sim}", snapshot["ts_sim"])
        self._next_ts_sim = snapshot["ts_sim"] + 1
        self._form(snapshot)
        self._codes(snapshot)
        self._compare(self.last, snapshot)
        self.last = snapshot
        if len(self.states) < MAX_STATES:
            self.states.append(State(snapshot["status"], snapshot["phase"], snapshot["events_emitted"]))

    def _report(self, code: FindingCode, expected: object, seen: object) -> None:
        self._findings.add(code, FILE, self._number, expected=expected, seen=seen)

    def _form(self, snapshot: Mapping[str, Any]) -> None:
        phase, status = SessionPhase(snapshot["phase"]), snapshot["status"]
        if STATUS_OF_PHASE[phase] != status:
            self._report(_STATUS, f"{STATUS_OF_PHASE[phase].value} of phase {phase.value}", status)
        if (phase in SESSION_ENDS) is (snapshot["ended_ts"] is None):
            self._report(_STATUS, "an ended_ts at the end and not before", snapshot["ended_ts"])
        elif snapshot["ended_ts"] is not None and snapshot["ended_ts"] < snapshot["started_ts"]:
            self._report(FindingCode.CLOCK_WENT_BACK, f"not before {snapshot['started_ts']}", snapshot["ended_ts"])

    def _codes(self, snapshot: Mapping[str, Any]) -> None:
        status = snapshot["status"]
        for kind, statuses in (
            ("reject", (SessionStatus.REJECTED, SessionStatus.FAILED)),
            ("fail", (SessionStatus.FAILED,)),
        ):
            code, reason = snapshot[f"{kind}_code"], snapshot[f"{kind}_reason"]
            if (code is None) is not (reason is None):
                self._report(_STATUS, f"{kind}_code and {kind}_reason together", reason)
            if code is None and status == statuses[0]:
                self._report(_STATUS, f"a {kind}_code of status {status}", code)
            if code is not None and status not in statuses:
                self._report(_STATUS, f"no {kind}_code of status {status}", code)

    def _compare(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        if not before:
            return
        if after["started_ts"] != before["started_ts"]:
            self._report(_STATUS, f"started_ts {before['started_ts']}", after["started_ts"])
        for name in _GROWING:
            if after[name] < before[name]:
                self._report(FindingCode.COUNTER_WRONG, f"{name} of {before[name]} or more", after[name])
