"""Sinks as foreign code writes them: failing for good, failing at times, keeping every line."""

from collections.abc import Callable


class DiskError(Exception):
    """What the sinks here raise; its message carries what no artifact may show."""


class Remembering:
    """Keeps lines and flushes; fails at the calls that ``fails`` says, counted from 0 and attempts included."""

    def __init__(self, fails: Callable[[int], bool] = lambda call: False) -> None:
        self.lines: list[str] = []
        self.flushes = 0
        self.calls = 0
        self._fails = fails

    def write(self, line: str) -> None:
        """Keep a line, or fail."""
        self._call()
        self.lines.append(line)

    def flush(self) -> None:
        """Count a flush, or fail."""
        self._call()
        self.flushes += 1

    def _call(self) -> None:
        call, self.calls = self.calls, self.calls + 1
        if self._fails(call):
            raise DiskError("/home/somebody: disk full")


def dead_from(first: int) -> Remembering:
    """Return a sink that fails from its call ``first`` on."""
    return Remembering(lambda call: call >= first)


def failing_at(*calls: int) -> Remembering:
    """Return a sink that fails at single calls."""
    return Remembering(lambda call: call in calls)


def every_other() -> Remembering:
    """Return a sink whose every other call fails, the first one among them."""
    return Remembering(lambda call: call % 2 == 0)
