"""Lines written to a file: in batches, none lost and none twice."""

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from c2lib.record.files import BATCH_LINES, FileSink
from tests.record.failing_system import FailingSystem, ShortSystem, failing, system
from tests.record.staging import new_file


def test_lines_are_written_in_batches(tmp_path: Path) -> None:
    """Lines reach the file in batches: one line more than a batch, or a flush, writes the batch."""
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
def test_short_writes_keep_all_lines(lines: list[str], sizes: list[int]) -> None:
    """Writes that take only some bytes lose and repeat no line, and the sealed facts match the file."""
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
def test_failed_write_continues_later(tmp_path: Path, first: int) -> None:
    """After a failed write in the middle of a batch the next flush writes the rest exactly once."""
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


def test_refused_line_is_not_kept(tmp_path: Path) -> None:
    """A full batch that cannot be written refuses the next line, so that the caller's retry writes the line once."""
    sink = FileSink(new_file(tmp_path))
    for _ in range(BATCH_LINES):
        sink.write("x\n")
    with system(failing("write")), pytest.raises(OSError, match="No space"):
        sink.write("y\n")
    sink.write("y\n")
    assert sink.close()["lines"] == BATCH_LINES + 1
    assert (tmp_path / "log").read_bytes() == b"x\n" * BATCH_LINES + b"y\n"


def test_dead_disk_bounds_memory(tmp_path: Path) -> None:
    """With a dead disk, no line is taken beyond one batch."""
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


def test_empty_write_is_a_failure(tmp_path: Path) -> None:
    """A write that takes no bytes raises an error."""
    sink = FileSink(new_file(tmp_path))
    sink.write("x\n")
    with system(ShortSystem([0])), pytest.raises(OSError, match="nothing was taken"):
        sink.flush()
    sink.abandon()
