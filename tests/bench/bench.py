"""The benchmarks: ``make bench-quick`` without peers, ``make bench`` beside them.

Rules kept here:

* a figure is the median of rounds, and stands in a ratio with one of the same session: times alone say little on a
  machine that others use;
* every engine reads the same file, and the number of its fills is printed, so that equal work can be seen;
* a target that is missed is printed as missed.

``python -m tests.bench.bench quick | full [--bars N] [--rounds N] [--peers PYTHON] [--nautilus PYTHON]``
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from tests.bench.measure import ROOT, Summary, child_environment, note, output, rounds, run, say, table, verdict
from tests.bench.verify_figures import verify_memory, verify_table
from tests.bench.write_bars import write_bars

_SMALL, _FLIP_LARGE, _QUICK_LARGE, _LARGE = 50_000, 150_000, 500_000, 5_000_000
_MOST_FOR_SLOW = 50_000
_START_ROUNDS = 11
_MEMORY_TARGET, _HELP_TARGET, _IMPORT_TARGET = 1.1, 8.0, 3.0

_OWN = {"crossover, ticks": "ticks", "crossover, decisions": "decisions", "flip": "flip"}


def own(case: str, bars: int, *options: str) -> list[str]:
    """Return the command of one run of c2lib."""
    return [sys.executable, "-m", "tests.bench.own_run", case, "--bars", str(bars), *options]


def floors(bars: int, market: str) -> dict[str, Sequence[str]]:
    """Return the commands that write as many lines, as long, as each case of c2lib does."""
    commands: dict[str, Sequence[str]] = {}
    for name, case in _OWN.items():
        answer = run(own(case, bars, "--market", market))
        size = ("--lines", str(answer.lines), "--line-bytes", str(answer.bytes // answer.lines))
        commands[f"floor of {name}"] = own("floor", bars, *size)
    return commands


def own_table(bars: int, market: str, count: int) -> None:
    """Print c2lib against its floors and against parsing."""
    commands = {**floors(bars, market), "parse only": own("parse", bars, "--market", market)}
    commands.update({name: own(case, bars, "--market", market) for name, case in _OWN.items()})
    found = rounds(commands, count)
    parse = found["parse only"].seconds
    rows = []
    for name, item in found.items():
        at_floor = found.get(f"floor of {name}")
        rows.append(
            (
                name,
                f"{item.seconds / bars * 1e6:.2f}",
                f"{item.least / bars * 1e6:.2f}",
                f"{item.per_fill:.2f}" if item.fills else "",
                f"{item.lines}",
                f"{item.seconds / at_floor.seconds:.1f}" if at_floor else "",
                f"{item.seconds / parse:.1f}",
            )
        )
    say(f"\nc2lib, {bars} bars, medians of {count} interleaved rounds\n")
    say(table(("run", "µs/bar", "least", "µs/fill", "lines", "÷ floor", "÷ parse only"), rows))


def start_up() -> None:
    """Print how long help and import take beside a bare Python."""
    bare = [sys.executable, "-c", "pass"]
    commands = {
        "python -c pass": bare,
        "import c2lib": [sys.executable, "-c", "import c2lib"],
        "c2lib --help": [str(Path(sys.executable).with_name("c2lib")), "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(_START_ROUNDS + 1):
        for name, command in commands.items():
            began = perf_counter()
            subprocess.run(command, cwd=ROOT, env=child_environment(), check=True, capture_output=True)
            if number:  # the first one writes byte code
                seconds[name].append(perf_counter() - began)
    middle = {name: median(found) for name, found in seconds.items()}
    targets = {"import c2lib": _IMPORT_TARGET, "c2lib --help": _HELP_TARGET}
    rows = [
        (
            name,
            f"{middle[name] * 1e3:.1f}",
            f"{min(seconds[name]) * 1e3:.1f}",
            verdict(middle[name] / middle["python -c pass"], targets[name]) if name in targets else "1",
        )
        for name in commands
    ]
    say(f"\nstart-up, medians of {_START_ROUNDS} interleaved rounds\n")
    say(table(("command", "ms", "least", "÷ bare python"), rows))


def memory(large: int) -> None:
    """Print the peak memory of a long run of the synthetic walk beside that of a short one."""
    rows = []
    for name, bars in (("crossover, decisions", large), ("flip", _FLIP_LARGE)):
        note(f"memory: {name}, {_SMALL} and {bars} bars")
        short, long = run(own(_OWN[name], _SMALL)), run(own(_OWN[name], bars))
        shown = (f"{short.rss / 1024:.1f}", str(bars), f"{long.rss / 1024:.1f}", str(long.fills))
        rows.append((name, *shown, verdict(long.rss / short.rss, _MEMORY_TARGET)))
    say("\npeak resident memory, synthetic walk, one run each\n")
    say(table(("run", f"MiB at {_SMALL} bars", "bars", "MiB", "fills", "ratio"), rows))


def peer_commands(
    case: str, market: str, peers: str, nautilus: str | None, *, is_short: bool
) -> dict[str, Sequence[str]]:
    """Return the commands of the peers for one case; the two slow ones only where it is short."""
    backtesting = [peers, "-m", "tests.bench.peer_backtesting", case, market]
    commands: dict[str, Sequence[str]] = {
        "backtesting.py": backtesting,
        "backtesting.py, no statistics": [*backtesting, "--no-statistics"],
    }
    if is_short:
        commands["backtrader"] = [peers, "-m", "tests.bench.peer_backtrader", case, market]
    if is_short and nautilus:
        commands["NautilusTrader"] = [nautilus, "-m", "tests.bench.peer_nautilus", case, market]
    return commands


def beside_peers(bars: int, market: str, count: int, peers: str, nautilus: str | None) -> None:
    """Print both cases beside the peers, and the targets."""
    is_short = bars <= _MOST_FOR_SLOW
    if not is_short:
        say(f"backtrader and NautilusTrader are left out: more than {_MOST_FOR_SLOW} bars")
    crossover = {f"c2lib, {kind}": own(kind, bars, "--market", market) for kind in ("ticks", "decisions")}
    crossover_found = rounds(
        {**crossover, **peer_commands("crossover", market, peers, nautilus, is_short=is_short)}, count
    )
    flip = {
        "c2lib": own("flip", bars, "--market", market),
        **peer_commands("flip", market, peers, nautilus, is_short=is_short),
    }
    flip_found = rounds(flip, count)
    say(f"\ncrossover, {bars} bars, from the CSV file to the result, medians of {count} interleaved rounds\n")
    say(peer_table(crossover_found, is_flip=False))
    say(f"\na flip on every bar, {bars} bars, likewise\n")
    say(peer_table(flip_found, is_flip=True))
    say("\n" + targets(crossover_found, flip_found))


def peer_table(found: Mapping[str, Summary], *, is_flip: bool) -> str:
    """Return the table of one case: per fill of a flip, else per bar."""
    unit = "µs/fill" if is_flip else "µs/bar"
    rows = []
    for name, item in found.items():
        of = item.fills if is_flip else item.bars
        figures = (item.seconds, item.least, item.seconds - item.load)
        shown = (f"{seconds / of * 1e6:.2f}" for seconds in figures)
        rows.append((name, *shown, str(item.fills), f"{item.rss / 1024:.0f}"))
    return table(("engine", unit, "least", "without reading the file", "fills", "MiB"), rows)


def targets(crossover: Mapping[str, Summary], flip: Mapping[str, Summary]) -> str:
    """Return the table of the targets: with the file's reading on both sides, and without it on both."""
    pairs = [
        ("flip, per fill, of backtesting.py", flip["c2lib"], flip["backtesting.py"], 0.5),
        ("flip, of backtesting.py without statistics", flip["c2lib"], flip["backtesting.py, no statistics"], 0.5),
        ("crossover, ticks, of backtesting.py", crossover["c2lib, ticks"], crossover["backtesting.py"], 1.0),
        ("crossover, decisions, of backtesting.py", crossover["c2lib, decisions"], crossover["backtesting.py"], 0.3),
    ]
    if "NautilusTrader" in flip:
        pairs.append(("flip, per fill, of NautilusTrader", flip["c2lib"], flip["NautilusTrader"], 1 / 15))
    rows = [
        (
            name,
            verdict(own_.seconds / peer.seconds, target),
            f"{own_.least / peer.least:.2f}",
            f"{(own_.seconds - own_.load) / (peer.seconds - peer.load):.2f}",
        )
        for name, own_, peer, target in pairs
    ]
    return table(("c2lib as a share", "median", "of the least", "without reading the file"), rows)


def versions(peers: str | None, nautilus: str | None) -> None:
    """Print what was measured."""
    say(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, c2lib at {revision()}")
    code = "from importlib.metadata import version as v; print(*(f'{n} {v(n)}' for n in {names!r}), sep=', ')"
    for python, names in ((peers, ("backtesting", "backtrader", "numpy", "pandas")), (nautilus, ("nautilus_trader",))):
        if python:
            say(output([python, "-c", code.replace("{names!r}", repr(names))]).strip())


def revision() -> str:
    """Return the commit of the checkout, or ``unknown``."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def main() -> int:
    """Run the benchmarks that were asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("which", choices=("quick", "full"))
    parser.add_argument("--bars", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", help="Python of the peers' environment")
    parser.add_argument("--nautilus", help="Python of NautilusTrader's environment; left out: without it, and said so")
    options = parser.parse_args()
    is_full = options.which == "full"
    if is_full and not options.peers:
        parser.error("full needs --peers")
    versions(options.peers, options.nautilus)
    with tempfile.TemporaryDirectory(prefix="c2lib-bench-") as folder:
        market = Path(folder, "bars.csv")
        write_bars(market, options.bars)
        if is_full:
            if not options.nautilus:
                say("NautilusTrader is not installed: left out")
            beside_peers(options.bars, str(market), options.rounds, options.peers, options.nautilus)
        else:
            own_table(options.bars, str(market), options.rounds)
        verify_table(options.bars, str(market), options.rounds)
    start_up()
    memory(_LARGE if is_full else _QUICK_LARGE)
    if is_full:
        verify_memory()
    return 0


if __name__ == "__main__":
    sys.exit(main())
