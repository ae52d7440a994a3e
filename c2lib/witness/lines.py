"""Checks of one line against the contract: strict JSON, canonical text, exact keys, field forms.

Rules kept here:

* the tables of :mod:`c2lib.core.contract` are the only source, and a field judges its value itself;
* a line equals the reference canonical JSON of the value that it holds;
* an object has exactly the keys of its table; a payload has those of its event kind and may carry more;
* a value that breaks the contract is handed to nobody, so that what comes after never meets it.

>>> findings = Findings()
>>> check = LineCheck("events.jsonl", {}, findings)
>>> check.value(1, b'{"a":1}'), findings.all()
({'a': 1}, ())
>>> check.value(2, b'{ "a":1.5}') is None, [finding.code.value for finding in findings.all()]
(True, ['CONTRACT_BROKEN'])
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from c2lib.core.canon import MAX_DEPTH, CanonicalFormError, canonical_json
from c2lib.core.contract import PAYLOADS, Field, FieldKind
from c2lib.core.text import first_difference
from c2lib.core.vocabulary import EventKind
from c2lib.witness.findings import FindingCode, Findings

MAX_LINE = 1 << 20
"""Longest line, in bytes, its end not counted."""

MAX_OBJECT = 64 << 20
"""Longest manifest, in bytes: the readings of an injected clock stand in it, one for each step at worst."""

MAX_BRACKETS = MAX_OBJECT // 32
"""Most brackets of one JSON text: each reading of a clock, in the longest manifest, has one in more than 32 bytes."""

MAX_INTEGER_CHARS = 17
"""Most characters of an integer, its sign included; more is far beyond what an artifact may hold."""
_TEXT = re.compile(rb'"[^"]*"?')
_PLAIN = bytes(set(range(256)) - set(b'"[]{}'))


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


def strict_decoder(parse_float: Callable[[str], Any] = float) -> json.JSONDecoder:
    """Return a decoder of strict JSON; ``parse_float`` says what becomes of a float's text."""
    return json.JSONDecoder(
        parse_float=parse_float, parse_int=_integer, parse_constant=_constant, object_pairs_hook=_object
    )


_DECODER = strict_decoder()


def brackets(data: bytes) -> int:
    """Return how many brackets open in ``data``, in texts or outside: it cannot be nested deeper."""
    return data.count(b"[") + data.count(b"{")


def _is_deep(data: bytes) -> bool:
    if brackets(data) <= MAX_DEPTH:
        return False
    # without its escapes a text ends at the next quote; whole passes, since a look at each token takes a minute
    bare = data.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _PLAIN)
    # two quotes side by side leave what stands around them inside or outside, as it was
    bare = bare.replace(b'""', b"")
    depth = 0
    for bracket in _TEXT.sub(b"", bare):
        depth += 1 if bracket in b"[{" else -1
        if not 0 <= depth <= MAX_DEPTH:
            # one that closes what was never open is no JSON: the parser says so
            return depth > 0
    return False


def strict_json(data: bytes, limit: int = MAX_LINE, decoder: json.JSONDecoder = _DECODER) -> Any:
    """Return the value of JSON bytes, or raise :class:`JsonError`.

    Floats are returned as floats, unless ``decoder`` makes something else of them: they are JSON, and the contract's
    to refuse.
    """
    if len(data) > limit:
        raise JsonError(f"is longer than {limit} bytes")
    if data.startswith(codecs.BOM_UTF8):
        raise JsonError("begins with a byte order mark")
    if max(brackets(data), data.count(b"]") + data.count(b"}")) > MAX_BRACKETS:
        raise JsonError(f"has more than {MAX_BRACKETS} brackets")
    if _is_deep(data):
        raise JsonError(f"is nested deeper than {MAX_DEPTH}")
    try:
        return decoder.decode(data.decode())
    except UnicodeDecodeError as error:
        raise JsonError(f"is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise JsonError(f"is no JSON: {error.msg} at character {error.pos}") from None


MAX_DECIMAL = 400
"""Longest decimal text, in characters; no product or sum of a run's decimals comes near."""

ORDINARY_INTEGER = 15
"""Most characters of an integer that lies below 2**53 beyond doubt."""


def field_problem(field: Field, value: Any) -> str | None:
    """Say what is wrong with ``value`` in ``field``, or ``None``."""
    problem = field.problem_with(value)
    if problem is None and field.kind is FieldKind.DECIMAL and value is not None and len(value) > MAX_DECIMAL:
        return f"has more than {MAX_DECIMAL} characters"
    return problem


_ANY_DECIMAL = Field("", FieldKind.DECIMAL, "any decimal")


def is_decimal(value: Any) -> bool:
    """Whether ``value`` is canonical decimal text that is not too long."""
    return field_problem(_ANY_DECIMAL, value) is None


class ObjectCheck:
    """The check of an object; a ``closed`` one may have no keys beside its fields."""

    def __init__(self, fields: Iterable[Field], *, closed: bool) -> None:
        self._fields = tuple(fields)
        self._names = frozenset(field.name for field in self._fields)
        self._closed = closed

    def problems(self, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield ``(field, problem)`` for everything that is wrong with ``value``."""
        if self._closed and value.keys() != self._names:
            for name in sorted(value.keys() - self._names):
                yield name, "is no field of the contract"
        for field in self._fields:
            problem = field_problem(field, value[field.name]) if field.name in value else "is missing"
            if problem:
                yield field.name, problem


PAYLOAD_CHECKS: Mapping[str, ObjectCheck] = {
    kind.value: ObjectCheck(PAYLOADS[kind], closed=False) for kind in EventKind
}


encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
"""The canonical text of a value that is known to have one."""


def _ordinary_integer(text: str) -> int:
    if len(text) > ORDINARY_INTEGER:
        raise JsonError("an integer that a close look must judge")
    return int(text)


def _refused(text: str) -> None:
    raise JsonError(f"{text[:20]}, which a close look must judge")


_ORDINARY = json.JSONDecoder(parse_int=_ordinary_integer, parse_float=_refused, parse_constant=_refused).decode


def ordinary_object(data: bytes) -> dict[str, Any] | None:
    """Return the object of a line that is canonical beyond doubt; ``None`` asks for a close look.

    In ASCII there is but one normal form, and a text that comes out as it went in has its keys once and in order.
    """
    if not data.isascii() or brackets(data) > MAX_DEPTH:
        return None
    text = data.decode("ascii")
    try:
        value = _ORDINARY(text)
    except ValueError:
        return None
    return value if type(value) is dict and encode(value) == text else None


class RunName:
    """The run and strategy that all files of a directory must name; the first line that names them counts."""

    def __init__(self) -> None:
        self.run_id = ""
        self.strategy_id = ""
        self._known = False

    def differs(self, value: Mapping[str, Any]) -> str | None:
        """Return the field in which ``value`` names another run or strategy, or ``None``."""
        if not self._known:
            self.run_id, self.strategy_id, self._known = value["run_id"], value["strategy_id"], True
        if value["run_id"] != self.run_id:
            return "run_id"
        return "strategy_id" if value["strategy_id"] != self.strategy_id else None


class LineCheck:
    """Turns the lines of one file into objects that keep the contract, and the rest into findings.

    ``run`` is left out for a file whose lines name no run; ``limit`` is the longest line in bytes.
    """

    def __init__(
        self,
        file: str,
        fields: Iterable[Field],
        findings: Findings,
        run: RunName | None = None,
        limit: int = MAX_LINE,
    ) -> None:
        fields = tuple(fields)
        self.check = ObjectCheck(fields, closed=bool(fields))
        self._file = file
        self._run = run
        self._findings = findings
        self._limit = limit

    def value(self, number: int, data: bytes) -> dict[str, Any] | None:
        """Return the object of a line, or ``None`` when it cannot be used; both with findings for what is wrong."""
        value = ordinary_object(data)
        if value is None:
            value = self._strict(number, data)
        if value is None or self.breaks(number, self.check, value):
            return None
        if self._run is not None:
            self.compare_run(number, self._run, value)
        return value

    def compare_run(self, number: int, run: RunName, value: Mapping[str, Any]) -> None:
        """Note when ``value`` names another run or strategy."""
        field = run.differs(value)
        if field:
            expected = getattr(run, field)
            self._findings.add(FindingCode.WRONG_RUN, self._file, number, expected=expected, seen=value[field])

    def breaks(self, number: int, check: ObjectCheck, value: Mapping[str, Any], event_id: str | None = None) -> bool:
        """Whether ``value`` breaks ``check``; each problem is a finding."""
        broken = False
        for name, problem in check.problems(value):
            broken = True
            self._findings.add(
                FindingCode.CONTRACT_BROKEN,
                self._file,
                number,
                expected=f"field {name} by the contract",
                seen=problem,
                event_id=event_id,
            )
        return broken

    def parse(self, data: bytes) -> Any:
        """Return the value of a line; raise :class:`JsonError`."""
        return strict_json(data, self._limit)

    def text(self, value: Any) -> str:
        """Return the canonical text of a value; raise :class:`CanonicalFormError`."""
        return canonical_json(value)

    def _strict(self, number: int, data: bytes) -> dict[str, Any] | None:
        add, file = self._findings.add, self._file
        try:
            value = self.parse(data)
            if not isinstance(value, dict):
                add(FindingCode.MALFORMED_LINE, file, number, expected="a JSON object", seen=type(value).__name__)
                return None
            canonical = self.text(value).encode()
        except CanonicalFormError as error:
            add(FindingCode.CONTRACT_BROKEN, file, number, expected="a value with a canonical form", seen=str(error))
            return None
        except JsonError as error:
            add(FindingCode.MALFORMED_LINE, file, number, expected="strict JSON", seen=str(error))
            return None
        if canonical != data:
            seen = f"another text from byte {first_difference(canonical, data)} on"
            add(FindingCode.NOT_CANONICAL, file, number, expected="canonical JSON", seen=seen)
        return value
