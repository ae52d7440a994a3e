"""Rules of the contract that a forgery breaks among others: the second verifier names each."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import verify_run

from tests.contract.forgeries import entry, meta, payload, snapshot, without_entry
from tests.contract.vectors import good_run
from tests.witness.sample_runs import Run


class Complaint(NamedTuple):
    """A run, how it is changed, and what the second verifier must say, among other things."""

    base: str
    change: Callable[[Run], object]


def _manifest(**market: object) -> Callable[[Run], object]:
    def change(run: Run) -> None:
        run.manifest = run.make_manifest({key: run.contents()[key] for key in verify_run.SEALED})
        run.manifest["market"].update(market)

    return change


EARLIER = "2025-12-31T23:59:59+00:00"

COMPLAINTS: Mapping[str, Complaint] = {
    "no attempt was counted": Complaint("violation while stepping", meta("C2_DRYRUN_STOP", no_live_attempts=0)),
    "the failure has no entry": Complaint("failed", entry("C2_ABORT_EXCEPTION", code="C2_ABORT_INVARIANT")),
    "being failed is another": Complaint("failed", without_entry("C2_ABORT_EXCEPTION")),
    "stop_reason being failed is another": Complaint("failed", meta("C2_DRYRUN_STOP", stop_reason="completed")),
    "no check failed": Complaint("rejected", meta("C2_PREFLIGHT_CHECK", -1, passed=True)),
    "step of the cancel is another": Complaint("cancelled", meta("C2_CANCEL_REQUESTED", step=1)),
    "sink_retries falls": Complaint("retried", snapshot(1, sink_retries=99)),
    "a tick without a decision": Complaint("decisions only", payload("STRATEGY_TICK", decision="HOLD")),
    "no order followed the last decision": Complaint("completed", payload("STRATEGY_TICK", -1, decision="SELL")),
    "stop_price being there is another": Complaint("completed", payload("ORDER_SUBMITTED", stop_price="1")),
    "clock_readings being null is another": Complaint(
        "market clock", lambda run: run.inputs.update(clock_readings=[[0, EARLIER]])
    ),
    "clock_readings do not begin at 0 and grow": Complaint(
        "ticking clock", lambda run: run.inputs.update(clock_readings=[[1, EARLIER]])
    ),
    "market.source is another": Complaint("completed", _manifest(source="file")),
    "market.bars are fewer than the steps": Complaint("completed", _manifest(bars=1)),
}


@pytest.mark.parametrize("problem", COMPLAINTS)
def test_broken_rule_is_named(tmp_path: Path, problem: str) -> None:
    """The second verifier names each broken rule of the contract, among whatever else is found."""
    run = good_run(COMPLAINTS[problem].base)
    COMPLAINTS[problem].change(run)
    run.rehash()
    assert problem in {finding.problem for finding in verify_run.verify(run.write(tmp_path)).findings}
