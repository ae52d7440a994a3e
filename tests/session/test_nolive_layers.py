"""The guard's layers: which one a config gets, what its canary finds, and what is guarded from the first call on."""

import re
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from c2lib.core.errors import ConfigError, NoLiveViolationError
from c2lib.core.model import Bar
from c2lib.core.vocabulary import FailCode, RejectCode
from c2lib.session import nolive
from c2lib.session.nolive import MAX_TRIED, REFUSED_IMPORTS, NoLiveGuard, network_problem, target_of
from c2lib.session.orchestrator import LiveSessionOrchestrator
from tests.session.harness import Bars, Record, acting, answering, config_of, flat_bars, own_config, run
from tests.session.ways_out import connect, swallowing

leave = swallowing(lambda: socket.getaddrinfo("localhost", 80))


def guarded(guard: Any, record: Record, **values: Any) -> Any:
    """Run the demo session under a guard of the caller's."""
    return LiveSessionOrchestrator(guard=guard).run_dryrun(config_of(**values), **record.keywords())


class LeakingAt(list[str]):
    """A sink that tries to leave when it gets its line of that number, from 0, and says nothing of it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def append(self, line: str) -> None:
        """Keep a line."""
        if len(self) == self._number:
            leave()
        super().append(line)


@pytest.mark.parametrize(
    ("sink", "number"), [("audit", 0), ("audit", 1), ("audit", 12), ("snapshots", 0), ("events", 0)]
)
def test_opening_sink_cannot_leave(sink: str, number: int) -> None:
    """A sink that tries to leave the process at any line of the opening fails the session before its first step."""
    record = Record(**{sink: LeakingAt(number)})
    result = run(own_config(), record, strategy=answering({}))
    assert (result.steps, result.fail_code) == (0, FailCode.NO_LIVE_VIOLATION)
    assert record.metrics()["no_live_attempts_total"] == 1
    record.keeps_the_contract()


def test_attempt_outweighs_rejection() -> None:
    """An attempt to leave the process during a rejection makes the session FAILED instead of REJECTED."""
    result = run(own_config(enabled=True), Record(audit=LeakingAt(1)), strategy=answering({}))
    assert (result.status, result.fail_code) == ("FAILED", FailCode.NO_LIVE_VIOLATION)


class Leaking:
    """A clock that tries to leave at its first reading."""

    def now(self) -> datetime:
        """Return the time."""
        leave()
        return datetime(2026, 1, 1, tzinfo=UTC)


class LeakingBars(Bars):
    """A market that tries to leave when it is asked for its first bar."""

    def bars(self, count: int) -> Iterator[Bar]:
        """Yield the first bars."""
        if count == 1:
            leave()
        return iter(self._bars[:count])


@pytest.mark.parametrize(
    "options",
    [{"clock": Leaking()}, {"market": LeakingBars(list(flat_bars(1, 2, 3).bars(3)))}],
    ids=["clock", "market"],
)
def test_first_reading_cannot_leave(options: dict[str, Any]) -> None:
    """A clock or market that tries to leave the process at its first reading is counted and fails the session."""
    record = Record()
    result = run(config_of(steps=3), record, **options)
    assert (result.steps, result.fail_code) == (0, FailCode.NO_LIVE_VIOLATION)
    assert record.metrics()["no_live_attempts_total"] == 1


def test_raising_clock_is_refused() -> None:
    """A clock that raises the guard's refusal at its first reading is a config error, and nothing is written."""

    class Bold(Leaking):
        def now(self) -> datetime:
            socket.socket()
            return super().now()

    record = Record()
    with pytest.raises(ConfigError, match="NoLiveViolationError"):
        run(config_of(), record, clock=Bold())
    assert record.whole() == ""


def test_exception_text_cannot_leave() -> None:
    """An attempt to leave the process from an exception's __str__ is what the session fails of."""

    class LeakingError(Exception):
        def __str__(self) -> str:
            leave()
            return "told"

    def act() -> None:
        raise LeakingError

    record = Record()
    result = run(own_config(), record, strategy=acting(act))
    assert (result.phase, result.fail_code) == ("ERROR_REQUIRES_OPERATOR", FailCode.NO_LIVE_VIOLATION)
    assert record.metrics()["no_live_attempts_total"] >= 1


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError])
def test_no_guard_stays_active(leaving: type[BaseException], listener: tuple[str, int]) -> None:
    """No guard stays active after a session, whatever exception its strategy raised."""

    def act() -> None:
        raise leaving

    swallowing(lambda: run(own_config(), strategy=acting(act)))()
    assert nolive._active == ()
    connect(listener)


def test_refused_config_leaves_no_guard(listener: tuple[str, int]) -> None:
    """No guard stays active after a config was refused."""
    with pytest.raises(ConfigError):
        run(config_of(clock_mode="injected"))
    connect(listener)


def test_guard_is_reentrant() -> None:
    """A guard that was entered twice still refuses after one exit and refuses nothing after the second."""
    guard = NoLiveGuard()
    with guard:
        with guard:
            pass
        with pytest.raises(NoLiveViolationError):
            socket.socket()
    socket.socket().close()
    assert guard.attempts == 1


def test_removed_guard_counts_attempt() -> None:
    """Clearing the list of active guards counts as an attempt when the guard is left."""
    guard = NoLiveGuard()
    with guard:
        nolive._active = ()
    assert guard.attempts == 1


def test_strategys_guard_hides_nothing() -> None:
    """A guard that a strategy enters in testing mode hides no attempt from the session's guard."""

    def act() -> None:
        with NoLiveGuard() as own:
            own.testing = True
            leave()

    assert run(own_config(), strategy=acting(act)).fail_code is FailCode.NO_LIVE_VIOLATION


@pytest.mark.parametrize(
    "event", ["sqlite3.load_extension", "sqlite3.enable_load_extension", "syslog.openlog", "os.spawn"]
)
def test_hook_refuses_rare_events(event: str) -> None:
    """The audit hook refuses leaving events that not every Python build can raise."""
    with NoLiveGuard(), pytest.raises(NoLiveViolationError, match=event):
        nolive._hook(event, ())


@pytest.mark.parametrize("module", sorted(REFUSED_IMPORTS))
def test_native_sockets_are_refused(module: str) -> None:
    """Importing an extension module with sockets of its own is refused by its name alone, and counted by it."""
    guard = NoLiveGuard()
    with (
        guard,
        pytest.raises(NoLiveViolationError, match=rf"refused by the NO-LIVE guard: import {re.escape(module)}$"),
    ):
        nolive._hook("import", (module, None, ["/a/folder/of/this/machine"], [], []))
    assert guard.tried == [f"import {module}"]
    with guard:
        nolive._hook("import", (f"{module}s", None, [], [], []))
        nolive._hook("import", ())
    assert guard.attempts == 1


def test_copy_of_posixsubprocess_is_refused() -> None:
    """A strategy that imports _posixsubprocess again, for a fork_exec without audit, fails its session."""

    def act() -> None:
        ours = sys.modules.pop("_posixsubprocess")
        try:
            __import__("_posixsubprocess")
        finally:
            sys.modules["_posixsubprocess"] = ours

    result = run(own_config(), strategy=acting(swallowing(act)))
    assert result.fail_meta["tried"] == ["import _posixsubprocess"]


def test_attempts_are_named() -> None:
    """The first attempts are named by audit event and target; values with methods of their own are left out."""
    guard = NoLiveGuard()
    for number in range(MAX_TRIED + 2):
        with guard, pytest.raises(NoLiveViolationError):
            socket.getaddrinfo("localhost", number)
    assert guard.attempts == MAX_TRIED + 2
    assert guard.tried == [f"socket.getaddrinfo localhost:{number}" for number in range(MAX_TRIED)]
    assert target_of((object(), ("::1", 80, 0, 0))) == "::1:80"
    assert target_of((["sh", b"-c"], 2**70, {"a": 1})) == "'sh' b'-c'"


def test_networked_process_is_no_namespace(listener: tuple[str, int]) -> None:
    """A config that requires a namespace is rejected in a process with a network, with advice where to run."""
    connect(listener)
    record = Record()
    result = run(config_of(no_live_required="namespace"), record)
    assert result.reject_code is RejectCode.NO_LIVE_GUARD
    assert "run it with c2lib dryrun or c2lib.run_dryrun" in (result.reject_reason or "")
    assert record.metrics()["no_live_attempts_total"] == 0
    connect(listener)


@pytest.mark.parametrize(
    ("interfaces", "problem"),
    [
        ([(1, "lo"), (2, "eth0")], "this process has a network interface beside lo"),
        ([(1, "lo")], "the kernel did not stop the canary's loopback connection"),
    ],
)
def test_one_network_sign_suffices(
    monkeypatch: pytest.MonkeyPatch, listener: tuple[str, int], interfaces: list[tuple[int, str]], problem: str
) -> None:
    """Another network interface, or a loopback that answers, is enough to report a network."""
    monkeypatch.setattr(socket, "if_nameindex", lambda: interfaces)
    assert network_problem() == problem


def test_wrong_layer_is_rejected() -> None:
    """A guard of another layer than no_live_required is rejected, in either direction."""
    for layer, required in (("hook", "namespace"), ("namespace", "hook")):
        result = guarded(partial(NoLiveGuard, layer), Record(), no_live_required=required)
        assert result.reject_code is RejectCode.NO_LIVE_GUARD
        assert f"no_live_required is '{required}', but the guard here is of the layer" in (result.reject_reason or "")


def test_canary_problem_rejects() -> None:
    """What the strategy's own process reports of its layer decides the canary's check."""
    record = Record()
    assert guarded(partial(NoLiveGuard, "namespace"), record, no_live_required="namespace").status == "COMPLETED"
    (check,) = [entry["meta"] for entry in record.audit() if entry["meta"].get("check") == "no_live_guard"]
    assert check == {"check": "no_live_guard", "passed": True, "layer": "namespace"}
    refused = guarded(partial(NoLiveGuard, "namespace", "no room"), Record(), no_live_required="namespace")
    assert (refused.reject_code, refused.reject_reason) == (RejectCode.NO_LIVE_GUARD, "no room")


def test_no_layer_holds_without_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """No layer passes its canary when the audit hook stops nothing."""
    monkeypatch.setattr(nolive, "REFUSED_PREFIX", "nothing.")
    assert "not stopped by the audit hook" in (NoLiveGuard("namespace").canary_problem() or "")
