r"""Recognises the lines of ``events.jsonl`` that keep the contract beyond doubt, in one look each.

Rules kept here:

* one pattern per event kind, compiled from the contract table: it matches only lines that are canonical, have
  exactly the fields of their kind, and each in its form;
* a line that it does not match is not wrong for that: it is judged closely, field by field;
* what it matches, a close look finds the same in, and nothing wrong: that is tested, since speed is all that
  this module is for.

>>> quick_event(b'{"event_id":"0"}') is None
True
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from c2lib.core.canon import EVENT_ID_KIND
from c2lib.core.contract import EVENT_FIELDS, PAYLOADS
from c2lib.core.decimals import DECIMAL_PATTERN
from c2lib.core.fields import IDENTIFIER_PATTERN, SHA256_PATTERN, TIME_PATTERN, Field, FieldKind
from c2lib.core.vocabulary import EventKind
from c2lib.witness.checks import MAX_DECIMAL

PLAIN_TEXT = r"[ !#-\[\]-~]*"
"""Printable ASCII that JSON writes as it is."""

_QUOTED = {
    FieldKind.DECIMAL: rf'(?=[^"]{{1,{MAX_DECIMAL}}}"){DECIMAL_PATTERN}',
    FieldKind.TIME: TIME_PATTERN,
    FieldKind.SHA256: SHA256_PATTERN,
    FieldKind.IDENTIFIER: IDENTIFIER_PATTERN,
    FieldKind.TEXT: PLAIN_TEXT,
}

_SMALL_INTEGER = "(0|[1-9][0-9]{0,14})"
"""Fifteen digits at most, so that no comparison with 2**53 is needed."""

_KIND_AT = len('{"event_id":"","event_type":"') + 64


def value_pattern(field: Field) -> str:
    """Return a pattern of the JSON text of a good value; its group holds the value without quotes, nothing for null."""
    if field.kind is FieldKind.INTEGER:
        return _SMALL_INTEGER
    if field.kind is FieldKind.TEXT_LIST:
        return r"(\[\])"
    inner = "|".join(map(re.escape, field.choices)) if field.choices else _QUOTED[field.kind]
    quoted = f'"({inner})"'
    return f"(?:null|{quoted})" if field.nullable else quoted


class _LineForm(NamedTuple):
    """The pattern of a kind's lines, and how its groups become a payload."""

    match: Any
    names: tuple[str, ...]
    integers: tuple[str, ...]
    lists: tuple[str, ...]


def _form(kind: EventKind) -> _LineForm:
    fields = sorted(PAYLOADS[kind], key=lambda field: field.name)
    payload = r"(\{" + ",".join(f'"{field.name}":{value_pattern(field)}' for field in fields) + r"\})"
    parts = []
    for field in sorted(EVENT_FIELDS, key=lambda field: field.name):
        form = payload if field.kind is FieldKind.OBJECT else value_pattern(field)
        # the payload must be that of the kind itself, not of one of the kinds
        parts.append(f'"{field.name}":' + (f'"({kind})"' if field.name == "event_type" else form))
    return _LineForm(
        re.compile(r"\{" + ",".join(parts) + r"\}", re.ASCII).fullmatch,
        tuple(field.name for field in fields),
        tuple(field.name for field in fields if field.kind is FieldKind.INTEGER),
        tuple(field.name for field in fields if field.kind is FieldKind.TEXT_LIST),
    )


_FORMS: Mapping[str, _LineForm] = {kind.value: _form(kind) for kind in EventKind}


def quick_event(data: bytes) -> tuple[dict[str, Any], str] | None:
    """Return the event of a line and the ``event_id`` that follows from it; ``None`` asks for a close look."""
    if not data.isascii():
        return None
    text = data.decode("ascii")
    form = _FORMS.get(text[_KIND_AT : text.find('"', _KIND_AT)])
    match = form.match(text) if form else None
    if form is None or match is None:
        return None
    event_id, kind, body, *values, run_id, schema, strategy_id, number, ts_utc = match.groups()
    payload = dict(zip(form.names, values, strict=True))
    for name in form.integers:
        payload[name] = int(payload[name])
    for name in form.lists:
        payload[name] = []
    event = {
        "event_id": event_id,
        "event_type": kind,
        "payload": payload,
        "run_id": run_id,
        "schema_version": schema,
        "strategy_id": strategy_id,
        "ts_sim": int(number),
        "ts_utc": ts_utc,
    }
    preimage = (
        f'{{"event_type":"{kind}","kind":"{EVENT_ID_KIND}","payload":{body},'
        f'"run_id":"{run_id}","strategy_id":"{strategy_id}","ts_sim":{number}}}'
    )
    return event, sha256(preimage.encode("ascii")).hexdigest()
