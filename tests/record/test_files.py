"""The run directory on disk: whole or not there, and never through a symlink."""

import errno
import hashlib
import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from c2lib.core.errors import InputError, OutputError, RunPathError
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from c2lib.record.files import BATCH_LINES, FileSink, PublishedAlready, StagedRun, run_path
from tests.record.failing_system import FailingSystem, ShortSystem, failing, system

RUN = "run_demo_001"


def new_file(folder: Path) -> int:
    """Return the handle of an empty file ``log``."""
    return os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_EXCL)


def publish(root: Path, run_id: str = RUN) -> Path:
    """Publish a run directory whose four files hold one line each."""
    with StagedRun(root, run_id) as staged:
        for artifact in SEALED_BY_MANIFEST:
            staged.sink(artifact).write("{}\n")
        staged.seal()
        staged.add(Artifact.MANIFEST, '{"whole":true}\n')
        return staged.publish()


def names(root: Path) -> list[str]:
    """Return what lies in the folder of run directories, the random end of a staging folder's name left out."""
    folder = run_path(root, RUN).parent
    return sorted(path.name[:-9] if path.name.startswith(".staging-") else path.name for path in folder.iterdir())


def open_handles() -> int:
    """Return how many files this process holds open."""
    return len(os.listdir("/proc/self/fd"))


def test_a_run_directory_lies_below_two_fixed_folders() -> None:
    """The place follows from output root and run_id alone."""
    assert run_path("here", RUN) == Path("here", "finish_c", "c2", RUN)


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


def test_nothing_is_seen_of_a_run_before_it_is_published(tmp_path: Path) -> None:
    """Until the rename there is a staging folder only, behind it the run directory only."""
    with StagedRun(tmp_path, RUN) as staged:
        assert names(tmp_path) == [f".staging-{RUN}"]
        assert staged.path.is_dir()
        staged.seal()
        place = staged.publish()
        assert not staged.path.exists()
    assert (place, names(tmp_path)) == (run_path(tmp_path, RUN), [RUN])


def test_what_the_manifest_says_of_a_file_is_true_of_it(tmp_path: Path) -> None:
    """Hash, bytes and lines are those on the disk."""
    with StagedRun(tmp_path, RUN) as staged:
        staged.sink(Artifact.EVENTS).write("é\n")
        staged.sink(Artifact.EVENTS).write("b\n")
        facts = staged.seal()
        place = staged.publish()
    assert list(facts) == [artifact.value for artifact in SEALED_BY_MANIFEST]
    for name, fact in facts.items():
        data = (place / name).read_bytes()
        assert fact == {
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "lines": data.count(b"\n"),
        }


def test_modes_are_plain(tmp_path: Path) -> None:
    """Files can be read by all and written by their owner, less the umask."""
    before = os.umask(0o022)
    try:
        place = publish(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {0o644}


def test_a_published_run_is_never_written_over(tmp_path: Path) -> None:
    """The second of two runs of one name learns that it is late, and changes nothing."""
    place = publish(tmp_path)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in place.iterdir()}
    with pytest.raises(PublishedAlready, match=RUN):
        publish(tmp_path)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in place.iterdir()} == before
    assert names(tmp_path) == [f".staging-{RUN}", RUN]


@pytest.mark.parametrize("kind", ["file", "dangling symlink", "empty folder", "folder behind a symlink"])
def test_whatever_has_the_place_keeps_it(tmp_path: Path, kind: str) -> None:
    """A place is taken by anything of that name."""
    place = run_path(tmp_path, RUN)
    place.parent.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    if kind == "file":
        place.write_text("mine")
    elif kind == "empty folder":
        place.mkdir()
    else:
        place.symlink_to(elsewhere)
    if kind == "folder behind a symlink":
        elsewhere.mkdir()
    before = place.lstat()
    with pytest.raises(PublishedAlready):
        publish(tmp_path)
    assert place.lstat() == before
    assert not elsewhere.exists() or not any(elsewhere.iterdir())


def test_a_place_taken_at_the_last_moment_is_seen_by_the_rename(tmp_path: Path) -> None:
    """When another process publishes between the look and the rename, the rename itself refuses."""
    place = publish(tmp_path)
    before = (place / Artifact.MANIFEST).read_bytes()
    with system(failing("stat", code=errno.ENOENT)), pytest.raises(PublishedAlready):
        publish(tmp_path)
    assert (place / Artifact.MANIFEST).read_bytes() == before


def test_a_run_that_is_not_published_leaves_its_staging_folder(tmp_path: Path) -> None:
    """What was written stays to be looked at, and is in nobody's way."""
    with StagedRun(tmp_path, RUN) as staged:
        staged.sink(Artifact.EVENTS).write("{}\n")
        staged.sink(Artifact.EVENTS).flush()
    assert (staged.path / Artifact.EVENTS).read_text() == "{}\n"
    assert publish(tmp_path).is_dir()
    assert names(tmp_path) == [f".staging-{RUN}", RUN]


def test_a_discarded_run_leaves_nothing(tmp_path: Path) -> None:
    """The staging folder of a run that lost a race goes."""
    with StagedRun(tmp_path, RUN) as staged:
        staged.sink(Artifact.EVENTS).write("{}\n")
        staged.discard()
    assert names(tmp_path) == []


@pytest.mark.parametrize("call", ["listdir", "unlink", "rmdir"])
def test_a_staging_folder_that_cannot_be_removed_is_named(tmp_path: Path, call: str) -> None:
    """The error says which folder was left."""
    with StagedRun(tmp_path, RUN) as staged, system(failing(call)), pytest.raises(OutputError) as caught:
        staged.discard()
    assert str(caught.value) == f"{staged.path} could not be removed: No space left on device"


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("kind", ["symlink", "dangling symlink", "file"])
def test_nothing_is_written_through_a_symlink_below_the_root(tmp_path: Path, depth: int, kind: str) -> None:
    """A folder on the way that is none is refused, and what it points to stays empty."""
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    obstacle = Path(root, *("finish_c", "c2")[:depth])
    obstacle.parent.mkdir(parents=True)
    if kind == "symlink":
        elsewhere.mkdir()
    if kind == "file":
        obstacle.write_text("mine")
    else:
        obstacle.symlink_to(elsewhere)
    with pytest.raises(RunPathError, match="is a symlink or no folder: nothing is written through it") as caught:
        StagedRun(root, RUN)
    assert str(obstacle) in str(caught.value)
    assert not elsewhere.exists() or not any(elsewhere.iterdir())


def test_the_root_itself_may_be_a_symlink(tmp_path: Path) -> None:
    """The caller chose it, so that a home on another disk can be used."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    assert publish(tmp_path / "root").is_dir()
    assert run_path(tmp_path / "disk", RUN).is_dir()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_root_that_is_a_file_is_refused(tmp_path: Path, below: str) -> None:
    """The error names the root, and the file stays as it is."""
    (tmp_path / "file").write_text("mine")
    root = tmp_path / "file" / below
    with pytest.raises(RunPathError) as caught:
        StagedRun(root, RUN)
    assert str(caught.value) == f"the output root {root} is no folder"
    assert (tmp_path / "file").read_text() == "mine"


def test_a_root_that_no_path_can_be_is_refused() -> None:
    """A NUL byte is an error of the caller, not a crash."""
    with pytest.raises(RunPathError, match="cannot be a path"):
        StagedRun("a\0b", RUN)


@pytest.mark.parametrize(
    ("call", "number", "message"),
    [
        ("makedirs", 0, "the output root {root} cannot be used: Permission denied"),
        ("open", 0, "the output root {root} cannot be used: Permission denied"),
        ("mkdir", 0, "{root}/finish_c cannot be used: Permission denied"),
        ("open", 2, "{root}/finish_c/c2 cannot be used: Permission denied"),
        ("mkdir", 2, "{staging} cannot be written: Permission denied"),
        ("open", 3, "{staging} cannot be written: Permission denied"),
        ("open", 7, "{staging} cannot be written: Permission denied"),
    ],
)
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path, call: str, number: int, message: str) -> None:
    """Each step on the way to a staging folder says where it failed, and lets go of every handle."""
    before = open_handles()
    with system(failing(call, number, code=errno.EACCES)), pytest.raises(RunPathError) as caught:
        StagedRun(tmp_path / "out", RUN)
    staging = f"{tmp_path}/out/finish_c/c2/.staging-{RUN}-"
    text = str(caught.value)
    if staging in text:
        text = text.replace(text[len(staging) : len(staging) + 8], "", 1)
    assert text == message.format(root=tmp_path / "out", staging=staging)
    assert open_handles() == before


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_seal_that_fails_names_the_staging_folder(tmp_path: Path, call: str) -> None:
    """A disk that fills at the last moment is an error of the machine."""
    with StagedRun(tmp_path, RUN) as staged:
        staged.sink(Artifact.EVENTS).write("{}\n")
        with system(failing(call)), pytest.raises(OutputError) as caught:
            staged.seal()
    assert str(caught.value) == f"{staged.path} could not be written to the end: No space left on device"


@pytest.mark.parametrize("call", ["open", "write", "fsync"])
def test_a_file_that_cannot_be_added_is_named(tmp_path: Path, call: str) -> None:
    """The manifest is written whole, or there is an error."""
    with StagedRun(tmp_path, RUN) as staged:
        before = open_handles()
        with system(failing(call)), pytest.raises(OutputError) as caught:
            staged.add(Artifact.MANIFEST, "{}\n")
        assert open_handles() == before
    assert str(caught.value) == f"{staged.path}/run_manifest.json could not be written: No space left on device"


def test_a_file_is_added_once(tmp_path: Path) -> None:
    """A second manifest would be a file opened again."""
    with StagedRun(tmp_path, RUN) as staged:
        staged.add(Artifact.MANIFEST, "{}\n")
        with pytest.raises(OutputError, match="File exists"):
            staged.add(Artifact.MANIFEST, "{}\n")


@pytest.mark.parametrize("call", ["stat", "rename", "fsync"])
def test_a_publication_that_fails_leaves_the_staging_folder(tmp_path: Path, call: str) -> None:
    """Before the rename succeeded there is no run directory."""
    with StagedRun(tmp_path, RUN) as staged:
        staged.seal()
        with system(failing(call, 0, code=errno.EIO)), pytest.raises(OutputError, match="could not be published"):
            staged.publish()
    assert names(tmp_path) == [f".staging-{RUN}"]


def test_a_publication_that_the_disk_did_not_confirm_says_that_it_happened(tmp_path: Path) -> None:
    """Behind the rename the run directory is there, whole, and the error says so."""
    with StagedRun(tmp_path, RUN) as staged:
        staged.seal()
        with system(failing("fsync", 1, code=errno.EIO)), pytest.raises(OutputError) as caught:
            staged.publish()
    place = run_path(tmp_path, RUN)
    assert str(caught.value) == f"{place} is published, but the disk did not confirm it: Input/output error"
    assert names(tmp_path) == [RUN]


def test_every_handle_is_let_go(tmp_path: Path) -> None:
    """A hundred runs hold open no more files than one."""
    publish(tmp_path, "first")
    before = open_handles()
    for number in range(20):
        publish(tmp_path, f"run_{number}")
        with StagedRun(tmp_path, "left"):
            pass
    assert open_handles() == before


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "mkdir", "makedirs", "open", "stat"])
def test_no_single_failure_leaves_a_published_half(tmp_path: Path, call: str) -> None:
    """Each call of the system fails once: what is published then is whole, and the error is one of ours."""
    with system(failing("no such call")) as counted:
        whole = {path.name: path.read_bytes() for path in publish(tmp_path / "whole").iterdir()}
    assert counted.calls[call]
    for number in range(counted.calls[call]):
        root = tmp_path / str(number)
        with system(failing(call, number)), pytest.raises((InputError, OutputError)):
            publish(root)
        place = run_path(root, RUN)
        if place.exists():
            assert {path.name: path.read_bytes() for path in place.iterdir()} == whole
