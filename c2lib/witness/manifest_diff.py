"""Why two runs part: config, market, strategy, inputs and behaviour version, from the manifests and the first events.

Rules kept here:

* ``run_id`` is no cause;
* a field of ``SESSION_START`` is told where no field of the manifests tells it already;
* what the manifests say of the files is told where the files do not: a seal that differs around the same bytes;
* what cannot be known for want of a manifest is said.

>>> causes({"config": {"seed": 3}}, {"config": {"seed": 4}}, [], same_name=True, same_files=False)[0][0].text()
'config.seed: 3 | 4'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from c2lib.core.vocabulary import Artifact
from c2lib.witness.diff_facts import FieldDifference
from c2lib.witness.event_diff import first_differences

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


def causes(
    a: Mapping[str, Any] | None,
    b: Mapping[str, Any] | None,
    start: Iterable[FieldDifference],
    *,
    same_name: bool,
    same_files: bool,
) -> tuple[tuple[FieldDifference, ...], tuple[str, ...]]:
    """Return the causes, and what could not be told.

    ``a`` and ``b`` are the manifests, ``start`` the fields in which the two ``SESSION_START`` differ.
    """
    found: list[FieldDifference] = []
    notes = []
    if a is None or b is None:
        with_one = [side for side, manifest in (("A", a), ("B", b)) if manifest is None]
        notes.append(f"no {Artifact.MANIFEST} that can be read in {' and '.join(with_one)}: configs are not compared")
    else:
        found += first_differences(_without_name(a), _without_name(b))
        found += first_differences({name: a.get(name) for name in _CAUSES}, {name: b.get(name) for name in _CAUSES})
        if same_files and same_name and not found:
            found += first_differences(_seal(a), _seal(b))
    for field in start:
        if any(cause.name.startswith(_SAID_BY.get(field.name, ())) for cause in found):
            continue
        if field.name == "config_sha256" and not same_name:
            notes += [] if a is not None and b is not None else [NOTE_CONFIG]
            continue
        found.append(FieldDifference(f"SESSION_START {field.name}", field.a, field.b))
    return tuple(found), tuple(notes)


def _without_name(manifest: Mapping[str, Any]) -> dict[str, Any]:
    config = manifest.get("config")
    if isinstance(config, dict):
        config = {name: value for name, value in config.items() if name != "run_id"}
    return {"config": config}


def _seal(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest says of itself and of its files."""
    return {"manifest": {name: value for name, value in manifest.items() if name not in ("config", *_CAUSES)}}
