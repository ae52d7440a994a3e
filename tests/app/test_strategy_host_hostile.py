"""Strategies that mean harm: each ends in a typed error, and none touches what its session keeps."""

from __future__ import annotations

import collections
import time
from collections.abc import Iterator
from textwrap import dedent

import pytest

from c2lib.app import strategy_host
from c2lib.app.strategy_host import HostedStrategy, StrategyHost
from c2lib.core.errors import NoLiveViolationError, StrategyEndedError, StrategyError, StrategyRaisedError
from c2lib.core.model import CancelIntent, OpenOrder, OrderIntent
from c2lib.core.vocabulary import FailCode
from tests.app.hosted import FLAT, SETTINGS, bar, descendants, hosted, is_gone, strategy

PIPES = """
    import fcntl, json, os, stat
    def frame(value):
        text = json.dumps(value).encode()
        return len(text).to_bytes(4, "big") + text
    def answer(bar, intents): return frame([bar.bar_index, intents])
    def handles(writing):
        found = []
        for name in os.listdir("/proc/self/fd"):
            try: mode, flags = os.fstat(int(name)).st_mode, fcntl.fcntl(int(name), fcntl.F_GETFL)
            except OSError: continue
            if int(name) > 2 and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
                if flags & os.O_ACCMODE in ((os.O_WRONLY, os.O_RDWR) if writing else (os.O_RDONLY, os.O_RDWR)):
                    found.append((stat.S_ISFIFO(mode), int(name)))
        return found
    def answers(): return next(number for pipe, number in handles(True) if pipe)
    def sockets(): return [number for pipe, number in handles(True) if not pipe]
"""
"""What a strategy needs to find the handles of its host's protocol."""


@pytest.fixture(scope="module")
def host() -> Iterator[StrategyHost]:
    """Give a host."""
    with StrategyHost() as one:
        yield one


def ended(mine: HostedStrategy, bars: int = 1) -> FailCode:
    """Return the code that a strategy ends with on one of the next bars; it is the answer from then on."""
    with pytest.raises(StrategyEndedError) as caught:
        collections.deque((mine.on_bar(bar(index), FLAT) for index in range(bars)), 0)
    with pytest.raises(StrategyEndedError) as again:
        mine.on_bar(bar(bars), FLAT)
    assert again.value is caught.value
    return caught.value.code


EXITS = {
    "os._exit(0)": "exit code 0",
    "os._exit(3)": "exit code 3",
    "os.kill(os.getpid(), 9)": "signal 9",
    "os.closerange(3, 4096); os._exit(0)": "exit code 0",
    "import ctypes; ctypes.string_at(0)": "signal 11",
    "import sys; sys.setrecursionlimit(10 ** 8); f = lambda _: max([0], key=f); f(0)": "signal 11",
}


@pytest.mark.parametrize("how", EXITS)
@pytest.mark.parametrize("layer", ["hook", "namespace"])
@pytest.mark.parametrize("where", ["top", "init", "on_bar"])
def test_exit_is_an_end(host: StrategyHost, where: str, how: str, layer: str) -> None:
    """A strategy that ends its process, by whatever status and wherever, never looks like one that answered."""
    if layer == "namespace":
        how = how.replace("os.kill(os.getpid(), 9)", "os._exit(0)")  # no signal of its own ends the first process there
    file = strategy(**{where: f"import os; {how}"})
    with host.session(layer, 20.0) as session, pytest.raises(StrategyEndedError) as caught:
        session.load(*file, SETTINGS).on_bar(bar(0), FLAT)
    assert (caught.value.code, caught.value.detail) == (FailCode.STRATEGY_EXITED, EXITS[how])


def test_nothing_runs_at_exit(host: StrategyHost, capfd: pytest.CaptureFixture[str]) -> None:
    """What a strategy leaves for the end of its process is never run, and decides nothing."""
    init = "import atexit, os; atexit.register(print, 'at exit'); atexit.register(os._exit, 0)"
    with hosted(host, strategy(init=init)) as mine:
        assert mine.on_bar(bar(0), FLAT) is None
        assert mine.finish() == 0
    assert capfd.readouterr() == ("", "")


FORGED = {
    "an answer before its own": "os.write(answers(), answer(bar, [['BUY', 1, 'MARKET', None, None, 'GTC', None]]))",
    "an answer to the next bar": "os.write(answers(), frame([bar.bar_index + 1]))",
    "a bar as text": "os.write(answers(), frame([str(bar.bar_index)]))",
    "no JSON": "os.write(answers(), (3).to_bytes(4, 'big') + b'{,}')",
    "no UTF-8": "os.write(answers(), (3).to_bytes(4, 'big') + bytes((255, 254, 0)))",
    "deep JSON": "os.write(answers(), (50_000).to_bytes(4, 'big') + b'[' * 50_000)",
    "a number without end": "os.write(answers(), (9_000).to_bytes(4, 'big') + b'9' * 9_000)",
    "a length of 4 GiB": "os.write(answers(), b'\\xff' * 4)",
    "an order of the wrong types": "os.write(answers(), answer(bar, [[[], {}, 1.5, True, None, 'GTC', None]]))",
    "an order of no lots": "os.write(answers(), answer(bar, [['BUY', 0, 'MARKET', None, None, 'GTC', None]]))",
    "a short order": "os.write(answers(), frame([bar.bar_index, [['BUY', 1]]]))",
    "intents that are an object": "os.write(answers(), frame([bar.bar_index, {'a': 1}]))",
    "an error without a type": "os.write(answers(), frame({'raised': None, 'message': 1, 'lines': {}}))",
    "an error with odd lines": "os.write(answers(), frame({'raised': 'E', 'message': 'm', 'lines': ['x']}))",
    "a report of another form": "[os.write(each, frame({'event': 1})) for each in sockets()]",
    "a report that is too long": "[os.write(each, b'\\x00\\xff\\xff\\xff') for each in sockets()]",
    "a way to report that is closed": "[os.close(each) for each in sockets()]",
}


@pytest.mark.parametrize("how", FORGED)
def test_forgery_is_an_end(host: StrategyHost, how: str) -> None:
    """What a strategy writes into its host's protocol ends the session when it is no answer to what was asked."""
    with hosted(host, strategy(FORGED[how], top=PIPES)) as mine:
        assert ended(mine, bars=3) is FailCode.STRATEGY_PROTOCOL


def test_forged_error_is_bounded(host: StrategyHost) -> None:
    """A forged report of an exception names lines of the file that was loaded, or none, and texts that are cleaned."""
    on_bar = """
        lines = [1, 10 ** 9, -1, 2] + [1] * 999
        os.write(answers(), frame({"raised": "E\\ud800", "message": "m" * 50_000, "lines": lines}))
        import time; time.sleep(60)
    """
    with hosted(host, strategy(on_bar, top=PIPES)) as mine, pytest.raises(StrategyRaisedError) as caught:
        mine.on_bar(bar(0), FLAT)
    assert str(caught.value)[:4] == "E?: "
    assert len(str(caught.value)) < 2100
    assert caught.value.lines[:2] == (
        "strategy.py:1: from c2lib.core.model import CancelIntent, OrderIntent",
        "strategy.py:2: ",
    )
    assert len(caught.value.lines) <= 20


@pytest.mark.parametrize(
    "how",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import ctypes; ctypes.PyDLL(None).sleep(60)",
        "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
        "import signal; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 13, 15)]; signal.pause()",
        "while True: print('again and again')",
        "import os\nwhile True: os.write(2, b'x' * 65536)",
        "import socket\nwhile True:\n    try: socket.socket()\n    except BaseException: pass",
        "import threading; threading.Thread(target=lambda: 9 ** 9 ** 9).start(); import time; time.sleep(60)",
    ],
    ids=["loop", "sleep", "native", "regex", "signals", "prints", "writes", "attempts", "thread"],
)
@pytest.mark.parametrize("where", ["init", "on_bar"])
def test_hanging_is_cut_off(host: StrategyHost, where: str, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy that never answers is killed when its time is over, in Python and in native code."""
    monkeypatch.setattr(strategy_host, "MAX_PRINTED", 1000)
    with host.session("hook", 0.3) as session:
        begun = time.monotonic()
        with pytest.raises((StrategyEndedError, NoLiveViolationError)) as caught:
            session.load(*strategy(**{where: how}), SETTINGS).on_bar(bar(0), FLAT)
        assert time.monotonic() - begun < 5
        assert is_gone(session.pid)
    assert getattr(caught.value, "code", None) is (None if "socket" in how else FailCode.STRATEGY_TIMEOUT)


def test_reading_nothing_is_cut_off(host: StrategyHost) -> None:
    """A child that does not read what it is sent, more than its pipe holds, is killed when its time is over."""
    on_bar = "import threading; threading.Thread(target=hold).start()"
    top = "import ctypes\ndef hold(): ctypes.PyDLL(None).sleep(60)"
    view = FLAT._replace(open_orders=tuple(OpenOrder(f"c-{number:06}", "BUY", 1, 1) for number in range(100_000)))
    with hosted(host, strategy(on_bar, top=top), timeout_s=1.0) as mine, pytest.raises(StrategyEndedError) as caught:
        collections.deque((mine.on_bar(bar(index), view._replace(position=index)) for index in range(3)), 0)
    assert caught.value.code is FailCode.STRATEGY_TIMEOUT


@pytest.mark.parametrize(
    "answer", ["[OrderIntent('BUY', 1)] * 1_000_000", "[OrderIntent('BUY', 1, tag='x' * 2_000_000)]"]
)
def test_huge_answer_is_an_end(host: StrategyHost, answer: str) -> None:
    """An answer beyond the bound is refused by its length, before it is read."""
    with hosted(host, strategy(f"return {answer}"), timeout_s=30.0) as mine:
        assert ended(mine) is FailCode.STRATEGY_PROTOCOL


def test_wide_attempt_stays_counted(host: StrategyHost) -> None:
    """A refused attempt whose target is all emoji is counted, although its report is ten times as long."""
    on_bar = "import subprocess; subprocess.Popen('\U0001f600' * 400)"
    with hosted(host, strategy(on_bar)) as mine, pytest.raises(NoLiveViolationError):
        mine.on_bar(bar(0), FLAT)


def test_wide_message_is_reported(host: StrategyHost) -> None:
    """An exception whose message is a hundred thousand emoji comes back as that exception."""
    with hosted(host, strategy("raise ValueError('\U0001f600' * 100_000)")) as mine, pytest.raises(StrategyRaisedError):
        mine.on_bar(bar(0), FLAT)


def test_unclosed_answer_is_an_end(host: StrategyHost) -> None:
    """An answer forged on the pipe whose last byte is no bracket ends the strategy by its protocol."""
    on_bar = "data = b'[0,[]x'; os.write(answers(), len(data).to_bytes(4, 'big') + data); time.sleep(5)"
    with hosted(host, strategy(on_bar, top=PIPES + "    import time\n")) as mine:
        assert ended(mine) is FailCode.STRATEGY_PROTOCOL


def test_prints_are_bounded(host: StrategyHost, capfd: pytest.CaptureFixture[str]) -> None:
    """Prints beyond the bound are dropped and never hold the strategy up."""
    on_bar = "import sys; print('o' * 3_000_000); print('e' * 3_000_000, file=sys.stderr)"
    with hosted(host, strategy(on_bar)) as mine:
        assert mine.on_bar(bar(0), FLAT) is None
        mine.finish()
    err = capfd.readouterr().err
    assert len(err) < strategy_host.MAX_PRINTED + 200
    assert err.endswith("[the strategy printed more than 1000000 bytes: the rest is not shown]\n")


@pytest.mark.parametrize(("extra", "noted"), [(0, False), (1, True)])
def test_bound_of_prints_is_exact(
    host: StrategyHost, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, extra: int, noted: bool
) -> None:
    """As many bytes as the bound are shown without a note; one byte more is dropped with a note."""
    monkeypatch.setattr(strategy_host, "MAX_PRINTED", 10)
    with hosted(host, strategy(f"import os; os.write(1, b'x' * 10); os.write(1, b'y' * {extra})")) as mine:
        mine.on_bar(bar(0), FLAT)
        mine.finish()
    err = capfd.readouterr().err
    assert err[:11] == "x" * 10 + "\n"
    assert err[11:] == "[the strategy printed more than 10 bytes: the rest is not shown]\n" * noted


def test_left_thread_is_counted(host: StrategyHost) -> None:
    """What a thread tries after the last answer is counted until the session is finished, and the thread ends then."""
    on_bar = """
        import socket, threading, time
        def later():
            time.sleep(0.2)
            socket.socket()
        threading.Thread(target=later).start()
    """
    with hosted(host, strategy(on_bar)) as mine:
        assert mine.on_bar(bar(0), FLAT) is None
        time.sleep(0.5)
        assert mine.finish() == 1
        assert is_gone(mine.pid)


RESETS = {
    "the module's guard": "from c2lib.session import nolive; nolive._active = (); nolive.REFUSED = frozenset()",
    "whatever the hook holds": (
        "import gc\n"
        "for each in gc.get_objects():\n"
        "    if getattr(each, '__qualname__', '').startswith('refusing_hook'):\n"
        "        for cell in each.__closure__ or (): cell.cell_contents = lambda report: None"
    ),
    "the report, out of its socket": (
        "os.set_blocking(sockets()[0], False); os.set_blocking(sockets()[1], False)\n"
        "for each in sockets():\n"
        "    try: os.read(each, 4096)\n"
        "    except OSError: pass\n"
        "    try: os.read(os.open(f'/proc/self/fd/{each}', os.O_RDONLY | os.O_NONBLOCK), 4096)\n"
        "    except OSError: pass"
    ),
    "the process": "os._exit(0)",
    "the time": "import time; time.sleep(60)",
    "the answer": "os.write(answers(), frame([bar.bar_index]))",
}


@pytest.mark.parametrize("how", RESETS)
def test_attempt_stays_counted(host: StrategyHost, how: str) -> None:
    """A refused attempt was reported before the strategy's code went on, so nothing that it does then hides it."""
    attempt = "import socket\ntry: socket.socket()\nexcept Exception: pass\n"
    with hosted(host, strategy(attempt + RESETS[how], top=PIPES), timeout_s=2.0) as mine:
        with pytest.raises(NoLiveViolationError, match=r"tried 1 time"):
            mine.on_bar(bar(0), FLAT)
        assert mine.finish() == 1


ODD = {
    "a tuple with its own iterator": (
        "class T(tuple):\n    def __iter__(self): raise SystemExit(0)\n    def __len__(self): return 10 ** 9",
        "T()",
        "StrategyError: on_bar must return a list or tuple of intents, not T",
    ),
    "an intent of a subclass": (
        "class O(OrderIntent):\n    def __iter__(self): yield from 'abcdefg'",
        "[O('BUY', 1)]",
        "StrategyError: on_bar returned an intent that cannot be used: O is neither OrderIntent nor CancelIntent",
    ),
    "a text of a subclass": (
        "class S(str):\n    def __hash__(self): raise ValueError\n    def __eq__(self, other): return True",
        "[OrderIntent(S('BUY'), 1)]",
        "StrategyError: on_bar returned an intent that cannot be used: side, order_type or time_in_force is none of",
    ),
    "a type that cannot be named": (
        "class M(type):\n    __name__ = property(lambda self: 1 / 0)\nclass N(metaclass=M): ...",
        "N()",
        "StrategyRaisedError: ZeroDivisionError: division by zero",
    ),
    "a generator": ("", "(OrderIntent('BUY', 1) for _ in 'a')", "StrategyError: on_bar must return a list or tuple"),
    "a lambda": (
        "",
        "[lambda: 0]",
        "StrategyError: on_bar returned an intent that cannot be used: function is neither",
    ),
    "a list in itself": (
        "L = []; L.append(L)",
        "L",
        "StrategyError: on_bar returned an intent that cannot be used: list",
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_answer_is_named(host: StrategyHost, kind: str) -> None:
    """An answer with methods of its own is refused by its type, and none of them runs in the session's process."""
    top, answer, problem = ODD[kind]
    with hosted(host, strategy(f"return {answer}", top=top)) as mine, pytest.raises(StrategyError) as caught:
        mine.on_bar(bar(0), FLAT)
    assert f"{type(caught.value).__name__}: {caught.value}".startswith(problem)


def test_surrogates_come_back(host: StrategyHost) -> None:
    """Text that no encoding has crosses the border unchanged, for the session to clean."""
    with hosted(host, strategy("return [OrderIntent('BUY', 1, tag='\\ud800\\x00\\u2028')]")) as mine:
        assert mine.on_bar(bar(0), FLAT) == (OrderIntent("BUY", 1, tag="\ud800\x00\u2028"),)


RAISES = {
    "recursion": ("def f(): return f()", "f()", "RecursionError: maximum recursion depth exceeded"),
    "memory": ("", "bytes(10 ** 15)", "MemoryError"),
    "an exit": ("", "raise SystemExit('done')", "SystemExit: done"),
    "an interrupt": ("", "raise KeyboardInterrupt", "KeyboardInterrupt"),
    "a generator's exit": ("", "raise GeneratorExit", "GeneratorExit"),
    "a text that raises": (
        "class E(Exception):\n    def __str__(self): raise SystemExit(0)",
        "raise E",
        "E: cannot say why",
    ),
    "a text of a subclass": (
        "class S(str): __getitem__ = None\nclass E(Exception):\n    def __str__(self): return S('mine')",
        "raise E",
        "E: mine",
    ),
    "a name that raises": (
        "class M(type):\n    __name__ = property(lambda self: 1 / 0)\nclass E(Exception, metaclass=M): ...",
        "raise E",
        "Exception: cannot say why",
    ),
    "a secret": ("", "raise ValueError('api_key=abcdef1234567890abcdef')", "ValueError: [REDACTED:assignment]"),
    "an error of c2lib's": (
        "from c2lib.core.errors import StrategyError",
        "raise StrategyError('mine')",
        "StrategyError: mine",
    ),
}


@pytest.mark.parametrize("kind", RAISES)
def test_anything_raised_is_reported(host: StrategyHost, kind: str) -> None:
    """Whatever a strategy raises, exits and interrupts among them, comes back as its exception."""
    top, on_bar, message = RAISES[kind]
    with hosted(host, strategy(on_bar, top=top)) as mine, pytest.raises(StrategyRaisedError) as caught:
        mine.on_bar(bar(0), FLAT)
    assert str(caught.value) == message


def test_record_is_out_of_reach(host: StrategyHost) -> None:
    """A strategy that replaces the broker's fills replaces those of its own process alone."""
    top = """
        from c2lib.broker import mock
        mock.MockBroker._fill = None
        import c2lib.core.model
        c2lib.core.model.OrderIntent.__new__ = None
    """
    with hosted(host, strategy(top=top)) as mine:
        assert mine.on_bar(bar(0), FLAT) is None
    assert OrderIntent("BUY", 1).quantity == 1


def test_random_answers_are_bounded(host: StrategyHost) -> None:
    """Whatever bytes a strategy writes as answers, each is a valid answer or ends the session with a typed error."""
    top = """
        import random
        GOOD = [frame([0, [["BUY", 1, "LIMIT", 5, None, "GTC", "t"], ["c-000001"]]])]
        GOOD.append(frame({"raised": "E", "message": "m", "lines": [1]}))
        PIECES = [b"[", b"]", b"9", b'"', bytes(1), b",", b"-1", b"null"]
        def changed(draw):
            data = bytearray(draw.choice(GOOD))
            for _ in range(draw.randrange(4)):
                at = draw.randrange(len(data))
                data[at : at + draw.randrange(3)] = draw.choice(PIECES)
            return bytes(data)
    """
    on_bar = "os.write(answers(), changed(random.Random(NUMBER))); os._exit(0)"
    seen = set()
    for number in range(80):
        with hosted(host, strategy(on_bar.replace("NUMBER", str(number)), top=dedent(PIPES) + dedent(top))) as mine:
            try:
                answer = mine.on_bar(bar(0), FLAT)
                assert answer is None or all(type(one) in (OrderIntent, CancelIntent) for one in answer)
                seen.add("an answer")
            except StrategyError as error:
                seen.add(type(error).__name__ + getattr(error, "code", ""))
    assert seen <= {
        "an answer",
        "StrategyRaisedError",
        "StrategyEndedErrorC2_ABORT_STRATEGY_EXITED",
        "StrategyEndedErrorC2_ABORT_STRATEGY_PROTOCOL",
    }


def test_namespace_leaves_no_descendant(host: StrategyHost) -> None:
    """In the layer namespace a process that native code started, in a session of its own, ends with its strategy."""
    on_bar = """
        import ctypes
        libc = ctypes.CDLL(None)
        if libc.fork() == 0:
            libc.setsid()
            while True: libc.pause()
    """
    with hosted(host, strategy(on_bar), "namespace") as mine:
        mine.on_bar(bar(0), FLAT)
        started = descendants(mine.pid)
    assert mine.guard.problem is not None or len(started) == 2
    assert all(is_gone(pid) for pid in started)
