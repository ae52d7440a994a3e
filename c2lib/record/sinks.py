r"""Sinks: wherever lines go; anything with ``.write(str)`` or ``.append(str)``, one call a line that ends in ``\n``.

A failing write is tried again at most ``max_retries`` times, at once. What a sink raised is recorded by the exception's
class name alone, since messages carry paths and worse. A sink that failed for good is dead and not called again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from c2lib.core.errors import ConfigError, SinkWriteError
from c2lib.core.redaction import FOREIGN, clean_text


class SinkFailure(NamedTuple):
    """A write or flush that failed: which call of which sink, and what each attempt raised."""

    sink: str
    call: int
    errors: tuple[str, ...]


class Sinks(NamedTuple):
    """The four places that a session writes to; ``None`` is written nowhere."""

    events: Any = None
    snapshots: Any = None
    audit: Any = None
    metrics: Any = None


def line_writer(sink: Any, name: str) -> Callable[[str], object]:
    """Return the callable that takes a line; raise :class:`ConfigError` when ``sink`` has none."""
    for method in ("write", "append"):
        candidate = getattr(sink, method, None)
        if callable(candidate):
            writer: Callable[[str], object] = candidate
            return writer
    raise ConfigError(name, f"{type(sink).__name__} has neither .write(str) nor .append(str)")


class RetryingSink:
    """A sink with bounded retries; ``failures`` are the calls that failed at least once.

    Args:
        name: the artifact's name.
        sink: where the lines go; ``None`` is nowhere.
        max_retries: how often a failing call is tried again.
        on_retry: called with the name and the error's class name for each failure that is tried again.
    """

    def __init__(
        self, name: str, sink: Any, max_retries: int, on_retry: Callable[[str, str], object] | None = None
    ) -> None:
        self.name = name
        self.dead = False
        self.calls = 0
        self.failures: list[SinkFailure] = []
        self._max_retries = max(max_retries, 0)
        self._on_retry = on_retry or (lambda _name, _error: None)
        self._write = (lambda _line: None) if sink is None else line_writer(sink, name)
        self._flush = getattr(sink, "flush", None)

    def write(self, line: str) -> None:
        """Write one line; raise :class:`SinkWriteError` when every attempt failed, or the sink is dead."""
        self.calls += 1
        try:
            self._write(line)
        except FOREIGN as error:
            # no lambda: a variable that one closes over is slower in every call, and most calls come never here
            self._again(self._write, partial(str, line), error)

    def write_composed(self, compose: Callable[[], str]) -> None:
        """Write one line that is composed anew at each attempt, so that it can count its own retries.

        Raises as :meth:`write`; what ``compose`` itself raises is no failure of this sink.
        """
        self._call(self._write, compose)

    def flush(self) -> None:
        """Flush the sink when it can be flushed; raises as :meth:`write`."""
        flush = self._flush
        if callable(flush):
            self._call(lambda _line: flush(), lambda: "")

    def _call(self, act: Callable[[str], object], compose: Callable[[], str]) -> None:
        self._refuse_when_dead()
        line = compose()
        self.calls += 1
        try:
            act(line)
        except FOREIGN as error:
            self._again(act, compose, error)

    def _refuse_when_dead(self) -> None:
        if self.dead:
            raise SinkWriteError(self.name, 0, "dead since an earlier failure")

    def _again(self, act: Callable[[str], object], compose: Callable[[], str], error: BaseException) -> None:
        self._refuse_when_dead()
        errors = [_class_name(error)]
        while len(errors) <= self._max_retries:
            self._on_retry(self.name, errors[-1])
            line = compose()
            try:
                act(line)
            except FOREIGN as again:
                error = again
                errors.append(_class_name(again))
            else:
                self.failures.append(SinkFailure(self.name, self.calls - 1, tuple(errors)))
                return
        self.dead = True
        # a check at each write would cost every line what only the last one needs
        self._write = lambda _line: self._refuse_when_dead()
        self.failures.append(SinkFailure(self.name, self.calls - 1, tuple(errors)))
        raise SinkWriteError(self.name, len(errors), errors[-1]) from error


def _class_name(error: BaseException) -> str:
    return clean_text(type(error).__name__)
