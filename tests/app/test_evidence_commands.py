"""The commands of a draft, pasted into a shell from the raw file: they do what the draft says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from c2lib.app.evidence import verify_evidence, write_evidence
from c2lib.app.runner import run_dryrun
from c2lib.core.config import DryrunConfig
from c2lib.core.vocabulary import Artifact
from tests.app.runs import BUYER, RUN, flip_byte, market_csv, strategy_file
from tests.naming import ROOT

OWN = {"strategy_id": "mine", "strategy_allowlist": ("mine",)}


def pasted(draft: Path, **env: str) -> list[tuple[int, str]]:
    """Paste each fenced block of a draft into bash in its run directory; return exit codes and what was printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    given = {"PATH": path, "C2LIB_REPO": str(ROOT), "LC_ALL": "C.UTF-8", **env}
    blocks = re.findall(r"^```bash\n(.*?)^```$", draft.read_text(), re.MULTILINE | re.DOTALL)
    answers = []
    for block in blocks:
        done = subprocess.run(
            ["bash"], input=block, cwd=draft.parent.parent, env=given, capture_output=True, text=True, check=False
        )
        answers.append((done.returncode, done.stdout + done.stderr))
    return answers


def drafted(place: str | None, **given: object) -> Path:
    """Return the draft of a run."""
    return Path(write_evidence(str(place), date="2026-02-03", owner="Q", plots=False, **given).path)  # type: ignore[arg-type] # spelled in each test


def test_file_run_commands_work(tmp_path: Path) -> None:
    """Pasted as they stand, the commands of a run on files with odd names verify it, whoever keeps the strategy."""
    folder = tmp_path / "it's my $(data) `here`"
    folder.mkdir()
    market, own = market_csv(folder / "day 'one' & \"two\".csv"), strategy_file(folder, BUYER)
    for keep in (True, False):
        config = DryrunConfig(seed=7, run_id=f"{RUN}{keep}", keep_strategy=keep, **OWN)
        result = run_dryrun(config, out_dir=tmp_path / "out", market=market, strategy=f"{own}:Buyer")
        draft = drafted(result.path, market=market, strategy=f"{own}:Buyer")
        verify, evidence, second, first, hashes = pasted(draft)
        assert verify[0] == evidence[0] == second[0] == first[0] == hashes[0] == 0, (verify, evidence, second, hashes)
        assert '"replayed": true' in verify[1]
        assert '"replayed": true' in evidence[1]
        assert "\nSEALED, 0 findings\n" in f"\n{second[1]}"
        assert '"event_type":"SESSION_START"' in first[1]
        assert hashes[1].count(": OK\n") == (6 if keep else 5)
        text = draft.read_text()
        assert ("--run-kept-strategy" in text, "--strategy-file" in text) == (keep, not keep)
        assert "$(data)" not in text.partition("```bash")[0]


def test_commands_find_altered_file(published: Path) -> None:
    """After a file of the run was altered, each command that checks it ends in failure, as its draft does not say."""
    draft = drafted(str(published))
    flip_byte(published / Artifact.METRICS, 3)
    verify, evidence, second, first, hashes = pasted(draft)
    assert [code for code, _ in (verify, evidence, second, first, hashes)] == [1, 1, 1, 0, 1]
    assert "metrics.json: FAILED" in hashes[1]


def test_fail_draft_states_exit_codes(published: Path) -> None:
    """The draft of an altered run expects exit code 1, and so its command ends, without a finding on the draft."""
    flip_byte(published / Artifact.METRICS, 3)
    draft = drafted(str(published))
    assert "Expected: exit code 1." in draft.read_text()
    verify, evidence, *_ = pasted(draft)
    assert (verify[0], evidence[0]) == (1, 1)
    assert "EVIDENCE_" not in evidence[1]


def test_checkout_second_verifier_is_found(tmp_path: Path) -> None:
    """In the default place, below ``out/`` of a checkout, the second verifier is found without C2LIB_REPO."""
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "docs" / "contract", checkout / "docs" / "contract")
    result = run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=7, run_id=RUN), out_dir=checkout / "out")
    assert pasted(drafted(result.path), C2LIB_REPO="")[2][0] == 0


def test_paths_may_differ_elsewhere(tmp_path: Path) -> None:
    """A draft is confirmed where its files lie elsewhere, as written and with the new path put in; not with another."""
    (tmp_path / "here").mkdir()
    market = market_csv(tmp_path / "here" / "day.csv")
    config = DryrunConfig(strategy_id="strat_demo", seed=7, run_id=RUN)
    result = run_dryrun(config, out_dir=tmp_path / "here" / "out", market=market)
    draft = drafted(result.path, market=market)
    assert "  --market ../../../../day.csv\n" in draft.read_text()
    assert str(tmp_path) not in draft.read_text()
    run = Path(shutil.copytree(str(result.path), tmp_path / "there" / RUN))
    moved, copy = Path(shutil.move(market, tmp_path / "there" / "copy.csv")), run / "evidence" / draft.name
    assert pasted(copy)[0][0] == 2
    assert verify_evidence(copy, market=moved).ok
    copy.write_text(copy.read_text().replace("../../../../day.csv", "../copy.csv").replace("`day.csv`", "`copy.csv`"))
    assert [code for code, _ in pasted(copy)] == [0] * 5
    copy.write_text(copy.read_text().replace("--market ../copy.csv", "--market $(id)"))
    assert not verify_evidence(copy, market=moved).ok


@pytest.mark.parametrize("text", ["## main, clean", "12 passed in 3.1s"])
def test_filled_draft_still_verifies(published: Path, text: str) -> None:
    """A draft into which the operator wrote the result of a check is still what the run gives."""
    draft = drafted(str(published))
    draft.write_text(draft.read_text().replace("to be filled in\n", f"{text}\n", 1))
    assert draft.read_text().count(text) == 1
    assert verify_evidence(draft).ok
    draft.write_text(draft.read_text().replace(text, f"{text} <b>"))
    assert not verify_evidence(draft).ok
