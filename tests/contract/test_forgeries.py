"""A forgery in which every hash fits is found by both verifiers, or by the second and the replay."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import verify_run

from c2lib.app import verify as c2lib_verify
from tests.contract.forgeries import COUNTERS, FORGERIES, MANIFESTS, Forgery, with_digest
from tests.contract.judges import assert_both_find, judged
from tests.contract.vectors import good_run
from tests.witness.sample_runs import AUDIT, EVENTS, MANIFEST, METRICS, Run


@pytest.mark.parametrize("name", FORGERIES)
def test_forgery_is_found(tmp_path: Path, name: str) -> None:
    """A forgery with ids, hashes, chain and manifest made to fit is found by each of the two verifiers."""
    forgery = FORGERIES[name]
    assert_both_find(forged(forgery, tmp_path), forgery.file)


def forged(forgery: Forgery, parent: Path) -> Path:
    """Write a forged run, in the folder of the run that it was."""
    run = good_run(forgery.base)
    forgery.change(run)
    run.rehash()
    return run.write(parent)


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("base", ["completed", "wild, latency", "retried", "rail tripped"])
def test_wrong_counter_is_found(tmp_path: Path, base: str, counter: str) -> None:
    """A counter that does not fit the log is found by each of the two verifiers, even when sealed again."""
    run = good_run(base)
    run.metrics[counter] += 1000
    assert_both_find(run.write(tmp_path), METRICS)


@pytest.mark.parametrize("counter", ["orders_cancel_total", "orders_query_total"])
def test_counter_below_bound_is_found(tmp_path: Path, counter: str) -> None:
    """A counter below the least number that the log shows is found by each of the two verifiers."""
    run = good_run("cancelled")
    run.metrics[counter] = 0
    assert_both_find(run.write(tmp_path), METRICS)


@pytest.mark.parametrize("name", MANIFESTS)
def test_forged_manifest_is_found(tmp_path: Path, name: str) -> None:
    """A forged manifest with a digest that fits is found by each of the two verifiers."""
    run = good_run("completed")
    manifest = run.make_manifest({key: data for key, data in run.contents().items() if key != MANIFEST})
    MANIFESTS[name](manifest)
    run.manifest = manifest if name == "other digest" else with_digest(manifest)
    assert_both_find(run.write(tmp_path), "")


def test_broken_chain_is_found(tmp_path: Path) -> None:
    """An audit entry changed under its old hash, or under a new hash alone, is found by each of two verifiers."""
    run = good_run("completed")
    run.audit[4]["message"] = "all is well"
    assert_both_find(run.write(tmp_path / "hash"), AUDIT)
    run.audit[4]["entry_hash"] = verify_run.digest(run.audit[4], "entry_hash")
    assert_both_find(run.write(tmp_path / "chain"), AUDIT)


def test_unchanged_id_is_found(tmp_path: Path) -> None:
    """An event that was changed and keeps its event_id is found by each of the two verifiers."""
    run = good_run("completed")
    run.events[1]["payload"]["close"] = "1"
    assert_both_find(run.write(tmp_path), EVENTS)


def test_removed_manifest_hides_nothing(tmp_path: Path) -> None:
    """A forgery without a manifest is UNSEALED and is still found by each of the two verifiers."""
    run = good_run("completed")
    run.payloads("FILL")[0]["quantity"] = "2"
    run.rehash()
    run.sealed = False
    folder = run.write(tmp_path)
    assert_both_find(folder, EVENTS)
    assert judged(folder)[1].verdict == "UNSEALED"


class Stricter(NamedTuple):
    """A forgery that the second verifier finds in the log alone, and why c2lib's witness leaves it to the replay."""

    base: str
    why: str
    change: Callable[[Run], object]


def _renamed(run: Run) -> None:
    for event in run.events:
        if "client_order_id" in event["payload"]:
            event["payload"]["client_order_id"] = "x" + event["payload"]["client_order_id"]


def _two_checks_swapped(run: Run) -> None:
    first, second = run.entries("C2_PREFLIGHT_CHECK")[:2]
    first["meta"], second["meta"] = second["meta"], first["meta"]


def _fee_moved(run: Run) -> None:
    first, second = run.payloads("FILL")[:2]
    first["fee"], second["fee"] = second["fee"], first["fee"]


def _undecided(run: Run) -> None:
    for tick in run.payloads("STRATEGY_TICK"):
        tick["decision"] = "HOLD"


_NAMES, _DECISIONS = "names are the session's and the venue's to give", "decisions are the strategy's"
_CONTROL, _INPUTS = (
    "what an entry says beside the path of phases comes from the session",
    "inputs are what a replay is fed",
)

SECOND_ALONE: Mapping[str, Stricter] = {
    "orders of other names": Stricter("completed", _NAMES, _renamed),
    "fill of another name": Stricter(
        "completed", _NAMES, lambda run: run.payloads("FILL")[0].update(fill_id="f-000077")
    ),
    "orders that nobody decided": Stricter("completed", _DECISIONS, _undecided),
    "decision of no known word": Stricter(
        "completed", _DECISIONS, lambda run: run.payloads("STRATEGY_TICK")[0].update(decision="DANCE")
    ),
    "fees changed places": Stricter("completed", "the fees add up, by liquidity", _fee_moved),
    "checks in another order": Stricter("completed", _CONTROL, _two_checks_swapped),
    "gate told as open": Stricter("completed", _CONTROL, lambda run: run.audit[0]["meta"].update(enabled=True)),
    "reason of a rejection": Stricter(
        "rejected", _CONTROL, lambda run: run.entries("C2_REJECT_ALLOWLIST_MISSING")[0].update(message="a whim")
    ),
    "retries of the broker": Stricter(
        "completed",
        "no event shows a call that was tried again",
        lambda run: run.metrics.update(retry_attempts_total=4),
    ),
    "clock read before": Stricter(
        "completed", _INPUTS, lambda run: run.inputs.update(clock_readings=[[0, "2025-01-01T00:00:00+00:00"]])
    ),
    "cancel that was never asked for": Stricter(
        "completed", _INPUTS, lambda run: run.inputs.update(cancel={"step": 12, "reason": "x"})
    ),
}
"""Where the second verifier is stricter than c2lib's witness: the rules stand in the contract, the replay sees them."""


@pytest.mark.parametrize("name", SECOND_ALONE)
def test_replay_finds_stricter_rules(tmp_path: Path, name: str) -> None:
    """What only the second verifier finds in a log is found by c2lib's replay."""
    run = good_run(SECOND_ALONE[name].base)
    SECOND_ALONE[name].change(run)
    run.rehash()
    folder = run.write(tmp_path)
    first, second = judged(folder)
    assert not second.clean
    assert first.clean, "the witness finds it as well: it belongs to the forgeries"
    assert not c2lib_verify.verify_run(folder, replay=True).ok


def test_replay_finds_untraced_counts(tmp_path: Path) -> None:
    """A wrong count that leaves no trace in the log is named as unchecked and is found by c2lib's replay."""
    run = good_run("completed")
    run.metrics["orders_query_total"] += 1
    folder = run.write(tmp_path)
    assert [judgement.clean for judgement in judged(folder)] == [True, True]
    assert any("orders_query_total" in what for what in verify_run.verify(folder).unchecked)
    assert not c2lib_verify.verify_run(folder, replay=True).ok
