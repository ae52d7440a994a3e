"""A run directory in places and on disks that do not have it."""

import errno
from pathlib import Path

import pytest

from c2lib.core.errors import OutputError, RunPathError
from c2lib.core.vocabulary import Artifact
from c2lib.record.files import StagedRun, run_path
from tests.record.failing_system import failing, system
from tests.record.staging import RUN, names, open_handles, publish


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


@pytest.mark.parametrize("root", ["a\0b", "a\ud800b"])
def test_a_root_that_no_path_can_be_is_refused(root: str) -> None:
    """A NUL byte or half a character is an error of the caller, not a crash."""
    with pytest.raises(RunPathError, match="cannot be a path"):
        StagedRun(root, RUN)


@pytest.mark.parametrize(
    ("call", "number", "message"),
    [
        ("mkdir", 0, "the output root {root} cannot be used: Permission denied"),
        ("open", 0, "the output root {root} cannot be used: Permission denied"),
        ("mkdir", 1, "{root}/finish_c cannot be used: Permission denied"),
        ("open", 2, "{root}/finish_c/c2 cannot be used: Permission denied"),
        ("mkdir", 3, "{staging} cannot be written: Permission denied"),
        ("open", 3, "{staging} cannot be used: Permission denied"),
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
