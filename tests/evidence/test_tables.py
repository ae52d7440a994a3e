from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.errors import ConfigError
from c2lib.evidence.markdown import aligned, events_table
from tests.evidence.runs import series_of


def test_the_events_of_a_run_stand_in_the_order_of_the_log() -> None:
    """Bars, orders and fills are merged by ts_sim, and what is left out is counted."""
    assert events_table(series_of(8), limit=5).split("\n") == [
        "ts_sim  bar  event            detail",
        "------  ---  ---------------  -------------------------------------------",
        "1       0    STRATEGY_TICK    2026-01-01T00:00:00+00:00 close 100.00 HOLD",
        "2       1    STRATEGY_TICK    2026-01-01T00:01:00+00:00 close 100.64 BUY",
        "3       1    ORDER_SUBMITTED  BUY 1 run_demo_001-0",
        "4       2    FILL             BUY 1 at 100.53, fee 0.02, run_demo_001-0",
        "5       2    STRATEGY_TICK    2026-01-01T00:02:00+00:00 close 100.50 HOLD",
        "... 7 more",
    ]


def test_a_table_with_room_for_all_says_nothing_more() -> None:
    """Twelve events and a limit of twelve leave nothing out; no events leave the header."""
    assert "more" not in events_table(series_of(8), limit=12)
    assert events_table(series_of(0)) == "ts_sim  bar  event  detail\n------  ---  -----  ------"


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    """A table of no rows would hide the run."""
    with pytest.raises(ConfigError, match="limit"):
        events_table(series_of(1), limit)


@settings(max_examples=80)
@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=4))
def test_a_row_is_a_line_whatever_it_holds(rows: list[tuple[str, str]]) -> None:
    """No value breaks a line, hides behind a control or leaves a blank at the end."""
    text = aligned(("one", "two"), rows)
    assert text.splitlines() == text.split("\n")
    assert len(text.split("\n")) == len(rows) + 2
    assert all(line == line.rstrip() for line in text.split("\n"))


def test_a_hostile_name_cannot_forge_an_event() -> None:
    """A newline in an order's name is shown, not obeyed."""
    series = series_of(3)
    orders = tuple(replace(order, client_order_id="x\n99 FILL forged") for order in series.orders)
    text = events_table(replace(series, orders=orders))
    assert len(text.split("\n")) == len(events_table(series).split("\n"))
    assert "x[U+000A]99 FILL forged" in text
