"""The guard's layers: which one a config gets, what its canary finds, and what is under it from the first look on."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from c2lib.core.errors import ConfigError, NoLiveViolationError
from c2lib.core.model import Bar
from c2lib.core.vocabulary import FailCode, RejectCode
from c2lib.session import nolive
from c2lib.session.nolive import GUARDS, NamespaceGuard, NoLiveGuard, RecordedGuard, network_problem
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
def test_a_sink_cannot_leave_while_the_session_opens(sink: str, number: int) -> None:
    """From its first line on, through preflight and the announcement."""
    record = Record(**{sink: LeakingAt(number)})
    result = run(own_config(), record, strategy=answering({}))
    assert (result.steps, result.fail_code) == (0, FailCode.NO_LIVE_VIOLATION)
    assert record.metrics()["no_live_attempts_total"] == 1
    record.keeps_the_contract()


def test_a_sink_that_leaves_while_a_session_is_rejected_makes_it_fail() -> None:
    """An attempt counts whatever preflight says."""
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
def test_what_was_handed_over_cannot_leave_at_the_first_look(options: dict[str, Any]) -> None:
    """Before anything is written, and counted all the same."""
    record = Record()
    result = run(config_of(steps=3), record, **options)
    assert (result.steps, result.fail_code) == (0, FailCode.NO_LIVE_VIOLATION)
    assert record.metrics()["no_live_attempts_total"] == 1


def test_a_clock_that_lets_its_refusal_through_is_refused() -> None:
    """Nothing was written by then."""

    class Bold(Leaking):
        def now(self) -> datetime:
            socket.socket()
            return super().now()

    record = Record()
    with pytest.raises(ConfigError, match="NoLiveViolationError"):
        run(config_of(), record, clock=Bold())
    assert record.whole() == ""


def test_an_exception_cannot_leave_while_it_is_told() -> None:
    """Its own way of telling is session code too."""

    class LeakingError(Exception):
        def __str__(self) -> str:
            leave()
            return "told"

    def act() -> None:
        raise LeakingError

    record = Record()
    result = run(own_config(), record, strategy=acting(act))
    assert (result.phase, result.fail_reason) == ("ERROR_REQUIRES_OPERATOR", "LeakingError: told")
    assert record.metrics()["no_live_attempts_total"] >= 1


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError])
def test_no_guard_is_left_behind_however_it_ended(leaving: type[BaseException], listener: tuple[str, int]) -> None:
    """Also when the session is left by what no session catches."""

    def act() -> None:
        raise leaving

    swallowing(lambda: run(own_config(), strategy=acting(act)))()
    assert nolive._active == ()
    connect(listener)


def test_no_guard_is_left_behind_where_none_was_opened(listener: tuple[str, int]) -> None:
    """A config that is refused leaves nothing."""
    with pytest.raises(ConfigError):
        run(config_of(clock_mode="injected"))
    connect(listener)


def test_a_guard_entered_again_holds_until_it_is_left_as_often() -> None:
    """Opening stands around loading, and closing around the last words."""
    guard = NoLiveGuard()
    with guard:
        with guard:
            pass
        with pytest.raises(NoLiveViolationError):
            socket.socket()
    socket.socket().close()
    assert guard.attempts == 1


def test_a_guard_that_was_taken_out_counts_it() -> None:
    """Whoever clears the list is noticed when the guard is left."""
    guard = NoLiveGuard()
    with guard:
        nolive._active = ()
    assert guard.attempts == 1


def test_no_guard_of_a_strategys_own_hides_an_attempt() -> None:
    """A guard that tests counts nothing; those around it do."""

    def act() -> None:
        with NoLiveGuard() as own:
            own.testing = True
            leave()

    assert run(own_config(), strategy=acting(act)).fail_code is FailCode.NO_LIVE_VIOLATION


@pytest.mark.parametrize("event", ["sqlite3.load_extension", "syslog.openlog", "os.spawn"])
def test_the_hook_refuses_what_not_every_python_has(event: str) -> None:
    """Asked directly."""
    with NoLiveGuard(), pytest.raises(NoLiveViolationError, match=event):
        nolive._hook(event, ())


def test_each_value_of_the_config_has_its_guard() -> None:
    """And each guard says the layer that it is of."""
    assert {layer: make().layer for layer, make in GUARDS.items()} == {"hook": "hook", "namespace": "namespace"}


def test_a_process_with_a_network_is_no_namespace(listener: tuple[str, int]) -> None:
    """The orchestrator runs in this process, and says where else such a config is to be run."""
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
def test_either_sign_of_a_network_is_enough(
    monkeypatch: pytest.MonkeyPatch, listener: tuple[str, int], interfaces: list[tuple[int, str]], problem: str
) -> None:
    """Another interface, or a loopback that answers."""
    monkeypatch.setattr(socket, "if_nameindex", lambda: interfaces)
    assert network_problem() == problem


def test_a_guard_of_another_layer_than_required_is_rejected() -> None:
    """Neither stands in for the other."""
    for guard, required in ((NoLiveGuard, "namespace"), (partial(RecordedGuard, None), "hook")):
        result = guarded(guard, Record(), no_live_required=required)
        assert result.reject_code is RejectCode.NO_LIVE_GUARD
        assert f"no_live_required is '{required}', but the guard here is of the layer" in (result.reject_reason or "")


def test_a_refusal_comes_before_the_canary_looks_around() -> None:
    """The reason is what the operator needs."""
    assert NamespaceGuard("the kernel would not").canary_problem() == "the kernel would not"


def test_what_the_canary_said_is_said_again() -> None:
    """A run of the namespace is executed again with its recorded answer, under the hook."""
    record = Record()
    assert guarded(partial(RecordedGuard, None), record, no_live_required="namespace").status == "COMPLETED"
    (check,) = [entry["meta"] for entry in record.audit() if entry["meta"].get("check") == "no_live_guard"]
    assert check == {"check": "no_live_guard", "passed": True, "layer": "namespace"}
    refused = guarded(partial(RecordedGuard, "no room"), Record(), no_live_required="namespace")
    assert (refused.reject_code, refused.reject_reason) == (RejectCode.NO_LIVE_GUARD, "no room")


@pytest.mark.parametrize("make", [partial(NamespaceGuard, None), partial(RecordedGuard, None)])
def test_without_the_hook_no_layer_holds(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook's canary flies first."""
    monkeypatch.setattr(nolive, "_REFUSED_PREFIX", "nothing.")
    assert "not stopped by the audit hook" in (make().canary_problem() or "")
