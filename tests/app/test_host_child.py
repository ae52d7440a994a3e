"""The loop of a strategy's own process, run over two streams in this one, and what it does before it."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from c2lib.app.host_child import framed, leave_network, refusing_hook, serve
from c2lib.core.errors import NoLiveViolationError
from tests.app.hosted import BUYS, SETTINGS, StrategyFile, bar, strategy


def load(file: StrategyFile) -> dict[str, Any]:
    """Return the request that loads a strategy."""
    text = file.source.decode("latin-1")
    return {"name": file.class_name, "text": text, "fields": SETTINGS[:4], "params": {}}


def answers_to(requests: Sequence[Any]) -> list[Any]:
    """Return what the loop answers to requests."""
    replies = io.BytesIO()
    serve(io.BytesIO(b"".join(framed(json.dumps(request).encode()) for request in requests)), replies)
    data, answers = replies.getvalue(), []
    while data:
        length = int.from_bytes(data[:4], "big")
        answers.append(json.loads(data[4 : 4 + length]))
        data = data[4 + length :]
    return answers


def test_one_answer_a_request() -> None:
    """A strategy is loaded, shown bars, and asked to flush: each request has one answer."""
    requests = [load(BUYS), [*bar(0), [0, []]], bar(1), None]
    orders = [["BUY", 2, "LIMIT", 99, None, "DAY", "a tag"], ["c-000001"]]
    assert answers_to(requests) == [None, [0, orders], [1, orders], None]


def test_hold_is_short() -> None:
    """A hold is answered with the bar's number alone, so that the owner knows it without reading it."""
    assert answers_to([load(strategy()), [*bar(0), [0, []]], bar(1)]) == [None, [0], [1]]


def test_errors_are_answers() -> None:
    """Exceptions and unusable intents are answers, after which further requests are answered."""
    file = strategy("return [1] if bar.bar_index else unknown")
    name_error = {"raised": "NameError", "message": "name 'unknown' is not defined", "lines": [7]}
    unusable = "on_bar returned an intent that cannot be used: int is neither OrderIntent nor CancelIntent"
    assert answers_to([load(file), [*bar(0), [0, []]], bar(1)]) == [None, name_error, {"unusable": unusable}]


def test_odd_exceptions_are_answers() -> None:
    """An exception whose name or text cannot be had is reported as one that cannot say why."""
    top = """
        class M(type): __name__ = property(lambda self: 1 / 0)
        class Nameless(Exception, metaclass=M): ...
        class Textless(Exception):
            def __str__(self): raise SystemExit(0)
    """
    answers = answers_to([load(strategy("raise [Nameless, Textless][bar.bar_index]", top=top)), bar(0), bar(1)])
    assert [(answer["raised"], answer["message"]) for answer in answers[1:]] == [
        ("Exception", "cannot say why"),
        ("Textless", "cannot say why"),
    ]


def test_lines_are_the_innermost() -> None:
    """Of a long traceback the last lines of the strategy's own file are reported."""
    answers = answers_to([load(strategy("f(30)", top="def f(n): return f(n - 1) if n else 1 / 0")), bar(0)])
    assert answers[1]["lines"] == [2] * 20


def test_hook_reports_then_refuses() -> None:
    """A refused attempt is reported before it is refused, with the plain values that it aimed at."""
    reports: list[bytes] = []
    hook = refusing_hook(reports.append)
    hook("open", ("a file", "r", 0))
    hook("ctypes.dlopen", (None,))
    for event, args in (
        ("socket.connect", (object(), ("10.0.0.1", 443))),
        ("subprocess.Popen", ("sh", ["sh", b"-c", [[["deep"]]]], None, {"KEY": "value"})),
        ("socket.bind", ("x" * 10_000, 2**65, True)),
        ("import", ("_tkinter", "/a/folder/of/this/machine", None, None, None)),
    ):
        with pytest.raises(NoLiveViolationError, match=event):
            hook(event, args)
    assert [json.loads(report[4:]) for report in reports] == [
        ["socket.connect", "10.0.0.1:443"],
        ["subprocess.Popen", "'sh' 'sh' b'-c'"],
        ["socket.bind", "'" + "x" * 599],
        ["import", "_tkinter"],
    ]
    assert all(len(report) == 4 + int.from_bytes(report[:4], "big") for report in reports)


def test_hook_refuses_unreported() -> None:
    """An attempt is refused also where its report cannot be written."""

    def broken(report: bytes) -> None:
        raise OSError

    with pytest.raises(NoLiveViolationError):
        refusing_hook(broken)("os.system", (b"true",))


class Libc:
    """A C library whose kernel grants or refuses a namespace."""

    def __init__(self, answer: int) -> None:
        self.answer = answer
        self.asked: list[int] = []

    def unshare(self, flags: int) -> int:
        """Record what was asked for, and answer."""
        self.asked.append(flags)
        return self.answer

    def prctl(self, *_: int) -> int:
        """Take any setting."""
        return 0


def test_refused_namespaces_are_named(tmp_path: Path) -> None:
    """A kernel can refuse the call or the maps, and a system can have neither."""
    assert "takes Linux" in (leave_network(object()) or "")
    assert "refused an empty network namespace" in (leave_network(Libc(-1)) or "")
    granting = Libc(0)
    assert f"({errno.errorcode[errno.ENOENT]})" in (leave_network(granting, tmp_path / "none") or "")
    assert granting.asked == [0x10000000 | 0x20000000 | 0x40000000]


def test_user_stays_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the namespace the user and the group are those that they were, and groups cannot be dropped."""
    monkeypatch.setattr(os, "fork", lambda: 0)
    assert leave_network(Libc(0), tmp_path) is None
    assert (tmp_path / "setgroups").read_text() == "deny"
    assert (tmp_path / "uid_map").read_text() == f"{os.geteuid()} {os.geteuid()} 1"
    assert (tmp_path / "gid_map").read_text() == f"{os.getegid()} {os.getegid()} 1"
