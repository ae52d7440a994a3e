import errno
import os
from pathlib import Path

import pytest

from c2lib.core.errors import RunPathError
from c2lib.witness import reader as folder_module
from c2lib.witness.findings import Findings
from c2lib.witness.reader import Folder


def strangers(path: Path) -> list[str]:
    """Return what does not belong into the folder."""
    findings = Findings()
    with Folder(path) as folder:
        folder.look_for_strangers(findings)
    return [finding.text() for finding in findings.all()]


@pytest.mark.parametrize("name", ["missing", "file", "fifo", "loop", "nul\0", "file/below", ""])
def test_a_path_that_is_no_directory_is_an_error(name: str, tmp_path: Path) -> None:
    """It is the only error there is, and says what to do."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(RunPathError):
        Folder(f"{tmp_path}/{name}" if name else "")


def test_a_folder_may_be_named_by_a_link_and_keeps_its_own_name(tmp_path: Path) -> None:
    """A staging folder stays one, whatever it is called by."""
    (tmp_path / ".staging-run").mkdir()
    (tmp_path / "link").symlink_to(".staging-run")
    with Folder(tmp_path / "link") as folder:
        assert (folder.name, folder.is_staging, folder.has_manifest) == (".staging-run", True, False)
        assert folder.missing == ("events.jsonl", "state_snapshots.jsonl", "audit.jsonl", "metrics.json")
    with Folder(f"{tmp_path}/.staging-run/.") as folder:
        assert folder.name == ".staging-run"


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no descriptor is left open for it."""
    before = len(os.listdir("/proc/self/fd"))

    def broken(directory: int) -> frozenset[str]:
        raise OSError(errno.EIO, "the disk's own words")

    monkeypatch.setattr(folder_module, "_names", broken)
    with pytest.raises(RunPathError, match="EIO"):
        Folder(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_files_of_a_run_belong_there(tmp_path: Path) -> None:
    """The six of them, and evidence with regular files in it."""
    for name in ("events.jsonl", "state_snapshots.jsonl", "audit.jsonl", "metrics.json", "run_manifest.json"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "environment.json").write_bytes(b"{}")
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "plot.svg").write_bytes(b"")
    assert strangers(tmp_path) == []


def test_everything_else_is_a_finding_in_the_order_of_names(tmp_path: Path) -> None:
    """Files, folders, odd names: each is told in one line."""
    for name in ("events.jsonl.bak", "a\nb", ".hidden"):
        (tmp_path / name).write_bytes(b"")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))).write_bytes(b"")
    (tmp_path / "notes").mkdir()
    assert strangers(tmp_path) == [
        "UNEXPECTED_FILE .hidden",
        "UNEXPECTED_FILE a\\nb",
        "UNEXPECTED_FILE events.jsonl.bak",
        "UNEXPECTED_FILE notes",
        "UNEXPECTED_FILE \\udcff",
    ]


def test_evidence_holds_regular_files_only(tmp_path: Path) -> None:
    """No folder below it, no link, no FIFO; and nothing in there is followed."""
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "deeper").mkdir()
    (evidence / "link").symlink_to("/etc/passwd")
    os.mkfifo(evidence / "pipe")
    assert strangers(tmp_path) == [
        f"UNEXPECTED_FILE evidence/{name} expected a regular file, seen something else"
        for name in ("deeper", "link", "pipe")
    ]


@pytest.mark.parametrize("kind", ["link", "file"])
def test_evidence_is_a_folder_of_its_own(kind: str, tmp_path: Path) -> None:
    """Neither a file nor a link to a folder elsewhere."""
    run = tmp_path / "run"
    run.mkdir()
    if kind == "link":
        (run / "evidence").symlink_to(tmp_path)
    else:
        (run / "evidence").write_bytes(b"")
    assert strangers(run) == ["UNEXPECTED_FILE evidence expected a directory, seen ENOTDIR"]


def test_the_environment_is_a_regular_file(tmp_path: Path) -> None:
    """What stands in it is nobody's business, what it is must be plain."""
    (tmp_path / "environment.json").symlink_to("nowhere")
    assert strangers(tmp_path) == ["UNREADABLE_FILE environment.json expected a regular file, seen something else"]


def test_a_file_that_vanishes_while_it_is_looked_at_is_no_regular_file(tmp_path: Path) -> None:
    """A look at what is not there answers no."""
    with Folder(tmp_path) as folder:
        assert folder_module._is_regular(folder.descriptor, "gone") is False
        assert folder_module._size(folder.descriptor, "gone") == 0


def test_the_size_is_that_of_the_files_that_are_read(tmp_path: Path) -> None:
    """Neither the environment nor strangers count."""
    for name in ("events.jsonl", "run_manifest.json", "environment.json", "stranger"):
        (tmp_path / name).write_bytes(b"12345")
    with Folder(tmp_path) as folder:
        assert folder.size() == 10
