"""How events, audit entries and other objects become lines: each is the canonical JSON of :mod:`c2lib.core.canon`.

One emitter per event kind is compiled from the contract table, with the run's constants in it: the payload is encoded
once and set into both the id's preimage and the line. It takes the payload's values in the order of the table, texts
already cleaned; an event counts once its line was taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any, Protocol

from c2lib.core.canon import EVENT_ID_KIND, canonical_json, sha256_hex
from c2lib.core.contract import PAYLOADS, Field, FieldKind
from c2lib.core.vocabulary import EVENT_SCHEMA, EventKind

EventEmitter = Callable[..., None]
"""``emit(*values)``, the payload's values in the order of the contract table."""


class EventLog(Protocol):
    """Where events go: ``ts`` is the time in their lines, ``events_emitted`` the number of the next one."""

    ts: str
    events_emitted: int

    @property
    def retries(self) -> Sequence[object]:
        """What waits to be settled; always the same object."""

    def take(self, line: str) -> None:
        """Take a line, or raise."""

    def settle(self) -> None:
        """Do what had to wait until the event counts."""


def _quoted_list(items: list[str]) -> str:
    return "[" + ",".join(map(encode_basestring, items)) + "]"


_ENCODED = {FieldKind.INTEGER: "str({0})", FieldKind.TEXT: "_quote({0})", FieldKind.TEXT_LIST: "_quoted_list({0})"}
"""Source that encodes a variable by the kind of its field; any other kind needs nothing but quotes around it."""


def _expression(field: Field) -> str:
    """Return the source of an expression that encodes the variable named like the field."""
    text = _ENCODED.get(field.kind, "'\"' + {0} + '\"'").format(field.name)
    return f"('null' if {field.name} is None else {text})" if field.nullable else text


def _payload_source(fields: tuple[Field, ...]) -> tuple[list[str], str]:
    """Return the statements that prepare a payload's texts, and the f-string that joins them."""
    prepared, members = [], []
    for field in sorted(fields, key=lambda item: item.name):
        placeholder = "{" + field.name + "}"
        plain = not field.nullable and not field.is_free_text
        if not plain:
            prepared.append(f"    {field.name} = {_expression(field)}")
        elif field.kind is not FieldKind.INTEGER:
            placeholder = f'"{placeholder}"'
        members.append(f'"{field.name}":{placeholder}')
    return prepared, "{{" + ",".join(members) + "}}"


def compile_event_emitter(kind: EventKind, run_id: str, strategy_id: str, log: EventLog) -> EventEmitter:
    """Return the emitter of one event kind for one run."""
    fields = PAYLOADS[kind]
    prepared, payload = _payload_source(fields)
    run, strategy = encode_basestring(run_id), encode_basestring(strategy_id)
    names = ", ".join(field.name for field in fields)
    preimage = "{_id_head}{payload}{_id_middle}{ts_sim}}}"
    line = '{{"event_id":"{event_id}{_line_head}{payload}{_line_middle}{ts_sim},"ts_utc":"{_log.ts}"}}\\n'
    source = "\n".join(
        (
            f"def emit({names}):",
            *prepared,
            f"    payload = f'{payload}'",
            "    ts_sim = _log.events_emitted",
            f"    event_id = _sha256(f'{preimage}'.encode()).hexdigest()",
            f"    _take(f'{line}')",
            "    _log.events_emitted = ts_sim + 1",
            "    if _retries:",
            "        _settle()",
        )
    )
    constants: dict[str, Any] = {
        "_log": log,
        "_take": log.take,
        "_retries": log.retries,
        "_settle": log.settle,
        "_sha256": hashlib.sha256,
        "_quote": encode_basestring,
        "_quoted_list": _quoted_list,
        "_id_head": f'{{"event_type":"{kind}","kind":"{EVENT_ID_KIND}","payload":',
        "_id_middle": f',"run_id":{run},"strategy_id":{strategy},"ts_sim":',
        "_line_head": f'","event_type":"{kind}","payload":',
        "_line_middle": f',"run_id":{run},"schema_version":"{EVENT_SCHEMA}","strategy_id":{strategy},"ts_sim":',
    }
    exec(compile(source, f"<emitter of {kind}>", "exec"), constants)  # noqa: S102 - the source is the contract table
    emitter: EventEmitter = constants["emit"]
    return emitter


def object_line(value: Mapping[str, Any]) -> str:
    """Return any artifact object as its line."""
    return canonical_json(value) + "\n"


def audit_line(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return the line and the ``entry_hash`` of an audit entry given without that hash."""
    text = canonical_json(entry)
    digest = sha256_hex(text.encode())
    after_code = len(canonical_json({"code": entry["code"]})) - 1
    return f'{text[:after_code]},"entry_hash":"{digest}"{text[after_code:]}\n', digest
