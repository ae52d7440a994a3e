"""A draft says PASS only of a run that is SEALED and clean, executed again; each way to less is a FAIL."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from c2lib.app.evidence import EvidenceDraft, verify_evidence, write_evidence
from c2lib.app.runner import run_dryrun
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError, MarketDataError, StrategyLoadError
from c2lib.core.vocabulary import Artifact
from c2lib.witness.findings import FindingCode, Verdict
from tests.app.runs import BUYER, OWN, RUN, flip_byte, forge, market_csv, strategy_file
from tests.app.runs import in_process_of_its_own as c2lib
from tests.app.sessions import Buyer
from tests.tamper.alterations import rebuilt, stripped
from tests.tamper.forgeries import Record
from tests.tamper.sample import content_of
from tests.witness import sample_runs

Way = Callable[[Path], object]


def draft(place: Path, **options: object) -> EvidenceDraft:
    """Return the draft of a run."""
    given: dict[str, object] = {"date": "2026-02-03", "owner": "Q", "plots": False, **options}
    return write_evidence(place, **given)  # type: ignore[arg-type] # the options of each test are spelled there


def _write(place: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (place / name).write_bytes(data)


def _without_manifest(place: Path) -> None:
    (place / Artifact.MANIFEST).unlink()


def _without_manifest_and_chain(place: Path) -> None:
    *_, both = stripped("full", content_of(place))
    for name, data in both.change().items():
        _write(place, {name: data}) if data is not None else (place / name).unlink()


def _in_the_runbooks_form(place: Path) -> None:
    """Leave what another program would have written: no manifest, chain, phase or schema."""
    _without_manifest_and_chain(place)
    for name, fields in ((Artifact.SNAPSHOTS, ("phase", "schema_version")), (Artifact.METRICS, ("schema_version",))):
        lines = [json.loads(line) for line in (place / name).read_bytes().splitlines()]
        for line in lines:
            for field in fields:
                line.pop(field)
        _write(place, {name: b"".join(json.dumps(line, sort_keys=True).encode() + b"\n" for line in lines)})


def _without_a_file(place: Path) -> None:
    _without_manifest(place)
    (place / Artifact.AUDIT).unlink()


def _value_that_the_replay_alone_finds(place: Path) -> None:
    record = Record(content_of(place))
    record.lines["metrics.json"][0]["orders_query_total"] += 1
    _write(place, record.content())


def _fill_at_another_price(place: Path) -> None:
    record = Record(content_of(place))
    fill = next(event for event in record.lines["events.jsonl"] if event["event_type"] == "FILL")
    fill["payload"]["price"] = f"{fill['payload']['price']}1"
    _write(place, record.content())


def _bit_under_a_manifest_rebuilt(place: Path) -> None:
    flip_byte(place / Artifact.EVENTS, 100)
    _write(place, rebuilt(content_of(place)))


WAYS: dict[str, tuple[Way, str]] = {
    "UNSEALED": (_without_manifest, "UNSEALED"),
    "UNSEALED, without a chain": (_without_manifest_and_chain, "UNSEALED"),
    "UNSEALED, as of another program": (_in_the_runbooks_form, "UNSEALED"),
    "INCOMPLETE": (_without_a_file, "INCOMPLETE"),
    "a bit flipped": (lambda place: flip_byte(place / Artifact.METRICS, 3), "SEALED"),
    "a bit flipped, manifest rebuilt": (_bit_under_a_manifest_rebuilt, "SEALED"),
    "a file too many": (lambda place: (place / "notes.txt").touch(), "SEALED"),
    "a counter that the replay alone finds": (_value_that_the_replay_alone_finds, "SEALED"),
    "a better price, made to fit": (_fill_at_another_price, "SEALED"),
    "another behaviour version": (lambda place: forge(place, lambda m: m.update(behaviour_version=99)), "SEALED"),
}


@pytest.mark.parametrize("way", WAYS)
def test_unsound_run_gets_no_pass(published: Path, way: str) -> None:
    """A run that is not sealed, not complete, not clean or not reproduced gets a FAIL draft that verifies as such."""
    change, verdict = WAYS[way]
    change(published)
    made = draft(published)
    assert (made.passed, made.report.verdict) == (False, verdict)
    assert made.path.endswith("-FAIL.md")
    assert {"sealed_and_clean", "reproduced"} & set(made.failed_claims)
    assert made.report.verdict is not Verdict.SEALED or not made.report.ok
    again = verify_evidence(made.path, replay=True)
    assert not [finding for finding in again.findings if finding.code.startswith("EVIDENCE_")]


def test_staging_folder_gets_no_pass(published: Path) -> None:
    """A staging folder is INCOMPLETE and gets a FAIL draft, whatever files are in there."""
    staged = published.rename(published.with_name(f".staging-{RUN}-00"))
    made = draft(staged)
    assert (made.passed, made.report.verdict) == (False, Verdict.INCOMPLETE)
    assert {"sealed_and_clean", "reproduced"} <= set(made.failed_claims)


def test_missing_market_gets_no_pass(tmp_path: Path, out: Path) -> None:
    """A run on a market file gets no draft without that file or with a file of another hash."""
    market = market_csv(tmp_path / "day.csv")
    run = run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=7, run_id=RUN), out_dir=out, market=market)
    other = tmp_path / "other.csv"
    other.write_text(market.read_text().replace("100.5", "101.5", 1))
    for given, error in ((None, ConfigError), (other, MarketDataError)):
        with pytest.raises(error):
            draft(Path(str(run.path)), market=given)
    assert draft(Path(str(run.path)), market=market).passed


def test_missing_strategy_gets_no_pass(tmp_path: Path, out: Path) -> None:
    """A run on a strategy file gets no draft without that file or with another strategy."""
    own = strategy_file(tmp_path, BUYER)
    answer = c2lib("dryrun", *OWN, "--strategy-file", f"{own}:Buyer", "--out", out)
    place = Path(answer.facts["path"])
    for given, error in ((None, ConfigError), (Buyer, StrategyLoadError)):
        with pytest.raises(error):
            draft(place, strategy=given)
    assert draft(place, strategy=f"{own}:Buyer").passed


def test_overridden_gate_gets_no_pass(tmp_path: Path) -> None:
    """A run whose gate a test overrode gets no PASS, and the draft states the override."""
    run = sample_runs.make_run(enabled=True, enabled_override=True)
    made = draft(run.write(tmp_path))
    assert not made.passed
    assert "enabled_off" in made.failed_claims
    assert "the gate was overridden by a test" in made.text


def test_copied_pass_is_found(published: Path, tmp_path: Path) -> None:
    """A PASS draft copied into an altered run is found when the evidence is verified."""
    good = draft(published)
    assert good.passed
    bad = tmp_path / RUN
    shutil.copytree(published, bad)
    _fill_at_another_price(bad)
    findings = {finding.code for finding in verify_evidence(bad / "evidence" / Path(good.path).name, True).findings}
    assert findings >= {FindingCode.REPLAY_DIVERGED, FindingCode.EVIDENCE_DIFFERS}
