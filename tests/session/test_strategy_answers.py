import re
from typing import Any

import pytest

from c2lib.core.contract import IDENTIFIER_PATTERN
from c2lib.core.errors import StrategyError
from c2lib.core.model import CancelIntent, OrderIntent
from c2lib.session.strategy import AnswerReader, checked_intents, decision_of

BUY, SELL, CANCEL = OrderIntent("BUY", 1), OrderIntent("SELL", 1), CancelIntent("c-1")


class Agreeing(str):
    """A text that equals everything and prints as it likes."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__

    def __format__(self, _spec: str) -> str:
        return '","forged":"'


class TwoFaced(list[Any]):
    """A list that shows another content at each look."""

    def __iter__(self) -> Any:
        yield BUY if self.pop() else "rubbish"


class Posing(OrderIntent):
    """An order that is not what it seems."""


def unchecked(**values: Any) -> OrderIntent:
    """Return an order with values that its types do not allow."""
    return BUY._replace(**values)


@pytest.mark.parametrize("answer", [None, [], (), [BUY], (SELL, CANCEL)])
def test_none_or_a_list_or_tuple_of_intents_is_an_answer(answer: Any) -> None:
    """It comes back as what is acted upon."""
    assert list(checked_intents(answer)) == list(answer or [])


def test_what_was_checked_is_what_is_acted_upon() -> None:
    """A strategy that keeps its list and changes it later changes nothing."""
    answer = [BUY]
    checked = checked_intents(answer)
    answer.append(SELL)
    assert list(checked) == [BUY]


@pytest.mark.parametrize(
    "answer",
    [5, 0, False, "", "BUY", b"", {}, {BUY}, BUY, iter([BUY]), TwoFaced([0, 1]), float("nan"), object(), [[BUY]]],
)
def test_anything_else_is_no_answer(answer: Any) -> None:
    """Falsy rubbish is no hold, and a bare intent no list."""
    with pytest.raises(StrategyError, match="on_bar"):
        checked_intents(answer)


@pytest.mark.parametrize(
    "intent",
    [
        "BUY",
        None,
        ("BUY", 1),
        Posing("BUY", 1),
        BUY._replace(side="HOLD"),
        BUY._replace(side=Agreeing("BUY")),
        unchecked(side=[]),
        BUY._replace(order_type="market"),
        BUY._replace(order_type=Agreeing("MARKET")),
        BUY._replace(time_in_force="FOREVER"),
        BUY._replace(quantity=0),
        BUY._replace(quantity=-1),
        BUY._replace(quantity=True),
        unchecked(quantity=1.0),
        unchecked(quantity="1"),
        BUY._replace(quantity=2**53),
        BUY._replace(limit_price=100),
        BUY._replace(stop_price=100),
        BUY._replace(order_type="LIMIT"),
        BUY._replace(order_type="LIMIT", limit_price=0),
        unchecked(order_type="LIMIT", limit_price=1.5),
        BUY._replace(order_type="LIMIT", limit_price=2**53),
        BUY._replace(order_type="LIMIT", limit_price=1, stop_price=1),
        BUY._replace(order_type="STOP", limit_price=1),
        BUY._replace(order_type="STOP_LIMIT", limit_price=1),
        unchecked(tag=5),
        BUY._replace(tag=Agreeing("x")),
        CancelIntent(5),  # type: ignore[arg-type] # a strategy does not ask mypy
        CancelIntent(Agreeing("c-1")),
    ],
)
def test_every_part_of_an_intent_is_looked_at(intent: Any) -> None:
    """One bad intent spoils the answer, whatever stands before it."""
    with pytest.raises(StrategyError, match="cannot be used"):
        checked_intents([BUY, intent])


@pytest.mark.parametrize(
    "intent",
    [
        BUY._replace(quantity=2**53 - 1),
        BUY._replace(order_type="LIMIT", limit_price=1),
        BUY._replace(order_type="STOP", stop_price=2**53 - 1),
        BUY._replace(order_type="STOP_LIMIT", limit_price=1, stop_price=1, time_in_force="IOC"),
        BUY._replace(tag=""),
        BUY._replace(tag="\ud800"),
        CancelIntent(""),
    ],
)
def test_what_is_well_formed_passes(intent: Any) -> None:
    """Whether the venue can do it is the venue's to say."""
    assert checked_intents([intent]) == (intent,)


@pytest.mark.parametrize(
    ("intents", "decision"),
    [([], "HOLD"), ([BUY], "BUY"), ([SELL, BUY], "SELL+BUY"), ([CANCEL, BUY, CANCEL], "CANCEL+BUY")],
)
def test_a_decision_names_what_was_wanted(intents: list[Any], decision: str) -> None:
    """Each word once, in the order in which it came first."""
    assert decision_of(intents) == decision


def test_a_decision_fits_its_field_however_long_the_answer_is() -> None:
    """The field is an identifier of at most 128 characters."""
    assert re.fullmatch(IDENTIFIER_PATTERN, decision_of([BUY, SELL, CANCEL] * 1000))


def test_a_tuple_that_was_good_is_known_again_and_read_no_more() -> None:
    """The same object gives the same answer object."""
    reader, answer = AnswerReader(), (BUY, CANCEL)
    first = reader.read(answer)
    assert (list(first.intents), first.decision) == ([BUY, CANCEL], "BUY+CANCEL")
    assert reader.read(answer) is first


def test_a_list_is_read_anew_each_time_since_it_can_change() -> None:
    """Remembering it would act upon what the strategy no longer wants."""
    reader, answer = AnswerReader(), [BUY]
    assert reader.read(answer).decision == "BUY"
    answer[0] = SELL
    assert reader.read(answer).decision == "SELL"
    answer[0] = unchecked(quantity=0)
    with pytest.raises(StrategyError):
        reader.read(answer)


def test_what_equals_a_known_answer_is_still_looked_at() -> None:
    """``True == 1``, so a tuple is known by identity and not by what it equals."""
    reader = AnswerReader()
    assert reader.read((BUY,)).decision == "BUY"
    with pytest.raises(StrategyError):
        reader.read((unchecked(quantity=True),))


def test_many_answers_are_told_apart_and_few_are_remembered() -> None:
    """However many tuples a strategy makes, each is read right and memory stays bounded."""
    reader = AnswerReader()
    for number in range(1, 1000):
        (intent,) = reader.read((OrderIntent("BUY", number),)).intents
        assert isinstance(intent, OrderIntent)
        assert intent.quantity == number
    assert len(reader._known) <= 64
