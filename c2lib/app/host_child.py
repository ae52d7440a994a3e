"""The strategy's side of :mod:`c2lib.app.strategy_host`: a clean process that forks a child for each session.

A message is JSON behind four bytes of length. The clean process never runs a strategy's code, so that every child
starts from the same state, whatever ran before it. A child leaves the network first, where its layer asks for that,
then installs the NO-LIVE hook, and only then reads a strategy's code.
"""

from __future__ import annotations

import _posixsubprocess
import ctypes
import errno
import fcntl
import gc
import json
import os
import random
import re
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, BinaryIO, NoReturn

from c2lib.core.errors import NoLiveViolationError, StrategyEndedError, StrategyError
from c2lib.core.model import Bar, OpenOrder, PositionView, StrategySettings
from c2lib.core.vocabulary import Artifact, FailCode
from c2lib.session.nolive import NAMESPACE, audited, network_problem, refusal, refused_target
from c2lib.session.strategy import BUILT_IN, decision_of, lines_of

MAX_CONTROL = 4096
"""Most bytes of a message on the control socket."""

_HANDLES, _MAX_TEXT, _MAX_NAME, _MAX_TARGET = 5, 80_000, 200, 600
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_ADVICE = (
    "allow unprivileged user namespaces (sysctls user.max_user_namespaces, kernel.unprivileged_userns_clone, "
    "kernel.apparmor_restrict_unprivileged_userns; in a container its seccomp profile), or require the layer 'hook'"
)

CHUNK = 1 << 16
"""Most bytes of one read."""

PASSED = re.compile(
    "PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|TZ|TZDIR|TMPDIR|VIRTUAL_ENV|CONDA_PREFIX|MPLCONFIGDIR"
    "|LC_[A-Z]+|XDG_[A-Z_]+|PYTHON[A-Z]+|(DY)?LD_[A-Z_]+|[A-Z]+_[A-Z_]*THREADS"
)
"""The environment variables that a strategy can read: where things lie and how Python works, which are no secrets."""

encode = json.JSONEncoder(separators=(",", ":")).encode
decode = json.JSONDecoder().decode


def framed(message: bytes) -> bytes:
    """Return a message behind its length."""
    return len(message).to_bytes(4, "big") + message


class Frames:
    """Messages behind their lengths, out of the pipe of a child."""

    def __init__(self, handle: int, most: int) -> None:
        self.handle, self._most = handle, most
        self.data = b""
        self.ended = False

    def read(self) -> bool:
        """Take in what there is; return whether there was anything before the end."""
        chunk = os.read(self.handle, CHUNK)
        self.data += chunk
        return bool(chunk)

    def take(self) -> bytes | None:
        """Return the first message that is whole, or ``None``."""
        data = self.data
        if len(data) < 4:
            return None
        end = 4 + int.from_bytes(data[:4], "big")
        if end > self._most:
            raise StrategyEndedError(FailCode.STRATEGY_PROTOCOL, f"a message of {end} bytes; the most is {self._most}")
        if len(data) < end:
            return None
        self.data = data[end:]
        return data[4:end]


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until they end: a strategy to load, bars, and ``null``, which flushes what was printed.

    A bar is answered with ``[bar_index]`` for hold, ``[bar_index, intents]``, or an object that says what went wrong.
    """
    strategy: Any = None
    view: PositionView | None = None
    bar_fields = len(Bar._fields)
    read, write, flush, new = requests.read, answers.write, answers.flush, tuple.__new__
    while header := read(4):
        request = decode(read(int.from_bytes(header, "big")).decode())
        try:
            if type(request) is list:
                if len(request) > bar_fields:
                    position, orders, *money = request.pop()
                    view = PositionView(position, tuple([OpenOrder(*order) for order in orders]), *money)
                wanted = strategy.on_bar(new(Bar, request), view)
                answer = b"[%d]" % request[0] if wanted is None else _checked(request[0], wanted)
            elif request is None:
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
                answer = b"null"
            else:
                strategy = None
                strategy = _load(**request)
                answer = b"null"
        except BaseException as error:  # also an exit or an interrupt that the strategy raised
            answer = _raised(error)
        write(framed(answer))
        flush()


def _load(name: str, text: str | None, fields: list[Any], params: dict[str, Any]) -> Any:
    seed, symbol, tick_size, lot_size = fields
    settings = StrategySettings(seed, symbol, tick_size, lot_size, MappingProxyType(params))
    if text is None:
        return BUILT_IN[name](settings)
    source = text.encode("latin-1")
    # whatever the file is called where it lies: the same words in every execution
    code = compile(source, Artifact.STRATEGY.value, "exec", dont_inherit=True)
    module_name = f"c2lib_strategy_{sha256(source).hexdigest()[:12]}"
    # dataclasses and pickle look a class's module up by name
    module = sys.modules[module_name] = ModuleType(module_name)
    exec(code, module.__dict__)  # noqa: S102 - the user chose this file and its hash is sealed
    return getattr(module, name)(settings)


def _checked(bar_index: int, wanted: object) -> bytes:
    try:
        return encode((bar_index, decision_of(wanted).intents)).encode()
    except StrategyError as error:
        return encode({"unusable": str(error)[:_MAX_TEXT]}).encode()


def _raised(error: BaseException) -> bytes:
    """Return the report of an exception: type, message, and which lines of the strategy's own file it came through."""
    facts: dict[str, Any] = {"raised": "Exception", "message": "cannot say why", "lines": []}
    # an exception is foreign code: its name, text and traceback can raise in turn
    with suppress(BaseException):
        facts["raised"] = _plain_text(type(error).__name__, _MAX_NAME)
        facts["message"] = _plain_text(str(error), _MAX_TEXT)
    with suppress(BaseException):
        facts["lines"] = lines_of(Artifact.STRATEGY, error.__traceback__)
    return encode(facts).encode()


def _plain_text(text: str, most: int) -> str:
    """Return the first characters of a text that can be of a class with methods of its own."""
    return str.__getitem__(text, slice(most))


def refusing_hook(report: Callable[[bytes], object]) -> Callable[[str, tuple[Any, ...]], None]:
    """Return an audit hook that reports each attempt to leave the process, then refuses it.

    The report is out before the strategy's code goes on, so that nothing which that code does can take it back.
    """

    def hook(event: str, args: tuple[Any, ...]) -> None:
        target = refused_target(event, args)
        if target is None:
            return
        with suppress(OSError):
            report(framed(encode((event[:_MAX_NAME], target[:_MAX_TARGET])).encode()))
        raise refusal(event, target)

    return hook


def leave_network(libc: Any, proc: Path = Path("/proc/self")) -> str | None:
    """Go on as the first process of a namespace without a network; return what refused it, or ``None``.

    The user stays the one that it was, so that files keep their owner. ``libc`` and ``proc`` are what is asked.
    """
    user, group = os.geteuid(), os.getegid()
    if not hasattr(libc, "unshare"):
        return "this system has none: it takes Linux, or require the layer 'hook'"
    # the maps below belong to root while the process cannot be dumped
    libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWPID):
        return _refusal(ctypes.get_errno())
    try:
        # in this order: the kernel takes no map of groups from a user who could still drop some
        (proc / "setgroups").write_text("deny")
        (proc / "uid_map").write_text(f"{user} {user} 1")
        (proc / "gid_map").write_text(f"{group} {group} 1")
    except OSError as error:
        return _refusal(error.errno or 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    inner = os.fork()
    if inner:
        _end_as(inner)
    # whatever is in a PID namespace ends with its first process, and that one with the process outside
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return None


def _refusal(number: int) -> str:
    name = errno.errorcode.get(number, str(number))
    return f"the kernel refused an empty network namespace ({name}): {_ADVICE}"


def _end_as(inner: int) -> NoReturn:
    """Wait for the process inside, holding none of its handles, and end as it ended."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    _, status = os.waitpid(inner, 0)
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status) & 255)


def main(control_handle: int) -> NoReturn:
    """Be the clean process: fork a child for each session that is asked for, and collect those that ended."""
    control = socket.socket(fileno=control_handle)
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        # a child could otherwise write into this process, and so into the sessions after its own
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    gc.freeze()
    while True:
        request, handles, _, _ = socket.recv_fds(control, MAX_CONTROL, _HANDLES)
        if not request:
            os._exit(0)
        asked = json.loads(request)
        if "reap" in asked:
            answer = os.waitpid(asked["reap"], 0)[1]
        else:
            answer = os.fork()
            if not answer:
                control.close()
                _session(asked["layer"], asked["core"], libc, *handles)
            for handle in handles:
                os.close(handle)
        control.sendall(json.dumps(answer).encode())


def _session(
    layer: str, core: int | None, libc: Any, requests: int, answers: int, refusals: int, lifeline: int, prints: int
) -> NoReturn:
    """Be the child of one session."""
    os.setsid()
    _end_with(lifeline)
    os.dup2(prints, 1)
    os.dup2(prints, 2)
    os.close(prints)
    requests, answers, refusals = _hidden(requests), _hidden(answers), _hidden(refusals)
    if core is not None:
        with suppress(OSError):
            os.sched_setaffinity(0, {core})
    problem = None
    if layer == NAMESPACE and (refused := leave_network(libc) or network_problem()):
        problem = f"no_live_required is 'namespace', but {refused}"
    sys.addaudithook(refusing_hook(partial(os.write, refusals)))
    # the hook always refuses it here, so that nothing has to keep the real one
    _posixsubprocess.fork_exec = audited(lambda *_: -1)
    with suppress(NoLiveViolationError):  # the canary: whoever owns this host expects one report of it
        socket.socket().close()
    try:
        with os.fdopen(requests, "rb") as stream, os.fdopen(answers, "wb") as replies:
            replies.write(framed(encode(problem).encode()))
            replies.flush()
            serve(stream, replies)
    finally:
        os._exit(0)


def _end_with(lifeline: int) -> None:
    """Have the kernel kill this process group once nobody holds the other end of a socket that is never written to."""
    if hasattr(fcntl, "F_SETSIG"):
        handle = _hidden(lifeline)
        fcntl.fcntl(handle, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(handle, fcntl.F_SETFL, os.O_ASYNC)


def _hidden(handle: int) -> int:
    """Return a handle moved to a number that is not known beforehand."""
    lowest = random.SystemRandom().randrange(16, max(17, min(os.sysconf("SC_OPEN_MAX"), 1024) - 16))
    moved = fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, lowest)
    os.close(handle)
    return moved
