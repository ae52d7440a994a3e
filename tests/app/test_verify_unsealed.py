"""Runs without a seal: those of the call in Python, and those of another program."""

import contextlib
import json
from pathlib import Path

import pytest

from c2lib.app.evidence import write_evidence
from c2lib.app.verify import verify_run
from c2lib.core.config import DryrunConfig
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from c2lib.session.clocks import FixedClock
from c2lib.session.orchestrator import LiveSessionOrchestrator
from c2lib.witness.findings import FindingCode, Verdict
from tests.app.conftest import Command
from tests.app.runs import RUN, codes
from tests.witness.other_program import OtherRun


@pytest.fixture
def called(tmp_path: Path) -> Path:
    """Return the four files of the runbook's own call."""
    place = tmp_path / RUN
    place.mkdir()
    config = DryrunConfig(strategy_id="strat_demo", run_id=RUN, seed=123, clock_mode="fixed", max_sink_retries=0)
    with contextlib.ExitStack() as stack:
        events, states, audit, metrics = (
            stack.enter_context((place / name).open("w", encoding="utf-8")) for name in SEALED_BY_MANIFEST
        )
        LiveSessionOrchestrator().run_dryrun(
            config,
            clock=FixedClock("2026-01-01T00:00:00+00:00"),
            event_sink=events,
            state_sink=states,
            metrics_sink=metrics,
            audit_sink=audit,
        )
    return place


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Return a run of another program."""
    return OtherRun().write(tmp_path / RUN)


def strip_seal_and_chain(place: Path) -> None:
    """Make a published run look like one of another program."""
    (place / Artifact.MANIFEST).unlink()
    for name, own in ((Artifact.AUDIT, {"prev_hash", "entry_hash"}), (Artifact.SNAPSHOTS, {"phase", "schema_version"})):
        lines = [json.loads(line) for line in (place / name).read_bytes().splitlines()]
        kept = [{key: line[key] for key in sorted(line.keys() - own)} for line in lines]
        (place / name).write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in kept))


@pytest.mark.parametrize("kind", ["called", "other"])
def test_sound_unsealed_run_is_reported(kind: str, command: Command, request: pytest.FixtureRequest) -> None:
    """A sound run without a seal is reported as UNSEALED with exit 0 and a list of all that was not checked."""
    place = request.getfixturevalue(kind)
    answer = command("verify", "--text", place)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"UNSEALED OK  {place}  (not executed again; ")
    facts = command("verify", "--json", place).facts
    assert (facts["verdict"], facts["ok"], facts["replayed"], facts["findings"]) == ("UNSEALED", True, False, [])
    listed = [line.removeprefix("  unchecked: ") for line in answer.out.splitlines()[1:]]
    assert listed == facts["unchecked"]
    assert any("whether the files are those that the session wrote" in what for what in listed)
    assert "re-execution: needs a manifest" in listed


@pytest.mark.parametrize("kind", ["called", "other"])
@pytest.mark.parametrize("name", SEALED_BY_MANIFEST)
def test_lost_last_line_is_found(kind: str, name: str, request: pytest.FixtureRequest) -> None:
    """A lost last line in any file of an unsealed run is a finding."""
    place = request.getfixturevalue(kind)
    lines = (place / name).read_bytes().splitlines(keepends=True)
    (place / name).write_bytes(b"".join(lines[:-1]))
    report = verify_run(place, replay=True)
    assert (report.verdict, report.ok) == (Verdict.UNSEALED, False)


@pytest.mark.parametrize("kind", ["called", "other"])
def test_required_seal_is_a_finding(kind: str, request: pytest.FixtureRequest) -> None:
    """A required seal that a sound run does not have is the finding NOT_SEALED and the only one."""
    place = request.getfixturevalue(kind)
    assert codes(place, require_sealed=True) == [FindingCode.NOT_SEALED]


@pytest.mark.parametrize("stripping", ["manifest", "manifest and chain"])
def test_stripped_run_gets_no_pass(stripping: str, published: Path) -> None:
    """A run whose manifest, or manifest and chain, was removed is UNSEALED and gets no PASS."""
    if stripping == "manifest":
        (published / Artifact.MANIFEST).unlink()
    else:
        strip_seal_and_chain(published)
    report = verify_run(published, replay=True)
    assert (report.verdict, report.ok, report.replayed) == (Verdict.UNSEALED, True, False)
    assert codes(published, require_sealed=True) == [FindingCode.NOT_SEALED]
    assert codes(published, expect_digest="0" * 64) == [FindingCode.RUN_DIGEST_WRONG]
    draft = write_evidence(published, date="2026-01-01", owner="J. Doe", plots=False)
    assert not draft.passed
    assert draft.path.endswith("-FAIL.md")


def test_foreign_run_gets_no_pass(other: Path) -> None:
    """A run of another program gets a draft that is no PASS."""
    draft = write_evidence(other, date="2026-01-01", owner="J. Doe")
    assert not draft.passed
