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
from c2lib.core.regular_file import open_regular
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from tests.app.runs import RUN, flip_byte, market_csv, place_below, tree

PLOTS = {"phases.png", "price.png", "equity.png"}
PASS, FAIL = (f"EV-20260203-FINISH_C2-ORCH-DRYRUN-{word}.md" for word in ("PASS", "FAIL"))


def draft(place: Path, **options: Any) -> EvidenceDraft:
    """Write the draft of a run."""
    return write_evidence(place, **({"date": "2026-02-03", "owner": "Q"} | options))


def test_a_sound_run_gets_a_pass_draft(published: Path) -> None:
    """The draft and its pictures lie in the run's evidence folder, and the run stays clean."""
    made = draft(published)
    folder = published / "evidence"
    assert (made.passed, made.failed_claims, made.path) == (True, (), str(folder / PASS))
    assert {path.name for path in folder.iterdir()} == {PASS, *PLOTS}
    assert (folder / PASS).read_text() == made.text
    assert verify_run(published, replay=True).ok


def test_the_draft_names_its_pictures_by_hash(published: Path) -> None:
    """A picture put there later has another hash than the one in the text."""
    made = draft(published)
    for name in PLOTS:
        assert sha256_hex((published / "evidence" / name).read_bytes()) in made.text


def test_the_same_draft_again_changes_nothing(published: Path) -> None:
    """It is a pure function of the run, the date and the owner."""
    first = draft(published)
    before = tree(published)
    assert draft(published).text == first.text
    assert tree(published) == before
    draft(published, date="2026-02-04", plots=False)
    assert (published / "evidence" / PASS.replace("0203", "0204")).is_file()


def test_evidence_reads_once(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims, text and pictures come from one reading of the run, when evidence is written and when it is compared."""
    opened: Counter[str] = Counter()

    def counting(name: str, directory: int) -> int:
        opened[name] += 1
        return open_regular(name, directory)

    monkeypatch.setattr("c2lib.witness.reader.open_regular", counting)
    path = draft(published).path
    assert set(opened.values()) == {1}
    assert verify_evidence(path, replay=True).ok
    assert opened == dict.fromkeys((*SEALED_BY_MANIFEST, Artifact.MANIFEST), 2)


@pytest.mark.parametrize(
    ("name", "kind"), [(PASS, "file"), ("phases.png", "file"), ("phases.png", "symlink"), ("phases.png", "folder")]
)
def test_what_is_there_and_differs_is_the_operators(published: Path, name: str, kind: str) -> None:
    """It is not written over, and nothing is written beside it."""
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
def test_nothing_is_written_through_a_symlink(published: Path, tmp_path: Path, *, dangling: bool) -> None:
    """An evidence folder that is a link is refused."""
    elsewhere = tmp_path / "elsewhere"
    if not dangling:
        elsewhere.mkdir()
    (published / "evidence").symlink_to(elsewhere)
    with pytest.raises(RunPathError, match="is a symlink"):
        draft(published, plots=False)
    assert dangling is not elsewhere.exists()
    assert dangling or not any(elsewhere.iterdir())


def test_an_evidence_folder_that_is_a_file_is_refused(published: Path) -> None:
    """The error names the place."""
    (published / "evidence").write_text("mine")
    with pytest.raises(RunPathError, match="evidence is a symlink or no folder"):
        draft(published, plots=False)


def test_half_a_draft_is_taken_away(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills leaves no file that would be taken for the operator's."""
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


def test_a_tampered_run_gets_a_fail_draft(published: Path) -> None:
    """The draft is named FAIL and says which claim failed."""
    flip_byte(published / Artifact.METRICS, 3)
    made = draft(published, plots=False)
    assert not made.passed
    assert made.path.endswith(FAIL)
    assert "sealed_and_clean" in made.failed_claims
    assert "sealed_and_clean" in made.text


def test_a_rejected_run_gets_a_fail_draft(out: Path) -> None:
    """It has no step to draw, and can be drawn all the same."""
    run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=7, run_id=RUN, enabled=True), out_dir=out)
    made = draft(place_below(out))
    assert not made.passed
    assert {"status", "enabled_off"} <= set(made.failed_claims)
    assert set(made.plots) == PLOTS


def test_a_run_without_its_manifest_is_no_pass(published: Path) -> None:
    """Taking the manifest away makes nothing pass."""
    (published / Artifact.MANIFEST).unlink()
    assert not draft(published, plots=False).passed


def test_a_market_run_needs_its_market(tmp_path: Path, out: Path) -> None:
    """Without the file it was not replayed, which is no PASS."""
    market = market_csv(tmp_path / "day.csv")
    run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=7, run_id=RUN), out_dir=out, market=market)
    assert "reproduced" in draft(place_below(out), plots=False).failed_claims
    assert draft(place_below(out), plots=False, market=market).passed


@pytest.mark.parametrize(
    "options", [{"date": "20260203"}, {"date": "2026-02-30"}, {"owner": ""}, {"owner": "two\nlines"}]
)
def test_a_date_or_owner_that_cannot_stand_there_is_refused(published: Path, options: dict[str, str]) -> None:
    """Before anything is written."""
    with pytest.raises(ConfigError):
        draft(published, plots=False, **options)
    assert not (published / "evidence").exists()


def test_no_directory_no_draft(tmp_path: Path) -> None:
    """There must be a run."""
    with pytest.raises(RunPathError):
        draft(tmp_path / "nothing")


def test_pictures_need_an_extra(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without matplotlib the error says what to install, and a draft without pictures can be had."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'c2lib\[notebooks\]'"):
        draft(published)
    assert draft(published, plots=False).plots == {}
