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

from c2lib.core.secrets import redact_secrets
from c2lib.witness.facts import Finding, FindingCode

MAX_PER_FILE = 1000
"""Most findings of one file that are kept one by one."""

MAX_SHOWN = 200
"""Longest text of one side of a finding, in characters."""

_CUT = "..."

_LOOKED_AT = 8 * MAX_SHOWN
"""Characters that are searched for secrets: a secret that begins where it would be shown is known by its beginning."""


def shown(value: object) -> str:
    """Return ``value`` as one line of printable ASCII, at most :data:`MAX_SHOWN` characters."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = redact_secrets((value if isinstance(value, str) else str(value))[:_LOOKED_AT])[: MAX_SHOWN + 1]
    text = text.encode("unicode_escape").decode("ascii")
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - len(_CUT)] + _CUT


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
