"""A run directory in places that cannot hold one, and on disks that fail."""

import errno
from pathlib import Path

import pytest

from c2lib.core.errors import OutputError, RunPathError
from c2lib.core.vocabulary import Artifact
from c2lib.record.files import StagedRun, run_path
from tests.record.failing_system import failing, system
from tests.record.staging import RUN, names, open_handles, publish


@pytest.mark.parametrize("call", ["listdir", "unlink", "rmdir"])
def test_unremovable_staging_is_named(tmp_path: Path, call: str) -> None:
    """A staging folder that cannot be removed is named in the error."""
    with StagedRun(tmp_path, RUN) as staged, system(failing(call)), pytest.raises(OutputError) as caught:
        staged.discard()
    assert str(caught.value) == f"{staged.path} could not be removed: No space left on device"


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("kind", ["symlink", "dangling symlink", "file"])
def test_symlink_below_root_is_refused(tmp_path: Path, depth: int, kind: str) -> None:
    """A symlink or file in place of a folder below the root is refused, and nothing is written through a link."""
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


def test_root_may_be_a_symlink(tmp_path: Path) -> None:
    """The output root itself may be a symlink."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    assert publish(tmp_path / "root").is_dir()
    assert run_path(tmp_path / "disk", RUN).is_dir()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_root_file_is_refused(tmp_path: Path, below: str) -> None:
    """An output root that is a file, or lies below one, is refused by name, and the file is unchanged."""
    (tmp_path / "file").write_text("mine")
    root = tmp_path / "file" / below
    with pytest.raises(RunPathError) as caught:
        StagedRun(root, RUN)
    assert str(caught.value) == f"the output root {root} is no folder"
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("root", ["a\0b", "a\ud800b"])
def test_impossible_root_is_refused(root: str) -> None:
    """An output root with a NUL byte or half a character raises RunPathError."""
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
def test_unwritable_folder_is_named(tmp_path: Path, call: str, number: int, message: str) -> None:
    """Each folder on the way that cannot be made or opened is named in the error, and no handle stays open."""
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
def test_failed_seal_names_staging(tmp_path: Path, call: str) -> None:
    """A seal that fails on a full disk raises an OutputError that names the staging folder."""
    with StagedRun(tmp_path, RUN) as staged:
        staged.sink(Artifact.EVENTS).write("{}\n")
        with system(failing(call)), pytest.raises(OutputError) as caught:
            staged.seal()
    assert str(caught.value) == f"{staged.path} could not be written to the end: No space left on device"


@pytest.mark.parametrize("call", ["open", "write", "fsync"])
def test_unaddable_file_is_named(tmp_path: Path, call: str) -> None:
    """A manifest that cannot be written whole raises an OutputError that names the file."""
    with StagedRun(tmp_path, RUN) as staged:
        before = open_handles()
        with system(failing(call)), pytest.raises(OutputError) as caught:
            staged.add(Artifact.MANIFEST, "{}\n")
        assert open_handles() == before
    assert str(caught.value) == f"{staged.path}/run_manifest.json could not be written: No space left on device"


def test_file_is_added_once(tmp_path: Path) -> None:
    """Adding the manifest a second time raises an OutputError."""
    with StagedRun(tmp_path, RUN) as staged:
        staged.add(Artifact.MANIFEST, "{}\n")
        with pytest.raises(OutputError, match="File exists"):
            staged.add(Artifact.MANIFEST, "{}\n")


@pytest.mark.parametrize("call", ["stat", "rename", "fsync"])
def test_failed_publication_keeps_staging(tmp_path: Path, call: str) -> None:
    """A publication that fails before the rename leaves only the staging folder."""
    with StagedRun(tmp_path, RUN) as staged:
        staged.seal()
        with system(failing(call, 0, code=errno.EIO)), pytest.raises(OutputError, match="could not be published"):
            staged.publish()
    assert names(tmp_path) == [f".staging-{RUN}"]


def test_unconfirmed_publication_is_reported(tmp_path: Path) -> None:
    """A publication that the disk did not confirm is whole, and the error says that the run is published."""
    with StagedRun(tmp_path, RUN) as staged:
        staged.seal()
        with system(failing("fsync", 1, code=errno.EIO)), pytest.raises(OutputError) as caught:
            staged.publish()
    place = run_path(tmp_path, RUN)
    assert str(caught.value) == f"{place} is published, but the disk did not confirm it: Input/output error"
    assert names(tmp_path) == [RUN]


def test_no_handle_stays_open(tmp_path: Path) -> None:
    """Publishing or abandoning twenty runs leaves no file handle open."""
    publish(tmp_path, "first")
    before = open_handles()
    for number in range(20):
        publish(tmp_path, f"run_{number}")
        with StagedRun(tmp_path, "left"):
            pass
    assert open_handles() == before
