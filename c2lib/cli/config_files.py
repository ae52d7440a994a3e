"""Plain data from outside: a config file in YAML or JSON, and the value of ``--set``.

Both formats have the types of JSON alone, bounded nesting and no field twice; YAML has no aliases and no tags. What
stands there keeps its type, since the config is strict about types.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, cast, get_args

import yaml

from c2lib.app.paths import read_input
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError
from c2lib.core.sealed import MAX_NAME_SHOWN, fields_at

MAX_CONFIG_BYTES = 100_000
"""Longest config file: PyYAML takes up to two seconds for as much."""
MAX_NESTING = 20

_DEEP = f"nested deeper than {MAX_NESTING}"

_TAG = "tag:yaml.org,2002:"
_WHOLE = r"-?(?:0|[1-9][0-9]*)"
_WORDS = (
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    ("int", _WHOLE, list("-0123456789")),
    ("float", rf"{_WHOLE}(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", list("-0123456789")),
)
"""The types that a YAML word without quotes can have, the form and the first characters of each."""


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
        values = _parse_json(text, shown) if shown.lower().endswith(".json") else _parse_yaml(text, shown)
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
    with suppress(yaml.YAMLError):
        node = yaml.compose(text.removeprefix("\ufeff"), Loader=_PlainLoader)
        for step in field.split("."):
            pairs = node.value if isinstance(node, yaml.MappingNode) else ()
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
    is_text = type(value) is int and above != ["strategy", "params"] and known and _takes_text(known.annotation)
    return field, text.strip() if is_text else value


def _takes_text(kind: Any) -> bool:
    return kind is str or any(map(_takes_text, get_args(kind)))


def _twice(name: str) -> str:
    return f"'{name[:MAX_NAME_SHOWN]}' stands there twice"


def _whole_number(text: str) -> int:
    """Return a whole number, of very many digits only the first 20: no field takes either, and reading 20 is quick."""
    return int(text[:20])


def _parse_json(text: str, shown: str, parse_float: Callable[[str], Any] = float) -> Any:
    """Return the value of a JSON text; raise :class:`ValueError` for what is no JSON, ConfigError for the rest."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, value in pairs:
            if name in values:
                raise ConfigError(shown, _twice(name))
            values[name] = value
        return values

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_int=_whole_number, parse_float=parse_float)
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


def _refuse(problem: str, mark: Any) -> NoReturn:
    raise yaml.MarkedYAMLError(None, None, problem, mark)


class _PlainLoader(yaml.SafeLoader):
    """A SafeLoader that knows the types of JSON alone."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        # the stubs leave peek_event untyped
        event = cast(Any, self).peek_event()
        if self.check_event(yaml.AliasEvent):
            _refuse("aliases are refused", event.start_mark)
        if event.tag is not None:
            _refuse("tags are refused", event.start_mark)
        self.depth += 1
        if self.depth > MAX_NESTING:
            _refuse(_DEEP, event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names: set[str] = set()
        for key, _ in node.value:
            if key.tag != f"{_TAG}str":
                _refuse("a field name must be text", key.start_mark)
            if key.value in names:
                _refuse(_twice(key.value), key.start_mark)
            names.add(key.value)
        return super().construct_mapping(node, deep=deep)


_PlainLoader.yaml_implicit_resolvers = {}
for _kind, _form, _beginnings in _WORDS:
    _PlainLoader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(f"^{_form}$"), _beginnings)
_PlainLoader.add_constructor(f"{_TAG}int", lambda _, node: _whole_number(node.value))


def _parse_yaml(text: str, shown: str) -> Any:
    """Return the value of a YAML text; raise :class:`ConfigError` with the line for anything but plain data."""
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader made stricter
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{shown}{line}", f"{error.problem}") from None
    except yaml.YAMLError as error:
        # a character that YAML does not have; the rest of the message counts characters up to it
        raise ConfigError(shown, f"is no YAML: {str(error).splitlines()[0]}") from None
