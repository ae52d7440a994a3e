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


def test_a_run_directory_lies_below_two_fixed_folders() -> None:
    """The place follows from output root and run_id alone."""
    assert run_path("here", RUN) == Path("here", "finish_c", "c2", RUN)


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


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "mkdir", "open", "stat"])
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
