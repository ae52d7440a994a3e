from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.core.canon import canonical_json
from c2lib.witness.findings import FindingCode
from c2lib.witness.refold import Books, decimal_text
from tests.witness.sample_runs import Line, cancelled_run, failed_run, forged, found, make_run, tripped_run

START = {"initial_cash": "1000", "symbol": "SYNTH", "steps": 8, "clock_mode": "fixed"}
ORDER = {
    "client_order_id": "c-1",
    "symbol": "SYNTH",
    "side": "BUY",
    "order_type": "MARKET",
    "quantity": "3",
    "limit_price": None,
    "stop_price": None,
    "time_in_force": "GTC",
    "bar_index": 0,
    "tag": None,
}
ANSWER = {"client_order_id": "c-1", "broker_order_id": "b-1", "reason": None, "bar_index": 0}
FILL = {
    "fill_id": "f-1",
    "client_order_id": "c-1",
    "broker_order_id": "b-1",
    "symbol": "SYNTH",
    "side": "BUY",
    "quantity": "3",
    "price": "100.5",
    "fee": "0.25",
    "liquidity": "TAKER",
    "leaves_quantity": "0",
    "bar_index": 1,
}
STOP = {
    "stop_reason": "completed",
    "steps": 1,
    "position": "0",
    "cash": "1000",
    "mark_price": "100",
    "equity": "1000",
}


def tick(index: int, close: str = "100") -> tuple[str, Line]:
    """Return a tick of a bar."""
    return "STRATEGY_TICK", {
        "bar_index": index,
        "bar_time": f"2026-01-01T00:00:{index:02d}+00:00",
        "close": close,
        "decision": "HOLD",
    }


OPENED = [
    ("SESSION_START", START),
    tick(0),
    ("ORDER_SUBMITTED", ORDER),
    ("ORDER_ACKNOWLEDGED", ANSWER),
]


def fold(*events: tuple[str, Line]) -> tuple[Books, list[str]]:
    """Return the books after ``events``, and what was reported."""
    reports: list[str] = []

    def report(code: FindingCode, expected: object, seen: object) -> None:
        reports.append(f"{code}: {expected} / {seen}")

    books = Books(report)
    for kind, payload in events:
        books.apply(kind, payload)
    return books, reports


def test_books_follow_fills() -> None:
    """Fills change cash by notional and fee and position by quantity, and equity uses the last close."""
    partly = {**FILL, "quantity": "1", "leaves_quantity": "2"}
    rest = {**FILL, "fill_id": "f-2", "quantity": "2", "liquidity": "MAKER", "fee": "0", "bar_index": 2}
    books, reports = fold(*OPENED, ("FILL", partly), tick(1), ("FILL", rest), tick(2, "101"))
    assert reports == []
    assert (books.position, books.cash, books.fees) == (Decimal(3), Decimal("698.25"), Decimal("0.25"))
    assert books.equity == Decimal("1001.25")
    assert books.transitions == 3
    assert books.fees_at({"TAKER": Decimal("0.01"), "MAKER": Decimal(0)}) == Decimal("1.005")


def test_sale_adds_cash() -> None:
    """A sale adds its notional less the fee to cash and reduces the position."""
    order, fill = {**ORDER, "side": "SELL"}, {**FILL, "side": "SELL"}
    books, reports = fold(*OPENED[:2], ("ORDER_SUBMITTED", order), OPENED[3], ("FILL", fill))
    assert reports == []
    assert (books.position, books.cash) == (Decimal(-3), Decimal("1301.25"))


@pytest.mark.parametrize(
    ("change", "report"),
    [
        ({"client_order_id": "c-2"}, "the name of an open order / c-2"),
        ({"broker_order_id": "b-2"}, "broker_order_id b-1 / b-2"),
        ({"quantity": "0", "leaves_quantity": "3"}, "a quantity above 0, at most 3 / 0"),
        ({"quantity": "4", "leaves_quantity": "-1"}, "a quantity above 0, at most 3 / 4"),
        ({"quantity": "-1", "leaves_quantity": "4"}, "a quantity above 0, at most 3 / -1"),
        ({"leaves_quantity": "1"}, "leaves_quantity 0 / 1"),
        ({"price": "-1"}, "price and fee of 0 or more / -1"),
        ({"fee": "-1"}, "price and fee of 0 or more / -1"),
        ({"side": "SELL"}, "BUY SYNTH / SELL SYNTH"),
        ({"symbol": "OTHER"}, "BUY SYNTH / BUY OTHER"),
        ({"bar_index": 0}, "a fill on a bar after 0 / 0"),
        ({"price": "500"}, "cash of 0 or more / -500.25"),
    ],
)
def test_impossible_fill_is_reported(change: Line, report: str) -> None:
    """A fill whose names, quantity, price, fee, side, symbol, bar or cash cannot be is LEDGER_WRONG."""
    _, reports = fold(*OPENED, ("FILL", {**FILL, **change}))
    assert reports == [f"LEDGER_WRONG: {report}"]


def test_repeated_fill_is_reported() -> None:
    """A second fill with the same fill_id of an open order is LEDGER_WRONG."""
    partly = {**FILL, "quantity": "1", "leaves_quantity": "2"}
    _, reports = fold(*OPENED, ("FILL", partly), ("FILL", {**partly, "leaves_quantity": "1"}))
    assert reports == ["LEDGER_WRONG: a fill that was not booked before / f-1"]


def test_orders_follow_the_table() -> None:
    """An order event that the order table does not allow in the order's state is LEDGER_WRONG."""
    submitted = OPENED[:3]
    unnamed = {**FILL, "broker_order_id": "b-1"}
    assert fold(*submitted, ("FILL", unnamed))[1] == [
        "LEDGER_WRONG: broker_order_id None / b-1",
        "LEDGER_WRONG: an order that may be FULL_FILL / one that is PENDING_NEW",
    ]
    assert fold(*OPENED, ("ORDER_ACKNOWLEDGED", ANSWER))[1] == [
        "LEDGER_WRONG: an order that may be ACKNOWLEDGED / one that is NEW"
    ]
    assert fold(*OPENED, ("FILL", FILL), ("ORDER_CANCELLED", {**ANSWER, "bar_index": 1}))[1] == [
        "LEDGER_WRONG: the name of an open order / c-1"
    ]
    assert fold(*submitted, ("ORDER_ACKNOWLEDGED", {**ANSWER, "broker_order_id": None}))[1] == [
        "LEDGER_WRONG: a broker_order_id / None"
    ]
    assert fold(("ORDER_ACKNOWLEDGED", ANSWER))[1] == ["LEDGER_WRONG: the name of an open order / c-1"]


@pytest.mark.parametrize(
    ("kind", "events", "transitions"),
    [("ORDER_CANCELLED", OPENED, 3), ("ORDER_EXPIRED", OPENED, 2)],
)
def test_unfilled_order_can_end(kind: str, events: list[tuple[str, Line]], transitions: int) -> None:
    """An acknowledged order may end unfilled, by a cancel of two transitions or an expiry of one."""
    books, reports = fold(*events, (kind, ANSWER), ("SESSION_STOP", STOP))
    assert reports == []
    assert books.transitions == transitions


def test_unasked_cancel_has_one_transition() -> None:
    """An ORDER_CANCELLED for want of cash counts as one transition and as no cancel that was asked for."""
    books, reports = fold(*OPENED, ("ORDER_CANCELLED", {**ANSWER, "reason": "insufficient_funds"}))
    assert reports == []
    assert (books.transitions, books.cancels_asked) == (2, 0)
    asked = fold(*OPENED, ("ORDER_CANCELLED", {**ANSWER, "reason": "strategy"}))[0]
    assert (asked.transitions, asked.cancels_asked) == (3, 1)


LACKING = ("ORDER_CANCELLED", {**ANSWER, "reason": "insufficient_funds", "bar_index": 1})


@pytest.mark.parametrize(
    ("terms", "rate"),
    [
        # cash is 1000, and the order is for 3
        ({"order_type": "LIMIT", "limit_price": "100"}, Fraction(7, 3)),
        ({"order_type": "LIMIT", "limit_price": "333.5"}, Fraction(1000, 1) / Fraction("1000.5") - 1),
        ({"order_type": "STOP_LIMIT", "limit_price": "100", "stop_price": "90"}, Fraction(7, 3)),
        ({"order_type": "STOP", "stop_price": "90"}, Fraction(-1)),
        ({}, Fraction(-1)),
        ({"side": "SELL"}, Fraction(1)),
        ({"order_type": "LIMIT", "limit_price": "0"}, Fraction(-1)),
    ],
)
def test_want_of_cash_needs_rate(terms: Line, rate: Fraction) -> None:
    """An end for want of cash asks for a fee rate above which the dearest next fill was not covered."""
    placed = ("ORDER_SUBMITTED", {**ORDER, **terms})
    books, reports = fold(*OPENED[:2], placed, OPENED[3], LACKING)
    assert (books.uncovered, reports) == ((rate, "none" if rate == -1 else "c-1"), [])


def test_want_of_cash_precedes_sales() -> None:
    """An end for want of cash is held against its bar's least cash, since fills stand before ends."""
    buy = ("ORDER_SUBMITTED", {**ORDER, "order_type": "LIMIT", "limit_price": "400"})
    names = {"client_order_id": "c-2", "broker_order_id": "b-2"}
    sale = [
        ("ORDER_SUBMITTED", {**ORDER, "client_order_id": "c-2", "side": "SELL"}),
        ("ORDER_ACKNOWLEDGED", {**ANSWER, **names}),
    ]
    sold = ("FILL", {**FILL, **names, "side": "SELL"})
    books, reports = fold(*OPENED[:2], buy, OPENED[3], *sale, sold, LACKING)
    assert (books.uncovered, reports) == ((Fraction(1000, 1200) - 1, "c-1"), [])
    later = ("ORDER_CANCELLED", {**LACKING[1], "bar_index": 2})
    books, reports = fold(*OPENED[:2], buy, OPENED[3], *sale, sold, later)
    assert (books.uncovered, reports) == ((Fraction("1301.25") / 1200 - 1, "c-1"), [])


def test_rejected_order_has_one_transition() -> None:
    """A rejected order without a broker_order_id is correct and counts as one transition."""
    refused = {**ANSWER, "broker_order_id": None, "reason": "unsupported_order_type"}
    books, reports = fold(*OPENED[:3], ("ORDER_REJECTED", refused), ("SESSION_STOP", STOP))
    assert reports == []
    assert books.transitions == 1


@pytest.mark.parametrize(
    ("change", "report"),
    [
        ({"quantity": "0"}, "LEDGER_WRONG: a quantity above 0 / 0"),
        ({"symbol": "OTHER"}, "LEDGER_WRONG: symbol SYNTH / OTHER"),
        ({"limit_price": "1"}, "LEDGER_WRONG: the prices of a MARKET order / others"),
        ({"order_type": "STOP_LIMIT", "limit_price": "1"}, "LEDGER_WRONG: the prices of a STOP_LIMIT order / others"),
        ({"order_type": "LIMIT", "limit_price": "1"}, None),
        ({"order_type": "STOP", "stop_price": "1"}, None),
        ({"bar_index": 1}, "SEQUENCE_BROKEN: bar 0 of the last tick / 1"),
    ],
)
def test_impossible_order_is_reported(change: Line, report: str | None) -> None:
    """An order whose quantity, symbol, prices or bar cannot be is reported."""
    _, reports = fold(*OPENED[:2], ("ORDER_SUBMITTED", {**ORDER, **change}))
    assert reports == ([report] if report else [])


def test_open_orders_have_distinct_names() -> None:
    """A new order with the client_order_id of an open order is LEDGER_WRONG."""
    _, reports = fold(*OPENED, ("ORDER_SUBMITTED", ORDER))
    assert reports == ["LEDGER_WRONG: an order of another name than the open ones / c-1"]


def test_bars_only_go_forward() -> None:
    """A tick, order or answer of an earlier bar is SEQUENCE_BROKEN, and an earlier bar time is CLOCK_WENT_BACK."""
    assert fold(tick(0), tick(0))[1] == [
        "SEQUENCE_BROKEN: a bar after 0 / 0",
        "CLOCK_WENT_BACK: a bar after 2026-01-01T00:00:00+00:00 / 2026-01-01T00:00:00+00:00",
    ]
    late = {**tick(2)[1], "bar_time": "2025-01-01T00:00:00+00:00"}
    assert fold(tick(1), ("STRATEGY_TICK", late))[1] == [
        "CLOCK_WENT_BACK: a bar after 2026-01-01T00:00:01+00:00 / 2025-01-01T00:00:00+00:00"
    ]
    assert fold(*OPENED, tick(1), ("ORDER_CANCELLED", ANSWER))[1] == ["SEQUENCE_BROKEN: bar 1 or a later one / 0"]
    assert fold(tick(0), tick(2))[0].every_bar_ticked is False


@pytest.mark.parametrize(
    ("change", "report"),
    [
        ({"position": "1"}, "position 0 / 1"),
        ({"cash": "1001"}, "cash 1000 / 1001"),
        ({"equity": "1001"}, "equity 1000 / 1001"),
        ({"mark_price": "101"}, "mark_price 100 / 101"),
        ({"mark_price": None}, "a mark_price when a bar was seen, else none / None"),
        ({"steps": 2, "mark_price": "101"}, None),
        ({"stop_reason": "failed", "mark_price": "101"}, None),
        ({"stop_reason": "failed", "steps": 0, "mark_price": "101"}, "mark_price 100 / 101"),
    ],
)
def test_stop_event_matches_books(change: Line, report: str | None) -> None:
    """A SESSION_STOP whose position, cash, equity or mark price differs from the books is LEDGER_WRONG."""
    _, reports = fold(*OPENED[:2], ("SESSION_STOP", {**STOP, **change}))
    assert reports == ([f"LEDGER_WRONG: {report}"] if report else [])


def test_early_stop_has_no_mark() -> None:
    """A SESSION_STOP before the first bar must have no mark price, with equity equal to cash."""
    stop = {**STOP, "steps": 0}
    assert fold(OPENED[0], ("SESSION_STOP", {**stop, "mark_price": None}))[1] == []
    assert fold(OPENED[0], ("SESSION_STOP", stop))[1] == [
        "LEDGER_WRONG: a mark_price when a bar was seen, else none / 100"
    ]


def test_only_failed_session_leaves_orders() -> None:
    """An order open at SESSION_STOP is LEDGER_WRONG unless the session failed."""
    assert fold(*OPENED, ("SESSION_STOP", STOP))[1] == ["LEDGER_WRONG: no open order / 1, the first c-1"]
    assert fold(*OPENED, ("SESSION_STOP", {**STOP, "stop_reason": "failed"}))[1] == []


def test_long_numbers_are_exact() -> None:
    """Cash and equity are exact for numbers of 400 digits."""
    small, large = "0." + "0" * 397 + "1", "9" * 400
    order = {**ORDER, "quantity": large}
    fill = {**FILL, "quantity": large, "price": small, "fee": "0"}
    start = {**START, "initial_cash": large}
    books, reports = fold(
        ("SESSION_START", start), tick(0), ("ORDER_SUBMITTED", order), OPENED[3], ("FILL", fill), tick(1, large)
    )
    assert reports == []
    cash = 10**398 * int(large) - int(large)
    assert decimal_text(books.cash).replace(".", "") == str(cash)
    assert decimal_text(books.equity).replace(".", "") == str(cash + 10**398 * int(large) ** 2)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9))
def test_decimal_text_is_canonical(value: Decimal) -> None:
    """The text of a decimal has the same value and no exponent, no trailing zero and no minus zero."""
    text = decimal_text(value)
    assert Decimal(text) == value
    assert text != "-0"
    assert "e" not in text.lower()
    assert not (("." in text) and text.endswith(("0", ".")))


def test_ended_orders_leave_no_memory() -> None:
    """Orders that ended leave nothing in the books, so that memory depends on the open orders alone."""
    books, reports = fold(OPENED[0], tick(0))
    for number in range(1000):
        name = {"client_order_id": f"c-{number}"}
        books.apply("ORDER_SUBMITTED", {**ORDER, **name})
        books.apply("ORDER_ACKNOWLEDGED", {**ANSWER, **name})
        books.apply("ORDER_CANCELLED", {**ANSWER, **name})
    assert reports == []
    assert not books.open_orders


def change_fill(**change: Any) -> Any:
    """Return a forgery of the first fill."""

    def forge(run: Any) -> None:
        run.payloads("FILL")[0].update(change)

    return forge


def change_stop(**change: Any) -> Any:
    """Return a forgery of the last event."""

    def forge(run: Any) -> None:
        run.payloads("SESSION_STOP")[0].update(change)

    return forge


FORGERIES = {
    "price": change_fill(price="90"),
    "fee": change_fill(fee="0"),
    "liquidity": change_fill(liquidity="MAKER"),
    "leaves": change_fill(leaves_quantity="1"),
    "quantity": change_fill(quantity="2"),
    "look-ahead": change_fill(bar_index=0),
    "cash": change_stop(cash="1000000"),
    "equity": change_stop(equity="1000000"),
    "position": change_stop(position="0"),
    "mark": change_stop(mark_price="200"),
    "initial cash": lambda run: run.payloads("SESSION_START")[0].update(initial_cash="1000000"),
    "last close": lambda run: run.payloads("STRATEGY_TICK")[-1].update(close="200"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_refold_finds_forgeries(name: str, tmp_path: Path) -> None:
    """Forged prices, fees, quantities and balances are found by refolding although all hashes fit."""
    run = make_run()
    FORGERIES[name](run)
    codes = found(forged(run, tmp_path))
    assert codes
    assert {code.split()[0] for code in codes} <= {"LEDGER_WRONG", "COUNTER_WRONG", "CONFIG_HASH_WRONG"}


@pytest.mark.parametrize("make", [make_run, cancelled_run, failed_run, tripped_run])
def test_books_match_real_session(make: Any, tmp_path: Path) -> None:
    """The witness computes the same position, cash, equity and mark price as the session recorded."""
    run = make()
    examination = forged(run, tmp_path)
    stop = run.payloads("SESSION_STOP")[0]
    summary = examination.summary
    assert examination.findings == ()
    assert (summary.position, summary.cash, summary.equity) == (stop["position"], stop["cash"], stop["equity"])
    assert canonical_json(summary.mark_price) == canonical_json(stop["mark_price"])
