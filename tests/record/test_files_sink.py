"""Lines on their way to a file: in batches, none lost and none twice."""

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from c2lib.record.files import BATCH_LINES, FileSink
from tests.record.failing_system import FailingSystem, ShortSystem, failing, system
from tests.record.staging import new_file


def test_lines_are_handed_on_in_batches(tmp_path: Path) -> None:
    """A line more than a batch holds is what sends the batch to the system."""
    sink = FileSink(new_file(tmp_path))
    for _ in range(BATCH_LINES):
        sink.write("x\n")
    assert (tmp_path / "log").stat().st_size == 0
    sink.write("y\n")
    assert (tmp_path / "log").read_bytes() == b"x\n" * BATCH_LINES
    sink.flush()
    assert (tmp_path / "log").read_bytes() == b"x\n" * BATCH_LINES + b"y\n"
    sink.abandon()
    sink.abandon()


@given(
    lines=some.lists(some.text("aé€\U0001f600", max_size=5), max_size=20),
    sizes=some.lists(some.integers(1, 7), max_size=40),
)
def test_short_writes_lose_and_repeat_nothing(lines: list[str], sizes: list[int]) -> None:
    """The file and the facts of the manifest are those of the lines, however little each write takes."""
    with tempfile.TemporaryDirectory() as folder, system(ShortSystem(sizes)):
        sink = FileSink(new_file(Path(folder)))
        for number, line in enumerate(lines):
            sink.write(f"{line}\n")
            if number % 3 == 0:
                sink.flush()
        facts = sink.close()
        written = Path(folder, "log").read_bytes()
    assert written == "".join(f"{line}\n" for line in lines).encode()
    assert facts == {"sha256": hashlib.sha256(written).hexdigest(), "bytes": len(written), "lines": len(lines)}


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_failed_write_goes_on_where_it_stopped(tmp_path: Path, first: int) -> None:
    """After a failure in the middle of a batch the next flush writes the rest, once."""
    fails_once = FailingSystem(lambda name, number: name == "write" and number == first, behind=ShortSystem([4, 4, 4]))
    with system(fails_once):
        sink = FileSink(new_file(tmp_path))
        sink.write("one line\n")
        with pytest.raises(OSError, match="No space"):
            sink.flush()
        sink.write("another\n")
        facts = sink.close()
    assert (tmp_path / "log").read_bytes() == b"one line\nanother\n"
    assert facts["lines"] == 2


def test_a_line_that_could_not_be_taken_was_not_taken(tmp_path: Path) -> None:
    """A full batch that cannot be handed on refuses the next line, which the caller then offers again."""
    sink = FileSink(new_file(tmp_path))
    for _ in range(BATCH_LINES):
        sink.write("x\n")
    with system(failing("write")), pytest.raises(OSError, match="No space"):
        sink.write("y\n")
    sink.write("y\n")
    assert sink.close()["lines"] == BATCH_LINES + 1
    assert (tmp_path / "log").read_bytes() == b"x\n" * BATCH_LINES + b"y\n"


def test_a_dead_disk_is_noticed_at_every_batch(tmp_path: Path) -> None:
    """Behind a batch that never gets through, no second one gathers without end."""
    sink = FileSink(new_file(tmp_path))
    refused = 0
    with system(failing("write")):
        for _ in range(3 * BATCH_LINES):
            try:
                sink.write("x\n")
            except OSError:
                refused += 1
    assert refused == BATCH_LINES
    sink.abandon()


def test_a_write_that_takes_nothing_is_a_failure(tmp_path: Path) -> None:
    """A system that answers 0 does not make the sink ask for ever."""
    sink = FileSink(new_file(tmp_path))
    sink.write("x\n")
    with system(ShortSystem([0])), pytest.raises(OSError, match="nothing was taken"):
        sink.flush()
    sink.abandon()
