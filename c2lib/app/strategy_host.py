"""A strategy file in a process of its own: it is shown bars, answers with intents, and reaches nothing of the record.

A :class:`StrategyHost` is a clean process that forks a child for each session; a :class:`HostedStrategy` is the
strategy in one child. Everything that comes from a child is checked here, since a strategy's code can write to its
pipes: at worst it forges an answer that it could have given. What runs in the child is in :mod:`c2lib.app.host_child`.
"""

from __future__ import annotations

import codecs
import ctypes
import importlib.util
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from c2lib.app.host_child import CHUNK, MAX_CONTROL, PASSED, Frames, encode, framed
from c2lib.app.paths import undumpable
from c2lib.core.errors import (
    NoLiveViolationError,
    OutputError,
    StrategyEndedError,
    StrategyError,
    StrategyRaisedError,
)
from c2lib.core.model import Bar, CancelIntent, OrderIntent, PositionView, StrategySettings
from c2lib.core.redaction import clean_text
from c2lib.core.vocabulary import Artifact, FailCode
from c2lib.session.nolive import NAMESPACE, NoLiveGuard
from c2lib.session.strategy import MAX_LINES, Intents, decision_of, own_line

T = TypeVar("T")

START_TIMEOUT_S = 30.0
"""Seconds that a child may take until it is ready for a strategy."""

MAX_ANSWER = 1 << 20
"""Most bytes of an answer."""

MAX_PRINTED = 1_000_000
"""Most bytes of a strategy's prints that are shown; what it prints beyond is read and dropped."""

_MAX_REPORT, _MAX_NAME = 1 << 14, 200
_GRACE_S = 0.2
_COMMAND = "import sys; from c2lib.app.host_child import main; main(int(sys.argv[1]))"
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")


class StrategyHost(ExitStack):
    """A clean process that forks a child for each session; started at once, ready some 60 ms later.

    To be closed after its sessions; it belongs to one thread at a time. While it lives, other processes of the same
    user cannot read this one. Raises :class:`OutputError` when the process cannot be started.
    """

    def __init__(self) -> None:
        super().__init__()
        with ExitStack() as stack:
            stack.enter_context(undumpable())
            self._control, theirs = socket.socketpair()
            stack.enter_context(self._control)
            self._control.settimeout(START_TIMEOUT_S)
            with theirs:
                self._process = stack.enter_context(_clean_process(theirs.fileno()))
            stack.callback(self._process.kill)
            self.push(stack.pop_all())

    def session(self, layer: str, timeout_s: float) -> HostedStrategy:
        """Fork a child for one session of a NO-LIVE layer, whose answers may take ``timeout_s`` seconds each.

        To be called before the session's guard is entered. Raises :class:`OutputError` when no child can be had.
        """
        core = _core_of_this_thread()
        requests, answers, prints = os.pipe(), os.pipe(), os.pipe()
        # sockets: /proc can open a pipe's other end, and a child could read its reports back, or keep its lifeline open
        refusals, lifeline = ([end.detach() for end in socket.socketpair()] for _ in range(2))
        ours = [requests[1], answers[0], refusals[0], lifeline[0], prints[0]]
        theirs = [requests[0], answers[1], refusals[1], lifeline[1], prints[1]]
        try:
            pid = self._ask({"layer": layer, "core": core}, theirs)
        except BaseException:
            _close_all(ours)
            raise
        finally:
            _close_all(theirs)
        return HostedStrategy(self, pid, core, timeout_s, ours)

    def namespace_problem(self) -> str | None:
        """Return why there is no child without a network to be had, ``None`` when there is; runs no strategy's code."""
        with self.session(NAMESPACE, START_TIMEOUT_S) as tried:
            return tried.guard.problem

    def end(self, pid: int) -> int | None:
        """Kill a child with its process group and return its wait status, ``None`` when this host is gone itself."""
        # the clean process alone collects its children: while it is there, no other process has their numbers
        if self._process.poll() is None:
            for kill in (os.kill, os.killpg):
                with suppress(ProcessLookupError, PermissionError):
                    kill(pid, signal.SIGKILL)
            with suppress(OutputError):
                return self._ask({"reap": pid})
        return None

    def _ask(self, request: dict[str, Any], handles: Sequence[int] = ()) -> int:
        message = json.dumps(request).encode()
        try:
            if handles:
                socket.send_fds(self._control, [message], handles)
            else:  # also while a guard is entered, which refuses the other call
                self._control.sendall(message)
            return int(json.loads(self._control.recv(MAX_CONTROL)))
        except (OSError, ValueError) as error:
            raise OutputError(f"the strategy host gives no answer ({type(error).__name__})") from None


class HostedStrategy(ExitStack):
    """A strategy in a child of its own, made by :meth:`StrategyHost.session`; loaded, it is a strategy like any.

    ``guard`` is that of its session: it knows why the NO-LIVE layer does not hold in the child, if so, and counts what
    is refused there. Closing ends the child, whatever that does.
    """

    def __init__(self, host: StrategyHost, pid: int, core: int | None, timeout_s: float, handles: list[int]) -> None:
        super().__init__()
        self.pid = pid
        self._host, self._core, self._timeout_s = host, core, timeout_s
        self._requests, answers, refusals, lifeline, prints = handles
        relay = threading.Thread(target=_relay, args=(prints,), daemon=True, name="c2lib strategy prints")
        relay.start()
        # one that knows the thread above as none of the session's
        self.guard = NoLiveGuard()
        self.callback(relay.join, 1.0)
        self.callback(_close_all, [self._requests, answers, refusals])
        self._child = ExitStack()
        self._child.callback(self._collect)
        self._child.callback(os.close, lifeline)
        self.callback(self._ended, StrategyError("the strategy's session was closed"))
        self._answers, self._refusals = Frames(answers, MAX_ANSWER), Frames(refusals, _MAX_REPORT)
        os.set_blocking(self._requests, False)
        os.set_blocking(refusals, False)
        self._poller = select.poll()
        self._poller.register(answers, select.POLLIN)
        self._poller.register(refusals, select.POLLIN)
        self._source, self._bar_index = b"", -1
        self._shown: PositionView | None = None
        self._status = "its status is not known"
        self._over: StrategyError | None = None
        self._await_canary()

    def load(self, name: str, source: bytes | None, settings: StrategySettings) -> HostedStrategy:
        """Make a strategy in the child and return this one, which stands for it; called once.

        Args:
            name: its class in the source; without a source, the name of a built-in one.
            source: the bytes of its file, which run in the child.
            settings: what it is made with.

        Raises:
            StrategyRaisedError: the file or the class raised; this and what follows is the end of the child.
            StrategyEndedError: there was no answer.
            NoLiveViolationError: an attempt to leave the process was refused.
        """
        self._source = source or b""
        text = None if source is None else source.decode("latin-1")
        *fields, params = settings
        request = {"name": name, "text": text, "fields": fields, "params": dict(params)}
        self._ask(json.dumps(request).encode(), self._read_null)
        return self

    def on_bar(self, bar: Bar, view: PositionView) -> Intents | None:
        """Return what the strategy wants; raises what :meth:`load` does, and StrategyError for an unusable answer."""
        self._bar_index = bar.bar_index
        # what the child was shown before is not sent again
        same = view is self._shown
        request = b"[%d,%d,%d,%d,%d,%d,%d]" % bar if same else encode((*bar, view)).encode()
        self._shown = view
        return self._ask(request, self._read_intents)

    def finish(self) -> int:
        """Let the child flush what was printed, end it, and return how many attempts its hook refused in all."""
        # what it does after its last answer decides nothing but that count
        with suppress(StrategyError):
            self._ask(b"null", self._read_null)
        self.close()
        return self.guard.attempts

    @contextmanager
    def bound(self) -> Iterator[None]:
        """Bind this thread to the core of its child, as the two never run at once; without effect where refused."""
        with ExitStack() as stack:
            if self._core is not None:
                with suppress(OSError):
                    before = os.sched_getaffinity(0)
                    os.sched_setaffinity(0, {self._core})
                    stack.callback(os.sched_setaffinity, 0, before)
            yield

    def _ask(self, request: bytes, read: Callable[[bytes], T]) -> T:
        """Return what is read in the answer to a request; whatever goes wrong ends the child."""
        if self._over is not None:
            raise self._over
        try:
            deadline = monotonic() + self._timeout_s
            self._send(framed(request), deadline)
            answer = self._receive(deadline)
            if self.guard.attempts:
                raise StrategyError
            return read(answer)
        except StrategyError as error:
            raise self._ended(error) from None
        except BaseException:
            # the answer that is on its way would be taken for the next one
            self.close()
            raise

    def _read_null(self, answer: bytes) -> None:
        if answer != b"null":
            raise self._error(answer)

    def _read_intents(self, answer: bytes) -> Intents | None:
        head = b"[%d" % self._bar_index
        rest = answer[len(head) :] if answer.startswith(head) else b""
        if rest == b"]":
            return None
        if rest.startswith(b",") and rest.endswith(b"]"):
            # most answers are short and come again
            return (_intents if len(rest) < CHUNK // 64 else _intents.__wrapped__)(rest[1:-1])
        raise self._error(answer)

    def _error(self, answer: bytes) -> StrategyError:
        """Return the error that an answer reports; the texts in it are foreign."""
        value = _parsed(answer)
        try:
            if "unusable" in value:
                return StrategyError(_clean(value["unusable"]))
            texts = importlib.util.decode_source(self._source).split("\n") if value["lines"] else []
            lines = tuple(
                own_line(Artifact.STRATEGY, number, texts[number - 1])
                for number in value["lines"][:MAX_LINES]
                if 0 < number <= len(texts)
            )
            raised, message = _clean(value["raised"])[:_MAX_NAME], _clean(value["message"])
            description = clean_text(f"{raised}: {message}" if message else raised)
            return StrategyRaisedError(description, raised, lines)
        except (KeyError, TypeError, ValueError):
            return StrategyEndedError(FailCode.STRATEGY_PROTOCOL, "no answer to what was asked")

    def _send(self, message: bytes, deadline: float) -> None:
        while message:
            try:
                message = message[os.write(self._requests, message) :]
            except BlockingIOError:
                if not _is_ready(self._requests, select.POLLOUT, deadline - monotonic()):
                    raise StrategyEndedError(FailCode.STRATEGY_TIMEOUT, "it does not read what it is sent") from None
            except ConnectionError:
                raise StrategyEndedError(FailCode.STRATEGY_EXITED, "") from None

    def _receive(self, deadline: float) -> bytes:
        while True:
            left = deadline - monotonic()
            ready = self._poller.poll(left * 1000) if left > 0 else ()
            if not ready:
                raise StrategyEndedError(FailCode.STRATEGY_TIMEOUT, "killed")
            if len(ready) > 1 or ready[0][0] != self._answers.handle:
                self._read_refusals()
                if all(handle != self._answers.handle for handle, _ in ready):
                    continue
            if not self._answers.read():
                raise StrategyEndedError(FailCode.STRATEGY_EXITED, "")
            answer = self._answers.take()
            if answer is not None:
                if self._answers.data or self._refusals.ended:
                    raise StrategyEndedError(
                        FailCode.STRATEGY_PROTOCOL, "more than one answer, or no way left to report refusals"
                    )
                return answer

    def _read_refusals(self) -> bool:
        """Count reports of refused attempts that have come in; return whether there can be more.

        Each was written before the strategy's code went on. One read at a time, since a strategy can write on and on.
        """
        try:
            more = self._refusals.read()
        except BlockingIOError:
            return False
        while (report := self._refusals.take()) is not None:
            texts = _parsed(report)
            if type(texts) is not list or len(texts) != 2 or not all(type(text) is str for text in texts):
                raise StrategyEndedError(FailCode.STRATEGY_PROTOCOL, "a report of a refused attempt that is none")
            self.guard.count(*texts)
        if not more and not self._refusals.ended:
            # it would be ready for ever
            self._poller.unregister(self._refusals.handle)
            self._refusals.ended = True
        return more

    def _await_canary(self) -> None:
        """Read what the child says of its layer; its canary's attempt must have been refused and reported."""
        try:
            problem = _parsed(self._receive(monotonic() + START_TIMEOUT_S))
        except StrategyEndedError as error:
            self.close()
            raise OutputError(f"the strategy's process did not start in {START_TIMEOUT_S:g} s ({error.code})") from None
        if problem is None and self.guard.attempts != 1:
            problem = "the canary's loopback connection was not stopped by the audit hook"
        self.guard.attempts = 0
        self.guard.tried.clear()
        self.guard.problem = problem if problem is None else str(problem)

    def _ended(self, error: StrategyError) -> StrategyError:
        """End the child and return what is raised from now on: an attempt to leave weighs more than how it ended."""
        exited = isinstance(error, StrategyEndedError) and error.code is FailCode.STRATEGY_EXITED
        if exited:
            # killed while it is still ending, it would look as if that had ended it
            with suppress(OSError, AttributeError):
                ending = os.pidfd_open(self.pid)
                _is_ready(ending, select.POLLIN, _GRACE_S)
                os.close(ending)
        self._child.close()
        if self.guard.attempts:
            error = NoLiveViolationError(f"session code tried {self.guard.attempts} time(s) to leave the process")
        elif exited:
            error = StrategyEndedError(FailCode.STRATEGY_EXITED, self._status)
        self._over = self._over or error
        return self._over

    def _collect(self) -> None:
        """Kill the child and keep how it ended; what its hook reported until then is still counted."""
        status = self._host.end(self.pid)
        if status is not None:
            code = os.waitstatus_to_exitcode(status)
            self._status = f"exit code {code}" if code >= 0 else f"signal {-code}"
        until = monotonic() + _GRACE_S
        with suppress(StrategyEndedError):
            while self._read_refusals() and monotonic() < until:
                continue


def _is_ready(handle: int, event: int, seconds: float) -> bool:
    poller = select.poll()
    poller.register(handle, event)
    return bool(poller.poll(max(0.0, seconds) * 1000))


def _parsed(message: bytes) -> Any:
    try:
        return json.loads(message)
    except (ValueError, RecursionError):
        raise StrategyEndedError(FailCode.STRATEGY_PROTOCOL, "a message that is no JSON") from None


@lru_cache(maxsize=64)
def _intents(text: bytes) -> Intents:
    try:
        made = [OrderIntent(*fields) if len(fields) == 7 else CancelIntent(*fields) for fields in _parsed(text)]
        return decision_of(made).intents
    except (TypeError, StrategyError):
        raise StrategyEndedError(FailCode.STRATEGY_PROTOCOL, "intents that are none") from None


def _clean(text: object) -> str:
    """Return foreign text as an artifact may hold it; addresses in it are left out, since no two runs share them."""
    if type(text) is not str:
        raise TypeError
    return clean_text(_ADDRESS.sub("at 0x…", text))


def _relay(prints: int) -> None:
    """Show what a strategy prints on this process's stderr, up to a bound, and end its last line; drop the rest."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    left, in_line = MAX_PRINTED, False
    with os.fdopen(prints, "rb", buffering=0) as stream:
        while (chunk := stream.read(CHUNK)) or in_line:
            text = decoder.decode(chunk[: max(left, 0)]) if chunk else "\n"
            if 0 <= left < len(chunk):
                text += f"\n[the strategy printed more than {MAX_PRINTED} bytes: the rest is not shown]\n"
            left -= len(chunk)
            in_line = not text.endswith("\n") if text else in_line
            with suppress(AttributeError, OSError, ValueError):  # a stderr that is closed, or none
                sys.stderr.write(text)


def _close_all(handles: list[int]) -> None:
    while handles:
        os.close(handles.pop())


def _core_of_this_thread() -> int | None:
    with suppress(AttributeError):  # not every system has the two
        core: int = ctypes.CDLL(None).sched_getcpu()
        return core if core in os.sched_getaffinity(0) else None
    return None


def _clean_process(control: int) -> subprocess.Popen[bytes]:
    try:
        # what is importable here is importable there, except from the current folder; the package itself always is
        entries = [entry for entry in sys.path if entry and Path(entry).resolve() != Path.cwd()]
        path = os.pathsep.join(dict.fromkeys([*entries, str(Path(__file__).resolve().parents[2])]))
        passed = {name: value for name, value in os.environ.items() if PASSED.fullmatch(name)}
        return subprocess.Popen(  # noqa: S603 - this interpreter, a module of ours
            [sys.executable, "-P", "-c", _COMMAND, str(control)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**passed, "PYTHONPATH": path, "PYTHONHASHSEED": "0"},
            pass_fds=[control],
            start_new_session=True,
        )
    except OSError as error:
        raise OutputError(f"the strategy host cannot be started: {error.strerror}") from None
