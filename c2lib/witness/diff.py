"""Whether two runs are the same, where they first differ, why, and what follows from it.

The name of a run, and every id and hash that follows from it, is no difference. Nothing is verified here, and no hash
of a manifest is believed: what is compared is what the files say. Both runs are read once and side by side.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import Any, ClassVar, NamedTuple

from c2lib.core.contract import EVENT_FIELDS
from c2lib.core.errors import RunPathError
from c2lib.core.redaction import redact_secrets
from c2lib.core.rich import Look, RichRows
from c2lib.core.text import ABSENT, field_differences, first_difference, shown
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact, EventKind
from c2lib.witness.align import Alignment, Line, side_by_side, steps
from c2lib.witness.findings import Findings, Verdict
from c2lib.witness.foreign import RunbookFile, count_name, text_of
from c2lib.witness.lines import LineCheck, canonical_object, problems
from c2lib.witness.reader import ArtifactFile, FileFacts, Folder, RunPath
from c2lib.witness.run import Progress, counted
from c2lib.witness.snapshots import MAX_STATES

MAX_DAMAGE = 10
"""Most lines that are listed one by one because they cannot be compared."""

MAX_FIELDS = 20
"""Most differing fields of one object that are kept."""

NOTE_HASHES = "event ids and the audit chain are not compared between runs of other names; c2lib verify checks each"

_CAUSES = ("behaviour_version", "config", "market", "strategy", "inputs")
_IN_SHORT = ("decision", "close", "client_order_id", "side", "quantity", "price", "reason", "stop_reason", "code")
_KIND = {Artifact.EVENTS: "event_type", Artifact.AUDIT: "code"}

_HASHES = frozenset({"event_id", "prev_hash", "entry_hash"})

_OF_THE_NAME = _HASHES | {"config_sha256"}
"""Fields that differ wherever the names of two runs do."""

_NAMED_HASH = re.compile(f'"(?:{"|".join(_OF_THE_NAME)})":"[0-9a-f]{{64}}"'.encode())

_LESSER = _HASHES | {"seq", "ts_sim", "ts_utc", "ts", "client_order_id", "broker_order_id", "fill_id"}
"""Fields of an event or audit entry that make no line differ, and are named where nothing else differs."""

_FIELDS, _COUNTS = "name a b", "kind same differing only_a only_b"
_TABLES = {"causes": _FIELDS, "events.counts": _COUNTS, "audit.counts": _COUNTS, "ending": _FIELDS}


class Outcome(StrEnum):
    """How far two runs are the same; ``SAME_BUT_FOR_RUN_ID`` are two names of one session."""

    IDENTICAL = "IDENTICAL"
    SAME_BUT_FOR_RUN_ID = "SAME_BUT_FOR_RUN_ID"
    DIFFERENT = "DIFFERENT"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """What two sides have in a field, ``None`` for nothing."""

    name: str
    a: str | None
    b: str | None

    def text(self) -> str:
        """Return the difference as one line for people."""
        a, b = ("(nothing)" if side is None else side for side in (self.a, self.b))
        return f"{self.name}: {a} | {b}"


@dataclass(frozen=True, slots=True)
class LineDifference:
    """Two events, or audit entries, that stand for each other and differ, or one that has no counterpart.

    ``line_a`` and ``line_b`` are the numbers of their lines, from 1; ``facts`` what they say in short.
    """

    kind: str
    bar_index: int | None
    line_a: int | None
    line_b: int | None
    facts: Mapping[str, str]
    fields: tuple[FieldDifference, ...]

    def text(self) -> str:
        """Return the difference as one line for people."""
        sides = (("A", self.line_a), ("B", self.line_b))
        lines = ", ".join(f"{name} line {line}" if line else f"nothing in {name}" for name, line in sides)
        bar = "" if self.bar_index is None else f" bar {self.bar_index}"
        facts = "".join(f" {name}={value}" for name, value in self.facts.items())
        return f"{self.kind}{bar} ({lines}){facts}" + "".join(f"; {field.text()}" for field in self.fields)

    __str__ = text


@dataclass(frozen=True, slots=True)
class Tally:
    """How many lines of a kind say the same, say something else, or have no counterpart."""

    kind: str
    same: int
    differing: int
    only_a: int
    only_b: int

    def text(self) -> str:
        """Return the counts as one line for people."""
        only = f"{self.only_a} only in A, {self.only_b} only in B"
        return f"{self.kind}: {self.same} the same, {self.differing} differ, {only}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The events or audit entries of two runs: the first difference, and the counts of all and then of each kind.

    Times, numbers, ids, and names of orders and fills count for ``first`` only where nothing else differs.
    """

    first: LineDifference | None
    counts: tuple[Tally, ...]


@dataclass(frozen=True, slots=True)
class RunSide:
    """One of the two runs; what it does not say is empty or ``None``. ``damage`` lists what could not be read."""

    path: str
    verdict: Verdict
    run_id: str
    strategy_id: str
    status: str | None
    damage: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class RunDiff(RichRows):
    """Whether, where and why two runs differ, and what follows from it.

    ``causes`` are the fields of config, market, strategy, inputs and behaviour version that differ, or those of
    ``SESSION_START`` where a manifest is missing. ``ending`` compares stop reason, books, codes, statuses and metrics.
    ``files`` are those that are not the same, ``notes`` say what could not be compared.
    """

    _look: ClassVar[Look] = Look(
        "a.run_id", "outcome", "same b.run_id a.status b.status events.first files notes a.damage b.damage", _TABLES
    )

    a: RunSide
    b: RunSide
    outcome: Outcome
    causes: tuple[FieldDifference, ...]
    events: Comparison
    audit: Comparison
    ending: tuple[FieldDifference, ...]
    files: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether the runs are the same, but for the name perhaps."""
        return self.outcome is not Outcome.DIFFERENT

    def facts(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {"same": self.same, **asdict(self)}


def _differences(a: Any, b: Any, left_out: Container[str]) -> Iterator[tuple[str, Any, Any]]:
    """Yield the fields in which two values, or the payloads or ``meta`` in them, differ, but for those left out."""
    for name, left, right in field_differences(a, b, within_lists=True):
        name = name.removeprefix("payload.")
        if name.removeprefix("meta.") not in left_out:
            yield name, left, right


def first_differences(a: Any, b: Any, left_out: Container[str] = ()) -> tuple[FieldDifference, ...]:
    """Return the first fields in which two values differ, at most :data:`MAX_FIELDS`, but for those left out."""
    found = []
    for name, *pair in islice(_differences(a, b, left_out), MAX_FIELDS):
        left, right = (None if value is ABSENT else _shown(value) for value in pair)
        if left == right and all(isinstance(value, str) for value in pair):
            # the first difference may be within a secret: its place is reported, and not a piece of it
            at = first_difference(*pair)
            left, right = (f"{shown(text)} ({len(text)} characters, another from {at} on)" for text in pair)
        found.append(FieldDifference(shown(name), left, right))
    return tuple(found)


def _shown(value: Any) -> str:
    return shown(value if isinstance(value, str) else text_of(value))


class Names(NamedTuple):
    """What a run calls itself and its strategy."""

    run_id: str
    strategy_id: str

    def left_out_of(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return an object without the names of its run and strategy, where they are these."""
        own = self._asdict()
        return {name: item for name, item in value.items() if name not in own or item != own[name]}


def _difference(line: Line, a: Line | None, b: Line | None, fields: tuple[FieldDifference, ...] = ()) -> LineDifference:
    facts = {name: _shown(line.payload[name]) for name in _IN_SHORT if line.payload.get(name) is not None}
    return LineDifference(shown(line.kind), line.bar_index, a and a.number, b and b.number, facts, fields)


class LineDiff:
    """Compares the events, or the audit entries, of two runs.

    ``start`` holds the fields in which the first two ``SESSION_START`` differ: what caused it stands there, so that the
    events differ first where something follows from it.
    """

    def __init__(self, a: Names, b: Names) -> None:
        self.start: tuple[FieldDifference, ...] = ()
        self._names = a, b
        self._of_the_name = _OF_THE_NAME if a.run_id != b.run_id else frozenset[str]()
        self._first: LineDifference | None = None
        self._first_lesser: LineDifference | None = None

    def compare(self, a: Iterable[Line], b: Iterable[Line]) -> Comparison:
        """Return what comparing two files to their ends gives."""
        alignment = Alignment()
        same, differing, only_a, only_b = counts = [Counter[str]() for _ in range(4)]
        for step in side_by_side(steps(a), steps(b)):
            for left, right in alignment.pairs(*step):
                if left and right:
                    count_name(differing if self._differ(left, right) else same, left.kind)
                elif line := left or right:
                    count_name(only_a if left else only_b, line.kind)
                    self._first = self._first or _difference(line, left, right)
        kinds = sorted(set().union(*counts))
        every = Tally("all", *(count.total() for count in counts))
        each = (Tally(shown(kind), *(count[kind] for count in counts)) for kind in kinds)
        return Comparison(self._first or self._first_lesser, (every, *each))

    def _differ(self, a: Line, b: Line) -> bool:
        """Whether two lines differ in more than lesser fields."""
        if a.data == b.data:
            return False
        left, right = (names.left_out_of(line.value) for line, names in zip((a, b), self._names, strict=True))
        lesser = self._of_the_name | _LESSER
        if a.kind == EventKind.SESSION_START and not self.start:
            self.start, differ = first_differences(left, right, lesser), False
        else:
            differ = any(_differences(left, right, lesser))
        if differ:
            self._first = self._first or _difference(a, a, b, first_differences(left, right, lesser))
        elif not (self._first or self._first_lesser) and (fields := first_differences(left, right, self._of_the_name)):
            self._first_lesser = _difference(a, a, b, fields)
        return differ


@lru_cache(maxsize=16)
def _own_event(data: bytes) -> Mapping[str, Any] | None:
    """Return the event of a line that has c2lib's own fields; two runs bring the same lines at nearly the same time."""
    value = canonical_object(data)
    return None if value is None or any(problems(EVENT_FIELDS, value, closed=True)) else value


def _opened(
    folder: Folder, artifact: Artifact, findings: Findings, progress: Callable[[int], None] | None = None
) -> tuple[ArtifactFile, LineCheck]:
    own = artifact is Artifact.MANIFEST
    check = LineCheck(artifact, (), findings) if own else RunbookFile(artifact, findings)
    return ArtifactFile(folder.descriptor, artifact, findings, progress=progress), check


def _names(folder: Folder) -> Names:
    """Return the names in the first line of the first file whose line can be read and has them."""
    for artifact in (Artifact.EVENTS, Artifact.MANIFEST, Artifact.METRICS, Artifact.SNAPSHOTS):
        file, check = _opened(folder, artifact, Findings())
        value = check.value(1, file.head() or b"") or {}
        run_id, strategy_id = (value.get(name) for name in Names._fields)
        if isinstance(run_id, str) and isinstance(strategy_id, str):
            return Names(run_id, strategy_id)
    return Names("", "")


class _Side:
    """One run directory, its files read as they are asked for.

    ``contents`` stands for each file that was read to its end: equal where the bytes are the same or, between runs of
    other names (``renamed``), where they are the same but for the name and the hashes that follow from it.
    """

    def __init__(self, folder: Folder, names: Names, progress: Callable[[int], None] | None, *, renamed: bool) -> None:
        self.folder, self.names, self._progress = folder, names, progress
        self.contents: dict[str, FileFacts | str] = {}
        self._stop: Mapping[str, Any] = {}
        self._findings = Findings()
        self._renamed = renamed
        self._own = f'"run_id":{text_of(names.run_id)}'.encode()
        self.manifest = self._object(Artifact.MANIFEST)
        self.metrics = self._object(Artifact.METRICS)
        snapshots = [line.value for line in self.lines(Artifact.SNAPSHOTS, most=MAX_STATES)]
        self.last = snapshots[-1] if snapshots else {}
        self._statuses = shown(", ".join(snapshot["status"] for snapshot in snapshots))

    def _object(self, artifact: Artifact) -> Mapping[str, Any] | None:
        lines = list(self.lines(artifact, most=1))
        return lines[0].value if lines else None

    def lines(self, artifact: Artifact, most: int = sys.maxsize) -> Iterator[Line]:
        """Yield the lines of a file that can be compared, none beyond the number ``most``."""
        if artifact not in self.folder.entries:
            return
        (file, check), digest = _opened(self.folder, artifact, self._findings, self._progress), sha256()
        for first, block in file.blocks():
            compared = block
            if self._renamed:
                compared = _NAMED_HASH.sub(b"#", block).replace(self._own, b"#")
                digest.update(compared + b"\n")
            sides = zip(block.split(b"\n"), compared.split(b"\n"), strict=True) if first <= most else ()
            for number, (line, data) in enumerate(sides, first):
                if number > most or self._findings.full(artifact):
                    break
                value = (_own_event(line) if artifact is Artifact.EVENTS else None) or check.value(number, line)
                if value is not None:
                    kind = value[_KIND[artifact]] if artifact in _KIND else ""
                    payload = value["payload"] if artifact is Artifact.EVENTS else {}
                    self._stop = payload if kind == EventKind.SESSION_STOP else self._stop
                    yield Line(number, kind, value, payload, data)
        if file.facts is not None:
            self.contents[artifact] = digest.hexdigest() if self._renamed else file.facts

    def ending(self) -> dict[str, Any]:
        """Return how the run ended: stop reason, books, codes and statuses."""
        codes = {name: self.last.get(name) for name in ("reject_code", "fail_code")}
        return {**self._stop, **codes, "statuses": self._statuses}

    def deciding(self) -> dict[str, Any]:
        """Return what the manifest says of the causes, without the name of the run."""
        found = {name: item for name, item in (self.manifest or {}).items() if name in _CAUSES}
        if isinstance(config := found.get("config"), dict) and config.get("run_id") == self.names.run_id:
            found["config"] = {name: item for name, item in config.items() if name != "run_id"}
        return found

    def report(self) -> RunSide:
        """Return the side as a fact."""
        damage = [finding.text() for finding in self._findings.all()]
        more = [f"{len(damage) - MAX_DAMAGE} more"] if len(damage) > MAX_DAMAGE else []
        return RunSide(
            path=redact_secrets(self.folder.path),
            verdict=self.folder.verdict,
            run_id=shown(self.names.run_id),
            strategy_id=shown(self.names.strategy_id),
            status=self.last.get("status"),
            damage=(*damage[:MAX_DAMAGE], *more),
        )


def diff_runs(a: RunPath, b: RunPath, *, progress: Progress | None = None) -> RunDiff:
    """Return where and why two run directories differ, sealed, unsealed or incomplete as they are.

    Args:
        a: One run directory.
        b: The other.
        progress: Called with the bytes read and the bytes in all, now and then.

    Raises:
        RunPathError: One of them is no directory, or its events cannot be read at all.
    """
    with Folder(a) as folder_a, Folder(b) as folder_b:
        names = _names(folder_a), _names(folder_b)
        renamed, read = names[0].run_id != names[1].run_id, None
        if progress is not None:
            read = counted(progress, folder_a.size() + folder_b.size())
        left, right = (
            _Side(folder, own, read, renamed=renamed) for folder, own in zip((folder_a, folder_b), names, strict=True)
        )
        line_diff = LineDiff(*names)
        events = line_diff.compare(left.lines(Artifact.EVENTS), right.lines(Artifact.EVENTS))
        for side in (left, right):
            if Artifact.EVENTS not in side.contents:
                raise RunPathError(f"{side.folder.path}: {Artifact.EVENTS} cannot be read: name a run directory")
        audit = LineDiff(*names).compare(left.lines(Artifact.AUDIT), right.lines(Artifact.AUDIT))
    causes, notes = _causes(left, right, line_diff.start, renamed=renamed)
    metrics = ({"metrics": side.metrics and side.names.left_out_of(side.metrics)} for side in (left, right))
    found = RunDiff(
        a=left.report(),
        b=right.report(),
        outcome=Outcome.SAME_BUT_FOR_RUN_ID if renamed else Outcome.IDENTICAL,
        causes=tuple(causes),
        events=events,
        audit=audit,
        ending=first_differences(left.ending(), right.ending()) + first_differences(*metrics),
        files=tuple(_files(left, right, renamed=renamed)),
        notes=tuple(notes),
    )
    unknown = renamed and (found.a.damage or found.b.damage)
    return replace(found, outcome=Outcome.DIFFERENT) if found.causes or found.files or unknown else found


def _files(left: _Side, right: _Side, *, renamed: bool) -> Iterator[str]:
    """Yield which files are not the same; of manifests of other names, or of one alone, the causes are compared."""
    sealed = left.folder.has_manifest and right.folder.has_manifest and not renamed
    for name in (*SEALED_BY_MANIFEST, *([Artifact.MANIFEST] if sealed else [])):
        a, b = left.contents.get(name), right.contents.get(name)
        if a != b:
            yield f"{name}: " + ("not the same" if a and b else f"can be read in {'A' if a else 'B'} alone")


def _causes(
    left: _Side, right: _Side, start: Iterable[FieldDifference], *, renamed: bool
) -> tuple[list[FieldDifference], list[str]]:
    """Return why two runs differ, and what is not known of it; ``start`` is where the two ``SESSION_START`` differ."""
    notes = [NOTE_HASHES] if renamed else []
    without = " and ".join(name for name, side in (("A", left), ("B", right)) if side.manifest is None)
    if without:
        notes.append(f"no {Artifact.MANIFEST} that can be read in {without}: configs are not compared")
        found = [replace(field, name=f"SESSION_START {field.name}") for field in start]
    else:
        found = list(first_differences(left.deciding(), right.deciding()))
    if left.names.strategy_id != right.names.strategy_id and "config.strategy_id" not in [one.name for one in found]:
        found += first_differences(*({"strategy_id": side.names.strategy_id} for side in (left, right)))
    return found, notes
