"""A run into its directory: made once, published whole, executed again and compared ever after."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from c2lib.app.runner import differing_fields, run_dryrun
from c2lib.app.verify import verify_run
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError, InputError, MarketDataError, OutputError, RunConflictError, RunPathError
from c2lib.core.model import Bar, OrderIntent, PositionView, StrategySettings
from c2lib.core.states import SessionStatus
from c2lib.core.vocabulary import Artifact, FailCode, RejectCode
from c2lib.record.files import StagedRun
from c2lib.witness.facts import FindingCode, Verdict
from tests.app.runs import RUN, SEALED, flip_byte, manifest_of, market_csv, place_below, sealed_bytes, tree
from tests.record.failing_system import FailingSystem, failing, system

CONFIG = DryrunConfig(strategy_id="strat_demo", seed=7, run_id=RUN)


def config(**values: Any) -> DryrunConfig:
    """Return the config that most tests run, with other values."""
    return CONFIG.model_copy(update=values)


class Buyer:
    """Buys on the third bar."""

    def __init__(self, settings: StrategySettings) -> None:
        self.settings = settings

    def on_bar(self, bar: Bar, view: PositionView) -> list[OrderIntent]:
        """Return the one order."""
        return [OrderIntent("BUY", 1)] if bar.bar_index == 2 else []


class Breaking(Buyer):
    """Raises on the third bar."""

    def on_bar(self, bar: Bar, view: PositionView) -> list[OrderIntent]:
        """Break."""
        if bar.bar_index == 2:
            raise RuntimeError("broken on purpose")
        return []


class Ticking:
    """A clock that is a second later at each look."""

    def __init__(self) -> None:
        self.looks = 0

    def now(self) -> datetime:
        """Return the time of this look."""
        self.looks += 1
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.looks)


OWN = config(strategy_id="mine", strategy_allowlist=("mine",))


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
    }


def test_no_machine_path_is_sealed(tmp_path: Path, out: Path) -> None:
    """Where it ran stands in the unsealed environment at most."""
    market = market_csv(tmp_path / "day.csv")
    run_dryrun(CONFIG, out_dir=out, market=market)
    place = place_below(out)
    assert not any(str(tmp_path).encode() in data for data in sealed_bytes(place).values())
    assert str(market) in (place / Artifact.ENVIRONMENT).read_text()


def test_a_run_without_a_name_is_named_by_its_config(out: Path) -> None:
    """The same parameters lead to the same place, others to another."""
    unnamed = config(run_id=None)
    first = run_dryrun(unnamed, out_dir=out)
    assert first.run_id.startswith("dry-")
    assert run_dryrun(unnamed, out_dir=out).reproduced
    assert run_dryrun(config(run_id=None, seed=8), out_dir=out).run_id != first.run_id


def test_the_same_run_again_is_reproduced_and_changes_nothing(published: Path, out: Path) -> None:
    """Neither bytes nor times of change of anything below the output root."""
    before = tree(out)
    result = run_dryrun(CONFIG, out_dir=out)
    assert (result.reproduced, result.path) == (True, str(published))
    assert result.run_digest == manifest_of(published)["run_digest"]
    assert tree(out) == before


def test_another_seed_under_the_same_name_is_refused(published: Path, out: Path) -> None:
    """The error names the first differing line and the field, and nothing changes."""
    before = tree(out)
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(config(seed=8), out_dir=out)
    error = caught.value
    assert (error.path, error.file, error.line, error.fields) == (str(published), "events.jsonl", 1, ("seed",))
    assert error.published != error.computed
    assert tree(out) == before


@pytest.mark.parametrize("name", SEALED)
@pytest.mark.parametrize("where", ["first", "last"])
def test_a_published_byte_that_changed_is_told_by_its_line(published: Path, out: Path, name: str, where: str) -> None:
    """The same config does not reproduce a directory that was tampered with."""
    path = published / name
    data = path.read_bytes()
    flip_byte(path, 3 if where == "first" else len(data) - 4)
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(CONFIG, out_dir=out)
    line = 1 if where == "first" else data.count(b"\n")
    assert (caught.value.file, caught.value.line, caught.value.fields) == (name, line, ())


@pytest.mark.parametrize(
    ("change", "line"),
    [(lambda lines: lines[:-1], 0), (lambda lines: [*lines, lines[-1]], 1), (lambda lines: lines[1:], None)],
)
def test_lines_taken_out_or_put_in_are_told(
    published: Path, out: Path, change: Callable[[list[bytes]], list[bytes]], line: int | None
) -> None:
    """A cut tail, a doubled line and a lost first line."""
    path = published / Artifact.EVENTS
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(change(lines)))
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(CONFIG, out_dir=out)
    assert caught.value.line == (1 if line is None else len(lines) + line)


@pytest.mark.parametrize("manifest", [b"", b"[]", b'"text"', b'{"config": 5}', b"{" * 100_000, b"\xff"])
def test_a_damaged_manifest_is_a_difference(published: Path, out: Path, manifest: bytes) -> None:
    """Whatever stands in it, the error says where the two part."""
    (published / Artifact.MANIFEST).write_bytes(manifest)
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(CONFIG, out_dir=out)
    assert (caught.value.file, caught.value.line) == (Artifact.MANIFEST, 1)


@pytest.mark.parametrize("name", SEALED)
def test_a_directory_without_a_file_cannot_be_compared(published: Path, out: Path, name: str) -> None:
    """The error names the file, and nothing is written in its place."""
    (published / name).unlink()
    before = tree(out)
    with pytest.raises(RunPathError, match=f"cannot be compared: {name}: No such file or directory"):
        run_dryrun(CONFIG, out_dir=out)
    assert tree(out) == before


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("kind", ["symlink", "dangling symlink", "file"])
def test_a_symlink_on_the_way_is_refused(tmp_path: Path, out: Path, depth: int, kind: str) -> None:
    """As finish_c, as c2 and as the run directory; what it points to is neither written nor taken for a run."""
    elsewhere = tmp_path / "elsewhere"
    run_dryrun(CONFIG, out_dir=elsewhere)
    parts = ("finish_c", "c2", RUN)[:depth]
    obstacle = out.joinpath(*parts)
    obstacle.parent.mkdir(parents=True)
    if kind == "file":
        obstacle.write_text("mine")
    else:
        obstacle.symlink_to(elsewhere.joinpath(*parts) if kind == "symlink" else tmp_path / "nowhere")
    before = tree(tmp_path)
    with pytest.raises(RunPathError, match="is a symlink or no folder"):
        run_dryrun(CONFIG, out_dir=out)
    assert tree(tmp_path) == before


def test_a_rejected_run_is_published(out: Path) -> None:
    """It is evidence: full artifacts, a code, no step."""
    result = run_dryrun(config(enabled=True), out_dir=out)
    assert (result.status, result.reject_code, result.steps) == (SessionStatus.REJECTED, RejectCode.LIVE_ENABLED, 0)
    assert manifest_of(place_below(out))["status"] == "REJECTED"
    assert verify_run(place_below(out), replay=True).ok
    assert run_dryrun(config(enabled=True), out_dir=out).reproduced


def test_a_strategy_that_breaks_ends_in_a_published_failure(out: Path) -> None:
    """It fails the same way again."""
    result = run_dryrun(OWN, out_dir=out, strategy=Breaking)
    assert (result.status, result.fail_code) == (SessionStatus.FAILED, FailCode.EXCEPTION)
    assert result.path == str(place_below(out))
    again = run_dryrun(OWN, out_dir=out, strategy=Breaking)
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
    with pytest.raises(RunConflictError, match=r"run_manifest\.json, line 1"):
        run_dryrun(OWN, out_dir=out, strategy=type("Buyer", (Buyer,), {"__module__": "nowhere"}))


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
    many = config(clock_mode="injected", steps=30_000, tick_events="decisions")
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


@pytest.mark.parametrize(("steps", "number"), [(64, 0), (64, 1), (64, 2), (64, 3), (2000, 0), (2000, 1)])
def test_a_disk_that_fails_once_is_met_by_a_retry(out: Path, steps: int, number: int) -> None:
    """The run completes, its manifest says which call failed, and verify meets the same failure again."""
    retrying = config(max_sink_retries=2, steps=steps)
    with system(failing("write", number)):
        result = run_dryrun(retrying, out_dir=out)
    assert (result.status, result.sink_retries) == (SessionStatus.COMPLETED, 1)
    place = place_below(out)
    (failure,) = manifest_of(place)["inputs"]["sink_failures"]
    assert failure[0] in SEALED
    assert failure[2] == ["OSError"]
    report = verify_run(place, replay=True)
    assert (report.findings, report.replayed) == ((), True)


def test_a_run_without_the_failure_is_another_run(out: Path) -> None:
    """A retry stands in the audit, so that the same config on a sound disk differs, and changes nothing."""
    retrying = config(max_sink_retries=1)
    with system(failing("write", 0)):
        run_dryrun(retrying, out_dir=out)
    before = tree(out)
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(retrying, out_dir=out)
    assert caught.value.fields == ()
    assert tree(out) == before


@pytest.mark.parametrize("retries", [0, 3])
@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_a_disk_that_fails_for_good_ends_failed_and_unpublished(out: Path, retries: int, first: int) -> None:
    """The staging folder stays and is named; the result in memory tells all; verify says INCOMPLETE."""
    with system(FailingSystem(lambda name, number: name == "write" and number >= first)):
        result = run_dryrun(config(max_sink_retries=retries), out_dir=out)
    assert (result.status, result.fail_code) == (SessionStatus.FAILED, FailCode.SINK_WRITE_FAILED)
    assert (result.path, result.run_digest) == (None, None)
    assert result.staging is not None
    assert Path(result.staging).is_dir()
    assert not place_below(out).exists()
    report = verify_run(result.staging, replay=True)
    assert (report.verdict, report.ok) == (Verdict.INCOMPLETE, False)


def test_a_sink_that_dies_behind_another_failure_is_not_published(out: Path) -> None:
    """The first failure gives the code, but a record with a hole is no run directory."""
    with system(FailingSystem(lambda name, number: name == "write" and number >= 1)):
        result = run_dryrun(OWN, out_dir=out, strategy=Breaking)
    assert result.fail_code is FailCode.EXCEPTION
    assert result.dead_sinks
    assert (result.path, result.run_digest) == (None, None)
    assert result.staging is not None
    assert not place_below(out).exists()


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "mkdir", "makedirs", "open", "stat"])
def test_no_single_failure_publishes_half_a_run(tmp_path: Path, call: str) -> None:
    """Each call of the system fails once: there is an error or a FAILED result, and what is published is whole."""
    with system(failing("no such call")) as counted:
        run_dryrun(CONFIG, out_dir=tmp_path / "whole")
    whole = sealed_bytes(place_below(tmp_path / "whole"))
    assert counted.calls[call]
    for number in range(counted.calls[call]):
        root = tmp_path / str(number)
        with system(failing(call, number)):
            try:
                assert run_dryrun(CONFIG, out_dir=root).status is SessionStatus.FAILED
            except (InputError, OutputError) as error:
                assert "No space left on device" in str(error)  # noqa: PT017 - either answer will do
        if place_below(root).exists():
            assert sealed_bytes(place_below(root)) == whole
        assert run_dryrun(CONFIG, out_dir=root).status is SessionStatus.COMPLETED


def test_a_race_lost_at_the_last_moment_is_reproduced(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the place is taken while the session runs, what is there is compared, and the staging folder goes."""
    publish = StagedRun.publish

    def late(staged: StagedRun) -> Path:
        monkeypatch.setattr(StagedRun, "publish", publish)
        run_dryrun(config(clock_mode="injected"), out_dir=out, clock=Ticking())
        return publish(staged)

    monkeypatch.setattr(StagedRun, "publish", late)
    result = run_dryrun(config(clock_mode="injected"), out_dir=out, clock=Ticking())
    assert (result.reproduced, result.path) == (True, str(place_below(out)))
    assert [path.name for path in place_below(out).parent.iterdir()] == [RUN]


def test_a_race_lost_to_another_run_is_a_conflict(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The later one learns in which field the two differ."""
    publish = StagedRun.publish

    def late(staged: StagedRun) -> Path:
        monkeypatch.setattr(StagedRun, "publish", publish)
        run_dryrun(config(seed=8), out_dir=out)
        return publish(staged)

    monkeypatch.setattr(StagedRun, "publish", late)
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(CONFIG, out_dir=out)
    assert caught.value.fields == ("seed",)
    assert manifest_of(place_below(out))["config"]["seed"] == 8


def test_a_comparison_stops_where_the_events_part(published: Path, out: Path) -> None:
    """Of a hundred million steps none is taken when the first event differs already."""
    told: list[int] = []
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(config(steps=100_000_000), out_dir=out, progress=lambda done, planned: told.append(done))
    assert caught.value.fields == ("steps",)
    assert told == []


def test_a_difference_further_on_ends_the_comparison_too(out: Path) -> None:
    """The steps behind the chunk in which the events part are not taken."""
    long = config(steps=9000, tick_events="decisions")
    run_dryrun(long, out_dir=out)
    flip_byte(place_below(out) / Artifact.EVENTS, 5000)
    told: list[int] = []
    with pytest.raises(RunConflictError):
        run_dryrun(long, out_dir=out, progress=lambda done, planned: told.append(done))
    assert told == [4096]


@pytest.mark.parametrize(
    ("left", "right", "fields"),
    [
        ({"a": 1}, {"a": 1}, ()),
        ({"a": 1}, {"a": 2}, ("a",)),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, ("a.c",)),
        ({"a": {"b": 1}}, {"a": 5}, ("a",)),
        ({"a": 1}, {"b": 1}, ("a", "b")),
        ({}, {}, ()),
    ],
)
def test_differing_fields_have_dotted_names(left: Any, right: Any, fields: tuple[str, ...]) -> None:
    """As a config file would name them."""
    assert differing_fields(left, right) == fields


def test_a_copy_elsewhere_is_the_same_run(published: Path, tmp_path: Path) -> None:
    """A run directory can be moved to another output root and is reproduced there."""
    shutil.copytree(published, place_below(tmp_path / "moved"))
    assert run_dryrun(CONFIG, out_dir=tmp_path / "moved").reproduced
