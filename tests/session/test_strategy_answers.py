import re
from typing import Any

import pytest

from c2lib.core.contract import IDENTIFIER_PATTERN
from c2lib.core.errors import StrategyError
from c2lib.core.model import Bar, CancelIntent, OrderIntent, PositionView, StrategySettings
from c2lib.session.strategy import CheckedStrategy, Decision, decision_of
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
    """A list that shows another content at each look."""

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
        self.checked = CheckedStrategy(self._made, StrategySettings(1, "SYNTH", "0.01", "1"))

    def _made(self, _settings: StrategySettings) -> Scripted:
        return Scripted(lambda bar, view: self._answer)

    def decision(self, answer: Any) -> Decision:
        """Return what becomes of an answer."""
        self._answer = answer
        return self.checked.decide(BAR, PositionView(0, ()))


@pytest.mark.parametrize("answer", [None, [], (), [BUY], (SELL, CANCEL)])
def test_lists_and_tuples_are_answers(answer: Any) -> None:
    """Nothing, or a list or tuple of intents, comes back as what is acted upon."""
    assert list(Asked().decision(answer).intents) == list(answer or [])


def test_checked_intents_are_a_copy() -> None:
    """A strategy that keeps its list and changes it later changes nothing of what is acted upon."""
    answer = [BUY]
    checked = decision_of(answer).intents
    answer.append(SELL)
    assert list(checked) == [BUY]


@pytest.mark.parametrize(
    "answer",
    [5, 0, False, "", "BUY", b"", {}, {BUY}, BUY, iter([BUY]), TwoFaced([0, 1]), float("nan"), object(), [[BUY]]],
)
def test_anything_else_is_no_answer(answer: Any) -> None:
    """Falsy rubbish is no hold, and a bare intent no list."""
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
    ],
)
def test_every_part_of_an_intent_is_looked_at(intent: Any) -> None:
    """One bad intent spoils the answer, whatever stands before it."""
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
        CancelIntent(""),
    ],
)
def test_what_is_well_formed_passes(intent: Any) -> None:
    """Whether the venue can do it is the venue's to say."""
    assert decision_of([intent]).intents == (intent,)


@pytest.mark.parametrize(
    ("intents", "words"),
    [([], "HOLD"), ([BUY], "BUY"), ([SELL, BUY], "SELL+BUY"), ([CANCEL, BUY, CANCEL], "CANCEL+BUY")],
)
def test_decisions_name_their_intents(intents: list[Any], words: str) -> None:
    """A decision has a word for each kind of intent, once, in the order in which it came first."""
    assert decision_of(intents).words == words


def test_a_decision_fits_its_field_however_long_the_answer_is() -> None:
    """The field is an identifier of at most 128 characters."""
    assert re.fullmatch(IDENTIFIER_PATTERN, decision_of([BUY, SELL, CANCEL] * 1000).words)


def test_good_tuples_are_remembered() -> None:
    """A tuple that was found good gives the same decision again, without another check."""
    asked, answer = Asked(), (BUY, CANCEL)
    first = asked.decision(answer)
    assert (list(first.intents), first.words) == ([BUY, CANCEL], "BUY+CANCEL")
    assert asked.decision(answer) is first


def test_lists_are_checked_anew() -> None:
    """A list can change: remembering it would act upon what the strategy no longer wants."""
    asked, answer = Asked(), [BUY]
    assert asked.decision(answer).words == "BUY"
    answer[0] = SELL
    assert asked.decision(answer).words == "SELL"
    answer[0] = unchecked(quantity=0)
    with pytest.raises(StrategyError):
        asked.decision(answer)


def test_equal_tuples_are_checked_too() -> None:
    """``True == 1``, so a tuple is known by its identity and not by what it equals."""
    asked = Asked()
    assert asked.decision((BUY,)).words == "BUY"
    with pytest.raises(StrategyError):
        asked.decision((unchecked(quantity=True),))


def test_few_tuples_are_remembered() -> None:
    """However many tuples a strategy makes, each is read right and memory stays bounded."""
    asked = Asked()
    for number in range(1, 1000):
        (intent,) = asked.decision((OrderIntent("BUY", number),)).intents
        assert isinstance(intent, OrderIntent)
        assert intent.quantity == number
    assert len(asked.checked._known) <= 64
