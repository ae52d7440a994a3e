from pathlib import Path

import pytest

from c2lib.core.errors import RunPathError
from c2lib.witness.run import open_run
from tests.witness.sample_runs import EVENTS, MANIFEST, make_run


def test_a_run_is_read_as_ticks_orders_and_fills(tmp_path: Path) -> None:
    """One point each, in the log's order and words."""
    run = make_run()
    folder = run.write(tmp_path)
    series = open_run(folder, series=True).series
    assert [(bar.bar_index, bar.bar_time, bar.close, bar.decision) for bar in series.bars] == [
        (tick["bar_index"], tick["bar_time"], tick["close"], tick["decision"]) for tick in run.payloads("STRATEGY_TICK")
    ]
    assert [(order.client_order_id, order.side, order.quantity, order.bar_index) for order in series.orders] == [
        (order["client_order_id"], order["side"], order["quantity"], order["bar_index"])
        for order in run.payloads("ORDER_SUBMITTED")
    ]
    assert [(fill.client_order_id, fill.price, fill.fee, fill.quantity, fill.side) for fill in series.fills] == [
        (fill["client_order_id"], fill["price"], fill["fee"], fill["quantity"], fill["side"])
        for fill in run.payloads("FILL")
    ]
    by_number = {event["ts_sim"]: event for event in run.events}
    assert all(by_number[fill.ts_sim]["event_id"] == fill.event_id for fill in series.fills)
    assert all(by_number[bar.ts_sim]["event_type"] == "STRATEGY_TICK" for bar in series.bars)
    assert all(by_number[order.ts_sim]["event_type"] == "ORDER_SUBMITTED" for order in series.orders)
    assert series.summary == open_run(folder).summary


def test_position_and_equity_are_those_after_the_bars_fills(tmp_path: Path) -> None:
    """By the witness's arithmetic: cash after the fill, plus position at the close."""
    run = make_run()
    series = open_run(run.write(tmp_path), series=True).series
    assert [bar.position for bar in series.bars] == ["0", "1", "1", "1", "0", "1", "1", "1"]
    # bought at 100.01 for a fee of 0.020002, closed at 99.94
    assert [bar.equity for bar in series.bars[:2]] == ["100000", "99999.909998"]
    assert series.bars[-1].equity == run.payloads("SESSION_STOP")[0]["equity"]


def test_lines_that_cannot_be_used_are_left_out(tmp_path: Path) -> None:
    """The rest is drawn all the same."""
    run = make_run()
    folder = run.write(tmp_path)
    lines = (folder / EVENTS).read_bytes().splitlines(keepends=True)
    lines[1] = b"rubbish\n"
    (folder / EVENTS).write_bytes(b"".join(lines))
    (folder / MANIFEST).unlink()
    series = open_run(folder, series=True).series
    assert len(series.bars) == 7
    assert len(series.fills) == 3


@pytest.mark.parametrize("kind", ["missing", "directory"])
def test_without_events_there_is_nothing_to_draw(kind: str, tmp_path: Path) -> None:
    """That is an error, unlike in an examination."""
    folder = make_run().write(tmp_path)
    (folder / EVENTS).unlink()
    if kind == "directory":
        (folder / EVENTS).mkdir()
    with pytest.raises(RunPathError, match=r"events\.jsonl cannot be read"):
        _ = open_run(folder, series=True).series
