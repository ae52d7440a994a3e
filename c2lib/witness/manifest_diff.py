"""Why two runs part: config, market, strategy, inputs and behaviour version, from the manifests and the first events.

Rules kept here:

* ``run_id`` is no cause, as long as a manifest has that of its run;
* a field of ``SESSION_START`` is told where no field of the manifests tells it already;
* what the manifests say of the files is told where the files do not: a seal that differs around the same bytes;
* what cannot be known for want of a manifest is said.

>>> run = Told({"config": {"seed": 3}}, Names("r", "s")), Told({"config": {"seed": 4}}, Names("r", "s"))
>>> causes(*run, [], same_files=False)[0][0].text()
'config.seed: 3 | 4'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from c2lib.core.vocabulary import Artifact
from c2lib.witness.diff_facts import FieldDifference
from c2lib.witness.event_diff import Names, first_differences
from c2lib.witness.findings import shown

NOTE_CONFIG = "the config_sha256 differ, as other run_ids alone make them: whether the configs differ else is not known"

_CAUSES = ("behaviour_version", "market", "strategy", "inputs")
_SAID_BY = {
    "config_sha256": ("config.",),
    "criteria_sha256": ("config.criteria",),
    "market_sha256": ("market.", "config.market"),
    "symbol": ("config.market.symbol",),
    "steps": ("config.steps",),
    "initial_cash": ("config.broker.initial_cash",),
    "clock_mode": ("config.clock_mode",),
}


class Told(NamedTuple):
    """What one side tells of itself: its manifest, where there is one that can be read, and its names."""

    manifest: Mapping[str, Any] | None
    names: Names


def causes(
    a: Told, b: Told, start: Iterable[FieldDifference], *, same_files: bool
) -> tuple[tuple[FieldDifference, ...], tuple[str, ...]]:
    """Return the causes, and what could not be told; ``start`` is where the two ``SESSION_START`` differ."""
    same_name = a.names.run_id == b.names.run_id
    found: list[FieldDifference] = []
    notes = []
    if a.manifest is None or b.manifest is None:
        without = [name for name, side in (("A", a), ("B", b)) if side.manifest is None]
        notes.append(f"no {Artifact.MANIFEST} that can be read in {' and '.join(without)}: configs are not compared")
    else:
        found += first_differences(_config(a.manifest, a.names), _config(b.manifest, b.names))
        found += first_differences(_beside(a.manifest), _beside(b.manifest))
        if same_files and same_name and not found:
            found += first_differences(_seal(a.manifest), _seal(b.manifest))
    if a.names.strategy_id != b.names.strategy_id and not any(field.name == "config.strategy_id" for field in found):
        found.append(FieldDifference("strategy_id", shown(a.names.strategy_id), shown(b.names.strategy_id)))
    for field in start:
        if any(cause.name.startswith(_SAID_BY.get(field.name, ())) for cause in found):
            continue
        if field.name == "config_sha256" and not same_name:
            notes += [NOTE_CONFIG] if notes else []
        else:
            found.append(FieldDifference(f"SESSION_START {field.name}", field.a, field.b))
    return tuple(found), tuple(notes)


def _config(manifest: Mapping[str, Any], names: Names) -> dict[str, Any]:
    config = manifest.get("config")
    if isinstance(config, dict) and config.get("run_id") == names.run_id:
        config = {name: value for name, value in config.items() if name != "run_id"}
    return {"config": config}


def _beside(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {name: manifest[name] for name in _CAUSES if name in manifest}


def _seal(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest says of itself and of its files."""
    return {"manifest": {name: value for name, value in manifest.items() if name not in ("config", *_CAUSES)}}
