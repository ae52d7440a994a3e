"""The same name again: executed and compared, never written over."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from c2lib.app.runner import run_dryrun
from c2lib.app.verify import verify_run
from c2lib.core import config as core_config
from c2lib.core.errors import RunConflictError, RunPathError
from c2lib.core.vocabulary import Artifact
from c2lib.record.files import StagedRun
from c2lib.session.orchestrator import LiveSessionOrchestrator
from tests.app.runs import RUN, SEALED, flip_byte, manifest_of, place_below, tree
from tests.app.sessions import CONFIG, Ticking, config


def test_same_run_is_reproduced(published: Path, out: Path) -> None:
    """The same run again is reproduced and changes no byte and no time of any file."""
    before = tree(out)
    result = run_dryrun(CONFIG, out_dir=out)
    assert (result.reproduced, result.path) == (True, str(published))
    assert result.run_digest == manifest_of(published)["run_digest"]
    assert tree(out) == before


def test_other_seed_is_refused(published: Path, out: Path) -> None:
    """Another seed under the same run_id raises a RunConflictError with line and field, and nothing changes."""
    before = tree(out)
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(config(seed=8), out_dir=out)
    error = caught.value
    assert (error.path, error.file, error.line, error.fields) == (str(published), "events.jsonl", 1, ("seed",))
    assert error.published != error.computed
    assert tree(out) == before


@pytest.mark.parametrize("name", SEALED)
@pytest.mark.parametrize("where", ["first", "last"])
def test_altered_byte_is_located(published: Path, out: Path, name: str, where: str) -> None:
    """A published file with an altered byte raises a RunConflictError with the file and line of that byte."""
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
def test_added_or_lost_lines_differ(
    published: Path, out: Path, change: Callable[[list[bytes]], list[bytes]], line: int | None
) -> None:
    """A published log that lost or gained a line raises a RunConflictError with the number of that line."""
    path = published / Artifact.EVENTS
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(change(lines)))
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(CONFIG, out_dir=out)
    assert caught.value.line == (1 if line is None else len(lines) + line)


STRANGE = (b'{"config":5}', b'{"config":{"seed":NaN}}', b'{"config":{},"config":{"seed":9}}', b"\n" * 9, b"9" * 5000)


@pytest.mark.parametrize("manifest", [b"", b"[]", b'"text"', b"{" * 100_000, b"\xff", *STRANGE])
def test_damaged_manifest_is_a_difference(published: Path, out: Path, manifest: bytes) -> None:
    """A damaged manifest raises a RunConflictError at line 1 of the manifest, whatever the manifest holds."""
    (published / Artifact.MANIFEST).write_bytes(manifest)
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(CONFIG, out_dir=out)
    assert (caught.value.file, caught.value.line, caught.value.fields) == (Artifact.MANIFEST, 1, ())


@pytest.mark.parametrize("name", SEALED)
def test_missing_file_blocks_comparison(published: Path, out: Path, name: str) -> None:
    """A run directory without one of its files raises a RunPathError with the file's name and is not changed."""
    (published / name).unlink()
    before = tree(out)
    with pytest.raises(RunPathError, match=f"cannot be compared: {name}: No such file or directory"):
        run_dryrun(CONFIG, out_dir=out)
    assert tree(out) == before


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("kind", ["symlink", "dangling symlink", "file"])
def test_symlink_in_path_is_refused(tmp_path: Path, out: Path, depth: int, kind: str) -> None:
    """A symlink or file in place of finish_c, c2 or the run directory is refused, and nothing is written."""
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


def test_lost_race_is_reproduced(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose place is taken by an equal run during the session is reproduced, and its staging folder removed."""
    publish = StagedRun.publish

    def late(staged: StagedRun) -> Path:
        monkeypatch.setattr(StagedRun, "publish", publish)
        run_dryrun(config(clock_mode="injected"), out_dir=out, clock=Ticking())
        return publish(staged)

    monkeypatch.setattr(StagedRun, "publish", late)
    result = run_dryrun(config(clock_mode="injected"), out_dir=out, clock=Ticking())
    assert (result.reproduced, result.path) == (True, str(place_below(out)))
    assert [path.name for path in place_below(out).parent.iterdir()] == [RUN]


def test_lost_race_can_conflict(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose place is taken by another run during the session raises a RunConflictError with the fields."""
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


def test_early_difference_stops_comparison(published: Path, out: Path) -> None:
    """A comparison whose first event differs takes no step, whatever number of steps is planned."""
    told: list[int] = []
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(config(steps=100_000_000), out_dir=out, progress=lambda done, planned: told.append(done))
    assert caught.value.fields == ("steps",)
    assert told == []


def test_later_difference_stops_comparison(out: Path) -> None:
    """A comparison takes no further step after the chunk in which the events differ."""
    long = config(steps=9000, tick_events="decisions")
    run_dryrun(long, out_dir=out)
    flip_byte(place_below(out) / Artifact.EVENTS, 5000)
    told: list[int] = []
    with pytest.raises(RunConflictError):
        run_dryrun(long, out_dir=out, progress=lambda done, planned: told.append(done))
    assert told == [4096]


def test_copied_run_is_reproduced(published: Path, tmp_path: Path) -> None:
    """A run directory copied to another output root is reproduced there."""
    shutil.copytree(published, place_below(tmp_path / "moved"))
    assert run_dryrun(CONFIG, out_dir=tmp_path / "moved").reproduced


def test_run_is_sealed_once(monkeypatch: pytest.MonkeyPatch, out: Path) -> None:
    """A config is completed with its defaults once for a run, and never when a run is replayed."""
    sealed, fill_in = [], core_config._filled_in

    def counted(*given: Any, **options: Any) -> Any:
        sealed.append(fill_in(*given, **options))
        return sealed[-1]

    monkeypatch.setattr(core_config, "_filled_in", counted)
    path = run_dryrun(config(), out_dir=out).path
    assert len(sealed) == 1
    assert verify_run(path or "", replay=True).ok
    assert len(sealed) == 1
    LiveSessionOrchestrator().run_dryrun(config(), audit_sink=[])
    assert len(sealed) == 2
