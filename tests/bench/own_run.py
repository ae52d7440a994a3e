"""One measured run of c2lib, in a process of its own.

Rules kept here:

* one path only: the public ``run_dryrun`` into a directory, from the file to the published, hashed evidence;
* the answer is one line of JSON on stdout; the seconds are those of the call, without the start of Python;
* reading the file (the pass that checks every bar) is part of the seconds, and told apart beside them.

``python -m tests.bench.own_run CASE [--bars N] [--market FILE] [--events FILE] [--profile]``
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import json
import os
import pstats
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from tests.bench.measure import Answer, peak_rss_kib

if TYPE_CHECKING:
    from c2lib.core.config import DryrunConfig

CASES = ("floor", "parse", "ticks", "decisions", "flip")
"""``ticks`` and ``decisions`` are the crossover with the two values of ``tick_events``."""

_BATCH_LINES = 512
_SHOWN = 25


def main() -> int:
    """Run one case and print its answer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--bars", type=int, required=True)
    parser.add_argument("--market", help="market file; left out: the synthetic walk")
    parser.add_argument("--lines", type=int, default=0, help="of the floor: how many")
    parser.add_argument("--line-bytes", type=int, default=0, help="of the floor: how long")
    parser.add_argument("--profile", action="store_true", help="print where the time goes instead")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="c2lib-bench-")
    try:
        work = _work(options, Path(folder))
        if options.profile:
            _print_profile(work)
        else:
            sys.stdout.write(json.dumps(work()._asdict()) + "\n")
    finally:
        shutil.rmtree(folder)
    return 0


def _work(options: argparse.Namespace, folder: Path) -> Callable[[], Answer]:
    if options.case == "floor":
        return lambda: floor(folder / "events.jsonl", options.lines, options.line_bytes)
    if options.case == "parse":
        return lambda: parse(options.market, options.bars)
    return lambda: session(options.case, options.bars, options.market, folder)


def floor(path: Path, lines: int, line_bytes: int) -> Answer:
    """Write fixed lines, each hashed by itself and into the file's digest, in the batches of c2lib's sinks."""
    line = "x" * (line_bytes - 1) + "\n"
    digest, batch = hashlib.sha256(), []
    sha256 = hashlib.sha256
    began = perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(lines):
            sha256(line.encode()).hexdigest()
            batch.append(line)
            if len(batch) >= _BATCH_LINES:
                data = "".join(batch).encode()
                digest.update(data)
                file.write(data)
                batch.clear()
        data = "".join(batch).encode()
        digest.update(data)
        file.write(data)
        os.fsync(file.fileno())
    return Answer(perf_counter() - began, 0.0, 0, 0, lines, lines * line_bytes, peak_rss_kib())


def parse(market: str, bars: int) -> Answer:
    """Read a market file and stream its bars: pass 1 and pass 2, nothing else."""
    from c2lib import open_market_file

    began = perf_counter()
    with open_market_file(market) as data:
        loaded = perf_counter() - began
        count = sum(1 for _ in data.bars(bars))
    return Answer(perf_counter() - began, loaded, count, 0, 0, 0, peak_rss_kib())


def config_of(case: str, bars: int) -> DryrunConfig:
    """Return the config of a case."""
    from c2lib.core.config import DryrunConfig

    return DryrunConfig(
        strategy_id="flip" if case == "flip" else "sma_cross",
        strategy_allowlist=("flip", "sma_cross"),
        seed=1,
        steps=bars,
        tick_events="decisions" if case == "decisions" else "every",
        broker={"taker_fee_rate": "0"},
    )


def strategy_of(case: str) -> type | None:
    """Return the strategy of a case that c2lib does not have."""
    from tests.bench.flip import Flip

    return Flip if case == "flip" else None


def session(case: str, bars: int, market: str | None, folder: Path) -> Answer:
    """Run a session with its full evidence into ``folder``."""
    runner: Any = import_module("c2lib.app.runner")

    config = config_of(case, bars)
    seconds_of_load: list[float] = []
    runner.open_market_file = _timed(runner.open_market_file, seconds_of_load)
    began = perf_counter()
    result = runner.run_dryrun(config, out_dir=folder, market=market, strategy=strategy_of(case))
    seconds = perf_counter() - began
    if result.status.value != "COMPLETED" or result.path is None:
        raise SystemExit(f"{case}: {result.status.value} {result.fail_reason or result.reject_reason}")
    manifest = json.loads(Path(result.path, "run_manifest.json").read_bytes())
    events = manifest["artifacts"]["events.jsonl"]
    loaded = sum(seconds_of_load)
    return Answer(seconds, loaded, result.steps, result.fills, events["lines"], events["bytes"], peak_rss_kib())


def _timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    def timed(*values: Any, **named: Any) -> Any:
        began = perf_counter()
        try:
            return function(*values, **named)
        finally:
            seconds.append(perf_counter() - began)

    return timed


def _print_profile(work: Callable[[], Answer]) -> None:
    profile = cProfile.Profile()
    answer = profile.runcall(work)
    sys.stdout.write(f"{answer}\n")
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(_SHOWN)


if __name__ == "__main__":
    sys.exit(main())
