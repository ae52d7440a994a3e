"""A run into its directory: made once, published whole, executed again and compared ever after."""

import socket
from pathlib import Path
from typing import Any

import pytest

from c2lib.app.runner import run_dryrun
from c2lib.app.verify import verify_run
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError, InputError, MarketDataError, RunPathError, StrategyLoadError
from c2lib.core.model import StrategySettings
from c2lib.core.states import SessionPhase, SessionStatus
from c2lib.core.vocabulary import Artifact, FailCode, RejectCode
from c2lib.session.lifecycle import Lifecycle
from c2lib.witness.findings import Verdict
from tests.app.runs import BUYER, SEALED, manifest_of, market_csv, place_below, strategy_file, tree
from tests.app.sessions import CONFIG, OWN, Breaking, Buyer, Ticking, config
from tests.session.ways_out import swallowing


def test_run_is_published_with_manifest(out: Path) -> None:
    """A completed run is published with all its files, and its result has the manifest's digest."""
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


def test_no_machine_path_is_published(tmp_path: Path, out: Path) -> None:
    """No file of a run holds the market file's folder, and the unsealed environment holds the file's name."""
    market = market_csv(tmp_path / "day.csv")
    run_dryrun(CONFIG, out_dir=out, market=market)
    place = place_below(out)
    assert not any(str(tmp_path).encode() in path.read_bytes() for path in place.iterdir())
    assert '"market_file":"day.csv"' in (place / Artifact.ENVIRONMENT).read_text()


def test_unnamed_run_is_named(out: Path) -> None:
    """A run without a run_id is named after its config: an equal config is the same run, another seed another."""
    unnamed = config(run_id=None)
    first = run_dryrun(unnamed, out_dir=out)
    assert first.run_id.startswith("dry-")
    assert run_dryrun(unnamed, out_dir=out).reproduced
    assert run_dryrun(config(run_id=None, seed=8), out_dir=out).run_id != first.run_id


def test_rejected_run_is_published(out: Path) -> None:
    """A rejected run is published without a step, verifies clean, and is reproduced by the same call."""
    result = run_dryrun(config(enabled=True), out_dir=out)
    assert (result.status, result.reject_code, result.steps) == (SessionStatus.REJECTED, RejectCode.LIVE_ENABLED, 0)
    assert manifest_of(place_below(out))["status"] == "REJECTED"
    assert verify_run(place_below(out), replay=True).ok
    assert run_dryrun(config(enabled=True), out_dir=out).reproduced


def test_breaking_strategy_is_published(tmp_path: Path, out: Path) -> None:
    """A run whose strategy raises is published as FAILED and fails the same way again."""
    file = strategy_file(tmp_path, BUYER.replace("return [", "raise ValueError('no'); return ["))
    result = run_dryrun(OWN, out_dir=out, strategy=f"{file}:Buyer")
    assert (result.status, result.fail_code) == (SessionStatus.FAILED, FailCode.EXCEPTION)
    assert result.path == str(place_below(out))
    again = run_dryrun(OWN, out_dir=out, strategy=f"{file}:Buyer")
    assert (again.status, again.reproduced) == (SessionStatus.FAILED, True)


def test_strategy_class_is_verified(out: Path) -> None:
    """A run with a strategy class is sealed and verifies with the same class and no other."""
    result = run_dryrun(OWN, out_dir=out, strategy=Buyer)
    assert (result.status, result.fills) == (SessionStatus.COMPLETED, 1)
    place = place_below(out)
    assert manifest_of(place)["strategy"]["origin"] == "object"
    assert verify_run(place, replay=True, strategy=Buyer).ok
    report = verify_run(place)
    assert (report.ok, report.replayed) == (True, False)
    (unchecked,) = report.unchecked
    assert unchecked.startswith("re-execution: the strategy was a class in memory")
    with pytest.raises(StrategyLoadError, match=r"handed over has sha256 [0-9a-f]{64}, and .* used [0-9a-f]{64}$"):
        verify_run(place, strategy=Breaking)
    before = tree(out)
    with pytest.raises(RunPathError, match=r"a run on a class given in Python is compared with none: leave run_id out"):
        run_dryrun(OWN, out_dir=out, strategy=Buyer)
    assert tree(out) == before


def test_injected_clock_is_recorded(out: Path) -> None:
    """The readings of an injected clock are recorded, so that a replay needs no clock."""
    result = run_dryrun(config(clock_mode="injected"), out_dir=out, clock=Ticking())
    assert result.status is SessionStatus.COMPLETED
    readings = manifest_of(place_below(out))["inputs"]["clock_readings"]
    assert len(readings) == result.steps + 2
    assert verify_run(place_below(out), replay=True).ok
    assert run_dryrun(config(clock_mode="injected"), out_dir=out, clock=Ticking()).reproduced


def test_long_clock_record_replays(tmp_path: Path, out: Path) -> None:
    """A run whose recorded clock readings need a manifest of more than 1 MiB is replayed."""
    many = config(clock_mode="injected", steps=26_000, tick_events="decisions")
    run_dryrun(many, out_dir=out, clock=Ticking())
    assert (place_below(out) / Artifact.MANIFEST).stat().st_size > 1 << 20
    report = verify_run(place_below(out), replay=True)
    assert (report.ok, report.replayed) == (True, True)


def test_market_file_gives_run(tmp_path: Path, out: Path) -> None:
    """A run on a market file takes the bars' own time and seals the hash of the file."""
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
def test_malformed_call_writes_nothing(out: Path, arguments: dict[str, Any], error: type[InputError]) -> None:
    """A malformed argument of run_dryrun raises an error before any file or staging folder is made."""
    fields = {name: value for name, value in arguments.items() if name in DryrunConfig.model_fields}
    options = {name: value for name, value in arguments.items() if name in ("market", "strategy", "clock")}
    fields = {name: value for name, value in fields.items() if name not in options}
    with pytest.raises(error):
        run_dryrun(config(**fields), out_dir=out, **options)
    assert not [path for path in out.rglob("*") if path.is_file() or path.name.startswith(".staging")]


@pytest.mark.parametrize("steps", [64, 5000])
def test_progress_is_reported(out: Path, steps: int) -> None:
    """Progress is reported once for every 4096 steps, up to the last step."""
    told: list[tuple[int, int]] = []
    run_dryrun(config(steps=steps), out_dir=out, progress=lambda done, planned: told.append((done, planned)))
    assert told[-1] == (steps, steps)
    assert len(told) == -(-steps // 4096)


@pytest.mark.parametrize("before", ["_snapshot", "_metrics"])
def test_late_violation_is_not_published(out: Path, monkeypatch: pytest.MonkeyPatch, before: str) -> None:
    """A NO-LIVE violation while the record closes fails the run, which stays in staging and is INCOMPLETE."""
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


def test_strategy_file_is_accepted(out: Path, tmp_path: Path) -> None:
    """A strategy can be given to run_dryrun and verify_run as FILE.py:CLASS."""
    strategy = f"{strategy_file(tmp_path)}:Buyer"
    assert run_dryrun(OWN, out_dir=out, strategy=strategy).fills == 1
    assert verify_run(place_below(out), replay=True, strategy=strategy).ok


@pytest.mark.parametrize(("argument", "field"), [("market", "market"), ("out_dir", "out_dir")])
def test_empty_argument_is_refused(out: Path, argument: str, field: str) -> None:
    """An empty path given in Python is refused by its name, and nothing is written."""
    given: dict[str, Any] = {"out_dir": out, argument: ""}
    with pytest.raises(ConfigError, match=rf"^{field}: is empty \("):
        run_dryrun(CONFIG, **given)
    assert not out.exists()
