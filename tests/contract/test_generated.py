"""Both verifiers find nothing in any run that c2lib makes: generated ones of every kind."""

from itertools import product
from pathlib import Path

import pytest
import verify_run

from c2lib.core.contract import CLOCK_MODES, LIQUIDITIES
from c2lib.core.vocabulary import STRATEGY_ORIGINS, EventKind, FailCode, RejectCode
from tests.contract.generated import COURSES, KINDS, TIMES_IN_FORCE, VARIANTS, generated_run
from tests.contract.judges import judged
from tests.contract.published import CASES, published
from tests.witness.sample_runs import STRATEGY

NOT_GENERATED = {
    RejectCode.NO_AUDIT_SINK,
    FailCode.SINK_WRITE_FAILED,
    FailCode.UNKNOWN_OUTCOME,
    FailCode.STRATEGY_TIMEOUT,
    FailCode.STRATEGY_EXITED,
    FailCode.STRATEGY_PROTOCOL,
}
"""Codes of runs without audit or with a dead sink, which are no whole runs; of faults, not built yet; of the host."""


@pytest.mark.parametrize("name", COURSES)
def test_generated_run_is_clean(tmp_path: Path, name: str) -> None:
    """A generated run, sealed and unsealed, is without findings for each of the two verifiers."""
    for variant in range(VARIANTS):
        run = generated_run(name, variant)
        for sealed in (True, False):
            run.sealed = sealed
            folder = run.write(tmp_path / f"{variant} {sealed}")
            verdict = "SEALED" if sealed else "UNSEALED"
            assert judged(folder) == ((verdict, frozenset()),) * 2, verify_run.verify(folder).findings


@pytest.mark.parametrize("name", COURSES)
def test_course_ends_as_named(name: str) -> None:
    """A generated run ends with the codes of its course."""
    course = COURSES[name]
    for variant in range(VARIANTS):
        last = generated_run(name, variant).snapshots[-1]
        assert (last["fail_code"], last["reject_code"]) == (course.fail_code, course.reject_code)


def test_generated_runs_cover_the_contract() -> None:
    """The generated runs have each event written so far, order, answer, clock, layer, origin, code and retry."""
    runs = [generated_run(name, variant) for name in COURSES for variant in range(VARIANTS)]
    events = {event["event_type"] for run in runs for event in run.events}
    assert events == set(EventKind) - {"ORDER_BLOCKED", "FAULT_INJECTED"}
    orders = [order for run in runs for order in run.payloads("ORDER_SUBMITTED")]
    assert {(order["order_type"], order["time_in_force"]) for order in orders} == set(product(KINDS, TIMES_IN_FORCE))
    assert {"größer", "[REDACTED:assignment]", None} <= {order["tag"] for order in orders}
    fills = [fill for run in runs for fill in run.payloads("FILL")]
    assert {(fill["liquidity"], fill["leaves_quantity"] == "0") for fill in fills} == set(
        product(LIQUIDITIES, (True, False))
    )
    refused = {answer["reason"] for run in runs for answer in run.payloads("ORDER_REJECTED")}
    assert {"rate_limited", "seeded_reject", "unsupported_combination"} <= refused
    codes = {run.snapshots[-1][name] for run in runs for name in ("reject_code", "fail_code")}
    assert codes == {None, *RejectCode, *FailCode} - NOT_GENERATED
    configs = [run.config for run in runs]
    for name, seen in (
        ("clock_mode", CLOCK_MODES),
        ("no_live_required", ("hook", "namespace")),
        ("tick_events", ("every", "decisions")),
    ):
        assert {config[name] for config in configs} == set(seen)
    assert {config["strategy"]["origin"] for config in configs} == {*STRATEGY_ORIGINS, None}
    assert any(entry["meta"]["retries"] > 1 for run in runs for entry in run.entries("C2_SINK_WRITE_RETRY"))


@pytest.mark.parametrize(("name", "layer", "kept"), CASES)
def test_published_run_is_clean(tmp_path: Path, name: str, layer: str, kept: bool) -> None:
    """A published run of a strategy file, in each layer and however it ends, is without findings for both verifiers."""
    folder = published(tmp_path, name, layer, kept)
    assert (folder / STRATEGY).exists() == kept
    assert judged(folder) == (("SEALED", frozenset()),) * 2, verify_run.verify(folder).findings
