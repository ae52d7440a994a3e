"""Where and why two runs part.

Rules kept here:

* runs are aligned by meaning, bar by bar and order by order, never by line number;
* the name of a run, and every id and hash that follows from it, is no difference;
* nothing is verified here and no hash of a manifest is believed: what is compared is what the files say;
* both runs are read once and side by side; memory follows the events of one bar and the open orders.

>>> diff_runs("/nowhere/at/all", "/nowhere/at/all")
Traceback (most recent call last):
c2lib.core.errors.RunPathError: /nowhere/at/all is no directory that can be read (ENOENT): name a run directory
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from c2lib.core.errors import RunPathError
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from c2lib.witness.checks import LineCheck
from c2lib.witness.control_diff import AuditDiff, Entry, snapshot_differences
from c2lib.witness.diff_facts import EventComparison, FieldDifference, Outcome, RunDiff, RunSide
from c2lib.witness.event_diff import EventDiff, Names, first_differences, of_its_own
from c2lib.witness.examine import verdict_of
from c2lib.witness.facts import FileFacts
from c2lib.witness.findings import Findings, shown
from c2lib.witness.folder import Folder
from c2lib.witness.manifest_diff import Told, causes
from c2lib.witness.quick import quick_event
from c2lib.witness.reader import MAX_LINE, MAX_OBJECT, ArtifactFile
from c2lib.witness.runbook import RunbookCheck
from c2lib.witness.snapshots import MAX_STATES
from c2lib.witness.steps import Event, side_by_side, steps

_quick_event = lru_cache(maxsize=16)(quick_event)
"""Two runs that are read side by side bring the same lines at nearly the same time."""

MAX_DAMAGE = 10
"""Most lines that are told of one by one because they cannot be compared."""

NOTE_HASHES = "event ids and the audit chain are not compared between runs of other names; c2lib verify checks each"


class _Side:
    """One run directory, its files read as they are asked for."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.findings = Findings()
        self.facts: dict[str, FileFacts] = {}
        self.manifest = self._object(Artifact.MANIFEST) if folder.has_manifest else None
        self.metrics = self._object(Artifact.METRICS) if Artifact.METRICS in folder.entries else None
        self.snapshots = list(self._values(Artifact.SNAPSHOTS, MAX_STATES))
        self._events = ArtifactFile(folder.descriptor, Artifact.EVENTS, self.findings)
        self.names = self._named()

    def _named(self) -> Names:
        """Return what the run calls itself: by its first event, else by whatever else tells."""
        first = self._events.head()
        event = _event(first, RunbookCheck(Artifact.EVENTS, Findings())) if first is not None else None
        for teller in (event, self.manifest, self.metrics, *self.snapshots):
            names = [(teller or {}).get(name) for name in Names._fields]
            if all(isinstance(name, str) for name in names):
                return Names(*map(str, names))
        return Names("", "")

    def events(self) -> Iterator[Event]:
        """Yield the events that can be compared; raise :class:`RunPathError` when the file cannot be read."""
        check = RunbookCheck(Artifact.EVENTS, self.findings)
        for number, data in self._events.lines():
            value = _event(data, check, number)
            if value is not None:
                yield Event(number, value, data)
        if self._events.facts is None:
            raise RunPathError(f"{self.folder.path}: {Artifact.EVENTS} cannot be read: name a run directory")
        self.facts[Artifact.EVENTS] = self._events.facts

    def audit(self) -> Iterator[Entry]:
        """Yield the audit entries that can be compared."""
        check = RunbookCheck(Artifact.AUDIT, self.findings)
        for number, data in self._lines(Artifact.AUDIT):
            value = check.value(number, data)
            if value is not None:
                yield Entry(number, value, data)

    def _values(self, artifact: Artifact, most: int) -> Iterator[Mapping[str, Any]]:
        check = RunbookCheck(artifact, self.findings)
        for number, data in self._lines(artifact):
            value = check.value(number, data) if number <= most else None
            if value is not None:
                yield value

    def _object(self, artifact: Artifact) -> Mapping[str, Any] | None:
        """Return the object of a file of one line, or ``None`` when there is none that can be read."""
        check, limit = _check_of_object(artifact, self.findings)
        lines = [data for number, data in self._lines(artifact, limit) if number == 1]
        return check.value(1, lines[0]) if lines else None

    def _lines(self, artifact: Artifact, limit: int = MAX_LINE) -> Iterator[tuple[int, bytes]]:
        if artifact not in self.folder.entries:
            return
        file = ArtifactFile(self.folder.descriptor, artifact.value, self.findings, limit)
        yield from file.lines()
        if file.facts is not None:
            self.facts[artifact.value] = file.facts

    def told(self) -> RunSide:
        """Return the side as a fact."""
        damage = [finding.text() for finding in self.findings.all()]
        more = [f"{len(damage) - MAX_DAMAGE} more"] if len(damage) > MAX_DAMAGE else []
        digest = (self.manifest or {}).get("run_digest")
        return RunSide(
            path=self.folder.path,
            verdict=verdict_of(self.folder),
            run_id=shown(self.names.run_id),
            strategy_id=shown(self.names.strategy_id),
            run_digest=shown(digest) if isinstance(digest, str) else None,
            damage=(*damage[:MAX_DAMAGE], *more),
        )


def _check_of_object(artifact: Artifact, findings: Findings) -> tuple[LineCheck, int]:
    """Return the check of a file of one line, and its longest line."""
    if artifact is Artifact.MANIFEST:
        return LineCheck(artifact, (), findings, limit=MAX_OBJECT), MAX_OBJECT
    return RunbookCheck(artifact, findings), MAX_LINE


def _event(data: bytes, check: LineCheck, number: int = 1) -> Mapping[str, Any] | None:
    known = _quick_event(data)
    return known[0] if known else check.value(number, data)


def diff_runs(a: str | os.PathLike[str], b: str | os.PathLike[str]) -> RunDiff:
    """Return where and why two run directories part, sealed, unsealed or incomplete as they are.

    Raises :class:`RunPathError` when one of them is no directory, or its events cannot be read at all.
    """
    with Folder(a) as folder_a, Folder(b) as folder_b:
        left, right = _Side(folder_a), _Side(folder_b)
        compared = EventDiff(left.names, right.names)
        for pair in side_by_side(steps(left.events()), steps(right.events())):
            compared.take(*pair)
        events = compared.result()
        audit = AuditDiff(with_times="times" not in events.asides)
        audit.read(left.audit(), right.audit())
    return _judged(_compared(left, right, events, compared.start, audit), left, right)


def _compared(
    left: _Side, right: _Side, events: EventComparison, start: Iterable[FieldDifference], audit: AuditDiff
) -> RunDiff:
    same_name = left.names.run_id == right.names.run_id
    told = [Told(side.manifest, side.names) for side in (left, right)]
    why, notes = causes(told[0], told[1], start, same_files=not _other_bytes(left, right, SEALED_BY_MANIFEST))
    both = left.facts.keys() & right.facts.keys()
    audited = Artifact.AUDIT in both
    return RunDiff(
        a=left.told(),
        b=right.told(),
        outcome=Outcome.DIFFERENT,
        causes=why,
        events=events,
        snapshots=_snapshots(left, right, audit.with_times) if Artifact.SNAPSHOTS in both else (),
        phases=audit.phases() if audited else None,
        audit_first=audit.first if audited else None,
        audit_counts=audit.differing_counts() if audited else (),
        metrics=_metrics(left, right) if Artifact.METRICS in both else (),
        files=_files(left, right),
        notes=notes if same_name else (*notes, NOTE_HASHES),
    )


def _snapshots(left: _Side, right: _Side, with_times: bool) -> tuple[FieldDifference, ...]:
    sides = [[of_its_own(snapshot, side.names) for snapshot in side.snapshots] for side in (left, right)]
    return snapshot_differences(sides[0], sides[1], with_times=with_times)


def _metrics(left: _Side, right: _Side) -> tuple[FieldDifference, ...]:
    sides = [of_its_own(side.metrics or {}, side.names) for side in (left, right)]
    return tuple(first_differences(*sides))


def _files(left: _Side, right: _Side) -> tuple[str, ...]:
    """Return which of the four files only one side has, and whose manifest cannot be read."""
    only = [
        f"{name}: only in {'A' if name in left.facts else 'B'}"
        for name in SEALED_BY_MANIFEST
        if (name in left.facts) is not (name in right.facts)
    ]
    unread = [
        f"{Artifact.MANIFEST}: cannot be read in {name}"
        for name, side in (("A", left), ("B", right))
        if side.folder.has_manifest and side.manifest is None
    ]
    return (*only, *unread)


def _other_bytes(left: _Side, right: _Side, names: Iterable[Artifact]) -> list[Artifact]:
    """Return which of the files are not the same, byte for byte."""
    return [name for name in names if left.facts.get(name) != right.facts.get(name)]


def _judged(found: RunDiff, left: _Side, right: _Side) -> RunDiff:
    """Return the comparison with its outcome; where names and words are the same, the bytes must be too."""
    parts = found.causes or found.snapshots or found.phases or found.audit_first or found.metrics or found.files
    sealed = (Artifact.MANIFEST,) if left.manifest and right.manifest else ()
    other = _other_bytes(left, right, (*SEALED_BY_MANIFEST, *sealed))
    if not parts and not other:
        return replace(found, outcome=Outcome.IDENTICAL)
    if parts or not found.events.same or found.audit_counts or found.a.damage or found.b.damage:
        return found
    if left.names.run_id != right.names.run_id:
        return replace(found, outcome=Outcome.SAME_BUT_FOR_RUN_ID)
    return replace(found, files=tuple(f"{name}: other bytes, though they say the same" for name in other))
