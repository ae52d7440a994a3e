import errno
import os
from pathlib import Path

import pytest

from c2lib.core.errors import RunPathError
from c2lib.witness.findings import Findings
from c2lib.witness.reader import Folder


def strangers(path: Path) -> list[str]:
    """Return what does not belong into the folder."""
    findings = Findings()
    with Folder(path) as folder:
        folder.check_names(findings)
    return [finding.text() for finding in findings.all()]


@pytest.mark.parametrize("name", ["missing", "file", "fifo", "loop", "nul\0", "file/below", ""])
def test_path_must_be_directory(name: str, tmp_path: Path) -> None:
    """Opening a path that is no directory as a run folder raises RunPathError."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(RunPathError):
        Folder(f"{tmp_path}/{name}" if name else "")


def test_linked_folder_keeps_own_name(tmp_path: Path) -> None:
    """A run folder opened through a symlink has the name of the folder itself, a staging folder's too."""
    (tmp_path / ".staging-run").mkdir()
    (tmp_path / "link").symlink_to(".staging-run")
    with Folder(tmp_path / "link") as folder:
        assert (folder.name, folder.is_staging, folder.has_manifest) == (".staging-run", True, False)
        assert folder.missing == ("events.jsonl", "state_snapshots.jsonl", "audit.jsonl", "metrics.json")
    with Folder(f"{tmp_path}/.staging-run/.") as folder:
        assert folder.name == ".staging-run"


def test_unlistable_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run folder that cannot be listed raises RunPathError and leaves no descriptor open."""
    before = len(os.listdir("/proc/self/fd"))

    def broken(directory: int) -> object:
        raise OSError(errno.EIO, "the disk's own words")

    monkeypatch.setattr(os, "scandir", broken)
    with pytest.raises(RunPathError, match="EIO"):
        Folder(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_contract_files_are_expected(tmp_path: Path) -> None:
    """The six files of a run, and an evidence folder with regular files, are not unexpected files."""
    for name in ("events.jsonl", "state_snapshots.jsonl", "audit.jsonl", "metrics.json", "run_manifest.json"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "environment.json").write_bytes(b"{}")
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "plot.svg").write_bytes(b"")
    assert strangers(tmp_path) == []


def test_unexpected_files_are_listed(tmp_path: Path) -> None:
    """Every other file or folder is an UNEXPECTED_FILE finding of one line, sorted by name."""
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


def test_evidence_holds_regular_files(tmp_path: Path) -> None:
    """A folder, a symlink or a FIFO in the evidence folder is an UNEXPECTED_FILE finding."""
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
def test_evidence_must_be_folder(kind: str, tmp_path: Path) -> None:
    """A file or a symlink in the place of the evidence folder is an UNEXPECTED_FILE finding."""
    run = tmp_path / "run"
    run.mkdir()
    if kind == "link":
        (run / "evidence").symlink_to(tmp_path)
    else:
        (run / "evidence").write_bytes(b"")
    assert strangers(run) == ["UNEXPECTED_FILE evidence expected a directory, seen ENOTDIR"]


def test_environment_must_be_regular_file(tmp_path: Path) -> None:
    """An environment.json that is a symlink is an UNREADABLE_FILE finding."""
    (tmp_path / "environment.json").symlink_to("nowhere")
    assert strangers(tmp_path) == ["UNREADABLE_FILE environment.json expected a regular file, seen something else"]


def test_vanished_file_has_no_size(tmp_path: Path) -> None:
    """A file that vanishes after its folder was opened counts with size 0."""
    (tmp_path / "events.jsonl").write_bytes(b"12345")
    with Folder(tmp_path) as folder:
        (tmp_path / "events.jsonl").unlink()
        assert folder.size() == 0


def test_size_counts_checked_files(tmp_path: Path) -> None:
    """The size of a run folder counts the files that are verified, not environment.json or unexpected files."""
    for name in ("events.jsonl", "run_manifest.json", "environment.json", "stranger"):
        (tmp_path / name).write_bytes(b"12345")
    with Folder(tmp_path) as folder:
        assert folder.size() == 10
