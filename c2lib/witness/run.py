"""A run directory, read once: verdict, findings, summary, and its rows on request.

The verdict says how much of a seal there is, the findings say what is wrong; neither stands for the other. Whatever is
wrong in a directory is a finding; only a path that is no directory raises. What has no manifest and nothing of c2lib's
own contract is judged as far as the runbook's contract goes. Memory does not grow with the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple

from c2lib.core.contract import MANIFEST_FIELDS, METRICS_FIELDS
from c2lib.core.errors import MissingExtraError, RunPathError
from c2lib.core.model import MAX_SOURCE_BYTES
from c2lib.core.states import SESSION_ENDS
from c2lib.core.vocabulary import Artifact, AuditCode, EventKind, FailCode
from c2lib.witness.agreement import Logs, compare, make_logs
from c2lib.witness.audit import PhaseMove
from c2lib.witness.events import Event, EventLog, Observer
from c2lib.witness.findings import Finding, FindingCode, Findings, Verdict
from c2lib.witness.foreign import RunbookRun, keeps_runbook_contract
from c2lib.witness.lines import MAX_LINE, MAX_OBJECT, LineCheck, RunName
from c2lib.witness.manifest import ManifestCheck, at
from c2lib.witness.reader import ArtifactFile, FileFacts, Folder, RunPath
from c2lib.witness.refold import Books, decimal_text
from c2lib.witness.rows import EquityRow, EventRow, FillRow, OrderRow, RoundTrip, columns, rows


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as its log tells it; what the log does not tell is empty, 0 or ``None``.

    ``statuses`` holds ``(status, events emitted)`` per snapshot. ``event_counts`` and ``audit_counts`` count by
    event type and by code. ``references`` maps ``session_start``, ``first_fill``, ``last_fill``, ``session_stop``,
    ``rejected``, ``rail_tripped`` to the event id that bears it. ``config`` is the manifest's.
    """

    run_id: str = ""
    strategy_id: str = ""
    seed: int | None = None
    status: str = ""
    stop_reason: str | None = None
    reject_code: str | None = None
    reject_reason: str | None = None
    fail_code: str | None = None
    fail_reason: str | None = None
    started_ts: str | None = None
    ended_ts: str | None = None
    symbol: str = ""
    steps: int = 0
    steps_planned: int | None = None
    fills: int = 0
    position: str = "0"
    cash: str = "0"
    mark_price: str | None = None
    equity: str = "0"
    fees: str = "0"
    rail_trips: int = 0
    no_live_attempts: int | None = None
    no_live_required: str | None = None
    no_live_held: bool = False
    enabled_overridden: bool = False
    sink_retries: int = 0
    phases: tuple[PhaseMove, ...] = ()
    statuses: tuple[tuple[str, int], ...] = ()
    event_counts: Mapping[str, int] = field(default_factory=dict)
    audit_counts: Mapping[str, int] = field(default_factory=dict)
    audit_entries: int = 0
    audit_last_hash: str = ""
    references: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    config_sha256: str = ""
    criteria_sha256: str = ""
    market_sha256: str = ""
    behaviour_version: int | None = None
    run_digest: str | None = None
    artifacts: Mapping[str, FileFacts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BarPoint:
    """A ``STRATEGY_TICK`` with the books after it: all as decimal text but the numbers of bar and event."""

    bar_index: int
    bar_time: str
    ts_sim: int
    close: str
    decision: str
    position: str
    equity: str


@dataclass(frozen=True, slots=True)
class OrderPoint:
    """An ``ORDER_SUBMITTED``."""

    bar_index: int
    ts_sim: int
    client_order_id: str
    side: str
    quantity: str


@dataclass(frozen=True, slots=True)
class FillPoint:
    """A ``FILL``."""

    bar_index: int
    ts_sim: int
    event_id: str
    client_order_id: str
    side: str
    quantity: str
    price: str
    fee: str


@dataclass(frozen=True, slots=True)
class RunSeries:
    """A run as series to draw and tabulate."""

    summary: RunSummary
    bars: tuple[BarPoint, ...]
    orders: tuple[OrderPoint, ...]
    fills: tuple[FillPoint, ...]


@dataclass(frozen=True)
class Run:
    """What reading a run directory gave, and the rows of its log; made by :func:`open_run`.

    ``findings`` say what is wrong, ``unchecked`` what could not be checked; ``manifest`` and ``metrics`` are the
    objects of those files, ``None`` where there is none that keeps the contract; ``kept_strategy`` is ``strategy.py``.

    Rows are read from the log anew each time, through the file that was read; their methods raise
    :class:`RunPathError` when it could not be read, was altered since, or was closed: at the latest after its last row.
    A run is a context manager that closes its log; one that is no longer used closes by itself.
    """

    path: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]
    summary: RunSummary
    manifest: Mapping[str, Any] | None
    metrics: Mapping[str, Any] | None
    _series: RunSeries | None = field(repr=False, compare=False)
    _log: ArtifactFile = field(repr=False, compare=False)
    kept_strategy: bytes | None = field(default=None, repr=False)

    @property
    def phases(self) -> tuple[PhaseMove, ...]:
        """The moves from phase to phase, of the audit trail."""
        return self.summary.phases

    @property
    def statuses(self) -> tuple[tuple[str, int], ...]:
        """The status of each snapshot, and how many events were emitted by then."""
        return self.summary.statuses

    @property
    def series(self) -> RunSeries:
        """Bars, orders and fills for pictures, of a run opened with ``series``; raises like the rows without a log."""
        if self._series is None or Artifact.EVENTS not in self.summary.artifacts:
            raise RunPathError(f"{self.path}: {Artifact.EVENTS} cannot be read")
        return self._series

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
            MissingExtraError: pandas is not installed.
            RunPathError: as the rows do.
        """
        try:
            import pandas
        except ImportError:
            raise MissingExtraError("to_pandas", "explore") from None
        made = columns(table, self._rows(table))
        return pandas.DataFrame({name: pandas.Series(values, dtype=dtype) for name, (dtype, values) in made.items()})

    def _rows(self, table: str) -> Iterator[Any]:
        try:
            yield from rows(table, self._log)
        except RunPathError as error:
            raise RunPathError(f"{self.path}: {error}") from None

    def close(self) -> None:
        """Close the log: no more rows."""
        self._log.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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

Progress = Callable[[int, int], None]
"""Called with the bytes read and the bytes in all, now and then."""


class Reading(NamedTuple):
    """What one pass over a directory gave."""

    logs: Logs
    manifest: Mapping[str, Any] | None
    run: RunName


class _Reader:
    """Reads the files of one folder, each once; ``measured`` holds the facts of those that were read to their end."""

    def __init__(
        self, folder: Folder, findings: Findings, observer: Observer | None, progress: Progress | None
    ) -> None:
        self.measured: dict[str, FileFacts] = {}
        self.kept_strategy: bytes | None = None
        self._folder = folder
        self._findings = findings
        self._observer = observer
        self._files: dict[Artifact, ArtifactFile] = {}
        self._progress = _counted(progress, folder.size()) if progress else None

    def keeps_runbook_contract(self) -> bool:
        """Whether this is a run of another program; only what has no manifest can be."""
        if self._folder.has_manifest:
            return False
        heads = [self.file(artifact).head() for artifact in (Artifact.AUDIT, Artifact.SNAPSHOTS)]
        return keeps_runbook_contract(*heads)

    def read(self) -> Reading:
        """Read everything that is there."""
        run = RunName()
        events, audit, snapshots = make_logs(self._findings, run, self._observer)
        self._lines(Artifact.EVENTS, events.take_block, in_blocks=True)
        self._lines(Artifact.SNAPSHOTS, snapshots.take)
        self._lines(Artifact.AUDIT, audit.take)
        if Artifact.AUDIT in self.measured:
            audit.finish()
        metrics = self._object(Artifact.METRICS, LineCheck(Artifact.METRICS, METRICS_FIELDS, self._findings, run))
        manifest = None
        if self._folder.has_manifest:
            check = LineCheck(Artifact.MANIFEST, MANIFEST_FIELDS, self._findings, run, MAX_OBJECT)
            manifest = self._object(Artifact.MANIFEST, check, MAX_OBJECT)
        kept = self._folder.small(Artifact.STRATEGY, MAX_SOURCE_BYTES, self._findings)
        if kept is not None:
            self.kept_strategy, self.measured[Artifact.STRATEGY.value] = kept
        logs = Logs(events, audit, snapshots, metrics, frozenset(self.measured))
        return Reading(logs, manifest, run)

    def read_runbook_run(self) -> tuple[RunbookRun, Mapping[str, Any] | None]:
        """Read the four files of another program; return its logs and metrics."""
        run = RunbookRun(self._findings, self.file(Artifact.EVENTS).head(), self._observer)
        for artifact, log in run.logs.items():
            self._lines(artifact, log.take)
        return run, self._object(Artifact.METRICS, run.metrics)

    def file(self, artifact: Artifact, limit: int = MAX_LINE) -> ArtifactFile:
        if artifact not in self._files:
            name = artifact.value
            kept = artifact is Artifact.EVENTS
            self._files[artifact] = ArtifactFile(
                self._folder.descriptor, name, self._findings, limit, self._progress, kept=kept
            )
        return self._files[artifact]

    def _lines(
        self, artifact: Artifact, take: Callable[[int, bytes], None], limit: int = MAX_LINE, *, in_blocks: bool = False
    ) -> None:
        file = self.file(artifact, limit)
        for number, piece in file.blocks() if in_blocks else file.lines():
            take(number, piece)
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


def _counted(progress: Progress, planned: int) -> Callable[[int], None]:
    """Return what takes further bytes and reports to ``progress`` how many there were so far."""
    done = 0

    def read(size: int) -> None:
        nonlocal done
        done += size
        progress(done, planned)

    return read


def open_run(path: RunPath, *, progress: Progress | None = None, series: bool = False) -> Run:
    """Read a run directory, each of its files once, and return what it holds and what is wrong with it.

    Args:
        path: The directory.
        progress: Called with the bytes read and the bytes in all, now and then.
        series: Whether to collect bars, orders and fills for pictures.

    Raises:
        RunPathError: There is no directory at ``path``.
    """
    findings, points = Findings(), _Collector() if series else None
    with Folder(path) as folder:
        verdict = _verdict(folder, findings)
        reader = _Reader(folder, findings, points, progress)
        if reader.keeps_runbook_contract():
            other, metrics = reader.read_runbook_run()
            other.compare(metrics, reader.measured)
            manifest, unchecked = None, tuple(other.unchecked(folder.others))
            summary = _summary_of_runbook_run(other, metrics, reader.measured)
        else:
            folder.look_for_strangers(findings)
            reading = reader.read()
            manifest, metrics = reading.manifest, reading.logs.metrics
            unchecked = _check_own_run(folder, verdict, findings, reader, reading)
            summary = summarise(reading.logs, reading.run, manifest, reader.measured)
    drawn = (
        None if points is None else RunSeries(summary, tuple(points.bars), tuple(points.orders), tuple(points.fills))
    )
    log = reader.file(Artifact.EVENTS)
    kept = reader.kept_strategy
    return Run(folder.path, verdict, findings.all(), unchecked, summary, manifest, metrics, drawn, log, kept)


def _check_own_run(
    folder: Folder, verdict: Verdict, findings: Findings, reader: _Reader, reading: Reading
) -> tuple[str, ...]:
    """Compare the files with each other; return what could not be checked."""
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
        return (*unchecked, NOT_COMPARED)
    return (*unchecked, NOT_COMPARED_CLOSING) if logs.audit.closed_twice else unchecked


def _verdict(folder: Folder, findings: Findings) -> Verdict:
    verdict = folder.verdict
    if folder.is_staging:
        findings.add(FindingCode.INCOMPLETE_RUN, ".", expected="a published run", seen="a staging folder")
    elif verdict is Verdict.INCOMPLETE:
        seen = f"without {', '.join(folder.missing)}"
        findings.add(FindingCode.INCOMPLETE_RUN, ".", expected="the four files of a run", seen=seen)
    return verdict


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _status(logs: Logs) -> str:
    if logs.audit.phase in SESSION_ENDS or logs.audit.moves:
        return logs.status.value
    return _text(logs.snapshots.last.get("status"))


def _books(books: Books) -> dict[str, Any]:
    return {
        "symbol": _text(books.start.get("symbol")),
        "steps": books.stop.get("steps", 0),
        "steps_planned": books.start.get("steps"),
        "stop_reason": books.stop.get("stop_reason"),
        "position": decimal_text(books.position),
        "cash": decimal_text(books.cash),
        "mark_price": None if books.mark is None else decimal_text(books.mark),
        "equity": decimal_text(books.equity),
        "fees": decimal_text(books.fees),
    }


def _control(logs: Logs, required: str | None) -> dict[str, Any]:
    audit, last = logs.audit, logs.snapshots.last
    layer_there = audit.canary_layer is not None and required in (None, audit.canary_layer)
    attempts = audit.stop_meta.get("no_live_attempts")
    attempts = attempts if type(attempts) is int else None
    return {
        "reject_code": logs.events.books.rejection.get("code", last.get("reject_code")),
        "reject_reason": logs.events.books.rejection.get("reason", last.get("reject_reason")),
        "fail_code": last.get("fail_code"),
        "fail_reason": last.get("fail_reason"),
        "started_ts": last.get("started_ts", audit.first_ts),
        "ended_ts": last.get("ended_ts"),
        "no_live_attempts": attempts,
        "no_live_held": layer_there and attempts == 0 and not audit.counts[FailCode.NO_LIVE_VIOLATION],
        "enabled_overridden": audit.counts[AuditCode.LIVE_GATE_OVERRIDDEN] > 0,
        "sink_retries": audit.retries,
        "phases": tuple(audit.moves),
        "statuses": tuple((state.status, state.events_emitted) for state in logs.snapshots.states),
        "audit_counts": dict(sorted(audit.counts.items())),
        "audit_entries": audit.entries,
        "audit_last_hash": audit.last_hash if audit.entries else "",
    }


def _sealed(logs: Logs, manifest: Mapping[str, Any] | None) -> dict[str, Any]:
    sealed, start = manifest or {}, logs.events.books.start
    seed = logs.metrics["seed"] if logs.metrics else at(sealed.get("config"), "seed")
    return {
        "seed": seed if type(seed) is int else None,
        "config": sealed.get("config", {}),
        "no_live_required": _text(at(sealed.get("config"), "no_live_required")) or None,
        "config_sha256": start.get("config_sha256", sealed.get("config_sha256", "")),
        "criteria_sha256": start.get("criteria_sha256", sealed.get("criteria_sha256", "")),
        "market_sha256": start.get("market_sha256", _text(at(sealed.get("market"), "sha256"))),
        "behaviour_version": sealed.get("behaviour_version"),
        "run_digest": sealed.get("run_digest"),
    }


def summarise(
    logs: Logs, run: RunName, manifest: Mapping[str, Any] | None, measured: Mapping[str, FileFacts]
) -> RunSummary:
    """Return the summary of what was read."""
    events, sealed = logs.events, _sealed(logs, manifest)
    return RunSummary(
        run_id=run.run_id,
        strategy_id=run.strategy_id,
        status=_status(logs),
        fills=events.counts[EventKind.FILL],
        rail_trips=events.counts[EventKind.RAIL_TRIPPED],
        event_counts=dict(sorted(events.counts.items())),
        references=dict(events.references),
        artifacts=dict(measured),
        **_books(events.books),
        **_control(logs, sealed["no_live_required"]),
        **sealed,
    )


def _summary_of_runbook_run(
    run: RunbookRun, metrics: Mapping[str, Any] | None, measured: Mapping[str, FileFacts]
) -> RunSummary:
    """Return the summary of a run of another program, as far as its log has it."""
    last, counts = run.snapshots.last, run.events.counts
    ending = ("reject_code", "reject_reason", "fail_code", "fail_reason", "started_ts", "ended_ts")
    facts: dict[str, Any] = {name: last.get(name) for name in ending}
    if isinstance(run.events, EventLog):
        books = run.events.books
        facts |= {name: decimal_text(getattr(books, name)) for name in ("position", "cash", "equity", "fees")}
    return RunSummary(
        run_id=run.run.run_id,
        strategy_id=run.run.strategy_id,
        seed=(metrics or {}).get("seed"),
        status=last.get("status") or "",
        fills=counts[EventKind.FILL],
        rail_trips=counts[EventKind.RAIL_TRIPPED],
        sink_retries=run.audit.retries,
        statuses=tuple(run.snapshots.states),
        event_counts=dict(sorted(counts.items())),
        audit_counts=dict(sorted(run.audit.counts.items())),
        audit_entries=run.audit.emitted,
        artifacts=dict(measured),
        **facts,
    )


class _Collector:
    """Keeps a point for every tick, order and fill that it is called with."""

    def __init__(self) -> None:
        self.bars: list[BarPoint] = []
        self.orders: list[OrderPoint] = []
        self.fills: list[FillPoint] = []

    def __call__(self, event: Event, books: Books) -> None:
        kind, values, ts_sim = event.kind, event.values, event.ts_sim
        if kind == EventKind.STRATEGY_TICK:
            index, time, close, decision = values
            texts = [decimal_text(value) for value in (books.position, books.equity)]
            self.bars.append(BarPoint(index, time, ts_sim, decimal_text(close), decision, *texts))
        elif kind == EventKind.ORDER_SUBMITTED:
            index, name, _, _, quantity, side, *_ = values
            self.orders.append(OrderPoint(index, ts_sim, name, side, decimal_text(quantity)))
        elif kind == EventKind.FILL:
            index, _, name, fee, _, _, _, price, quantity, side, _ = values
            texts = [decimal_text(value) for value in (quantity, price, fee)]
            self.fills.append(FillPoint(index, ts_sim, event.event_id, name, side, *texts))
