"""Another program that keeps the runbook's contract: its run directories, written without anything of c2lib.

It has no chain and no phases, floats in its payloads, payload fields and an event type of its own.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

Line = dict[str, Any]

EVENTS, SNAPSHOTS, AUDIT, METRICS = "events.jsonl", "state_snapshots.jsonl", "audit.jsonl", "metrics.json"
TIMES = [f"2026-01-01T00:00:{second:02}Z" for second in range(60)]


def plain(value: object) -> str:
    """Return a value as the program writes it."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def identity(event: Line) -> str:
    """Return the id that an event must have."""
    names = ("run_id", "strategy_id", "event_type", "ts_sim", "payload")
    preimage = {"kind": "c2_dryrun_event", **{name: event[name] for name in names}}
    return hashlib.sha256(plain(preimage).encode("utf-8")).hexdigest()


class OtherRun:
    """The four files of a run of the other program, as lines to be changed before they are written."""

    def __init__(self, status: str = "COMPLETED", ticks: int = 3) -> None:
        self.events: list[Line] = []
        self.audit: list[Line] = []
        self.snapshots: list[Line] = []
        self.note("C2_DRYRUN_START", {"mode": "dry"})
        self.snapshot("INIT")
        if status == "REJECTED":
            self.note("C2_REJECT_ALLOWLIST_MISSING", {})
            self.emit("REJECTED", {"why": "no allowlist"})
            self.snapshot("REJECTED", reject_code="C2_REJECT_ALLOWLIST_MISSING", reject_reason="none")
        else:
            self.emit("SESSION_START", {"clock_mode": "fixed"})
            self.snapshot("RUNNING")
            for tick in range(ticks):
                self.emit("STRATEGY_TICK", {"i": tick, "price": 100.25 + tick / 3, "münze": 1e-07})
            self.emit("HEARTBEAT", {"load": [0.5, {"max": 1.0}]})
            self.emit("SESSION_STOP", {"result": "ok"})
            self.note("C2_DRYRUN_STOP", {"result": "ok"})
            self.snapshot(status)
        self.metrics: Line = {
            "run_id": "run_demo_001",
            "strategy_id": "strat_demo",
            "seed": 123,
            "status": status,
            "events_emitted": len(self.events),
            "audit_events": len(self.audit),
            "sink_retries": 0,
            "elapsed": 0.25,
        }

    def emit(self, kind: str, payload: Line) -> None:
        """Write an event."""
        number = len(self.events)
        event = {
            "schema_version": "C2_DRYRUN_V1",
            "run_id": "run_demo_001",
            "strategy_id": "strat_demo",
            "event_type": kind,
            "ts_sim": number,
            "ts_utc": TIMES[number],
            "payload": payload,
        }
        self.events.append({**event, "event_id": identity(event)})

    def note(self, code: str, meta: Line) -> None:
        """Write an audit entry."""
        number = len(self.audit)
        entry = {"seq": number, "ts": TIMES[number], "level": "INFO", "code": code, "message": code, "meta": meta}
        self.audit.append(entry)

    def snapshot(self, status: str, **more: Any) -> None:
        """Write a snapshot."""
        self.snapshots.append(
            {
                "run_id": "run_demo_001",
                "strategy_id": "strat_demo",
                "status": status,
                "ts_sim": len(self.snapshots),
                "events_emitted": len(self.events),
                "sink_retries": 0,
                "started_ts": TIMES[0],
                **more,
            }
        )

    def retry(self, behind: int, retries: int = 1) -> None:
        """Insert an audit entry of a retry behind the entry of that number, and count everything again."""
        entry = {**self.audit[behind], "code": "C2_SINK_WRITE_RETRY", "meta": {"retries": retries}}
        self.audit.insert(behind + 1, entry)
        for number, line in enumerate(self.audit):
            line["seq"] = number

    def identify(self) -> None:
        """Give every event the id that fits, as a forger would."""
        for event in self.events:
            event["event_id"] = identity(event)

    def write(self, folder: Path) -> Path:
        """Write the run directory."""
        folder.mkdir(parents=True, exist_ok=True)
        files = {EVENTS: self.events, SNAPSHOTS: self.snapshots, AUDIT: self.audit, METRICS: [self.metrics]}
        for name, lines in files.items():
            text = "".join(plain(line) + "\n" for line in lines)
            (folder / name).write_bytes(text.encode("utf-8"))
        return folder
