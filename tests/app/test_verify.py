"""Both proofs in one report: the log refolded, and the session executed again."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from c2lib.app.verify import verify_run
from c2lib.core.errors import ConfigError, RunPathError
from c2lib.core.vocabulary import Artifact
from c2lib.witness.findings import FindingCode, Verdict
from tests.app.runs import RUN, SEALED, codes, flip_byte, forge, manifest_of, tree


def test_sound_run_is_reproduced(published: Path, out: Path) -> None:
    """A sound run is SEALED and reproduced without a finding, and verifying writes nothing."""
    before = tree(out)
    report = verify_run(published, replay=True)
    assert (report.ok, report.verdict, report.replayed, report.findings) == (True, Verdict.SEALED, True, ())
    assert report.summary.run_digest == manifest_of(published)["run_digest"]
    assert tree(out) == before


def test_skipped_replay_is_reported(published: Path) -> None:
    """A report without a replay states that the re-execution was left out."""
    report = verify_run(published, replay=False)
    assert (report.ok, report.replayed) == (True, False)
    assert "re-execution: left out" in report.unchecked


def test_report_is_plain_json(published: Path) -> None:
    """The facts of a report survive JSON unchanged and hold verdict, status and findings."""
    flip_byte(published / Artifact.EVENTS, 3)
    facts = verify_run(published, replay=True).facts()
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["ok"], facts["verdict"], facts["run_id"], facts["status"]) == (False, "SEALED", RUN, "COMPLETED")
    assert {finding["file"] for finding in facts["findings"]} >= {"events.jsonl"}


@pytest.mark.parametrize("name", SEALED)
def test_flipped_byte_is_found(published: Path, name: str) -> None:
    """A flipped byte in any sealed file is a finding on that file."""
    flip_byte(published / name, len((published / name).read_bytes()) // 2)
    report = verify_run(published, replay=True)
    assert name in {finding.file for finding in report.findings}


def test_divergence_names_first_line(published: Path) -> None:
    """A replay that differs from the published log reports the first different line and the text of each side."""
    flip_byte(published / Artifact.AUDIT, 3)
    report = verify_run(published, replay=True)
    (diverged,) = [finding for finding in report.findings if finding.code is FindingCode.REPLAY_DIVERGED]
    assert (diverged.file, diverged.line) == (Artifact.AUDIT, 1)
    assert diverged.seen != diverged.expected
    assert report.replayed


@pytest.mark.parametrize("name", SEALED[:-1])
@pytest.mark.parametrize("kind", ["nothing", "fifo", "folder", "symlink"])
def test_irregular_file_is_a_finding(published: Path, name: str, kind: str) -> None:
    """A sealed file that is missing or not regular is a finding and makes the replay impossible, without waiting."""
    path = published / name
    data = path.read_bytes()
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "symlink":
        other = published.parent / "other"
        other.write_bytes(data)
        path.symlink_to(other)
    report = verify_run(published, replay=True)
    assert name in {finding.file for finding in report.findings}
    assert FindingCode.REPLAY_IMPOSSIBLE in {finding.code for finding in report.findings}
    assert not report.replayed


def test_missing_manifest_is_unsealed(published: Path) -> None:
    """A run without a manifest is UNSEALED and not replayed, and a finding when a seal is required."""
    (published / Artifact.MANIFEST).unlink()
    report = verify_run(published, replay=True)
    assert (report.verdict, report.replayed) == (Verdict.UNSEALED, False)
    assert "re-execution: needs a manifest" in report.unchecked
    assert FindingCode.NOT_SEALED in codes(published, require_sealed=True)


def test_expected_digest_is_compared(published: Path) -> None:
    """An expected digest that differs from the run's digest is a RUN_DIGEST_WRONG finding."""
    digest = manifest_of(published)["run_digest"]
    assert verify_run(published, replay=True, expect_digest=digest, require_sealed=True).ok
    report = verify_run(published, replay=False, expect_digest="0" * 64)
    assert [(finding.code, finding.expected, finding.seen) for finding in report.findings] == [
        (FindingCode.RUN_DIGEST_WRONG, "0" * 64, digest)
    ]
    (published / Artifact.MANIFEST).unlink()
    assert verify_run(published, expect_digest=digest).findings[-1].seen == "none"


@pytest.mark.parametrize("path", ["nothing", "file"])
def test_missing_directory_raises(tmp_path: Path, path: str) -> None:
    """Verifying a path that is no directory raises RunPathError."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunPathError):
        verify_run(tmp_path / path, replay=True)


def test_invalid_strategy_raises(published: Path) -> None:
    """Verifying with a strategy that is no class or factory raises ConfigError."""
    with pytest.raises(ConfigError, match="must be a class or factory"):
        verify_run(published, replay=True, strategy=5)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["config"].update(seed=8),
        lambda m: m.update(config_sha256="0" * 64),
        lambda m: m.update(behaviour_version=99),
        lambda m: m.update(config=[]),
        lambda m: m.update(inputs=None),
        lambda m: m.pop("inputs"),
        lambda m: m.pop("strategy"),
    ],
)
def test_wrong_manifest_is_not_executed(published: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """A run whose manifest is wrong is not executed, and a finding names the manifest."""
    forge(published, change)
    report = verify_run(published, replay=True)
    assert Artifact.MANIFEST in {finding.file for finding in report.findings}
    assert not report.replayed


def test_broken_seal_is_not_executed(published: Path) -> None:
    """A manifest that was changed without its digest is a RUN_DIGEST_WRONG finding and is not executed."""
    path = published / Artifact.MANIFEST
    path.write_text(path.read_text().replace('"seed":7', '"seed":8'))
    report = verify_run(published, replay=True)
    assert FindingCode.RUN_DIGEST_WRONG in {finding.code for finding in report.findings}
    assert "re-execution: left out, since the manifest itself is wrong" in report.unchecked


def test_other_version_is_its_finding(published: Path) -> None:
    """A run of another behaviour version is an OTHER_BEHAVIOUR_VERSION finding and nothing else."""
    forge(published, lambda manifest: manifest.update(behaviour_version=99))
    assert codes(published) == [FindingCode.OTHER_BEHAVIOUR_VERSION]


@pytest.mark.parametrize(
    "inputs",
    [
        {"cancel": {"step": -5, "reason": "x"}},
        {"cancel": {"step": "5", "reason": "x"}},
        {"cancel": {"step": 5, "reason": 7}},
        {"cancel": {"step": 3}},
        {"cancel": []},
        {"cancel": "now"},
        {"clock_readings": []},
        {"clock_readings": [[1, "2026-01-01T00:00:00+00:00"]]},
        {"clock_readings": [["x", "y"]]},
        {"clock_readings": [[0, "no time"]]},
        {"clock_readings": 5},
        {"clock_readings": None},
        {"sink_failures": [["events.jsonl", 0, ["OSError"]]]},
        {"sink_failures": [["events.jsonl", 0, [""]]]},
        {"sink_failures": [["events.jsonl", 0, ["a\x00b"]]]},
        {"sink_failures": [["events.jsonl", 0, 5]]},
        {"sink_failures": [["events.jsonl"]]},
        {"sink_failures": {}},
        {"sink_failures": None},
    ],
)
def test_forged_inputs_are_findings(published: Path, inputs: dict[str, Any]) -> None:
    """Forged inputs of a replay give a report with findings, whatever the inputs hold."""
    given = manifest_of(published)["config"]
    forged = {"cancel": None, "clock_readings": [[0, given["clock_start"]]], "sink_failures": []} | inputs
    forge(published, lambda manifest: manifest.update(inputs=forged))
    report = verify_run(published, replay=True)
    assert not report.ok


def test_forged_cancel_diverges(published: Path) -> None:
    """A manifest that claims a cancel which the log does not have is REPLAY_DIVERGED in the events."""
    start = [[0, "2026-01-01T00:00:00+00:00"]]
    inputs = {
        "cancel": {"step": 5, "reason": "enough"},
        "clock_readings": start,
        "sink_failures": [],
        "strategy_end": None,
    }
    forge(published, lambda manifest: manifest.update(inputs=inputs))
    report = verify_run(published, replay=True)
    assert report.replayed
    (diverged,) = [finding for finding in report.findings if finding.code is FindingCode.REPLAY_DIVERGED]
    assert diverged.file == Artifact.EVENTS
