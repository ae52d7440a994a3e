"""Exit codes, messages, results and progress of the command line.

Each message and each result is one line, in which nothing that comes from a path, a strategy or a manifest can forge
a second line or a colour. A closed or poor terminal never ends a command.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from c2lib.core.text import one_line

if TYPE_CHECKING:
    from c2lib.witness.findings import Finding

GOOD, NOT_GOOD, COULD_NOT = 0, 1, 2

FLAG = {"action": "store_true"}
"""How argparse reads an option without a value."""


def say(text: str) -> None:
    """Write a message to stderr, as one line."""
    if sys.stderr is not None:
        sys.stderr.write(f"c2lib: {one_line(text)}\n")


def show(text: str) -> None:
    """Write a line of a result to stdout, escaping what its encoding does not have."""
    if sys.stdout is not None:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(one_line(text).encode(encoding, "backslashreplace").decode(encoding) + "\n")


def report(options: argparse.Namespace, facts: Mapping[str, Any], lines: Iterable[str] | None = None) -> None:
    """Write a result: one JSON line, or lines for people, at a terminal and where ``--json`` or ``--text`` says so.

    Args:
        options: ``json`` is whether one JSON line was asked for, ``None`` where nothing was.
        facts: the result as plain JSON values.
        lines: the result for people; left out, a table of the facts.
    """
    as_text = sys.stdout is not None and sys.stdout.isatty() if options.json is None else not options.json
    for line in (lines or _table(facts)) if as_text else [json.dumps(facts)]:
        show(line)


def _table(facts: Mapping[str, Any]) -> Iterator[str]:
    width = max(map(len, facts))
    for name, value in facts.items():
        words = value if isinstance(value, list) else [value]
        shown = ("-" if word is None else str(word).lower() if isinstance(word, bool) else str(word) for word in words)
        yield f"{name:<{width}}  {', '.join(shown) or 'none'}"


def checked(findings: Iterable[Finding]) -> int:
    """Return the exit code of what was made of a run, and say what is wrong with the run."""
    texts = [finding.text() for finding in findings]
    for text in texts:
        say(f"finding: {text}")
    return NOT_GOOD if texts else GOOD


def is_terminal() -> bool:
    """Return whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


class ProgressBar(ExitStack):
    """A progress bar on stderr, at a terminal only; a context manager that removes it."""

    _unit, _bar = "", None

    def __call__(self, unit: str, done: int, planned: int) -> None:
        """Show how much is done; another ``unit``, ``B`` or ``step``, begins another bar."""
        if unit != self._unit:
            self.close()
            self._unit, self._bar = unit, None
        if self._bar is None and done < planned and is_terminal():
            from tqdm import tqdm

            bar = tqdm(total=planned, unit=unit, unit_scale=unit == "B", leave=False)
            self._bar = self.enter_context(bar)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
