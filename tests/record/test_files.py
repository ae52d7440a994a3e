"""The run directory on disk: whole or not there, and never through a symlink."""

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from c2lib.core.errors import InputError, OutputError
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from c2lib.record.files import PublishedAlready, StagedRun, run_path
from tests.record.failing_system import failing, system
from tests.record.staging import RUN, names, publish


def test_run_path_has_fixed_folders() -> None:
    """A run directory lies below the output root in finish_c/c2, under its run_id."""
    assert run_path("here", RUN) == Path("here", "finish_c", "c2", RUN)


def test_unpublished_run_is_invisible(tmp_path: Path) -> None:
    """A run has only a staging folder until published, and only its run directory after."""
    with StagedRun(tmp_path, RUN) as staged:
        assert names(tmp_path) == [f".staging-{RUN}"]
        assert staged.path.is_dir()
        staged.seal()
        place = staged.publish()
        assert not staged.path.exists()
    assert (place, names(tmp_path)) == (run_path(tmp_path, RUN), [RUN])


def test_sealed_facts_match_files(tmp_path: Path) -> None:
    """The sealed hash, size and line count of each file are those of the file on disk."""
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
    """A published folder has mode 755 and its files 644, less the umask."""
    before = os.umask(0o022)
    try:
        place = publish(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {0o644}


def test_published_run_is_never_overwritten(tmp_path: Path) -> None:
    """Publishing a run of a taken name raises PublishedAlready and changes no published file."""
    place = publish(tmp_path)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in place.iterdir()}
    with pytest.raises(PublishedAlready, match=RUN):
        publish(tmp_path)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in place.iterdir()} == before
    assert names(tmp_path) == [f".staging-{RUN}", RUN]


@pytest.mark.parametrize("kind", ["file", "dangling symlink", "empty folder", "folder behind a symlink"])
def test_occupied_place_is_kept(tmp_path: Path, kind: str) -> None:
    """Anything that already has the name of the run directory stays, and the run is not published."""
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


def test_late_conflict_stops_rename(tmp_path: Path) -> None:
    """When another process publishes just before the rename, the rename refuses and changes nothing."""
    place = publish(tmp_path)
    before = (place / Artifact.MANIFEST).read_bytes()
    with system(failing("stat", code=errno.ENOENT)), pytest.raises(PublishedAlready):
        publish(tmp_path)
    assert (place / Artifact.MANIFEST).read_bytes() == before


def test_unpublished_run_keeps_staging(tmp_path: Path) -> None:
    """An unpublished run leaves its staging folder for inspection, and the same run_id can be published."""
    with StagedRun(tmp_path, RUN) as staged:
        staged.sink(Artifact.EVENTS).write("{}\n")
        staged.sink(Artifact.EVENTS).flush()
    assert (staged.path / Artifact.EVENTS).read_text() == "{}\n"
    assert publish(tmp_path).is_dir()
    assert names(tmp_path) == [f".staging-{RUN}", RUN]


def test_discarded_run_leaves_nothing(tmp_path: Path) -> None:
    """A discarded run leaves no staging folder."""
    with StagedRun(tmp_path, RUN) as staged:
        staged.sink(Artifact.EVENTS).write("{}\n")
        staged.discard()
    assert names(tmp_path) == []


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "mkdir", "open", "stat"])
def test_no_partial_run_is_published(tmp_path: Path, call: str) -> None:
    """After a failure of any one system call a published run is whole, and the error is one of c2lib's."""
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
