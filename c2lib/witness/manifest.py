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
from typing import Any

from c2lib.core.canon import canonical_sha256, run_digest
from c2lib.core.states import SESSION_ENDS
from c2lib.core.vocabulary import BEHAVIOUR_VERSION, SEALED_BY_MANIFEST, Artifact, StopReason
from c2lib.witness.agreement import Logs
from c2lib.witness.facts import FileFacts, FindingCode
from c2lib.witness.findings import Findings

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


class ManifestCheck:
    """The checks of one manifest that keeps the contract's table."""

    def __init__(self, manifest: Mapping[str, Any], findings: Findings) -> None:
        self._manifest = manifest
        self._findings = findings

    def _same(self, code: FindingCode, name: str, expected: object, seen: object) -> None:
        if expected != seen or type(expected) is not type(seen):
            sides = ["null" if side is None else side for side in (expected, seen)]
            self._findings.add(code, FILE, expected=f"{name} {sides[0]}", seen=sides[1])

    def seal(self) -> None:
        """Recompute what the manifest says of itself."""
        manifest, same = self._manifest, self._same
        same(
            FindingCode.OTHER_BEHAVIOUR_VERSION, "behaviour_version", BEHAVIOUR_VERSION, manifest["behaviour_version"]
        )
        same(FindingCode.RUN_DIGEST_WRONG, "run_digest", run_digest(manifest), manifest["run_digest"])
        config, code = manifest["config"], FindingCode.CONFIG_HASH_WRONG
        same(code, "config_sha256", canonical_sha256(config), manifest["config_sha256"])
        same(code, "criteria_sha256", canonical_sha256(config.get("criteria")), manifest["criteria_sha256"])
        for name in ("run_id", "strategy_id"):
            same(FindingCode.WRONG_RUN, f"config.{name}", manifest[name], config.get(name))
        for name, keys in (
            ("market", ("source", "sha256", "bars")),
            ("strategy", ("origin", "sha256")),
            ("inputs", ("cancel", "clock_readings", "sink_failures")),
            ("artifacts", SEALED_BY_MANIFEST),
            ("audit", ("entries", "last_hash")),
        ):
            for problem in shape_problems(manifest[name], keys):
                self._findings.add(FindingCode.CONTRACT_BROKEN, FILE, 1, expected=f"{name} by the contract", seen=problem)

    def name(self, folder: str) -> None:
        """The run is the one that its folder is named for."""
        self._same(FindingCode.WRONG_RUN, "the folder's name", folder, self._manifest["run_id"])

    def files(self, measured: Mapping[str, FileFacts]) -> None:
        """The sealed files are those that were measured."""
        for artifact in SEALED_BY_MANIFEST:
            facts = measured.get(artifact)
            sealed = at(self._manifest["artifacts"], artifact)
            if facts is None:
                continue
            for problem in shape_problems(sealed, _MEASURES):
                expected = f"artifacts.{artifact} by the contract"
                self._findings.add(FindingCode.CONTRACT_BROKEN, FILE, 1, expected=expected, seen=problem)
            for name in _MEASURES:
                claimed, real = at(sealed, name), getattr(facts, name)
                if claimed != real:
                    self._findings.add(FindingCode.DIGEST_WRONG, artifact, expected=f"{name} {claimed}", seen=real)

    def log(self, logs: Logs) -> None:
        """The log is the one of this config, market and strategy."""
        manifest, same = self._manifest, self._same
        if Artifact.AUDIT in logs.read:
            same(FindingCode.CHAIN_BROKEN, "audit.entries", logs.audit.entries, at(manifest["audit"], "entries"))
            same(FindingCode.CHAIN_BROKEN, "audit.last_hash", logs.audit.last_hash, at(manifest["audit"], "last_hash"))
            if logs.audit.phase in SESSION_ENDS:
                same(FindingCode.STATUS_PATH_WRONG, "status", str(logs.status), manifest["status"])
            self._failures(logs)
        if logs.metrics is not None:
            same(FindingCode.COUNTER_WRONG, "config.seed", logs.metrics["seed"], at(manifest["config"], "seed"))
        if Artifact.EVENTS in logs.read:
            self._start(logs.events.books.start)
            self._ticks(logs)

    def _failures(self, logs: Logs) -> None:
        """The sink failures that a replay is told of are as many retries as were audited."""
        failures = at(self._manifest["inputs"], "sink_failures")
        if not isinstance(failures, list) or logs.audit.dead_sinks:
            return
        retries = sum(len(item[-1]) for item in failures if isinstance(item, list) and isinstance(item[-1], list))
        self._same(FindingCode.COUNTER_WRONG, "inputs.sink_failures with retries", logs.audit.retries, retries)

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

    def _ticks(self, logs: Logs) -> None:
        """Where the config asks for a tick on every bar, every bar has one."""
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
