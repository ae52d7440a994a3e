"""One measured verification of a run of c2lib, in a process of its own.

Rules kept here:

* ``ratio`` makes the run and verifies it in the same process, turn by turn, so that a busy machine is busy for all
  three; ``make`` and ``peak`` part the run from its verification, so that the peak of memory is that of one of them;
* seconds of the processor stand beside those of the clock: on a machine that others use they say more;
* one path only: the public ``run_dryrun`` and ``verify_run``, the files on disk;
* the answer is one line of JSON on stdout.

``python -m tests.bench.own_verify ratio | make | peak CASE --bars N [--market FILE] [--out DIR] [--replay]``
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

from c2lib import run_dryrun, verify_run
from tests.bench.measure import peak_rss_kib
from tests.bench.own_run import config_of, strategy_of

CASES = ("ticks", "decisions", "flip")


def main() -> int:
    """Do what was asked for and print the answer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("ratio", "make", "peak"))
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--bars", type=int, required=True)
    parser.add_argument("--market", help="market file; left out: the synthetic walk")
    parser.add_argument("--out", help="of make and peak: output root of the run")
    parser.add_argument("--replay", action="store_true", help="of peak: execute the session again")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    work = {"ratio": ratio, "make": make, "peak": peak}[options.what]
    sys.stdout.write(json.dumps(work(options)) + "\n")
    return 0


def make(options: argparse.Namespace) -> dict[str, Any]:
    """Make a run and return where it is."""
    result = run_dryrun(
        config_of(options.case, options.bars),
        out_dir=options.out,
        market=options.market,
        strategy=strategy_of(options.case),
    )
    if result.status.value != "COMPLETED" or result.path is None:
        raise SystemExit(f"{options.case}: {result.status.value} {result.fail_reason or result.reject_reason}")
    events = Path(result.path, "events.jsonl").stat().st_size
    return {"path": result.path, "lines": result.events_emitted, "bytes": events, "rss": peak_rss_kib()}


def verified(path: str, options: argparse.Namespace, *, replay: bool) -> None:
    """Verify a run; raise :class:`SystemExit` when anything was found."""
    report = verify_run(path, replay, market=options.market, strategy=strategy_of(options.case) if replay else None)
    if not report.ok or report.replayed is not replay:
        raise SystemExit(f"{path}: {[finding.text() for finding in report.findings]}")


class Clocks:
    """The seconds of some rounds, by the clock and of the processor."""

    def __init__(self) -> None:
        self._wall: list[float] = []
        self._cpu: list[float] = []

    def time(self, work: Callable[[], Any]) -> Any:
        """Return what ``work`` returns, and keep how long it took."""
        wall, cpu = perf_counter(), process_time()
        answer = work()
        self._cpu.append(process_time() - cpu)
        self._wall.append(perf_counter() - wall)
        return answer

    def medians(self) -> tuple[float, float]:
        """Return the medians, that of the clock first."""
        return median(self._wall), median(self._cpu)


def ratio(options: argparse.Namespace) -> dict[str, Any]:
    """Return the medians of run, verification, and verification with replay."""
    clocks = {name: Clocks() for name in ("run", "verify", "replay")}
    made: dict[str, Any] = {}
    for _ in range(options.rounds):
        options.out = tempfile.mkdtemp(prefix="c2lib-bench-")
        try:
            made = clocks["run"].time(lambda: make(options))
            path = made["path"]
            clocks["verify"].time(partial(verified, path, options, replay=False))
            clocks["replay"].time(partial(verified, path, options, replay=True))
        finally:
            shutil.rmtree(options.out)
    return {"lines": made["lines"], **{name: found.medians() for name, found in clocks.items()}}


def peak(options: argparse.Namespace) -> dict[str, Any]:
    """Verify the one run below ``--out`` and return seconds and the peak of memory in KiB."""
    (path,) = Path(options.out).glob("finish_c/c2/*")
    clocks = Clocks()
    clocks.time(lambda: verified(str(path), options, replay=options.replay))
    return {"seconds": clocks.medians(), "rss": peak_rss_kib()}


if __name__ == "__main__":
    sys.exit(main())
