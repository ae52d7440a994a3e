"""Paths that a user can name: what is hostile is refused by name, exit 2, and nothing is written outside."""

import os
import re
import stat
from pathlib import Path

import pytest

from c2lib.app import runner
from c2lib.app.evidence import write_evidence
from c2lib.app.runner import run_dryrun
from c2lib.core.errors import OutputError, RunPathError
from c2lib.core.model import StrategySettings
from c2lib.core.vocabulary import Artifact
from c2lib.record.files import find_run
from tests.app.conftest import Command
from tests.app.runs import DEMO, RUN, market_csv, place_below, tree
from tests.app.sessions import CONFIG, OWN, Buyer, config
from tests.record.test_files_folders import umask

LOOK_ALIKES = ("r\u0443n", "\uff52un", "run\u200b", "\u202erun", "e\u0301", "\u00e9")
RESERVED = ("CON", "con", "NUL.txt", "Com1", "LPT9.tar.gz", "aux", "prn")
TRAVERSAL = ("..", ".", "../x", "a/../b", "a\\..\\b", "%2e%2e%2fx", "..%2fx", "/etc", "C:", "~", "$HOME", "a/b")
MALFORMED = (
    "",
    " run",
    "run ",
    "run.",
    ".run",
    "-run",
    "--out",
    "a\0b",
    "a\nb",
    "a\rb",
    "a\x1b[2J",
    "a\x7f",
    "a" * 129,
)


@pytest.mark.parametrize("run_id", [*TRAVERSAL, *RESERVED, *LOOK_ALIKES, *MALFORMED, "a" * 300])
def test_hostile_run_id_is_refused(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_id: str
) -> None:
    """A run_id that is no plain file name is refused with exit 2 and its field name, and nothing is written."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    answer = command("dryrun", "--strategy-id", "strat_demo", "--seed", "7", f"--run-id={run_id}", "--out", "out")
    assert answer.code == 2
    assert answer.complaint.startswith("--run-id: ")
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


@pytest.mark.parametrize("run_id", ["console", "nul1", "com10", "aux-1", "a.con", "a..b", "0", "A" * 128])
def test_odd_run_id_is_accepted(out: Path, run_id: str) -> None:
    """A run_id that only resembles a reserved or relative name is accepted."""
    assert run_dryrun(config(run_id=run_id, steps=1), out_dir=out).path == str(place_below(out, run_id))


def test_case_variant_is_refused(command: Command, published: Path, out: Path) -> None:
    """A run_id that differs in letter case alone from an existing run is refused with exit 2."""
    before = tree(out)
    answer = command("dryrun", *DEMO[:4], "--run-id", RUN.upper(), "--out", out)
    assert answer.code == 2
    assert answer.complaint.startswith(f"--run-id: differs in letter case alone from {RUN}, which is there already")
    assert tree(out) == before
    assert published.is_dir()


@pytest.mark.parametrize("root", ["x" * 300, "a\nb", "a\0b", "file", "file/deeper", "loop", "\ud800"])
def test_bad_root_is_refused(command: Command, tmp_path: Path, root: str) -> None:
    """An impossible output root is refused with exit 2, and existing files stay unchanged."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to("loop")
    before = tree(tmp_path)
    answer = command("dryrun", *DEMO, "--out", f"{tmp_path}/{root}")
    assert answer.code == 2
    assert answer.complaint.startswith("the output root ")
    assert tree(tmp_path) == before


def test_root_may_be_indirect(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An output root may be a relative path upwards or lead through a symlink."""
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    (tmp_path / "disk").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for root in ("../up", "../link", "../link/../up2", "-x"):
        assert command("dryrun", *DEMO, f"--out={root}").code == 0
    for root in ("up", "disk", "up2", "here/-x"):
        assert (tmp_path / root / "finish_c" / "c2" / RUN / Artifact.MANIFEST).is_file()


@pytest.mark.parametrize("mask", [0, 0o077])
def test_only_owner_may_write(tmp_path: Path, mask: int) -> None:
    """Files and folders of a run are writable by their owner alone and not executable, whatever the umask."""
    with umask(mask):
        path = run_dryrun(CONFIG, out_dir=tmp_path / "deep" / "out").path
        assert path is not None
        write_evidence(path, date="2026-02-03", owner="Q")
    for made in (tmp_path / "deep").rglob("*"):
        expected = (0o755 if made.is_dir() else 0o644) & ~mask
        assert stat.S_IMODE(made.lstat().st_mode) == expected, made


class Striking(Buyer):
    """Puts a symlink in the place of a folder while the session runs."""

    target: Path
    elsewhere: Path

    def __init__(self, settings: StrategySettings) -> None:
        super().__init__(settings)
        target = self.target
        if "*" in target.name:
            (target,) = target.parent.glob(target.name)
        target.rename(self.elsewhere.with_name("moved"))
        target.symlink_to(self.elsewhere)


@pytest.mark.parametrize("which", ["finish_c", "finish_c/c2", "finish_c/c2/.staging-*"])
def test_swapped_folder_publishes_nothing(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """A folder that becomes a symlink during the session is an error, and nothing is written to its target."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(Striking, "target", out / which, raising=False)
    monkeypatch.setattr(Striking, "elsewhere", elsewhere, raising=False)
    with pytest.raises(OutputError, match=r"could not be published: .* is a symlink or no folder"):
        run_dryrun(OWN, out_dir=out, strategy=Striking)
    assert not any(elsewhere.iterdir())
    assert not list(tmp_path.rglob(RUN))


def test_swapped_run_is_still_compared(
    published: Path, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A published run that is replaced by a symlink after being opened is still the run that is compared."""
    run_dryrun(config(seed=8), out_dir=tmp_path / "other")

    def then_exchanged(root: Path, run_id: str) -> int | None:
        found = find_run(root, run_id)
        published.rename(tmp_path / "moved")
        published.symlink_to(place_below(tmp_path / "other"))
        return found

    monkeypatch.setattr(runner, "find_run", then_exchanged)
    assert run_dryrun(CONFIG, out_dir=out).reproduced


NO_FILES = {
    "fifo": r"is no regular file",
    "device": r"is no regular file",
    "folder": r"is a (directory|folder)",
    "nothing": r"no such file|No such file",
    "NUL": r"no path can be spelled like this",
    "half a character": r"no path can be spelled like this",
    "300 characters": r"File name too long",
}


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("flag", ["--market", "--strategy-file"])
def test_special_input_is_refused(command: Command, tmp_path: Path, out: Path, flag: str, kind: str) -> None:
    """An input that is no regular file is refused with exit 2 and its kind, without waiting."""
    suffix, end = (".csv", "") if flag == "--market" else (".py", ":Mine")
    names = {"NUL": f"a\0b{suffix}", "300 characters": "x" * 300 + suffix, "half a character": f"\ud800{suffix}"}
    path = f"{tmp_path}/{names.get(kind, f'input{suffix}')}"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        Path(path).mkdir()
    elif kind == "device":
        Path(path).symlink_to("/dev/zero")
    answer = command("dryrun", *DEMO, flag, f"{path}{end}", "--out", out)
    assert answer.code == 2
    assert answer.complaint.startswith((f"{tmp_path}/", f"the strategy file {tmp_path}/"))
    assert re.search(NO_FILES[kind], answer.complaint)
    assert not out.exists()


def test_input_may_be_symlink(command: Command, tmp_path: Path, out: Path) -> None:
    """A market file may be reached through a symlink: its bytes alone decide the run."""
    (tmp_path / "link.csv").symlink_to(market_csv(tmp_path / "day.csv"))
    first = command("dryrun", *DEMO, "--market", tmp_path / "day.csv", "--out", out)
    again = command("dryrun", *DEMO, "--market", tmp_path / "link.csv", "--out", out)
    assert (first.code, again.code, again.facts["reproduced"]) == (0, 0, True)


@pytest.mark.parametrize("which", ["finish_c", "finish_c/c2", f"finish_c/c2/{RUN}"])
def test_symlinked_run_gets_no_evidence(
    command: Command, published: Path, tmp_path: Path, out: Path, which: str
) -> None:
    """Evidence is not written when the run directory or a folder above is a symlink."""
    (out / which).rename(tmp_path / "moved")
    (out / which).symlink_to(tmp_path / "moved")
    before = tree(tmp_path)
    answer = command("evidence", published, "--date", "2026-02-03", "--no-plots")
    assert (answer.code, f"{out / which} is a symlink" in answer.complaint) == (2, True)
    assert tree(tmp_path) == before


ODD = ("fifo", "symlink to itself", "symlink to a device")


@pytest.mark.parametrize(
    ("name", "kind"),
    # with anything in the folder that is no regular file the draft says FAIL
    [(name, kind) for name in ("EV-20260203-FINISH_C2-ORCH-DRYRUN-FAIL.md", "tear_sheet.png") for kind in ODD]
    + [("EV-20260203-FINISH_C2-ORCH-DRYRUN-PASS.md", "hard link")],
)
def test_evidence_replaces_no_file(published: Path, tmp_path: Path, name: str, kind: str) -> None:
    """Evidence is not written over a FIFO, symlink or hard link of the same name, nor beside one."""
    place = published / "evidence" / name
    place.parent.mkdir()
    other = tmp_path / "other"
    other.write_text("mine")
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "hard link":
        place.hardlink_to(other)
    else:
        place.symlink_to(name if kind == "symlink to itself" else "/dev/zero")
    with pytest.raises(RunPathError, match=name):
        write_evidence(published, date="2026-02-03", owner="Q")
    assert other.read_text() == "mine"
    assert [path.name for path in place.parent.iterdir()] == [name]
