"""The built-in strategies, and how any strategy reaches a session.

Rules kept here:

* nothing is discovered: a strategy is built in, or a class that the caller handed over;
* a strategy is made anew for each session, from its settings alone, so that no state leaks from run to run;
* arithmetic on ticks is integer arithmetic, so that a comparison never depends on the machine.

>>> sorted(BUILT_IN)
['sma_cross', 'strat_demo']
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from c2lib.core.canon import MAX_INTEGER
from c2lib.core.contract import ORDER_TYPES, SIDES, TIMES_IN_FORCE
from c2lib.core.errors import ConfigError, StrategyError
from c2lib.core.model import BUY, SELL, Bar, CancelIntent, OrderIntent, PositionView, Strategy, StrategySettings

Decision = Sequence[OrderIntent | CancelIntent] | None

_BUY_ONE: Decision = (OrderIntent(BUY, 1),)
_SELL_ONE: Decision = (OrderIntent(SELL, 1),)


class StratDemo:
    """Buys one lot on the first bar, then changes sides between long and flat at random, one bar in eight."""

    def __init__(self, settings: StrategySettings) -> None:
        self._draw = random.Random(settings.seed).getrandbits  # noqa: S311 - a seeded walk, no secret
        self._long = False

    def on_bar(self, bar: Bar, view: PositionView) -> Decision:
        """Return a market order when the side changes."""
        del view
        if bar.bar_index and self._draw(3):
            return None
        self._long = not self._long
        return _BUY_ONE if self._long else _SELL_ONE


class SmaCross:
    """Long one lot while the mean of the last 10 closes is above that of the last 30, else flat.

    The means are compared as ``fast_sum * 30 > slow_sum * 10``, by the running difference of the two sides; the first
    decision falls on the 30th bar.
    """

    fast, slow = 10, 30

    def __init__(self, settings: StrategySettings) -> None:
        del settings
        # closes that never were count as 0, until the 30th bar has pushed the last of them out
        self._closes = deque([0] * self.slow, maxlen=self.slow)
        self._missing = self.slow
        self._lead = 0
        self._long = False

    def on_bar(self, bar: Bar, view: PositionView) -> Decision:
        """Return a market order at a crossing."""
        del view
        closes, close = self._closes, bar.close
        leaves_fast = closes[-self.fast]
        self._lead += self.slow * (close - leaves_fast) - self.fast * (close - closes[0])
        closes.append(close)
        if self._missing:
            self._missing -= 1
            if self._missing:
                return None
        above = self._lead > 0
        if above == self._long:
            return None
        self._long = above
        return _BUY_ONE if above else _SELL_ONE


StrategyFactory = Callable[[StrategySettings], Strategy]

BUILT_IN: Mapping[str, StrategyFactory] = {"strat_demo": StratDemo, "sma_cross": SmaCross}


@dataclass(frozen=True, slots=True)
class StrategySource:
    """Where a strategy comes from: ``origin`` is ``built-in``, ``file`` or ``object``; ``sha256`` is of its source.

    The hash is ``None`` for the built-in ones, which the behaviour version stands for, and for an object
    whose source cannot be had.
    """

    origin: str
    sha256: str | None
    factory: StrategyFactory

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says of the strategy."""
        return {"origin": self.origin, "sha256": self.sha256}


def built_in_source(strategy_id: str) -> StrategySource | None:
    """Return the built-in strategy of that name, or ``None``."""
    factory = BUILT_IN.get(strategy_id)
    return StrategySource("built-in", None, factory) if factory else None


def object_source(factory: Any, source_sha256: str | None) -> StrategySource:
    """Return the source of a class handed over in Python; raise :class:`ConfigError` when it is no class or factory."""
    if not callable(factory) or hasattr(type(factory), "on_bar"):
        raise ConfigError(
            "strategy", "must be a class or factory taking StrategySettings", hint="an instance would carry state over"
        )
    return StrategySource("object", source_sha256, factory)


HOLD = "HOLD"
"""Decision of a bar on which nothing was wanted."""

_CANCEL = "CANCEL"
_PRICED = {"MARKET": (False, False), "LIMIT": (True, False), "STOP": (False, True), "STOP_LIMIT": (True, True)}


_SOUND = frozenset(
    (side, order_type, time_in_force, not limit, not stop)
    for order_type, (limit, stop) in _PRICED.items()
    for side in SIDES
    for time_in_force in TIMES_IN_FORCE
)
"""Every good combination of words and absent prices, so that a sound order is known by one look-up."""

_MOST_KNOWN = 64


def _whole(number: object) -> bool:
    return type(number) is int and 1 <= number <= MAX_INTEGER


def _is_sound(intent: OrderIntent) -> bool:
    side, quantity, order_type, limit, stop, time_in_force, tag = intent
    return (
        # only plain texts have a hash and an equality that can be trusted
        type(side) is type(order_type) is type(time_in_force) is str
        and (side, order_type, time_in_force, limit is None, stop is None) in _SOUND
        and _whole(quantity)
        and (limit is None or _whole(limit))
        and (stop is None or _whole(stop))
        and (tag is None or type(tag) is str)
    )


def _intent_problem(intent: object) -> str | None:
    if type(intent) is CancelIntent:
        return None if type(intent.client_order_id) is str else "client_order_id is not text"
    if type(intent) is not OrderIntent:
        return f"{type(intent).__name__} is neither OrderIntent nor CancelIntent"
    return None if _is_sound(intent) else _order_problem(intent)


def _order_problem(intent: OrderIntent) -> str:
    words = (intent.side, intent.order_type, intent.time_in_force)
    known = (SIDES, ORDER_TYPES, TIMES_IN_FORCE)
    if not all(type(word) is str and word in choices for word, choices in zip(words, known, strict=True)):
        return "side, order_type or time_in_force is none of the known words"
    if not _whole(intent.quantity):
        return "quantity must be a whole number of lots, 1 to 2**53 - 1"
    for price, wanted in zip((intent.limit_price, intent.stop_price), _PRICED[intent.order_type], strict=True):
        if (price is not None) != wanted or (wanted and not _whole(price)):
            return f"a {intent.order_type} order has the wrong prices; they are whole ticks, 1 to 2**53 - 1"
    return "tag is not text"


class Wanted(NamedTuple):
    """A strategy's answer as it is acted upon, and the decision that its tick shows."""

    intents: Sequence[OrderIntent | CancelIntent]
    decision: str


class AnswerReader:
    """Checks a strategy's answers.

    A tuple that was found good is known again by its identity, since it cannot have changed; the last
    few are remembered, because most strategies hand out the same ones again and again.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, Wanted]] = {}

    def read(self, answer: object) -> Wanted:
        """Return what an answer asks for, or raise :class:`StrategyError` saying what is wrong with it."""
        known = self._known.get(id(answer))
        # an identity is given again once its owner is gone, so the owner is kept and compared
        if known is not None and known[0] is answer:
            return known[1]
        intents = checked_intents(answer)
        wanted = Wanted(intents, decision_of(intents))
        if type(answer) is tuple:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[id(answer)] = answer, wanted
        return wanted


def checked_intents(answer: object) -> Sequence[OrderIntent | CancelIntent]:
    """Return the intents of a strategy's answer, or raise :class:`StrategyError` saying what is wrong with it."""
    if answer is None:
        return ()
    if type(answer) is not list and type(answer) is not tuple:
        raise StrategyError(f"on_bar must return a list or tuple of intents, not {type(answer).__name__}")
    # a copy: what was looked at is what is acted upon, whatever the strategy does to its list
    intents = tuple(answer)
    for intent in intents:
        problem = _intent_problem(intent)
        if problem:
            raise StrategyError(f"on_bar returned an intent that cannot be used: {problem}")
    return intents


def decision_of(intents: Sequence[OrderIntent | CancelIntent]) -> str:
    """Return what a tick says of intents: ``BUY``, ``SELL``, ``CANCEL``, each once, joined by ``+``; or ``HOLD``."""
    words = dict.fromkeys(intent.side if isinstance(intent, OrderIntent) else _CANCEL for intent in intents)
    return "+".join(words) or HOLD
