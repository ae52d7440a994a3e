"""Recognises the next event of a run whose name, count and time are known: one match and one hash a line.

The line that the payload asks for is put together and must be the line that is there. That one comparison judges the
constants of run and kind, the number, the order of the keys and the ``event_id``; a pattern judges the payload, field
by field by the contract table. A line that is not recognised is left to the strict check, which finds nothing wrong
with one that is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple
from unicodedata import is_normalized

from c2lib.core.canon import EVENT_ID_KIND, MAX_INTEGER
from c2lib.core.contract import IDENTIFIER_PATTERN, PAYLOADS, SHA256_PATTERN, TIME_PATTERN, Field, FieldKind
from c2lib.core.decimals import DECIMAL_PATTERN
from c2lib.core.vocabulary import EVENT_SCHEMA, EventKind
from c2lib.witness.lines import MAX_DECIMAL, encode

Values = tuple[Any, ...]
"""The values of one payload, in the order of :data:`SORTED_FIELDS`; decimals are :class:`~decimal.Decimal`."""

RECOGNISED_KINDS = tuple(
    kind for kind in EventKind if kind not in (EventKind.SESSION_START, EventKind.SESSION_STOP, EventKind.REJECTED)
)
"""The kinds that may stand anywhere; of the others a run has one, whose place must be judged."""

MOST_KNOWN = 4096
"""Most decimal texts that are remembered."""

decimal = lru_cache(MOST_KNOWN)(Decimal)
"""``decimal(text)`` returns the decimal that a canonical text stands for."""

SORTED_FIELDS: Mapping[str, tuple[Field, ...]] = {
    kind.value: tuple(sorted(fields, key=lambda field: field.name)) for kind, fields in PAYLOADS.items()
}
"""The fields of each kind's payload, in the order in which a line has them."""


def values_of(kind: str, payload: Mapping[str, Any]) -> Values:
    """Return the values of a payload that keeps the contract; what it carries beyond that is left out."""
    return tuple(
        decimal(payload[field.name])
        if field.kind is FieldKind.DECIMAL and payload[field.name] is not None
        else payload[field.name]
        for field in SORTED_FIELDS[kind]
    )


_EXPRESSIONS = {
    FieldKind.INTEGER: "int({0})",
    FieldKind.DECIMAL: "decimal({0})",
    FieldKind.TEXT: r"""loads(f'"{{{0}}}"') if "\\" in {0} else {0}""",
    FieldKind.TEXT_LIST: "loads({0})",
}


def compile_values(kind: str) -> Callable[[Sequence[str | None]], Values]:
    """Return a function that makes a payload's values of their JSON texts without quotes, ``None`` for null.

    >>> compile_values("STRATEGY_TICK")(("7", "T", "1.5", "HOLD"))
    (7, 'T', Decimal('1.5'), 'HOLD')
    """
    expressions = []
    for field in SORTED_FIELDS[kind]:
        made = _EXPRESSIONS.get(field.kind, "{0}").format(field.name)
        expressions.append(f"None if {field.name} is None else {made}" if field.nullable else made)
    names = ", ".join(field.name for field in SORTED_FIELDS[kind])
    source = f"def values(texts):\n    {names}, = texts\n    return {', '.join(expressions)},"
    namespace: dict[str, Any] = {"decimal": decimal, "loads": json.loads}
    exec(compile(source, f"<values of {kind}>", "exec"), namespace)  # noqa: S102 - the source is the contract table
    made_of: Callable[[Sequence[str | None]], Values] = namespace["values"]
    return made_of


_PIECE = r'[^"\\\x00-\x1f\ud800-\udfff]*+'
_ESCAPE = r'\\(?:["\\bfnrt]|u00(?:0[0-7bef]|1[0-9a-f]))'
_TEXT = rf"{_PIECE}(?:{_ESCAPE}{_PIECE})*+"
"""Text as canonical JSON writes it, which escapes nothing but what it must."""

_QUOTED = {
    FieldKind.DECIMAL: rf'(?=[^"]{{1,{MAX_DECIMAL}}}"){DECIMAL_PATTERN}',
    FieldKind.TIME: TIME_PATTERN,
    FieldKind.SHA256: SHA256_PATTERN,
    FieldKind.IDENTIFIER: IDENTIFIER_PATTERN,
    FieldKind.TEXT: _TEXT,
}

_SMALL_INTEGER = "(0|[1-9][0-9]{0,14})"
"""Fifteen digits at most, so that no comparison with 2**53 is needed."""


def value_pattern(field: Field) -> str:
    """Return a pattern of the JSON text of a good value; its group holds the value without quotes, nothing for null."""
    if field.kind is FieldKind.INTEGER:
        return f"(?:null|{_SMALL_INTEGER})" if field.nullable else _SMALL_INTEGER
    if field.kind is FieldKind.TEXT_LIST:
        return rf'(\[(?:"{_TEXT}"(?:,"{_TEXT}")*+)?\])'
    inner = "|".join(map(re.escape, field.choices)) if field.choices else _QUOTED[field.kind]
    quoted = f'"({inner})"'
    return f"(?:null|{quoted})" if field.nullable else quoted


Recognised = tuple[str, str, str, Values]
"""What a line holds: its kind, its id, its time and its payload's values."""

Recogniser = Callable[[str, int, str], Recognised | None]
"""``recognise(line, ts_sim, ts_utc)`` returns what a line holds that is event ``ts_sim``, at ``ts_utc`` or later."""

_OPENING = '{"event_id":"'
_TYPE = '","event_type":"'
_KIND_AT = len(_OPENING) + 64 + len(_TYPE)
_HINT = 11
"""So many characters, from the kind's first on, tell the kinds apart."""

_TIME_KEY = ',"ts_utc":"'
_is_time = re.compile(TIME_PATTERN, re.ASCII).fullmatch


class _Form(NamedTuple):
    """What the lines of a kind have in common."""

    kind: str
    match: Callable[[str], re.Match[str] | None]
    values: Callable[[Sequence[str | None]], Values]
    has_texts: bool
    start: int
    line_head: str
    id_head: str


def _form(kind: str) -> _Form:
    payload = ",".join(f'"{field.name}":{value_pattern(field)}' for field in SORTED_FIELDS[kind])
    line_head = f'{_TYPE}{kind}","payload":'
    return _Form(
        kind,
        re.compile(rf"\{{{payload}\}}", re.ASCII).fullmatch,
        compile_values(kind),
        any(field.kind in (FieldKind.TEXT, FieldKind.TEXT_LIST) for field in SORTED_FIELDS[kind]),
        len(_OPENING) + 64 + len(line_head),
        line_head,
        f'{{"event_type":"{kind}","kind":"{EVENT_ID_KIND}","payload":',
    )


_FORMS: Mapping[str, _Form] = {
    form.line_head[len(_TYPE) :][:_HINT]: form for form in (_form(kind.value) for kind in RECOGNISED_KINDS)
}


def recogniser_of(run_id: str, strategy_id: str) -> Recogniser:
    """Return the recogniser of the lines of a run; both names must keep the contract.

    Its lines are texts decoded from UTF-8, with a lone surrogate for each byte that is none.

    >>> recogniser_of("run_demo_001", "strat_demo")("{}", 1, "2026-01-01T00:00:00+00:00") is None
    True
    """
    run, strategy = encode(run_id), encode(strategy_id)
    middle = f',"run_id":{run},"schema_version":"{EVENT_SCHEMA}","strategy_id":{strategy},"ts_sim":'
    id_middle = f',"run_id":{run},"strategy_id":{strategy},"ts_sim":'
    form_of = _FORMS.get

    def recognise(line: str, ts_sim: int, ts_utc: str) -> Recognised | None:
        form = form_of(line[_KIND_AT : _KIND_AT + _HINT])
        if form is None:
            return None
        kind, match, values, has_texts, start, line_head, id_head = form
        tail = f'{middle}{ts_sim}{_TIME_KEY}{ts_utc}"}}'
        if not line.endswith(tail):
            time = line[line.rfind(_TIME_KEY) + len(_TIME_KEY) : -2]
            if time < ts_utc or not _is_time(time):
                return None
            ts_utc = time
            tail = f'{middle}{ts_sim}{_TIME_KEY}{ts_utc}"}}'
        payload = line[start : -len(tail)]
        good = match(payload)
        if good is None or ts_sim > MAX_INTEGER:
            return None
        # a quote stands before every text and joins with no letter: texts of a payload in NFC are in NFC
        if has_texts and not payload.isascii() and not is_normalized("NFC", payload):
            return None
        event_id = sha256(f"{id_head}{payload}{id_middle}{ts_sim}}}".encode()).hexdigest()
        if line != f"{_OPENING}{event_id}{line_head}{payload}{tail}":
            return None
        return kind, event_id, ts_utc, values(good.groups())

    return recognise
