"""What was examined is what is compared: a run is exchanged between its examination and its replay."""

import json
import shutil
from pathlib import Path

import pytest

from c2lib.app.evidence import verify_evidence, write_evidence
from c2lib.app.runner import run_dryrun
from c2lib.app.verify import VerifyReport, verify_run
from c2lib.core.canon import sha256_hex
from c2lib.core.config import DryrunConfig
from c2lib.core.vocabulary import Artifact
from tests.app.runs import BUYER, RUN, forge, manifest_of, strategy_file

REPLAY_DIVERGED = f"REPLAY_DIVERGED {Artifact.METRICS}:1"


def found(report: VerifyReport) -> list[str]:
    """Return code, file and line of every finding."""
    return [f"{finding.code} {finding.file}:{finding.line}" for finding in report.findings]


def swap(place: Path, other: Path) -> None:
    """Put the other run in the place of the one that was examined, by its link or by its folder."""
    if place.is_symlink():
        place.unlink()
        place.symlink_to(other)
    else:
        place.rename(place.with_name(f"{place.name}-read"))
        other.rename(place)


class Swapping:
    """A progress that exchanges the run when all of it was read, before a step of its replay was made."""

    def __init__(self, place: Path, other: Path) -> None:
        self.place, self.other, self.done = place, other, False

    def __call__(self, unit: str, done: int, planned: int) -> None:
        """Exchange once."""
        if not self.done and done == planned:
            assert unit == "B"
            swap(self.place, self.other)
            self.done = True


def forged(root: Path) -> Path:
    """Return a run with other metrics and a seal that fits them, which nothing but a replay finds."""
    result = run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=7, run_id=RUN), out_dir=root)
    place = Path(str(result.path))
    path = place / Artifact.METRICS
    metrics = json.loads(path.read_bytes())
    metrics["orders_query_total"] += 1
    data = json.dumps(metrics, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    path.write_bytes(data)
    facts = {"sha256": sha256_hex(data), "bytes": len(data), "lines": 1}
    forge(place, lambda manifest: manifest["artifacts"].update({Artifact.METRICS.value: facts}))
    return place


@pytest.mark.parametrize("link", [True, False])
def test_swapped_run_is_found(published: Path, tmp_path: Path, *, link: bool) -> None:
    """A forged run that is exchanged for a sound one after it was read is REPLAY_DIVERGED, by its own bytes."""
    bad = place = forged(tmp_path / "forged")
    if link:
        place = tmp_path / "link"
        place.symlink_to(bad)
    progress = Swapping(place, published)
    report = verify_run(place, replay=True, progress=progress)
    assert progress.done
    assert found(report) == [REPLAY_DIVERGED]
    assert verify_run(place, replay=True).ok


def test_swap_for_evidence_is_found(published: Path, tmp_path: Path) -> None:
    """Evidence is drafted and checked on the run that was read, not on the one that took its place meanwhile."""
    bad, sound = forged(tmp_path / "forged"), published.with_name("sound")
    shutil.copytree(published, sound)
    draft = write_evidence(bad, date="2026-02-03", owner="Q", plots=False, progress=Swapping(bad, published))
    assert (draft.passed, draft.report.ok) == (False, False)
    evidence = Path(draft.path)
    assert found(draft.report) == [REPLAY_DIVERGED]
    kept = evidence.rename(tmp_path / evidence.name)
    aside = bad.with_name(f"{bad.name}-read")
    progress = Swapping(aside, sound)
    report = verify_evidence(kept, replay=True, run=aside, progress=progress)
    assert (found(report), progress.done) == ([REPLAY_DIVERGED], True)
    assert manifest_of(aside) == manifest_of(bad)


def test_swapped_kept_strategy_is_unread(tmp_path: Path) -> None:
    """The strategy that a run keeps is executed and compared as it was read, whatever lies in its place by then."""
    file, trace = strategy_file(tmp_path), tmp_path / "trace"
    config = DryrunConfig(strategy_id="mine", strategy_allowlist=("mine",), seed=7, run_id=RUN)
    result = run_dryrun(config, out_dir=tmp_path / "out", strategy=f"{file}:Buyer")
    place = Path(str(result.path))
    other = Path(shutil.copytree(place, tmp_path / "other"))
    (other / Artifact.STRATEGY).write_text(f"open({str(trace)!r}, 'w')\n{BUYER}")
    progress = Swapping(place, other)
    report = verify_run(place, replay=True, run_kept_strategy=True, progress=progress)
    assert (report.ok, report.replayed, progress.done, trace.exists()) == (True, True, True, False)
    assert verify_run(place, replay=True, run_kept_strategy=True).findings[0].file == Artifact.STRATEGY


def test_mended_file_is_found(published: Path) -> None:
    """A file that differed when it was read, and no longer does, is REPLAY_DIVERGED, and the finding says so."""
    path = published / Artifact.AUDIT
    sound = path.read_bytes()
    path.write_bytes(sound[:3] + b"X" + sound[4:])

    def mend(unit: str, done: int, planned: int) -> None:
        if unit == "B" and done == planned:
            path.write_bytes(sound)

    report = verify_run(published, replay=True, progress=mend)
    assert (report.ok, report.replayed) == (False, True)
    assert report.findings[-1].text() == (
        "REPLAY_DIVERGED audit.jsonl:1 expected what is there now, seen other bytes, altered since they were read"
    )
