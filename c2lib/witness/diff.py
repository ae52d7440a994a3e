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
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import zip_longest
from typing import Any, NamedTuple

from c2lib.core.errors import RunPathError
from c2lib.core.text import shown
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact, AuditCode
from c2lib.witness.align import (
    MAX_FIELDS,
    Count,
    Event,
    EventComparison,
    EventDiff,
    FieldDifference,
    Names,
    Outcome,
    RunDiff,
    RunSide,
    first_differences,
    of_its_own,
    side_by_side,
    side_text,
    steps,
)
from c2lib.witness.audit import MAX_MOVES
from c2lib.witness.findings import Findings
from c2lib.witness.foreign import OWN_AUDIT_FIELDS, RunbookFile, count_name
from c2lib.witness.lines import MAX_LINE, MAX_OBJECT, LineCheck
from c2lib.witness.reader import ArtifactFile, FileFacts, Folder
from c2lib.witness.recognise import quick_event
from c2lib.witness.snapshots import MAX_STATES

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
        event = _event(first, RunbookFile(Artifact.EVENTS, Findings())) if first is not None else None
        for teller in (event, self.manifest, self.metrics, *self.snapshots):
            names = [(teller or {}).get(name) for name in Names._fields]
            if all(isinstance(name, str) for name in names):
                return Names(*map(str, names))
        return Names("", "")

    def events(self) -> Iterator[Event]:
        """Yield the events that can be compared; raise :class:`RunPathError` when the file cannot be read."""
        check = RunbookFile(Artifact.EVENTS, self.findings)
        for number, data in self._events.lines():
            value = _event(data, check, number)
            if value is not None:
                yield Event(number, value, data)
        if self._events.facts is None:
            raise RunPathError(f"{self.folder.path}: {Artifact.EVENTS} cannot be read: name a run directory")
        self.facts[Artifact.EVENTS] = self._events.facts

    def audit(self) -> Iterator[Entry]:
        """Yield the audit entries that can be compared."""
        check = RunbookFile(Artifact.AUDIT, self.findings)
        for number, data in self._lines(Artifact.AUDIT):
            value = check.value(number, data)
            if value is not None:
                yield Entry(number, value, data)

    def _values(self, artifact: Artifact, most: int) -> Iterator[Mapping[str, Any]]:
        check = RunbookFile(artifact, self.findings)
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
            verdict=self.folder.verdict,
            run_id=shown(self.names.run_id),
            strategy_id=shown(self.names.strategy_id),
            run_digest=shown(digest) if isinstance(digest, str) else None,
            damage=(*damage[:MAX_DAMAGE], *more),
        )


def _check_of_object(artifact: Artifact, findings: Findings) -> tuple[LineCheck, int]:
    """Return the check of a file of one line, and its longest line."""
    if artifact is Artifact.MANIFEST:
        return LineCheck(artifact, (), findings, limit=MAX_OBJECT), MAX_OBJECT
    return RunbookFile(artifact, findings), MAX_LINE


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


NOTE_CONFIG = "the config_sha256 differ, as other run_ids alone make them: whether the configs differ else is not known"

_CAUSES = ("behaviour_version", "market", "strategy", "inputs")
_SAID_BY = {
    "config_sha256": ("config.",),
    "criteria_sha256": ("config.criteria",),
    "market_sha256": ("market.", "config.market"),
    "symbol": ("config.market.symbol",),
    "steps": ("config.steps",),
    "initial_cash": ("config.broker.initial_cash",),
    "clock_mode": ("config.clock_mode",),
}


class Told(NamedTuple):
    """What one side tells of itself: its manifest, where there is one that can be read, and its names."""

    manifest: Mapping[str, Any] | None
    names: Names


def causes(
    a: Told, b: Told, start: Iterable[FieldDifference], *, same_files: bool
) -> tuple[tuple[FieldDifference, ...], tuple[str, ...]]:
    """Return the causes, and what could not be told; ``start`` is where the two ``SESSION_START`` differ."""
    same_name = a.names.run_id == b.names.run_id
    found: list[FieldDifference] = []
    notes = []
    if a.manifest is None or b.manifest is None:
        without = [name for name, side in (("A", a), ("B", b)) if side.manifest is None]
        notes.append(f"no {Artifact.MANIFEST} that can be read in {' and '.join(without)}: configs are not compared")
    else:
        found += first_differences(_config(a.manifest, a.names), _config(b.manifest, b.names))
        found += first_differences(_beside(a.manifest), _beside(b.manifest))
        if same_files and same_name and not found:
            found += first_differences(_seal(a.manifest), _seal(b.manifest))
    if a.names.strategy_id != b.names.strategy_id and not any(field.name == "config.strategy_id" for field in found):
        found.append(FieldDifference("strategy_id", shown(a.names.strategy_id), shown(b.names.strategy_id)))
    for field in start:
        if any(cause.name.startswith(_SAID_BY.get(field.name, ())) for cause in found):
            continue
        if field.name == "config_sha256" and not same_name:
            notes += [NOTE_CONFIG] if notes else []
        else:
            found.append(FieldDifference(f"SESSION_START {field.name}", field.a, field.b))
    return tuple(found), tuple(notes)


def _config(manifest: Mapping[str, Any], names: Names) -> dict[str, Any]:
    config = manifest.get("config")
    if isinstance(config, dict) and config.get("run_id") == names.run_id:
        config = {name: value for name, value in config.items() if name != "run_id"}
    return {"config": config}


def _beside(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {name: manifest[name] for name in _CAUSES if name in manifest}


def _seal(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest says of itself and of its files."""
    return {"manifest": {name: value for name, value in manifest.items() if name not in ("config", *_CAUSES)}}
