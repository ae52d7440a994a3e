r"""What the command line says to people.

Rules kept here:

* a message is one line: what comes from a path, a strategy or a manifest can forge no second one, and no colour;
* a closed or poor terminal costs the message's beauty, never the command.

>>> one_line("left\nright")
'left\\nright'
"""

from __future__ import annotations

import sys


def one_line(text: str) -> str:
    """Return ``text`` with everything escaped that is not printable."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def say(text: str) -> None:
    """Write a message to stderr, as one line."""
    if sys.stderr is not None:
        sys.stderr.write(f"c2lib: {one_line(text)}\n")


def show(text: str) -> None:
    """Write a line of a result to stdout, in what its encoding has."""
    if sys.stdout is not None:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(one_line(text).encode(encoding, "backslashreplace").decode(encoding) + "\n")


def is_terminal() -> bool:
    """Return whether somebody watches stderr."""
    return sys.stderr is not None and sys.stderr.isatty()
