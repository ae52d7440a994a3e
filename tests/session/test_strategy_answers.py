import re
from typing import Any

import pytest

from c2lib.core.contract import IDENTIFIER_PATTERN
from c2lib.core.errors import StrategyError
from c2lib.core.model import Bar, CancelIntent, OrderIntent, PositionView, StrategySettings
from c2lib.session.strategy import CheckedStrategy, Decision, decision_of, object_source
from tests.session.harness import Scripted

BAR = Bar(0, 0, 100, 100, 100, 100, 1)
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
    """A list that shows another content each time it is read."""

    def __iter__(self) -> Any:
        yield BUY if self.pop() else "rubbish"


class Posing(OrderIntent):
    """An order that is not what it seems."""


def unchecked(**values: Any) -> OrderIntent:
    """Return an order with values that its types do not allow."""
    return BUY._replace(**values)


class Asked:
    """A checked strategy that answers what it is asked to."""

    def __init__(self) -> None:
        self._answer: Any = None
        self.checked = CheckedStrategy(object_source(self._made, None), StrategySettings(1, "SYNTH", "0.01", "1"))

    def _made(self, _settings: StrategySettings) -> Scripted:
        return Scripted(lambda bar, view: self._answer)

    def decision(self, answer: Any) -> Decision:
        """Return what becomes of an answer."""
        self._answer = answer
        return self.checked.decide(BAR, PositionView(0, ()))


@pytest.mark.parametrize("answer", [None, [], (), [BUY], (SELL, CANCEL)])
def test_lists_and_tuples_are_answers(answer: Any) -> None:
    """None, or a list or tuple of intents, is a valid answer, and its intents come back in order."""
    assert list(Asked().decision(answer).intents) == list(answer or [])


def test_checked_intents_are_a_copy() -> None:
    """A strategy that changes its list after answering changes none of the checked intents."""
    answer = [BUY]
    checked = decision_of(answer).intents
    answer.append(SELL)
    assert list(checked) == [BUY]


@pytest.mark.parametrize(
    "answer",
    [5, 0, False, "", "BUY", b"", {}, {BUY}, BUY, iter([BUY]), TwoFaced([0, 1]), float("nan"), object(), [[BUY]]],
)
def test_other_answers_are_refused(answer: Any) -> None:
    """Any answer but None or a plain list or tuple raises StrategyError, falsy values included."""
    with pytest.raises(StrategyError, match="on_bar"):
        decision_of(answer)


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
        CancelIntent(""),
        CancelIntent("c 1"),
        CancelIntent("c-1\n"),
        CancelIntent("ç-1"),
        CancelIntent("c" * 129),
        CancelIntent("AKIA" + "IOSFODNN7EXAMPLE"),
    ],
)
def test_malformed_intent_is_refused(intent: Any) -> None:
    """One intent with a wrong type or value in any field makes the whole answer raise StrategyError."""
    with pytest.raises(StrategyError, match="cannot be used"):
        decision_of([BUY, intent])


@pytest.mark.parametrize(
    "intent",
    [
        BUY._replace(quantity=2**53 - 1),
        BUY._replace(order_type="LIMIT", limit_price=1),
        BUY._replace(order_type="STOP", stop_price=2**53 - 1),
        BUY._replace(order_type="STOP_LIMIT", limit_price=1, stop_price=1, time_in_force="IOC"),
        BUY._replace(tag=""),
        BUY._replace(tag="\ud800"),
        CancelIntent("any/name:of^128" + "s" * 113),
    ],
)
def test_well_formed_intent_passes(intent: Any) -> None:
    """An intent of valid types and values is accepted, whether or not the venue supports such an order."""
    assert decision_of([intent]).intents == (intent,)


@pytest.mark.parametrize(
    ("intents", "words"),
    [([], "HOLD"), ([BUY], "BUY"), ([SELL, BUY], "SELL+BUY"), ([CANCEL, BUY, CANCEL], "CANCEL+BUY")],
)
def test_decisions_name_their_intents(intents: list[Any], words: str) -> None:
    """A decision has a word for each kind of intent, once, in the order of first appearance."""
    assert decision_of(intents).words == words


def test_long_decision_fits_field() -> None:
    """The words of a decision fit an identifier of 128 characters, however long the answer is."""
    assert re.fullmatch(IDENTIFIER_PATTERN, decision_of([BUY, SELL, CANCEL] * 1000).words)


def test_good_tuples_are_remembered() -> None:
    """A tuple found valid once gives the same decision object again without another check."""
    asked, answer = Asked(), (BUY, CANCEL)
    first = asked.decision(answer)
    assert (list(first.intents), first.words) == ([BUY, CANCEL], "BUY+CANCEL")
    assert asked.decision(answer) is first


def test_lists_are_checked_anew() -> None:
    """A list that is answered again is checked again, since a list can change."""
    asked, answer = Asked(), [BUY]
    assert asked.decision(answer).words == "BUY"
    answer[0] = SELL
    assert asked.decision(answer).words == "SELL"
    answer[0] = unchecked(quantity=0)
    with pytest.raises(StrategyError):
        asked.decision(answer)


def test_equal_tuples_are_checked_too() -> None:
    """A tuple that merely equals a remembered tuple is still checked, since True equals 1."""
    asked = Asked()
    assert asked.decision((BUY,)).words == "BUY"
    with pytest.raises(StrategyError):
        asked.decision((unchecked(quantity=True),))


def test_few_tuples_are_remembered() -> None:
    """A strategy's answers are all read right while at most 8 tuples are remembered."""
    asked = Asked()
    for number in range(1, 1000):
        (intent,) = asked.decision((OrderIntent("BUY", number),)).intents
        assert isinstance(intent, OrderIntent)
        assert intent.quantity == number
    assert len(asked.checked._known) <= 8
