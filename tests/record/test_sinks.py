import io
from typing import Any

import pytest

from c2lib.core.errors import ConfigError, SinkWriteError
from c2lib.record.sinks import RetryingSink, SinkFailure, line_writer
from tests.record.foreign_sinks import Remembering, dead_from, failing_at

SECRET_NAME = "AK" + "IA" + "A" * 16


class Both(list[str]):
    """A list that can also be written to."""

    def write(self, line: str) -> None:
        """Keep a line, marked."""
        self.append(f"written {line}")


class Appending:
    """The least that a sink can be."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def append(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)


class Raising:
    """Raises one thing at every write."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def write(self, line: str) -> None:
        """Raise."""
        raise self._error


def test_anything_with_write_or_append_is_a_sink() -> None:
    """A handle, a list and a class of one's own take the same line; ``write`` is preferred."""
    handle, lines, own, both = io.StringIO(), list[str](), Appending(), Both()
    for sink in (handle, lines, own, both):
        RetryingSink("events.jsonl", sink, 0).write("{}\n")
    assert (handle.getvalue(), lines, own.lines, both) == ("{}\n", ["{}\n"], ["{}\n"], ["written {}\n"])


@pytest.mark.parametrize("sink", [5, "path/as/text", {}, type("Odd", (), {"write": 3})()])
def test_anything_else_is_refused_by_name(sink: Any) -> None:
    """The error says which sink and of what type."""
    with pytest.raises(ConfigError, match=r"events\.jsonl: .* has neither \.write\(str\) nor \.append\(str\)"):
        line_writer(sink, "events.jsonl")


def test_no_sink_takes_everything_and_keeps_nothing() -> None:
    """``None`` is written nowhere and flushed nowhere, and never fails."""
    sink = RetryingSink("events.jsonl", None, 0)
    sink.write("{}\n")
    sink.write_composed(lambda: "{}\n")
    sink.flush()
    assert (sink.calls, sink.dead, sink.failures) == (2, False, [])


@pytest.mark.parametrize("way", ["write", "composed", "flush"])
@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_failing_call_is_tried_again_as_often_as_allowed(way: str, failures: int) -> None:
    """Each failure that is tried again is told; the call that came through is recorded with what it met."""
    told: list[tuple[str, str]] = []
    target = failing_at(*range(failures))
    sink = RetryingSink("audit.jsonl", target, 3, lambda name, error: told.append((name, error)))
    {"write": lambda: sink.write("{}\n"), "composed": lambda: sink.write_composed(lambda: "{}\n"), "flush": sink.flush}[
        way
    ]()
    assert told == [("audit.jsonl", "DiskError")] * failures
    assert sink.failures == [SinkFailure("audit.jsonl", 0, ("DiskError",) * failures)]
    assert (target.lines, target.flushes) == (([], 1) if way == "flush" else (["{}\n"], 0))


@pytest.mark.parametrize("way", ["write", "composed", "flush"])
def test_a_sink_that_failed_for_good_is_dead_and_not_called_again(way: str) -> None:
    """The error counts the attempts and names the last cause by its class alone."""
    target = dead_from(0)
    sink = RetryingSink("audit.jsonl", target, 2)
    call = {
        "write": lambda: sink.write("{}\n"),
        "composed": lambda: sink.write_composed(lambda: "{}\n"),
        "flush": sink.flush,
    }[way]
    with pytest.raises(SinkWriteError) as caught:
        call()
    assert (caught.value.sink, caught.value.attempts, caught.value.cause) == ("audit.jsonl", 3, "DiskError")
    assert "somebody" not in str(caught.value)
    with pytest.raises(SinkWriteError, match="dead since an earlier failure") as again:
        call()
    assert (again.value.attempts, target.calls, sink.dead) == (0, 3, True)
    assert sink.failures == [SinkFailure("audit.jsonl", 0, ("DiskError", "DiskError", "DiskError"))]


def test_a_negative_number_of_retries_is_none() -> None:
    """Preflight rejects it; until then the sink is tried once."""
    target = dead_from(0)
    with pytest.raises(SinkWriteError, match="failed 1 time"):
        RetryingSink("audit.jsonl", target, -5).write("{}\n")


def test_failures_are_numbered_by_call_and_not_by_attempt() -> None:
    """A replay finds the same call whatever was tried again before."""
    sink = RetryingSink("events.jsonl", failing_at(1, 2, 5), 2)
    for _ in range(3):
        sink.write("{}\n")
    sink.flush()
    assert [failure.call for failure in sink.failures] == [1, 3]


@pytest.mark.parametrize("error", [SystemExit(0), SinkWriteError("x", 1, "y"), OSError(28, "full"), StopIteration()])
def test_whatever_a_sink_raises_is_a_failed_write(error: BaseException) -> None:
    """Not even an exit, or an error of our own kind, gets past the retries."""
    for way in ("write", "composed"):
        sink = RetryingSink("events.jsonl", Raising(error), 1)
        with pytest.raises(SinkWriteError, match="failed 2 time"):
            sink.write("{}\n") if way == "write" else sink.write_composed(lambda: "{}\n")
        assert sink.dead


def test_an_interrupt_from_the_keyboard_goes_through() -> None:
    """It is no failure of the sink."""
    sink = RetryingSink("events.jsonl", Raising(KeyboardInterrupt()), 1)
    with pytest.raises(KeyboardInterrupt):
        sink.write("{}\n")
    assert not sink.dead


@pytest.mark.parametrize(("bad_at", "calls"), [(0, 0), (1, 1)])
def test_what_composing_raises_is_no_failure_of_the_sink(bad_at: int, calls: int) -> None:
    """Another sink's death, met on the way, leaves this one alive and unblamed, at the first attempt and later."""
    composed: list[str] = []

    def compose() -> str:
        if len(composed) == bad_at:
            raise SinkWriteError("audit.jsonl", 1, "DiskError")
        composed.append("{}\n")
        return composed[-1]

    target = failing_at(0)
    sink = RetryingSink("metrics.json", target, 1)
    with pytest.raises(SinkWriteError, match=r"audit\.jsonl"):
        sink.write_composed(compose)
    assert (sink.dead, sink.failures, target.calls) == (False, [], calls)


def test_a_line_is_composed_anew_at_each_attempt() -> None:
    """So that it can count what it took to write it."""
    target, numbers = failing_at(0, 1), iter("abc")
    RetryingSink("metrics.json", target, 2).write_composed(lambda: next(numbers))
    assert target.lines == ["c"]


def test_a_class_name_is_cleaned() -> None:
    """What a sink raises may be named like a secret."""
    error = type(SECRET_NAME, (Exception,), {})()
    with pytest.raises(SinkWriteError) as caught:
        RetryingSink("events.jsonl", Raising(error), 0).write("{}\n")
    assert SECRET_NAME not in str(caught.value)


def test_the_sinks_of_these_tests_do_what_they_say() -> None:
    """A remembering sink keeps lines in order."""
    sink = Remembering()
    sink.write("a")
    sink.flush()
    assert (sink.lines, sink.flushes, sink.calls) == (["a"], 1, 2)
