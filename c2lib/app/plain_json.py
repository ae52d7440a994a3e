"""JSON that is plain data: what a config file or a ``--set`` may hold.

Rules kept here:

* no field stands twice, nothing is nested deeper than :data:`MAX_NESTING`;
* a number of very many digits is not computed: the field that it stands in refuses it, and is named.

>>> parse_json('{"seed": 7, "market": {"symbol": "ADA"}}', "run.json")
{'seed': 7, 'market': {'symbol': 'ADA'}}
"""

from __future__ import annotations

import json
from typing import Any

from c2lib.core.errors import ConfigError
from c2lib.core.sealed import MAX_NAME_SHOWN

MAX_NESTING = 20

DEEP = f"nested deeper than {MAX_NESTING}"
"""What is said of more."""

_MOST_DIGITS = 20
"""More digits than any number has that a field takes."""


def twice(name: str) -> str:
    """Return what is said of a field that stands there twice."""
    return f"'{name[:MAX_NAME_SHOWN]}' stands there twice"


def whole_number(text: str) -> int:
    """Return a whole number; one of very many digits becomes another one that no field takes either."""
    return int(text[:_MOST_DIGITS])


def parse_json(text: str, shown: str) -> Any:
    """Return the value of a JSON text; raise :class:`ConfigError` for what is JSON but not plain data.

    What is no JSON raises :class:`ValueError`.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, value in pairs:
            if name in values:
                raise ConfigError(shown, twice(name))
            values[name] = value
        return values

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_int=whole_number)
        deep = _is_deep(value, MAX_NESTING)
    except RecursionError:
        deep = True
    if deep:
        raise ConfigError(shown, DEEP)
    return value


def _is_deep(value: Any, bound: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return bound < 1 or any(_is_deep(item, bound - 1) for item in inner)
