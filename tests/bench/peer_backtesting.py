"""The cases in backtesting.py, as its own documentation writes them.

``python -m tests.bench.peer_backtesting CASE FILE [--trades FILE] [--no-statistics]``, in the peers' environment.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib import import_module
from time import perf_counter
from typing import Any

from tests.bench.measure import Answer, peak_rss_kib
from tests.bench.trades import Trade, peer_options, price_text, write_trades

_CASH = 10_000_000
_FAST, _SLOW = 10, 30


def _crossover(backtesting: Any, sma: Any) -> Any:
    class Crossover(backtesting.Strategy):  # type: ignore[misc]  # the peer has no types here
        """Long one unit while the fast mean is above the slow one."""

        def init(self) -> None:
            self.fast = self.I(sma, self.data.Close, _FAST)
            self.slow = self.I(sma, self.data.Close, _SLOW)

        def next(self) -> None:
            above = self.fast[-1] > self.slow[-1]
            if above and not self.position:
                self.buy(size=1)
            elif self.position and not above:
                self.position.close()

    return Crossover


def _flip(backtesting: Any) -> Any:
    class Flip(backtesting.Strategy):  # type: ignore[misc]  # the peer has no types here
        """Buys one unit on a bar and closes on the next."""

        def init(self) -> None:
            """Need no indicator."""

        def next(self) -> None:
            if self.position:
                self.position.close()
            else:
                self.buy(size=1)

    return Flip


def _trades(result: Any) -> list[Trade]:
    """Return the fills; what is open at the end stands in the strategy, not in the table of the result."""
    fills = []
    for trade in (*result._strategy.closed_trades, *result._strategy.trades):
        fills.append(Trade(int(trade.entry_bar), "BUY", price_text(trade.entry_price)))
        if trade.exit_bar is not None:
            fills.append(Trade(int(trade.exit_bar), "SELL", price_text(trade.exit_price)))
    return sorted(fills)


def main() -> int:
    """Run one case and print its answer."""
    warnings.simplefilter("ignore")
    options = peer_options()
    backtesting, pandas = import_module("backtesting"), import_module("pandas")
    core: Any = import_module("backtesting.backtesting")
    core._tqdm = lambda sequence, **_: sequence  # no progress bar on the clock
    if options.no_statistics:
        core.compute_stats = lambda **named: pandas.Series({"_strategy": named["strategy_instance"]})
    sma = import_module("backtesting.test").SMA
    strategy = _crossover(backtesting, sma) if options.case == "crossover" else _flip(backtesting)
    began = perf_counter()
    bars = pandas.read_csv(options.market, index_col=0, parse_dates=True).rename(columns=str.title)
    loaded = perf_counter() - began
    result = backtesting.Backtest(bars, strategy, cash=_CASH, commission=0, trade_on_close=False).run()
    seconds = perf_counter() - began
    trades = _trades(result)
    if options.trades:
        write_trades(options.trades, trades)
    answer = Answer(seconds, loaded, len(bars), len(trades), 0, 0, peak_rss_kib())
    sys.stdout.write(json.dumps(answer._asdict()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
