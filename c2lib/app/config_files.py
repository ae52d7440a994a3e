"""Configs from files and flags: YAML or JSON in, one :class:`DryrunConfig` out.

Rules kept here:

* a file is plain data: no aliases, no tags, no duplicate keys, at most a megabyte, nested at most so deep;
* what stands in the file is typed as it stands there, and the sealed model is strict about types;
* flags win over the file.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError

MAX_CONFIG_BYTES = 1_000_000
MAX_NESTING = 20


def read_config_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the mapping of a ``.yaml``, ``.yml`` or ``.json`` file; raise :class:`ConfigError` naming the file."""
    shown = Path(path).name
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise ConfigError(shown, f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError(shown, f"is larger than {MAX_CONFIG_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(shown, f"is not UTF-8 at byte {error.start}") from None
    values = _parse_json(text, shown) if shown.lower().endswith(".json") else parse_yaml(text, shown)
    if not isinstance(values, dict):
        raise ConfigError(shown, "must be a mapping of field names to values")
    return values


def _parse_json(text: str, shown: str) -> Any:
    try:
        return _plain_json(text, shown)
    except (ValueError, RecursionError) as error:
        raise ConfigError(shown, f"is no JSON: {_first_line(error)}") from None


def _plain_json(text: str, shown: str) -> Any:
    """Return the value of a JSON text; raise :class:`ConfigError` for what is JSON but not plain data."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) != len(pairs):
            raise ConfigError(shown, "a field stands there twice")
        return values

    value = json.loads(text, object_pairs_hook=unique)
    if _is_deep(value, MAX_NESTING):
        raise ConfigError(shown, f"nested deeper than {MAX_NESTING}")
    return value


def _is_deep(value: Any, bound: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return bound < 1 or any(_is_deep(item, bound - 1) for item in inner)


def parse_yaml(text: str, shown: str) -> Any:
    """Return the value of a YAML text; raise :class:`ConfigError` with the line for anything but plain data."""
    import yaml

    class PlainLoader(yaml.SafeLoader):
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            # the stubs leave peek_event untyped
            event = cast(Any, self).peek_event()
            mark = event.start_mark
            if self.check_event(yaml.AliasEvent):
                raise yaml.composer.ComposerError(None, None, "aliases are refused", mark)
            if event.tag is not None:
                raise yaml.composer.ComposerError(None, None, "tags are refused", mark)
            self.depth += 1
            if self.depth > MAX_NESTING:
                raise yaml.composer.ComposerError(None, None, f"nested deeper than {MAX_NESTING}", mark)
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names = [key.value for key, _ in node.value]
            if len(set(map(str, names))) != len(names):
                raise yaml.constructor.ConstructorError(None, None, "a field stands there twice", node.start_mark)
            return super().construct_mapping(node, deep=deep)

    try:
        return yaml.load(text, Loader=PlainLoader)  # noqa: S506 - a SafeLoader made stricter
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{shown}{line}", f"{error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(shown, f"is no YAML: {_first_line(error)}") from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def parse_assignment(assignment: str) -> tuple[list[str], Any]:
    """Return the dotted field as a list, and the value, of ``FIELD=VALUE``: JSON where it is JSON, else text."""
    field, equals, text = assignment.partition("=")
    if not equals or not all(part.isidentifier() for part in field.split(".")):
        raise ConfigError("--set", "write FIELD=VALUE, such as broker.initial_cash='\"5000\"'")
    try:
        return field.split("."), _plain_json(text, f"--set {field}")
    except (ValueError, RecursionError):
        return field.split("."), text


def merge(values: dict[str, Any], field: list[str], value: Any) -> None:
    """Set a dotted field in nested mappings; raise :class:`ConfigError` when a part of it is no mapping."""
    for depth, part in enumerate(field[:-1]):
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(".".join(field[: depth + 1]), "is no mapping")
        values = inner
    values[field[-1]] = value


def config_of(base: Mapping[str, Any], flags: list[tuple[list[str], Any]]) -> DryrunConfig:
    """Return the config of a file's values and the flags that win over them."""
    values = copy.deepcopy(dict(base))
    for field, value in flags:
        merge(values, field, value)
    return DryrunConfig.parse(values)
