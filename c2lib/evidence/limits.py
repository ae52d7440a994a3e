"""What a run does not prove, and what its reviewer should weigh.

A sentence is said when the fact of the run beside its name brings it in; what the config does not say counts as not
done. Values of a run stand in a sentence only encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from c2lib.core.vocabulary import EventKind, StopReason
from c2lib.evidence.claims import Claim, Replay, Verification, failed_names
from c2lib.evidence.markdown import code
from c2lib.witness.findings import Verdict
from c2lib.witness.lines import at
from c2lib.witness.summary import RunSummary

Applies = Callable[[RunSummary, Verification], bool]

LIMITS = {
    "not_sealed": "The record is not sealed: lines can be missing or altered without a trace.",
    "layer_not_held": "That nothing could leave the process: the required NO-LIVE layer was not shown to hold.",
    "hook_layer": "The hook layer is an audit hook in the strategy's process, not a sandbox: native code and ctypes "
    "could go around it, and so could Python extensions with sockets of their own, uncounted.",
    "own_code_under_hook": "That nothing left by a way that the hook does not see: programs that native code starts, "
    "extension modules that it does not refuse by name, sockets that stand in the file system, and the C library's "
    "look-up of users.",
    "namespace_layer": "The namespace layer takes away the network and the sight of other processes, and nothing "
    "else: files, and sockets that stand among them, stay within reach. That it held is the run's own record, taken "
    "by a replay.",
    "not_reproduced": "That the run can be repeated: no replay gave the same bytes for this draft.",
    "mock_broker": "The mock broker is no venue: no queue, no market impact, no outage and no rule of a real market "
    "was met.",
    "profit": "Nothing is said about profitability: equity is bookkeeping, not a forecast.",
    "one_run": "One run was looked at: nothing is said about other seeds, markets, periods or parameters.",
    "synthetic_market": "The market is a seeded synthetic walk: nobody ever traded at its prices.",
    "market_file": "The market file is known by its hash alone: where its prices come from was not checked.",
    "fixed_clock": "The clock stands still: nothing is said about timeouts, ends of day or any other course of time.",
    "injected_clock": "Times come from a clock that the caller handed over: they were recorded, not checked.",
    "market_clock": "Times are those of the bars: nothing is said about when anything really happened.",
    "own_strategy": "The strategy is not one of c2lib's own: its file is sealed by hash, what it imports is named "
    "with versions and not sealed, and neither was reviewed.",
    "object_strategy": "The strategy existed in memory alone, so nobody else can execute this run again and it can "
    "be no PASS: write it to a file, in a notebook with `%%writefile strategy.py`, and run that file.",
    "object_in_process": "The strategy ran in the session's process: it could alter the guard that counts attempts, "
    "and threads, callbacks, timers and functions for the exit that it left behind could act uncounted once it was "
    "over.",
    "unknown_strategy": "Where the strategy came from is not recorded: its name is all that is known of it.",
    "no_fill": "Nothing was filled: fills and fees were not exercised.",
    "frictionless": "Orders met neither slippage nor latency nor partial fills.",
    "unbounded": "Positions and orders had no limit but cash: such limits are not built yet. Of the limits, equity "
    "below `limits.min_equity` alone ends a session.",
    "no_fault": "No fault was injected: reactions to faults were not exercised.",
    "not_reconciled": "No reconciliation was recorded: drift between session and broker was not looked for.",
    "decisions_only": "Bars without a decision left no event: that they were seen follows from the replay alone.",
    "unsealed_files": "The environment file and this draft are outside the seal: versions, platform and wall time "
    "are hints.",
    "unsigned": "Nothing is signed: whoever can write the directory can make another run that fits itself. Compare "
    "the run digest with one kept elsewhere.",
}
"""What is not proven, by name, in the order of evidence."""


def _set_to(expected: object, *names: str) -> Applies:
    return lambda summary, _: at(summary.config, *names) == expected


def _without(kind: EventKind) -> Applies:
    return lambda summary, _: not summary.event_counts.get(kind.value)


def _own_code_under_hook(summary: RunSummary, _: Verification) -> bool:
    origin = at(summary.config, "strategy", "origin")
    return at(summary.config, "no_live_required") == "hook" and origin in ("file", "object")


def _frictionless(summary: RunSummary, _: Verification) -> bool:
    return not any(at(summary.config, "broker", name) for name in ("slippage_ticks", "latency_steps", "participation"))


def _unbounded(summary: RunSummary, _: Verification) -> bool:
    bounds = ("max_position", "max_order_quantity", "max_open_orders")
    return any(at(summary.config, "limits", name) is None for name in bounds)


APPLIES: Mapping[str, Applies] = {
    "not_sealed": lambda _, verification: verification.verdict is not Verdict.SEALED,
    "layer_not_held": lambda summary, _: not summary.no_live_held,
    "hook_layer": _set_to("hook", "no_live_required"),
    "own_code_under_hook": _own_code_under_hook,
    "namespace_layer": _set_to("namespace", "no_live_required"),
    "not_reproduced": lambda _, verification: verification.replay is not Replay.IDENTICAL,
    "synthetic_market": _set_to("synthetic", "market", "source"),
    "market_file": _set_to("file", "market", "source"),
    "fixed_clock": _set_to("fixed", "clock_mode"),
    "injected_clock": _set_to("injected", "clock_mode"),
    "market_clock": _set_to("market", "clock_mode"),
    "own_strategy": _set_to("file", "strategy", "origin"),
    "object_strategy": _set_to("object", "strategy", "origin"),
    "object_in_process": _set_to("object", "strategy", "origin"),
    "unknown_strategy": _set_to(None, "strategy", "origin"),
    "no_fill": lambda summary, _: summary.fills == 0,
    "frictionless": _frictionless,
    "unbounded": _unbounded,
    "no_fault": _without(EventKind.FAULT_INJECTED),
    "not_reconciled": _without(EventKind.RECONCILED),
    "decisions_only": _set_to("decisions", "tick_events"),
}
"""The fact of a run that brings a limit in; one that has none here is said of every run."""


def not_proven(summary: RunSummary, verification: Verification) -> list[str]:
    """Return the sentences on what this run leaves open, in the order of :data:`LIMITS`."""
    said = (name for name in LIMITS if name not in APPLIES or APPLIES[name](summary, verification))
    return [LIMITS[name] for name in said]


def risk_notes(summary: RunSummary, verification: Verification, claims: Sequence[Claim]) -> list[str]:
    """Return what a reviewer should read first; one sentence says so when there is nothing."""
    failed = failed_names(claims)
    rejected_orders = summary.event_counts.get(EventKind.ORDER_REJECTED.value, 0)
    risks: tuple[tuple[object, str], ...] = (
        (failed, f"Claims that do not hold: {', '.join(map(code, failed))}."),
        (verification.findings, f"Findings of the verifier: {code(verification.findings)}; read them first."),
        (
            summary.reject_code,
            f"Preflight rejected the run: {code(summary.reject_code)} {code(summary.reject_reason)}.",
        ),
        (summary.fail_code, f"The session needs its operator: {code(summary.fail_code)} {code(summary.fail_reason)}."),
        (summary.enabled_overridden, "A test overrode the gate to live trading: this run can never bear a PASS."),
        (summary.rail_trips, f"Rails broken: {code(summary.rail_trips)}."),
        (summary.no_live_attempts, f"Attempts to leave the process: {code(summary.no_live_attempts)}, all refused."),
        (summary.stop_reason == StopReason.CANCELLED, "The session was cancelled before its bound."),
        (summary.position != "0", f"A position of {code(summary.position)} was open at the end; it was not closed."),
        (rejected_orders, f"Orders that the broker rejected: {code(rejected_orders)}."),
        (summary.sink_retries, f"Writes of the record that were tried again: {code(summary.sink_retries)}."),
    )
    sentences = [sentence for applies, sentence in risks if applies]
    return sentences or ["No retry, rejection, broken rail, refused attempt, open position or finding was recorded."]
