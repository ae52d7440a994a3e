"""The events of one step of two runs, each beside the one that stands for it."""

from collections.abc import Sequence

import pytest

from c2lib.witness import align as module
from c2lib.witness.align import Alignment, Line
from tests.witness.event_lines import event, fill, order, tick


def names(alignment: Alignment, a: Sequence[Line], b: Sequence[Line]) -> list[tuple[str | None, str | None]]:
    """Return what stands side by side, by the names of the orders."""
    return [
        (left and left.payload["client_order_id"], right and right.payload["client_order_id"])
        for left, right in alignment.pairs(a, b)
    ]


def test_orders_match_by_terms() -> None:
    """Orders of one bar match by their terms, then by their direction, and the rest have no counterpart."""
    a = [order("a1", 1), order("a2", 1, "SELL"), order("a3", 1, quantity="7")]
    b = [order("b1", 1, quantity="9"), order("b2", 1), order("b3", 1, quantity="8")]
    assert names(Alignment(), a, b) == [("a1", "b2"), ("a2", None), ("a3", "b1"), (None, "b3")]


def test_fills_follow_their_order() -> None:
    """Later events of matched orders match each other, whatever the names of the orders."""
    alignment = Alignment()
    alignment.pairs([order("a1", 1), order("a2", 1, "SELL")], [order("b1", 1, "SELL"), order("b2", 1)])
    found = names(alignment, [fill("a1", 2, leaves="1"), fill("a2", 2)], [fill("b1", 2), fill("b2", 2, leaves="1")])
    assert found == [("a1", "b2"), ("a2", "b1")]
    assert names(alignment, [fill("a1", 3)], [fill("b2", 3)]) == [("a1", "b2")]


def test_ended_orders_are_forgotten() -> None:
    """An event of an order that has ended is matched by its client_order_id, as for an order that was never sent."""
    alignment = Alignment()
    alignment.pairs([order("x", 1), order("y", 1)], [order("x", 1), order("z", 1)])
    for kind, name in (("ORDER_CANCELLED", "x"), ("ORDER_REJECTED", "z")):
        alignment.pairs([], [event(kind, 1, client_order_id=name)])
    assert names(alignment, [], [fill("x", 2), fill("z", 2)]) == [(None, "x"), (None, "z")]
    assert names(alignment, [fill("y", 2)], [fill("z", 2)]) == [("y", None), (None, "z")]
    assert names(alignment, [fill("y", 2)], [fill("y", 2)]) == [("y", "y")]


def test_unknown_orders_match_by_name() -> None:
    """Events of orders that were never sent match by their client_order_id, where the events have one."""
    long = "n" * 1000
    a, b = [fill("u", 1), fill(long, 1)], [fill(long, 1), fill("v", 1)]
    alignment = Alignment()
    alignment.pairs([event("ORDER_SUBMITTED", 0, client_order_id=5)], [])
    assert names(alignment, a, b) == [("u", None), (long, long), (None, "v")]


def test_other_events_match_by_kind() -> None:
    """Other events match by kind and position: the n-th of a kind with the n-th of the same kind."""
    a = [event("NOTE", text="1"), event("NOTE", text="2"), event("ODD", client_order_id=5)]
    b = [event("ODD", client_order_id=6), event("NOTE", text="1")]
    pairs = Alignment().pairs(a, b)
    assert [(left and left.kind, right and right.kind) for left, right in pairs] == [
        ("NOTE", "NOTE"),
        ("NOTE", None),
        ("ODD", "ODD"),
    ]


def test_lone_ticks_match() -> None:
    """The only tick of a bar matches the only tick of the same bar."""
    assert Alignment().pairs([tick(1)], [tick(1, "BUY")]) == [(tick(1), tick(1, "BUY"))]


def test_open_orders_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound on open orders, the order sent first is matched by its client_order_id alone."""
    monkeypatch.setattr(module, "MAX_OPEN", 2)
    alignment = Alignment()
    for number in range(3):
        alignment.pairs([order(f"a{number}", number)], [order(f"b{number}", number)])
    assert names(alignment, [fill("a0", 5), fill("a2", 5)], [fill("b0", 5), fill("b2", 5)]) == [
        ("a0", None),
        (None, "b0"),
        ("a2", "b2"),
    ]
