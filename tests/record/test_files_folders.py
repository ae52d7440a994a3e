"""The folders above a run directory: opened by handle, through no symlink, writable by their owner alone."""

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
def test_others_cannot_write(tmp_path: Path, mask: int, folder: int, file: int) -> None:
    """Folders and files of a run are never writable by others, whatever the umask."""
    with umask(mask):
        place = publish(tmp_path / "a" / "b")
    made = modes(tmp_path / "a")
    files = {path.name for path in place.iterdir()}
    assert {mode for name, mode in made.items() if name not in files} == {folder}
    assert {made[name] for name in files} == {file}


@pytest.mark.parametrize("root", ["a\nb", "a\rb", "a\x1b[2Jb", "\x7f", "a\x85b"])
def test_control_character_is_refused(tmp_path: Path, root: str) -> None:
    """An output root with a control character is refused, and nothing is made."""
    with pytest.raises(RunPathError, match=r"the output root .* holds a control character"):
        StagedRun(tmp_path / root, RUN)
    assert not any(tmp_path.iterdir())


def test_printable_root_is_accepted(tmp_path: Path) -> None:
    """An output root may have any printable name: blanks, a leading dash, other scripts or bytes beyond UTF-8."""
    for name in (" a b ", "-rf", "Ergebnisse-\u00e4\u00f6", "\u7d50\u679c", "CON", os.fsdecode(b"\xff")):
        assert publish(tmp_path / name).is_dir()


@pytest.mark.parametrize("root", ["x" * 300, "a/" * 3000])
def test_overlong_root_is_refused(tmp_path: Path, root: str) -> None:
    """An output root that is too long, as a name or as a path, is refused, and nothing is made."""
    with pytest.raises(RunPathError, match="cannot be used: File name too long"):
        StagedRun(tmp_path / root, RUN)
    assert not any(tmp_path.iterdir())


def test_missing_run_is_not_made(tmp_path: Path) -> None:
    """Finding a run that is absent returns None and makes no folder."""
    for made in ("", "finish_c", "finish_c/c2"):
        (tmp_path / "root" / made).mkdir(parents=True, exist_ok=bool(made))
        assert find_run(tmp_path / "root", RUN) is None
    assert find_run(tmp_path / "nowhere", RUN) is None
    assert not (tmp_path / "nowhere").exists()


def test_existing_run_is_opened(tmp_path: Path) -> None:
    """Finding a published run returns a handle of the run directory."""
    place = publish(tmp_path)
    found = find_run(tmp_path, RUN)
    assert found is not None
    with held(found):
        assert os.path.samestat(os.fstat(found), place.stat())


@pytest.mark.parametrize("other", ["RUN_DEMO_001", "Run_demo_001"])
def test_letter_case_conflict_is_refused(tmp_path: Path, other: str) -> None:
    """A run_id that differs from a published one in letter case alone is refused."""
    publish(tmp_path)
    before = open_handles()
    with pytest.raises(ConfigError) as caught:
        find_run(tmp_path, other)
    assert caught.value.field == "run_id"
    assert f"differs in letter case alone from {RUN}" in str(caught.value)
    assert open_handles() == before


@pytest.mark.parametrize("call", ["open", "listdir"])
def test_unreadable_folder_raises_runpatherror(tmp_path: Path, call: str) -> None:
    """A folder that cannot be opened or listed raises RunPathError, and no handle stays open."""
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
def test_exchanged_folder_stops_publication(tmp_path: Path, which: str, kind: str) -> None:
    """A folder exchanged during a run stops the publication, and nothing is written into the new one."""
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
def test_sudden_symlink_receives_nothing(tmp_path: Path, which: str, call: str) -> None:
    """A symlink that replaces a folder between any two system calls has nothing written through."""
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
def test_late_exchange_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A folder exchanged just after the rename raises an error that the run is not where expected."""
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


def test_conflicting_run_opens_without_symlinks(tmp_path: Path) -> None:
    """The published run of a conflict is opened below the folder that was written, never through a symlink."""
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
def test_added_run_needs_real_folders(tmp_path: Path, which: str) -> None:
    """A run to add files to is refused when the run directory or a fixed folder above is a symlink."""
    place = publish(tmp_path)
    folder = {"finish_c": place.parent.parent, "c2": place.parent, "run": place}[which]
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    with pytest.raises(RunPathError, match=f"{folder} is a symlink or no folder"):
        open_run_to_add(place)


def test_added_run_has_any_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run to add files to may be named below a symlinked root, as the current folder or outside any root."""
    place = publish(tmp_path / "real")
    (tmp_path / "root").symlink_to(tmp_path / "real")
    monkeypatch.chdir(place)
    copy = tmp_path / "copy"
    copy.mkdir()
    for named, meant in ((run_path(tmp_path / "root", RUN), place), (Path(), place), (copy, copy), (Path("/"), "/")):
        with held(open_run_to_add(named)) as handle:
            assert os.path.samestat(os.fstat(handle), os.stat(meant))


def test_added_run_must_exist(tmp_path: Path) -> None:
    """A run to add files to that is absent raises an error that asks for a run directory."""
    with pytest.raises(RunPathError, match=r"nothing is not there: name a run directory$"):
        open_run_to_add(tmp_path / "nothing")


def test_missing_root_is_not_made(tmp_path: Path) -> None:
    """Opening a missing output root without leave to create raises FileNotFoundError and makes nothing."""
    with pytest.raises(FileNotFoundError):
        open_root(tmp_path / "nothing")
    assert not any(tmp_path.iterdir())
