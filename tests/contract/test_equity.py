"""Equity below its bound ends a session, and no log that says otherwise passes a verifier."""

from pathlib import Path
from typing import Any

import pytest
import verify_run

from c2lib.core.canon import canonical_sha256
from c2lib.core.model import OrderIntent
from tests.contract.judges import assert_both_find, judged
from tests.session.harness import flat_bars
from tests.witness.sample_runs import EVENTS, Run, make_run, scripted

SHORT = {0: [OrderIntent("SELL", 10)], 2: [OrderIntent("BUY", 1, "LIMIT", limit_price=1)]}
RISE = (1000, 1000, 1500, 2100, 2000)
"""Closes in ticks of 0.01: the equity of ten sold for 100, beside a cash of 100, falls to 50 and then to -10."""


def short(min_equity: str = "0", closes: tuple[int, ...] = RISE, **values: Any) -> Run:
    """Sell ten lots at 10.00 with a cash of 100 and hold them."""
    return make_run(
        strategy=scripted(SHORT),
        data=flat_bars(*closes),
        steps=len(closes),
        broker={"initial_cash": "100", "taker_fee_rate": "0"},
        limits={"min_equity": min_equity},
        **values,
    )


def relabelled(run: Run, min_equity: str) -> Run:
    """Seal a run under another bound, every hash made to fit."""
    run.config = {**run.config, "limits": {**run.config["limits"], "min_equity": min_equity}}
    run.payloads("SESSION_START")[0]["config_sha256"] = canonical_sha256(run.config)
    run.rehash()
    return run


@pytest.mark.parametrize("tick_events", ["every", "decisions"])
def test_bankrupt_short_fails(tmp_path: Path, tick_events: str) -> None:
    """A session whose equity falls below 0 ends at that close, before its strategy is asked, with its orders ended."""
    run = short(tick_events=tick_events)
    assert run.payloads("RAIL_TRIPPED") == [{"rail": "min_equity", "expected": "equity of 0 or more", "seen": "-10"}]
    (stop,) = run.payloads("SESSION_STOP")
    assert (stop["steps"], stop["mark_price"], stop["cash"], stop["equity"]) == (3, "21", "200", "-10")
    assert run.payloads("STRATEGY_TICK")[-1]["bar_index"] == 2
    assert [order["reason"] for order in run.payloads("ORDER_CANCELLED")] == ["session_failed"]
    last = run.snapshots[-1]
    assert (last["phase"], last["fail_code"]) == ("ERROR_REQUIRES_OPERATOR", "C2_ABORT_INVARIANT")
    assert "equity of 0 or more, seen -10" in last["fail_reason"]
    assert judged(run.write(tmp_path)) == (("SEALED", frozenset()),) * 2, verify_run.verify(tmp_path / run.run_id)


@pytest.mark.parametrize(
    ("min_equity", "closes", "status"),
    [
        ("0", (1000, 1000, 1500, 2000), "COMPLETED"),
        ("0", (1000, 1000, 1500, 2001), "FAILED"),
        ("-10", RISE, "COMPLETED"),
        ("-9.99", RISE, "FAILED"),
        ("-9.9999999999", RISE, "FAILED"),
        ("-1e50", RISE, "COMPLETED"),
        ("100", (1000, 1000), "COMPLETED"),
        ("100.0000000001", (1000, 1000), "FAILED"),
    ],
)
def test_equity_may_reach_bound(tmp_path: Path, min_equity: str, closes: tuple[int, ...], status: str) -> None:
    """Equity may reach its bound and not pass it, also a bound below 0 or finer than the money of the run."""
    run = short(min_equity, closes)
    assert run.status == status
    assert judged(run.write(tmp_path)) == (("SEALED", frozenset()),) * 2


@pytest.mark.parametrize("tick_events", ["every", "decisions"])
def test_missing_rail_is_found(tmp_path: Path, tick_events: str) -> None:
    """A log that goes on below the sealed bound is found by both verifiers."""
    run = relabelled(short("-10", RISE[:-1], tick_events=tick_events), "-5")
    assert_both_find(run.write(tmp_path), EVENTS)


@pytest.mark.parametrize(
    ("bound", "rail", "stop"),
    [
        ("-10", {"expected": "equity of -10 or more"}, {}),
        ("0", {"expected": "equity of 5 or more"}, {}),
        ("0", {"seen": "-11"}, {}),
        ("0", {}, {"mark_price": "20", "equity": "0"}),
    ],
)
def test_invented_rail_is_found(tmp_path: Path, bound: str, rail: Any, stop: Any) -> None:
    """A rail on equity that the books do not show, or at another bound than the sealed one, is found by both."""
    run = short()
    for told in (run.payloads("RAIL_TRIPPED")[0], run.entries("C2_RAIL_TRIPPED")[0]["meta"]):
        told.update(rail)
    run.payloads("SESSION_STOP")[0].update(stop)
    assert_both_find(relabelled(run, bound).write(tmp_path), EVENTS)
