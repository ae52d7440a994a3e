from typing import Any

import pytest

from c2lib.core.errors import (
    OrderRejectedError,
)
from tests.broker.venue import free_venue, market_order, venue_of


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"side": "LEND"}, "unknown_side"),
        ({"order_type": "ICEBERG"}, "unknown_order_type"),
        ({"time_in_force": "GTD"}, "unknown_time_in_force"),
        ({"order_type": "STOP", "stop_price": 5, "time_in_force": "IOC"}, "unsupported_combination"),
        ({"quantity": 0}, "quantity_not_positive"),
        ({"order_type": "LIMIT"}, "price_missing"),
        ({"order_type": "STOP_LIMIT", "limit_price": 5}, "price_missing"),
        ({"limit_price": 5}, "price_not_wanted"),
        ({"order_type": "LIMIT", "limit_price": 0}, "price_not_positive"),
        ({"order_type": "STOP", "stop_price": -1}, "price_not_positive"),
    ],
)
def test_malformed_order_is_rejected(change: dict[str, Any], reason: str) -> None:
    """An order that the venue cannot handle is rejected with a reason and leaves nothing behind."""
    venue = free_venue()
    with pytest.raises(OrderRejectedError) as caught:
        venue.place_order(market_order("c-1")._replace(**change))
    assert caught.value.reason == reason
    assert venue.list_open_orders() == ()


def test_seed_decides_rejections() -> None:
    """Two venues of one seed reject the same orders, as many as the configured rate says."""

    def answers_at(rate: str) -> list[str]:
        venue, answers = venue_of(reject_rate=rate), []
        for number in range(400):
            try:
                venue.place_order(market_order(f"c-{number}"))
                answers.append("")
            except OrderRejectedError as error:
                answers.append(error.reason)
        return answers

    assert answers_at("0.25") == answers_at("0.25")
    assert 60 < answers_at("0.25").count("seeded_reject") < 140
    assert set(answers_at("1")) == {"seeded_reject"}
