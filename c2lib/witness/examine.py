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
from c2lib.core.errors import RunPathError
from c2lib.core.states import SESSION_ENDS
from c2lib.core.vocabulary import Artifact, AuditCode, EventKind, FailCode
from c2lib.witness.agreement import Logs, compare, make_logs
from c2lib.witness.events import Observer
from c2lib.witness.findings import FindingCode, Findings, Verdict
from c2lib.witness.foreign import RunbookRun, keeps_runbook_contract
from c2lib.witness.lines import MAX_LINE, MAX_OBJECT, LineCheck, RunName
from c2lib.witness.manifest import ManifestCheck, at
from c2lib.witness.reader import ArtifactFile, Folder
from c2lib.witness.refold import Books, decimal_text
from c2lib.witness.run import BarPoint, Examination, FileFacts, FillPoint, OrderPoint, RunSeries, RunSummary

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
"""Told ``(bytes read, bytes in all)`` now and then."""


class Reading(NamedTuple):
    """What one pass over a directory gave."""

    logs: Logs
    manifest: Mapping[str, Any] | None
    run: RunName


class _Reader:
    """Reads the files of one folder, each once; ``measured`` tells of those that were read to their end."""

    def __init__(
        self, folder: Folder, findings: Findings, observer: Observer | None, progress: Progress | None
    ) -> None:
        self.measured: dict[str, FileFacts] = {}
        self._folder = folder
        self._findings = findings
        self._observer = observer
        self._files: dict[Artifact, ArtifactFile] = {}
        self._told = _counted(progress, folder.size()) if progress else None

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
            self._files[artifact] = ArtifactFile(self._folder.descriptor, name, self._findings, limit, self._told)
        return self._files[artifact]

    def _lines(
        self, artifact: Artifact, take: Callable[[int, bytes], None], limit: int = MAX_LINE, *, in_blocks: bool = False
    ) -> None:
        file = self._file(artifact, limit)
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
    """Return what takes further bytes and tells ``progress`` how many there were so far."""
    done = 0

    def told(size: int) -> None:
        nonlocal done
        done += size
        progress(done, planned)

    return told


def look(
    path: str | os.PathLike[str], observer: Observer | None = None, progress: Progress | None = None
) -> tuple[Examination, frozenset[str]]:
    """Examine a run directory; also return which files could be read to their end.

    ``observer`` is told of every event that was folded, ``progress`` how far it is. Raises :class:`RunPathError` for
    a path that is no directory.
    """
    findings = Findings()
    with Folder(path) as folder:
        verdict = _verdict(folder, findings)
        reader = _Reader(folder, findings, observer, progress)
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


def examine(path: str | os.PathLike[str], progress: Progress | None = None) -> Examination:
    """Return what looking at a run directory gave; raise :class:`RunPathError` for a path that is no directory."""
    return look(path, progress=progress)[0]


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


class _Collector:
    """Keeps a point for every tick, order and fill that it is told of."""

    def __init__(self) -> None:
        self.bars: list[BarPoint] = []
        self.orders: list[OrderPoint] = []
        self.fills: list[FillPoint] = []

    def __call__(self, event: Mapping[str, Any], books: Books) -> None:
        kind, payload, ts_sim = event["event_type"], event["payload"], event["ts_sim"]
        if kind == EventKind.STRATEGY_TICK:
            self._tick(payload, ts_sim, books)
        elif kind == EventKind.ORDER_SUBMITTED:
            name, side, quantity = payload["client_order_id"], payload["side"], payload["quantity"]
            self.orders.append(OrderPoint(payload["bar_index"], ts_sim, name, side, quantity))
        elif kind == EventKind.FILL:
            self._fill(payload, ts_sim, event["event_id"])

    def _tick(self, payload: Mapping[str, Any], ts_sim: int, books: Books) -> None:
        self.bars.append(
            BarPoint(
                bar_index=payload["bar_index"],
                bar_time=payload["bar_time"],
                ts_sim=ts_sim,
                close=payload["close"],
                decision=payload["decision"],
                position=decimal_text(books.position),
                equity=decimal_text(books.equity),
            )
        )

    def _fill(self, payload: Mapping[str, Any], ts_sim: int, event_id: str) -> None:
        self.fills.append(
            FillPoint(
                bar_index=payload["bar_index"],
                ts_sim=ts_sim,
                event_id=event_id,
                client_order_id=payload["client_order_id"],
                side=payload["side"],
                quantity=payload["quantity"],
                price=payload["price"],
                fee=payload["fee"],
            )
        )


def read_series(path: str | os.PathLike[str]) -> RunSeries:
    """Return ticks, orders and fills of a run directory, and its summary.

    Raises :class:`RunPathError` when there is no directory at ``path`` or its events cannot be read at all.
    """
    points = _Collector()
    examination, read = look(path, points)
    if Artifact.EVENTS not in read:
        raise RunPathError(f"{examination.path}: {Artifact.EVENTS} cannot be read")
    return RunSeries(examination.summary, tuple(points.bars), tuple(points.orders), tuple(points.fills))
