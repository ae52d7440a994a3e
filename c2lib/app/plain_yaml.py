"""YAML that is plain data: no aliases, no tags, no surprises.

Rules kept here:

* what JSON could not say is refused with its line: aliases, tags, a field twice, a field name that is no text;
* a word without quotes is what JSON takes it for, else text (YAML 1.2, section 10.2, with text for the rest):
  ``on``, ``1_000``, ``017``, ``1:30`` and ``2026-01-01`` are no truth, no numbers and no time.

>>> parse_yaml("{steps: 64, enabled: off, clock_start: 2026-01-01}", "run.yaml")
{'steps': 64, 'enabled': 'off', 'clock_start': '2026-01-01'}
"""

from __future__ import annotations

import re
from typing import Any, NoReturn, cast

import yaml

from c2lib.app.plain_json import DEEP, MAX_NESTING, twice, whole_number
from c2lib.core.errors import ConfigError

_TAG = "tag:yaml.org,2002:"
_WHOLE = r"-?(?:0|[1-9][0-9]*)"
_WORDS = (
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    ("int", _WHOLE, list("-0123456789")),
    ("float", rf"{_WHOLE}(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", list("-0123456789")),
)
"""The types that a word without quotes can have, the form and the first characters of each."""


def _refuse(problem: str, mark: Any) -> NoReturn:
    raise yaml.MarkedYAMLError(None, None, problem, mark)


class _PlainLoader(yaml.SafeLoader):
    """A SafeLoader that knows the types of JSON alone."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        # the stubs leave peek_event untyped
        event = cast(Any, self).peek_event()
        if self.check_event(yaml.AliasEvent):
            _refuse("aliases are refused", event.start_mark)
        if event.tag is not None:
            _refuse("tags are refused", event.start_mark)
        self._depth += 1
        if self._depth > MAX_NESTING:
            _refuse(DEEP, event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names: set[str] = set()
        for key, _ in node.value:
            if key.tag != f"{_TAG}str":
                _refuse("a field name must be text", key.start_mark)
            if key.value in names:
                _refuse(twice(key.value), key.start_mark)
            names.add(key.value)
        return super().construct_mapping(node, deep=deep)


_PlainLoader.yaml_implicit_resolvers = {}
for _kind, _form, _beginnings in _WORDS:
    _PlainLoader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(f"^{_form}$"), _beginnings)
_PlainLoader.add_constructor(f"{_TAG}int", lambda _, node: whole_number(node.value))


def parse_yaml(text: str, shown: str) -> Any:
    """Return the value of a YAML text; raise :class:`ConfigError` with the line for anything but plain data."""
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader made stricter
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{shown}{line}", f"{error.problem}") from None
    except yaml.YAMLError as error:
        # a character that YAML does not have; the rest of the message tells where, by counting characters
        raise ConfigError(shown, f"is no YAML: {str(error).splitlines()[0]}") from None
