"""Why two runs differ, by their manifests and first events."""

import json
from pathlib import Path
from typing import Any

import pytest

from c2lib.witness.diff import NOTE_HASHES, Names, RunDiff, diff_runs
from tests.witness.other_program import OtherRun

ONE, OTHER = Names("one", "s"), Names("other", "s")
STARTS = [dict.fromkeys(("config_sha256", "market_sha256", "steps"), side) for side in ("1", "2")]


def manifest(run_id: str = "one", **more: Any) -> dict[str, Any]:
    """Return as much of a manifest as is compared."""
    return {"config": {"run_id": run_id, "seed": 1}, "market": {"sha256": "m"}, "run_digest": "d"} | more


Side = tuple[dict[str, Any] | None, Names]
"""The manifest of a side, and what it calls itself."""


def compared(a: Side, b: Side, parent: Path, starts: list[dict[str, str]] | None = None, message: str = "x") -> RunDiff:
    """Write two runs and compare them; ``starts`` are the payloads of ``SESSION_START``."""
    places = []
    for number, (claimed, names) in enumerate((a, b)):
        run = OtherRun()
        for line in (*run.events, *run.snapshots, run.metrics):
            line.update(names._asdict())
        run.events[0]["payload"] = starts[number] if starts else {}
        run.audit[0]["message"] = message if number else "x"
        run.identify()
        places.append(run.write(parent / str(number)))
        if claimed is not None:
            text = json.dumps(claimed, sort_keys=True, separators=(",", ":"))
            (places[-1] / "run_manifest.json").write_text(text + "\n")
    return diff_runs(*places)


def names_of(found: RunDiff) -> list[str]:
    """Return the names of the causes."""
    return [field.name for field in found.causes]


@pytest.mark.parametrize("field", ["behaviour_version", "market", "strategy", "inputs"])
def test_deciding_manifest_fields_are_causes(field: str, tmp_path: Path) -> None:
    """A manifest field that decides the bytes is a cause, also where one run alone has the field."""
    other = manifest() | {field: {"x": 5}}
    assert names_of(compared((manifest(), ONE), (other, ONE), tmp_path))[-1].startswith(field)


@pytest.mark.parametrize(
    ("claimed", "names", "causes"),
    [("other", OTHER, []), ("third", OTHER, ["config.run_id"]), ("third", ONE, ["config.run_id"])],
)
def test_own_name_is_no_cause(claimed: str, names: Names, causes: list[str], tmp_path: Path) -> None:
    """The run_id in a manifest is a cause only where that is not the name of the run itself."""
    assert names_of(compared((manifest(), ONE), (manifest(claimed), names), tmp_path)) == causes


def test_start_without_manifests(tmp_path: Path) -> None:
    """What SESSION_START says is a cause where a manifest is missing, else a difference of the events."""
    found = compared((manifest(), ONE), (manifest(market={"sha256": "n"}), ONE), tmp_path / "with", STARTS)
    assert names_of(found) == ["market.sha256"]
    assert found.events.first is not None
    assert [field.name for field in found.events.first.fields][1:] == ["config_sha256", "market_sha256", "steps"]
    found = compared((None, ONE), (manifest(), ONE), tmp_path / "without", STARTS)
    assert names_of(found) == ["SESSION_START config_sha256", "SESSION_START market_sha256", "SESSION_START steps"]


def test_name_hash_is_no_cause(tmp_path: Path) -> None:
    """A config hash of another run_id is no cause, and without manifests a remark names what is not compared."""
    starts = [{"config_sha256": side} for side in ("1", "2")]
    found = compared((manifest(), ONE), (manifest("other"), OTHER), tmp_path / "with", starts)
    assert (names_of(found), found.notes) == ([], (NOTE_HASHES,))
    found = compared((None, ONE), (manifest("other"), OTHER), tmp_path / "without", starts)
    assert names_of(found) == []
    assert "in A: configs are not compared" in found.notes[1]


def test_other_seal_is_no_cause(tmp_path: Path) -> None:
    """Another seal of the same files is no cause, but the manifest is not the same."""
    found = compared((manifest(), ONE), (manifest(run_digest="e"), ONE), tmp_path)
    assert (names_of(found), found.files, found.same) == ([], ("run_manifest.json: not the same",), False)


@pytest.mark.parametrize("config", [[], None, 5, "x"])
def test_odd_config_is_a_difference(config: Any, tmp_path: Path) -> None:
    """A config that is no object is a difference and raises no error."""
    assert names_of(compared((manifest(), ONE), (manifest(config=config), ONE), tmp_path)) == ["config"]


def test_other_strategy_is_one_cause(tmp_path: Path) -> None:
    """Another strategy_id is reported once: from the config where known, else from the events."""
    other = Names("one", "t")
    assert names_of(compared((None, ONE), (None, other), tmp_path / "without")) == ["strategy_id"]
    claimed = manifest(config={"run_id": "one", "seed": 1, "strategy_id": "t"})
    assert names_of(compared((manifest(), ONE), (claimed, other), tmp_path / "with")) == ["config.strategy_id"]
