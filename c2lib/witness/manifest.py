"""``run_manifest.json``: whether the seal is whole, and whether it is the seal of these files.

Another behaviour version is reported before anything else, so that an upgrade is not taken for tampering.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from c2lib.core.contract import LIQUIDITIES, MANIFEST_FIELDS
from c2lib.core.states import SESSION_ENDS, TRIGGER_OF_FAIL_CODE, SessionPhase, SessionStatus
from c2lib.core.vocabulary import (
    BEHAVIOUR_VERSION,
    MIN_EQUITY,
    SEALED_BY_MANIFEST,
    STRATEGY_ENDS,
    STRATEGY_ORIGINS,
    Artifact,
    AuditCode,
    StopReason,
)
from c2lib.witness.agreement import Logs
from c2lib.witness.audit import AuditLog
from c2lib.witness.events import EventLog
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.lines import LineCheck, RunName, at, digest_of, is_decimal
from c2lib.witness.reader import FileFacts
from c2lib.witness.refold import decimal_text

_KEYS: Mapping[str, tuple[str, ...]] = {
    "market": ("source", "sha256", "bars"),
    "strategy": ("origin", "class_name", "sha256", "imports"),
    "inputs": ("cancel", "clock_readings", "sink_failures", "strategy_end"),
    "audit": ("entries", "last_hash"),
}
_MEASURES = ("sha256", "bytes", "lines")

_CONFIG, _COUNTER, _DIGEST = FindingCode.CONFIG_HASH_WRONG, FindingCode.COUNTER_WRONG, FindingCode.DIGEST_WRONG
_LEDGER, _STATUS, _RUN = FindingCode.LEDGER_WRONG, FindingCode.STATUS_PATH_WRONG, FindingCode.WRONG_RUN


class ManifestCheck(LineCheck):
    """The check of a manifest: its fields, its own hashes, the files that it seals, and what they say."""

    _manifest: Mapping[str, Any]
    _config: Mapping[str, Any]

    def __init__(self, findings: Findings, run: RunName) -> None:
        super().__init__(Artifact.MANIFEST.value, MANIFEST_FIELDS, findings, run)

    def compare(self, manifest: Mapping[str, Any], logs: Logs, measured: Mapping[str, FileFacts]) -> None:
        """Check a manifest whose fields keep the contract: by itself, against the files, and against what they say.

        Args:
            manifest: the manifest.
            logs: what the files say.
            measured: what was measured while they were read.
        """
        self._manifest, self._config = manifest, manifest["config"]
        kept = at(self._config, "strategy", "origin") == "file" and at(self._config, "keep_strategy") is True
        sealed = (*SEALED_BY_MANIFEST, Artifact.STRATEGY) if kept else SEALED_BY_MANIFEST
        self._seal(sealed)
        self._files(sealed, measured)
        self._log(logs)

    def _agrees(self, code: FindingCode, expected: Mapping[str, object]) -> None:
        self.expect(code, self._manifest, expected)

    def _broken(self, expected: str, seen: object) -> None:
        self.findings.add(FindingCode.CONTRACT_BROKEN, self.file, 1, expected=expected, seen=seen)

    def _shape(self, name: str, value: Any, keys: Iterable[str]) -> None:
        """Expect an object with exactly these keys."""
        if not isinstance(value, dict):
            self._broken(f"{name} by the contract", "no object")
            return
        for key in sorted(value.keys() ^ set(keys)):
            problem = "is no field of the contract" if key in value else "is missing"
            self._broken(f"{name} by the contract", f"{key} {problem}")

    def _seal(self, sealed: Iterable[Artifact]) -> None:
        """Recompute what the manifest says of itself."""
        manifest, config = self._manifest, self._config
        body = {name: value for name, value in manifest.items() if name != "run_digest"}
        hashes = {"config_sha256": digest_of(config), "criteria_sha256": digest_of(config.get("criteria"))}
        self._agrees(FindingCode.OTHER_BEHAVIOUR_VERSION, {"behaviour_version": BEHAVIOUR_VERSION})
        self._agrees(FindingCode.RUN_DIGEST_WRONG, {"run_digest": digest_of(body)})
        self._agrees(_CONFIG, hashes)
        self._agrees(_RUN, {f"config.{name}": manifest[name] for name in ("run_id", "strategy_id")})
        for name, keys in {**_KEYS, "artifacts": sealed}.items():
            self._shape(name, manifest[name], keys)
        strategy = {name: at(config, "strategy", name) for name in ("origin", "class_name", "sha256")}
        self._agrees(_RUN, {f"strategy.{name}": value for name, value in strategy.items()})
        if Artifact.STRATEGY in sealed:
            file = at(manifest["artifacts"], Artifact.STRATEGY, "sha256")
            self.same(_DIGEST, f"artifacts.{Artifact.STRATEGY}", strategy["sha256"], file)
        origin = at(manifest["strategy"], "origin")
        if origin is not None and origin not in STRATEGY_ORIGINS:
            self._broken(f"strategy.origin of {', '.join(STRATEGY_ORIGINS)} or null", origin)

    def _files(self, sealed: Iterable[Artifact], measured: Mapping[str, FileFacts]) -> None:
        """Expect the files that were measured."""
        kept = Artifact.STRATEGY in sealed
        if kept != (Artifact.STRATEGY in measured):
            self.findings.add(FindingCode.MISSING_FILE if kept else FindingCode.UNEXPECTED_FILE, Artifact.STRATEGY)
        for artifact in (name for name in sealed if name in measured):
            facts = at(self._manifest["artifacts"], artifact)
            self._shape(f"artifacts.{artifact}", facts, _MEASURES)
            for name in _MEASURES:
                claimed, real = at(facts, name), getattr(measured[artifact], name)
                if claimed != real or type(claimed) is not type(real):
                    self.findings.add(_DIGEST, artifact, expected=f"{name} {claimed}", seen=real)

    def _log(self, logs: Logs) -> None:
        """Expect the log of this config, market and strategy."""
        audit, events = logs.audit, logs.events
        if Artifact.AUDIT in logs.read:
            self._agrees(FindingCode.CHAIN_BROKEN, {"audit.entries": audit.emitted, "audit.last_hash": audit.last_hash})
            if audit.phase in SESSION_ENDS:
                self._agrees(_STATUS, {"status": logs.status})
            self._retries(audit)
            self._strategy_end(audit)
        if logs.metrics is not None:
            self._agrees(_COUNTER, {"config.seed": logs.metrics["seed"]})
        if Artifact.EVENTS in logs.read:
            self._start(events.books.start)
            self._ticks(events)
            self._fees(events)
            self._equity(events)
        shut = at(self._config, "enabled") is False or logs.status is SessionStatus.REJECTED
        overridden = audit.counts[AuditCode.LIVE_GATE_OVERRIDDEN] > 0
        expected = "enabled false, or an override that was audited"
        self.require(shut or overridden, FindingCode.PHASE_PATH_FORBIDDEN, expected, "neither")

    def _retries(self, audit: AuditLog) -> None:
        """Expect a replay to be given as many failures of sinks as retries were audited."""
        failures = at(self._manifest["inputs"], "sink_failures")
        if isinstance(failures, list) and not audit.dead_sinks:
            errors = [item[-1] for item in failures if isinstance(item, list) and item]
            seen = sum(len(item) for item in errors if isinstance(item, list))
            self.same(_COUNTER, "inputs.sink_failures with retries", audit.retries, seen)

    def _strategy_end(self, audit: AuditLog) -> None:
        """Expect a replay to be told of the end of a strategy's process that the session failed by, and of no other."""
        last = audit.moves[-1] if audit.moves else None
        code = next((code for code in STRATEGY_ENDS if last and last.trigger == TRIGGER_OF_FAIL_CODE[code]), None)
        expected = None
        if last is not None and code is not None:
            steps = audit.stop_meta.get("steps")
            # 0 while the strategy was made, else the bar that it was shown, from 1
            asked = steps + 1 if type(steps) is int and last.before == SessionPhase.DRYRUN_ACTIVE else 0
            expected = {"step": asked, "code": code.value}
        self._agrees(_STATUS, {"inputs.strategy_end": expected})

    def _start(self, start: Mapping[str, Any]) -> None:
        """Expect ``SESSION_START`` to repeat hashes and fields of the config."""
        if start:
            hashes = {name: start[name] for name in ("config_sha256", "criteria_sha256")}
            paths = ("clock_mode", "market.symbol", "steps", "broker.initial_cash")
            self._agrees(_CONFIG, hashes | {f"config.{path}": start[path.split(".")[-1]] for path in paths})
            self._agrees(_DIGEST, {"market.sha256": start["market_sha256"]})

    def _ticks(self, events: EventLog) -> None:
        """Expect a tick of every bar where the config asks for it."""
        books, stop = events.books, events.books.stop
        if at(self._config, "tick_events") == "every" and stop:
            steps, most = stop["steps"], stop["steps"] + (stop["stop_reason"] == StopReason.FAILED)
            seen = f"{books.ticks} ticks" if books.every_bar_ticked else "bars left out"
            holds = books.every_bar_ticked and steps <= books.ticks <= most
            events.require(holds, FindingCode.SEQUENCE_BROKEN, f"a tick of each of {steps} bars", seen)

    def _fees(self, events: EventLog) -> None:
        """Expect the fills to have cost what the config's rates ask for."""
        books = events.books
        rates = {name: at(self._config, "broker", f"{name.lower()}_fee_rate") for name in LIQUIDITIES}
        for name in LIQUIDITIES:
            if not is_decimal(rates[name]):
                self._broken(f"a {name} fee rate", rates[name])
                return
        own = books.fees_at({name: Decimal(rate) for name, rate in rates.items()})
        expected = f"fees of {decimal_text(own)} by the config's rates"
        events.require(own == books.fees, _LEDGER, expected, decimal_text(books.fees))
        rate, name = books.uncovered
        lacked = max(map(Fraction, rates.values())) > rate
        events.require(lacked, _LEDGER, "insufficient_funds only where cash may lack", f"{name}, whose fill is covered")

    def _equity(self, events: EventLog) -> None:
        """Expect the session to have ended as soon as equity was below its bound, and for that reason only then."""
        bound, books = at(self._config, "limits", MIN_EQUITY), events.books
        if not is_decimal(bound):
            self._broken(f"a limit {MIN_EQUITY}", bound)
            return
        least, allowed, own = Decimal(bound), f"equity of {bound} or more", decimal_text(books.equity)
        events.require(books.lowest >= least, _LEDGER, f"{allowed}, or a rail", decimal_text(books.lowest))
        if books.tripped and books.stop:
            events.same(_LEDGER, f"{MIN_EQUITY}: seen and expected", (own, allowed), books.tripped)
            events.require(books.equity < least, _LEDGER, f"equity below {bound}, or no rail", own)
