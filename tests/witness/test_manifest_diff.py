"""Why two runs part, from manifests and first events."""

from typing import Any

import pytest

from c2lib.witness.align import FieldDifference, Names
from c2lib.witness.diff import NOTE_CONFIG, Told, causes

ONE, OTHER = Names("one", "s"), Names("other", "s")
START = [FieldDifference(name, "1", "2") for name in ("config_sha256", "market_sha256", "steps")]


def manifest(run_id: str = "one", **more: Any) -> dict[str, Any]:
    """Return as much of a manifest as is compared."""
    return {"config": {"run_id": run_id, "seed": 1}, "market": {"sha256": "m"}, "run_digest": "d"} | more


def names(a: Told, b: Told, *start: FieldDifference, same_files: bool = False) -> list[str]:
    """Return the names of the causes."""
    return [field.name for field in causes(a, b, start, same_files=same_files)[0]]


@pytest.mark.parametrize("field", ["behaviour_version", "market", "strategy", "inputs"])
def test_what_decides_the_bytes_is_a_cause(field: str) -> None:
    """Also where only one side tells it."""
    assert names(Told(manifest(), ONE), Told(manifest() | {field: {"x": 5}}, ONE))[-1].startswith(field)


def test_a_name_is_no_cause_unless_it_is_not_the_runs() -> None:
    """A manifest of another run is one."""
    assert names(Told(manifest(), ONE), Told(manifest("other"), OTHER)) == []
    assert names(Told(manifest(), ONE), Told(manifest("third"), OTHER)) == ["config.run_id"]
    assert names(Told(manifest(), ONE), Told(manifest("third"), ONE)) == ["config.run_id"]


def test_the_start_tells_what_the_manifests_do_not() -> None:
    """Each thing once."""
    other = manifest(config={"run_id": "one", "seed": 1, "steps": 5}, market={"sha256": "n"})
    assert names(Told(manifest(), ONE), Told(other, ONE), *START) == ["config.steps", "market.sha256"]
    assert names(Told(None, ONE), Told(None, ONE), *START) == [
        "SESSION_START config_sha256",
        "SESSION_START market_sha256",
        "SESSION_START steps",
    ]


def test_a_hash_that_follows_from_the_name_is_no_cause() -> None:
    """Without both manifests it is said that nobody knows what else it hides."""
    assert causes(Told(manifest(), ONE), Told(manifest("other"), OTHER), START[:1], same_files=False) == ((), ())
    found, notes = causes(Told(None, ONE), Told(manifest("other"), OTHER), START[:1], same_files=False)
    assert (found, notes[1:]) == ((), (NOTE_CONFIG,))
    assert "in A:" in notes[0]


def test_a_seal_around_the_same_files_is_compared() -> None:
    """Of the same name, and only where nothing else differs."""
    sides = Told(manifest(), ONE), Told(manifest(run_digest="e"), ONE)
    assert names(*sides, same_files=True) == ["manifest.run_digest"]
    assert names(*sides, same_files=False) == []
    assert names(sides[0], Told(manifest(run_digest="e", inputs=1), ONE), same_files=True) == ["inputs"]


@pytest.mark.parametrize("config", [[], None, 5, "x"])
def test_a_config_that_is_none_is_a_difference(config: Any) -> None:
    """And no error."""
    assert names(Told(manifest(), ONE), Told(manifest(config=config), ONE)) == ["config"]


def test_another_strategy_is_told_once() -> None:
    """By the config where it is known, else by the events."""
    other = Names("one", "t")
    assert names(Told(None, ONE), Told(None, other)) == ["strategy_id"]
    told = manifest(config={"run_id": "one", "seed": 1, "strategy_id": "t"})
    assert names(Told(manifest(), ONE), Told(told, other)) == ["config.strategy_id"]
