"""The evidence draft beside a run: written once, never over something else."""

import errno
import io
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from c2lib.app.evidence import EvidenceDraft, verify_evidence, write_evidence
from c2lib.app.runner import run_dryrun
from c2lib.app.verify import verify_run
from c2lib.core.canon import sha256_hex
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError, MissingExtraError, OutputError, RunPathError
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from tests.app.runs import RUN, flip_byte, market_csv, place_below, tree

PLOTS = {"phases.png", "price.png", "tear_sheet.png"}
PASS, FAIL = (f"EV-20260203-FINISH_C2-ORCH-DRYRUN-{word}.md" for word in ("PASS", "FAIL"))


def draft(place: Path, **options: Any) -> EvidenceDraft:
    """Write the draft of a run."""
    return write_evidence(place, **({"date": "2026-02-03", "owner": "Q"} | options))


def test_sound_run_gets_pass(published: Path) -> None:
    """A sound run gets a PASS draft with pictures in its evidence folder, and still verifies clean."""
    made = draft(published)
    folder = published / "evidence"
    assert (made.passed, made.failed_claims, made.path) == (True, (), str(folder / PASS))
    assert {path.name for path in folder.iterdir()} == {PASS, *PLOTS}
    assert (folder / PASS).read_text() == made.text
    assert verify_run(published, replay=True).ok


def test_draft_names_picture_hashes(published: Path) -> None:
    """A draft contains the SHA-256 of each of its pictures."""
    made = draft(published)
    for name in PLOTS:
        assert sha256_hex((published / "evidence" / name).read_bytes()) in made.text


def test_same_draft_changes_nothing(published: Path) -> None:
    """Writing the same draft again changes no file, and another date is a second draft."""
    first = draft(published)
    before = tree(published)
    assert draft(published).text == first.text
    assert tree(published) == before
    draft(published, date="2026-02-04", plots=False)
    assert (published / "evidence" / PASS.replace("0203", "0204")).is_file()


def test_evidence_reads_once(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing or checking evidence opens each file once and reads it once, the log three times more for pictures."""
    files = {name: (published / name).stat() for name in (*SEALED_BY_MANIFEST, Artifact.MANIFEST)}
    names = {facts.st_ino: name for name, facts in files.items()}
    opened, read = Counter[str](), Counter[str]()

    def opening(path: Any, *args: Any, **options: Any) -> int:
        handle = open_file(path, *args, **options)
        opened[names.get(os.fstat(handle).st_ino, "")] += 1
        return handle

    def reading(handle: int, *args: int) -> bytes:
        data = read_at(handle, *args)
        read[names.get(os.fstat(handle).st_ino, "")] += len(data)
        return data

    open_file, read_at = os.open, os.pread
    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "pread", reading)
    path = draft(published).path
    for times in (1, 2):
        del opened[""], read[""]
        assert opened == dict.fromkeys(files, times)
        sizes = {name: facts.st_size * (4 if name == Artifact.EVENTS else 1) for name, facts in files.items()}
        assert read == {name: times * size for name, size in sizes.items()}
        assert times == 2 or verify_evidence(path, replay=True).ok


@pytest.mark.parametrize(
    ("name", "kind"), [(PASS, "file"), ("phases.png", "file"), ("phases.png", "symlink"), ("phases.png", "folder")]
)
def test_existing_files_are_kept(published: Path, name: str, kind: str) -> None:
    """A different file, link or folder in the place of a draft or picture is an error, and nothing is written."""
    place = published / "evidence" / name
    place.parent.mkdir()
    if kind == "file":
        place.write_text("my own words")
    elif kind == "symlink":
        place.symlink_to(published / Artifact.EVENTS)
    else:
        place.mkdir()
    before = tree(published)
    with pytest.raises(RunPathError, match=name):
        draft(published)
    assert tree(published) == before


@pytest.mark.parametrize("dangling", [True, False])
def test_symlinked_folder_is_refused(published: Path, tmp_path: Path, *, dangling: bool) -> None:
    """An evidence folder that is a symlink is refused, and nothing is written to its target."""
    elsewhere = tmp_path / "elsewhere"
    if not dangling:
        elsewhere.mkdir()
    (published / "evidence").symlink_to(elsewhere)
    with pytest.raises(RunPathError, match="is a symlink"):
        draft(published, plots=False)
    assert dangling is not elsewhere.exists()
    assert dangling or not any(elsewhere.iterdir())


def test_file_as_folder_is_refused(published: Path) -> None:
    """A file in the place of the evidence folder is an error that names the place."""
    (published / "evidence").write_text("mine")
    with pytest.raises(RunPathError, match="evidence is a symlink or no folder"):
        draft(published, plots=False)


def test_partial_draft_is_removed(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A draft that a full disk cuts short is removed, and writing the draft again succeeds."""
    opened = os.fdopen

    class Full(io.BytesIO):
        """A file that takes nothing."""

        def write(self, data: object) -> int:
            """Fail."""
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full(handle: int, mode: str) -> Any:
        if mode != "wb":
            return opened(handle, mode)
        os.close(handle)
        return Full()

    with monkeypatch.context() as patch:
        patch.setattr("os.fdopen", full)
        with pytest.raises(OutputError, match="cannot be written: No space left on device"):
            draft(published, plots=False)
    assert not list((published / "evidence").iterdir())
    assert draft(published, plots=False).passed


def test_tampered_run_gets_fail(published: Path) -> None:
    """A run with a flipped byte gets a FAIL draft that names the failed claim."""
    flip_byte(published / Artifact.METRICS, 3)
    made = draft(published, plots=False)
    assert not made.passed
    assert made.path.endswith(FAIL)
    assert "sealed_and_clean" in made.failed_claims
    assert "sealed_and_clean" in made.text


def test_rejected_run_gets_fail(out: Path) -> None:
    """A rejected run gets a FAIL draft with all three pictures."""
    run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=7, run_id=RUN, enabled=True), out_dir=out)
    made = draft(place_below(out))
    assert not made.passed
    assert {"status", "enabled_off"} <= set(made.failed_claims)
    assert set(made.plots) == PLOTS


def test_missing_manifest_gets_fail(published: Path) -> None:
    """A run without its manifest gets no PASS draft."""
    (published / Artifact.MANIFEST).unlink()
    assert not draft(published, plots=False).passed


def test_market_run_needs_market(tmp_path: Path, out: Path) -> None:
    """A run on a market file gets no draft without that file, and nothing is written, and a PASS with the file."""
    market = market_csv(tmp_path / "day.csv")
    run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=7, run_id=RUN), out_dir=out, market=market)
    with pytest.raises(ConfigError, match=r"^market: .*add --market FILE of sha256 [0-9a-f]{64}"):
        draft(place_below(out), plots=False)
    assert not (place_below(out) / "evidence").exists()
    assert draft(place_below(out), plots=False, market=market).passed


@pytest.mark.parametrize(
    "options", [{"date": "20260203"}, {"date": "2026-02-30"}, {"owner": ""}, {"owner": "two\nlines"}]
)
def test_bad_arguments_write_nothing(published: Path, options: dict[str, str]) -> None:
    """A date or an owner that is not valid raises a ConfigError before anything is written."""
    with pytest.raises(ConfigError):
        draft(published, plots=False, **options)
    assert not (published / "evidence").exists()


def test_missing_run_raises(tmp_path: Path) -> None:
    """A draft of a directory that does not exist raises RunPathError."""
    with pytest.raises(RunPathError):
        draft(tmp_path / "nothing")


def test_pictures_need_matplotlib(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without matplotlib a draft with pictures raises an error that names the extra; one without succeeds."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'c2lib\[notebooks\]'"):
        draft(published)
    assert draft(published, plots=False).plots == {}
