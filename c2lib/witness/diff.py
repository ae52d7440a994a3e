"""Where and why two runs differ.

The name of a run, and every id and hash that follows from it, is no difference. Nothing is verified here, and no hash
of a manifest is believed: what is compared is what the files say. Both runs are read once and side by side.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import lru_cache
from itertools import chain, islice, zip_longest
from typing import Any

from c2lib.core.errors import RunPathError
from c2lib.core.text import shown
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact, AuditCode
from c2lib.witness.align import (
    MAX_FIELDS,
    Event,
    EventComparison,
    EventDiff,
    FieldDifference,
    Line,
    Names,
    counts_of,
    first_differences,
    side_by_side,
    side_text,
    steps,
)
from c2lib.witness.audit import MAX_MOVES
from c2lib.witness.findings import Findings, Verdict
from c2lib.witness.foreign import OWN_AUDIT_FIELDS, RunbookFile, count_name
from c2lib.witness.lines import MAX_LINE, MAX_OBJECT, LineCheck
from c2lib.witness.reader import ArtifactFile, FileFacts, Folder
from c2lib.witness.recognise import quick_event
from c2lib.witness.snapshots import MAX_STATES

_quick_event = lru_cache(maxsize=16)(quick_event)
"""Two runs that are read side by side bring the same lines at nearly the same time."""

MAX_DAMAGE = 10
"""Most lines that are listed one by one because they cannot be compared."""

NOTE_CONFIG = "the config_sha256 differ, as other run_ids alone make them: whether the configs differ else is not known"
NOTE_HASHES = "event ids and the audit chain are not compared between runs of other names; c2lib verify checks each"

_TIMES = frozenset({"ts", "started_ts", "ended_ts"})
_CAUSES = ("behaviour_version", "market", "strategy", "inputs")


class Outcome(StrEnum):
    """How far two runs are the same.

    ``IDENTICAL``: the four files, byte for byte, and what the manifests say. ``SAME_BUT_FOR_RUN_ID``: two names of one
    session; nothing differs but ``run_id`` and the hashes that follow from it.
    """

    IDENTICAL = "IDENTICAL"
    SAME_BUT_FOR_RUN_ID = "SAME_BUT_FOR_RUN_ID"
    DIFFERENT = "DIFFERENT"


@dataclass(frozen=True, slots=True)
class RunSide:
    """One of the two runs; what it does not say is empty or ``None``. ``damage`` lists what could not be read."""

    path: str
    verdict: Verdict
    run_id: str
    strategy_id: str
    run_digest: str | None
    damage: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunDiff:
    """Where and why two runs differ.

    ``causes`` are the fields of config, market, strategy, inputs and behaviour version that differ, and those of
    ``SESSION_START`` that no cause of the manifests explains. ``files`` are files that differ as such, ``notes`` say
    what could not be compared.
    """

    a: RunSide
    b: RunSide
    outcome: Outcome
    causes: tuple[FieldDifference, ...]
    events: EventComparison
    snapshots: tuple[FieldDifference, ...]
    phases: FieldDifference | None
    audit_first: FieldDifference | None
    audit_counts: tuple[FieldDifference, ...]
    metrics: tuple[FieldDifference, ...]
    files: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether the runs are the same, but for the name perhaps."""
        return self.outcome is not Outcome.DIFFERENT

    def facts(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {"same": self.same, **asdict(self)}


class _Side:
    """One run directory, its files read as they are asked for; ``facts`` are of those that were read to their end."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.facts: dict[str, FileFacts] = {}
        self._findings = Findings()
        self.manifest = self._object(Artifact.MANIFEST)
        self.metrics = self._object(Artifact.METRICS)
        self.snapshots = [line.value for line in self.lines(Artifact.SNAPSHOTS, most=MAX_STATES)]
        events = self.lines(Artifact.EVENTS)
        first = list(islice(events, 1))
        self._events = chain(first, events)
        self.names = Names("", "")
        for value in (
            *(line.value for line in first if line.number == 1),
            self.manifest,
            self.metrics,
            *self.snapshots,
        ):
            names = [(value or {}).get(name) for name in Names._fields]
            if all(isinstance(name, str) for name in names):
                self.names = Names(*map(str, names))
                break

    def _object(self, artifact: Artifact) -> Mapping[str, Any] | None:
        lines = list(self.lines(artifact, most=1))
        return lines[0].value if lines else None

    def events(self) -> Iterator[Event]:
        """Yield the events that can be compared; raise :class:`RunPathError` when the file cannot be read."""
        yield from (Event(*line) for line in self._events)
        if Artifact.EVENTS not in self.facts:
            raise RunPathError(f"{self.folder.path}: {Artifact.EVENTS} cannot be read: name a run directory")

    def lines(self, artifact: Artifact, most: int = sys.maxsize) -> Iterator[Line]:
        """Yield the lines of a file that can be compared, none beyond the number ``most``."""
        if artifact not in self.folder.entries:
            return
        own = artifact is Artifact.MANIFEST
        check = (
            LineCheck(artifact, (), self._findings, limit=MAX_OBJECT) if own else RunbookFile(artifact, self._findings)
        )
        file = ArtifactFile(self.folder.descriptor, artifact, self._findings, MAX_OBJECT if own else MAX_LINE)
        for number, data in file.lines():
            known = _quick_event(data) if artifact is Artifact.EVENTS else None
            value = known[0] if known else check.value(number, data) if number <= most else None
            if value is not None:
                yield Line(number, value, data)
        if file.facts is not None:
            self.facts[artifact] = file.facts

    def report(self) -> RunSide:
        """Return the side as a fact."""
        damage = [finding.text() for finding in self._findings.all()]
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


def diff_runs(a: str | os.PathLike[str], b: str | os.PathLike[str]) -> RunDiff:
    """Return where and why two run directories differ, sealed, unsealed or incomplete as they are.

    Args:
        a: One run directory.
        b: The other.

    Raises:
        RunPathError: One of them is no directory, or its events cannot be read at all.
    """
    with Folder(a) as folder_a, Folder(b) as folder_b:
        left, right = _Side(folder_a), _Side(folder_b)
        events = EventDiff(left.names, right.names)
        for pair in side_by_side(steps(left.events()), steps(right.events())):
            events.take(*pair)
        compared = events.result()
        audit = AuditDiff(with_times="times" not in compared.asides)
        audit.read(left.lines(Artifact.AUDIT), right.lines(Artifact.AUDIT))
    both = left.facts.keys() & right.facts.keys()
    if Artifact.AUDIT not in both:
        audit = AuditDiff(with_times=audit.with_times)
    same_files = not _other_bytes(left, right, SEALED_BY_MANIFEST)
    why, notes = causes((left.manifest, right.manifest), (left.names, right.names), events.start, same_files=same_files)
    snapshots = [[side.names.left_out_of(snapshot) for snapshot in side.snapshots] for side in (left, right)]
    metrics = [side.names.left_out_of(side.metrics or {}) for side in (left, right)]
    found = RunDiff(
        a=left.report(),
        b=right.report(),
        outcome=Outcome.DIFFERENT,
        causes=why,
        events=compared,
        snapshots=snapshot_differences(*snapshots, with_times=audit.with_times) if Artifact.SNAPSHOTS in both else (),
        phases=audit.phases(),
        audit_first=audit.first,
        audit_counts=audit.counts(),
        metrics=first_differences(*metrics) if Artifact.METRICS in both else (),
        files=_files(left, right),
        notes=notes if left.names.run_id == right.names.run_id else (*notes, NOTE_HASHES),
    )
    return _judged(found, left, right)


def _judged(found: RunDiff, left: _Side, right: _Side) -> RunDiff:
    """Return the comparison with its outcome; where names and words are the same, the bytes must be too."""
    differs = found.causes or found.snapshots or found.phases or found.audit_first or found.metrics or found.files
    sealed = (Artifact.MANIFEST,) if left.manifest and right.manifest else ()
    other = _other_bytes(left, right, (*SEALED_BY_MANIFEST, *sealed))
    if not differs and not other:
        return replace(found, outcome=Outcome.IDENTICAL)
    if differs or not found.events.same or found.audit_counts or found.a.damage or found.b.damage:
        return found
    if left.names.run_id != right.names.run_id:
        return replace(found, outcome=Outcome.SAME_BUT_FOR_RUN_ID)
    return replace(found, files=tuple(f"{name}: other bytes, though they say the same" for name in other))


def _other_bytes(left: _Side, right: _Side, names: Iterable[Artifact]) -> list[Artifact]:
    """Return which of the files are not the same, byte for byte."""
    return [name for name in names if left.facts.get(name) != right.facts.get(name)]


def _files(left: _Side, right: _Side) -> tuple[str, ...]:
    """Return which of the four files only one side has, and whose manifest cannot be read."""
    only = [name for name in SEALED_BY_MANIFEST if (name in left.facts) is not (name in right.facts)]
    unread = [name for name, side in (("A", left), ("B", right)) if side.folder.has_manifest and side.manifest is None]
    return (
        *(f"{name}: only in {'A' if name in left.facts else 'B'}" for name in only),
        *(f"{Artifact.MANIFEST}: cannot be read in {name}" for name in unread),
    )


class AuditDiff:
    """The comparison of two audit trails; ``first`` is the first difference. Times can be left out of it."""

    def __init__(self, *, with_times: bool = True) -> None:
        self.with_times = with_times
        self.first: FieldDifference | None = None
        self._codes: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._moves: tuple[list[str], list[str]] = ([], [])
        self._same_so_far = True

    def read(self, a: Iterable[Line], b: Iterable[Line]) -> None:
        """Read both trails to their ends."""
        for pair in zip_longest(a, b):
            for codes, moves, line in zip(self._codes, self._moves, pair, strict=True):
                if line is not None:
                    count_name(codes, line.value["code"])
                    if line.value["code"] == AuditCode.PHASE_TRANSITION and len(moves) < MAX_MOVES:
                        to, ts_sim = (side_text(line.value["meta"].get(name)) for name in ("to", "ts_sim"))
                        moves.append(f"{to} at {ts_sim}")
            if self.first is None:
                self.first = self._difference(*pair)

    def _difference(self, a: Line | None, b: Line | None) -> FieldDifference | None:
        line = a or b
        name = f"{Artifact.AUDIT}:{line.number} {shown(line.value['code'])}" if line else ""
        if a is None or b is None:
            return FieldDifference(name, a and "there", b and "there")
        if a.data == b.data:
            return None
        fields = first_differences(self._compared(a.value), self._compared(b.value))
        if not fields and self._same_so_far and self._moves[0] == self._moves[1] and self.with_times:
            fields = first_differences(a.value, b.value)
        self._same_so_far = False
        return replace(fields[0], name=f"{name} {fields[0].name}") if fields else None

    def _compared(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return an entry without what follows from other differences."""
        left_out = OWN_AUDIT_FIELDS | (frozenset() if self.with_times else _TIMES)
        kept = {name: item for name, item in value.items() if name not in left_out}
        if value["code"] == AuditCode.PHASE_TRANSITION:
            kept["meta"] = {name: item for name, item in value["meta"].items() if name != "ts_sim"}
        return kept

    def phases(self) -> FieldDifference | None:
        """Return the two paths of phases when they differ."""
        a, b = self._moves
        return None if a == b else FieldDifference("phases", shown(", ".join(a)), shown(", ".join(b)))

    def counts(self) -> tuple[FieldDifference, ...]:
        """Return the codes of which the two sides have another number of entries."""
        return tuple(count for count in counts_of(*self._codes) if count.a != count.b)


def snapshot_differences(
    a: Iterable[Mapping[str, Any]], b: Iterable[Mapping[str, Any]], *, with_times: bool
) -> tuple[FieldDifference, ...]:
    """Return where the snapshots of two runs differ, the n-th beside the n-th."""
    found: list[FieldDifference] = []
    for number, (left, right) in enumerate(zip_longest(a, b), start=1):
        name = f"snapshot {number}"
        if left is None or right is None:
            sides = [None if side is None else side_text(side["status"]) for side in (left, right)]
            found.append(FieldDifference(name, *sides))
        else:
            compared = ({key: side[key] for key in side if with_times or key not in _TIMES} for side in (left, right))
            found += (replace(field, name=f"{name} {field.name}") for field in first_differences(*compared))
    return tuple(found[:MAX_FIELDS])


def causes(
    manifests: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None],
    names: tuple[Names, Names],
    start: Iterable[FieldDifference],
    *,
    same_files: bool,
) -> tuple[tuple[FieldDifference, ...], tuple[str, ...]]:
    """Return why two runs differ, and what is not known of it.

    Args:
        manifests: The manifest of each run, ``None`` where none can be read.
        names: What each run calls itself.
        start: The fields in which the two ``SESSION_START`` differ.
        same_files: Whether the four files are the same, byte for byte.
    """
    (a, b), (names_a, names_b) = manifests, names
    same_name = names_a.run_id == names_b.run_id
    found: list[FieldDifference] = []
    notes: list[str] = []
    if a is None or b is None:
        without = " and ".join(name for name, manifest in (("A", a), ("B", b)) if manifest is None)
        notes.append(f"no {Artifact.MANIFEST} that can be read in {without}: configs are not compared")
    else:
        found += first_differences(_config(a, names_a), _config(b, names_b))
        found += first_differences(*({name: one[name] for name in _CAUSES if name in one} for one in (a, b)))
        if same_files and same_name and not found:
            found += first_differences({"manifest": _seal(a)}, {"manifest": _seal(b)})
    known = [cause.name for cause in found]
    if names_a.strategy_id != names_b.strategy_id and "config.strategy_id" not in [field.name for field in found]:
        found.append(FieldDifference("strategy_id", shown(names_a.strategy_id), shown(names_b.strategy_id)))
    for field in start:
        if any(field.name.split("_")[0] in name for name in known):
            # as market_sha256 follows from config.market or market.sha256
            continue
        if field.name != "config_sha256" or same_name:
            found.append(replace(field, name=f"SESSION_START {field.name}"))
        elif notes:
            notes.append(NOTE_CONFIG)
    return tuple(found), tuple(notes)


def _config(manifest: Mapping[str, Any], names: Names) -> dict[str, Any]:
    config = manifest.get("config")
    if isinstance(config, dict) and config.get("run_id") == names.run_id:
        config = {name: item for name, item in config.items() if name != "run_id"}
    return {"config": config}


def _seal(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest says of itself and of its files."""
    return {name: item for name, item in manifest.items() if name not in ("config", *_CAUSES)}
