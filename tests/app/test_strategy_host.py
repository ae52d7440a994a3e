"""What a hosted strategy is shown, what comes back of it, and what a host leaves behind."""

from __future__ import annotations

import ast
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from c2lib.app import strategy_host
from c2lib.app.strategy_host import StrategyHost
from c2lib.core.errors import NoLiveViolationError, StrategyEndedError, StrategyError, StrategyRaisedError
from c2lib.core.model import CancelIntent, OpenOrder, OrderIntent, PositionView, Strategy
from c2lib.core.vocabulary import FailCode
from tests.app.hosted import BUYS, FLAT, SETTINGS, StrategyFile, bar, hosted, strategy

ORDERS = (OpenOrder("c-000001", "BUY", 3, 2, "LIMIT", 99, None, "DAY", "a tag"), OpenOrder("c-000002", "SELL", 1, 1))


@pytest.fixture(scope="module")
def host() -> Iterator[StrategyHost]:
    """Give a host."""
    with StrategyHost() as one:
        yield one


def test_intents_come_back(host: StrategyHost) -> None:
    """A hosted strategy fits the session's protocol and answers with the intents that it returned in its process."""
    with hosted(host, BUYS) as mine:
        port: Strategy = mine
        wanted = (OrderIntent("BUY", 2, "LIMIT", 99, None, "DAY", "a tag"), CancelIntent("c-000001"))
        assert [port.on_bar(bar(index), FLAT) for index in range(12)] == [wanted] * 12
        assert [type(intent) for intent in mine.on_bar(bar(12), FLAT) or ()] == [OrderIntent, CancelIntent]


def test_holds_are_none(host: StrategyHost) -> None:
    """None means hold, and an empty list means no intents, as in a session's own process."""
    with hosted(host, strategy("return None if bar.bar_index % 2 else []")) as mine:
        assert [mine.on_bar(bar(index), FLAT) for index in range(4)] == [(), None, (), None]


def test_bar_and_view_arrive(host: StrategyHost) -> None:
    """The strategy gets the very types and values that the session shows it, the view again when it changed."""
    on_bar = """
        assert type(bar).__name__ == "Bar" and type(view).__name__ == "PositionView"
        raise ValueError(f"{tuple(bar)} {view.position} {view.open_orders} {view.cash} {view.equity}")
    """
    with hosted(host, strategy(on_bar)) as mine, pytest.raises(StrategyRaisedError) as caught:
        mine.on_bar(bar(3), PositionView(-2, ORDERS, 0, 1000, 2, -55))
    assert str(caught.value) == f"ValueError: (3, 180000000, 100, 110, 90, 105, 1000) -2 {ORDERS} 10 -0.55"


WHOLE = st.integers(-(10**90), 10**90)
TEXTS = st.none() | st.text(st.characters(codec=None), max_size=9)
OPEN_ORDERS = st.builds(
    OpenOrder, st.just("c-000001"), st.sampled_from(["BUY", "SELL"]), WHOLE, WHOLE, limit_price=WHOLE, tag=TEXTS
)
VIEWS = st.builds(
    PositionView, WHOLE, st.lists(OPEN_ORDERS, max_size=3).map(tuple), WHOLE, WHOLE, st.integers(0, 99), WHOLE
)
ALL_OF_IT = "ascii((view, view.cash, view.equity, view.average_entry_price, view.order('x'), view.order('')))"


@given(views=st.lists(VIEWS, min_size=1, max_size=5))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_view_is_same_there(host: StrategyHost, views: list[PositionView]) -> None:
    """A strategy file is shown the very values that a strategy in the session's own process is shown."""
    with hosted(host, strategy(f"return [OrderIntent('BUY', 1, tag={ALL_OF_IT})]")) as mine:
        for index, view in enumerate(views):
            (intent,) = mine.on_bar(bar(index), view) or ()
            assert isinstance(intent, OrderIntent)
            assert intent.tag == eval(ALL_OF_IT, {"view": view})


def test_unchanged_view_stays(host: StrategyHost) -> None:
    """A view that is the same object as before is not sent again and is the same object in the child."""
    top = "seen = []"
    on_bar = "seen.append(view); return [OrderIntent('BUY', 1 + (seen[-1] is seen[0]))]"
    shown, other = PositionView(1, ORDERS), PositionView(1, ORDERS)
    with hosted(host, strategy(on_bar, top=top)) as mine:
        answers = [mine.on_bar(bar(index), view) for index, view in enumerate((shown, shown, other))]
    assert answers == [(OrderIntent("BUY", quantity),) for quantity in (2, 2, 1)]


def test_settings_arrive(host: StrategyHost) -> None:
    """The strategy is made with the session's settings."""
    with pytest.raises(StrategyRaisedError, match=r"StrategySettings.*seed=7.*EURUSD.*0.0001"):
        hosted(host, strategy(init="raise ValueError(settings)")).__enter__()


def test_exception_comes_back(host: StrategyHost) -> None:
    """An exception keeps its type, its message, the lines of the strategy's own file, and the bar."""
    top = """
        import json
        class Odd(Exception): ...
        def inner(): json.loads("nothing", object_hook=1)
        def outer():
            try: inner()
            except ValueError: raise Odd("at <object at 0x7f01deadbeef>, password=hunter2hunter2")
    """
    with hosted(host, strategy("outer()", top=top)) as mine, pytest.raises(StrategyRaisedError) as caught:
        mine.on_bar(bar(0), FLAT)
    error = caught.value
    assert error.raised == "Odd"
    assert str(error) == "Odd: at <object at 0x…>, [REDACTED:assignment]"
    assert error.lines == (
        "strategy.py:14: outer()",
        'strategy.py:8: except ValueError: raise Odd("at <object at 0x7f01deadbeef>, [REDACTED:assignment]',
    )


def test_making_can_fail(host: StrategyHost) -> None:
    """What a file raises while it is run or its class is called is reported with its lines."""
    cases = {
        strategy(top="1 / 0"): ("ZeroDivisionError", ("strategy.py:2: 1 / 0",)),
        strategy(init="raise SystemExit(0)"): ("SystemExit", ("strategy.py:5: raise SystemExit(0)",)),
        strategy()._replace(class_name="Other"): ("AttributeError", ()),
        StrategyFile("Mine", b"def"): ("SyntaxError", ()),
    }
    for file, (raised, lines) in cases.items():
        with host.session("hook", 20.0) as session, pytest.raises(StrategyRaisedError) as caught:
            session.load(*file, SETTINGS)
        assert (caught.value.raised, caught.value.lines) == (raised, lines)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("7", "on_bar must return a list or tuple of intents, not int"),
        ("[3]", "int is neither OrderIntent nor CancelIntent"),
        ("[OrderIntent('BUY', 0.5)]", "quantity must be a whole number"),
        ("[OrderIntent('BUY', 10 ** 5000)]", "quantity must be a whole number"),
        ("[OrderIntent('BUY', True)]", "quantity must be a whole number"),
        ("[OrderIntent('BUY', 1, tag=b'')]", "tag is not text"),
        ("[CancelIntent(object())]", "client_order_id is not text"),
        ("(lambda: None)", "not function"),
    ],
)
def test_unusable_answer_named(host: StrategyHost, answer: str, problem: str) -> None:
    """An answer that cannot be used is named with the words of the session's own check."""
    with hosted(host, strategy(f"return {answer}")) as mine, pytest.raises(StrategyError, match=problem) as caught:
        mine.on_bar(bar(0), FLAT)
    assert type(caught.value) is StrategyError


def test_attempt_is_named(host: StrategyHost) -> None:
    """A swallowed attempt to leave the process ends the session, and what was tried is known."""
    on_bar = """
        import socket
        try: socket.create_connection(("127.0.0.1", 9))
        except Exception: return [OrderIntent("BUY", 1)]
    """
    with hosted(host, strategy(on_bar)) as mine:
        with pytest.raises(NoLiveViolationError, match=r"tried 1 time\(s\) to leave the process"):
            mine.on_bar(bar(0), FLAT)
        assert mine.finish() == mine.guard.attempts == 1
        assert mine.guard.tried == ["socket.getaddrinfo 127.0.0.1:9"]


def test_warm_parent_changes_nothing(host: StrategyHost) -> None:
    """A look-up that starts a program the first time is refused in every child, whatever ran here before."""
    seen = []
    platform.platform()
    with StrategyHost() as other:
        for each in (host, host, other):
            with each.session("hook", 20.0) as session:
                with pytest.raises(NoLiveViolationError):
                    session.load(*strategy(init="import platform; platform.platform()"), SETTINGS)
                seen.append((session.guard.attempts, session.guard.tried))
    assert seen == [(1, ["subprocess.Popen 'uname' 'uname' '-p'"])] * 3


def test_sessions_share_nothing(host: StrategyHost) -> None:
    """What one session leaves in its modules is not there in the next one of the same host."""
    init = "import json; assert not hasattr(json, 'mine'); json.mine = 1"
    for _ in range(2):
        with hosted(host, strategy(init=init)) as mine:
            assert mine.on_bar(bar(0), FLAT) is None


def test_sets_keep_their_order(host: StrategyHost) -> None:
    """The order of a set of texts is the same in every child of every host."""
    orders = set()
    with StrategyHost() as other:
        for each in (host, other):
            with hosted(each, strategy("raise ValueError(list(map(str, {'a', 'b', 'c', 'd', 'e'})))")) as mine:
                with pytest.raises(StrategyRaisedError) as caught:
                    mine.on_bar(bar(0), FLAT)
                orders.add(str(caught.value))
    assert len(orders) == 1


def test_current_folder_not_searched(host: StrategyHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the folder that a host is started in cannot be imported by a strategy."""
    (tmp_path / "sibling.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    refused = pytest.raises(StrategyRaisedError, match="ModuleNotFoundError: No module named 'sibling'")
    with StrategyHost() as here, here.session("hook", 20.0) as session, refused:
        session.load(*strategy(top="import sibling"), SETTINGS)


def test_prints_go_to_stderr(host: StrategyHost, capfd: pytest.CaptureFixture[str]) -> None:
    """What a strategy prints, by whatever way, is shown on stderr and never on stdout."""
    on_bar = """
        import os, sys
        print('{"accepted": true}'); sys.__stdout__.write("two\\n"); os.write(1, b"three\\n"); os.write(2, b"four\\n")
    """
    with hosted(host, strategy(on_bar)) as mine:
        mine.on_bar(bar(0), FLAT)
        mine.finish()
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == ['{"accepted": true}', "two", "three", "four"]


def test_last_line_is_ended(host: StrategyHost, capfd: pytest.CaptureFixture[str]) -> None:
    """A print without an end of line gets one, so that what the command shows next stands on its own line."""
    with hosted(host, strategy("print('no end', end='')")) as mine:
        mine.on_bar(bar(0), FLAT)
        mine.finish()
    assert capfd.readouterr().err == "no end\n"


def test_environment_is_an_allowlist(monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy sees variables that say where things lie and how Python works, and no other."""
    kept = {"HOME": "/h", "LC_ALL": "C", "TZ": "UTC", "OMP_NUM_THREADS": "1", "LD_LIBRARY_PATH": "/l", "TMPDIR": "/tmp"}
    hidden = ("BROKER_PASSWORD", "AWS_SECRET_ACCESS_KEY", "LDAP_PW", "MY_PATH", "path", "PYTHON_API_TOKEN", "XDG_")
    for name, value in {**kept, **dict.fromkeys(hidden, "hunter2hunter2")}.items():
        monkeypatch.setenv(name, value)
    with StrategyHost() as own, pytest.raises(StrategyRaisedError) as caught:
        hosted(own, strategy(init="import os; raise ValueError(sorted(os.environ.items()))")).__enter__()
    seen = dict(ast.literal_eval(str(caught.value).partition(": ")[2]))
    assert kept.items() <= seen.items()
    assert not seen.keys() & set(hidden)
    assert "hunter2" not in str(seen)


def test_namespace_has_no_network(host: StrategyHost) -> None:
    """In the layer namespace, native code finds no interface to leave by, and no process outside to signal."""
    on_bar = """
        import ctypes, os, struct
        libc = ctypes.CDLL(None, use_errno=True)
        address = struct.pack("=H", 2) + struct.pack("!H", 9) + bytes((127, 0, 0, 1)) + bytes(8)
        assert libc.connect(libc.socket(2, 1, 0), address, 16) == -1 and ctypes.get_errno() == 101, "reached"
        assert (os.getpid(), os.getppid()) == (1, 0), "in sight"
    """
    with hosted(host, strategy(on_bar), "namespace") as mine:
        if mine.guard.problem is None:
            mine.on_bar(bar(0), FLAT)
            assert mine.finish() == 0
        else:
            assert "the kernel refused an empty network namespace" in mine.guard.problem


def test_refused_namespace_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that could not leave the network reports so, for preflight to reject."""
    for wrong, problem in (("_CLONE_NEWNET = 0", "a network interface"), ("_CLONE_NEWPID = 1", "refused .*EINVAL")):
        command = f"import sys; from c2lib.app import host_child as c; c.{wrong}; c.main(int(sys.argv[1]))"
        monkeypatch.setattr(strategy_host, "_COMMAND", command)
        with StrategyHost() as one, one.session("namespace", 20.0) as session:
            assert re.search(f"^no_live_required is 'namespace', but .*{problem}", session.guard.problem or "")


def test_open_network_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child whose hook does not refuse the canary reports so, for preflight to reject."""
    command = "import sys; from c2lib.app import host_child as c; c.refusing_hook = lambda report: print; c.main({})"
    monkeypatch.setattr(strategy_host, "_COMMAND", command.format("int(sys.argv[1])"))
    with StrategyHost() as one, one.session("hook", 20.0) as session:
        assert session.guard.problem == "the canary's loopback connection was not stopped by the audit hook"


def test_core_is_restored(host: StrategyHost) -> None:
    """The caller's thread shares its child's core inside the block and has its own cores back afterwards."""
    before = os.sched_getaffinity(0)
    file = strategy("import os; raise ValueError(os.sched_getaffinity(0))")
    with hosted(host, file) as mine, mine.bound():
        inside = os.sched_getaffinity(0)
        with pytest.raises(StrategyRaisedError) as caught:
            mine.on_bar(bar(0), FLAT)
    assert str(caught.value) == f"ValueError: {inside}"
    assert len(inside) == 1
    assert os.sched_getaffinity(0) == before


def test_refused_binding_goes_on(host: StrategyHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a thread cannot be bound, the strategy answers all the same."""

    def refuse(pid: int, cores: set[int]) -> None:
        raise PermissionError

    with hosted(host, BUYS) as mine:
        monkeypatch.setattr(os, "sched_setaffinity", refuse)
        with mine.bound():
            assert mine.on_bar(bar(0), FLAT) is not None


def test_code_gives_one_message() -> None:
    """The message of an end depends on its code alone, so that a replay which knows the code writes the same bytes."""
    for code in FailCode:
        if "_STRATEGY_" not in code:
            continue
        assert str(StrategyEndedError(code, "one")) == str(StrategyEndedError(code, "two"))
