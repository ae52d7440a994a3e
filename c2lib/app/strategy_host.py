"""A strategy file in a process of its own: it is shown bars, answers with intents, and reaches nothing of the record.

A :class:`StrategyHost` is a clean process that forks a child for each session; a :class:`HostedStrategy` is the
strategy in one child. Everything that comes from a child is checked here, since a strategy's code can write to its
pipes: at worst it forges an answer that it could have given. What runs over there is in :mod:`c2lib.app.host_child`.
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
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, NamedTuple

from c2lib.app.host_child import HANDLES, MAX_CONTROL, framed
from c2lib.core.errors import NoLiveViolationError, OutputError, StrategyError
from c2lib.core.model import Bar, CancelIntent, OrderIntent, PositionView, StrategySettings
from c2lib.core.redaction import clean_text
from c2lib.session.strategy import checked_intents

START_TIMEOUT_S = 30.0
"""Seconds that a child may take until it is ready for a strategy."""

MAX_ANSWER = 1 << 20
"""Most bytes of an answer."""

MAX_PRINTED = 1_000_000
"""Most bytes of a strategy's prints that are shown; what it prints beyond is read and dropped."""

_MAX_REPORT, _MAX_TRIED, _MAX_SHOWN, _MAX_KNOWN, _CHUNK = 4096, 16, 200, 64, 1 << 16
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")


class StrategyFile(NamedTuple):
    """A strategy's source, the bytes that were hashed, with the name it is shown by and its class."""

    name: str
    class_name: str
    source: bytes


class Attempt(NamedTuple):
    """A refused attempt to leave the process: the audit event's name and what it aimed at, cleaned."""

    event: str
    target: str


class OwnLine(NamedTuple):
    """A line of the strategy's own file in a traceback."""

    number: int
    function: str
    text: str


class StrategyRaisedError(StrategyError):
    """The strategy raised: ``raised`` is the type's name, ``lines`` those of its own file, innermost last.

    ``bar_index`` is ``None`` where the strategy was being made.
    """

    def __init__(self, raised: str, message: str, lines: tuple[OwnLine, ...], bar_index: int | None) -> None:
        self.raised = raised
        self.lines = lines
        self.bar_index = bar_index
        super().__init__(f"{raised}: {message}" if message else raised)


class StrategyEndedError(StrategyError):
    """The strategy's process gave no answer; the message depends on the code alone, ``detail`` is for people."""

    code = ""
    reason = ""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(self.reason)


class StrategyTimeoutError(StrategyEndedError):
    """The strategy gave no answer in time and was killed."""

    code = "C2_ABORT_STRATEGY_TIMEOUT"
    reason = "the strategy gave no answer within strategy_timeout_s"


class StrategyExitedError(StrategyEndedError):
    """The strategy's process ended."""

    code = "C2_ABORT_STRATEGY_EXITED"
    reason = "the strategy's process ended before its session"


class StrategyProtocolError(StrategyEndedError):
    """What came from the strategy's process is no answer."""

    code = "C2_ABORT_STRATEGY_PROTOCOL"
    reason = "the strategy's process sent something that is no answer"


class StrategyHost:
    """A clean process that forks a child for each session; started at once, ready some 60 ms later.

    It belongs to one thread at a time. While it lives, other processes of the same user cannot read this one.

    Raises:
        OutputError: the process cannot be started.
    """

    def __init__(self) -> None:
        with ExitStack() as stack:
            stack.enter_context(undumpable())
            self._control, theirs = socket.socketpair()
            stack.enter_context(self._control)
            self._control.settimeout(START_TIMEOUT_S)
            with theirs:
                self._process = stack.enter_context(_clean_process(theirs.fileno()))
            stack.callback(self._process.kill)
            self._stack = stack.pop_all()

    def session(self, layer: str, timeout_s: float) -> HostedStrategy:
        """Fork a child for one session; to be called before the session's guard is entered.

        Args:
            layer: the NO-LIVE layer, ``hook`` or ``namespace``.
            timeout_s: seconds that an answer may take.

        Raises:
            OutputError: no child could be had.
        """
        pipes = [os.pipe() for _ in range(HANDLES)]
        # of each pipe the child reads one end or writes the other: requests, answers, refusals, lifeline, prints
        theirs = [pipe[end] for pipe, end in zip(pipes, (0, 1, 1, 0, 1), strict=True)]
        ours = [handle for pipe in pipes for handle in pipe if handle not in theirs]
        core = _core_of_this_thread()
        try:
            request = json.dumps({"layer": layer, "core": core}).encode()
            with _host_errors():
                socket.send_fds(self._control, [request], theirs)
                pid = self._answer()
        except BaseException:
            for handle in ours:
                os.close(handle)
            raise
        finally:
            for handle in theirs:
                os.close(handle)
        return HostedStrategy(self, pid, core, timeout_s, *ours)

    def end(self, pid: int) -> int | None:
        """Kill a child with its process group and return its wait status, ``None`` when this host is gone itself."""
        # only the clean process collects its children: as long as it is there, no other process has their numbers
        if self._process.poll() is not None:
            return None
        for kill in (os.kill, os.killpg):
            with suppress(ProcessLookupError, PermissionError):
                kill(pid, signal.SIGKILL)
        with suppress(OutputError), _host_errors():
            self._control.sendall(json.dumps({"reap": pid}).encode())
            return self._answer()
        return None

    def close(self) -> None:
        """End the clean process; sessions are closed before."""
        self._stack.close()

    def __enter__(self) -> StrategyHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self) -> int:
        return int(json.loads(self._control.recv(MAX_CONTROL)))


@contextmanager
def _host_errors() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise OutputError(f"the strategy host gives no answer ({type(error).__name__})") from None


class HostedStrategy:
    """A strategy in a child of its own; fits :class:`~c2lib.core.model.Strategy` once it is loaded.

    ``canary_problem`` says why the NO-LIVE layer does not hold over there, ``None`` when it does; ``attempts`` counts
    what the hook refused there since, ``tried`` names the first of it. Made by :meth:`StrategyHost.session`.
    """

    def __init__(
        self,
        host: StrategyHost,
        pid: int,
        core: int | None,
        timeout_s: float,
        requests: int,
        answers: int,
        refusals: int,
        lifeline: int,
        prints: int,
    ) -> None:
        self.pid = pid
        self.attempts = 0
        self.tried: list[Attempt] = []
        self._host, self._core, self._timeout_s = host, core, timeout_s
        self._requests, self._answers, self._refusals = requests, answers, refusals
        self._lifeline: int | None = lifeline
        self._file = StrategyFile("", "", b"")
        self._shown: PositionView | None = None
        self._known: dict[bytes, tuple[OrderIntent | CancelIntent, ...] | None] = {}
        self._reports = b""
        self._refusals_open = True
        self._over: StrategyError | None = None
        self._status: int | None = None
        self._closed = False
        self._relay = threading.Thread(target=_relay, args=(prints,), daemon=True, name="c2lib strategy prints")
        self._relay.start()
        os.set_blocking(requests, False)
        os.set_blocking(refusals, False)
        self._poller = select.poll()
        self._poller.register(answers, select.POLLIN)
        self._poller.register(refusals, select.POLLIN)
        self.canary_problem = self._await_canary()

    def load(self, file: StrategyFile, settings: StrategySettings) -> HostedStrategy:
        """Run the file's code in the child and make its strategy; return this one.

        Raises:
            StrategyRaisedError: the strategy raised.
            StrategyEndedError: the child gave no answer.
            NoLiveViolationError: the strategy tried to leave the process.
        """
        self._file = file
        request = {
            "file": file.name,
            "class": file.class_name,
            "source": file.source.decode("latin-1"),
            "settings": settings._asdict(),
        }
        answer = self._ask(json.dumps(request).encode(), self._timeout_s)
        if answer != b"null":
            raise self._ended(self._error(_parsed(answer), None))
        return self

    def on_bar(self, bar: Bar, view: PositionView) -> tuple[OrderIntent | CancelIntent, ...] | None:
        """Return what the strategy wants on ``bar``; raises what :meth:`load` does, and when an answer is unusable."""
        if view is self._shown:
            request = b"[%d,%d,%d,%d,%d,%d,%d]" % bar
        else:
            request = json.dumps((*bar, view)).encode()
        answer = self._ask(request, self._timeout_s)
        self._shown = view
        head = b"[%d" % bar.bar_index
        if answer.startswith(head):
            rest = answer[len(head) :]
            if rest == b"]":
                return None
            if rest in self._known:
                return self._known[rest]
        return self._read(answer, bar.bar_index)

    def finish(self) -> int:
        """Let the child flush what was printed, end it, and return how many attempts its hook refused in all."""
        if self._over is None and not self._closed:
            # what it does after its last answer decides nothing but that count
            with suppress(StrategyError):
                self._ask(b"null", self._timeout_s)
        self.close()
        return self.attempts

    def close(self) -> None:
        """End the child, whatever it is doing."""
        if self._closed:
            return
        self._end()
        for handle in (self._requests, self._answers, self._refusals):
            os.close(handle)
        self._closed = True
        self._over = self._over or StrategyExitedError("closed")
        self._relay.join(1.0)

    @contextmanager
    def bound(self) -> Iterator[None]:
        """Bind this thread to the core of its child, since the two never run at once; without effect where refused."""
        before = os.sched_getaffinity(0) if self._core is not None else set()
        with suppress(OSError):
            if self._core is not None:
                os.sched_setaffinity(0, {self._core})
        try:
            yield
        finally:
            with suppress(OSError):
                if self._core is not None:
                    os.sched_setaffinity(0, before)

    def __enter__(self) -> HostedStrategy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- one exchange

    def _ask(self, request: bytes, timeout_s: float) -> bytes:
        if self._over is not None:
            raise self._over
        try:
            deadline = monotonic() + timeout_s
            self._send(framed(request), deadline)
            answer = self._receive(deadline)
        except BaseException as error:
            self._over = self._verdict(error)
            if isinstance(error, StrategyError):
                raise self._over from None
            raise
        if self.attempts:
            self._over = self._verdict(None)
            raise self._over
        return answer

    def _verdict(self, error: BaseException | None) -> StrategyError:
        """End the child and return what is said from now on: an attempt to leave weighs more than how it ended."""
        status = self._end()
        if self.attempts:
            return NoLiveViolationError(f"session code tried {self.attempts} time(s) to leave the process")
        if isinstance(error, StrategyExitedError):
            return StrategyExitedError(_status_text(status))
        return error if isinstance(error, StrategyError) else StrategyExitedError(f"ended by {type(error).__name__}")

    def _send(self, message: bytes, deadline: float) -> None:
        while True:
            try:
                message = message[os.write(self._requests, message) :]
            except BlockingIOError:
                self._wait_until_writable(deadline)
            except BrokenPipeError:
                raise StrategyExitedError("") from None
            if not message:
                return

    def _wait_until_writable(self, deadline: float) -> None:
        poller = select.poll()
        poller.register(self._requests, select.POLLOUT)
        if not poller.poll(max(0.0, deadline - monotonic()) * 1000):
            raise StrategyTimeoutError("it does not read what it is sent")

    def _receive(self, deadline: float) -> bytes:
        answers, data, length = self._answers, b"", -1
        while True:
            ready = self._poller.poll(max(0.0, deadline - monotonic()) * 1000)
            if not ready:
                raise StrategyTimeoutError("killed")
            if len(ready) > 1 or ready[0][0] != answers:
                self._read_refusals()
                if monotonic() > deadline:
                    raise StrategyTimeoutError("killed among refused attempts")
                if all(handle != answers for handle, _ in ready):
                    continue
            chunk = os.read(answers, _CHUNK)
            if not chunk:
                raise StrategyExitedError("")
            if not self._refusals_open:
                raise StrategyProtocolError("it closed the pipe that refused attempts are reported by")
            data = data + chunk if data else chunk
            if length < 0 and len(data) >= 4:
                length = int.from_bytes(data[:4], "big") + 4
                if length > MAX_ANSWER:
                    raise StrategyProtocolError(f"an answer of {length} bytes; the most is {MAX_ANSWER}")
            if len(data) == length:
                return data[4:]
            if 0 <= length < len(data):
                raise StrategyProtocolError("more than one answer")

    def _read_refusals(self) -> None:
        """Take the reports of refused attempts that have come in; each was written before the strategy went on."""
        while self._refusals_open:
            try:
                chunk = os.read(self._refusals, _CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                self._poller.unregister(self._refusals)
                self._refusals_open = False
            self._reports += chunk
            while len(self._reports) >= 4:
                length = int.from_bytes(self._reports[:4], "big")
                if length > _MAX_REPORT:
                    raise StrategyProtocolError("a report of a refused attempt that is none")
                if len(self._reports) < 4 + length:
                    break
                report, self._reports = self._reports[4 : 4 + length], self._reports[4 + length :]
                self._count(_parsed(report))
            if len(chunk) < _CHUNK:
                return

    def _count(self, report: Any) -> None:
        if type(report) is not list or len(report) != 2 or not all(type(text) is str for text in report):
            raise StrategyProtocolError("a report of a refused attempt that is none")
        self.attempts += 1
        if len(self.tried) < _MAX_TRIED:
            event, target = (clean_text(text)[:_MAX_SHOWN] for text in report)
            self.tried.append(Attempt(event, target))

    def _read(self, answer: bytes, bar_index: int) -> tuple[OrderIntent | CancelIntent, ...] | None:
        """Return the intents of an answer that is not known yet; remembered by its text, as most come again."""
        value = _parsed(answer)
        if type(value) is not list or len(value) != 2 or type(value[1]) is not list or value[0] != bar_index:
            raise self._ended(self._error(value, bar_index))
        try:
            made = [OrderIntent(*fields) if len(fields) == 7 else CancelIntent(*fields) for fields in value[1]]
            intents = tuple(checked_intents(made))
        except (TypeError, StrategyError):
            raise self._ended(StrategyProtocolError("intents that are none")) from None
        head = b"[%d" % bar_index
        if answer.startswith(head):
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[answer[len(head) :]] = intents
        return intents

    def _error(self, value: Any, bar_index: int | None) -> StrategyError:
        """Return the error that an answer reports; the texts in it are foreign."""
        try:
            if "unusable" in value:
                return StrategyError(_clean(value["unusable"]))
            lines = [(int(number), str(function)) for number, function in value["lines"][:_MAX_TRIED]]
            return StrategyRaisedError(
                _clean(value["raised"]), _clean(value["message"]), _own_lines(self._file.source, lines), bar_index
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return StrategyProtocolError("no answer to what was asked")

    def _ended(self, error: StrategyError) -> StrategyError:
        self._over = self._verdict(error)
        return self._over

    def _end(self) -> int | None:
        """Kill the child and return its wait status; what its hook reported until then is still counted."""
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
            self._status = self._host.end(self.pid)
            with suppress(StrategyProtocolError):
                self._read_refusals()
        return self._status

    def _await_canary(self) -> str | None:
        """Return what the child says of its layer; its canary's attempt must have been refused and reported."""
        try:
            problem = _parsed(self._receive(monotonic() + START_TIMEOUT_S))
        except StrategyEndedError as error:
            self.close()
            raise OutputError(f"the strategy's process did not start: {error}") from None
        if problem is None and self.attempts != 1:
            problem = "the canary's loopback connection was not stopped by the audit hook"
        self.attempts = 0
        self.tried.clear()
        return problem if problem is None else str(problem)


def _parsed(message: bytes) -> Any:
    try:
        return json.loads(message)
    except (ValueError, RecursionError):
        raise StrategyProtocolError("a message that is no JSON") from None


def _clean(text: object) -> str:
    """Return foreign text as an artifact may hold it; addresses in it are left out, since no two runs share them."""
    if type(text) is not str:
        raise TypeError
    return clean_text(_ADDRESS.sub("at 0x…", text))


def _own_lines(source: bytes, lines: Sequence[tuple[int, str]]) -> tuple[OwnLine, ...]:
    texts = importlib.util.decode_source(source).split("\n") if lines else []
    return tuple(
        OwnLine(number, _clean(function)[:_MAX_SHOWN], _clean(texts[number - 1].strip())[:_MAX_SHOWN])
        for number, function in lines
        if 0 < number <= len(texts)
    )


def _status_text(status: int | None) -> str:
    if status is None:
        return "its status is not known"
    code = os.waitstatus_to_exitcode(status)
    return f"exit code {code}" if code >= 0 else f"ended by {signal.Signals(-code).name}"


def _relay(prints: int) -> None:
    """Show what a strategy prints on this process's stderr, up to a bound, and drop the rest."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    left = MAX_PRINTED
    with os.fdopen(prints, "rb", buffering=0) as stream:
        while chunk := stream.read(_CHUNK):
            text = decoder.decode(chunk[:left])
            if left and left <= len(chunk):
                text += f"\n[the strategy printed more than {MAX_PRINTED} bytes: the rest is not shown]\n"
            left = max(0, left - len(chunk))
            with suppress(AttributeError, OSError, ValueError):  # a stderr that is closed, or none
                sys.stderr.write(text)


_dumpable_lock = threading.Lock()
_dumpable_holders: list[object] = []


@contextmanager
def undumpable() -> Iterator[None]:
    """Keep other processes of the same user, root aside, from tracing this one and from reading its memory."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "prctl") or (not _dumpable_holders and libc.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) != 1):
        yield
        return
    holder = object()
    with _dumpable_lock:
        _dumpable_holders.append(holder)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    try:
        yield
    finally:
        with _dumpable_lock:
            _dumpable_holders.remove(holder)
            if not _dumpable_holders:
                libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


def _core_of_this_thread() -> int | None:
    libc = ctypes.CDLL(None)
    if not hasattr(os, "sched_getaffinity") or not hasattr(libc, "sched_getcpu"):
        return None
    core: int = libc.sched_getcpu()
    return core if core in os.sched_getaffinity(0) else None


def _clean_process(control: int) -> subprocess.Popen[bytes]:
    package = str(Path(__file__).resolve().parents[2])
    # what is importable here is importable there, except from the current folder; the package itself always is
    path = [entry for entry in sys.path if entry and Path(entry).resolve() != Path.cwd()]
    if package not in path:
        path.append(package)
    command = "import sys; from c2lib.app.host_child import main; main(int(sys.argv[1]))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONHASHSEED": "0"}
    try:
        return subprocess.Popen(  # noqa: S603 - this interpreter, a module of ours
            [sys.executable, "-P", "-c", command, str(control)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=environment,
            pass_fds=[control],
            start_new_session=True,
        )
    except OSError as error:
        raise OutputError(f"the strategy host cannot be started: {error.strerror}") from None
