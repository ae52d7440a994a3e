"""The canonical JSON of the artifacts, and the digests that are made of it.

UTF-8, keys sorted by code point, separators ``,`` and ``:``, no ASCII escaping; no binary floats, integers below 2**53
in magnitude, text in NFC without lone surrogates. Everything that is hashed is hashed over these bytes.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from typing import Any

MAX_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader keeps exact (RFC 8259, section 6)."""

MAX_DEPTH = 64
"""Deepest nesting of an artifact value; more is a defect or an attack."""

GENESIS_HASH = "0" * 64
"""``prev_hash`` of the first audit entry."""

EVENT_ID_KIND = "c2_dryrun_event"
"""``kind`` in what is hashed to an ``event_id``: this, run_id, strategy_id, event_type, ts_sim and payload."""


class CanonicalFormError(ValueError):
    """A value has no canonical form; the message begins with where in it."""


def text_problem(text: object) -> str | None:
    """Say why ``text`` may not stand in an artifact, or ``None`` when it may."""
    if not isinstance(text, str):
        return "is not text"
    if text.isascii():
        return None
    if any("\ud800" <= char <= "\udfff" for char in text):
        return "has a lone surrogate, which UTF-8 cannot carry"
    if not unicodedata.is_normalized("NFC", text):
        return "is not in Unicode NFC"
    return None


def _check(value: Any, path: str, depth: int) -> None:
    problem = None
    if depth > MAX_DEPTH:
        problem = f"nested deeper than {MAX_DEPTH}"
    elif isinstance(value, str):
        problem = text_problem(value)
    elif isinstance(value, int):
        problem = "integer of 2**53 or more" if abs(value) > MAX_INTEGER else None
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, Mapping):
        problem = next((f"key {key!r} {wrong}" for key in value if (wrong := text_problem(key))), None)
        for key, item in value.items():
            _check(item, f"{path}.{key}", depth + 1)
    elif value is not None:
        problem = f"{type(value).__name__} has no place in an artifact"
    if problem:
        raise CanonicalFormError(f"{path}: {problem}")


def canonical_json(value: Any) -> str:
    """Return the one canonical text of ``value``; raise :class:`CanonicalFormError` when it has none.

    >>> canonical_json({"b": 1, "a": ["x", None, True]})
    '{"a":["x",null,true],"b":1}'
    """
    _check(value, "$", 0)
    # after the check, the one thing that json does not know is a mapping that is no dict
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=dict)


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of ``data`` as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def canonical_sha256(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of ``value``."""
    return sha256_hex(canonical_json(value).encode())


def run_digest(manifest: Mapping[str, Any]) -> str:
    """Return the ``run_digest`` of a manifest: over everything in it but ``run_digest`` itself."""
    return canonical_sha256({key: value for key, value in manifest.items() if key != "run_digest"})


def component_seed(seed: int, component: str) -> int:
    """Return the seed of one component's own generator: first 8 bytes, big-endian, of a SHA-256."""
    return int.from_bytes(hashlib.sha256(f"{seed}|{component}".encode()).digest()[:8], "big")
