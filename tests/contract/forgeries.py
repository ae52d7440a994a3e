"""Forgeries of a run: its lines changed, and every id, hash, chain and manifest made to fit again."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from c2lib.core.canon import canonical_sha256, run_digest
from tests.witness.sample_runs import AUDIT, EVENTS, MANIFEST, METRICS, SNAPSHOTS, STRATEGY, Line, Run


class Forgery(NamedTuple):
    """Which run is changed, which file both verifiers blame for it, and how."""

    base: str
    file: str
    change: Callable[[Run], object]


def payload(kind: str, number: int = 0, /, **values: Any) -> Callable[[Run], object]:
    """Change a payload of a kind of event."""
    return lambda run: run.payloads(kind)[number].update(values)


def entry(code: str, number: int = 0, /, **values: Any) -> Callable[[Run], object]:
    """Change an audit entry of a code."""
    return lambda run: run.entries(code)[number].update(values)


def meta(code: str, number: int = 0, /, **values: Any) -> Callable[[Run], object]:
    """Change the particulars of an audit entry of a code."""
    return lambda run: run.entries(code)[number]["meta"].update(values)


def _numbered(lines: list[Line], key: str = "ts_sim") -> None:
    for number, line in enumerate(lines):
        line[key] = number


def _without(kind: str, number: int = 0) -> Callable[[Run], object]:
    def change(run: Run) -> None:
        run.events.remove([event for event in run.events if event["event_type"] == kind][number])
        _numbered(run.events)

    return change


def _twice(kind: str, number: int = 0) -> Callable[[Run], object]:
    def change(run: Run) -> None:
        event = [event for event in run.events if event["event_type"] == kind][number]
        run.events.insert(run.events.index(event), {**event, "payload": {**event["payload"]}})
        _numbered(run.events)

    return change


def _last_to_the_front(run: Run) -> None:
    run.events.insert(0, run.events.pop())
    _numbered(run.events)


def without_entry(code: str, number: int = 0) -> Callable[[Run], object]:
    """Take an audit entry of a code away."""

    def change(run: Run) -> None:
        run.audit.remove(run.entries(code)[number])
        _numbered(run.audit, "seq")

    return change


def snapshot(number: int, /, **values: Any) -> Callable[[Run], object]:
    """Change a snapshot."""
    return lambda run: run.snapshots[number].update(values)


def _metric(**values: Any) -> Callable[[Run], object]:
    return lambda run: run.metrics.update(values)


def _told_as_want(name: str) -> Callable[[Run], object]:
    """Let a cancel that was asked for be one for want of cash, and count it so."""

    def change(run: Run) -> None:
        (cancelled,) = [end for end in run.payloads("ORDER_CANCELLED") if end["client_order_id"] == name]
        cancelled["reason"] = "insufficient_funds"
        run.metrics["order_state_transitions_total"] -= 1

    return change


def _without_snapshot(run: Run) -> None:
    del run.snapshots[1]
    _numbered(run.snapshots)


def _other_config(**values: Any) -> Callable[[Run], object]:
    """Change the config and every hash of it."""

    def change(run: Run) -> None:
        run.config = {**run.config, **values}
        start = run.payloads("SESSION_START")[0]
        start["config_sha256"] = canonical_sha256(run.config)
        start["criteria_sha256"] = canonical_sha256(run.config["criteria"])

    return change


BAD_TIME, LATER = "2026-01-01 00:00:00+00:00", "2026-01-01T00:00:09+00:00"

FORGERIES: Mapping[str, Forgery] = {
    # form
    "unknown key": Forgery("completed", EVENTS, lambda run: run.events[1].update(note="x")),
    "missing key": Forgery("completed", SNAPSHOTS, lambda run: run.snapshots[0].pop("meta")),
    "unknown event": Forgery("completed", EVENTS, lambda run: run.events[1].update(event_type="GIFT")),
    "unknown code": Forgery("completed", AUDIT, entry("C2_PREFLIGHT_CHECK", code="C2_FINE")),
    "other schema": Forgery("completed", EVENTS, lambda run: run.events[2].update(schema_version="C2_DRYRUN_V2")),
    "other schema of the metrics": Forgery("completed", METRICS, _metric(schema_version="C2_DRYRUN_METRICS_V2")),
    "payload field missing": Forgery("completed", EVENTS, lambda run: run.payloads("FILL")[0].pop("fee")),
    "payload field null": Forgery("completed", EVENTS, payload("FILL", price=None)),
    "trailing zero": Forgery("completed", EVENTS, payload("FILL", quantity="1.0")),
    "exponent": Forgery("completed", EVENTS, payload("FILL", quantity="1e0")),
    "number for decimal": Forgery("completed", EVENTS, payload("FILL", quantity=1)),
    "long decimal": Forgery("completed", EVENTS, payload("FILL", price="1" * 5000)),
    "time in another form": Forgery("completed", EVENTS, lambda run: run.events[-1].update(ts_utc=BAD_TIME)),
    "boolean for integer": Forgery("completed", METRICS, _metric(orders_query_total=True)),
    "negative counter": Forgery("completed", METRICS, _metric(orders_query_total=-1)),
    "identifier with a blank": Forgery("completed", EVENTS, payload("FILL", fill_id="f 1")),
    # names, numbers, times
    "other run_id": Forgery("completed", EVENTS, lambda run: run.events[3].update(run_id="run_demo_002")),
    "other strategy_id": Forgery("completed", SNAPSHOTS, snapshot(1, strategy_id="sma_cross")),
    "other run_id of the metrics": Forgery("completed", METRICS, _metric(run_id="run_demo_002")),
    "gap in ts_sim": Forgery("completed", EVENTS, lambda run: run.events[-1].update(ts_sim=999)),
    "gap in seq": Forgery("completed", AUDIT, lambda run: run.audit[-1].update(seq=999)),
    "gap in snapshots": Forgery("completed", SNAPSHOTS, snapshot(2, ts_sim=9)),
    "clock goes back": Forgery(
        "ticking clock", EVENTS, lambda run: run.events[-1].update(ts_utc="2025-01-01T00:00:00+00:00")
    ),
    "audit clock goes back": Forgery("completed", AUDIT, lambda run: run.audit[0].update(ts=LATER)),
    "end at another time": Forgery("completed", SNAPSHOTS, snapshot(2, ended_ts=LATER)),
    "start at another time": Forgery("completed", SNAPSHOTS, snapshot(0, started_ts="2025-01-01T00:00:00+00:00")),
    # books
    "cash": Forgery("completed", EVENTS, payload("SESSION_STOP", cash="123456")),
    "position": Forgery("completed", EVENTS, payload("SESSION_STOP", position="77")),
    "equity": Forgery("completed", EVENTS, payload("SESSION_STOP", equity="200000")),
    "mark price": Forgery("completed", EVENTS, payload("SESSION_STOP", mark_price="1")),
    "no mark price": Forgery("completed", EVENTS, payload("SESSION_STOP", mark_price=None)),
    "initial cash": Forgery("completed", EVENTS, payload("SESSION_START", initial_cash="5")),
    "fill price": Forgery("completed", EVENTS, payload("FILL", price="90")),
    "fill side": Forgery("completed", EVENTS, payload("FILL", side="SELL")),
    "fill symbol": Forgery("completed", EVENTS, payload("FILL", symbol="OTHER")),
    "fill fee": Forgery("completed", EVENTS, payload("FILL", fee="0")),
    "fill of another order": Forgery("completed", EVENTS, payload("FILL", client_order_id="c-000099")),
    "fill of another broker order": Forgery("completed", EVENTS, payload("FILL", broker_order_id="b-000099")),
    "fill larger than its order": Forgery("completed", EVENTS, payload("FILL", quantity="2")),
    "fill of nothing": Forgery("completed", EVENTS, payload("FILL", quantity="0")),
    "fill on its own bar": Forgery("completed", EVENTS, payload("FILL", bar_index=0)),
    "leaves": Forgery("wild, partial fills", EVENTS, payload("FILL", leaves_quantity="0.25")),
    "liquidity": Forgery("wild, partial fills", EVENTS, lambda run: _other_liquidity(run.payloads("FILL")[0])),
    "fill doubled": Forgery("completed", EVENTS, _twice("FILL")),
    "partial fill doubled": Forgery("wild, partial fills", EVENTS, _twice("FILL")),
    "fill deleted": Forgery("completed", EVENTS, _without("FILL")),
    # orders
    "order without quantity": Forgery("completed", EVENTS, payload("ORDER_SUBMITTED", quantity="0")),
    "market order with a limit": Forgery("completed", EVENTS, payload("ORDER_SUBMITTED", limit_price="1")),
    "limit order without one": Forgery("completed", EVENTS, payload("ORDER_SUBMITTED", order_type="LIMIT")),
    "order doubled": Forgery("completed", EVENTS, _twice("ORDER_SUBMITTED")),
    "order deleted": Forgery("completed", EVENTS, _without("ORDER_SUBMITTED")),
    "order on another bar": Forgery("completed", EVENTS, payload("ORDER_SUBMITTED", 1, bar_index=0)),
    "acknowledgement deleted": Forgery("completed", EVENTS, _without("ORDER_ACKNOWLEDGED")),
    "acknowledgement doubled": Forgery("completed", EVENTS, _twice("ORDER_ACKNOWLEDGED")),
    "acknowledgement without id": Forgery("completed", EVENTS, payload("ORDER_ACKNOWLEDGED", broker_order_id=None)),
    "rejection with an id": Forgery("wild, latency", EVENTS, payload("ORDER_REJECTED", broker_order_id="b-000001")),
    "rejection deleted": Forgery("wild, latency", EVENTS, _without("ORDER_REJECTED")),
    "cancel doubled": Forgery("cancelled", EVENTS, _twice("ORDER_CANCELLED")),
    "cancel deleted": Forgery("cancelled", EVENTS, _without("ORDER_CANCELLED")),
    "cancel told as want of cash": Forgery(
        "cancelled", METRICS, payload("ORDER_CANCELLED", reason="insufficient_funds")
    ),
    "covered purchase told as want of cash": Forgery("short of cash", EVENTS, _told_as_want("c-000002")),
    "covered sale told as want of cash": Forgery("short of cash", EVENTS, _told_as_want("c-000003")),
    "want of cash told as a cancel": Forgery("short of cash", METRICS, payload("ORDER_CANCELLED", reason="strategy")),
    "want of cash doubled": Forgery("short of cash", EVENTS, _twice("ORDER_CANCELLED")),
    "want of cash deleted": Forgery("short of cash", EVENTS, _without("ORDER_CANCELLED")),
    "cancel told as expiry": Forgery(
        "cancelled", METRICS, lambda run: run.events[-3].update(event_type="ORDER_EXPIRED")
    ),
    # the course of events
    "tick deleted": Forgery("completed", EVENTS, _without("STRATEGY_TICK", 3)),
    "tick doubled": Forgery("completed", EVENTS, _twice("STRATEGY_TICK", 3)),
    "tick of an earlier bar": Forgery("completed", EVENTS, payload("STRATEGY_TICK", 3, bar_index=0)),
    "tick of an earlier time": Forgery(
        "completed", EVENTS, payload("STRATEGY_TICK", 3, bar_time="2025-01-01T00:00:00+00:00")
    ),
    "start deleted": Forgery("completed", EVENTS, _without("SESSION_START")),
    "start doubled": Forgery("completed", EVENTS, _twice("SESSION_START")),
    "stop deleted": Forgery("completed", EVENTS, _without("SESSION_STOP")),
    "stop doubled": Forgery("completed", EVENTS, _twice("SESSION_STOP")),
    "stop at the front": Forgery("completed", EVENTS, _last_to_the_front),
    "reconciliation deleted": Forgery("completed", EVENTS, _without("RECONCILED")),
    "position when reconciled": Forgery("completed", EVENTS, payload("RECONCILED", position="77")),
    "cash when reconciled": Forgery("completed", EVENTS, payload("RECONCILED", cash="77")),
    "position of the venue": Forgery("completed", EVENTS, payload("RECONCILED", broker_position="77")),
    "cash of the venue": Forgery("completed", EVENTS, payload("RECONCILED", broker_cash="77")),
    "actions missing": Forgery("completed", EVENTS, lambda run: run.payloads("RECONCILED")[0].pop("actions")),
    "mismatch added": Forgery("completed", METRICS, payload("RECONCILED", mismatches=["status_mismatch:c-000001"])),
    "rail deleted": Forgery("rail tripped", AUDIT, _without("RAIL_TRIPPED")),
    "steps": Forgery("completed", EVENTS, payload("SESSION_STOP", steps=3)),
    "steps planned": Forgery("completed", EVENTS, payload("SESSION_START", steps=99)),
    "stop reason": Forgery("completed", EVENTS, payload("SESSION_STOP", stop_reason="cancelled")),
    "failure told as completed": Forgery("failed", EVENTS, payload("SESSION_STOP", stop_reason="completed")),
    "other rejection": Forgery("rejected", "", payload("REJECTED", code="C2_REJECT_NO_LIVE_GUARD")),
    "start of another config": Forgery("completed", "", payload("SESSION_START", config_sha256="0" * 64)),
    "start of other criteria": Forgery("completed", "", payload("SESSION_START", criteria_sha256="0" * 64)),
    # audit
    "forbidden move": Forgery("completed", AUDIT, meta("C2_PHASE_TRANSITION", 1, to="STOPPED")),
    "unknown phase": Forgery("completed", AUDIT, meta("C2_PHASE_TRANSITION", 1, to="ASLEEP")),
    "other trigger": Forgery("completed", AUDIT, meta("C2_PHASE_TRANSITION", 1, trigger="CANCELLED")),
    "move deleted": Forgery("completed", AUDIT, without_entry("C2_PHASE_TRANSITION", 1)),
    "end deleted": Forgery("completed", AUDIT, without_entry("C2_PHASE_TRANSITION", -1)),
    "move at another event": Forgery("completed", SNAPSHOTS, meta("C2_PHASE_TRANSITION", 1, ts_sim=2)),
    "end at another event": Forgery("completed", AUDIT, meta("C2_PHASE_TRANSITION", -1, ts_sim=7)),
    "first entry deleted": Forgery("completed", AUDIT, without_entry("C2_DRYRUN_START")),
    "closing deleted": Forgery("completed", AUDIT, without_entry("C2_DRYRUN_STOP")),
    "failed check": Forgery("completed", AUDIT, meta("C2_PREFLIGHT_CHECK", 2, passed=False)),
    "retry deleted": Forgery("retried", "", without_entry("C2_SINK_WRITE_RETRY", -1)),
    "retries of nothing": Forgery("retried", AUDIT, meta("C2_SINK_WRITE_RETRY", retries=0)),
    "dead sink": Forgery("completed", "", entry("C2_PREFLIGHT_CHECK", 11, code="C2_SINK_WRITE_FAILED", meta={})),
    "attempts": Forgery("completed", METRICS, meta("C2_DRYRUN_STOP", no_live_attempts=1)),
    "override deleted": Forgery("gate overridden", "", without_entry("C2_LIVE_GATE_OVERRIDDEN")),
    # snapshots
    "status": Forgery("completed", SNAPSHOTS, snapshot(2, status="RUNNING")),
    "failed told as completed": Forgery("failed", SNAPSHOTS, snapshot(2, status="COMPLETED", phase="STOPPED")),
    "snapshot deleted": Forgery("completed", SNAPSHOTS, _without_snapshot),
    "step": Forgery("completed", SNAPSHOTS, snapshot(2, step=5)),
    "events emitted": Forgery("completed", SNAPSHOTS, snapshot(2, events_emitted=5)),
    "retries of the snapshot": Forgery("retried", SNAPSHOTS, snapshot(2, sink_retries=99)),
    "failure of a good run": Forgery(
        "completed", SNAPSHOTS, snapshot(2, fail_code="C2_ABORT_EXCEPTION", fail_reason="x")
    ),
    "stop reason of the snapshot": Forgery("completed", SNAPSHOTS, snapshot(2, meta={"stop_reason": "cancelled"})),
    "other failure": Forgery("failed", SNAPSHOTS, snapshot(2, fail_code="C2_ABORT_INVARIANT")),
    # config
    "gate opened": Forgery("completed", "", _other_config(enabled=True)),
    "other seed": Forgery("completed", "", _other_config(seed=5)),
    "other run_id of the config": Forgery("completed", MANIFEST, _other_config(run_id="run_demo_002")),
}
"""Forgeries that both verifiers find, and the file that both blame; empty where each blames another side."""

COUNTERS = (
    "events_emitted",
    "audit_events",
    "sink_retries",
    "orders_place_total",
    "order_state_transitions_total",
    "fills_total",
    "reconcile_mismatches_total",
    "safety_rail_trips_total",
    "no_live_attempts_total",
    "orders_blocked_total",
    "faults_injected_total",
)
"""Metrics that both refold exactly."""


def _other_liquidity(fill: Line) -> None:
    fill["liquidity"] = "MAKER" if fill["liquidity"] == "TAKER" else "TAKER"


Manifest = dict[str, Any]

MANIFESTS: Mapping[str, Callable[[Manifest], object]] = {
    "other digest": lambda manifest: manifest.update(run_digest="0" * 64),
    "other status": lambda manifest: manifest.update(status="FAILED"),
    "other behaviour": lambda manifest: manifest.update(behaviour_version=1),
    "other config": lambda manifest: manifest["config"].update(seed=99),
    "other config hash": lambda manifest: manifest.update(config_sha256="0" * 64),
    "other criteria hash": lambda manifest: manifest.update(criteria_sha256="0" * 64),
    "softer criteria": lambda manifest: manifest["config"]["criteria"].update(min_fills=0),
    "other market": lambda manifest: manifest["market"].update(sha256="0" * 64),
    "other run": lambda manifest: manifest.update(run_id="run_demo_002"),
    "other hash of a file": lambda manifest: manifest["artifacts"][EVENTS].update(sha256="0" * 64),
    "other size of a file": lambda manifest: manifest["artifacts"][EVENTS].update(bytes=1),
    "other lines of a file": lambda manifest: manifest["artifacts"][EVENTS].update(lines=1),
    "file left out": lambda manifest: manifest["artifacts"].pop(METRICS),
    "file with a path": lambda manifest: manifest["artifacts"].update({"../../etc/passwd": {}}),
    "file without a hash": lambda manifest: manifest["artifacts"][AUDIT].pop("sha256"),
    "artifacts are a list": lambda manifest: manifest.update(artifacts=[]),
    "other number of entries": lambda manifest: manifest["audit"].update(entries=1),
    "other last hash": lambda manifest: manifest["audit"].update(last_hash="0" * 64),
    "audit too talkative": lambda manifest: manifest["audit"].update(path="/etc"),
    "retries not told": lambda manifest: manifest["inputs"].update(sink_failures=[[EVENTS, 0, ["OSError"]]]),
    "other origin": lambda manifest: manifest["strategy"].update(origin="object"),
    "class of a built-in strategy": lambda manifest: manifest["strategy"].update(class_name="StratDemo"),
    "source of a built-in strategy": lambda manifest: manifest["strategy"].update(sha256="0" * 64),
    "imports left out": lambda manifest: manifest["strategy"].pop("imports"),
    "strategy that ended": lambda manifest: manifest["inputs"].update(
        strategy_end={"step": 12, "code": "C2_ABORT_STRATEGY_EXITED"}
    ),
    "strategy.py that is not there": lambda manifest: manifest["artifacts"].update(
        {STRATEGY: {"sha256": "0" * 64, "bytes": 1, "lines": 1}}
    ),
    "input left out": lambda manifest: manifest["inputs"].pop("cancel"),
    "unknown key": lambda manifest: manifest.update(note="x"),
}


def with_digest(manifest: Manifest) -> Manifest:
    """Return a manifest with the digest that fits it."""
    return {**manifest, "run_digest": run_digest(manifest)}
