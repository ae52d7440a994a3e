"""Configs from files and flags: YAML or JSON in, one :class:`DryrunConfig` out.

Rules kept here:

* a file is a regular file of at most a megabyte, and plain data;
* what stands in the file is typed as it stands there, and the sealed model is strict about types;
* flags win over the file.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from c2lib.app.input_files import read_input
from c2lib.app.plain_json import parse_json
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError

MAX_CONFIG_BYTES = 1_000_000


def read_config_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the mapping of a ``.yaml``, ``.yml`` or ``.json`` file; raise :class:`ConfigError` naming the file."""
    shown = Path(path).name or str(path)
    try:
        data = read_input(path, MAX_CONFIG_BYTES)
    except OSError as error:
        raise ConfigError(shown, f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError(shown, f"is larger than {MAX_CONFIG_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(shown, f"is not UTF-8 at byte {error.start}") from None
    values = _parse(text, shown)
    if not isinstance(values, dict):
        raise ConfigError(shown, "must be a mapping of field names to values")
    return values


def _parse(text: str, shown: str) -> Any:
    if not shown.lower().endswith(".json"):
        # a run without a YAML file has no use for the library
        from c2lib.app.plain_yaml import parse_yaml

        return parse_yaml(text, shown)
    try:
        return parse_json(text, shown)
    except ValueError as error:
        raise ConfigError(shown, f"is no JSON: {error}") from None


def parse_assignment(assignment: str) -> tuple[list[str], Any]:
    """Return the dotted field as a list, and the value, of ``FIELD=VALUE``: JSON where it is JSON, else text."""
    field, equals, text = assignment.partition("=")
    if not equals or not all(part.isidentifier() for part in field.split(".")):
        raise ConfigError("--set", "write FIELD=VALUE, such as broker.initial_cash='\"5000\"'")
    try:
        return field.split("."), parse_json(text, f"--set {field}")
    except ValueError:
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
