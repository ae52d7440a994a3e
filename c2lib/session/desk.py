"""What a session trades with: the bar in, the strategy asked, its answer carried out.

Rules kept here:

* within a step: the venue lives through the bar, its fills are booked, the strategy decides, its orders go out;
* a strategy's answer is checked before any part of it is acted upon, and what it raises is its own: an error of
  c2lib's in its mouth is no word on sinks or rails.

>>> from c2lib.record.sinks import Sinks
>>> config = DryrunConfig(strategy_id="strat_demo", run_id="run_demo_001", seed=123, steps=8).sealed()
>>> Desk(config, Journal("run_demo_001", "strat_demo", Sinks(), 0)).books().cash
'100000'
"""

from __future__ import annotations

from c2lib.core.clock import micros_text
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import C2Error, StrategyError
from c2lib.core.model import Bar, Strategy, StrategySettings
from c2lib.core.vocabulary import EventKind
from c2lib.record.journal import Journal
from c2lib.record.redact import describe_exception
from c2lib.session.dealing import Dealer
from c2lib.session.intents import HOLD, AnswerReader, Wanted
from c2lib.session.lifecycle import Books
from c2lib.session.strategy import StrategyFactory

_NOTHING = Wanted((), HOLD)


class Desk:
    """Strategy and dealer of one session."""

    def __init__(self, config: DryrunConfig, journal: Journal) -> None:
        self.dealer = Dealer(config, journal)
        self._texts = self.dealer.texts
        self._every_tick = config.tick_events == "every"
        self._write_tick = journal.emitter(EventKind.STRATEGY_TICK)
        self._strategy: Strategy
        self._answers = AnswerReader()
        self._mark: int | None = None

    def load_strategy(self, factory: StrategyFactory, settings: StrategySettings) -> None:
        """Make the strategy that decides from the first bar on."""
        try:
            self._strategy = factory(settings)
        except C2Error as error:
            raise _in_the_strategys_mouth(error) from error

    def on_bar(self, bar: Bar) -> None:
        """Take one step."""
        dealer = self.dealer
        view = dealer.on_bar(bar)
        self._mark = bar.close
        try:
            answer = self._strategy.on_bar(bar, view)
        except C2Error as error:
            raise _in_the_strategys_mouth(error) from error
        intents, decision = _NOTHING if answer is None else self._answers.read(answer)
        if intents or self._every_tick:
            self._write_tick(bar.bar_index, micros_text(bar.time), self._texts.prices[bar.close], decision)
        if intents:
            dealer.act(intents)

    def books(self) -> Books:
        """Return position and money as the last event says them."""
        ledger, texts, mark = self.dealer.ledger, self._texts, self._mark
        return Books(
            texts.quantities[ledger.position],
            texts.money[ledger.cash],
            None if mark is None else texts.prices[mark],
            texts.money[ledger.equity(mark)],
        )


def _in_the_strategys_mouth(error: C2Error) -> StrategyError:
    return StrategyError(f"the strategy raised {describe_exception(error)}")
