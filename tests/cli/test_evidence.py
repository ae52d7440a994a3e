"""``c2lib evidence``: the draft is written and its place printed, whatever it says."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from c2lib.app.runner import run_dryrun
from c2lib.core.config import DryrunConfig
from c2lib.core.vocabulary import Artifact
from tests.app.conftest import Command
from tests.app.runs import flip_byte

OPTIONS = ("--date", "2026-02-03", "--owner", "Q", "--no-plots")


def test_passing_draft_is_written(command: Command, published: Path) -> None:
    """The evidence draft of a passing run is written, its path is printed, and the exit code is 0."""
    answer = command("evidence", published, *OPTIONS)
    name = "EV-20260203-FINISH_C2-ORCH-DRYRUN-PASS.md"
    assert (answer.code, answer.err) == (0, "")
    assert answer.facts == {"passed": True, "path": str(published / "evidence" / name), "failed_claims": []}
    assert [path.name for path in (published / "evidence").iterdir()] == [name]


def test_failing_draft_is_written(command: Command, published: Path) -> None:
    """The evidence draft of a failing run is written, the findings are on stderr, and the exit code is 1."""
    flip_byte(published / Artifact.AUDIT, 3)
    answer = command("evidence", published, *OPTIONS)
    assert answer.code == 1
    assert answer.facts["path"].endswith("-FAIL.md")
    assert "sealed_and_clean" in answer.facts["failed_claims"]
    assert answer.err.startswith("c2lib: finding: ")
    assert Path(answer.facts["path"]).is_file()


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_at_terminal(
    command: Command, out: Path, monkeypatch: pytest.MonkeyPatch, *, terminal: bool
) -> None:
    """At a terminal the bytes read, the steps executed and the pictures drawn are shown on stderr; else nothing is."""
    monkeypatch.setattr("c2lib.cli.console.is_terminal", lambda: terminal)
    path = run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=7, steps=5000), out_dir=out).path or ""
    answer = command("evidence", path, *OPTIONS[:-1])
    assert (answer.code, answer.out.count("\n")) == (0, 1)
    units = ("B/s", "step/s", "picture/s")
    assert [unit in answer.err for unit in units] == [terminal] * 3
    assert terminal or answer.err == ""
    again = command("verify", "--text", answer.facts["path"])
    assert [unit in again.err for unit in units] == [terminal] * 3


def test_default_date_is_utc_today(command: Command, published: Path) -> None:
    """Without --date the evidence draft is named by today's date in UTC."""
    before = datetime.now(UTC).date()
    name = Path(command("evidence", published, "--no-plots").facts["path"]).name
    after = datetime.now(UTC).date()
    assert name in {f"EV-{day:%Y%m%d}-FINISH_C2-ORCH-DRYRUN-PASS.md" for day in (before, after)}


def test_left_out_owner_is_nobody(command: Command, published: Path) -> None:
    """Without --owner the evidence draft names nobody, and says so."""
    draft = Path(command("evidence", published, "--no-plots", "--date", "2026-02-03").facts["path"])
    assert "**Owner:** not named" in draft.read_text()


def test_unwritable_draft_exits_2(command: Command, published: Path, tmp_path: Path) -> None:
    """A missing run, a bad date, a bad strategy file or another draft in the place is exit code 2."""
    assert command("evidence", tmp_path / "nothing", *OPTIONS).code == 2
    assert command("evidence", published, "--date", "today", "--no-plots").complaint.startswith("evidence_date: ")
    assert command("evidence", published, "--strategy-file", "none").code == 2
    (published / "evidence").mkdir()
    (published / "evidence" / "EV-20260203-FINISH_C2-ORCH-DRYRUN-PASS.md").write_text("mine")
    answer = command("evidence", published, *OPTIONS)
    assert (answer.code, "is there already and differs: move it away first" in answer.complaint) == (2, True)
