r"""Recognises the next event of a run whose name, count and time are known: one match and one hash a line.

Rules kept here:

* the line that the payload asks for is put together and must be the line that is there, byte for byte: so the
  constants of run and kind, the number, the order of the keys and the ``event_id`` are judged by one comparison;
* what is left to a pattern is the payload, field by field by the contract table;
* a line that is not recognised is not wrong for that: it is judged closely, by those who can say what is wrong;
* what is recognised, a close look finds nothing wrong in: that is tested, since speed is all that this module is
  for.

Lines are texts of one character per byte (Latin-1), so that any file has them.

>>> recognise("run_demo_001", "strat_demo")("{}", 1, "2026-01-01T00:00:00+00:00") is None
True
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from c2lib.core.canon import EVENT_ID_KIND, MAX_INTEGER
from c2lib.core.contract import (
    EVENT_FIELDS,
    IDENTIFIER_PATTERN,
    PAYLOADS,
    SHA256_PATTERN,
    TIME_PATTERN,
    Field,
    FieldKind,
)
from c2lib.core.decimals import DECIMAL_PATTERN
from c2lib.core.vocabulary import EVENT_SCHEMA, EventKind
from c2lib.witness.lines import MAX_DECIMAL

Values = tuple[Any, ...]
"""The values of one payload."""

FREQUENT_KINDS = (
    EventKind.STRATEGY_TICK,
    EventKind.ORDER_SUBMITTED,
    EventKind.ORDER_ACKNOWLEDGED,
    EventKind.ORDER_REJECTED,
    EventKind.ORDER_CANCELLED,
    EventKind.ORDER_EXPIRED,
    EventKind.FILL,
)
"""The kinds of which a run can have as many as it has bars."""

MOST_KNOWN = 4096
"""Most decimal texts that are remembered."""

number = lru_cache(MOST_KNOWN)(Decimal)
"""``number(text)`` returns the decimal that a canonical text stands for."""

SORTED_FIELDS: Mapping[str, tuple[Field, ...]] = {
    kind.value: tuple(sorted(fields, key=lambda field: field.name)) for kind, fields in PAYLOADS.items()
}
"""The fields of each kind's payload, in the order in which a line has them."""


def values_of(kind: str, payload: Mapping[str, Any]) -> Values:
    """Return the values of a payload that keeps the contract; what it carries beyond that is left out."""
    return tuple(
        number(payload[field.name])
        if field.kind is FieldKind.DECIMAL and payload[field.name] is not None
        else payload[field.name]
        for field in SORTED_FIELDS[kind]
    )


def _expression(field: Field) -> str:
    function = {FieldKind.INTEGER: "int", FieldKind.DECIMAL: "number"}.get(field.kind)
    made = f"{function}({field.name})" if function else field.name
    return f"None if {field.name} is None else {made}" if function and field.nullable else made


def compile_values(kind: str) -> Callable[[Sequence[str | None]], Values]:
    """Return a function that makes a payload's values of their texts, ``None`` for null.

    >>> compile_values("STRATEGY_TICK")(("7", "T", "1.5", "HOLD"))
    (7, 'T', Decimal('1.5'), 'HOLD')
    """
    fields = SORTED_FIELDS[kind]
    names = ", ".join(field.name for field in fields)
    source = f"def values(texts):\n    {names}, = texts\n    return {', '.join(map(_expression, fields))},"
    namespace: dict[str, Any] = {"number": number}
    exec(compile(source, f"<values of {kind}>", "exec"), namespace)  # noqa: S102 - the source is the contract table
    made: Callable[[Sequence[str | None]], Values] = namespace["values"]
    return made


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


Recognised = tuple[str, str, str, Values]
"""What a line says: its kind, its id, its time and its payload's values."""

Recogniser = Callable[[str, int, str], Recognised | None]
"""``recognise(line, ts_sim, ts_utc)`` returns what a line says that is event ``ts_sim``, at ``ts_utc`` or later."""

_OPENING = '{"event_id":"'
_TYPE = '","event_type":"'
_KIND_AT_next_event = len(_OPENING) + 64 + len(_TYPE)
_HINT = 11
"""So many characters, from the kind's first on, tell the kinds apart."""

_TIME_KEY = ',"ts_utc":"'
_is_time = re.compile(TIME_PATTERN, re.ASCII).fullmatch
_is_plain = re.compile(PLAIN_TEXT, re.ASCII).fullmatch


class _Form(NamedTuple):
    """What the lines of a kind have in common."""

    kind: str
    match: Callable[[str], re.Match[str] | None]
    values: Callable[[Sequence[str | None]], Values]
    start: int
    line_head: str
    id_head: str


def _form_next_event(kind: str) -> _Form:
    fields = SORTED_FIELDS[kind]
    payload = r"\{" + ",".join(f'"{field.name}":{value_pattern(field)}' for field in fields) + r"\}"
    line_head = f'{_TYPE}{kind}","payload":'
    return _Form(
        kind,
        re.compile(payload, re.ASCII).fullmatch,
        compile_values(kind),
        len(_OPENING) + 64 + len(line_head),
        line_head,
        f'{{"event_type":"{kind}","kind":"{EVENT_ID_KIND}","payload":',
    )


def _hint(form: _Form) -> str:
    return form.line_head[len(_TYPE) :][:_HINT]


_FORMS_next_event: Mapping[str, _Form] = {
    _hint(form): form for form in (_form_next_event(kind.value) for kind in FREQUENT_KINDS)
}


def _later_time(line: str, ts_utc: str) -> str | None:
    """Return the time that a line ends with when it has the form and is not before ``ts_utc``."""
    time = line[line.rfind(_TIME_KEY) + len(_TIME_KEY) : -2]
    return time if time >= ts_utc and _is_time(time) else None


def recognise(run_id: str, strategy_id: str) -> Recogniser | None:
    """Return the recogniser of a run's lines; ``None`` for names that JSON cannot write as they are."""
    if not (_is_plain(run_id) and _is_plain(strategy_id)):
        return None
    middle = f',"run_id":"{run_id}","schema_version":"{EVENT_SCHEMA}","strategy_id":"{strategy_id}","ts_sim":'
    id_middle = f',"run_id":"{run_id}","strategy_id":"{strategy_id}","ts_sim":'
    form_of = _FORMS_next_event.get

    def recogniser(line: str, ts_sim: int, ts_utc: str) -> Recognised | None:
        form = form_of(line[_KIND_AT_next_event : _KIND_AT_next_event + _HINT])
        if form is None:
            return None
        kind, match, values, start, line_head, id_head = form
        tail = f'{middle}{ts_sim}{_TIME_KEY}{ts_utc}"}}'
        if not line.endswith(tail):
            time = _later_time(line, ts_utc)
            if time is None:
                return None
            ts_utc = time
            tail = f'{middle}{ts_sim}{_TIME_KEY}{ts_utc}"}}'
        payload = line[start : -len(tail)]
        good = match(payload)
        if good is None or ts_sim > MAX_INTEGER:
            return None
        event_id = sha256(f"{id_head}{payload}{id_middle}{ts_sim}}}".encode("ascii")).hexdigest()
        if line != f"{_OPENING}{event_id}{line_head}{payload}{tail}":
            return None
        return kind, event_id, ts_utc, values(good.groups())

    return recogniser
