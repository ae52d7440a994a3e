"""Why two runs part, from manifests and first events."""

from typing import Any

import pytest

from c2lib.witness.align import FieldDifference, Names
from c2lib.witness.diff import NOTE_CONFIG, causes

ONE, OTHER = Names("one", "s"), Names("other", "s")
START = [FieldDifference(name, "1", "2") for name in ("config_sha256", "market_sha256", "steps")]


def manifest(run_id: str = "one", **more: Any) -> dict[str, Any]:
    """Return as much of a manifest as is compared."""
    return {"config": {"run_id": run_id, "seed": 1}, "market": {"sha256": "m"}, "run_digest": "d"} | more


Side = tuple[dict[str, Any] | None, Names]
"""The manifest of a side, and what it calls itself."""


def found(a: Side, b: Side, *start: FieldDifference, same_files: bool = False) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of the causes, and the notes."""
    fields, notes = causes((a[0], b[0]), (a[1], b[1]), start, same_files=same_files)
    return [field.name for field in fields], notes


def names(a: Side, b: Side, *start: FieldDifference, same_files: bool = False) -> list[str]:
    """Return the names of the causes."""
    return found(a, b, *start, same_files=same_files)[0]


@pytest.mark.parametrize("field", ["behaviour_version", "market", "strategy", "inputs"])
def test_what_decides_the_bytes_is_a_cause(field: str) -> None:
    """Also where only one side tells it."""
    assert names((manifest(), ONE), (manifest() | {field: {"x": 5}}, ONE))[-1].startswith(field)


def test_a_name_is_no_cause_unless_it_is_not_the_runs() -> None:
    """A manifest of another run is one."""
    assert names((manifest(), ONE), (manifest("other"), OTHER)) == []
    assert names((manifest(), ONE), (manifest("third"), OTHER)) == ["config.run_id"]
    assert names((manifest(), ONE), (manifest("third"), ONE)) == ["config.run_id"]


def test_the_start_tells_what_the_manifests_do_not() -> None:
    """Each thing once."""
    other = manifest(config={"run_id": "one", "seed": 1, "steps": 5}, market={"sha256": "n"})
    assert names((manifest(), ONE), (other, ONE), *START) == ["config.steps", "market.sha256"]
    assert names((None, ONE), (None, ONE), *START) == [
        "SESSION_START config_sha256",
        "SESSION_START market_sha256",
        "SESSION_START steps",
    ]


def test_a_hash_that_follows_from_the_name_is_no_cause() -> None:
    """Without both manifests it is said that nobody knows what else it hides."""
    assert found((manifest(), ONE), (manifest("other"), OTHER), START[0]) == ([], ())
    fields, notes = found((None, ONE), (manifest("other"), OTHER), START[0])
    assert (fields, notes[1:]) == ([], (NOTE_CONFIG,))
    assert "in A:" in notes[0]


def test_a_seal_around_the_same_files_is_compared() -> None:
    """Of the same name, and only where nothing else differs."""
    sides = (manifest(), ONE), (manifest(run_digest="e"), ONE)
    assert names(*sides, same_files=True) == ["manifest.run_digest"]
    assert names(*sides, same_files=False) == []
    assert names(sides[0], (manifest(run_digest="e", inputs=1), ONE), same_files=True) == ["inputs"]


@pytest.mark.parametrize("config", [[], None, 5, "x"])
def test_a_config_that_is_none_is_a_difference(config: Any) -> None:
    """And no error."""
    assert names((manifest(), ONE), (manifest(config=config), ONE)) == ["config"]


def test_another_strategy_is_told_once() -> None:
    """By the config where it is known, else by the events."""
    other = Names("one", "t")
    assert names((None, ONE), (None, other)) == ["strategy_id"]
    told = manifest(config={"run_id": "one", "seed": 1, "strategy_id": "t"})
    assert names((manifest(), ONE), (told, other)) == ["config.strategy_id"]
