import pickle

import pytest

from c2lib.core import errors
from c2lib.core.errors import (
    BrokerError,
    BrokerTimeoutError,
    BrokerUnavailableError,
    C2Error,
    ConfigError,
    DefectError,
    ForbiddenTransitionError,
    InputError,
    InvalidRequestError,
    InvariantError,
    MarketDataError,
    MissingExtraError,
    NoLiveViolationError,
    OrderRejectedError,
    OutputError,
    RateLimitedError,
    RunConflictError,
    RunPathError,
    SinkWriteError,
    StrategyError,
    StrategyLoadError,
    TransientBrokerError,
)

CONFLICT = (
    "out/r exists and differs from this run, first in events.jsonl, line 3: published aa, computed bb "
    "(nothing was changed; use another run_id or leave it out)"
)

EXAMPLES: tuple[tuple[C2Error, type[C2Error], str], ...] = (
    (ConfigError("seed", "is missing"), InputError, "seed: is missing"),
    (ConfigError("seed", "is '11'", hint="drop the quotes"), InputError, "seed: is '11' (drop the quotes)"),
    (MarketDataError("bars.csv", 7, "high below low"), InputError, "bars.csv, line 7: high below low"),
    (
        MarketDataError("bars.csv", 0, "no bars", hint="add some"),
        InputError,
        "bars.csv: no bars (add some)",
    ),
    (StrategyLoadError("no class X"), InputError, "no class X"),
    (RunPathError("is a symlink"), InputError, "is a symlink"),
    (
        RunConflictError("out/r", "events.jsonl", 3, "aa", "bb"),
        InputError,
        CONFLICT,
    ),
    (
        MissingExtraError("Parquet", "data"),
        InputError,
        "Parquet needs the extra 'data': pip install 'c2lib[data]'",
    ),
    (StrategyError("answered 3"), C2Error, "answered 3"),
    (NoLiveViolationError("socket.connect"), StrategyError, "socket.connect"),
    (BrokerTimeoutError("no answer"), TransientBrokerError, "no answer"),
    (BrokerUnavailableError("down"), TransientBrokerError, "down"),
    (RateLimitedError("too many"), TransientBrokerError, "too many"),
    (InvalidRequestError("no such order"), BrokerError, "no such order"),
    (OrderRejectedError("no funds"), BrokerError, "the broker rejected the order: no funds"),
    (SinkWriteError("audit", 3, "disk full"), OutputError, "sink 'audit' failed 3 time(s), the last with: disk full"),
    (
        ForbiddenTransitionError("session", "STOPPED", "FIRST_STEP"),
        DefectError,
        "session: no transition from STOPPED on FIRST_STEP",
    ),
    (InvariantError("cash", "at least 0", "-1"), DefectError, "cash: expected at least 0, seen -1"),
)


@pytest.mark.parametrize(("error", "blamed", "message"), EXAMPLES)
def test_error_belongs_to_its_cause(error: C2Error, blamed: type[C2Error], message: str) -> None:
    """Each error belongs to the base class of its cause, and its message carries the particulars."""
    assert isinstance(error, blamed)
    assert str(error) == message


@pytest.mark.parametrize(("error", "blamed", "message"), EXAMPLES)
def test_errors_survive_pickling(error: C2Error, blamed: type[C2Error], message: str) -> None:
    """A pickled error keeps its class, message and fields, so that a child process can return the error."""
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == message
    assert vars(back) == vars(error)


def test_base_classes_are_disjoint() -> None:
    """No error belongs to two of the base classes for causes."""
    culprits = (InputError, StrategyError, BrokerError, OutputError, DefectError)
    for one in culprits:
        assert [other for other in culprits if issubclass(one, other)] == [one]


def test_errors_share_one_root() -> None:
    """Every exception of the errors module is a C2Error with a name that ends in Error."""
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(classes) > len({type(error) for error, _, _ in EXAMPLES})
    for each in classes:
        assert issubclass(each, C2Error)
        assert each.__name__.endswith("Error")


def test_error_fields_are_readable() -> None:
    """The particulars of an error can be read as attributes."""
    conflict = RunConflictError("out/r", "events.jsonl", 3, "aa", "bb")
    assert (conflict.path, conflict.file, conflict.line) == ("out/r", "events.jsonl", 3)
    assert (conflict.published, conflict.computed) == ("aa", "bb")
    market = MarketDataError("bars.csv", 7, "high below low")
    assert (market.file, market.line, market.problem) == ("bars.csv", 7, "high below low")
    sink = SinkWriteError("audit", 3, "disk full")
    assert (sink.sink, sink.attempts, sink.cause) == ("audit", 3, "disk full")


SECRET = "pass" + "word=hunter2hunter2"


@pytest.mark.parametrize(
    "error",
    [
        InputError(SECRET),
        OutputError(SECRET),
        SinkWriteError("events.jsonl", 1, SECRET),
        ConfigError(SECRET, SECRET, hint=SECRET),
        MarketDataError(SECRET, 3, SECRET, hint=SECRET),
        RunConflictError(SECRET, "events.jsonl", 1, SECRET, SECRET),
    ],
)
def test_error_holds_no_secret(error: C2Error) -> None:
    """An error made from texts with a secret holds the secret in no message, repr or shown field."""
    fields = {name: value for name, value in vars(error).items() if name != "cause"}
    assert "hunter2" not in f"{error} {error!r} {fields}"
    assert "[REDACTED:assignment]" in str(error)


def test_secret_like_name_is_kept() -> None:
    """A field or file that is named like a secret keeps its name in the error's message."""
    assert str(ConfigError("api_key", "unknown field", hint="remove it")) == "api_key: unknown field (remove it)"
    assert str(MarketDataError("password", 0, "is a directory")) == "password: is a directory"


def test_notebook_shows_one_line() -> None:
    """A notebook shows one line for an error that its user caused."""
    error = ConfigError("seed", "is missing")
    assert error._render_traceback_() == ["ConfigError: seed: is missing"]
