"""What is wrong with a run directory: verdicts, finding codes, and where findings are recorded.

Text of a run is shown as one bounded line of ASCII without secrets: no value can forge a finding or spread a secret.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
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
        return {**asdict(self), "code": self.code.value}


FINDING_COLUMNS = "code file line event_id expected seen"

MAX_PER_FILE = 1000
"""Most findings of one file that are kept one by one; a file that has them is read no further."""

MAX_STRICT = 1 << 20
"""Bytes of lines that are no canonical JSON behind which a file is read no further: such lines cost the most."""


class Findings:
    r"""The findings of one reading, in the order in which they were made, at most :data:`MAX_PER_FILE` of a file.

    >>> findings = Findings()
    >>> findings.add(FindingCode.SEQUENCE_BROKEN, "events.jsonl", 7, expected=6, seen="6\n7")
    >>> print(findings.all()[0].text())
    SEQUENCE_BROKEN events.jsonl:7 expected 6, seen 6\n7
    """

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._count: Counter[str] = Counter()
        self._last: dict[str, Finding] = {}
        self._charged: Counter[str] = Counter()
        self._lines: dict[str, int] = {}

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
        """Record a finding; ``line`` counts from 1, 0 means the file as a whole."""
        self._count[file] += 1
        if self._count[file] <= MAX_PER_FILE:
            self._kept.append(Finding(code, shown(file), line, event_id, shown(expected), shown(seen)))
            if self._count[file] == MAX_PER_FILE:
                self._last.setdefault(file, self._kept[-1])

    def charge(self, file: str, size: int) -> None:
        """Count the bytes of a line that is no canonical JSON, and for which a finding was recorded."""
        self._charged[file] += size
        if self._charged[file] > MAX_STRICT:
            self._last.setdefault(file, self._kept[-1])

    def full(self, file: str) -> bool:
        """Whether so much of a file is wrong that it is read no further."""
        return file in self._last

    def ended(self, file: str, lines: int) -> None:
        """Take note of how many lines a file has that was read, or given up."""
        self._lines[file] = lines

    def all(self) -> tuple[Finding, ...]:
        """Return the findings, and for each file that had too many one finding that says how much was left out."""
        rest = []
        for file, last in self._last.items():
            more, lines = self._count[file] - MAX_PER_FILE, self._lines.get(file, 0) - last.line
            what = [f"{more} more findings"] * (more > 0) + [f"{lines} more lines"] * (lines > 0)
            if what:
                rest.append(Finding(last.code, last.file, seen=f"{' and '.join(what)}, left out"))
        return (*self._kept, *rest)


class FileFindings:
    """The findings of one file, recorded at its current ``line`` (0: the file as a whole) and ``event_id``."""

    line = 0
    event_id: str | None = None

    def __init__(self, file: str, findings: Findings) -> None:
        self.file = file
        self.findings = findings

    def add(self, code: FindingCode, expected: object = "", seen: object = "") -> None:
        """Record a finding."""
        self.findings.add(code, self.file, self.line, expected=expected, seen=seen, event_id=self.event_id)

    def require(self, holds: bool, code: FindingCode, expected: object, seen: object) -> None:
        """Record a finding unless something ``holds``."""
        if not holds:
            self.add(code, expected, seen)

    def same(self, code: FindingCode, what: str, expected: object, seen: object) -> None:
        """Record a finding unless both values are the same; ``True`` is not the same as 1."""
        if expected != seen or isinstance(expected, bool) is not isinstance(seen, bool):
            self.add(code, f"{what} {'null' if expected is None else expected}", seen)
