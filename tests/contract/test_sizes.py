"""The largest orders, prices and grids keep every artifact in its contract; a larger order is refused by name."""

from pathlib import Path
from typing import Any

import pytest
import verify_run

from c2lib.core.canon import MAX_INTEGER
from c2lib.core.model import Bar, OrderIntent
from tests.contract.judges import judged
from tests.session.harness import Bars
from tests.witness.sample_runs import Run, make_run, scripted

FINE, COARSE = "0." + "0" * 58 + "1", "9" * 60
TALL = [Bar(i, 1_767_225_600_000_000 + i * 60_000_000, *[MAX_INTEGER] * 5) for i in range(6)]


def sold(tmp_path: Path, intent: OrderIntent, tick: str, lot: str, **broker: Any) -> Run:
    """Give the same order on each of six bars at the largest price; both verifiers find nothing in the run."""
    broker = {"taker_fee_rate": FINE, "maker_fee_rate": FINE, "initial_cash": "9" * 60, **broker}
    run = make_run(
        strategy=scripted({bar: [intent] for bar in range(6)}),
        data=Bars(TALL, tick_size=tick),
        steps=6,
        market={"lot_size": lot},
        broker=broker,
        limits={"min_equity": "-" + "9" * 60},
    )
    assert judged(run.write(tmp_path)) == (("SEALED", frozenset()),) * 2, verify_run.verify(tmp_path / run.run_id)
    return run


@pytest.mark.parametrize("tick", [FINE, "1", COARSE])
@pytest.mark.parametrize("lot", [FINE, "1", COARSE])
def test_largest_orders_stay_in_contract(tmp_path: Path, tick: str, lot: str) -> None:
    """The largest short on the finest and the coarsest grid is booked exactly, until its fees alone trip min_equity."""
    run = sold(tmp_path, OrderIntent("SELL", MAX_INTEGER), tick, lot)
    tripped = [payload["rail"] for payload in run.payloads("RAIL_TRIPPED")]
    assert (len(run.payloads("FILL")), tripped) == ((1, ["min_equity"]) if tick == lot == COARSE else (5, []))


@pytest.mark.parametrize("lot", ["1", COARSE])
def test_largest_purchase_is_not_covered(tmp_path: Path, lot: str) -> None:
    """The largest purchase is cancelled for want of cash, and the session goes on."""
    run = sold(tmp_path, OrderIntent("BUY", MAX_INTEGER, "LIMIT", MAX_INTEGER), COARSE, lot)
    assert run.status == "COMPLETED"
    assert {payload["reason"] for payload in run.payloads("ORDER_CANCELLED")[:-1]} == {"insufficient_funds"}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"quantity": MAX_INTEGER + 1}, "quantity must be a whole number of lots, 1 to 2**53 - 1"),
        ({"quantity": 10**5000}, "quantity must be a whole number of lots, 1 to 2**53 - 1"),
        ({"limit_price": MAX_INTEGER + 1, "order_type": "LIMIT"}, "whole ticks, 1 to 2**53 - 1"),
    ],
)
def test_absurd_size_is_refused(tmp_path: Path, values: Any, named: str) -> None:
    """An order beyond the bound ends the session with a reason that names the field and its bound."""
    run = sold(tmp_path, OrderIntent("SELL", 1)._replace(**values), "1", "1")
    assert run.snapshots[-1]["fail_code"] == "C2_ABORT_EXCEPTION"
    assert named in run.snapshots[-1]["fail_reason"]
    assert run.payloads("ORDER_SUBMITTED") == []
