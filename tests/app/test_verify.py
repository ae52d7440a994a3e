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


def test_a_sound_run_is_sealed_and_reproduced(published: Path, out: Path) -> None:
    """No finding, and nothing is written."""
    before = tree(out)
    report = verify_run(published, replay=True)
    assert (report.ok, report.verdict, report.replayed, report.findings) == (True, Verdict.SEALED, True, ())
    assert report.summary.run_digest == manifest_of(published)["run_digest"]
    assert tree(out) == before


def test_a_replay_is_asked_for(published: Path) -> None:
    """Left out, the report says so instead of looking like a pass."""
    report = verify_run(published)
    assert (report.ok, report.replayed) == (True, False)
    assert "re-execution: left out" in report.unchecked


def test_the_report_is_plain_json(published: Path) -> None:
    """What the command line prints with --json."""
    flip_byte(published / Artifact.EVENTS, 3)
    facts = verify_run(published, replay=True).facts()
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["ok"], facts["verdict"], facts["run_id"], facts["status"]) == (False, "SEALED", RUN, "COMPLETED")
    assert {finding["file"] for finding in facts["findings"]} >= {"events.jsonl"}


@pytest.mark.parametrize("name", SEALED)
def test_a_flipped_byte_is_found(published: Path, name: str) -> None:
    """In any sealed file, as a finding about that file."""
    flip_byte(published / name, len((published / name).read_bytes()) // 2)
    report = verify_run(published, replay=True)
    assert name in {finding.file for finding in report.findings}


def test_a_divergence_names_the_first_line(published: Path) -> None:
    """The replay says where the published log and the session part."""
    flip_byte(published / Artifact.AUDIT, 3)
    report = verify_run(published, replay=True)
    (diverged,) = [finding for finding in report.findings if finding.code is FindingCode.REPLAY_DIVERGED]
    assert (diverged.file, diverged.line) == (Artifact.AUDIT, 1)
    assert diverged.seen != diverged.expected
    assert report.replayed


@pytest.mark.parametrize("name", SEALED[:-1])
@pytest.mark.parametrize("kind", ["nothing", "fifo", "folder", "symlink"])
def test_a_file_that_is_none_is_a_finding(published: Path, name: str, kind: str) -> None:
    """Neither an exception, nor a wait for ever, nor a link that is followed."""
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


def test_a_run_without_a_manifest_is_unsealed(published: Path) -> None:
    """It is not replayed, and --require-sealed makes that a finding."""
    (published / Artifact.MANIFEST).unlink()
    report = verify_run(published, replay=True)
    assert (report.verdict, report.replayed) == (Verdict.UNSEALED, False)
    assert "re-execution: needs a manifest" in report.unchecked
    assert FindingCode.NOT_SEALED in codes(published, require_sealed=True)


def test_a_digest_that_was_expected_is_compared(published: Path) -> None:
    """So that a run is not exchanged for another sound one."""
    digest = manifest_of(published)["run_digest"]
    assert verify_run(published, replay=True, expect_digest=digest, require_sealed=True).ok
    report = verify_run(published, expect_digest="0" * 64)
    assert [(finding.code, finding.expected, finding.seen) for finding in report.findings] == [
        (FindingCode.RUN_DIGEST_WRONG, "0" * 64, digest)
    ]
    (published / Artifact.MANIFEST).unlink()
    assert verify_run(published, expect_digest=digest).findings[-1].seen == "none"


@pytest.mark.parametrize("path", ["nothing", "file"])
def test_no_directory_no_report(tmp_path: Path, path: str) -> None:
    """There is nothing to say about a path that is no directory."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunPathError):
        verify_run(tmp_path / path, replay=True)


def test_a_strategy_that_is_none_is_the_callers_error(published: Path) -> None:
    """An instance is refused as run_dryrun refuses it."""
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
def test_a_manifest_that_is_wrong_itself_is_not_executed(
    published: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    """The findings are about the manifest, and the report says that nothing was executed."""
    forge(published, change)
    report = verify_run(published, replay=True)
    assert Artifact.MANIFEST in {finding.file for finding in report.findings}
    assert not report.replayed


def test_a_seal_that_does_not_fit_is_found(published: Path) -> None:
    """A manifest changed without its digest is not executed either."""
    path = published / Artifact.MANIFEST
    path.write_text(path.read_text().replace('"seed":7', '"seed":8'))
    report = verify_run(published, replay=True)
    assert FindingCode.RUN_DIGEST_WRONG in {finding.code for finding in report.findings}
    assert "re-execution: left out, since the manifest itself is wrong" in report.unchecked


def test_another_behaviour_version_is_told_from_tampering(published: Path) -> None:
    """A run of another version is not executed: its bytes would differ."""
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
    """Whatever a stranger writes as the inputs of a replay, there is a report, and it is not clean."""
    given = manifest_of(published)["config"]
    forged = {"cancel": None, "clock_readings": [[0, given["clock_start"]]], "sink_failures": []} | inputs
    forge(published, lambda manifest: manifest.update(inputs=forged))
    report = verify_run(published, replay=True)
    assert not report.ok


def test_a_cancelled_session_is_cancelled_again(published: Path) -> None:
    """A manifest that claims a cancel leads to a log with a cancel, which the published one has not."""
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
