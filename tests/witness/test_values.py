from decimal import Decimal
from typing import Any

import pytest

from c2lib.core.contract import PAYLOADS
from c2lib.core.vocabulary import EventKind
from c2lib.witness.recognise import FREQUENT_KINDS, MOST_KNOWN, SORTED_FIELDS, compile_values, number, values_of
from c2lib.witness.refold import Books
from tests.witness.sample_runs import Run, cancelled_run, make_run

RUNS = (make_run(), cancelled_run())


def texts_of(payload: dict[str, Any]) -> list[str | None]:
    """Return the texts that a pattern's groups give of a payload."""
    return [None if value is None else str(value) for _, value in sorted(payload.items())]


@pytest.mark.parametrize("run", RUNS)
def test_texts_and_payloads_come_to_the_same_values(run: Run) -> None:
    """The refold sees no difference between a line that was recognised and one that was parsed."""
    seen = set()
    for event in run.events:
        kind, payload = event["event_type"], event["payload"]
        if kind in FREQUENT_KINDS:
            seen.add(kind)
            assert compile_values(kind)(texts_of(payload)) == values_of(kind, payload)
    assert {"STRATEGY_TICK", "ORDER_SUBMITTED", "FILL"} <= seen


def test_null_stays_nothing_and_numbers_become_numbers() -> None:
    """Prices that an order does not have are no zeros."""
    values = values_of("ORDER_SUBMITTED", next(iter(make_run().payloads("ORDER_SUBMITTED"))))
    by_name = dict(zip((field.name for field in SORTED_FIELDS["ORDER_SUBMITTED"]), values, strict=True))
    assert (by_name["limit_price"], by_name["stop_price"], by_name["tag"]) == (None, None, None)
    assert by_name["quantity"] == Decimal(1)
    assert type(by_name["bar_index"]) is int


def test_what_a_payload_carries_beyond_the_contract_is_left_out() -> None:
    """It may carry more, and nobody folds it."""
    payload = make_run().payloads("STRATEGY_TICK")[0]
    assert values_of("STRATEGY_TICK", {**payload, "aside": 1}) == values_of("STRATEGY_TICK", payload)


def test_the_books_fold_exactly_the_frequent_kinds_as_values() -> None:
    """A kind that is recognised must have its fold."""
    assert set(Books(print).folds) == set(FREQUENT_KINDS)


def test_the_fields_are_those_of_the_contract() -> None:
    """Each kind has all of its fields, sorted as in a line."""
    for kind in EventKind:
        names = [field.name for field in SORTED_FIELDS[kind]]
        assert names == sorted(field.name for field in PAYLOADS[kind])


def test_remembered_texts_are_bounded() -> None:
    """Memory does not grow with a run."""
    for ticks in range(MOST_KNOWN + 10):
        assert number(f"{ticks}.5") == Decimal(ticks) + Decimal("0.5")
    info = number.cache_info()
    assert info.currsize == info.maxsize == MOST_KNOWN
