"""Strategies written as text, and a session of a host to run one in."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from c2lib.app.strategy_host import HostedStrategy, StrategyHost
from c2lib.core.errors import StrategyRaisedError
from c2lib.core.model import Bar, PositionView, StrategySettings
from c2lib.session.strategy import StrategySource

SETTINGS = StrategySettings(7, "EURUSD", "0.0001", "1")
FLAT = PositionView(0, ())


class StrategyFile(NamedTuple):
    """A strategy's class and the bytes of its file."""

    class_name: str
    source: bytes


def message_of(source: StrategySource) -> str:
    """Return what a strategy file raises in a session of its own."""
    with StrategyHost() as host, host.session("hook", 20.0) as session:
        try:
            session.load(source.class_name or "", source.source, SETTINGS).on_bar(bar(0), FLAT)
        except StrategyRaisedError as error:
            return str(error)
    return ""


def bar(index: int) -> Bar:
    """Return the bar of an index."""
    return Bar(index, index * 60_000_000, 100, 110, 90, 105, 1000)


def strategy(on_bar: str = "return None", init: str = "pass", top: str = "") -> StrategyFile:
    """Return the file of a strategy of three bodies: the module's, the constructor's and that of ``on_bar``."""
    text = (
        "from c2lib.core.model import CancelIntent, OrderIntent\n"
        f"{textwrap.dedent(top)}\n"
        "class Mine:\n"
        "    def __init__(self, settings):\n"
        f"{textwrap.indent(textwrap.dedent(init), '        ')}\n"
        "    def on_bar(self, bar, view):\n"
        f"{textwrap.indent(textwrap.dedent(on_bar), '        ')}\n"
    )
    return StrategyFile("Mine", text.encode())


BUYS = strategy("return [OrderIntent('BUY', 2, 'LIMIT', 99, None, 'DAY', 'a tag'), CancelIntent('c-000001')]")
"""Gives an order and a cancel on each bar."""


@contextmanager
def hosted(
    host: StrategyHost, file: StrategyFile, layer: str = "hook", timeout_s: float = 20.0
) -> Iterator[HostedStrategy]:
    """Give a strategy loaded in a child of its own."""
    with host.session(layer, timeout_s) as session:
        yield session.load(*file, SETTINGS)


def is_gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process ends, or has, within some seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and those that they did."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents[int(name)] = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [child for child, parent in parents.items() if parent == pid]
    return found + [each for child in found for each in descendants(child)]


def dumpable() -> bool:
    """Whether others of the same user may read this process: then what it has under /proc belongs to that user."""
    import ctypes

    return bool(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))


def open_handles() -> set[str]:
    """Return the handles of this process, by what they stand for."""
    names = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            names.add(f"{name}:{os.readlink(f'/proc/self/fd/{name}')}")
        except OSError:
            continue
    return names
