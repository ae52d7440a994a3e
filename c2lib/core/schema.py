"""The JSON Schemas of the artifacts, made from the contract tables.

A schema has what a table has: exact keys, each required. What JSON Schema cannot say (no float that happens to be
whole, canonical text, hashes that fit) is for the witness to check.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from c2lib.core.contract import (
    AUDIT_FIELDS,
    EVENT_FIELDS,
    MANIFEST_FIELDS,
    METRICS_FIELDS,
    PAYLOADS,
    SNAPSHOT_FIELDS,
    Field,
)
from c2lib.core.vocabulary import Artifact

SCHEMA_OF: Mapping[Artifact, tuple[str, tuple[Field, ...]]] = {
    Artifact.EVENTS: ("event.schema.json", EVENT_FIELDS),
    Artifact.SNAPSHOTS: ("state_snapshot.schema.json", SNAPSHOT_FIELDS),
    Artifact.AUDIT: ("audit_entry.schema.json", AUDIT_FIELDS),
    Artifact.METRICS: ("metrics.schema.json", METRICS_FIELDS),
    Artifact.MANIFEST: ("run_manifest.schema.json", MANIFEST_FIELDS),
}
"""File name and fields of the schema that a line of a ``.jsonl`` or the object of a ``.json`` artifact fits."""


def _object(fields: tuple[Field, ...], *, closed: bool) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {field.name: field.json_schema() for field in fields},
        "required": [field.name for field in fields],
        "additionalProperties": not closed,
    }


def _payload_rules() -> dict[str, Any]:
    """Return the rules that give an event's payload the fields of its kind; it may carry more."""
    return {
        "$defs": {kind.value: _object(fields, closed=False) for kind, fields in PAYLOADS.items()},
        "allOf": [
            {
                "if": {"properties": {"event_type": {"const": kind.value}}, "required": ["event_type"]},
                "then": {"properties": {"payload": {"$ref": f"#/$defs/{kind.value}"}}},
            }
            for kind in PAYLOADS
        ],
    }


def schemas() -> dict[str, dict[str, Any]]:
    """Return every schema by its file name."""
    found = {}
    for artifact, (name, fields) in SCHEMA_OF.items():
        unit = "A line" if artifact.value.endswith(".jsonl") else "The object"
        head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{unit} of {artifact.value}"}
        rules = _payload_rules() if artifact is Artifact.EVENTS else {}
        found[name] = {**head, **_object(fields, closed=True), **rules}
    return found


def schema_texts() -> dict[str, str]:
    """Return every schema as its file holds it: indented, keys sorted, one newline at the end."""
    return {
        name: json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for name, schema in schemas().items()
    }
