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

_STATUS, _COUNTER = FindingCode.STATUS_PATH_WRONG, FindingCode.COUNTER_WRONG


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
        before, self.last = self.last or value, value
        phase, status, ended = SessionPhase(value["phase"]), value["status"], value["ended_ts"]
        usual = STATUS_OF_PHASE[phase]
        self.require(usual == status, _STATUS, f"{usual} of phase {phase}", status)
        if (phase in SESSION_ENDS) is (ended is None):
            self.add(_STATUS, "an ended_ts at the end and not before", ended)
        elif ended is not None and ended < value["started_ts"]:
            self.add(FindingCode.CLOCK_WENT_BACK, f"not before {value['started_ts']}", ended)
        for kind, statuses in STATUSES_OF_CODE.items():
            code, reason = value[f"{kind}_code"], value[f"{kind}_reason"]
            self.require((code is None) is (reason is None), _STATUS, f"{kind}_code and {kind}_reason together", reason)
            holds, one = (status != statuses[0], "a") if code is None else (status in statuses, "no")
            self.require(holds, _STATUS, f"{one} {kind}_code of status {status}", code)
        self.same(_STATUS, "started_ts", before["started_ts"], value["started_ts"])
        for name in GROWING:
            self.require(value[name] >= before[name], _COUNTER, f"{name} of {before[name]} or more", value[name])
        if len(self.states) < MAX_STATES:
            self.states.append(State(status, value["phase"], value["events_emitted"]))
