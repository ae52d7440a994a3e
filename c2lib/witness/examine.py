"""Looks at a run directory and tells what it found.

Rules kept here:

* a damaged directory is findings, never an exception; only a path that is no directory is one;
* the verdict says how much of a seal there is, the findings say what is wrong: neither stands for the other;
* without a manifest, what could not be checked is listed, so that its absence never looks like a pass;
* what has no manifest and nothing of c2lib's own contract is judged as far as the runbook's goes;
* each file is read once, line by line; memory does not grow with the run.

>>> examine("/nowhere/at/all")
Traceback (most recent call last):
c2lib.core.errors.RunPathError: /nowhere/at/all is no directory that can be read (ENOENT): name a run directory
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from c2lib.core.contract import MANIFEST_FIELDS, METRICS_FIELDS
from c2lib.core.vocabulary import Artifact
from c2lib.witness.agreement import Logs, compare, make_logs
from c2lib.witness.checks import LineCheck, RunName
from c2lib.witness.events import Observer
from c2lib.witness.facts import Examination, FileFacts, FindingCode, Verdict
from c2lib.witness.findings import Findings
from c2lib.witness.folder import Folder
from c2lib.witness.manifest import ManifestCheck
from c2lib.witness.reader import MAX_LINE, MAX_OBJECT, ArtifactFile
from c2lib.witness.runbook import keeps_runbook_contract
from c2lib.witness.runbook_run import RunbookRun
from c2lib.witness.summary import summarise

NOT_CHECKED_UNSEALED = (
    "run_manifest.json is not there: whether the files are those that the session wrote",
    "the config: its hash, its criteria, its strategy and its market",
    "schema_version and ts_utc of the events, state_snapshots.jsonl and metrics.json beyond their own agreement",
    "whether a consistent tail of the run was left out",
    "orders_query_total and orders_cancel_total of metrics.json, beyond a lower bound; retry_attempts_total",
    "whether the run's name is the folder's",
)

NOT_COMPARED = "the agreement between the files: a sink failed for good, and the record is cut"

NOT_COMPARED_CLOSING = "what metrics and the last snapshot say of the end: the session failed while closing"


class Reading(NamedTuple):
    """What one pass over a directory gave."""

    logs: Logs
    manifest: Mapping[str, Any] | None
    run: RunName


class _Reader:
    """Reads the files of one folder, each once; ``measured`` tells of those that were read to their end."""

    def __init__(self, folder: Folder, findings: Findings, observer: Observer | None) -> None:
        self.measured: dict[str, FileFacts] = {}
        self._folder = folder
        self._findings = findings
        self._observer = observer
        self._files: dict[Artifact, ArtifactFile] = {}

    def keeps_runbook_contract(self) -> bool:
        """Whether this is a run of another program; only what has no manifest can be."""
        if self._folder.has_manifest:
            return False
        heads = [self._file(artifact).head() for artifact in (Artifact.AUDIT, Artifact.SNAPSHOTS)]
        return keeps_runbook_contract(*heads)

    def read(self) -> Reading:
        """Read everything that is there."""
        run = RunName()
        events, audit, snapshots = make_logs(self._findings, run, self._observer)
        self._lines(Artifact.EVENTS, events.take)
        self._lines(Artifact.SNAPSHOTS, snapshots.take)
        self._lines(Artifact.AUDIT, audit.take)
        if Artifact.AUDIT in self.measured:
            audit.finish()
        metrics = self._object(Artifact.METRICS, LineCheck(Artifact.METRICS, METRICS_FIELDS, self._findings, run))
        manifest = None
        if self._folder.has_manifest:
            check = LineCheck(Artifact.MANIFEST, MANIFEST_FIELDS, self._findings, run, MAX_OBJECT)
            manifest = self._object(Artifact.MANIFEST, check, MAX_OBJECT)
        logs = Logs(events, audit, snapshots, metrics, frozenset(self.measured))
        return Reading(logs, manifest, run)

    def read_runbook_run(self) -> tuple[RunbookRun, Mapping[str, Any] | None]:
        """Read the four files of another program; return its logs and metrics."""
        run = RunbookRun.begin(self._findings, self._file(Artifact.EVENTS).head(), self._observer)
        for artifact in (Artifact.EVENTS, Artifact.SNAPSHOTS, Artifact.AUDIT):
            self._lines(artifact, run.take(artifact))
        return run, self._object(Artifact.METRICS, run.metrics_check)

    def _file(self, artifact: Artifact, limit: int = MAX_LINE) -> ArtifactFile:
        if artifact not in self._files:
            name = artifact.value
            self._files[artifact] = ArtifactFile(self._folder.descriptor, name, self._findings, limit)
        return self._files[artifact]

    def _lines(self, artifact: Artifact, take: Callable[[int, bytes], None], limit: int = MAX_LINE) -> None:
        file = self._file(artifact, limit)
        for number, line in file.lines():
            take(number, line)
        if file.facts is not None:
            self.measured[artifact.value] = file.facts

    def _object(self, artifact: Artifact, check: LineCheck, limit: int = MAX_LINE) -> dict[str, Any] | None:
        objects: list[dict[str, Any] | None] = []

        def take(number: int, data: bytes) -> None:
            if number == 1:
                objects.append(check.value(number, data))

        self._lines(artifact, take, limit)
        facts = self.measured.get(artifact.value)
        if facts is not None and facts.lines != 1:
            seen = f"{facts.lines} line ends"
            self._findings.add(FindingCode.MALFORMED_LINE, artifact, expected="one object on one line", seen=seen)
        return objects[0] if objects else None


def look(path: str | os.PathLike[str], observer: Observer | None = None) -> tuple[Examination, frozenset[str]]:
    """Examine a run directory; also return which files could be read to their end.

    ``observer`` is told of every event that was folded. Raises :class:`RunPathError` for a path that is no
    directory.
    """
    findings = Findings()
    with Folder(path) as folder:
        verdict = _verdict(folder, findings)
        reader = _Reader(folder, findings, observer)
        if reader.keeps_runbook_contract():
            examination = _of_runbook_run(folder, verdict, findings, reader)
        else:
            folder.look_for_strangers(findings)
            examination = _of_own_run(folder, verdict, findings, reader)
    return examination, frozenset(reader.measured)


def _of_own_run(folder: Folder, verdict: Verdict, findings: Findings, reader: _Reader) -> Examination:
    reading = reader.read()
    logs = reading.logs
    compare(logs, findings)
    if reading.manifest is not None:
        check = ManifestCheck(reading.manifest, findings)
        check.seal()
        if verdict is Verdict.SEALED:
            check.name(folder.name)
        check.files(reader.measured)
        check.log(logs)
    unchecked = () if folder.has_manifest else NOT_CHECKED_UNSEALED
    if logs.audit.dead_sinks:
        unchecked = (*unchecked, NOT_COMPARED)
    elif logs.audit.closed_twice:
        unchecked = (*unchecked, NOT_COMPARED_CLOSING)
    summary = summarise(logs, reading.run, reading.manifest, reader.measured)
    return Examination(folder.path, verdict, findings.all(), unchecked, summary)


def _of_runbook_run(folder: Folder, verdict: Verdict, findings: Findings, reader: _Reader) -> Examination:
    run, metrics = reader.read_runbook_run()
    run.compare(metrics, reader.measured)
    summary = run.summary(metrics, reader.measured)
    return Examination(folder.path, verdict, findings.all(), run.unchecked(folder.others), summary)


def examine(path: str | os.PathLike[str]) -> Examination:
    """Return what looking at a run directory gave; raise :class:`RunPathError` for a path that is no directory."""
    return look(path)[0]


def verdict_of(folder: Folder) -> Verdict:
    """Return how much of a seal there is, by the files that are there."""
    if folder.is_staging or (folder.missing and not folder.has_manifest):
        return Verdict.INCOMPLETE
    return Verdict.SEALED if folder.has_manifest else Verdict.UNSEALED


def _verdict(folder: Folder, findings: Findings) -> Verdict:
    verdict = verdict_of(folder)
    if folder.is_staging:
        findings.add(FindingCode.INCOMPLETE_RUN, ".", expected="a published run", seen="a staging folder")
    elif verdict is Verdict.INCOMPLETE:
        seen = f"without {', '.join(folder.missing)}"
        findings.add(FindingCode.INCOMPLETE_RUN, ".", expected="the four files of a run", seen=seen)
    return verdict
