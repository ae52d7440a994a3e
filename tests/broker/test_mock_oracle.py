"""The venue against the oracle, and bugs planted into the venue, which the oracle must notice.

``HYPOTHESIS_PROFILE=long`` makes the long run.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from c2lib.broker.fill_models import StopRule
from c2lib.broker.mock import MockBroker
from c2lib.broker.orders import VenueOrder
from tests.broker.trading import Trading

_SIZES = {"dev": (60, 30), "long": (20_000, 50)}
_EXAMPLES, _STEPS = _SIZES[os.environ.get("HYPOTHESIS_PROFILE", "dev")]

TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=_EXAMPLES, stateful_step_count=_STEPS)

SEARCH = settings(max_examples=2000, stateful_step_count=30, phases=(Phase.generate,), derandomize=True, database=None)


def fill_on_the_deciding_bar(patch: pytest.MonkeyPatch) -> None:
    """Let an order that is placed meet the bar that its sender has just seen."""
    honest = MockBroker.place_order

    def place_order(self: MockBroker, request: Any) -> str:
        broker_order_id = honest(self, request)
        bar = self._bar
        if bar is not None and not self._latency:
            self._open[broker_order_id].arrives = self._step
            self._trade(bar)
        return broker_order_id

    patch.setattr(MockBroker, "place_order", place_order)


def count_a_partial_twice(patch: pytest.MonkeyPatch) -> None:
    """Let a partial fill be reported again."""
    honest = MockBroker._fill

    def fill(self: MockBroker, order: VenueOrder, *rest: Any) -> int:
        quantity = honest(self, order, *rest)
        if quantity and order.leaves:
            self._log.append(self._log.read(0)[1][-1])
        return quantity

    patch.setattr(MockBroker, "_fill", fill)


def trigger_on_the_wrong_side(patch: pytest.MonkeyPatch) -> None:
    """Let a stop trigger when the price is on the harmless side of it."""

    def reached(self: StopRule, order: VenueOrder, price: int) -> bool:
        return (price - (order.request.stop_price or 0)) * self._sign <= 0

    patch.setattr(StopRule, "_reached", reached)


def spend_without_cash(patch: pytest.MonkeyPatch) -> None:
    """Let fills go through whatever they cost."""
    honest = MockBroker.__init__

    def init(self: MockBroker, *values: Any, **options: Any) -> None:
        honest(self, *values, **options)
        self._cash = 10**30

    patch.setattr(MockBroker, "__init__", init)


def wait_for_cash(patch: pytest.MonkeyPatch) -> None:
    """Let an order that cash does not cover stay open."""
    honest = MockBroker._end

    def end(self: MockBroker, order: VenueOrder, trigger: Any, reason: str | None) -> None:
        if reason != "insufficient_funds":
            honest(self, order, trigger, reason)

    patch.setattr(MockBroker, "_end", end)


PLANTED = (
    fill_on_the_deciding_bar,
    count_a_partial_twice,
    trigger_on_the_wrong_side,
    spend_without_cash,
    wait_for_cash,
)


@pytest.mark.parametrize("plant", PLANTED)
def test_planted_bug_is_caught(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """For each planted bug, the comparison of the venue with the oracle fails by its own assertion."""
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Trading, settings=SEARCH)


def test_correct_venue_passes() -> None:
    """A search for differences between the unchanged venue and the oracle finds none."""
    run_state_machine_as_test(Trading, settings=settings(SEARCH, max_examples=40))
