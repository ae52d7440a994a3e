"""The strict check of one line: strict JSON in canonical text, the fields of its table, the run that it names.

A value that breaks the contract is not returned, so that what comes after it never meets one.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any
from unicodedata import is_normalized

from c2lib.core.canon import MAX_DEPTH, MAX_INTEGER, CanonicalFormError, canonical_json, sha256_hex
from c2lib.core.contract import Field, FieldKind
from c2lib.core.text import first_difference
from c2lib.witness.findings import FileFindings, FindingCode, Findings

MAX_LINE = 1 << 20
"""Longest line, in bytes, its end not counted."""

MAX_OBJECT = 64 << 20
"""Longest manifest, in bytes: the readings of an injected clock stand in it, one for each step at worst."""

MAX_BRACKETS = MAX_OBJECT // 32
"""Most brackets that open in one JSON text: a reading of a clock has one in more than 32 bytes of a manifest."""

MAX_INTEGER_CHARS = 17
"""Most characters of an integer, its sign included; more is far beyond what an artifact may hold."""

MAX_PROBLEMS = 100
"""Most fields of one object that are found wrong."""


class JsonError(ValueError):
    """Bytes that are no strict JSON; the message says why."""


def _integer(text: str) -> int:
    if len(text) > MAX_INTEGER_CHARS:
        raise JsonError(f"has an integer of more than {MAX_INTEGER_CHARS} characters")
    return int(text)


def _constant(name: str) -> None:
    raise JsonError(f"has {name}, which is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise JsonError("has a key twice in one object")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = list(chain.from_iterable(inner))
    return any(isinstance(item, dict | list) for item in level)


def strict_json(data: bytes, parse_float: Callable[[str], Any] = float) -> Any:
    """Return the value of JSON bytes, or raise :class:`JsonError`.

    Floats are JSON: they are returned, as ``parse_float`` makes them of their texts, and the contract refuses them.
    """
    if data.startswith(codecs.BOM_UTF8):
        raise JsonError("begins with a byte order mark")
    # with no more opening brackets than that, in texts or outside, it cannot be nested deeper
    opening = data.count(b"[") + data.count(b"{")
    if opening > MAX_BRACKETS:
        raise JsonError(f"has more than {MAX_BRACKETS} brackets")
    try:
        value = json.loads(
            data.decode(),
            parse_float=parse_float,
            parse_int=_integer,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
        # what Python itself finds too deep is deeper than that
        if opening <= MAX_DEPTH or not _is_deep(value):
            return value
    except RecursionError:
        pass
    except UnicodeDecodeError as error:
        raise JsonError(f"is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise JsonError(f"is no JSON: {error.msg} at character {error.pos}") from None
    raise JsonError(f"is nested deeper than {MAX_DEPTH}")


encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
"""The canonical text of a value that is known to have one."""


def digest_of(value: Any) -> str:
    """Return the SHA-256 of the canonical text of a value that is known to have one."""
    return sha256_hex(encode(value).encode())


def _certain(text: str) -> int:
    value = int(text)
    if abs(value) > MAX_INTEGER:
        raise ValueError("an integer for the strict check")
    return value


_CERTAIN = json.JSONDecoder(parse_int=_certain, parse_float=_certain, parse_constant=_certain).decode


def canonical_object(data: bytes) -> dict[str, Any] | None:
    """Return the object of a line that is canonical beyond doubt, in half the time of the strict check, or ``None``.

    A text that comes out as it went in has its keys once and in order; a whole text in NFC has no part that is not.
    """
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH:
        return None
    try:
        text = data.decode()
        value = _CERTAIN(text)
    except ValueError:
        return None
    certain = type(value) is dict and encode(value) == text and (text.isascii() or is_normalized("NFC", text))
    return value if certain else None


MAX_DECIMAL = 400
"""Longest decimal text, in characters; no product or sum of a run's decimals comes near."""


def field_problem(field: Field, value: Any) -> str | None:
    """Return what is wrong with ``value`` in ``field``, or ``None``."""
    if field.kind is FieldKind.DECIMAL and isinstance(value, str) and len(value) > MAX_DECIMAL:
        return f"has more than {MAX_DECIMAL} characters"
    return field.problem_with(value)


def is_decimal(value: Any) -> bool:
    """Whether ``value`` is canonical decimal text that is not too long."""
    return field_problem(Field("", FieldKind.DECIMAL, "any decimal"), value) is None


def problems(fields: Iterable[Field], value: Mapping[str, Any], *, closed: bool) -> Iterator[tuple[str, str]]:
    """Yield field and problem for everything that is wrong with an object; a ``closed`` one has no other keys.

    >>> list(problems([Field("a", FieldKind.INTEGER, "")], {"b": 1}, closed=True))
    [('b', 'is no field of the contract'), ('a', 'is missing')]
    """
    fields = tuple(fields)
    for name in sorted(value.keys() - {field.name for field in fields}) if closed else ():
        yield name, "is no field of the contract"
    for field in fields:
        problem = field_problem(field, value[field.name]) if field.name in value else "is missing"
        if problem:
            yield field.name, problem


def at(value: Any, *path: str) -> Any:
    """Return what stands at ``path`` in nested objects, or ``None``."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


class RunName:
    """The run and strategy that all files of a directory must name; the first line that names them counts."""

    run_id = strategy_id = ""
    known = False

    def check(self, value: Mapping[str, Any], place: FileFindings) -> None:
        """Record a finding at ``place`` when ``value`` names another run, or else another strategy."""
        run_id, strategy_id = value["run_id"], value["strategy_id"]
        if not self.known:
            self.run_id, self.strategy_id, self.known = run_id, strategy_id, True
        if run_id != self.run_id:
            place.add(FindingCode.WRONG_RUN, self.run_id, run_id)
        elif strategy_id != self.strategy_id:
            place.add(FindingCode.WRONG_RUN, self.strategy_id, strategy_id)


class LineCheck(FileFindings):
    """Turns the lines of one file into objects that keep the contract, and the rest into findings.

    ``fields`` are those of a line, none for any object; ``run`` is left out for a file whose lines name no run. How
    long a line may be is for the reader of the file.

    >>> findings = Findings()
    >>> check = LineCheck("events.jsonl", [Field("a", FieldKind.INTEGER, "")], findings)
    >>> check.value(1, b'{"a":1}'), check.value(2, b'{"a":1.5}'), [found.code.value for found in findings.all()]
    ({'a': 1}, None, ['CONTRACT_BROKEN'])
    """

    closed = True
    """Whether a line may have no other fields."""
    parse: Callable[[bytes], Any] = staticmethod(strict_json)
    text: Callable[[Any], str] = staticmethod(canonical_json)

    def __init__(self, file: str, fields: Iterable[Field], findings: Findings, run: RunName | None = None) -> None:
        super().__init__(file, findings)
        self._fields = tuple(fields)
        self._run = run

    def value(self, number: int, data: bytes) -> dict[str, Any] | None:
        """Return the object of a line, or ``None`` when it cannot be used; both with findings for what is wrong."""
        self.line, self.event_id = number, None
        value = canonical_object(data)
        if value is None:
            value = self._strict(data)
        if value is None or not self.well_formed(self._fields, value, closed=self.closed and bool(self._fields)):
            return None
        if self._run is not None:
            self._run.check(value, self)
        return value

    def _strict(self, data: bytes) -> dict[str, Any] | None:
        value = None
        try:
            parsed = self.parse(data)
            if isinstance(parsed, dict):
                canonical = self.text(parsed).encode()
                value = parsed
                if canonical == data:
                    return value
                seen = f"another text from byte {first_difference(canonical, data)} on"
                self.add(FindingCode.NOT_CANONICAL, "canonical JSON", seen)
            else:
                self.add(FindingCode.MALFORMED_LINE, "a JSON object", type(parsed).__name__)
        except CanonicalFormError as error:
            self.add(FindingCode.CONTRACT_BROKEN, "a value with a canonical form", str(error))
        except JsonError as error:
            self.add(FindingCode.MALFORMED_LINE, "strict JSON", str(error))
        self.findings.charge(self.file, len(data))
        return value

    def well_formed(self, fields: Iterable[Field], value: Mapping[str, Any], *, closed: bool) -> bool:
        """Whether an object has the fields that it should have; each problem is a finding."""
        broken = list(islice(problems(fields, value, closed=closed), MAX_PROBLEMS))
        for name, problem in broken:
            self.add(FindingCode.CONTRACT_BROKEN, f"field {name} by the contract", problem)
        return not broken

    def expect(self, code: FindingCode, value: Any, expected: Mapping[str, object]) -> None:
        """Record a finding for each field of ``value``, by its dotted name, that is not as ``expected``."""
        for name, wanted in expected.items():
            self.same(code, name, wanted, at(value, *name.split(".")))


class LineLog(LineCheck):
    """The lines of one file, which a field numbers from 0; ``emitted`` counts them, usable or not.

    After a gap the count goes on from what was seen, so that one lost line is one finding.
    """

    number = "ts_sim"
    """The field that numbers the lines."""
    emitted = 0
    last_ts = ""
    _next = 0

    def take_block(self, number: int, block: bytes) -> None:
        r"""Take the next lines in, joined by ``\n``, until too much is wrong; ``number`` is that of the first."""
        for line in enumerate(block.split(b"\n"), number):
            self.take(*line)
            if self.findings.full(self.file):
                break

    def take(self, number: int, data: bytes) -> None:
        """Take the next line in."""
        self.emitted += 1
        value = self.value(number, data)
        if value is None:
            self._next += 1
            return
        position = value.get(self.number)
        if position is not None:
            self.require(position == self._next, FindingCode.SEQUENCE_BROKEN, f"{self.number} {self._next}", position)
            self._next = position + 1
        self._fold(value)

    def _fold(self, value: Mapping[str, Any]) -> None:
        """Fold one line in."""

    def finish(self) -> None:
        """Report what only the end of the file shows."""

    def in_time(self, name: str, value: Mapping[str, Any]) -> None:
        """Require the time in a field not to be before that of the last line."""
        time = value[name]
        if time < self.last_ts:
            self.add(FindingCode.CLOCK_WENT_BACK, f"a {name} not before {self.last_ts}", time)
        self.last_ts = time
