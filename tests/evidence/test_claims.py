from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.config import SealedConfig
from c2lib.core.criteria import Criteria
from c2lib.evidence.claims import Claim, Replay, Verification, evaluate, failed_names, passed
from c2lib.witness.findings import Verdict
from c2lib.witness.run import RunSummary
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
    "no_live_held",
    "enabled_off",
    "accounts",
]


def claim_of(claims: tuple[Claim, ...], name: str) -> Claim:
    """Return the one claim of that name."""
    (found,) = [claim for claim in claims if claim.name == name]
    return found


def test_a_run_that_did_everything_right_is_a_pass() -> None:
    """Every claim is there, in its order, holds, and refers to something."""
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
def test_each_broken_fact_fails_its_own_claim_and_no_other(name: str, change: dict[str, Any]) -> None:
    """A FAIL says which claim does not hold."""
    claims = evaluate(clean_summary(**change), CLEAN)
    assert failed_names(claims) == (name,)
    assert not passed(claims)


@pytest.mark.parametrize(
    ("name", "change", "observed"),
    [
        ("sealed_and_clean", {"findings": 1}, "SEALED, 1 findings"),
        ("sealed_and_clean", {"verdict": Verdict.UNSEALED}, "UNSEALED, 0 findings"),
        ("sealed_and_clean", {"verdict": Verdict.INCOMPLETE}, "INCOMPLETE, 0 findings"),
        ("reproduced", {"replay": Replay.IMPOSSIBLE}, "replay was not possible"),
        ("reproduced", {"replay": Replay.DIFFERENT}, "bytes differ"),
    ],
)
def test_a_verification_that_is_less_than_whole_fails_its_claim(
    name: str, change: dict[str, Any], observed: str
) -> None:
    """Only a sealed, clean and reproduced run is a PASS; what was not replayed is not claimed."""
    claims = evaluate(clean_summary(), replace(CLEAN, **change))
    assert failed_names(claims) == (name,)
    assert claim_of(claims, name).observed == observed


def test_enabled_in_the_config_fails_even_when_nobody_overrode_it() -> None:
    """The sealed config itself must say that the gate stays shut."""
    sealed = config(enabled=True)
    assert failed_names(evaluate(clean_summary(sealed), CLEAN)) == ("enabled_off",)
    without = {key: value for key, value in config().canonical().items() if key != "enabled"}
    assert failed_names(evaluate(clean_summary(config=without), CLEAN)) == ("enabled_off",)


def test_a_rejected_run_is_a_fail_that_names_the_gate() -> None:
    """A run that should have completed but was rejected shows the code and the reason."""
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


def test_a_failed_run_shows_its_code_even_without_a_reason() -> None:
    """The fail code stands beside the status."""
    claims = evaluate(clean_summary(status="FAILED", fail_code="C2_ABORT_EXCEPTION"), CLEAN)
    assert claim_of(claims, "status").observed == "FAILED, C2_ABORT_EXCEPTION: not recorded"


def criteria_config(**criteria: Any) -> SealedConfig:
    """Return a sealed config with criteria of its own."""
    return config(criteria=Criteria(**criteria))


def test_criteria_that_ask_nothing_make_no_claim() -> None:
    """Without a stop reason and without planned steps there is nothing to claim about them."""
    sealed = criteria_config(stop_reason=None, steps_as_planned=False)
    claims = evaluate(clean_summary(sealed, stop_reason="cancelled", steps=3), CLEAN)
    assert [claim.name for claim in claims] == [name for name in ALL if name not in ("stop_reason", "steps_as_planned")]
    assert passed(claims)


def test_a_run_can_pass_by_failing_as_its_criteria_foresaw() -> None:
    """Criteria sealed before the run may expect a failure, with its bounds."""
    sealed = criteria_config(
        status="FAILED", stop_reason="failed", steps_as_planned=False, min_fills=0, max_rail_trips=1
    )
    summary = clean_summary(sealed, status="FAILED", stop_reason="failed", steps=3, fills=0, rail_trips=1)
    assert passed(evaluate(summary, CLEAN))
    assert failed_names(evaluate(replace(summary, rail_trips=2), CLEAN)) == ("max_rail_trips",)


def test_criteria_weakened_after_the_run_fail() -> None:
    """Event 0 keeps the hash of the criteria that were announced."""
    weak = criteria_config(min_fills=0)
    summary = clean_summary(weak, fills=0, criteria_sha256=Criteria().sha256())
    assert failed_names(evaluate(summary, CLEAN)) == ("criteria_sealed",)


@pytest.mark.parametrize("criteria", [None, [], "all good", {"min_fills": "0"}, {"unknown": 1}])
def test_unreadable_criteria_fail_and_the_defaults_stand_in(criteria: object) -> None:
    """A run without criteria of its own is held against the defaults, and is no PASS."""
    values = config().canonical() | {"criteria": criteria}
    claims = evaluate(clean_summary(config=values, fills=0), CLEAN)
    assert failed_names(claims) == ("min_fills", "criteria_sealed")


def test_criteria_with_a_field_left_out_have_another_hash() -> None:
    """The hash is over what stands in the config, not over what it could be completed to."""
    values = config().canonical() | {"criteria": {"min_fills": 1}}
    assert failed_names(evaluate(clean_summary(config=values), CLEAN)) == ("criteria_sealed",)


def test_claims_left_out_never_make_a_pass() -> None:
    """No claims, or any claim that a PASS needs taken away, is no PASS."""
    claims = evaluate(clean_summary(), CLEAN)
    assert not passed(())
    for name in ("status", "criteria_sealed", "sealed_and_clean", "reproduced", "no_live_held", "enabled_off"):
        assert not passed([claim for claim in claims if claim.name != name])


def test_references_are_of_the_run() -> None:
    """Every reference is an event id, an entry hash, a file hash or the run digest of this run."""
    summary = clean_summary(
        rail_trips=1, references=dict(clean_summary().references) | {"rail_tripped": digest("rail")}
    )
    known = {*summary.references.values(), *(facts.sha256 for facts in summary.artifacts.values())}
    known |= {summary.audit_last_hash, summary.run_digest or ""}
    claims = evaluate(summary, CLEAN)
    assert {digest for claim in claims for digest in claim.references} <= known
    assert claim_of(claims, "max_rail_trips").references[0] == digest("rail")


def test_the_layer_claimed_is_the_one_required() -> None:
    """The claim names the layer of the config and never a stronger one."""
    claims = evaluate(clean_summary(config(no_live_required="namespace")), CLEAN)
    assert claim_of(claims, "no_live_held").expected == "layer namespace held"
    unknown = config().canonical() | {"no_live_required": "prayer"}
    claims = evaluate(clean_summary(config=unknown, no_live_required="prayer"), CLEAN)
    assert failed_names(claims) == ("no_live_held",)


def test_an_empty_summary_fails_without_an_exception() -> None:
    """A directory of which nothing could be read is a FAIL."""
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
def test_the_books_add_up_exactly(position: Decimal, cash: Decimal, price: Decimal) -> None:
    """The sum is exact: the right equity holds, and one unit of its last place more does not."""
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
def test_no_summary_makes_it_raise(values: dict[str, Any], text: str, number: str) -> None:
    """Whatever stands in a damaged run, there are claims, and no PASS."""
    summary = RunSummary(status=text, position=number, cash=number, equity=number, mark_price=number, config=values)
    assert not passed(evaluate(summary, CLEAN))
