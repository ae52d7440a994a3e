"""Work done in a child process that has no network: asked for here, done in :mod:`c2lib.app.namespace_child`.

The child gets its job as JSON on its stdin and answers in JSON lines, which are data and never unpickled: code that a
user chose runs over there. Results, errors, progress and interrupts come out as if the work had been done here.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter

from c2lib.app.strategy_files import sendable
from c2lib.core import errors
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import C2Error, ConfigError, OutputError
from c2lib.core.model import Clock
from c2lib.session.result import DryrunResult
from c2lib.session.strategy import StrategySource
from c2lib.witness.findings import Finding

Progress = Callable[[int, int], None]
"""Called with ``(steps made, steps planned)`` from time to time."""

CHILD = "c2lib.app.namespace_child"

RESULT: TypeAdapter[DryrunResult] = TypeAdapter(DryrunResult)
_FINDING: TypeAdapter[Finding | None] = TypeAdapter(Finding | None)

_ERRORS = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, C2Error)}

_HERE_ONLY = "exists in this process only, and no_live_required 'namespace' runs in another"

_PATIENCE = 30.0
"""Seconds to wait for a child that was interrupted, or that closed its output."""


def run_in_namespace(
    config: DryrunConfig,
    root: Path,
    market: str | os.PathLike[str] | None,
    source: StrategySource | None,
    clock: Clock | None,
    progress: Progress | None,
) -> DryrunResult:
    """Run a dry run below ``root`` in a child process and return its result; raises what a run here would raise.

    Raises :class:`ConfigError` for a clock or a strategy that exists in this process only, and
    :class:`OutputError` when the child ended without an answer.
    """
    if clock is not None:
        raise ConfigError("clock", _HERE_ONLY, hint="leave it out, and say clock_start or clock_mode 'market'")
    job = {
        "task": "run",
        "config": config.model_dump(mode="json", warnings=False),
        "root": os.fspath(root),
        "market": os.fspath(market) if market is not None else None,
        "strategy": _sent(source),
    }
    answer = ask(job, progress)
    with _understood():
        return RESULT.validate_python(answer["result"])


def replay_in_namespace(
    place: str,
    manifest: Mapping[str, Any],
    market: str | os.PathLike[str] | None,
    source: StrategySource,
    recorded: str | None,
    progress: Progress | None = None,
) -> tuple[Finding | None, str | None]:
    """Execute the run at ``place`` again in a child process; return the finding, and why there was no namespace."""
    job = {
        "task": "replay",
        "place": place,
        "manifest": manifest,
        "market": os.fspath(market) if market is not None else None,
        "strategy": _sent(source),
        "recorded": recorded,
    }
    answer = ask(job, progress)
    with _understood():
        return _FINDING.validate_python(answer["finding"]), answer["refusal"]


def _sent(source: StrategySource | None) -> dict[str, str] | None:
    if source is None:
        return None
    sent = sendable(source)
    if sent is None:
        hint = "save it in a file and hand over strategy='FILE.py:CLASS', or --strategy-file FILE.py:CLASS"
        raise ConfigError("strategy", _HERE_ONLY, hint=hint)
    return sent


def ask(job: Mapping[str, Any], progress: Progress | None) -> Mapping[str, Any]:
    """Return the answer of a child process to ``job``; raises the error that the child answered with."""
    child = _started()
    relay = threading.Thread(target=_relay, args=(child.stderr,), daemon=True)
    with child:
        relay.start()
        try:
            _send(child, job)
            answer = _received(child, progress)
        except KeyboardInterrupt:
            # a process group of its own: the terminal's interrupt reached this process alone
            child.send_signal(signal.SIGINT)
            _wait(child)
            raise
        finally:
            # nothing that a strategy started over there stays behind
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            relay.join(_PATIENCE)
    _raise_error(answer.get("error"))
    return answer


def _started() -> subprocess.Popen[bytes]:
    # what is importable here is importable there, and nothing else: no current folder put in front of it
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    try:
        return subprocess.Popen(  # noqa: S603 - this interpreter, a module of ours
            [sys.executable, "-P", "-m", CHILD],
            # a reader that a buffer's lock can block could not be closed
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            process_group=0,
        )
    except OSError as error:
        raise OutputError(f"the session's child process cannot be started: {error.strerror}") from None


def _send(child: subprocess.Popen[bytes], job: Mapping[str, Any]) -> None:
    # of a child that ended at once the exit code is reported
    with suppress(BrokenPipeError), cast(io.FileIO, child.stdin) as stdin:
        data = memoryview(json.dumps(job).encode())
        while data:
            data = data[stdin.write(data) :]


def _received(child: subprocess.Popen[bytes], progress: Progress | None) -> dict[str, Any]:
    for line in cast(io.FileIO, child.stdout):
        with _understood():
            message = {**json.loads(line)}
        if "progress" not in message:
            return message
        if progress is not None:
            progress(*message["progress"])
    raise OutputError(
        f"the session's child process ended (exit code {_wait(child)}) before it told a result; "
        "a staging folder of an unfinished run may be left"
    )


def _wait(child: subprocess.Popen[bytes]) -> int | None:
    with suppress(subprocess.TimeoutExpired):
        return child.wait(_PATIENCE)
    return None


@contextmanager
def _understood() -> Iterator[None]:
    """Raise :class:`OutputError` for what has not the form of an answer: a strategy over there can write anything."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError):
        raise OutputError("the session's child process answered with something that is no answer") from None


def _relay(stream: io.FileIO) -> None:
    """Copy what the strategy prints over there to this stderr."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    while chunk := stream.read(1 << 16):
        if sys.stderr is not None:
            sys.stderr.write(decoder.decode(chunk))


def _raise_error(facts: Mapping[str, Any] | None) -> None:
    if facts is None:
        return
    if facts["kind"] == KeyboardInterrupt.__name__:
        raise KeyboardInterrupt
    if facts["kind"] == OSError.__name__:
        raise OSError(*facts["args"])
    with _understood():
        error: C2Error = _ERRORS[facts["kind"]].__new__(_ERRORS[facts["kind"]], *facts["args"])
        error.__dict__.update(facts["fields"])
    raise error


def error_facts(error: BaseException) -> dict[str, Any]:
    """Return an error as JSON values: one of c2lib's own, an :class:`OSError`, or an interrupt."""
    if isinstance(error, OSError):
        return {"kind": OSError.__name__, "args": [error.errno, error.strerror, error.filename]}
    return {"kind": type(error).__name__, "args": list(error.args), "fields": vars(error)}
