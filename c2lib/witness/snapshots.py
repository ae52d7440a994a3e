"""``state_snapshots.jsonl``, line by line: form, order, and what each status must and must not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from c2lib.core.contract import SNAPSHOT_FIELDS
from c2lib.core.states import SESSION_ENDS, STATUS_OF_PHASE, SessionPhase, SessionStatus
from c2lib.core.vocabulary import Artifact
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.lines import LineLog, RunName

MAX_STATES = 100
"""Most snapshots that are kept; a run has at most four."""

GROWING = ("step", "events_emitted", "sink_retries")
"""The counts of a snapshot, none less than in the one before."""

STATUSES_OF_CODE = {"reject": (SessionStatus.REJECTED, SessionStatus.FAILED), "fail": (SessionStatus.FAILED,)}
"""The statuses that may have a code; the first of them must."""

_STATUS = FindingCode.STATUS_PATH_WRONG


class State(NamedTuple):
    """What a snapshot says of the path: status, phase and events emitted."""

    status: str
    phase: str
    events_emitted: int

    def __str__(self) -> str:
        return f"{self.status} in {self.phase} after {self.events_emitted} events"


class SnapshotLog(LineLog):
    """The snapshots so far; ``states`` holds the usable ones, ``last`` is the last of them.

    >>> log = SnapshotLog(Findings(), RunName())
    >>> log.take(1, b"{}")
    >>> log.emitted, log.last
    (1, {})
    """

    def __init__(self, findings: Findings, run: RunName) -> None:
        super().__init__(Artifact.SNAPSHOTS.value, SNAPSHOT_FIELDS, findings, run)
        self.states: list[State] = []
        self.last: Mapping[str, Any] = {}

    def _fold(self, value: Mapping[str, Any]) -> None:
        self._check(value)
        if self.last:
            self._compare(self.last, value)
        self.last = value
        if len(self.states) < MAX_STATES:
            self.states.append(State(value["status"], value["phase"], value["events_emitted"]))

    def _check(self, snapshot: Mapping[str, Any]) -> None:
        phase, status, ended = SessionPhase(snapshot["phase"]), snapshot["status"], snapshot["ended_ts"]
        usual = STATUS_OF_PHASE[phase]
        self.require(usual == status, _STATUS, f"{usual} of phase {phase}", status)
        if (phase in SESSION_ENDS) is (ended is None):
            self.add(_STATUS, "an ended_ts at the end and not before", ended)
        elif ended is not None and ended < snapshot["started_ts"]:
            self.add(FindingCode.CLOCK_WENT_BACK, f"not before {snapshot['started_ts']}", ended)
        for kind, statuses in STATUSES_OF_CODE.items():
            code, reason = snapshot[f"{kind}_code"], snapshot[f"{kind}_reason"]
            self.require((code is None) is (reason is None), _STATUS, f"{kind}_code and {kind}_reason together", reason)
            if code is None:
                self.require(status != statuses[0], _STATUS, f"a {kind}_code of status {status}", code)
            else:
                self.require(status in statuses, _STATUS, f"no {kind}_code of status {status}", code)

    def _compare(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        self.same(_STATUS, "started_ts", before["started_ts"], after["started_ts"])
        for name in GROWING:
            holds = after[name] >= before[name]
            self.require(holds, FindingCode.COUNTER_WRONG, f"{name} of {before[name]} or more", after[name])
