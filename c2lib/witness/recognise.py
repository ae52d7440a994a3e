"""Recognises the next event of a run whose name, count and time are known: one match and one hash a line.

A pattern made of the contract table judges the payload. The line that such a payload asks for is put together and must
be the line that is there: that judges the constants of run and kind, the number, the order of the keys and the
``event_id``. A line that is not recognised is left to the strict check, which finds nothing wrong with one that is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any
from unicodedata import is_normalized

from c2lib.core.canon import EVENT_ID_KIND, MAX_INTEGER
from c2lib.core.contract import PATTERNS, PAYLOADS, TIME_PATTERN, Field, FieldKind
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

_MAKERS: Mapping[FieldKind, Callable[[Any], Any]] = {
    FieldKind.INTEGER: int,
    FieldKind.DECIMAL: decimal,
    FieldKind.TEXT_LIST: list,
}
_MADE = {
    kind: [(at, _MAKERS[field.kind]) for at, field in enumerate(fields) if field.kind in _MAKERS]
    for kind, fields in SORTED_FIELDS.items()
}


def _made(kind: str, values: list[Any]) -> Values:
    """Return the values of a payload that were given as in JSON, or as texts without quotes."""
    for at, make in _MADE[kind]:
        if values[at] is not None:
            values[at] = make(values[at])
    return tuple(values)


def values_of(kind: str, payload: Mapping[str, Any]) -> Values:
    """Return the values of a payload that keeps the contract; what it carries beyond that is left out."""
    return _made(kind, [payload[field.name] for field in SORTED_FIELDS[kind]])


_PIECE = r'[^"\\\x00-\x1f\ud800-\udfff]*+'
_ESCAPE = r'\\(?:["\\bfnrt]|u00(?:0[0-7bef]|1[0-9a-f]))'
"""What canonical JSON escapes, which is nothing but what it must."""

_INNER = {
    **PATTERNS,
    FieldKind.DECIMAL: rf'(?=[^"]{{1,{MAX_DECIMAL}}}"){PATTERNS[FieldKind.DECIMAL]}',
    FieldKind.TEXT: rf"{_PIECE}(?:{_ESCAPE}{_PIECE})*+",
}


def _pattern(field: Field) -> str:
    """Return a pattern of the JSON text of a usual good value; its group is what :func:`_made` makes the value of."""
    if field.kind is FieldKind.INTEGER:
        # so few digits need no comparison with 2**53
        pattern = "(0|[1-9][0-9]{0,14})"
    elif field.kind is FieldKind.TEXT_LIST:
        pattern = r"\[()\]"
    else:
        pattern = f'"({"|".join(map(re.escape, field.choices)) or _INNER[field.kind]})"'
    return f"(?:null|{pattern})" if field.nullable else pattern


_OPENING, _TYPE, _TIME = '{"event_id":"', '","event_type":"', ',"ts_utc":"'
_KIND_AT = len(_OPENING) + 64 + len(_TYPE)


def _form(kind: str) -> tuple[Callable[[str, int], re.Match[str] | None], int, str, str]:
    """Return the match of a kind's payload, where it starts, and what stands before it: in the line, and in the id."""
    payload = ",".join(f'"{field.name}":{_pattern(field)}' for field in SORTED_FIELDS[kind])
    head, id_head = f'{_TYPE}{kind}","payload":', f'{{"event_type":"{kind}","kind":"{EVENT_ID_KIND}","payload":'
    return re.compile(rf"\{{{payload}\}}", re.ASCII).match, len(_OPENING) + 64 + len(head), head, id_head


_FORMS = {kind.value: _form(kind) for kind in RECOGNISED_KINDS}
_is_time = re.compile(TIME_PATTERN, re.ASCII).fullmatch

Recogniser = Callable[[str, int, str], tuple[str, str, str, Values] | None]
"""``recognise(line, ts_sim, ts_utc)`` returns kind, id, time and values of event ``ts_sim``, at ``ts_utc`` or later."""


def recogniser_of(run_id: str, strategy_id: str) -> Recogniser:
    """Return the recogniser of the lines of a run; both names must keep the contract.

    Its lines are texts decoded from UTF-8, with a lone surrogate for each byte that is none.

    >>> recogniser_of("run_demo_001", "strat_demo")("{}", 1, "2026-01-01T00:00:00+00:00") is None
    True
    """
    run, strategy = encode(run_id), encode(strategy_id)
    middle = f',"run_id":{run},"schema_version":"{EVENT_SCHEMA}","strategy_id":{strategy},"ts_sim":'
    id_middle = f',"run_id":{run},"strategy_id":{strategy},"ts_sim":'

    def recognise(line: str, ts_sim: int, ts_utc: str) -> tuple[str, str, str, Values] | None:
        kind = line[_KIND_AT : line.find('"', _KIND_AT)]
        form = _FORMS.get(kind)
        if form is None:
            return None
        match, start, head, id_head = form
        good = match(line, start)
        if good is None or ts_sim > MAX_INTEGER:
            return None
        payload, time = good[0], ts_utc
        if not line.endswith(f'{_TIME}{time}"}}'):
            time = line[line.rfind(_TIME) + len(_TIME) : -2]
            if time < ts_utc or not _is_time(time):
                return None
        # a quote stands before every text and joins with no letter: texts of a payload in NFC are in NFC
        if not payload.isascii() and not is_normalized("NFC", payload):
            return None
        event_id = sha256(f"{id_head}{payload}{id_middle}{ts_sim}}}".encode()).hexdigest()
        if line != f'{_OPENING}{event_id}{head}{payload}{middle}{ts_sim}{_TIME}{time}"}}':
            return None
        texts = [*good.groups()]
        if "\\" in payload:
            texts = [json.loads(f'"{text}"') if text and "\\" in text else text for text in texts]
        return kind, event_id, time, _made(kind, texts)

    return recognise
