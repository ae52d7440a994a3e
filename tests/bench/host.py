"""Measures what a strategy in a process of its own costs: run ``python -m tests.bench.host``.

CPU time of both processes is given beside wall time, since another program on the machine lengthens the second alone.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from c2lib.app.strategy_host import StrategyHost
from c2lib.core.model import OpenOrder, PositionView, Strategy
from tests.app.hosted import FLAT, SETTINGS, bar, strategy

BARS = [bar(index) for index in range(3_000)]
CASES = {
    "hold": (strategy(), [FLAT] * len(BARS)),
    "flip": (
        strategy("return [OrderIntent('SELL' if view.position else 'BUY', 1)]"),
        [PositionView(index % 2, (OpenOrder(f"c-{index:06}", "BUY", 1, 1),)) for index in range(len(BARS))],
    ),
}


def spread(values: Sequence[float]) -> str:
    """Return the median of some figures, and the quartiles around it."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.1f} ({low:.1f} to {high:.1f}, n={len(values)})"


def timed(of: Strategy, views: Sequence[PositionView], clock: Callable[[], float]) -> float:
    """Return the microseconds a bar by some clock."""
    begun = clock()
    for each, view in zip(BARS, views, strict=True):
        of.on_bar(each, view)
    return (clock() - begun) / len(BARS) * 1e6


def per_bar(host: StrategyHost, case: str, *, cpu: bool) -> float:
    """Return the microseconds a bar that a case costs more than in this process."""
    file, views = CASES[case]
    here: dict[str, Any] = {}
    exec(file.source, here)
    clock: Callable[[], float] = time.process_time if cpu else time.perf_counter
    base = timed(here["Mine"](SETTINGS), views, clock)
    with host.session("hook", 10.0) as session, session.bound():
        child = (~session.pid << 3) | 2  # the kernel's number for the CPU clock of a process
        both = (lambda: time.process_time() + time.clock_gettime(child)) if cpu else time.perf_counter
        return timed(session.load(*file, SETTINGS), views, both) - base


def milliseconds(layer: str, host: StrategyHost | None) -> float:
    """Return how long a session takes to start on a host that is there, or on one of its own."""
    begun = time.perf_counter()
    with ExitStack() as stack:
        one = host or stack.enter_context(StrategyHost())
        stack.enter_context(one.session(layer, 10.0)).load(*CASES["hold"][0], SETTINGS)
        return (time.perf_counter() - begun) * 1e3


def show(line: str) -> None:
    """Print a line."""
    sys.stdout.write(line + "\n")


def main() -> None:
    """Measure and print."""
    for layer in ("hook", "namespace"):
        show(
            f"{layer}: ms to a loaded strategy, host included: {spread([milliseconds(layer, None) for _ in range(15)])}"
        )
    with StrategyHost() as host:
        host.session("hook", 10.0).close()
        for layer in ("hook", "namespace"):
            show(f"{layer}: ms to a loaded strategy, forked: {spread([milliseconds(layer, host) for _ in range(60)])}")
        for case in CASES:
            for cpu in (False, True):
                figures = spread([per_bar(host, case, cpu=cpu) for _ in range(25)])
                show(f"{case}: µs a bar more, {'CPU of both' if cpu else 'wall'}: {figures}")


if __name__ == "__main__":
    main()
