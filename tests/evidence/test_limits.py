from dataclasses import replace
from typing import Any

import pytest

from c2lib.evidence.claims import Replay, Verification, evaluate
from c2lib.evidence.limits import APPLIES, LIMITS, not_proven, risk_notes
from c2lib.witness.findings import Verdict
from c2lib.witness.summary import RunSummary
from tests.evidence.runs import CLEAN, clean_summary, config, rejected_summary

ALWAYS = {"mock_broker", "profit", "one_run", "unsealed_files", "unsigned"}
USUAL = ALWAYS | {
    "hook_layer",
    "synthetic_market",
    "fixed_clock",
    "frictionless",
    "unbounded",
    "no_fault",
    "not_reconciled",
}


def names(summary: RunSummary, verification: Verification = CLEAN) -> set[str]:
    """Return the names of the limits whose sentences are said of a run."""
    by_sentence = {sentence: name for name, sentence in LIMITS.items()}
    return {by_sentence[sentence] for sentence in not_proven(summary, verification)}


def configured(**changes: Any) -> RunSummary:
    """Return the clean run with changes to the plain values of its config."""
    return clean_summary(config=config().canonical() | changes)


def test_demo_run_has_usual_limits() -> None:
    """The demo run has exactly the usual limits, and every limit has a sentence of its own and a fact, or is usual."""
    assert names(clean_summary()) == USUAL
    assert len(set(LIMITS.values())) == len(LIMITS)
    assert set(LIMITS) - set(APPLIES) == ALWAYS
    assert set(APPLIES) < set(LIMITS)


BUSY = {"slippage_ticks": 2, "kind": "mock"}
BOUNDED = {"max_position": "5", "max_order_quantity": "1", "max_open_orders": 2}


@pytest.mark.parametrize(
    ("summary", "said", "unsaid"),
    [
        (configured(no_live_required="namespace"), {"namespace_layer"}, {"hook_layer"}),
        (clean_summary(no_live_held=False), {"layer_not_held"}, set()),
        (configured(market={"source": "file"}), {"market_file"}, {"synthetic_market"}),
        (configured(clock_mode="injected"), {"injected_clock"}, {"fixed_clock"}),
        (configured(clock_mode="market"), {"market_clock"}, {"fixed_clock"}),
        (configured(tick_events="decisions"), {"decisions_only"}, set()),
        (configured(broker=BUSY), set(), {"frictionless"}),
        (configured(limits=BOUNDED), set(), {"unbounded"}),
        (configured(limits=BOUNDED | {"max_position": None}), set(), set()),
        (configured(strategy={"origin": "file"}), {"own_strategy", "own_code_under_hook"}, set()),
        (
            configured(strategy={"origin": "file"}, no_live_required="namespace"),
            {"own_strategy", "namespace_layer"},
            {"hook_layer"},
        ),
        (
            configured(strategy={"origin": "object"}),
            {"object_strategy", "object_in_process", "own_code_under_hook"},
            set(),
        ),
        (configured(strategy={"origin": None}), {"unknown_strategy"}, set()),
        (clean_summary(fills=0), {"no_fill"}, set()),
        (clean_summary(event_counts={"FAULT_INJECTED": 1, "RECONCILED": 1}), set(), {"no_fault", "not_reconciled"}),
    ],
)
def test_each_fact_controls_its_limits(summary: RunSummary, said: set[str], unsaid: set[str]) -> None:
    """A fact of a run adds or removes exactly its own limits and changes no other limit."""
    assert names(summary) == (USUAL | said) - unsaid


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"replay": Replay.IMPOSSIBLE}, {"not_reproduced"}),
        ({"replay": Replay.DIFFERENT}, {"not_reproduced"}),
        ({"verdict": Verdict.UNSEALED}, {"not_sealed"}),
        ({"verdict": Verdict.INCOMPLETE}, {"not_sealed"}),
    ],
)
def test_missing_verification_is_stated(change: dict[str, Any], said: set[str]) -> None:
    """A run that is not sealed or not reproduced has a limit that says so."""
    assert names(clean_summary(), replace(CLEAN, **change)) == USUAL | said


def test_missing_config_counts_as_undone() -> None:
    """An empty or malformed config leaves open every limit that only a recorded fact could remove."""
    nothing = Verification(Verdict.INCOMPLETE, 0, Replay.IMPOSSIBLE)
    assert names(RunSummary(), nothing) == ALWAYS | {
        "not_sealed",
        "layer_not_held",
        "not_reproduced",
        "unknown_strategy",
        "no_fill",
        "frictionless",
        "unbounded",
        "no_fault",
        "not_reconciled",
    }
    assert names(RunSummary(config={"broker": 5, "limits": [], "market": None}), nothing) == names(
        RunSummary(), nothing
    )


def notes(summary: RunSummary, verification: Verification = CLEAN) -> list[str]:
    """Return the risk notes of a run."""
    return risk_notes(summary, verification, evaluate(summary, verification))


def test_uneventful_run_has_one_risk() -> None:
    """A clean run with a flat position has one risk sentence, which says that no risk was recorded."""
    flat = clean_summary(position="0", cash="100000")
    assert notes(flat) == ["No retry, rejection, broken rail, refused attempt, open position or finding was recorded."]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"position": "-3"}, "A position of `-3` was open at the end; it was not closed."),
        ({"sink_retries": 2}, "Writes of the record that were tried again: `2`."),
        ({"rail_trips": 1}, "Rails broken: `1`."),
        ({"no_live_attempts": 4}, "Attempts to leave the process: `4`, all refused."),
        ({"stop_reason": "cancelled"}, "The session was cancelled before its bound."),
        ({"enabled_overridden": True}, "A test overrode the gate to live trading: this run can never bear a PASS."),
        ({"event_counts": {"ORDER_REJECTED": 3}}, "Orders that the broker rejected: `3`."),
        (
            {"fail_code": "C2_ABORT_EXCEPTION", "fail_reason": "a | b"},
            "The session needs its operator: `C2_ABORT_EXCEPTION` <code>a &#124; b</code>.",
        ),
    ],
)
def test_each_risk_is_stated(change: dict[str, Any], sentence: str) -> None:
    """Each risk that a run records stands in the risk sentences with its number or text, encoded."""
    assert sentence in notes(clean_summary(**change))


def test_failures_precede_other_risks() -> None:
    """Failed claims stand first in the risk sentences, then the verifier's findings, then the rejection."""
    found = notes(rejected_summary(), replace(CLEAN, findings=2))
    assert found[0].startswith("Claims that do not hold: `status`, ")
    assert found[1] == "Findings of the verifier: `2`; read them first."
    assert found[2].startswith("Preflight rejected the run: `C2_REJECT_LIVE_ENABLED` `enabled is true")
