"""Plain data from outside: a config file in YAML or JSON, and the value of ``--set``.

Both formats have the types of JSON alone, bounded nesting and no field twice; YAML has no aliases and no tags. What
stands there keeps its type, since the config is strict about types. PyYAML is loaded for YAML alone: a short run takes
less time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, get_args

from c2lib.app.paths import read_input
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError
from c2lib.core.sealed import MAX_NAME_SHOWN, fields_at

MAX_CONFIG_BYTES = 100_000
"""Longest config file: PyYAML takes up to two seconds for as much."""
MAX_NESTING = 20

_DEEP = f"nested deeper than {MAX_NESTING}"

_WORDS = {"~": None, "Null": None, "NULL": None, "": None, "True": True, "TRUE": True, "False": False, "FALSE": False}
"""What YAML writes without quotes for null, true and false, beside JSON's own words."""


def read_config_file(path: str | os.PathLike[str]) -> tuple[dict[str, Any], str]:
    """Return the mapping of a ``.yaml``, ``.yml`` or ``.json`` file, and its text.

    Raises :class:`ConfigError` naming the file.
    """
    shown = os.fspath(path)
    try:
        data = read_input(path, MAX_CONFIG_BYTES)
    except OSError as error:
        raise ConfigError(shown, f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError(shown, f"is larger than {MAX_CONFIG_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
        values = _parse_json(text, shown) if shown.lower().endswith(".json") else _plain(_composed(text, shown), shown)
    except UnicodeDecodeError as error:
        raise ConfigError(shown, f"is not UTF-8 at byte {error.start}") from None
    except ValueError as error:
        raise ConfigError(shown, f"is no JSON: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(shown, "must be a mapping of field names to values")
    return values, text


def line_of(field: str, text: str) -> int | None:
    """Return the line of a config file's text on which a dotted field stands, or what it would stand in."""
    line = None
    # JSON with tabs is no YAML: then there is no line
    with suppress(ConfigError):
        node = _composed(text.removeprefix("\ufeff"), "")
        for step in field.split("."):
            pairs = node.value if node and node.id == "mapping" else ()
            found = next(((key, value) for key, value in pairs if key.value == step), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
    return line


def parse_assignment(assignment: str) -> tuple[str, Any]:
    """Return the dotted field and the value of ``FIELD=VALUE``: JSON where it is JSON, else text.

    A number is text where it has a fraction, and where the field takes text: ``--set broker.initial_cash=5000``.
    """
    field, equals, text = assignment.partition("=")
    *above, name = field.split(".")
    if not equals or not all(map(str.isidentifier, (*above, name))):
        raise ConfigError("--set", "write FIELD=VALUE, such as broker.initial_cash=5000")
    if not text.strip():
        raise ConfigError(f"--set {field}", "is empty", hint="give a value; '\"\"' is the empty text, null is none")
    try:
        value = _parse_json(text, f"--set {field}", parse_float=str)
    except ValueError:
        return field, text
    known = fields_at(DryrunConfig, above).get(name)
    is_text = type(value) is int and above != ["strategy", "params"] and known and takes_text(known.annotation)
    return field, text.strip() if is_text else value


def takes_text(kind: Any) -> bool:
    """Return whether the annotation of a field is that of a text."""
    return kind is str or any(map(takes_text, get_args(kind)))


def _mapping(pairs: Iterable[tuple[str, Any, str]]) -> dict[str, Any]:
    """Return the mapping of names and values, each with where it stands; raise where a name stands there twice."""
    values: dict[str, Any] = {}
    for name, value, where in pairs:
        if name in values:
            raise ConfigError(where, f"'{name[:MAX_NAME_SHOWN]}' stands there twice")
        values[name] = value
    return values


def _whole_number(text: str) -> int:
    """Return a whole number, of very many digits only the first 20: no field takes either, and reading 20 is quick."""
    return int(text[:20])


def _parse_json(text: str, shown: str, parse_float: Callable[[str], Any] = float) -> Any:
    """Return the value of a JSON text; raise :class:`ValueError` for what is no JSON, ConfigError for the rest."""
    hooks: dict[str, Any] = {"parse_int": _whole_number, "parse_float": parse_float}
    try:
        value = json.loads(text, object_pairs_hook=lambda pairs: _mapping((*pair, shown) for pair in pairs), **hooks)
        deep = _is_deep(value, MAX_NESTING)
    except RecursionError:
        deep = True
    if deep:
        raise ConfigError(shown, _DEEP)
    return value


def _is_deep(value: Any, bound: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return bound < 1 or any(_is_deep(item, bound - 1) for item in inner)


def _composed(text: str, shown: str) -> Any:
    """Return the root node of a YAML text; raise :class:`ConfigError` with the line for anything but plain data."""
    import yaml

    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            alias, tag = isinstance(event, yaml.AliasEvent), getattr(event, "tag", None) is not None
            if alias or tag or depth > MAX_NESTING:
                problem = _DEEP if not (alias or tag) else f"{'aliases' if alias else 'tags'} are refused"
                raise ConfigError(_at(shown, event.start_mark), problem)
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_at(shown, error.problem_mark), f"{error.problem}") from None
    except yaml.YAMLError as error:
        # a character that YAML does not have; the rest of the message counts characters up to it
        raise ConfigError(shown, f"is no YAML: {str(error).splitlines()[0]}") from None


def _at(shown: str, mark: Any) -> str:
    return f"{shown}, line {mark.line + 1}"


def _plain(node: Any, shown: str) -> Any:
    """Return the value of a YAML node, in which a word without quotes has a type where JSON gives it one."""
    if node is None or node.id == "scalar":
        return None if node is None else node.value if node.style else _word(node.value)
    if node.id == "sequence":
        return [_plain(item, shown) for item in node.value]
    for key, _ in node.value:
        if key.id != "scalar" or not isinstance(_plain(key, shown), str):
            raise ConfigError(_at(shown, key.start_mark), "a field name must be text")
    return _mapping((key.value, _plain(value, shown), _at(shown, key.start_mark)) for key, value in node.value)


def _word(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return json.loads(text, parse_int=_whole_number, parse_constant=str)
    except ValueError:
        return text
