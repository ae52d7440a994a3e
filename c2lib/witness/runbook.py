"""The runbook's contract: what another program keeps that has no chain, no phases and payloads of its own.

Rules kept here:

* a directory keeps it when it has no manifest, and neither the first audit entry nor the first snapshot has a field
  that only c2lib's own contract has; one such field, and every file is held to c2lib's contract;
* what the runbook names must be there and in its form; what it leaves open may be there, and is then held to its form;
* a float is taken as its own text: which of the texts of a number is the canonical one is not for us to say;
* everything that is left unchecked is noted, so that it never looks like a pass.

>>> keeps_runbook_contract(audit=b'{"seq":0}', snapshot=b'{"status":"INIT"}')
True
>>> keeps_runbook_contract(audit=b'{"seq":0}', snapshot=b'{"phase":"INIT","status":"INIT"}')
False
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from c2lib.core.canon import canonical_json
from c2lib.core.contract import AUDIT_FIELDS, EVENT_FIELDS, METRICS_FIELDS, SNAPSHOT_FIELDS
from c2lib.core.fields import Field, FieldKind
from c2lib.core.vocabulary import Artifact
from c2lib.witness.checks import MAX_DECIMAL, LineCheck, ObjectCheck, RunName
from c2lib.witness.findings import Findings, shown
from c2lib.witness.reader import MAX_LINE, JsonError, strict_decoder, strict_json

OWN_AUDIT_FIELDS = frozenset({"prev_hash", "entry_hash"})
"""Fields of an audit entry that the runbook's contract does not have."""

OWN_SNAPSHOT_FIELDS = frozenset({"schema_version", "phase"})
"""Fields of a snapshot that the runbook's contract does not have."""

MAX_NAMES = 100
"""Most words of another program that are counted by name, of events, codes and fields each."""

OTHERS = "(others)"
"""What the words beyond :data:`MAX_NAMES` are counted under."""

_REQUIRED: Mapping[Artifact, frozenset[str]] = {
    Artifact.EVENTS: frozenset({"event_id", "run_id", "strategy_id", "event_type", "ts_sim", "payload"}),
    Artifact.SNAPSHOTS: frozenset({"run_id", "strategy_id", "status"}),
    Artifact.AUDIT: frozenset({"seq", "ts", "level", "code", "message", "meta"}),
    Artifact.METRICS: frozenset({"run_id", "strategy_id"}),
}

_CLOSED_WORDS = frozenset({"schema_version", "status", "level"})
"""Choices that are the runbook's own; of every other choice another program may have words of its own."""


def keeps_runbook_contract(audit: bytes | None, snapshot: bytes | None) -> bool:
    """Whether the first lines of two files, where there are any, are those of another program."""
    seen = [
        (value.keys(), own)
        for value, own in ((_object(audit), OWN_AUDIT_FIELDS), (_object(snapshot), OWN_SNAPSHOT_FIELDS))
        if value
    ]
    return bool(seen) and not any(keys & own for keys, own in seen)


@dataclass(frozen=True, slots=True)
class FloatText:
    """A float of another program, as it was written."""

    text: str


def _float(text: str) -> FloatText:
    if len(text) > MAX_DECIMAL:
        raise JsonError(f"has a float of more than {MAX_DECIMAL} characters")
    return FloatText(text)


_DECODER = strict_decoder(_float)


def _object(data: bytes | None) -> dict[str, Any] | None:
    try:
        value = strict_json(data or b"", MAX_LINE, _DECODER)
    except JsonError:
        return None
    return value if isinstance(value, dict) else None


def text_of(value: Any) -> str:
    """Return the canonical text of a value whose floats are :class:`FloatText`; raise :class:`CanonicalFormError`.

    >>> text_of({"b": FloatText("1.50"), "a": [1, "x"]})
    '{"a":[1,"x"],"b":1.50}'
    """
    if isinstance(value, FloatText):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical_json(key)}:{text_of(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text_of, value)) + "]"
    return canonical_json(value)


def floats_in(value: Any) -> int:
    """Return how many floats stand anywhere in ``value``."""
    if isinstance(value, dict):
        return sum(map(floats_in, value.values()))
    if isinstance(value, list):
        return sum(map(floats_in, value))
    return int(isinstance(value, FloatText))


def count_name(counts: Counter[str], name: str) -> None:
    """Count a word of another program, the first :data:`MAX_NAMES` by name and the rest together."""
    counts[name if name in counts or len(counts) < MAX_NAMES else OTHERS] += 1


def listed(names: Iterable[str]) -> str:
    """Return words of another program as one bounded text."""
    return shown(", ".join(sorted(names)[:10]))


class RunbookFields(ObjectCheck):
    """The check of an object by the runbook: some fields must be there, others may, any other is noted."""

    def __init__(self, artifact: Artifact, fields: Iterable[Field]) -> None:
        loose = tuple(_loose(field, field.name in _REQUIRED[artifact]) for field in fields)
        super().__init__((field for field in loose if field.name in _REQUIRED[artifact]), closed=False)
        self._optional = {field.name: field for field in loose if field.name not in _REQUIRED[artifact]}
        self._known = {field.name for field in loose}
        self._artifact = artifact
        self._seen: set[str] = set()
        self._strange: Counter[str] = Counter()
        self._floats = 0

    def problems(self, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield ``(field, problem)`` for everything that is wrong with ``value``."""
        yield from super().problems(value)
        for name in value.keys() & self._optional.keys():
            problem = self._optional[name].problem_with(value[name])
            if problem:
                yield name, problem
        for name in sorted(value.keys() - self._known):
            count_name(self._strange, name)
        self._seen |= value.keys() & self._known
        self._floats += floats_in(value)

    def unchecked(self) -> Iterator[str]:
        """Yield what could not be checked for want of a field, or of a contract for it."""
        missing = self._known - self._seen
        if missing and self._seen:
            yield f"{self._artifact} has no {', '.join(sorted(missing))}"
        if self._strange:
            yield f"{self._artifact} has fields that the contract does not: {listed(self._strange)}"
        if self._floats:
            yield f"{self._artifact} has {self._floats} floats: how they are written, and what they add up to"


def _loose(field: Field, required: bool) -> Field:
    """Return a field as the runbook has it: without words and forms of c2lib's own."""
    if field.kind is FieldKind.TIME or (field.kind is FieldKind.CHOICE and field.name not in _CLOSED_WORDS):
        field = replace(field, kind=FieldKind.TEXT, choices=())
    return field if required else replace(field, nullable=True)


class RunbookCheck(LineCheck):
    """Turns the lines of another program's file into objects, and what is provably wrong into findings."""

    def __init__(self, artifact: Artifact, findings: Findings, run: RunName | None = None) -> None:
        super().__init__(artifact.value, (), findings, run)
        self.fields = RunbookFields(artifact, _FIELDS[artifact])
        self.check = self.fields

    def parse(self, data: bytes) -> Any:
        """Return the value of a line, a float as :class:`FloatText`; raise :class:`JsonError`."""
        return strict_json(data, MAX_LINE, _DECODER)

    def text(self, value: Any) -> str:
        """Return the canonical text of a value; raise :class:`CanonicalFormError`."""
        return text_of(value)


_FIELDS: Mapping[Artifact, tuple[Field, ...]] = {
    Artifact.EVENTS: EVENT_FIELDS,
    Artifact.SNAPSHOTS: tuple(field for field in SNAPSHOT_FIELDS if field.name not in OWN_SNAPSHOT_FIELDS),
    Artifact.AUDIT: tuple(field for field in AUDIT_FIELDS if field.name not in OWN_AUDIT_FIELDS),
    Artifact.METRICS: METRICS_FIELDS,
}


class Moments:
    """The times of one file in their order; what is no ISO 8601 text with a zone is counted, and not compared."""

    def __init__(self) -> None:
        self.unread = 0
        self._last: datetime | None = None
        self._last_text = ""

    def went_back(self, text: str | None) -> str | None:
        """Return the last time when ``text`` is before it, else ``None``."""
        moment = _moment(text)
        if moment is None:
            self.unread += 1
            return None
        before = self._last_text if self._last is not None and moment < self._last else None
        self._last, self._last_text = moment, text or ""
        return before


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
