"""Payloads of the kinds that come often, as tuples: what the refold takes instead of objects.

Rules kept here:

* the values stand in the order in which a line has their fields, sorted by name: integers and exact decimals as
  numbers, everything else as text, nothing as ``None``;
* nothing is checked here: the payload, or the groups of the pattern that its text matched, are good already;
* texts of numbers repeat, and are remembered; how many is bounded.

>>> values_of("STRATEGY_TICK", {"decision": "HOLD", "close": "1.5", "bar_index": 7, "bar_time": "T"})
(7, 'T', Decimal('1.5'), 'HOLD')
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from c2lib.core.contract import PAYLOADS
from c2lib.core.fields import Field, FieldKind
from c2lib.core.vocabulary import EventKind

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
