"""Audit trails and snapshots of two runs, side by side.

Rules kept here:

* audit entries are compared one by one up to the first that differs, and counted by code behind it;
* the chain is compared as long as everything before was the same: behind the first difference every hash is another;
* phases are told apart from the entries, with the events at which they moved.

>>> diff = AuditDiff()
>>> diff.read([Entry(1, {"code": "C2_DRYRUN_START", "meta": {}}, b"a")], [])
>>> diff.first.text()
'audit.jsonl:1 C2_DRYRUN_START: there | (nothing)'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from c2lib.core.vocabulary import Artifact, AuditCode
from c2lib.witness.control import MAX_MOVES
from c2lib.witness.diff_facts import Count, FieldDifference
from c2lib.witness.event_diff import MAX_FIELDS, first_differences, side_text
from c2lib.witness.findings import shown
from c2lib.witness.runbook import OWN_AUDIT_FIELDS, count_name

_TIMES = frozenset({"ts", "started_ts", "ended_ts"})


class Entry(NamedTuple):
    """An audit entry with the number of its line, from 1, and the bytes of the line."""

    line: int
    value: Mapping[str, Any]
    data: bytes


class AuditDiff:
    """The comparison of two audit trails; ``first`` is where they part. Times can be left out of it."""

    def __init__(self, *, with_times: bool = True) -> None:
        self.with_times = with_times
        self.first: FieldDifference | None = None
        self._counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._moves: tuple[list[str], list[str]] = ([], [])
        self._same_so_far = True

    def read(self, a: Iterable[Entry], b: Iterable[Entry]) -> None:
        """Read both trails to their ends."""
        for pair in zip_longest(a, b):
            for counts, moves, entry in zip(self._counts, self._moves, pair, strict=True):
                if entry is not None:
                    count_name(counts, entry.value["code"])
                    if entry.value["code"] == AuditCode.PHASE_TRANSITION and len(moves) < MAX_MOVES:
                        moves.append(_move(entry.value["meta"]))
            if self.first is None:
                self._compare(*pair)

    def _compare(self, a: Entry | None, b: Entry | None) -> None:
        if a is None or b is None:
            entry = a or b
            there = [None if side is None else "there" for side in (a, b)]
            self.first = FieldDifference(_where(entry), *there) if entry else None
        elif a.data != b.data:
            fields = first_differences(self._told(a.value), self._told(b.value))
            if not fields and self._same_so_far and self._moves[0] == self._moves[1] and self.with_times:
                fields = first_differences(a.value, b.value)
            self._same_so_far = False
            if fields:
                name = f"{_where(a)} {fields[0].name}"
                self.first = FieldDifference(name, fields[0].a, fields[0].b)

    def _told(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an entry says, without what follows from other differences."""
        left_out = OWN_AUDIT_FIELDS | (frozenset() if self.with_times else _TIMES)
        told = {name: item for name, item in value.items() if name not in left_out}
        if value["code"] == AuditCode.PHASE_TRANSITION:
            told["meta"] = {name: item for name, item in value["meta"].items() if name != "ts_sim"}
        return told

    def phases(self) -> FieldDifference | None:
        """Return the two paths of phases when they differ."""
        a, b = self._moves
        return None if a == b else FieldDifference("phases", shown(", ".join(a)), shown(", ".join(b)))

    def differing_counts(self) -> tuple[Count, ...]:
        """Return the codes of which the two sides have another number of entries."""
        a, b = self._counts
        names = sorted(name for name in a.keys() | b.keys() if a[name] != b[name])
        return tuple(Count(shown(name), a[name], b[name]) for name in names)


def _where(entry: Entry) -> str:
    return f"{Artifact.AUDIT}:{entry.line} {shown(entry.value['code'])}"


def _move(meta: Mapping[str, Any]) -> str:
    to, ts_sim = (side_text(meta.get(name)) for name in ("to", "ts_sim"))
    return f"{to} at {ts_sim}"


def snapshot_differences(
    a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]], *, with_times: bool
) -> tuple[FieldDifference, ...]:
    """Return where the snapshots of two runs differ, the n-th beside the n-th."""
    found: list[FieldDifference] = []
    for number, (left, right) in enumerate(zip_longest(a, b), start=1):
        if left is None or right is None:
            sides = [None if side is None else side_text(side["status"]) for side in (left, right)]
            found.append(FieldDifference(f"snapshot {number}", *sides))
            continue
        told = [
            {name: item for name, item in side.items() if with_times or name not in _TIMES} for side in (left, right)
        ]
        found += [
            FieldDifference(f"snapshot {number} {field.name}", field.a, field.b) for field in first_differences(*told)
        ]
    return tuple(found[:MAX_FIELDS])
