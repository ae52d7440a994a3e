r"""Where the witness gathers what it finds.

Rules kept here:

* text that comes from a run is shown as one bounded line of ASCII without secrets, so that no value can forge a
  finding, and a report of a foreign directory spreads nothing;
* findings stand in the order in which they were made, at most :data:`MAX_PER_FILE` a file; what is beyond is
  counted, and said by one last finding of that file.

>>> findings = Findings()
>>> findings.add(FindingCode.SEQUENCE_BROKEN, "events.jsonl", 7, expected=6, seen="6\n7")
>>> findings.all()[0].text()
'SEQUENCE_BROKEN events.jsonl:7 expected 6, seen 6\\n7'
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from c2lib.core.text import shown


class Verdict(StrEnum):
    """How much of a run's own seal there is."""

    SEALED = "SEALED"
    UNSEALED = "UNSEALED"
    INCOMPLETE = "INCOMPLETE"


class FindingCode(StrEnum):
    """What can be wrong with a run directory, or with the evidence beside it."""

    MISSING_FILE = "MISSING_FILE"
    UNREADABLE_FILE = "UNREADABLE_FILE"
    UNEXPECTED_FILE = "UNEXPECTED_FILE"
    INCOMPLETE_RUN = "INCOMPLETE_RUN"
    NOT_SEALED = "NOT_SEALED"
    MALFORMED_LINE = "MALFORMED_LINE"
    NOT_CANONICAL = "NOT_CANONICAL"
    CONTRACT_BROKEN = "CONTRACT_BROKEN"
    WRONG_RUN = "WRONG_RUN"
    EVENT_ID_WRONG = "EVENT_ID_WRONG"
    SEQUENCE_BROKEN = "SEQUENCE_BROKEN"
    CLOCK_WENT_BACK = "CLOCK_WENT_BACK"
    CHAIN_BROKEN = "CHAIN_BROKEN"
    PHASE_PATH_FORBIDDEN = "PHASE_PATH_FORBIDDEN"
    STATUS_PATH_WRONG = "STATUS_PATH_WRONG"
    COUNTER_WRONG = "COUNTER_WRONG"
    LEDGER_WRONG = "LEDGER_WRONG"
    DIGEST_WRONG = "DIGEST_WRONG"
    RUN_DIGEST_WRONG = "RUN_DIGEST_WRONG"
    CONFIG_HASH_WRONG = "CONFIG_HASH_WRONG"
    REPLAY_DIVERGED = "REPLAY_DIVERGED"
    REPLAY_IMPOSSIBLE = "REPLAY_IMPOSSIBLE"
    OTHER_BEHAVIOUR_VERSION = "OTHER_BEHAVIOUR_VERSION"
    EVIDENCE_MALFORMED = "EVIDENCE_MALFORMED"
    EVIDENCE_DIFFERS = "EVIDENCE_DIFFERS"
    PICTURE_DIFFERS = "PICTURE_DIFFERS"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; ``line`` 0 means the file as a whole."""

    code: FindingCode
    file: str
    line: int = 0
    event_id: str | None = None
    expected: str = ""
    seen: str = ""

    def text(self) -> str:
        """Return the finding as one line for people."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        sides = f" expected {self.expected}, seen {self.seen}" if self.expected or self.seen else ""
        return f"{self.code} {where}{sides}" + (f" (event {self.event_id})" if self.event_id else "")

    def facts(self) -> dict[str, Any]:
        """Return the finding as plain JSON values."""
        return {
            "code": self.code.value,
            "file": self.file,
            "line": self.line,
            "event_id": self.event_id,
            "expected": self.expected,
            "seen": self.seen,
        }


MAX_PER_FILE = 1000
"""Most findings of one file that are kept one by one."""


class Findings:
    """The findings of one examination."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._count: Counter[str] = Counter()
        self._first_left_out: dict[str, FindingCode] = {}

    def add(
        self,
        code: FindingCode,
        file: str,
        line: int = 0,
        *,
        expected: object = "",
        seen: object = "",
        event_id: str | None = None,
    ) -> None:
        """Note a finding; ``line`` counts from 1, 0 means the file as a whole."""
        file = shown(file)
        self._count[file] += 1
        if self._count[file] <= MAX_PER_FILE:
            self._kept.append(Finding(code, file, line, event_id, shown(expected), shown(seen)))
        else:
            self._first_left_out.setdefault(file, code)

    def all(self) -> tuple[Finding, ...]:
        """Return everything found, and for each file that had too much one finding that says how much more."""
        rest = [
            Finding(code, file, 0, None, "", f"{self._count[file] - MAX_PER_FILE} more findings, left out")
            for file, code in self._first_left_out.items()
        ]
        return (*self._kept, *rest)
