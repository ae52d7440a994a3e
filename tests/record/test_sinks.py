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


def test_sink_needs_write_or_append() -> None:
    """Any object with write or append is a sink, and write is preferred."""
    handle, lines, own, both = io.StringIO(), list[str](), Appending(), Both()
    for sink in (handle, lines, own, both):
        RetryingSink("events.jsonl", sink, 0).write("{}\n")
    assert (handle.getvalue(), lines, own.lines, both) == ("{}\n", ["{}\n"], ["{}\n"], ["written {}\n"])


@pytest.mark.parametrize("sink", [5, "path/as/text", {}, type("Odd", (), {"write": 3})()])
def test_non_sink_is_refused(sink: Any) -> None:
    """An object without write and append raises an error that names the sink and the missing methods."""
    with pytest.raises(ConfigError, match=r"events\.jsonl: .* has neither \.write\(str\) nor \.append\(str\)"):
        line_writer(sink, "events.jsonl")


def test_none_is_a_silent_sink() -> None:
    """None in place of a sink takes every line, keeps none and never fails."""
    sink = RetryingSink("events.jsonl", None, 0)
    sink.write("{}\n")
    sink.write_composed(lambda: "{}\n")
    sink.flush()
    assert (sink.calls, sink.dead, sink.failures) == (2, False, [])


@pytest.mark.parametrize("way", ["write", "composed", "flush"])
@pytest.mark.parametrize("failures", [1, 2, 3])
def test_failing_call_is_retried(way: str, failures: int) -> None:
    """A failing call is tried again as often as allowed, and each retry is reported and recorded."""
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
def test_dead_sink_is_not_called(way: str) -> None:
    """A sink that failed for good is not called again, and the error counts the attempts."""
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


def test_negative_retries_mean_none() -> None:
    """With a negative number of retries a sink is called once."""
    target = dead_from(0)
    with pytest.raises(SinkWriteError, match="failed 1 time"):
        RetryingSink("audit.jsonl", target, -5).write("{}\n")


def test_failures_are_numbered_by_call() -> None:
    """Sink failures are numbered by call and not by attempt."""
    sink = RetryingSink("events.jsonl", failing_at(1, 2, 5), 2)
    for _ in range(3):
        sink.write("{}\n")
    sink.flush()
    assert [failure.call for failure in sink.failures] == [1, 3]


@pytest.mark.parametrize("error", [SystemExit(0), SinkWriteError("x", 1, "y"), OSError(28, "full"), StopIteration()])
def test_any_exception_is_a_failure(error: BaseException) -> None:
    """Any exception of a sink, even SystemExit or a SinkWriteError, is a failed write that is retried."""
    for way in ("write", "composed"):
        sink = RetryingSink("events.jsonl", Raising(error), 1)
        with pytest.raises(SinkWriteError, match="failed 2 time"):
            sink.write("{}\n") if way == "write" else sink.write_composed(lambda: "{}\n")
        assert sink.dead


def test_keyboard_interrupt_passes_through() -> None:
    """A KeyboardInterrupt in a sink passes to the caller, and the sink is not dead."""
    sink = RetryingSink("events.jsonl", Raising(KeyboardInterrupt()), 1)
    with pytest.raises(KeyboardInterrupt):
        sink.write("{}\n")
    assert not sink.dead


@pytest.mark.parametrize(("bad_at", "calls"), [(0, 0), (1, 1)])
def test_composing_error_spares_sink(bad_at: int, calls: int) -> None:
    """An error raised while a line is composed is no failure of the line's sink."""
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


def test_retry_composes_line_anew() -> None:
    """A composed line is composed anew at each attempt."""
    target, numbers = failing_at(0, 1), iter("abc")
    RetryingSink("metrics.json", target, 2).write_composed(lambda: next(numbers))
    assert target.lines == ["c"]


def test_class_name_is_redacted() -> None:
    """The class name of a sink's exception is redacted."""
    error = type(SECRET_NAME, (Exception,), {})()
    with pytest.raises(SinkWriteError) as caught:
        RetryingSink("events.jsonl", Raising(error), 0).write("{}\n")
    assert SECRET_NAME not in str(caught.value)


def test_remembering_sink_keeps_lines() -> None:
    """The remembering test sink keeps lines in order and counts calls and flushes."""
    sink = Remembering()
    sink.write("a")
    sink.flush()
    assert (sink.lines, sink.flushes, sink.calls) == (["a"], 1, 2)
