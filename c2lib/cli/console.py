"""Exit codes, messages, results and progress of the command line.

Each message and each result is one line, in which nothing that comes from a path, a strategy or a manifest can forge
a second line or a colour. A closed or poor terminal never ends a command.
"""

from __future__ import annotations

import sys
from typing import Any

from c2lib.core.text import one_line

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


def is_terminal() -> bool:
    """Return whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


class ProgressBar:
    """A progress bar on stderr, at a terminal only; a context manager that removes it."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._unit = ""

    def __call__(self, unit: str, done: int, planned: int) -> None:
        """Show how much is done; another ``unit``, ``B`` or ``step``, begins another bar."""
        if unit != self._unit:
            self.__exit__()
            self._unit = unit
        if self._bar is None and done < planned and is_terminal():
            from tqdm import tqdm

            self._bar = tqdm(total=planned, unit=unit, unit_scale=unit == "B", leave=False)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
