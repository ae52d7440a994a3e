"""The strategy at the boundary: the built-in ones, where one comes from, and the check of its answers.

Nothing is discovered: a strategy is built in, of a file that the caller names, or a class or factory that they give. It
is made anew for each session, from its settings alone, so that no state leaks from run to run.
"""

from __future__ import annotations

import linecache
import random
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from traceback import walk_tb
from types import SimpleNamespace, TracebackType
from typing import Any, NamedTuple

from c2lib.core.canon import MAX_INTEGER
from c2lib.core.contract import IDENTIFIER_PATTERN, ORDER_TYPES, PRICES_OF_TYPE, SIDES, TIMES_IN_FORCE
from c2lib.core.errors import ConfigError, StrategyEndedError, StrategyError, StrategyRaisedError
from c2lib.core.model import (
    BUILT_IN_PARAMS,
    BUY,
    SELL,
    Bar,
    CancelIntent,
    OrderIntent,
    PositionView,
    Strategy,
    StrategyFacts,
    StrategySettings,
)
from c2lib.core.redaction import FOREIGN, clean_text, describe_exception
from c2lib.core.text import nearest, quoted
from c2lib.core.vocabulary import FailCode

Intents = Sequence[OrderIntent | CancelIntent]


class _BuiltIn:
    """A built-in strategy with its parameters, and the orders of their quantity."""

    name: str

    def __init__(self, settings: StrategySettings) -> None:
        self._params: Mapping[str, Any] = {**BUILT_IN_PARAMS[self.name], **settings.params}
        quantity = self._params["quantity"]
        self._buy: Intents = (OrderIntent(BUY, quantity),)
        self._sell: Intents = (OrderIntent(SELL, quantity),)


class StratDemo(_BuiltIn):
    """Buys ``quantity`` lots on the first bar, then goes flat and long again at random, one bar in eight."""

    name = "strat_demo"

    def __init__(self, settings: StrategySettings) -> None:
        super().__init__(settings)
        self._draw = random.Random(settings.seed).getrandbits  # noqa: S311 - a seeded walk, no secret
        self._long = False

    def on_bar(self, bar: Bar, view: PositionView) -> Intents | None:
        """Return a market order when the side changes."""
        del view
        if bar.bar_index and self._draw(3):
            return None
        self._long = not self._long
        return self._buy if self._long else self._sell


class SmaCross(_BuiltIn):
    """Long ``quantity`` lots while the mean of the last ``fast`` closes is above that of the last ``slow``, else flat.

    The means are compared as ``fast_sum * slow > slow_sum * fast``, by the running difference of the two sides; the
    first decision falls on the bar that completes ``slow`` closes.
    """

    name = "sma_cross"

    def __init__(self, settings: StrategySettings) -> None:
        super().__init__(settings)
        self.fast, self.slow = self._params["fast"], self._params["slow"]
        # closes that never were count as 0, until the last of them was pushed out
        self._closes = deque([0] * self.slow, maxlen=self.slow)
        self._missing = self.slow
        self._lead = 0
        self._long = False

    def on_bar(self, bar: Bar, view: PositionView) -> Intents | None:
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
        return self._buy if above else self._sell


StrategyFactory = Callable[[StrategySettings], Strategy]

BUILT_IN: Mapping[str, StrategyFactory] = {kind.name: kind for kind in (StratDemo, SmaCross)}


@dataclass(frozen=True, slots=True)
class StrategySource(StrategyFacts):
    """A strategy with where it comes from; ``sha256`` is ``None`` for a built-in one and for an object without text.

    Args:
        factory: makes the strategy of a session.
        source: the bytes of its file, for a strategy of a file.
        imports: the modules outside the standard library that the file imports, with their versions.
        finish: ends a strategy that runs in a process of its own, whose host checks what it raises.
    """

    factory: StrategyFactory
    source: bytes | None = None
    imports: Mapping[str, str | None] = field(default_factory=dict)
    finish: Callable[[], object] | None = None


def built_in_source(strategy_id: str) -> StrategySource | None:
    """Return the built-in strategy of that name, or ``None``."""
    factory = BUILT_IN.get(strategy_id)
    return StrategySource("built-in", None, None, factory) if factory else None


def check_strategy_is_known(strategy_id: str) -> None:
    """Raise :class:`ConfigError` for a name that no built-in strategy has; an empty one is left to preflight."""
    if strategy_id.strip() and strategy_id not in BUILT_IN:
        own = f"one of your own needs a file, and --allow: --strategy-file FILE.py:CLASS --allow {strategy_id}"
        near = nearest(strategy_id, BUILT_IN, f"built in are {', '.join(BUILT_IN)}")
        problem = f"{strategy_id!r} is no built-in strategy, and no strategy file is given"
        raise ConfigError("strategy_id", problem, hint=f"{near}; {own}")


def object_source(factory: Any, source_sha256: str | None) -> StrategySource:
    """Return the source of a class given in Python; raise :class:`ConfigError` when it is no class or factory."""
    if not callable(factory) or hasattr(type(factory), "on_bar"):
        raise ConfigError(
            "strategy", "must be a class or factory taking StrategySettings", hint="an instance would carry state over"
        )
    name = getattr(factory, "__name__", None)
    known = isinstance(name, str) and name.isidentifier()
    return StrategySource("object", name if known else None, source_sha256, factory)


class Decision(NamedTuple):
    """A strategy's answer as it is acted upon, and the words for it that the tick event shows."""

    intents: Intents
    words: str


_HOLD = Decision((), "HOLD")
_is_name = re.compile(IDENTIFIER_PATTERN, re.ASCII).fullmatch


class CheckedStrategy:
    """A strategy whose answers are checked before the session acts upon them.

    What it raises becomes a :class:`StrategyRaisedError`, also an error of c2lib's own, which the session would take
    for a broken rail or a failed sink; what a strategy in a process of its own raises is checked by its host. A tuple
    that passed the check is not checked again, since it cannot have changed; a few of them are kept, because most
    strategies return the same ones again and again.
    """

    def __init__(self, source: StrategySource, settings: StrategySettings) -> None:
        self._known: deque[tuple[object, Decision]] = deque(maxlen=8)
        self._caught: tuple[type[BaseException], ...] = () if source.finish else FOREIGN
        try:
            self._strategy = source.factory(settings)
        except self._caught as error:
            raise _raised(error) from error

    def decide(self, bar: Bar, view: PositionView) -> Decision:
        """Ask the strategy about a bar; raise :class:`StrategyError` when its answer cannot be used."""
        try:
            answer = self._strategy.on_bar(bar, view)
        except self._caught as error:
            raise _raised(error) from error
        if answer is None:
            return _HOLD
        # no dict by identity: id() raises an audit event, and so calls the guard's hook on every bar
        for known, decision in self._known:
            if known is answer:
                return decision
        decision = decision_of(answer)
        if type(answer) is tuple:
            self._known.append((answer, decision))
        return decision


MAX_LINES, MAX_LINE = 20, 200
"""Most lines of a strategy's file that are kept of a traceback, and most characters of one."""


def lines_of(file: str, trace: TracebackType | None) -> list[int]:
    """Return the numbers of a file's lines in a traceback, the innermost last."""
    return [number or 0 for frame, number in walk_tb(trace) if frame.f_code.co_filename == file][-MAX_LINES:]


def own_line(file: str, number: int, text: str) -> str:
    """Return a line of a strategy's own file as an artifact may hold it."""
    return clean_text(f"{file}:{number}: {text.strip()}")[:MAX_LINE]


def _raised(error: BaseException) -> StrategyRaisedError:
    """Return what a strategy raised in this process, with the lines of the file that its outermost frame is in."""
    trace = error.__traceback__.tb_next if error.__traceback__ else None
    file = trace.tb_frame.f_code.co_filename if trace else ""
    name = file.rpartition("/")[2]
    lines = [own_line(name, number, linecache.getline(file, number)) for number in lines_of(file, trace)]
    raised = clean_text(type(error).__name__)[:MAX_LINE]
    return StrategyRaisedError(describe_exception(error), raised, tuple(lines))


def decision_of(answer: object) -> Decision:
    """Return what an answer asks for; raise :class:`StrategyError` with what is wrong with it.

    The words are ``BUY``, ``SELL`` and ``CANCEL``, each once, joined by ``+``; or ``HOLD``.
    """
    if type(answer) is not list and type(answer) is not tuple:
        raise StrategyError(f"on_bar must return a list or tuple of intents, not {type(answer).__name__}")
    # a copy: what was checked is what is acted upon, whatever the strategy does to its list
    intents = tuple(answer)
    for intent in intents:
        problem = _problem_of(intent)
        if problem:
            raise StrategyError(f"on_bar returned an intent that cannot be used: {problem}")
    words = dict.fromkeys(intent.side if isinstance(intent, OrderIntent) else "CANCEL" for intent in intents)
    return Decision(intents, "+".join(words)) if intents else _HOLD


def _problem_of(intent: object) -> str | None:
    if type(intent) is CancelIntent:
        name = intent.client_order_id
        if type(name) is not str:
            return "client_order_id is not text"
        # it is recorded when there is no such order
        good = _is_name(name) and clean_text(name) == name
        return None if good else f"client_order_id {quoted(name)} is no order's name, which is one like c-000001"
    if type(intent) is not OrderIntent:
        return f"{type(intent).__name__} is neither OrderIntent nor CancelIntent"
    side, quantity, order_type, limit, stop, time_in_force, tag = intent
    # only plain texts have a hash and an equality that can be trusted
    plain = type(side) is type(order_type) is type(time_in_force) is str
    if not (plain and side in SIDES and order_type in ORDER_TYPES and time_in_force in TIMES_IN_FORCE):
        return "side, order_type or time_in_force is none of the known words"
    if not _is_whole(quantity):
        return "quantity must be a whole number of lots, 1 to 2**53 - 1"
    priced = (limit is not None, stop is not None) == PRICES_OF_TYPE[order_type]
    if not (priced and (limit is None or _is_whole(limit)) and (stop is None or _is_whole(stop))):
        return f"a {order_type} order has the wrong prices; they are whole ticks, 1 to 2**53 - 1"
    return None if tag is None or type(tag) is str else "tag is not text"


def _is_whole(number: object) -> bool:
    return type(number) is int and 1 <= number <= MAX_INTEGER


def ending_again(source: StrategySource, end: Mapping[str, Any]) -> StrategySource:
    """Return ``source``, made to end as a manifest's ``inputs.strategy_end`` says: ``step`` 0 while it is made."""
    error, step = StrategyEndedError(FailCode(end["code"])), int(end["step"])

    def factory(settings: StrategySettings) -> Any:
        if step <= 0:
            raise error
        decide = source.factory(settings).on_bar

        def on_bar(bar: Bar, view: PositionView) -> Intents | None:
            if bar.bar_index + 1 >= step:
                raise error
            return decide(bar, view)

        return SimpleNamespace(on_bar=on_bar)

    # what it raises is made here, and not by the strategy, as where a host checks it
    return replace(source, factory=factory, finish=source.finish or (lambda: None))
