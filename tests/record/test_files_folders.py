"""The way to a run directory: by handles, through no symlink, writable by nobody else."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from c2lib.core.errors import ConfigError, OutputError, RunPathError
from c2lib.core.vocabulary import Artifact
from c2lib.record.files import PublishedAlready, StagedRun, find_run, held, open_root, open_run_to_add, run_path
from tests.record.failing_system import FailingSystem, failing, system
from tests.record.staging import RUN, names, open_handles, publish


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Run with another umask."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(root: Path) -> dict[str, int]:
    """Return the mode of everything below ``root``, and of itself, by its last name."""
    return {path.name: stat.S_IMODE(path.lstat().st_mode) for path in (root, *root.rglob("*"))}


@pytest.mark.parametrize(("mask", "folder", "file"), [(0, 0o755, 0o644), (0o027, 0o750, 0o640), (0o077, 0o700, 0o600)])
def test_nothing_can_be_written_by_others_whatever_the_umask(tmp_path: Path, mask: int, folder: int, file: int) -> None:
    """A umask takes rights away and gives none, on every folder that was made on the way and on every file."""
    with umask(mask):
        place = publish(tmp_path / "a" / "b")
    made = modes(tmp_path / "a")
    files = {path.name for path in place.iterdir()}
    assert {mode for name, mode in made.items() if name not in files} == {folder}
    assert {made[name] for name in files} == {file}


@pytest.mark.parametrize("root", ["a\nb", "a\rb", "a\x1b[2Jb", "\x7f", "a\x85b"])
def test_a_root_with_a_control_character_is_refused(tmp_path: Path, root: str) -> None:
    """It would forge a line of a log wherever the path is printed."""
    with pytest.raises(RunPathError, match=r"the output root .* holds a control character"):
        StagedRun(tmp_path / root, RUN)
    assert not any(tmp_path.iterdir())


def test_a_root_may_have_any_name_that_can_be_printed(tmp_path: Path) -> None:
    """Blanks, a leading dash, other scripts and a name that is no UTF-8: the caller chose it."""
    for name in (" a b ", "-rf", "Ergebnisse-\u00e4\u00f6", "\u7d50\u679c", "CON", os.fsdecode(b"\xff")):
        assert publish(tmp_path / name).is_dir()


@pytest.mark.parametrize("root", ["x" * 300, "a/" * 3000])
def test_a_root_that_is_too_long_is_refused(tmp_path: Path, root: str) -> None:
    """As one name or as a path; nothing is made on the way."""
    with pytest.raises(RunPathError, match="cannot be used: File name too long"):
        StagedRun(tmp_path / root, RUN)
    assert not any(tmp_path.iterdir())


def test_a_run_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Looking for it makes no folder, however far the way is there."""
    for made in ("", "finish_c", "finish_c/c2"):
        (tmp_path / "root" / made).mkdir(parents=True, exist_ok=bool(made))
        assert find_run(tmp_path / "root", RUN) is None
    assert find_run(tmp_path / "nowhere", RUN) is None
    assert not (tmp_path / "nowhere").exists()


def test_a_run_that_is_there_is_opened(tmp_path: Path) -> None:
    """The handle is that of its directory."""
    place = publish(tmp_path)
    found = find_run(tmp_path, RUN)
    assert found is not None
    with held(found):
        assert os.path.samestat(os.fstat(found), place.stat())


@pytest.mark.parametrize("other", ["RUN_DEMO_001", "Run_demo_001"])
def test_a_run_that_differs_in_letter_case_alone_is_refused(tmp_path: Path, other: str) -> None:
    """On many file systems, and in an archive unpacked there, the two would be one."""
    publish(tmp_path)
    before = open_handles()
    with pytest.raises(ConfigError) as caught:
        find_run(tmp_path, other)
    assert caught.value.field == "run_id"
    assert f"differs in letter case alone from {RUN}" in str(caught.value)
    assert open_handles() == before


@pytest.mark.parametrize("call", ["open", "listdir"])
def test_a_folder_that_cannot_be_looked_at_is_an_error_of_ours(tmp_path: Path, call: str) -> None:
    """It is named, and no handle is left."""
    publish(tmp_path)
    before = open_handles()
    with system(failing("no such call")) as counted:
        os.close(find_run(tmp_path, RUN) or -1)
    assert counted.calls[call]
    for number in range(counted.calls[call]):
        with system(failing(call, number)), pytest.raises(RunPathError, match="cannot be used: No space left"):
            find_run(tmp_path, RUN)
    assert open_handles() == before


def exchange(path: Path, kind: str, elsewhere: Path) -> None:
    """Move ``path`` aside and put something else in its place."""
    path.rename(path.with_name("moved"))
    elsewhere.mkdir()
    if kind == "symlink":
        path.symlink_to(elsewhere)
    elif kind == "folder":
        path.mkdir()


@pytest.mark.parametrize("kind", ["symlink", "folder", "nothing"])
@pytest.mark.parametrize("which", ["finish_c", "c2", "staging"])
def test_a_folder_exchanged_during_the_run_keeps_it_from_being_published(tmp_path: Path, which: str, kind: str) -> None:
    """What is written goes where it went before, nothing into what was put there, and no run directory appears."""
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    before = open_handles()
    with StagedRun(root, RUN) as staged:
        folders = {"finish_c": root / "finish_c", "c2": root / "finish_c" / "c2", "staging": staged.path}
        exchange(folders[which], kind, elsewhere)
        for sink in (Artifact.EVENTS, Artifact.AUDIT):
            staged.sink(sink).write("{}\n")
        staged.seal()
        staged.add(Artifact.MANIFEST, "{}\n")
        with pytest.raises(OutputError, match="could not be published: "):
            staged.publish()
    assert not any(elsewhere.iterdir())
    assert not list(tmp_path.rglob(RUN))
    assert open_handles() == before


@pytest.mark.parametrize("which", ["finish_c", "c2"])
@pytest.mark.parametrize("call", ["mkdir", "open", "stat", "fsync", "rename", "write"])
def test_nothing_is_written_through_a_symlink_that_comes_between_two_calls(
    tmp_path: Path, which: str, call: str
) -> None:
    """A folder becomes a symlink before each single call of the system: what it points to stays empty."""
    with system(failing("no such call")) as counted:
        publish(tmp_path / "sound")
    assert counted.calls[call]
    for number in range(counted.calls[call]):
        root, elsewhere = tmp_path / str(number), tmp_path / f"elsewhere-{number}"
        folder = root / "finish_c" if which == "finish_c" else root / "finish_c" / "c2"

        def strike(
            name: str, at: int, folder: Path = folder, elsewhere: Path = elsewhere, number: int = number
        ) -> bool:
            if (name, at) == (call, number) and folder.exists():
                exchange(folder, "symlink", elsewhere)
            return False

        with system(FailingSystem(strike)):
            try:
                publish(root)
            except (RunPathError, OutputError):
                assert not run_path(root, RUN).exists()
        assert not elsewhere.exists() or not any(elsewhere.iterdir())


@pytest.mark.parametrize("kind", ["symlink", "folder", "nothing"])
def test_a_folder_exchanged_at_the_last_moment_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Between the last look and the rename: the error says that what is at the place is not this run."""
    elsewhere, rename = tmp_path / "elsewhere", os.rename
    staged = StagedRun(tmp_path / "root", RUN)

    def late(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        exchange(run_path(tmp_path / "root", RUN), kind, elsewhere)

    with staged, monkeypatch.context() as patch:
        staged.seal()
        patch.setattr(os, "rename", late)
        patch.setattr(Path, "rename", lambda path, target: rename(path, target))
        with pytest.raises(OutputError, match="is published, but not where it belongs: "):
            staged.publish()
    assert not any(elsewhere.iterdir())


def test_a_published_run_is_opened_below_the_folder_that_was_written(tmp_path: Path) -> None:
    """The one that lost a race compares with what is there, and follows no symlink to it."""
    place = publish(tmp_path)
    with StagedRun(tmp_path, RUN) as staged:
        with pytest.raises(PublishedAlready):
            staged.publish()
        with held(staged.open_published()) as found:
            assert os.path.samestat(os.fstat(found), place.stat())
        place.rename(tmp_path / "moved")
        place.symlink_to(tmp_path / "moved")
        with pytest.raises(RunPathError, match="is a symlink or no folder"):
            staged.open_published()
        staged.discard()
    assert names(tmp_path) == [RUN]


@pytest.mark.parametrize("which", ["finish_c", "c2", "run"])
def test_a_run_to_add_to_is_reached_through_no_symlink(tmp_path: Path, which: str) -> None:
    """Neither the run directory nor the two fixed folders above it."""
    place = publish(tmp_path)
    folder = {"finish_c": place.parent.parent, "c2": place.parent, "run": place}[which]
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    with pytest.raises(RunPathError, match=f"{folder} is a symlink or no folder"):
        open_run_to_add(place)


def test_a_run_to_add_to_may_be_named_in_any_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below a root that is a symlink, from within, and where no fixed folders are above it."""
    place = publish(tmp_path / "real")
    (tmp_path / "root").symlink_to(tmp_path / "real")
    monkeypatch.chdir(place)
    copy = tmp_path / "copy"
    copy.mkdir()
    for named, meant in ((run_path(tmp_path / "root", RUN), place), (Path(), place), (copy, copy), (Path("/"), "/")):
        with held(open_run_to_add(named)) as handle:
            assert os.path.samestat(os.fstat(handle), os.stat(meant))


def test_a_run_to_add_to_must_be_there(tmp_path: Path) -> None:
    """The error says what to name."""
    with pytest.raises(RunPathError, match=r"nothing is not there: name a run directory$"):
        open_run_to_add(tmp_path / "nothing")


def test_a_handle_of_a_root_is_no_guess(tmp_path: Path) -> None:
    """Without leave to make it, a root that is missing is missing."""
    with pytest.raises(FileNotFoundError):
        open_root(tmp_path / "nothing")
    assert not any(tmp_path.iterdir())
