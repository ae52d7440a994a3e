"""The cases in NautilusTrader's low-level back-test engine, log off, one hedging venue.

Its venue fills a market order as soon as it arrives, at the bar that decided it: the prices are others than those of
the engines that fill at the next open, the number of orders and fills is the same.

``python -m tests.bench.peer_nautilus CASE FILE``, in NautilusTrader's environment.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from time import perf_counter
from typing import Any

from tests.bench.measure import Answer, peak_rss_kib
from tests.bench.trades import peer_options

_FAST, _SLOW = 10, 30


def _strategy(instrument: Any, bar_type: Any, is_crossover: bool) -> Any:
    trading: Any = import_module("nautilus_trader.trading.strategy")
    average = import_module("nautilus_trader.indicators").SimpleMovingAverage
    enums = import_module("nautilus_trader.model.enums")

    class Trader(trading.Strategy):  # type: ignore[misc]  # the peer is in another environment
        """Either case, long one unit or flat."""

        def on_start(self) -> None:
            self.long = False
            self.one = instrument.make_qty(1)
            self.fast, self.slow = average(_FAST), average(_SLOW)
            if is_crossover:
                self.register_indicator_for_bars(bar_type, self.fast)
                self.register_indicator_for_bars(bar_type, self.slow)
            self.subscribe_bars(bar_type)

        def on_bar(self, bar: Any) -> None:
            if is_crossover and (not self.slow.initialized or (self.fast.value > self.slow.value) == self.long):
                return
            self.long = not self.long
            side = enums.OrderSide.BUY if self.long else enums.OrderSide.SELL
            # each round trip is a position of its own: one for all (netting) took five times as long
            held = None if self.long else self.cache.positions_open()[0].id
            self.submit_order(self.order_factory.market(instrument.id, side, self.one), position_id=held)

    return Trader()


def _engine() -> tuple[Any, Any]:
    """Return an engine with one venue, and its instrument: priced to the cent, no fee."""
    engine_module = import_module("nautilus_trader.backtest.engine")
    config = import_module("nautilus_trader.config")
    enums = import_module("nautilus_trader.model.enums")
    model = import_module("nautilus_trader.model")
    currency = import_module("nautilus_trader.model.currencies").USD
    instrument = import_module("nautilus_trader.test_kit.providers").TestInstrumentProvider.equity("SYNTH", "SIM")
    quiet = config.LoggingConfig(bypass_logging=True)
    engine = engine_module.BacktestEngine(engine_module.BacktestEngineConfig(logging=quiet))
    engine.add_venue(
        venue=model.Venue("SIM"),
        oms_type=enums.OmsType.HEDGING,
        account_type=enums.AccountType.MARGIN,
        base_currency=currency,
        starting_balances=[model.Money(10_000_000, currency)],
    )
    engine.add_instrument(instrument)
    return engine, instrument


def main() -> int:
    """Run one case and print its answer."""
    options = peer_options()
    pandas = import_module("pandas")
    wranglers = import_module("nautilus_trader.persistence.wranglers")
    model = import_module("nautilus_trader.model")
    engine, instrument = _engine()
    bar_type = model.BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")
    strategy = _strategy(instrument, bar_type, options.case == "crossover")
    began = perf_counter()
    frame = pandas.read_csv(options.market, index_col=0, parse_dates=True)
    frame.index = frame.index.tz_localize("UTC")
    bars = wranglers.BarDataWrangler(bar_type, instrument).process(frame)
    loaded = perf_counter() - began
    engine.add_data(bars)
    engine.add_strategy(strategy)
    engine.run()
    seconds = perf_counter() - began
    fills = sum(order.is_closed for order in engine.cache.orders())
    engine.dispose()
    answer = Answer(seconds, loaded, len(bars), fills, 0, 0, peak_rss_kib())
    sys.stdout.write(json.dumps(answer._asdict()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
