"""How long verifying takes beside the run, and that its memory does not grow.

Rules kept here:

* a ratio is one of medians within one process, where run and verifications take turns;
* the peak of memory is that of a process that does nothing but verify.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.measure import note, output, say, table, verdict

_VERIFY_TARGET, _REPLAY_TARGET, _MEMORY_TARGET = 1.0, 2.0, 1.1
_SMALL, _GIGABYTE = 20_000, 800_000
"""Bars of a flip; the large one writes more than 10**9 bytes of events."""

_CASES = {"crossover, ticks": "ticks", "crossover, decisions": "decisions", "flip": "flip"}


def _answer(*words: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(output([sys.executable, "-m", "tests.bench.own_verify", *words]))
    return answer


def verify_table(bars: int, market: str, count: int) -> None:
    """Print verifying, without and with replay, as a share of the run."""
    rows = []
    for name, case in _CASES.items():
        note(f"verify: {name}")
        found = _answer("ratio", case, "--bars", str(bars), "--market", market, "--rounds", str(count))
        rows.append((name, str(found["lines"]), *_shares(found, bars)))
    say(f"\nverify, {bars} bars, medians of {count} rounds within one process\n")
    say(table(("run", "events", "µs/bar of the run", "verify ÷ run", "of CPU", "with replay ÷ run", "of CPU"), rows))


def _shares(found: Mapping[str, Sequence[float]], bars: int) -> list[str]:
    wall, cpu = found["run"]
    shares = [f"{wall / bars * 1e6:.2f}"]
    for name, target in (("verify", _VERIFY_TARGET), ("replay", _REPLAY_TARGET)):
        shares += [verdict(found[name][0] / wall, target), f"{found[name][1] / cpu:.2f}"]
    return shares


def verify_memory() -> None:
    """Print the peak memory of verifying a flip of more than a gigabyte beside that of a small one."""
    peaks: dict[int, list[int]] = {}
    size = {}
    for bars in (_SMALL, _GIGABYTE):
        with tempfile.TemporaryDirectory(prefix="c2lib-bench-") as out:
            where = ("flip", "--bars", str(bars), "--out", out)
            note(f"memory of verify: flip, {bars} bars")
            size[bars] = _answer("make", *where)["bytes"]
            peaks[bars] = [_answer("peak", *where, *replay)["rss"] for replay in ((), ("--replay",))]
    rows = [
        (
            name,
            *(f"{peaks[bars][index] / 1024:.1f}" for bars in (_SMALL, _GIGABYTE)),
            verdict(peaks[_GIGABYTE][index] / peaks[_SMALL][index], _MEMORY_TARGET),
        )
        for index, name in enumerate(("verify", "with replay"))
    ]
    heads = (f"MiB at {size[bars] / 1e6:.0f} MB of events" for bars in (_SMALL, _GIGABYTE))
    say("\npeak resident memory of verify, a flip on the synthetic walk, one run each\n")
    say(table(("what", *heads, "ratio"), rows))
