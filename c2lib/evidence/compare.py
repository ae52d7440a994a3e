r"""An evidence file against the draft that its run gives.

Rules kept here:

* an evidence file is bytes of a stranger: whatever they are, they become findings, and no error;
* from the file itself come only the date, the owner and the pictures that it names; everything else must be, byte
  for byte, what the run gives;
* a name that the file gives to a picture is looked at by its form before it is looked for.

>>> findings = Findings()
>>> stated(b"# An evidence file\n\x00", "EV-1.md", findings) is None
True
>>> findings.all()[0].text()
'EVIDENCE_MALFORMED EV-1.md expected a line - **Date:** YYYY-MM-DD, seen none'
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from itertools import zip_longest
from typing import NamedTuple

from c2lib.evidence.render import PLOT_NAME_PATTERN
from c2lib.witness.facts import FindingCode
from c2lib.witness.findings import Findings

MAX_EVIDENCE = 1 << 20
"""Longest evidence file, in bytes."""

_DATE = re.compile(r"^- \*\*Date:\*\* ([0-9]{4}-[0-9]{2}-[0-9]{2})$", re.ASCII | re.MULTILINE)
_OWNER = re.compile(r"^- \*\*Owner:\*\* (.{1,1000})$", re.MULTILINE)
_PICTURE = re.compile(rf"^\| <code>({PLOT_NAME_PATTERN})</code> \| <code>([0-9a-f]{{64}})</code> \|$", re.ASCII)
_PLOTS_HEAD = "## Plots"
_NONE = "no line"


class Stated(NamedTuple):
    """What an evidence file says of itself: its text, date, owner, and the hash of each picture by its name."""

    text: str
    date: str
    owner: str
    pictures: Mapping[str, str]


def stated(data: bytes, name: str, findings: Findings) -> Stated | None:
    """Return what the file ``name`` states; ``None``, with a finding, when it cannot be told."""
    malformed = FindingCode.EVIDENCE_MALFORMED
    if len(data) > MAX_EVIDENCE:
        findings.add(malformed, name, expected=f"at most {MAX_EVIDENCE} bytes", seen="more")
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        findings.add(malformed, name, expected="UTF-8", seen=f"other bytes from byte {error.start} on")
        return None
    date, owner = _DATE.search(text), _OWNER.search(text)
    if date is None or owner is None:
        what = "- **Owner:** NAME" if date else "- **Date:** YYYY-MM-DD"
        findings.add(malformed, name, expected=f"a line {what}", seen="none")
        return None
    _, _, plots = text.rpartition(f"\n{_PLOTS_HEAD}\n")
    rows = filter(None, map(_PICTURE.fullmatch, plots.split("\n")))
    return Stated(text, date[1], html.unescape(owner[1]), {row[1]: row[2] for row in rows})


def difference(text: str, draft: str, name: str, findings: Findings) -> None:
    """Note the first line of an evidence file that is not that of the draft."""
    lines = zip_longest(draft.split("\n"), text.split("\n"), fillvalue=_NONE)
    for number, (expected, seen) in enumerate(lines, start=1):
        if expected != seen:
            expected, seen = around(expected, seen)
            findings.add(
                FindingCode.EVIDENCE_DIFFERS, name, number, expected=expected or "nothing", seen=seen or "nothing"
            )
            return


def around(left: str, right: str) -> tuple[str, str]:
    """Return two lines from shortly before the first character that differs."""
    pairs = enumerate(zip(left, right, strict=False))
    first = next((at for at, (one, other) in pairs if one != other), min(len(left), len(right)))
    start = max(0, first - 40)
    return left[start:], right[start:]
