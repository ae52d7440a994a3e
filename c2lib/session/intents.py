"""What a strategy may answer, checked before any of it is acted upon.

Rules kept here:

* a strategy is foreign code: every part of its answer is looked at, by exact type, since a ``True`` is no lot;
* the decision that a tick shows is a function of the answer.

>>> decision_of(checked_intents([OrderIntent("BUY", 1)]))
'BUY'
"""

from __future__ import annotations

from collections.abc import Sequence

from c2lib.core.contract import ORDER_TYPES, SIDES, TIMES_IN_FORCE
from c2lib.core.errors import StrategyError
from c2lib.core.model import CancelIntent, OrderIntent

HOLD = "HOLD"
"""Decision of a bar on which nothing was wanted."""

_CANCEL = "CANCEL"
_PRICED = {"MARKET": (False, False), "LIMIT": (True, False), "STOP": (False, True), "STOP_LIMIT": (True, True)}


def _intent_problem(intent: object) -> str | None:
    if isinstance(intent, CancelIntent):
        return None if isinstance(intent.client_order_id, str) else "client_order_id is not text"
    if not isinstance(intent, OrderIntent):
        return f"{type(intent).__name__} is neither OrderIntent nor CancelIntent"
    if intent.side not in SIDES or intent.order_type not in ORDER_TYPES or intent.time_in_force not in TIMES_IN_FORCE:
        return "side, order_type or time_in_force is none of the known words"
    if type(intent.quantity) is not int or intent.quantity < 1:
        return "quantity must be a whole number of lots, 1 or more"
    for price, wanted in zip((intent.limit_price, intent.stop_price), _PRICED[intent.order_type], strict=True):
        if (price is not None) != wanted or (wanted and (type(price) is not int or price < 1)):
            return f"a {intent.order_type} order has the wrong prices; they are whole ticks, 1 or more"
    return None if intent.tag is None or isinstance(intent.tag, str) else "tag is not text"


def checked_intents(intents: object) -> Sequence[OrderIntent | CancelIntent]:
    """Return a strategy's answer as it is, or raise :class:`StrategyError` saying what is wrong with it."""
    if not isinstance(intents, list | tuple):
        raise StrategyError(f"on_bar must return a list or tuple of intents, not {type(intents).__name__}")
    for intent in intents:
        problem = _intent_problem(intent)
        if problem:
            raise StrategyError(f"on_bar returned an intent that cannot be used: {problem}")
    return intents


def decision_of(intents: Sequence[OrderIntent | CancelIntent]) -> str:
    """Return what a tick says of an answer: ``BUY``, ``SELL``, ``CANCEL``, several joined by ``+``."""
    return "+".join([intent.side if isinstance(intent, OrderIntent) else _CANCEL for intent in intents])
