"""``run_manifest.json``: whether the seal is whole, and whether it is the seal of these files.

Rules kept here:

* ``run_digest``, the hash of the config and that of the criteria are recomputed;
* hash, size and lines of each sealed file are compared with what was measured while reading it;
* what the manifest says of run, config, market, audit and status is what the log says;
* another behaviour version is said before anything else: an upgrade is told from tampering.

>>> shape_problems({"entries": 1}, ("entries", "last_hash"))
['last_hash is missing']
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from c2lib.core.canon import sha256_hex
from c2lib.core.contract import LIQUIDITIES
from c2lib.core.states import SESSION_ENDS, SessionPhase, SessionStatus
from c2lib.core.vocabulary import (
    BEHAVIOUR_VERSION,
    SEALED_BY_MANIFEST,
    STRATEGY_ENDS,
    STRATEGY_ORIGINS,
    Artifact,
    AuditCode,
    StopReason,
)
from c2lib.witness.agreement import TRIGGER_OF_FAIL_CODE, Logs
from c2lib.witness.audit import AuditLog
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.lines import encode, is_decimal
from c2lib.witness.reader import FileFacts
from c2lib.witness.refold import Books, decimal_text

FILE = Artifact.MANIFEST.value

_MEASURES = ("sha256", "bytes", "lines")
_TOLD_BY_START = {"clock_mode": ("clock_mode",), "symbol": ("market", "symbol"), "steps": ("steps",)}


def shape_problems(value: Any, names: Iterable[str]) -> list[str]:
    """Return what keeps ``value`` from being an object with exactly these keys."""
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


def _hash(value: Any) -> str:
    return sha256_hex(encode(value).encode())


class ManifestCheck:
    """The checks of one manifest that keeps the contract's table."""

    def __init__(self, manifest: Mapping[str, Any], findings: Findings) -> None:
        self._manifest = manifest
        self._findings = findings
        config = manifest["config"]
        kept = at(config, "strategy", "origin") == "file" and at(config, "keep_strategy") is True
        self.sealed = (*SEALED_BY_MANIFEST, Artifact.STRATEGY) if kept else SEALED_BY_MANIFEST

    def _same(self, code: FindingCode, name: str, expected: object, seen: object) -> None:
        if expected != seen or type(expected) is not type(seen):
            sides = ["null" if side is None else side for side in (expected, seen)]
            self._findings.add(code, FILE, expected=f"{name} {sides[0]}", seen=sides[1])

    def seal(self) -> None:
        """Recompute what the manifest says of itself."""
        manifest, same = self._manifest, self._same
        same(FindingCode.OTHER_BEHAVIOUR_VERSION, "behaviour_version", BEHAVIOUR_VERSION, manifest["behaviour_version"])
        body = {name: value for name, value in manifest.items() if name != "run_digest"}
        same(FindingCode.RUN_DIGEST_WRONG, "run_digest", _hash(body), manifest["run_digest"])
        config, code = manifest["config"], FindingCode.CONFIG_HASH_WRONG
        same(code, "config_sha256", _hash(config), manifest["config_sha256"])
        same(code, "criteria_sha256", _hash(config.get("criteria")), manifest["criteria_sha256"])
        for name in ("run_id", "strategy_id"):
            same(FindingCode.WRONG_RUN, f"config.{name}", manifest[name], config.get(name))
        for name, keys in (
            ("market", ("source", "sha256", "bars")),
            ("strategy", ("origin", "class_name", "sha256", "imports")),
            ("inputs", ("cancel", "clock_readings", "sink_failures", "strategy_end")),
            ("artifacts", self.sealed),
            ("audit", ("entries", "last_hash")),
        ):
            for problem in shape_problems(manifest[name], keys):
                self._findings.add(
                    FindingCode.CONTRACT_BROKEN, FILE, 1, expected=f"{name} by the contract", seen=problem
                )
        for name in ("origin", "class_name", "sha256"):
            sealed, seen = at(config, "strategy", name), at(manifest["strategy"], name)
            same(FindingCode.WRONG_RUN, f"strategy.{name}", sealed, seen)
        if Artifact.STRATEGY in self.sealed:
            source, file = at(config, "strategy", "sha256"), at(manifest["artifacts"], Artifact.STRATEGY, "sha256")
            same(FindingCode.DIGEST_WRONG, f"artifacts.{Artifact.STRATEGY}", source, file)
        origin = at(manifest["strategy"], "origin")
        if origin is not None and origin not in STRATEGY_ORIGINS:
            expected = f"strategy.origin of {', '.join(STRATEGY_ORIGINS)} or null"
            self._findings.add(FindingCode.CONTRACT_BROKEN, FILE, 1, expected=expected, seen=origin)

    def name(self, folder: str) -> None:
        """Expect the run that its folder is named for."""
        self._same(FindingCode.WRONG_RUN, "the folder's name", folder, self._manifest["run_id"])

    def files(self, measured: Mapping[str, FileFacts]) -> None:
        """Expect the files that were measured."""
        kept = Artifact.STRATEGY in self.sealed
        if kept != (Artifact.STRATEGY in measured):
            self._findings.add(FindingCode.MISSING_FILE if kept else FindingCode.UNEXPECTED_FILE, Artifact.STRATEGY)
        for artifact in self.sealed:
            facts = measured.get(artifact)
            sealed = at(self._manifest["artifacts"], artifact)
            if facts is None:
                continue
            for problem in shape_problems(sealed, _MEASURES):
                expected = f"artifacts.{artifact} by the contract"
                self._findings.add(FindingCode.CONTRACT_BROKEN, FILE, 1, expected=expected, seen=problem)
            for name in _MEASURES:
                claimed, real = at(sealed, name), getattr(facts, name)
                if claimed != real or type(claimed) is not type(real):
                    self._findings.add(FindingCode.DIGEST_WRONG, artifact, expected=f"{name} {claimed}", seen=real)

    def log(self, logs: Logs) -> None:
        """Expect the log of this config, market and strategy."""
        manifest, same = self._manifest, self._same
        if Artifact.AUDIT in logs.read:
            same(FindingCode.CHAIN_BROKEN, "audit.entries", logs.audit.entries, at(manifest["audit"], "entries"))
            same(FindingCode.CHAIN_BROKEN, "audit.last_hash", logs.audit.last_hash, at(manifest["audit"], "last_hash"))
            if logs.audit.phase in SESSION_ENDS:
                same(FindingCode.STATUS_PATH_WRONG, "status", str(logs.status), manifest["status"])
            self._failures(logs)
            self._strategy_end(logs.audit)
        if logs.metrics is not None:
            same(FindingCode.COUNTER_WRONG, "config.seed", logs.metrics["seed"], at(manifest["config"], "seed"))
        if Artifact.EVENTS in logs.read:
            self._start(logs.events.books.start)
            self._ticks(logs)
            self._fees(logs.events.books)
        gate_open = at(manifest["config"], "enabled") is not False and logs.status is not SessionStatus.REJECTED
        if gate_open and not logs.audit.counts[AuditCode.LIVE_GATE_OVERRIDDEN]:
            expected = "enabled false, or an override that was audited"
            self._findings.add(FindingCode.PHASE_PATH_FORBIDDEN, FILE, expected=expected, seen="neither")

    def _failures(self, logs: Logs) -> None:
        """Expect a replay to be told of as many retries as were audited."""
        failures = at(self._manifest["inputs"], "sink_failures")
        if not isinstance(failures, list) or logs.audit.dead_sinks:
            return
        errors = [item[-1] for item in failures if isinstance(item, list) and item]
        retries = sum(len(item) for item in errors if isinstance(item, list))
        self._same(FindingCode.COUNTER_WRONG, "inputs.sink_failures with retries", logs.audit.retries, retries)

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
        self._same(FindingCode.STATUS_PATH_WRONG, "inputs.strategy_end", expected, seen)

    def _start(self, start: Mapping[str, Any]) -> None:
        if not start:
            return
        manifest, config = self._manifest, self._manifest["config"]
        for name in ("config_sha256", "criteria_sha256"):
            self._same(FindingCode.CONFIG_HASH_WRONG, name, start[name], manifest[name])
        self._same(FindingCode.DIGEST_WRONG, "market.sha256", start["market_sha256"], at(manifest["market"], "sha256"))
        for name, path in _TOLD_BY_START.items():
            self._same(FindingCode.CONFIG_HASH_WRONG, f"config.{'.'.join(path)}", start[name], at(config, *path))
        cash = at(config, "broker", "initial_cash")
        self._same(FindingCode.CONFIG_HASH_WRONG, "config.broker.initial_cash", start["initial_cash"], cash)

    def _fees(self, books: Books) -> None:
        """Expect the fills to have cost what the config's rates ask for."""
        broker = at(self._manifest["config"], "broker")
        rates = {name: at(broker, f"{name.lower()}_fee_rate") for name in LIQUIDITIES}
        bad = [name for name in LIQUIDITIES if not is_decimal(rates[name])]
        if bad:
            self._findings.add(
                FindingCode.CONTRACT_BROKEN, FILE, 1, expected=f"a {bad[0]} fee rate", seen=rates[bad[0]]
            )
            return
        own = books.fees_at({name: Decimal(rate) for name, rate in rates.items()})
        if own != books.fees:
            expected = f"fees of {decimal_text(own)} by the config's rates"
            self._findings.add(
                FindingCode.LEDGER_WRONG, Artifact.EVENTS, expected=expected, seen=decimal_text(books.fees)
            )

    def _ticks(self, logs: Logs) -> None:
        """Expect a tick of every bar where the config asks for it."""
        books = logs.events.books
        if at(self._manifest["config"], "tick_events") != "every" or not books.stop:
            return
        steps = books.stop["steps"]
        most = steps + (books.stop["stop_reason"] == StopReason.FAILED)
        if not books.every_bar_ticked or not steps <= books.ticks <= most:
            seen = f"{books.ticks} ticks" if books.every_bar_ticked else "bars left out"
            self._findings.add(
                FindingCode.SEQUENCE_BROKEN, Artifact.EVENTS, expected=f"a tick of each of {steps} bars", seen=seen
            )
