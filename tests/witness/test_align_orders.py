"""The events of one step of two runs, each beside the one that stands for it."""

from collections.abc import Sequence

import pytest

from c2lib.witness import align as module
from c2lib.witness.align import Alignment, Event
from tests.witness.event_lines import event, fill, order, tick


def names(alignment: Alignment, a: Sequence[Event], b: Sequence[Event]) -> list[tuple[str | None, str | None]]:
    """Return what stands side by side, by the names of the orders."""
    return [
        (left and left.payload["client_order_id"], right and right.payload["client_order_id"])
        for left, right in alignment.pairs(a, b)
    ]


def test_orders_are_matched_by_their_terms() -> None:
    """Then by their direction; what is left has no counterpart."""
    a = [order("a1", 1), order("a2", 1, "SELL"), order("a3", 1, quantity="7")]
    b = [order("b1", 1, quantity="9"), order("b2", 1), order("b3", 1, quantity="8")]
    assert names(Alignment(), a, b) == [("a1", "b2"), ("a2", None), ("a3", "b1"), (None, "b3")]


def test_what_happens_to_an_order_follows_its_match() -> None:
    """Bars later, under other names."""
    alignment = Alignment()
    alignment.pairs([order("a1", 1), order("a2", 1, "SELL")], [order("b1", 1, "SELL"), order("b2", 1)])
    found = names(alignment, [fill("a1", 2, leaves="1"), fill("a2", 2)], [fill("b1", 2), fill("b2", 2, leaves="1")])
    assert found == [("a1", "b2"), ("a2", "b1")]
    assert names(alignment, [fill("a1", 3)], [fill("b2", 3)]) == [("a1", "b2")]


def test_an_order_that_ended_is_forgotten() -> None:
    """An event of an order that ended is matched by the name that it gives, as that of an order that nobody sent."""
    alignment = Alignment()
    alignment.pairs([order("x", 1), order("y", 1)], [order("x", 1), order("z", 1)])
    for kind, name in (("ORDER_CANCELLED", "x"), ("ORDER_REJECTED", "z")):
        alignment.pairs([], [event(kind, 1, client_order_id=name)])
    assert names(alignment, [], [fill("x", 2), fill("z", 2)]) == [(None, "x"), (None, "z")]
    assert names(alignment, [fill("y", 2)], [fill("z", 2)]) == [("y", None), (None, "z")]
    assert names(alignment, [fill("y", 2)], [fill("y", 2)]) == [("y", "y")]


def test_events_of_orders_that_nobody_sent_are_matched_by_name() -> None:
    """As far as there is one."""
    long = "n" * 1000
    a, b = [fill("u", 1), fill(long, 1)], [fill(long, 1), fill("v", 1)]
    alignment = Alignment()
    alignment.pairs([event("ORDER_SUBMITTED", 0, client_order_id=5)], [])
    assert names(alignment, a, b) == [("u", None), (long, long), (None, "v")]


def test_everything_else_is_matched_by_its_kind() -> None:
    """The n-th with the n-th, in the order of their places."""
    a = [event("NOTE", text="1"), event("NOTE", text="2"), event("ODD", client_order_id=5)]
    b = [event("ODD", client_order_id=6), event("NOTE", text="1")]
    pairs = Alignment().pairs(a, b)
    assert [(left and left.kind, right and right.kind) for left, right in pairs] == [
        ("NOTE", "NOTE"),
        ("NOTE", None),
        ("ODD", "ODD"),
    ]


def test_a_lone_tick_stands_beside_a_lone_tick() -> None:
    """The usual step of a quiet bar."""
    assert Alignment().pairs([tick(1)], [tick(1, "BUY")]) == [(tick(1), tick(1, "BUY"))]


def test_open_orders_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was sent first is then known by its name alone."""
    monkeypatch.setattr(module, "MAX_OPEN", 2)
    alignment = Alignment()
    for number in range(3):
        alignment.pairs([order(f"a{number}", number)], [order(f"b{number}", number)])
    assert names(alignment, [fill("a0", 5), fill("a2", 5)], [fill("b0", 5), fill("b2", 5)]) == [
        ("a0", None),
        (None, "b0"),
        ("a2", "b2"),
    ]
