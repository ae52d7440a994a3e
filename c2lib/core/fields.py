"""What a field of an artifact may hold, said once for the encoder, the witness and the JSON Schema.

Rules kept here:

* a :class:`FieldKind` fixes the JSON type, the exact text form and whether people can put free text there;
* free text (``TEXT``, ``TEXT_LIST``, ``OBJECT``) is what redaction looks at, and nothing else is.

>>> Field("quantity", FieldKind.DECIMAL, "lots times lot size").json_schema()["type"]
'string'
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from c2lib.core.canon import MAX_INTEGER
from c2lib.core.decimals import DECIMAL_PATTERN

IDENTIFIER_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._/=:^+-]{0,127}"
"""Names that c2lib or the config vouches for: ASCII, and the same inside a JSON string as outside it."""

SHA256_PATTERN = r"[0-9a-f]{64}"

_LEAP_YEAR = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
TIME_PATTERN = (
    r"(?:(?!0000)[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    rf"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}-02-29)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.(?!000000)[0-9]{6})?\+00:00"
)
"""``datetime.isoformat()`` of an instant in UTC: a day that the calendar has, and no fraction of nothing."""


class FieldKind(Enum):
    """The forms that a field can take."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    TIME = "time"
    SHA256 = "sha256"
    IDENTIFIER = "identifier"
    CHOICE = "choice"
    TEXT = "text"
    TEXT_LIST = "text list"
    OBJECT = "object"


FREE_TEXT_KINDS = frozenset({FieldKind.TEXT, FieldKind.TEXT_LIST, FieldKind.OBJECT})

_PATTERNS = {
    FieldKind.DECIMAL: DECIMAL_PATTERN,
    FieldKind.TIME: TIME_PATTERN,
    FieldKind.SHA256: SHA256_PATTERN,
    FieldKind.IDENTIFIER: IDENTIFIER_PATTERN,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name, form and meaning.

    ``choices`` is the vocabulary of a ``CHOICE``; ``negative`` allows an ``INTEGER`` below zero.
    """

    name: str
    kind: FieldKind
    meaning: str
    nullable: bool = False
    choices: tuple[str, ...] = ()
    negative: bool = False

    @property
    def is_free_text(self) -> bool:
        """Whether people or foreign code can put text of their own here."""
        return self.kind in FREE_TEXT_KINDS

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of this field."""
        schema: dict[str, Any] = {"description": self.meaning}
        if self.kind is FieldKind.INTEGER:
            low = -MAX_INTEGER if self.negative else 0
            schema |= {"type": "integer", "minimum": low, "maximum": MAX_INTEGER}
        elif self.kind is FieldKind.CHOICE:
            schema |= {"type": "string", "enum": list(self.choices)}
        elif self.kind is FieldKind.OBJECT:
            schema |= {"type": "object"}
        elif self.kind is FieldKind.TEXT_LIST:
            schema |= {"type": "array", "items": {"type": "string"}}
        else:
            schema |= {"type": "string"}
            if self.kind in _PATTERNS:
                schema["pattern"] = f"^{_PATTERNS[self.kind]}$"
                # some engines let $ match before a last newline
                schema["not"] = {"type": "string", "pattern": "\n"}
        if self.nullable:
            schema["type"] = [schema["type"], "null"]
            if "enum" in schema:
                schema["enum"] = [*schema["enum"], None]
        return schema

    def problem_with(self, value: Any) -> str | None:
        """Say what is wrong with ``value`` in this field, or ``None`` when nothing is."""
        if value is None:
            return None if self.nullable else "is null"
        if self.kind is FieldKind.INTEGER:
            return self._integer_problem(value)
        if self.kind is FieldKind.OBJECT:
            return None if isinstance(value, dict) else "is not an object"
        if self.kind is FieldKind.TEXT_LIST:
            good = isinstance(value, list) and all(isinstance(item, str) for item in value)
            return None if good else "is not a list of texts"
        if not isinstance(value, str):
            return f"is not text but {type(value).__name__}"
        if self.kind is FieldKind.CHOICE and value not in self.choices:
            return f"is not one of {', '.join(self.choices)}"
        pattern = _PATTERNS.get(self.kind)
        if pattern and not re.fullmatch(pattern, value, re.ASCII):
            return f"is not a {self.kind.value}"
        return None

    def _integer_problem(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return "is not an integer"
        if abs(value) > MAX_INTEGER or (value < 0 and not self.negative):
            return "is out of range"
        return None


def free_text_names(fields: tuple[Field, ...]) -> tuple[str, ...]:
    """Return the names of the fields that redaction has to look at."""
    return tuple(field.name for field in fields if field.is_free_text)
