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
from hashlib import sha256
from typing import NamedTuple

from c2lib.core.canon import EVENT_ID_KIND, MAX_INTEGER
from c2lib.core.fields import TIME_PATTERN
from c2lib.core.vocabulary import EVENT_SCHEMA
from c2lib.witness.quick import PLAIN_TEXT, value_pattern
from c2lib.witness.values import FREQUENT_KINDS, SORTED_FIELDS, Values, compile_values

Recognised = tuple[str, str, str, Values]
"""What a line says: its kind, its id, its time and its payload's values."""

Recogniser = Callable[[str, int, str], Recognised | None]
"""``recognise(line, ts_sim, ts_utc)`` returns what a line says that is event ``ts_sim``, at ``ts_utc`` or later."""

_OPENING = '{"event_id":"'
_TYPE = '","event_type":"'
_KIND_AT = len(_OPENING) + 64 + len(_TYPE)
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


def _form(kind: str) -> _Form:
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


_FORMS: Mapping[str, _Form] = {_hint(form): form for form in (_form(kind.value) for kind in FREQUENT_KINDS)}


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
    form_of = _FORMS.get

    def recogniser(line: str, ts_sim: int, ts_utc: str) -> Recognised | None:
        form = form_of(line[_KIND_AT : _KIND_AT + _HINT])
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
