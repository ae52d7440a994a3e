"""The four artifacts of a session as one thing to write to.

An event's number, an entry's ``seq`` and the chain's head move only after the sink took the line. Every retry is
audited, queued so that its entry never lands before the entry being retried; a retry's entry, the metrics and the final
snapshot are composed anew per attempt, so that they count their own. A dead audit sink is written to no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from c2lib.core.redaction import clean_text, clean_value
from c2lib.core.vocabulary import METRICS_SCHEMA, STATE_SCHEMA, Artifact, AuditCode, AuditLevel, EventKind
from c2lib.record.lines import EventEmitter, compile_event_emitter, object_line
from c2lib.record.seal import AuditChain
from c2lib.record.sinks import RetryingSink, SinkFailure, Sinks


class Journal:
    """Writes events, audit entries, snapshots and metrics of one run; ``ts`` is the step's time, set by the session.

    Args:
        run_id: name of the run, cleaned here.
        strategy_id: name of the strategy, cleaned here.
        sinks: where the four artifacts go.
        max_retries: how often a failing write is tried again.
    """

    def __init__(self, run_id: str, strategy_id: str, sinks: Sinks, max_retries: int) -> None:
        self.run_id = clean_text(run_id)
        self.strategy_id = clean_text(strategy_id)
        self.ts = ""
        self.events_emitted = 0
        self.snapshots = 0
        self.sink_retries = 0
        self.chain = AuditChain()
        self.retries: list[tuple[str, str]] = []
        self._draining = False
        self.event_sink = sinks.events
        names = (Artifact.EVENTS, Artifact.SNAPSHOTS, Artifact.AUDIT, Artifact.METRICS)
        self._sinks = {
            name: RetryingSink(name.value, sink, max_retries, self._record_retry)
            for name, sink in zip(names, sinks, strict=True)
        }
        self._events = self._sinks[Artifact.EVENTS]
        self._audit = self._sinks[Artifact.AUDIT]
        self.take = self._events.write
        run = self.run_id, self.strategy_id
        self._emitters = {kind: compile_event_emitter(kind, *run, self) for kind in EventKind}

    def event(self, kind: EventKind, *values: Any) -> None:
        """Write the next event; ``values`` stand in the contract table's order, texts already cleaned."""
        self._emitters[kind](*values)

    def emitter(self, kind: EventKind) -> EventEmitter:
        """Return what writes an event of one kind, for whoever writes many: as :meth:`event`, without the kind."""
        return self._emitters[kind]

    def audit(self, level: AuditLevel, code: str, message: str, meta: Mapping[str, Any] | None = None) -> None:
        """Write the next audit entry, unless the audit sink is dead; message and meta are cleaned here."""
        if self._audit.dead:
            return
        if self.retries:
            # left by a write that failed for good
            self.settle()
        line, entry_hash = self.chain.line(self.ts, level, code, clean_text(message), clean_value(meta or {}))
        self._audit.write(line)
        self.chain.advance(entry_hash, self.ts)
        if self.retries:
            self.settle()

    def snapshot(self, state: Mapping[str, Any]) -> None:
        """Write the next state snapshot; ``state`` holds what the journal does not know itself."""
        own = {"schema_version": STATE_SCHEMA, "ts_sim": self.snapshots}
        self._sinks[Artifact.SNAPSHOTS].write_composed(lambda: self._object({**state, **own}))
        self.snapshots += 1
        self.settle()

    def metrics(self, counters: Mapping[str, Any]) -> None:
        """Write the metrics object; ``counters`` holds what the journal does not know itself."""

        def compose() -> str:
            self.settle()
            head = {"audit_events": self.chain.entries, "last_audit_event_ts": self.chain.last_ts}
            return self._object({**counters, **head, "schema_version": METRICS_SCHEMA})

        # the last attempt drained the queue when it was composed
        self._sinks[Artifact.METRICS].write_composed(compose)

    def _object(self, facts: Mapping[str, Any]) -> str:
        """Return the line of a snapshot or of the metrics, with what the two have in common."""
        own = {"run_id": self.run_id, "strategy_id": self.strategy_id}
        counts = {"events_emitted": self.events_emitted, "sink_retries": self.sink_retries}
        return object_line({**facts, **own, **counts})

    def flush(self, *artifacts: Artifact) -> None:
        """Flush the sinks of ``artifacts`` that are alive."""
        for artifact in artifacts:
            if not self._sinks[artifact].dead:
                self._sinks[artifact].flush()
        self.settle()

    def is_dead(self, artifact: Artifact) -> bool:
        """Whether the sink of ``artifact`` failed for good."""
        return self._sinks[artifact].dead

    @property
    def dead_sinks(self) -> tuple[str, ...]:
        """The artifacts whose sink failed for good."""
        return tuple(name.value for name, sink in self._sinks.items() if sink.dead)

    @property
    def sink_failures(self) -> tuple[SinkFailure, ...]:
        """Every write that failed at least once, sink by sink."""
        return tuple(failure for sink in self._sinks.values() for failure in sink.failures)

    def _record_retry(self, sink: str, error: str) -> None:
        self.sink_retries += 1
        if not self._draining:
            self.retries.append((sink, error))

    def settle(self) -> None:
        """Write the queued retry entries; what their own writing needs is folded into them."""
        while self.retries and not self._audit.dead:
            sink, error = self.retries.pop(0)
            self._write_retry_entry(sink, error)

    def _write_retry_entry(self, sink: str, error: str) -> None:
        before, entry_hash = self.sink_retries, ""

        def compose() -> str:
            nonlocal entry_hash
            meta = {"sink": sink, "error": error, "retries": 1 + self.sink_retries - before}
            message = f"write to {sink} tried again"
            line, entry_hash = self.chain.line(self.ts, AuditLevel.WARN, AuditCode.SINK_WRITE_RETRY, message, meta)
            return line

        self._draining = True
        try:
            self._audit.write_composed(compose)
        finally:
            self._draining = False
        self.chain.advance(entry_hash, self.ts)
