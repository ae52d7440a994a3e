"""Run directories for tests: made by real sessions, written as the runner writes them."""

import contextlib
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from c2lib.core.canon import canonical_json, sha256_hex
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import NoLiveViolationError
from c2lib.core.model import Bar, OrderIntent, PositionView
from c2lib.record.seal import build_manifest
from c2lib.session.orchestrator import LiveSessionOrchestrator
from c2lib.session.session import DryrunSession
from c2lib.witness import run as witness_run
from tests.core.event_ids import event_id
from tests.record.contract_check import entry_hash
from tests.session.harness import MovingClock

Line = dict[str, Any]
"""One line of an artifact, decoded."""

EVENTS, SNAPSHOTS, AUDIT, METRICS = "events.jsonl", "state_snapshots.jsonl", "audit.jsonl", "metrics.json"
MANIFEST, STRATEGY = "run_manifest.json", "strategy.py"
SEALED = (EVENTS, SNAPSHOTS, AUDIT, METRICS)


@dataclass
class Run:
    """The four files of a run as lines, and what its manifest is made of."""

    lines: dict[str, list[Line]]
    config: dict[str, Any]
    strategy: dict[str, Any]
    inputs: dict[str, Any]
    run_id: str
    strategy_id: str
    status: str
    market_sha256: str
    source: bytes | None = None
    sealed: bool = True
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def events(self) -> list[Line]:
        """The lines of ``events.jsonl``."""
        return self.lines[EVENTS]

    @property
    def snapshots(self) -> list[Line]:
        """The lines of ``state_snapshots.jsonl``."""
        return self.lines[SNAPSHOTS]

    @property
    def audit(self) -> list[Line]:
        """The lines of ``audit.jsonl``."""
        return self.lines[AUDIT]

    @property
    def metrics(self) -> Line:
        """The object of ``metrics.json``."""
        return self.lines[METRICS][0]

    def payloads(self, kind: str) -> list[Line]:
        """Return the payloads of all events of a kind."""
        return [event["payload"] for event in self.events if event["event_type"] == kind]

    def entries(self, code: str) -> list[Line]:
        """Return all audit entries of a code."""
        return [entry for entry in self.audit if entry["code"] == code]

    def rehash(self) -> None:
        """Make ids and chain fit the lines again, as a forger would who knows the format."""
        for event in self.events:
            event["event_id"] = event_id(
                event["run_id"], event["strategy_id"], event["event_type"], event["ts_sim"], event["payload"]
            )
        previous = "0" * 64
        for entry in self.audit:
            entry["prev_hash"] = previous
            entry["entry_hash"] = previous = entry_hash(entry)

    def contents(self) -> dict[str, bytes]:
        """Return the bytes of every file."""
        files = {name: _lines(lines) for name, lines in self.lines.items()}
        if self.source is not None and self.sealed:
            files[STRATEGY] = self.source
        if self.sealed:
            files[MANIFEST] = _lines([self.manifest or self.make_manifest(files)])
        return files

    def make_manifest(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """Return the manifest that seals ``files``."""
        artifacts = {
            name: {"sha256": sha256_hex(data), "bytes": len(data), "lines": data.count(b"\n")}
            for name, data in files.items()
        }
        market = self.config["market"]
        starts = self.payloads("SESSION_START")
        sha256 = starts[0]["market_sha256"] if starts else self.market_sha256
        last_hash = self.audit[-1]["entry_hash"] if self.audit else "0" * 64
        return build_manifest(
            run_id=self.run_id,
            strategy_id=self.strategy_id,
            status=self.status,
            config=self.config,
            market={"source": market["source"], "sha256": sha256, "bars": self.config["steps"]},
            strategy=self.strategy,
            inputs=self.inputs,
            artifacts=artifacts,
            audit={"entries": len(self.audit), "last_hash": last_hash},
        )

    def write(self, parent: Path, name: str | None = None) -> Path:
        """Write the run directory below ``parent`` and return it."""
        folder = parent / (name or self.run_id)
        folder.mkdir(parents=True)
        write_files(folder, self.contents())
        return folder


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files`` into ``folder``."""
    for name, data in files.items():
        (folder / name).write_bytes(data)


def _lines(lines: Sequence[Line]) -> bytes:
    return "".join(canonical_json(line) + "\n" for line in lines).encode()


def make_run(
    drive: Callable[[DryrunSession], object] = lambda session: session.run_n_steps(session.config.steps or 0),
    *,
    failing: Mapping[str, Sequence[int]] | None = None,
    leaking: Mapping[str, int] | None = None,
    strategy: Any = None,
    params: Mapping[str, Any] | None = None,
    clock: Any = None,
    data: Any = None,
    guard: Any = None,
    enabled_override: bool = False,
    **values: Any,
) -> Run:
    """Run a session of 8 steps, or as ``values`` ask.

    ``drive`` steps it, ``failing`` names the calls, from 0, in which a sink raises, ``leaking`` the call in which one
    tries to leave the process. ``data`` are bars given in Python, ``guard`` makes the NO-LIVE guard.
    """
    named: dict[str, Any] = {"strategy_id": "strat_demo"}
    if strategy is not None:
        named = {"strategy_id": "own", "strategy_allowlist": ("own",)}
    if params:
        named["strategy"] = {"params": params}
    config = DryrunConfig(**{"run_id": "run_demo_001", "seed": 123, "steps": 8} | named | values)
    sinks = {name: FailingSink((failing or {}).get(name, ()), (leaking or {}).get(name)) for name in SEALED}
    session = LiveSessionOrchestrator(enabled_override_for_tests=enabled_override, guard=guard).open(
        config,
        clock=clock,
        market=data,
        event_sink=sinks[EVENTS],
        state_sink=sinks[SNAPSHOTS],
        audit_sink=sinks[AUDIT],
        metrics_sink=sinks[METRICS],
        strategy=strategy,
    )
    drive(session)
    result = session.stop()
    manifest = session.manifest({})
    return Run(
        lines={name: [json.loads(line) for line in sink.lines] for name, sink in sinks.items()},
        config=session.config.canonical(),
        strategy=manifest["strategy"],
        inputs=manifest["inputs"],
        run_id=result.run_id,
        strategy_id=result.strategy_id,
        status=result.status.value,
        market_sha256=manifest["market"]["sha256"],
        source=getattr(strategy, "source", None) if session.config.keep_strategy else None,
    )


class FailingSink:
    """Takes lines; the calls of ``write`` and ``flush`` whose numbers, from 0, were given raise."""

    def __init__(self, failing: Sequence[int], leaking: int | None = None) -> None:
        self.lines: list[str] = []
        self._failing = set(failing)
        self._leaking = leaking
        self._calls = 0

    def write(self, line: str) -> None:
        """Take a line or raise."""
        self.flush()
        self.lines.append(line)

    def flush(self) -> None:
        """Do nothing or raise."""
        self._calls += 1
        if self._calls - 1 == self._leaking:
            with contextlib.suppress(NoLiveViolationError):
                socket.socket().close()
        if self._calls - 1 in self._failing:
            raise OSError("disk full")


class Scripted:
    """A strategy that answers what the script says of a bar; anything that is no list is raised."""

    script: Mapping[int, Any] = {}

    def __init__(self, settings: object) -> None:
        del settings

    def on_bar(self, bar: Bar, view: PositionView) -> Any:
        """Return or raise what the script has for the bar."""
        answer = self.script.get(bar.bar_index)
        if isinstance(answer, BaseException):
            raise answer
        return answer


def scripted(script: Mapping[int, Any]) -> type[Scripted]:
    """Return a strategy class that follows ``script``."""
    return type("ScriptedHere", (Scripted,), {"script": script})


BUY_ONE = [OrderIntent("BUY", 1)]


def cancelled_run() -> Run:
    """Return a run that was cancelled after five steps, with an order open."""

    def drive(session: DryrunSession) -> None:
        session.run_n_steps(5)
        session.cancel("enough")

    return make_run(drive, strategy=scripted({0: BUY_ONE, 4: [OrderIntent("BUY", 2)]}))


def failed_run() -> Run:
    """Return a run whose strategy raised on its fourth bar."""
    return make_run(strategy=scripted({0: BUY_ONE, 3: ValueError("no idea")}))


def rejected_run() -> Run:
    """Return a run that preflight rejected."""
    return make_run(strategy_allowlist=())


def tripped_run() -> Run:
    """Return a run that a rail ended: its clock went back at the second step."""
    return make_run(clock_mode="injected", clock=MovingClock(0, 1, 0))


def retried_run() -> Run:
    """Return a run in which every sink failed now and then, and took the line at the second or third try."""
    failing = {EVENTS: [3, 9], SNAPSHOTS: [2, 3], AUDIT: [1, 20], METRICS: [0]}
    return make_run(max_sink_retries=2, failing=failing)


def examined(run: Run, parent: Path) -> witness_run.Run:
    """Write a run below ``parent`` and examine it."""
    return witness_run.open_run(run.write(parent))


def forged(run: Run, parent: Path) -> witness_run.Run:
    """Make ids, chain and seal of a changed run fit again, then examine it."""
    run.rehash()
    return examined(run, parent)


def found(seen: witness_run.Run) -> set[str]:
    """Return ``code file`` of everything that was found."""
    return {f"{finding.code} {finding.file}" for finding in seen.findings}
