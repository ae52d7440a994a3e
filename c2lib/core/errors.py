"""Every error of c2lib: one root, and below it one base class per cause.

Causes are the caller (:class:`InputError`), the strategy (:class:`StrategyError`), the venue (:class:`BrokerError`),
the machine (:class:`OutputError`) and c2lib itself (:class:`DefectError`). A message says what to do, and is redacted
where it can quote a name or a path.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from c2lib.core.redaction import redact_secrets
from c2lib.core.vocabulary import STRATEGY_ENDS, FailCode


class C2Error(Exception):
    """Root of every error that c2lib raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way calls the constructor with the message alone, which breaks a process pool
        return Exception.__new__, (type(self), *self.args), self.__dict__


class InputError(C2Error):
    """The caller gave something that cannot be used; nothing was written."""

    def __init__(self, message: str) -> None:
        super().__init__(redact_secrets(message))

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in place of a traceback: its own hook, by its own name."""
        return [f"{type(self).__name__}: {self}"]


class _NamingError(InputError):
    """An error of something named; redacted piece by piece, since ``secret: is missing`` as a whole looks like one."""

    def __init__(self, where: str, problem: str, hint: str) -> None:
        self.problem, self.hint = redact_secrets(problem), redact_secrets(hint)
        Exception.__init__(self, f"{where}: {self.problem}" + (f" ({self.hint})" if hint else ""))


class ConfigError(_NamingError):
    """A config field, parameter or option is malformed; ``field`` is its dotted name.

    >>> str(ConfigError("seed", "must be an integer, got '11'", hint="drop the quotes"))
    "seed: must be an integer, got '11' (drop the quotes)"
    """

    def __init__(self, field: str, problem: str, *, hint: str = "") -> None:
        self.field = redact_secrets(field)
        super().__init__(self.field, problem, hint)


class MarketDataError(_NamingError):
    """A market file cannot be used; ``line`` counts from 1, the header included, and 0 means the whole file.

    Where ``unit`` is ``row``, for a file that is no text, ``line`` counts rows, and there is no header to count.
    """

    def __init__(self, file: str, line: int, problem: str, *, hint: str = "", unit: str = "line") -> None:
        self.file, self.line, self.unit = redact_secrets(file), line, unit
        super().__init__(f"{self.file}, {unit} {line}" if line else self.file, problem, hint)


class StrategyLoadError(InputError):
    """The strategy that the caller named cannot be loaded."""


class RunPathError(InputError):
    """A path that the caller named cannot be read from or written to safely."""


class RunConflictError(InputError):
    """A run directory of this ``run_id`` exists and differs; it was left as it is.

    ``file`` and ``line`` (from 1) name the first difference, ``published`` and ``computed`` its two sides,
    ``fields`` the config fields that differ, ``versions`` the modules that the strategy imports in another version.
    """

    def __init__(
        self,
        path: str,
        file: str,
        line: int,
        published: str,
        computed: str,
        fields: tuple[str, ...] = (),
        versions: tuple[str, ...] = (),
    ) -> None:
        self.path, self.file, self.line = redact_secrets(path), file, line
        self.published, self.computed = redact_secrets(published), redact_secrets(computed)
        self.fields, self.versions = fields, versions
        why = "; the configs are equal"
        advice = "c2lib verify says whether the record was altered; else a strategy that is not deterministic is why"
        if fields:
            why = f"; the configs differ in {', '.join(fields)}"
            why = why.replace("strategy.sha256", "strategy.sha256 (the strategy file was edited)")
            advice = "leave run_id out: config and strategy then name the run"
        why += f"; the strategy imports {', '.join(versions)}" if versions else ""
        super().__init__(
            f"{path} exists and differs from this run, first in {file}, line {line}: "
            f"published {published}, computed {computed}{why} (nothing was changed; {advice})"
        )


class MissingExtraError(InputError):
    """A feature needs an optional dependency that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{feature} needs the extra {extra!r}: pip install 'c2lib[{extra}]'")


class StrategyError(C2Error):
    """The strategy returned something that is no decision."""


class StrategyRaisedError(StrategyError):
    """The strategy raised, as ``description`` says; ``raised`` is the type's name.

    ``lines`` are those of the strategy's own file in the traceback, innermost last.
    """

    def __init__(self, description: str, raised: str, lines: tuple[str, ...]) -> None:
        self.raised, self.lines = raised, lines
        super().__init__(description)


class StrategyEndedError(StrategyError):
    """The strategy's process gave no answer; the message depends on ``code`` alone, ``detail`` is for people."""

    def __init__(self, code: FailCode, detail: str = "") -> None:
        self.code, self.detail = code, detail
        super().__init__(STRATEGY_ENDS[code])


class NoLiveViolationError(StrategyError):
    """Session code tried to leave the process: a socket, a name look-up, a child process, a foreign library."""


class BrokerError(C2Error):
    """The venue did not do what was asked; trying again cannot help, unless it is a :class:`TransientBrokerError`."""


class TransientBrokerError(BrokerError):
    """Trying again can help."""


class BrokerTimeoutError(TransientBrokerError):
    """No answer in time; whether the request had an effect is unknown until reconciled."""


class BrokerUnavailableError(TransientBrokerError):
    """The venue could not be reached; the request had no effect."""


class RateLimitedError(TransientBrokerError):
    """Too many requests; the request had no effect."""


class InvalidRequestError(BrokerError):
    """The request is malformed or names something that the venue does not know."""


class OrderRejectedError(BrokerError):
    """The venue understood the order and refused it; ``reason`` is the venue's word."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the broker rejected the order: {reason}")


class OutputError(C2Error):
    """The machine failed: a disk, a file system, a sink."""

    def __init__(self, message: str) -> None:
        super().__init__(redact_secrets(message))


@contextmanager
def output_errors(problem: str, kind: type[C2Error] = OutputError) -> Iterator[None]:
    """Turn an :class:`OSError` into an error of ``kind`` that begins with ``problem``."""
    try:
        yield
    except OSError as error:
        raise kind(f"{problem}: {error.strerror}") from None


class SinkWriteError(OutputError):
    """A sink failed more often than its retries allow; ``sink`` is its artifact's name."""

    def __init__(self, sink: str, attempts: int, cause: str) -> None:
        self.sink, self.attempts, self.cause = sink, attempts, cause
        super().__init__(f"sink {sink!r} failed {attempts} time(s), the last with: {cause}")


class DefectError(C2Error):
    """c2lib itself is wrong; please report it."""


class ForbiddenTransitionError(DefectError):
    """A state machine was asked for a move that its table does not have; the state is unchanged."""

    def __init__(self, machine: str, state: str, trigger: str) -> None:
        super().__init__(f"{machine}: no transition from {state} on {trigger}")


class InvariantError(DefectError):
    """Something that must always hold does not; ``rail`` names it."""

    def __init__(self, rail: str, expected: str, seen: str) -> None:
        self.rail, self.expected, self.seen = rail, expected, seen
        super().__init__(f"{rail}: expected {expected}, seen {seen}")
