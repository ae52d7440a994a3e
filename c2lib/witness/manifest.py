"""``run_manifest.json``: whether the seal is whole, and whether it is the seal of these files.

Another behaviour version is reported before anything else, so that an upgrade is not taken for tampering.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from c2lib.core.canon import sha256_hex
from c2lib.core.contract import LIQUIDITIES
from c2lib.core.states import SESSION_ENDS, SessionPhase, SessionStatus
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
from c2lib.witness.agreement import TRIGGER_OF_FAIL_CODE, Logs
from c2lib.witness.audit import AuditLog
from c2lib.witness.findings import FileFindings, FindingCode, Findings
from c2lib.witness.lines import encode, is_decimal
from c2lib.witness.reader import FileFacts
from c2lib.witness.refold import Books, decimal_text

_KEYS: Mapping[str, tuple[str, ...]] = {
    "market": ("source", "sha256", "bars"),
    "strategy": ("origin", "class_name", "sha256", "imports"),
    "inputs": ("cancel", "clock_readings", "sink_failures", "strategy_end"),
    "audit": ("entries", "last_hash"),
}
_MEASURES = ("sha256", "bytes", "lines")
_IN_SESSION_START = {"clock_mode": ("clock_mode",), "symbol": ("market", "symbol"), "steps": ("steps",)}
"""Fields of ``SESSION_START`` that repeat a field of the config."""


def shape_problems(value: Any, names: Iterable[str]) -> list[str]:
    """Return what keeps ``value`` from being an object with exactly these keys.

    >>> shape_problems({"entries": 1}, ("entries", "last_hash"))
    ['last_hash is missing']
    """
    if not isinstance(value, dict):
        return ["no object"]
    wanted = set(names)
    return [f"{name} is missing" for name in sorted(wanted - value.keys())] + [
        f"{name} is no field of the contract" for name in sorted(value.keys() - wanted)
    ]


def at(value: Any, *path: str) -> Any:
    """Return what stands at ``path`` in nested objects, or ``None``."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def check_manifest(
    manifest: Mapping[str, Any], logs: Logs, measured: Mapping[str, FileFacts], findings: Findings
) -> None:
    """Check a manifest whose fields keep the contract: by itself, against the files, and against what they say.

    Args:
        manifest: the manifest.
        logs: what the files say.
        measured: what was measured while they were read.
        findings: where findings are recorded.
    """
    check = _ManifestCheck(manifest, findings)
    check.seal()
    check.files(measured)
    check.log(logs)


class _ManifestCheck(FileFindings):
    """The checks of one manifest."""

    def __init__(self, manifest: Mapping[str, Any], findings: Findings) -> None:
        super().__init__(Artifact.MANIFEST.value, findings)
        self._manifest = manifest
        self._events = FileFindings(Artifact.EVENTS.value, findings)
        config = manifest["config"]
        kept = at(config, "strategy", "origin") == "file" and at(config, "keep_strategy") is True
        self._sealed = (*SEALED_BY_MANIFEST, Artifact.STRATEGY) if kept else SEALED_BY_MANIFEST

    def seal(self) -> None:
        """Recompute what the manifest says of itself."""
        manifest, config = self._manifest, self._manifest["config"]
        body = {name: value for name, value in manifest.items() if name != "run_digest"}
        version = FindingCode.OTHER_BEHAVIOUR_VERSION
        self.same(version, "behaviour_version", BEHAVIOUR_VERSION, manifest["behaviour_version"])
        self.same(FindingCode.RUN_DIGEST_WRONG, "run_digest", _hash(body), manifest["run_digest"])
        for name, value in (("config_sha256", config), ("criteria_sha256", config.get("criteria"))):
            self.same(FindingCode.CONFIG_HASH_WRONG, name, _hash(value), manifest[name])
        for name in ("run_id", "strategy_id"):
            self.same(FindingCode.WRONG_RUN, f"config.{name}", manifest[name], config.get(name))
        for name, keys in {**_KEYS, "artifacts": self._sealed}.items():
            self._shape(name, manifest[name], keys)
        for name in ("origin", "class_name", "sha256"):
            sealed = at(config, "strategy", name)
            self.same(FindingCode.WRONG_RUN, f"strategy.{name}", sealed, at(manifest["strategy"], name))
        if Artifact.STRATEGY in self._sealed:
            source, file = at(config, "strategy", "sha256"), at(manifest["artifacts"], Artifact.STRATEGY, "sha256")
            self.same(FindingCode.DIGEST_WRONG, f"artifacts.{Artifact.STRATEGY}", source, file)
        origin = at(manifest["strategy"], "origin")
        if origin is not None and origin not in STRATEGY_ORIGINS:
            self._broken(f"strategy.origin of {', '.join(STRATEGY_ORIGINS)} or null", origin)

    def _shape(self, name: str, value: Any, keys: Iterable[str]) -> None:
        for problem in shape_problems(value, keys):
            self._broken(f"{name} by the contract", problem)

    def _broken(self, expected: str, seen: object) -> None:
        self.findings.add(FindingCode.CONTRACT_BROKEN, self.file, 1, expected=expected, seen=seen)

    def files(self, measured: Mapping[str, FileFacts]) -> None:
        """Expect the files that were measured."""
        kept = Artifact.STRATEGY in self._sealed
        if kept != (Artifact.STRATEGY in measured):
            self.findings.add(FindingCode.MISSING_FILE if kept else FindingCode.UNEXPECTED_FILE, Artifact.STRATEGY)
        for artifact in self._sealed:
            if artifact not in measured:
                continue
            sealed, file = at(self._manifest["artifacts"], artifact), FileFindings(artifact, self.findings)
            self._shape(f"artifacts.{artifact}", sealed, _MEASURES)
            for name in _MEASURES:
                claimed, real = at(sealed, name), getattr(measured[artifact], name)
                holds = claimed == real and type(claimed) is type(real)
                file.require(holds, FindingCode.DIGEST_WRONG, f"{name} {claimed}", real)

    def log(self, logs: Logs) -> None:
        """Expect the log of this config, market and strategy."""
        manifest, audit = self._manifest, logs.audit
        if Artifact.AUDIT in logs.read:
            for name, value in (("entries", audit.emitted), ("last_hash", audit.last_hash)):
                self.same(FindingCode.CHAIN_BROKEN, f"audit.{name}", value, at(manifest["audit"], name))
            if audit.phase in SESSION_ENDS:
                self.same(FindingCode.STATUS_PATH_WRONG, "status", logs.status, manifest["status"])
            self._retries(logs)
            self._strategy_end(audit)
        if logs.metrics is not None:
            self.same(FindingCode.COUNTER_WRONG, "config.seed", logs.metrics["seed"], at(manifest["config"], "seed"))
        if Artifact.EVENTS in logs.read:
            self._start(logs.events.books.start)
            self._ticks(logs.events.books)
            self._fees(logs.events.books)
            self._equity(logs.events.books)
        shut = at(manifest["config"], "enabled") is False or logs.status is SessionStatus.REJECTED
        expected = "enabled false, or an override that was audited"
        overridden = audit.counts[AuditCode.LIVE_GATE_OVERRIDDEN] > 0
        self.require(shut or overridden, FindingCode.PHASE_PATH_FORBIDDEN, expected, "neither")

    def _retries(self, logs: Logs) -> None:
        """Expect a replay to be given as many failures of sinks as retries were audited."""
        failures = at(self._manifest["inputs"], "sink_failures")
        if isinstance(failures, list) and not logs.audit.dead_sinks:
            errors = [item[-1] for item in failures if isinstance(item, list) and item]
            seen = sum(len(item) for item in errors if isinstance(item, list))
            what = "inputs.sink_failures with retries"
            self.same(FindingCode.COUNTER_WRONG, what, logs.audit.retries, seen)

    def _strategy_end(self, audit: AuditLog) -> None:
        """Expect a replay to be told of the end of a strategy's process that the session failed by, and of no other."""
        last = audit.moves[-1] if audit.moves else None
        code = next((code for code in STRATEGY_ENDS if last and last.trigger == TRIGGER_OF_FAIL_CODE[code]), None)
        seen = at(self._manifest["inputs"], "strategy_end")
        expected = None
        if last is not None and code is not None:
            steps = audit.stop_meta.get("steps")
            # 0 while the strategy was made, else the bar that it was shown, from 1
            asked = steps + 1 if type(steps) is int and last.before == SessionPhase.DRYRUN_ACTIVE else 0
            expected = {"step": asked, "code": code.value}
        self.same(FindingCode.STATUS_PATH_WRONG, "inputs.strategy_end", expected, seen)

    def _start(self, start: Mapping[str, Any]) -> None:
        if not start:
            return
        manifest, config, code = self._manifest, self._manifest["config"], FindingCode.CONFIG_HASH_WRONG
        for name in ("config_sha256", "criteria_sha256"):
            self.same(code, name, start[name], manifest[name])
        self.same(FindingCode.DIGEST_WRONG, "market.sha256", start["market_sha256"], at(manifest["market"], "sha256"))
        for name, path in _IN_SESSION_START.items():
            self.same(code, f"config.{'.'.join(path)}", start[name], at(config, *path))
        self.same(code, "config.broker.initial_cash", start["initial_cash"], at(config, "broker", "initial_cash"))

    def _ticks(self, books: Books) -> None:
        """Expect a tick of every bar where the config asks for it."""
        if at(self._manifest["config"], "tick_events") != "every" or not books.stop:
            return
        steps = books.stop["steps"]
        most = steps + (books.stop["stop_reason"] == StopReason.FAILED)
        seen = f"{books.ticks} ticks" if books.every_bar_ticked else "bars left out"
        holds = books.every_bar_ticked and steps <= books.ticks <= most
        self._events.require(holds, FindingCode.SEQUENCE_BROKEN, f"a tick of each of {steps} bars", seen)

    def _fees(self, books: Books) -> None:
        """Expect the fills to have cost what the config's rates ask for."""
        broker = at(self._manifest["config"], "broker")
        rates = {name: at(broker, f"{name.lower()}_fee_rate") for name in LIQUIDITIES}
        bad = [name for name in LIQUIDITIES if not is_decimal(rates[name])]
        if bad:
            self._broken(f"a {bad[0]} fee rate", rates[bad[0]])
            return
        own = books.fees_at({name: Decimal(rate) for name, rate in rates.items()})
        expected = f"fees of {decimal_text(own)} by the config's rates"
        self._events.require(own == books.fees, FindingCode.LEDGER_WRONG, expected, decimal_text(books.fees))
        rate, name = books.uncovered
        lacked = max(map(Fraction, rates.values())) > rate
        expected = "insufficient_funds only where cash may lack"
        self._events.require(lacked, FindingCode.LEDGER_WRONG, expected, f"{name}, whose fill is covered")

    def _equity(self, books: Books) -> None:
        """Expect the session to have ended as soon as equity was below its bound, and for that reason only then."""
        bound = at(self._manifest["config"], "limits", MIN_EQUITY)
        if not is_decimal(bound):
            self._broken(f"a limit {MIN_EQUITY}", bound)
            return
        events, wrong, least, allowed = (
            self._events,
            FindingCode.LEDGER_WRONG,
            Decimal(bound),
            f"equity of {bound} or more",
        )
        events.require(books.lowest >= least, wrong, f"{allowed}, or a rail", decimal_text(books.lowest))
        if books.tripped and books.stop:
            own = decimal_text(books.equity)
            events.same(wrong, f"{MIN_EQUITY}: seen and expected", (own, allowed), books.tripped)
            events.require(books.equity < least, wrong, f"equity below {bound}, or no rail", own)


def _hash(value: Any) -> str:
    return sha256_hex(encode(value).encode())
