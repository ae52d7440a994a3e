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
from c2lib.witness.lines import LineCheck, LineLog, RunName
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
            return reading.runbook_run()
        folder.check_names(findings)
        return reading.own_run()


@dataclass
class _Reading:
    """One pass over a run directory: its files, the facts of those read to their end, and what was not checked."""

    folder: Folder
    findings: Findings
    progress: Callable[[int], None] | None
    keep_open: bool
    unchecked: list[str] = field(default_factory=list)
    files: dict[str, ArtifactFile] = field(default_factory=dict)
    measured: dict[str, FileFacts] = field(default_factory=dict)

    def file(self, name: str) -> ArtifactFile:
        """Return a file of the directory, not read yet or read already."""
        if name not in self.files:
            kept, directory = self.keep_open or name == Artifact.EVENTS, self.folder.descriptor
            self.files[name] = ArtifactFile(directory, name, self.findings, progress=self.progress, kept=kept)
        return self.files[name]

    def keeps_runbook_contract(self) -> bool:
        """Whether this is a run of another program; only what has no manifest can be."""
        heads = (self.file(name.value).head() for name in (Artifact.AUDIT, Artifact.SNAPSHOTS))
        return not self.folder.has_manifest and keeps_runbook_contract(*heads)

    def runbook_run(self) -> Run:
        """Read and check a run of another program."""
        run = RunbookRun(self.findings, self.file(Artifact.EVENTS.value).head())
        for log in run.logs:
            self._take(log)
        metrics = self._object(run.metrics)
        run.compare(metrics, self._judged())
        self.unchecked += run.unchecked(self.folder.others)
        return self._run(summarise_runbook_run(run, metrics, self.measured), metrics)

    def own_run(self) -> Run:
        """Read and check a run of c2lib."""
        run, findings, folder = RunName(), self.findings, self.folder
        events, snapshots = EventLog(findings, run), SnapshotLog(findings, run)
        audit, metrics_file = AuditLog(findings), LineCheck(Artifact.METRICS.value, METRICS_FIELDS, findings, run)
        check = ManifestCheck(findings, run)
        for log in (events, snapshots, audit):
            self._take(log)
        metrics = self._object(metrics_file)
        manifest = self._object(check) if folder.has_manifest else None
        if kept := folder.small(Artifact.STRATEGY, MAX_SOURCE_BYTES, findings):
            self.measured[Artifact.STRATEGY.value] = kept[1]
        logs = Logs(events, audit, snapshots, metrics, metrics_file, frozenset(self._judged()))
        compare(logs)
        if manifest is not None:
            check.compare(manifest, logs, self.measured)
        self.unchecked += () if folder.has_manifest else NOT_CHECKED_UNSEALED
        if audit.dead_sinks:
            self.unchecked.append(NOT_COMPARED)
        elif audit.closed_twice:
            self.unchecked.append(NOT_COMPARED_CLOSING)
        return self._run(summarise(logs, run, manifest, self.measured), metrics, manifest, kept and kept[0])

    def _run(
        self,
        summary: RunSummary,
        metrics: Mapping[str, Any] | None,
        manifest: Mapping[str, Any] | None = None,
        kept_strategy: bytes | None = None,
    ) -> Run:
        """Return the run, now that everything is read and checked."""
        return Run(
            path=self.folder.path,
            verdict=self.folder.verdict,
            findings=self.findings.all(),
            unchecked=tuple(self.unchecked),
            summary=summary,
            manifest=manifest,
            metrics=metrics,
            files={name.value: self.file(name.value) for name in (*SEALED_BY_MANIFEST, Artifact.MANIFEST)},
            kept_strategy=kept_strategy,
            notes=tuple(_notes(self.folder, manifest)),
        )

    def _judged(self) -> dict[str, FileFacts]:
        """Return those of the measured files that hold not too much to be compared with others, and list the rest."""
        full = [name for name in self.measured if self.findings.full(name)]
        self.unchecked += (
            f"what {name} and the other files say of each other: too much in it is wrong" for name in full
        )
        return {name: facts for name, facts in self.measured.items() if name not in full}

    def _blocks(self, name: str) -> Iterator[tuple[int, bytes]]:
        """Yield the lines of a file, and then take note of its facts, if it could be read to its end."""
        file = self.file(name)
        yield from file.blocks()
        if file.facts is not None:
            self.measured[name] = file.facts

    def _take(self, log: LineLog) -> None:
        """Read a file of many lines; what is found after that is about the file as a whole."""
        for number, block in self._blocks(log.file):
            log.take_block(number, block)
        if log.file in self.measured and not self.findings.full(log.file):
            log.finish()
        log.line, log.event_id = 0, None

    def _object(self, check: LineCheck) -> dict[str, Any] | None:
        """Return the object of a file of one line; what is found after that is about the file as a whole."""
        found = None
        for number, block in self._blocks(check.file):
            if number == 1:
                found = check.value(number, block.partition(b"\n")[0])
        check.line = 0
        facts = self.measured.get(check.file)
        if facts is not None and facts.lines != 1:
            check.add(FindingCode.MALFORMED_LINE, "one object on one line", f"{facts.lines} line ends")
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
