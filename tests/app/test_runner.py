"""A run into its directory: made once, published whole, executed again and compared ever after."""

import socket
from pathlib import Path
from typing import Any

import pytest

from c2lib.app.runner import run_dryrun
from c2lib.app.verify import verify_run
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError, InputError, MarketDataError, RunPathError
from c2lib.core.model import StrategySettings
from c2lib.core.states import SessionPhase, SessionStatus
from c2lib.core.vocabulary import Artifact, FailCode, RejectCode
from c2lib.session.lifecycle import Lifecycle
from c2lib.witness.findings import FindingCode, Verdict
from tests.app.runs import BUYER, SEALED, manifest_of, market_csv, place_below, strategy_file, tree
from tests.app.sessions import CONFIG, OWN, Breaking, Buyer, Ticking, config
from tests.session.ways_out import swallowing


def test_a_run_is_published_with_its_manifest(out: Path) -> None:
    """The result names the place, and the manifest's digest is the result's."""
    result = run_dryrun(CONFIG, out_dir=out)
    place = place_below(out)
    assert (result.status, result.reproduced, result.staging) == (SessionStatus.COMPLETED, False, None)
    assert result.path == str(place)
    assert {path.name for path in place.iterdir()} == {*SEALED, Artifact.ENVIRONMENT}
    manifest = manifest_of(place)
    assert result.run_digest == manifest["run_digest"]
    assert manifest["inputs"] == {
        "cancel": None,
        "clock_readings": [[0, "2026-01-01T00:00:00+00:00"]],
        "sink_failures": [],
        "strategy_end": None,
    }


def test_no_machine_path_is_sealed(tmp_path: Path, out: Path) -> None:
    """The market file's name stands in the unsealed environment, and its folder, which may name a user, nowhere."""
    market = market_csv(tmp_path / "day.csv")
    run_dryrun(CONFIG, out_dir=out, market=market)
    place = place_below(out)
    assert not any(str(tmp_path).encode() in path.read_bytes() for path in place.iterdir())
    assert '"market_file":"day.csv"' in (place / Artifact.ENVIRONMENT).read_text()


def test_a_run_without_a_name_is_named_by_its_config(out: Path) -> None:
    """The same parameters lead to the same place, others to another."""
    unnamed = config(run_id=None)
    first = run_dryrun(unnamed, out_dir=out)
    assert first.run_id.startswith("dry-")
    assert run_dryrun(unnamed, out_dir=out).reproduced
    assert run_dryrun(config(run_id=None, seed=8), out_dir=out).run_id != first.run_id


def test_a_rejected_run_is_published(out: Path) -> None:
    """It is evidence: full artifacts, a code, no step."""
    result = run_dryrun(config(enabled=True), out_dir=out)
    assert (result.status, result.reject_code, result.steps) == (SessionStatus.REJECTED, RejectCode.LIVE_ENABLED, 0)
    assert manifest_of(place_below(out))["status"] == "REJECTED"
    assert verify_run(place_below(out), replay=True).ok
    assert run_dryrun(config(enabled=True), out_dir=out).reproduced


def test_a_strategy_that_breaks_ends_in_a_published_failure(tmp_path: Path, out: Path) -> None:
    """It fails the same way again."""
    file = strategy_file(tmp_path, BUYER.replace("return [", "raise ValueError('no'); return ["))
    result = run_dryrun(OWN, out_dir=out, strategy=f"{file}:Buyer")
    assert (result.status, result.fail_code) == (SessionStatus.FAILED, FailCode.EXCEPTION)
    assert result.path == str(place_below(out))
    again = run_dryrun(OWN, out_dir=out, strategy=f"{file}:Buyer")
    assert (again.status, again.reproduced) == (SessionStatus.FAILED, True)


def test_a_class_handed_over_is_sealed_and_verified(out: Path) -> None:
    """The replay takes the same class, and no other."""
    result = run_dryrun(OWN, out_dir=out, strategy=Buyer)
    assert (result.status, result.fills) == (SessionStatus.COMPLETED, 1)
    place = place_below(out)
    assert manifest_of(place)["strategy"]["origin"] == "object"
    assert verify_run(place, replay=True, strategy=Buyer).ok
    for other in (None, Breaking):
        report = verify_run(place, replay=True, strategy=other)
        assert [finding.code for finding in report.findings] == [FindingCode.REPLAY_IMPOSSIBLE]
        assert not report.replayed
    before = tree(out)
    with pytest.raises(RunPathError, match=r"a run on a class given in Python is compared with none: leave run_id out"):
        run_dryrun(OWN, out_dir=out, strategy=Buyer)
    assert tree(out) == before


def test_an_injected_clock_is_recorded_for_the_replay(out: Path) -> None:
    """Verify needs no clock; running again needs one that answers the same."""
    result = run_dryrun(config(clock_mode="injected"), out_dir=out, clock=Ticking())
    assert result.status is SessionStatus.COMPLETED
    readings = manifest_of(place_below(out))["inputs"]["clock_readings"]
    assert len(readings) == result.steps + 2
    assert verify_run(place_below(out), replay=True).ok
    assert run_dryrun(config(clock_mode="injected"), out_dir=out, clock=Ticking()).reproduced


def test_the_record_of_a_long_clock_can_be_replayed(tmp_path: Path, out: Path) -> None:
    """A manifest of more than a megabyte is a manifest."""
    many = config(clock_mode="injected", steps=26_000, tick_events="decisions")
    run_dryrun(many, out_dir=out, clock=Ticking())
    assert (place_below(out) / Artifact.MANIFEST).stat().st_size > 1 << 20
    report = verify_run(place_below(out), replay=True)
    assert (report.ok, report.replayed) == (True, True)


def test_a_market_file_gives_a_run(tmp_path: Path, out: Path) -> None:
    """With the bars' own time, and the file's hash in the manifest."""
    result = run_dryrun(config(clock_mode="market"), out_dir=out, market=market_csv(tmp_path / "day.csv"))
    assert (result.status, result.steps) == (SessionStatus.COMPLETED, 80)
    assert result.fills
    manifest = manifest_of(place_below(out))
    assert manifest["market"]["sha256"] == manifest["config"]["market"]["file_sha256"]
    assert manifest["inputs"]["clock_readings"] is None


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"run_id": "../x"}, ConfigError),
        ({"run_id": ""}, ConfigError),
        ({"clock_mode": "injected"}, ConfigError),
        ({"market": "nothing.csv"}, MarketDataError),
        ({"strategy": Buyer(StrategySettings(1, "", "", ""))}, ConfigError),
        ({"clock": object()}, ConfigError),
    ],
)
def test_what_is_malformed_is_refused_before_anything_is_written(
    out: Path, arguments: dict[str, Any], error: type[InputError]
) -> None:
    """No run, and no staging folder either."""
    fields = {name: value for name, value in arguments.items() if name in DryrunConfig.model_fields}
    options = {name: value for name, value in arguments.items() if name in ("market", "strategy", "clock")}
    fields = {name: value for name, value in fields.items() if name not in options}
    with pytest.raises(error):
        run_dryrun(config(**fields), out_dir=out, **options)
    assert not [path for path in out.rglob("*") if path.is_file() or path.name.startswith(".staging")]


@pytest.mark.parametrize("steps", [64, 5000])
def test_progress_is_told(out: Path, steps: int) -> None:
    """In chunks, up to the bound."""
    told: list[tuple[int, int]] = []
    run_dryrun(config(steps=steps), out_dir=out, progress=lambda done, planned: told.append((done, planned)))
    assert told[-1] == (steps, steps)
    assert len(told) == -(-steps // 4096)


@pytest.mark.parametrize("before", ["_snapshot", "_metrics"])
def test_a_violation_that_comes_while_the_record_closes_is_not_published(
    out: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    """What was written says two things of the end: it stays in staging, and the result says which one holds."""
    closing = getattr(Lifecycle, before)

    def leaving(lifecycle: Lifecycle, *arguments: Any) -> None:
        if lifecycle.phase is SessionPhase.STOPPING:
            swallowing(socket.socket)()
        closing(lifecycle, *arguments)

    monkeypatch.setattr(Lifecycle, before, leaving)
    result = run_dryrun(CONFIG, out_dir=out)
    assert (result.status, result.fail_code) == (SessionStatus.FAILED, FailCode.NO_LIVE_VIOLATION)
    assert (result.violated_late, result.path, result.run_digest) == (True, None, None)
    assert not place_below(out).exists()
    assert result.staging is not None
    assert verify_run(result.staging, replay=True).verdict is Verdict.INCOMPLETE


def test_a_strategy_can_be_named_as_a_file(out: Path, tmp_path: Path) -> None:
    """As on the command line."""
    strategy = f"{strategy_file(tmp_path)}:Buyer"
    assert run_dryrun(OWN, out_dir=out, strategy=strategy).fills == 1
    assert verify_run(place_below(out), replay=True, strategy=strategy).ok
