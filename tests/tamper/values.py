"""Every value of a run exchanged for another, by somebody who makes everything fit that is computed from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import InvalidOperation
from functools import partial
from typing import Any

from c2lib.core.canon import canonical_json, run_digest
from tests.tamper.alterations import MANIFEST, Alteration
from tests.tamper.forgeries import Record
from tests.tamper.sample import Content

_RECOMPUTED = frozenset({"event_id", "prev_hash", "entry_hash", "run_digest", "artifacts", "audit"})
_OTHER_WORDS = {
    "BUY": "SELL",
    "SELL": "BUY",
    "HOLD": "BUY",
    "MAKER": "TAKER",
    "TAKER": "MAKER",
    "INFO": "WARN",
    "GTC": "DAY",
    "MARKET": "LIMIT",
    "completed": "cancelled",
    "COMPLETED": "FAILED",
    "object": "file",
}

FREE: Mapping[tuple[Any, ...], tuple[object, ...]] = {
    ("inputs", "sink_failures", 0, 1): (3, 5),
}
"""Values of the manifest that are as sound as the run's own: which of three calls in the same step a sink failed in.
With them the run is another run of the same log."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value within ``value`` that holds no other, but for what a forger recomputes."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        if key not in _RECOMPUTED:
            yield from places(item, (*path, key))
    if path and (not isinstance(value, dict | list) or not value):
        yield path


def others(value: Any) -> list[Any]:
    """Return values that somebody could write instead of ``value``: near ones, of its form as far as it goes."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, max(0, value - 1) if value else 2]
    if isinstance(value, str):
        return [*_other_texts(value)]
    return ["x", 0] if value is None else [[0], {"x": 0}]


def _other_texts(value: str) -> Iterator[str]:
    if value in _OTHER_WORDS:
        yield _OTHER_WORDS[value]
    if value[-1:].isdigit() or len(value) == 64:
        yield value[:-1] + {"0": "1", "1": "2"}.get(value[-1], "1")
    if len(value) > 18 and value[10:11] == "T":
        yield value.replace("2026-", "2027-", 1)
    yield f"{value}1" if value[:1].isdigit() and "." in value else f"{value}x"


def _set(container: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        container = container[key]
    container[path[-1]] = value


def _valued(content: Content, name: str, at: int, path: tuple[Any, ...], value: Any) -> dict[str, bytes]:
    record = Record(content)
    line = record.manifest if name == MANIFEST else record.lines[name][at]
    _set(line, path, value)
    if name == MANIFEST:
        line["run_digest"] = run_digest(line)
        return {MANIFEST: f"{canonical_json(line)}\n".encode()}
    if line.get("event_type") == "FILL":
        # a value that cannot be added up is left to be found as such
        with suppress(InvalidOperation, TypeError, KeyError, ValueError):
            record.rebook()
    return record.content()


def values(run: str, content: Content, *, free: bool = False) -> Iterator[Alteration]:
    """Yield every value of every line and of the manifest exchanged, and all that is computed from it made to fit.

    The :data:`FREE` ones are left out, or the only ones.
    """
    record = Record(content)
    for name, lines in {**record.lines, MANIFEST: [record.manifest]}.items():
        for at, line in enumerate(lines):
            for path in places(line):
                old = line
                for key in path:
                    old = old[key]
                allowed = FREE.get(path, ()) if name == MANIFEST else ()
                for value in (other for other in others(old) if (other in allowed) is free):
                    what = f"{name}: line {at + 1}: {'.'.join(map(str, path))}: {value!r} for {old!r}"
                    yield Alteration(run, what, partial(_valued, content, name, at, path, value))
