"""The cases in backtrader: market orders at the next open, no observers, the sizer's one unit.

``python -m tests.bench.peer_backtrader CASE FILE [--trades FILE]``, in the peers' environment.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from time import perf_counter
from typing import Any

from tests.bench.measure import Answer, peak_rss_kib
from tests.bench.trades import Trade, peer_options, price_text, write_trades

_CASH = 10_000_000
_FAST, _SLOW = 10, 30


def _recording(backtrader: Any) -> Any:
    class Recording(backtrader.Strategy):  # type: ignore[misc]  # the peer has no types
        """Keeps the fills."""

        def __init__(self) -> None:
            self.fills: list[Trade] = []

        def notify_order(self, order: Any) -> None:
            if order.status == order.Completed:
                side = "BUY" if order.isbuy() else "SELL"
                self.fills.append(Trade(len(self) - 1, side, price_text(order.executed.price)))

    return Recording


def _crossover(backtrader: Any) -> Any:
    class Crossover(_recording(backtrader)):  # type: ignore[misc]  # the peer has no types
        """Long one unit while the fast mean is above the slow one."""

        def __init__(self) -> None:
            super().__init__()
            self.fast = backtrader.ind.SMA(self.data.close, period=_FAST)
            self.slow = backtrader.ind.SMA(self.data.close, period=_SLOW)

        def next(self) -> None:
            above = self.fast[0] > self.slow[0]
            if above and not self.position:
                self.buy()
            elif self.position and not above:
                self.sell()

    return Crossover


def _flip(backtrader: Any) -> Any:
    class Flip(_recording(backtrader)):  # type: ignore[misc]  # the peer has no types
        """Buys one unit on a bar and sells it on the next."""

        def next(self) -> None:
            if self.position:
                self.sell()
            else:
                self.buy()

    return Flip


def main() -> int:
    """Run one case and print its answer."""
    options = peer_options()
    backtrader, pandas = import_module("backtrader"), import_module("pandas")
    strategy = (_crossover if options.case == "crossover" else _flip)(backtrader)
    began = perf_counter()
    bars = pandas.read_csv(options.market, index_col=0, parse_dates=True).rename(columns=str.lower)
    loaded = perf_counter() - began
    cerebro = backtrader.Cerebro(stdstats=False)
    cerebro.broker.setcash(_CASH)
    cerebro.adddata(backtrader.feeds.PandasData(dataname=bars))
    cerebro.addstrategy(strategy)
    trades: list[Trade] = cerebro.run()[0].fills
    seconds = perf_counter() - began
    if options.trades:
        write_trades(options.trades, trades)
    answer = Answer(seconds, loaded, len(bars), len(trades), 0, 0, peak_rss_kib())
    sys.stdout.write(json.dumps(answer._asdict()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
