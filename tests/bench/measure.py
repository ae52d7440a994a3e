"""What every measurement shares: the answer of a child process, and medians of interleaved rounds.

Rules kept here:

* standard library only, since it runs in the environments of the peers as well;
* each run is a process of its own, so that none is warm for another; the rounds are interleaved, so that a busy
  machine is busy for all; what fails or runs out of time is said, and stops the benchmark.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

_TIME_LIMIT = 1800


class Answer(NamedTuple):
    """What one run took: ``seconds`` in all, of which ``load`` for reading the file; ``rss`` is the peak in KiB."""

    seconds: float
    load: float
    bars: int
    fills: int
    lines: int
    bytes: int
    rss: int


class Summary(NamedTuple):
    """Some answers of the same run as one: medians, and the least ``seconds``."""

    seconds: float
    least: float
    load: float
    bars: int
    fills: int
    lines: int
    bytes: int
    rss: int

    @property
    def per_bar(self) -> float:
        """Microseconds a bar, from the file to the end."""
        return self.seconds / self.bars * 1e6

    @property
    def per_fill(self) -> float:
        """Microseconds a fill, from the file to the end."""
        return self.seconds / self.fills * 1e6


def peak_rss_kib() -> int:
    """Return this process's peak of resident memory in KiB."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        # elsewhere than on Linux; there the figure may be in other units, and of the parent
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))


def child_environment() -> dict[str, str]:
    """Return the environment of a measured process: this checkout's c2lib, byte code kept."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    # without its byte code an import costs more than the work, and differently so for each engine
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def run(command: Sequence[str]) -> Answer:
    """Run a child that answers with one line of JSON; raise :class:`SystemExit` with its words when it fails."""
    return Answer(**json.loads(output(command).splitlines()[-1]))


def output(command: Sequence[str]) -> str:
    """Return what a child writes to stdout; raise :class:`SystemExit` with its words when it fails."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=child_environment(), capture_output=True, text=True, timeout=_TIME_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        raise SystemExit(f"out of time after {_TIME_LIMIT} s: {' '.join(command)}") from None
    if done.returncode:
        raise SystemExit(f"exit {done.returncode}: {' '.join(command)}\n{done.stderr}")
    return done.stdout


def rounds(commands: Mapping[str, Sequence[str]], count: int) -> dict[str, Summary]:
    """Run all commands ``count`` times, one after the other within a round, and return their summaries."""
    answers: dict[str, list[Answer]] = {name: [] for name in commands}
    for number in range(count):
        for name, command in commands.items():
            note(f"round {number + 1} of {count}: {name}")
            answers[name].append(run(command))
    return {name: summary(found) for name, found in answers.items()}


def summary(answers: Sequence[Answer]) -> Summary:
    """Return the medians of answers to the same command."""
    first = answers[0]
    seconds = [answer.seconds for answer in answers]
    return Summary(
        median(seconds),
        min(seconds),
        median(answer.load for answer in answers),
        first.bars,
        first.fills,
        first.lines,
        first.bytes,
        int(median(answer.rss for answer in answers)),
    )


def say(text: str = "") -> None:
    """Write a line of the result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Write a line on how far it is."""
    sys.stderr.write(text + "\n")


def verdict(ratio: float, target: float) -> str:
    """Return a measured ratio beside its target."""
    return f"{ratio:.2f} (target ≤ {target:.3g}: {'met' if ratio <= target else 'MISSED'})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a markdown table, its first column left, the others right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def line(cells: Sequence[str]) -> str:
        first, *rest = zip(cells, widths, strict=True)
        shown = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
        return "| " + " | ".join(shown) + " |"

    return "\n".join((line(head), line(rule), *map(line, rows)))
