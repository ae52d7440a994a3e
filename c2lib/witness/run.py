"""A run directory, read once: verdict, findings, summary, and its rows on request.

The verdict says how much of a seal there is, the findings say what is wrong; neither stands for the other. Whatever is
wrong in a directory is a finding; only a path that is no directory raises. What has no manifest and nothing of c2lib's
own contract is judged as far as the runbook's contract goes. Memory does not grow with the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from c2lib.core.contract import METRICS_FIELDS
from c2lib.core.errors import ConfigError, RunPathError
from c2lib.core.model import MAX_SOURCE_BYTES
from c2lib.core.rich import Look, Rich, data_frame
from c2lib.core.text import quoted, shown
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from c2lib.witness.agreement import Logs, compare
from c2lib.witness.audit import AuditLog, PhaseMove
from c2lib.witness.events import EventLog
from c2lib.witness.findings import FINDING_COLUMNS, Finding, FindingCode, Findings, Verdict
from c2lib.witness.foreign import RunbookRun, keeps_runbook_contract
from c2lib.witness.lines import MAX_LINE, MAX_OBJECT, LineCheck, LineLog, RunName
from c2lib.witness.manifest import ManifestCheck
from c2lib.witness.reader import ArtifactFile, FileFacts, Folder, RunPath
from c2lib.witness.rows import DTYPES, TABLES, EquityRow, EventRow, FillRow, OrderRow, RoundTrip, rows
from c2lib.witness.snapshots import SnapshotLog
from c2lib.witness.summary import RunSummary, summarise, summarise_runbook_run

NOT_CHECKED_UNSEALED = (
    "run_manifest.json is not there: whether the files are those that the session wrote",
    "the config: its hash, its criteria, its strategy and its market",
    "schema_version and ts_utc of the events, state_snapshots.jsonl and metrics.json beyond their own agreement",
    "whether a consistent tail of the run was left out",
    "orders_query_total and orders_cancel_total of metrics.json, beyond a lower bound; retry_attempts_total",
)

NOT_COMPARED = "the agreement between the files: a sink failed for good, and the record is cut"

NOT_COMPARED_CLOSING = "what metrics and the last snapshot say of the end: the session failed while closing"

Progress = Callable[[int, int], None]
"""Called with the bytes read and the bytes in all, now and then."""


@dataclass(frozen=True, repr=False)
class Run(Rich):
    """What reading a run directory gave, and the rows of its log; made by :func:`open_run`.

    ``findings`` say what is wrong, ``unchecked`` what could not be checked, ``notes`` what is neither; ``manifest`` and
    ``metrics`` are the objects of those files, ``None`` where there is none that keeps the contract; ``kept_strategy``
    is ``strategy.py``; ``files`` are those that were read.

    Rows are read from the log anew each time, through the file that was read. Their methods raise
    :class:`RunPathError` when it could not be read or was closed, and in place of rows of bytes that were altered.
    A run is a context manager that closes its files; one that is no longer used closes by itself.
    """

    _look: ClassVar[Look] = Look(
        "summary.run_id",
        "verdict",
        "summary.status summary.reject_code summary.fail_code summary.steps summary.fills summary.position "
        "summary.equity summary.stop_reason summary.reject_reason summary.fail_reason summary.strategy_id "
        "summary.symbol summary.initial_cash summary.fees summary.started_ts summary.ended_ts "
        "notes unchecked summary.run_digest",
        {"findings": FINDING_COLUMNS, "phases": "before after trigger ts_sim retries"},
    )

    path: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]
    summary: RunSummary
    manifest: Mapping[str, Any] | None
    metrics: Mapping[str, Any] | None
    files: Mapping[str, ArtifactFile] = field(compare=False)
    kept_strategy: bytes | None = None
    notes: tuple[str, ...] = ()

    @property
    def phases(self) -> tuple[PhaseMove, ...]:
        """The moves from phase to phase, of the audit trail."""
        return self.summary.phases

    @property
    def statuses(self) -> tuple[tuple[str, int], ...]:
        """The status of each snapshot, and how many events were emitted by then."""
        return self.summary.statuses

    def events(self) -> Iterator[EventRow]:
        """Yield every event."""
        return self._rows("events")

    def orders(self) -> Iterator[OrderRow]:
        """Yield every order when it ends, and then those that were open at the end, as they were submitted."""
        return self._rows("orders")

    def fills(self) -> Iterator[FillRow]:
        """Yield every fill."""
        return self._rows("fills")

    def round_trips(self) -> Iterator[RoundTrip]:
        """Yield what was done from one flat position to the next; an open position at the end is no round trip."""
        return self._rows("round_trips")

    def equity(self) -> Iterator[EquityRow]:
        """Yield position and equity after each bar that has a tick in the log."""
        return self._rows("equity")

    def to_pandas(self, table: str) -> Any:
        """Return a table as a ``pandas.DataFrame``; its columns are the fields of the rows.

        Numbers of bars and events are ``int64``, times ``datetime64[us, UTC]``, prices, quantities and money
        ``float64``, the rest ``object``; what is not there is NaN, NaT or ``None``.

        Args:
            table: ``events``, ``orders``, ``fills``, ``round_trips`` or ``equity``.

        Raises:
            ConfigError: there is no table of that name.
            MissingExtraError: pandas is not installed.
            RunPathError: as the rows do.
        """
        if table not in TABLES:
            raise ConfigError("table", f"must be one of {', '.join(TABLES)}, got {quoted(table)}")
        return data_frame(TABLES[table].row._fields, self._rows(table), DTYPES)

    def _rows(self, table: str) -> Iterator[Any]:
        try:
            yield from rows(table, self.files[Artifact.EVENTS])
        except RunPathError as error:
            raise RunPathError(f"{self.path}: {error}") from None

    def close(self) -> None:
        """Close the files: no more rows."""
        for file in self.files.values():
            file.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_run(path: RunPath, *, progress: Progress | None = None, keep_open: bool = False) -> Run:
    """Read a run directory, each of its files once, and return what it holds and what is wrong with it.

    Args:
        path: The directory.
        progress: Called with the bytes read and the bytes in all, now and then.
        keep_open: Whether every file stays open, which a replay needs to show a difference, and not the log alone.

    Raises:
        RunPathError: There is no directory at ``path``.
    """
    findings = Findings()
    with Folder(path) as folder:
        if folder.is_staging:
            findings.add(FindingCode.INCOMPLETE_RUN, ".", expected="a published run", seen="a staging folder")
        elif folder.verdict is Verdict.INCOMPLETE:
            seen = f"without {', '.join(folder.missing)}"
            findings.add(FindingCode.INCOMPLETE_RUN, ".", expected="the four files of a run", seen=seen)
        count = counted(progress, folder.size()) if progress else None
        reading = _Reading(folder, findings, count, keep_open)
        if reading.keeps_runbook_contract():
            reading.read_runbook_run()
        else:
            folder.check_names(findings)
            reading.read_own_run()
    return Run(
        path=folder.path,
        verdict=folder.verdict,
        findings=findings.all(),
        unchecked=tuple(reading.unchecked),
        summary=reading.summary,
        manifest=reading.manifest,
        metrics=reading.metrics,
        files={name.value: reading.file(name) for name in (*SEALED_BY_MANIFEST, Artifact.MANIFEST)},
        kept_strategy=reading.kept_strategy[0] if reading.kept_strategy else None,
        notes=tuple(_notes(folder, reading.manifest)),
    )


@dataclass
class _Reading:
    """One pass over a run directory: what its files hold, and what could not be checked."""

    folder: Folder
    findings: Findings
    progress: Callable[[int], None] | None
    keep_open: bool
    summary: RunSummary = field(default_factory=RunSummary)
    manifest: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] | None = None
    kept_strategy: tuple[bytes, FileFacts] | None = None
    unchecked: list[str] = field(default_factory=list)
    files: dict[Artifact, ArtifactFile] = field(default_factory=dict)

    @property
    def measured(self) -> dict[str, FileFacts]:
        """The facts of the files that were read to their end."""
        files = {name: self.files[name] for name in Artifact if name in self.files}
        facts = {name.value: file.facts for name, file in files.items() if file.facts is not None}
        return facts | ({Artifact.STRATEGY.value: self.kept_strategy[1]} if self.kept_strategy else {})

    def _judged(self) -> dict[str, FileFacts]:
        """Return those of the measured files that hold not too much to be compared with others, and list the rest."""
        full = [name for name in self.measured if self.findings.full(name)]
        self.unchecked += (
            f"what {name} and the other files say of each other: too much in it is wrong" for name in full
        )
        return {name: facts for name, facts in self.measured.items() if name not in full}

    def file(self, artifact: Artifact) -> ArtifactFile:
        """Return a file of the directory, not read yet or read already."""
        if artifact not in self.files:
            limit = MAX_OBJECT if artifact is Artifact.MANIFEST else MAX_LINE
            kept = self.keep_open or artifact is Artifact.EVENTS
            self.files[artifact] = ArtifactFile(
                self.folder.descriptor, artifact.value, self.findings, limit, self.progress, kept=kept
            )
        return self.files[artifact]

    def keeps_runbook_contract(self) -> bool:
        """Whether this is a run of another program; only what has no manifest can be."""
        if self.folder.has_manifest:
            return False
        return keeps_runbook_contract(self.file(Artifact.AUDIT).head(), self.file(Artifact.SNAPSHOTS).head())

    def read_runbook_run(self) -> None:
        """Read and check a run of another program."""
        run = RunbookRun(self.findings, self.file(Artifact.EVENTS).head())
        for log in run.logs:
            self._take(log)
        self.metrics = self._object(run.metrics)
        run.compare(self.metrics, self._judged())
        self.unchecked += run.unchecked(self.folder.others)
        self.summary = summarise_runbook_run(run, self.metrics, self.measured)

    def read_own_run(self) -> None:
        """Read and check a run of c2lib."""
        run, findings = RunName(), self.findings
        events, snapshots = EventLog(findings, run), SnapshotLog(findings, run)
        audit, metrics = AuditLog(findings), LineCheck(Artifact.METRICS, METRICS_FIELDS, findings, run)
        manifest = ManifestCheck(findings, run)
        for log in (events, snapshots, audit):
            self._take(log)
        self.metrics = self._object(metrics)
        if self.folder.has_manifest:
            self.manifest = self._object(manifest)
        self.kept_strategy = self.folder.small(Artifact.STRATEGY, MAX_SOURCE_BYTES, findings)
        logs = Logs(events, audit, snapshots, self.metrics, metrics, frozenset(self._judged()))
        compare(logs)
        if self.manifest is not None:
            manifest.compare(self.manifest, logs, self.measured)
        self.unchecked += () if self.folder.has_manifest else NOT_CHECKED_UNSEALED
        if audit.dead_sinks:
            self.unchecked.append(NOT_COMPARED)
        elif audit.closed_twice:
            self.unchecked.append(NOT_COMPARED_CLOSING)
        self.summary = summarise(logs, run, self.manifest, self.measured)

    def _take(self, log: LineLog) -> None:
        """Read a file of many lines; what is found after that is about the file as a whole."""
        file = self.file(Artifact(log.file))
        for number, block in file.blocks():
            log.take_block(number, block)
        if file.facts is not None and not self.findings.full(log.file):
            log.finish()
        log.line, log.event_id = 0, None

    def _object(self, check: LineCheck) -> dict[str, Any] | None:
        """Return the object of a file of one line; what is found after that is about the file as a whole."""
        found, file = None, self.file(Artifact(check.file))
        for number, block in file.blocks():
            if number == 1:
                found = check.value(number, block.partition(b"\n")[0])
        check.line = 0
        if file.facts is not None and file.facts.lines != 1:
            check.add(FindingCode.MALFORMED_LINE, "one object on one line", f"{file.facts.lines} line ends")
        return found


def _notes(folder: Folder, manifest: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what is no finding and may surprise."""
    if manifest is not None and folder.verdict is Verdict.SEALED and folder.name != manifest["run_id"]:
        yield f"the folder is called {shown(folder.name)}, the run {shown(manifest['run_id'])}"


def counted(progress: Progress, planned: int) -> Callable[[int], None]:
    """Return what takes further bytes and reports to ``progress`` how many there were so far."""
    done = 0

    def read(size: int) -> None:
        nonlocal done
        done += size
        progress(done, planned)

    return read
