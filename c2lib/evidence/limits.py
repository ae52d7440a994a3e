"""What a run does not prove, and what its reviewer should weigh.

A table pairs each sentence with the fact of the run that brings it in; what the config does not say counts as not done.
Values of a run stand in a sentence only encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from c2lib.core.vocabulary import EventKind, StopReason
from c2lib.evidence.claims import Claim, Replay, Verification, failed_names
from c2lib.evidence.markdown import code
from c2lib.witness.findings import Verdict
from c2lib.witness.lines import at
from c2lib.witness.summary import RunSummary

Applies = Callable[[RunSummary, Verification], bool]


class Limit(NamedTuple):
    """Something not proven: its name, when it must be said, and the sentence."""

    name: str
    applies: Applies
    sentence: str


def _always(*_: object) -> bool:
    return True


def _set_to(expected: object, *names: str) -> Applies:
    return lambda summary, _: at(summary.config, *names) == expected


def _own_code_under_hook(summary: RunSummary, _: Verification) -> bool:
    origin = at(summary.config, "strategy", "origin")
    return at(summary.config, "no_live_required") == "hook" and origin in ("file", "object")


def _frictionless(summary: RunSummary, _: Verification) -> bool:
    return not any(at(summary.config, "broker", name) for name in ("slippage_ticks", "latency_steps", "participation"))


def _unbounded(summary: RunSummary, _: Verification) -> bool:
    bounds = ("max_position", "max_order_quantity", "max_open_orders")
    return any(at(summary.config, "limits", name) is None for name in bounds)


def _without(kind: EventKind) -> Applies:
    return lambda summary, _: not summary.event_counts.get(kind.value)


LIMITS: tuple[Limit, ...] = (
    Limit(
        "not_sealed",
        lambda _, verification: verification.verdict is not Verdict.SEALED,
        "The record is not sealed: lines can be missing or altered without a trace.",
    ),
    Limit(
        "layer_not_held",
        lambda summary, _: not summary.no_live_held,
        "That nothing could leave the process: the required NO-LIVE layer was not shown to hold.",
    ),
    Limit(
        "hook_layer",
        _set_to("hook", "no_live_required"),
        "The hook layer is an audit hook in the strategy's process, not a sandbox: native code and ctypes could go "
        "around it, and so could Python extensions with sockets of their own, uncounted.",
    ),
    Limit(
        "own_code_under_hook",
        _own_code_under_hook,
        "That nothing left by a way that the hook does not see: programs that native code starts, extension modules "
        "that it does not refuse by name, sockets that stand in the file system, and the C library's look-up of users.",
    ),
    Limit(
        "namespace_layer",
        _set_to("namespace", "no_live_required"),
        "The namespace layer takes away the network and the sight of other processes, and nothing else: files, and "
        "sockets that stand among them, stay within reach. That it held is the run's own record, taken by a replay.",
    ),
    Limit(
        "not_reproduced",
        lambda _, verification: verification.replay is not Replay.IDENTICAL,
        "That the run can be repeated: no replay gave the same bytes for this draft.",
    ),
    Limit(
        "mock_broker",
        _always,
        "The mock broker is no venue: no queue, no market impact, no outage and no rule of a real market was met.",
    ),
    Limit("profit", _always, "Nothing is said about profitability: equity is bookkeeping, not a forecast."),
    Limit(
        "one_run",
        _always,
        "One run was looked at: nothing is said about other seeds, markets, periods or parameters.",
    ),
    Limit(
        "synthetic_market",
        _set_to("synthetic", "market", "source"),
        "The market is a seeded synthetic walk: nobody ever traded at its prices.",
    ),
    Limit(
        "market_file",
        _set_to("file", "market", "source"),
        "The market file is known by its hash alone: where its prices come from was not checked.",
    ),
    Limit(
        "fixed_clock",
        _set_to("fixed", "clock_mode"),
        "The clock stands still: nothing is said about timeouts, ends of day or any other course of time.",
    ),
    Limit(
        "injected_clock",
        _set_to("injected", "clock_mode"),
        "Times come from a clock that the caller handed over: they were recorded, not checked.",
    ),
    Limit(
        "market_clock",
        _set_to("market", "clock_mode"),
        "Times are those of the bars: nothing is said about when anything really happened.",
    ),
    Limit(
        "own_strategy",
        _set_to("file", "strategy", "origin"),
        "The strategy is not one of c2lib's own: its file is sealed by hash, what it imports is named with versions "
        "and not sealed, and neither was reviewed.",
    ),
    Limit(
        "object_strategy",
        _set_to("object", "strategy", "origin"),
        "The strategy existed in memory alone, so nobody else can execute this run again and it can be no PASS: "
        "write it to a file, in a notebook with `%%writefile strategy.py`, and run that file.",
    ),
    Limit(
        "object_in_process",
        _set_to("object", "strategy", "origin"),
        "The strategy ran in the session's process: it could alter the guard that counts attempts, and threads, "
        "callbacks, timers and functions for the exit that it left behind could act uncounted once it was over.",
    ),
    Limit(
        "unknown_strategy",
        _set_to(None, "strategy", "origin"),
        "Where the strategy came from is not recorded: its name is all that is known of it.",
    ),
    Limit("no_fill", lambda summary, _: summary.fills == 0, "Nothing was filled: fills and fees were not exercised."),
    Limit("frictionless", _frictionless, "Orders met neither slippage nor latency nor partial fills."),
    Limit(
        "unbounded",
        _unbounded,
        "Positions and orders had no limit but cash: such limits are not built yet. Of the limits, equity below "
        "`limits.min_equity` alone ends a session.",
    ),
    Limit(
        "no_fault",
        _without(EventKind.FAULT_INJECTED),
        "No fault was injected: reactions to faults were not exercised.",
    ),
    Limit(
        "not_reconciled",
        _without(EventKind.RECONCILED),
        "No reconciliation was recorded: drift between session and broker was not looked for.",
    ),
    Limit(
        "decisions_only",
        _set_to("decisions", "tick_events"),
        "Bars without a decision left no event: that they were seen follows from the replay alone.",
    ),
    Limit(
        "unsealed_files",
        _always,
        "The environment file and this draft are outside the seal: versions, platform and wall time are hints.",
    ),
    Limit(
        "unsigned",
        _always,
        "Nothing is signed: whoever can write the directory can make another run that fits itself. "
        "Compare the run digest with one kept elsewhere.",
    ),
)


def not_proven(summary: RunSummary, verification: Verification) -> list[str]:
    """Return the sentences on what this run leaves open, in the order of :data:`LIMITS`."""
    return [limit.sentence for limit in LIMITS if limit.applies(summary, verification)]


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
