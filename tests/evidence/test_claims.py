from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.config import SealedConfig
from c2lib.core.criteria import Criteria
from c2lib.evidence.claims import Claim, Replay, Verification, evaluate, failed_names, passed, weakened
from c2lib.witness.findings import Verdict
from c2lib.witness.summary import RunSummary
from tests.evidence.runs import CLEAN, clean_summary, config, digest, rejected_summary

ALL = [
    "status",
    "stop_reason",
    "steps_as_planned",
    "min_fills",
    "max_rail_trips",
    "max_no_live_attempts",
    "criteria_sealed",
    "sealed_and_clean",
    "reproduced",
    "re_executable",
    "no_live_held",
    "enabled_off",
    "accounts",
]


def claim_of(claims: tuple[Claim, ...], name: str) -> Claim:
    """Return the one claim of that name."""
    (found,) = [claim for claim in claims if claim.name == name]
    return found


def test_clean_run_passes() -> None:
    """A clean run is a PASS: every claim is there in its order, holds and has a reference."""
    claims = evaluate(clean_summary(), CLEAN)
    assert [claim.name for claim in claims] == ALL
    assert passed(claims)
    assert failed_names(claims) == ()
    assert all(claim.references for claim in claims)


BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("status", {"status": "FAILED"}),
    ("status", {"status": ""}),
    ("stop_reason", {"stop_reason": "cancelled"}),
    ("stop_reason", {"stop_reason": None}),
    ("steps_as_planned", {"steps": 7}),
    ("steps_as_planned", {"steps": 9}),
    ("steps_as_planned", {"steps_planned": None}),
    ("min_fills", {"fills": 0}),
    ("max_rail_trips", {"rail_trips": 1}),
    ("max_no_live_attempts", {"no_live_attempts": 1}),
    ("max_no_live_attempts", {"no_live_attempts": None}),
    ("criteria_sealed", {"criteria_sha256": ""}),
    ("criteria_sealed", {"criteria_sha256": digest("other criteria")}),
    ("criteria_sealed", {"references": {"session_stop": digest("session_stop")}}),
    ("sealed_and_clean", {"run_digest": None}),
    ("no_live_held", {"no_live_held": False}),
    ("no_live_held", {"no_live_required": "namespace"}),
    ("no_live_held", {"no_live_required": None}),
    ("enabled_off", {"enabled_overridden": True}),
    ("accounts", {"equity": "100000.01"}),
    ("accounts", {"cash": "much"}),
    ("accounts", {"mark_price": None}),
]


@pytest.mark.parametrize(("name", "change"), BROKEN)
def test_broken_fact_fails_one_claim(name: str, change: dict[str, Any]) -> None:
    """A recorded fact that breaks a criterion fails the claim about that fact and no other claim."""
    claims = evaluate(clean_summary(**change), CLEAN)
    assert failed_names(claims) == (name,)
    assert not passed(claims)


@pytest.mark.parametrize(
    ("name", "change", "observed"),
    [
        ("sealed_and_clean", {"findings": 1}, "SEALED, 1 finding"),
        ("sealed_and_clean", {"verdict": Verdict.UNSEALED}, "UNSEALED, 0 findings"),
        ("sealed_and_clean", {"verdict": Verdict.INCOMPLETE}, "INCOMPLETE, 0 findings"),
        ("reproduced", {"replay": Replay.IMPOSSIBLE}, "replay was not possible"),
        ("reproduced", {"replay": Replay.DIFFERENT}, "bytes differ"),
    ],
)
def test_incomplete_verification_fails_claim(name: str, change: dict[str, Any], observed: str) -> None:
    """A run that is not sealed, has findings or is not reproduced fails exactly the claim about that."""
    claims = evaluate(clean_summary(), replace(CLEAN, **change))
    assert failed_names(claims) == (name,)
    assert claim_of(claims, name).observed == observed


def test_enabled_config_fails_claim() -> None:
    """A sealed config with enabled true, or without enabled, fails the claim enabled_off without any override."""
    sealed = config(enabled=True)
    assert failed_names(evaluate(clean_summary(sealed), CLEAN)) == ("enabled_off",)
    without = {key: value for key, value in config().canonical().items() if key != "enabled"}
    assert failed_names(evaluate(clean_summary(config=without), CLEAN)) == ("enabled_off",)


def test_rejected_run_shows_reject_code() -> None:
    """A rejected run is no PASS, and its status claim shows the reject code and reason and refers to the event."""
    claims = evaluate(rejected_summary(), CLEAN)
    assert not passed(claims)
    status = claim_of(claims, "status")
    assert status.expected == "COMPLETED"
    assert status.observed == (
        "REJECTED, C2_REJECT_LIVE_ENABLED: enabled is true: this package runs dry only, leave enabled at false"
    )
    assert digest("rejected") in status.references
    assert failed_names(claims) == (
        "status",
        "stop_reason",
        "steps_as_planned",
        "min_fills",
        "criteria_sealed",
        "no_live_held",
        "enabled_off",
    )


def test_failed_run_shows_fail_code() -> None:
    """The status claim of a failed run shows the fail code even when no reason was recorded."""
    claims = evaluate(clean_summary(status="FAILED", fail_code="C2_ABORT_EXCEPTION"), CLEAN)
    assert claim_of(claims, "status").observed == "FAILED, C2_ABORT_EXCEPTION: not recorded"


def criteria_config(**criteria: Any) -> SealedConfig:
    """Return a sealed config with criteria of its own."""
    return config(criteria=Criteria(**criteria))


def test_absent_criteria_make_no_claim() -> None:
    """Criteria without a stop reason and planned steps lead to no claim about the stop reason or the steps."""
    sealed = criteria_config(stop_reason=None, steps_as_planned=False)
    claims = evaluate(clean_summary(sealed, stop_reason="cancelled", steps=3), CLEAN)
    assert [claim.name for claim in claims] == [name for name in ALL if name not in ("stop_reason", "steps_as_planned")]
    assert passed(claims)


def test_expected_failure_never_passes() -> None:
    """A run that fails as its criteria ask is no PASS, and a run beyond a bound fails that claim too."""
    sealed = criteria_config(
        status="FAILED", stop_reason="failed", steps_as_planned=False, min_fills=0, max_rail_trips=1
    )
    summary = clean_summary(sealed, status="FAILED", stop_reason="failed", steps=3, fills=0, rail_trips=1)
    claims = evaluate(summary, CLEAN)
    assert (passed(claims), failed_names(claims)) == (False, ("status",))
    assert claim_of(claims, "status").expected == "FAILED, which is no PASS"
    assert failed_names(evaluate(replace(summary, rail_trips=2), CLEAN)) == ("status", "max_rail_trips")


STATUSES = ("COMPLETED", "REJECTED", "FAILED")


@pytest.mark.parametrize("asked", STATUSES)
@pytest.mark.parametrize("ended", STATUSES)
def test_pass_needs_completed(asked: str, ended: str) -> None:
    """Of all pairs of an asked and a reached status, COMPLETED twice alone can be a PASS."""
    claims = evaluate(clean_summary(criteria_config(status=asked), status=ended), CLEAN)
    assert passed(claims) is (asked == ended == "COMPLETED")
    assert failed_names(claims) == (() if asked == ended == "COMPLETED" else ("status",))


@pytest.mark.parametrize(
    ("criteria", "weaker"),
    [
        ({}, {}),
        ({"min_fills": 0}, {"min_fills": (0, 1)}),
        ({"min_fills": 2}, {}),
        ({"max_rail_trips": 1}, {"max_rail_trips": (1, 0)}),
        ({"max_no_live_attempts": 9, "min_fills": 9}, {"max_no_live_attempts": (9, 0)}),
        ({"steps_as_planned": False}, {"steps_as_planned": (False, True)}),
        ({"stop_reason": None}, {"stop_reason": (None, "completed")}),
        ({"stop_reason": "cancelled"}, {"stop_reason": ("cancelled", "completed")}),
        ({"status": "FAILED"}, {"status": ("FAILED", "COMPLETED")}),
    ],
)
def test_weakened_are_found(criteria: dict[str, Any], weaker: dict[str, Any]) -> None:
    """Criteria that ask less than the default ones, or something else, are found with both values; stricter are not."""
    assert weakened(clean_summary(criteria_config(**criteria))) == weaker


@settings(max_examples=60)
@given(
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from(["COMPLETED", "CANCELLED"]),
    st.booleans(),
)
def test_weakness_is_a_new_pass(
    fills: int, rails: int, least: int, most: int, steps: int, end: str, all_: bool
) -> None:
    """Criteria under which a completed run passes that fails the default ones are always found to be weaker."""
    asked = criteria_config(
        min_fills=least, max_rail_trips=most, steps_as_planned=all_, stop_reason=end.lower() if all_ else None
    )
    facts = {"fills": fills, "rail_trips": rails, "steps": 8 - steps, "stop_reason": end.lower()}
    own, usual = (evaluate(clean_summary(sealed, **facts), CLEAN) for sealed in (asked, config()))
    if passed(own) and not passed(usual):
        assert weakened(clean_summary(asked))


def test_weakened_criteria_fail() -> None:
    """Criteria whose hash differs from the hash announced in event 0 fail the claim criteria_sealed."""
    weak = criteria_config(min_fills=0)
    summary = clean_summary(weak, fills=0, criteria_sha256=Criteria().digest())
    assert failed_names(evaluate(summary, CLEAN)) == ("criteria_sealed",)


@pytest.mark.parametrize("criteria", [None, [], "all good", {"min_fills": "0"}, {"unknown": 1}])
def test_unreadable_criteria_use_defaults(criteria: object) -> None:
    """A run with unreadable criteria is judged by the default criteria and fails the claim criteria_sealed."""
    values = config().canonical() | {"criteria": criteria}
    claims = evaluate(clean_summary(config=values, fills=0), CLEAN)
    assert failed_names(claims) == ("min_fills", "criteria_sealed")


def test_partial_criteria_change_hash() -> None:
    """Criteria with a field left out fail criteria_sealed: the hash covers the fields as written, no defaults."""
    values = config().canonical() | {"criteria": {"min_fills": 1}}
    assert failed_names(evaluate(clean_summary(config=values), CLEAN)) == ("criteria_sealed",)


def test_missing_claims_never_pass() -> None:
    """An empty list of claims, or a list without a claim that a PASS needs, is no PASS."""
    claims = evaluate(clean_summary(), CLEAN)
    assert not passed(())
    for name in ("status", "criteria_sealed", "sealed_and_clean", "reproduced", "no_live_held", "enabled_off"):
        assert not passed([claim for claim in claims if claim.name != name])


def test_references_belong_to_run() -> None:
    """Every reference of a claim is an event id, an audit hash, a file hash or the digest of the judged run."""
    summary = clean_summary(
        rail_trips=1, references=dict(clean_summary().references) | {"rail_tripped": digest("rail")}
    )
    known = {*summary.references.values(), *(facts.sha256 for facts in summary.artifacts.values())}
    known |= {summary.audit_last_hash, summary.run_digest or ""}
    claims = evaluate(summary, CLEAN)
    assert {digest for claim in claims for digest in claim.references} <= known
    assert claim_of(claims, "max_rail_trips").references[0] == digest("rail")


def test_claimed_layer_is_required_layer() -> None:
    """The NO-LIVE claim names the layer that the config requires, and an unknown layer fails the claim."""
    claims = evaluate(clean_summary(config(no_live_required="namespace")), CLEAN)
    assert claim_of(claims, "no_live_held").expected == "layer namespace held"
    unknown = config().canonical() | {"no_live_required": "prayer"}
    claims = evaluate(clean_summary(config=unknown, no_live_required="prayer"), CLEAN)
    assert failed_names(claims) == ("no_live_held",)


def test_empty_summary_fails() -> None:
    """A run of which nothing could be read fails its claims as not recorded, without an exception."""
    claims = evaluate(RunSummary(), Verification(Verdict.INCOMPLETE, 3, Replay.IMPOSSIBLE))
    assert not passed(claims)
    assert claim_of(claims, "status").observed == "not recorded"
    assert claim_of(claims, "no_live_held").observed == "not recorded"


DECIMALS = st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=6)


def plain(number: Decimal) -> str:
    """Write a decimal without exponent, as another program would."""
    return f"{number:f}"


@settings(max_examples=60)
@given(DECIMALS, DECIMALS, DECIMALS)
def test_equity_adds_up_exactly(position: Decimal, cash: Decimal, price: Decimal) -> None:
    """The claim accounts holds for the exact equity and fails for an equity that is larger by 1E-12."""
    with localcontext(prec=60):
        equity = position * price + cash
        more = equity + Decimal("1E-12")
    books = clean_summary(position=plain(position), cash=plain(cash), mark_price=plain(price))
    right, wrong = replace(books, equity=plain(equity)), replace(books, equity=plain(more))
    assert claim_of(evaluate(right, CLEAN), "accounts").passed
    assert not claim_of(evaluate(wrong, CLEAN), "accounts").passed


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=3), max_size=2)


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(["criteria", "enabled", "no_live_required"]), VALUES),
    st.text(max_size=6),
    st.text(max_size=6),
)
def test_damaged_summary_never_passes(values: dict[str, Any], text: str, number: str) -> None:
    """A summary of arbitrary values leads to claims without an exception, and never to a PASS."""
    summary = RunSummary(status=text, position=number, cash=number, equity=number, mark_price=number, config=values)
    assert not passed(evaluate(summary, CLEAN))


@pytest.mark.parametrize(
    ("strategy", "observed", "holds"),
    [
        ({"origin": "built-in", "sha256": None}, "built-in strat_demo", True),
        ({"origin": "file", "sha256": "ab" * 32}, f"file of sha256 {'ab' * 32}", True),
        ({"origin": "file", "sha256": None}, "file of sha256 None", False),
        ({"origin": "object", "sha256": "ab" * 32}, "a class in memory", False),
        ({"origin": None, "sha256": None}, "not recorded", False),
        ({"origin": ["file"]}, "not recorded", False),
        ("file", "not recorded", False),
    ],
)
def test_strategy_must_be_executable_again(strategy: Any, observed: str, holds: bool) -> None:
    """A run is a PASS on a built-in strategy or a file with a hash, and on nothing else."""
    claims = evaluate(clean_summary(config=config().canonical() | {"strategy": strategy}), CLEAN)
    claim = claim_of(claims, "re_executable")
    assert (claim.observed, claim.passed) == (observed, holds)
    assert failed_names(claims) == (() if holds else ("re_executable",))
