import json
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.canon import MAX_INTEGER, canonical_json, text_problem
from c2lib.core.contract import AUDIT_CODES, IDENTIFIER_PATTERN, PAYLOADS, Field, FieldKind
from c2lib.core.decimals import format_scaled
from c2lib.core.vocabulary import EVENT_SCHEMA, EventKind
from c2lib.record.lines import _expression, audit_line, compile_event_emitter, object_line
from tests.core.event_ids import event_id
from tests.record.contract_check import checked_events, entry_hash

AWKWARD = ('"', "\\", "\n", "\r", "\t", "\x00", "\x7f", "\u2028", "\u2029", "é", "😀", "{x}", "'", "</script>", "{{")
TEXTS = (st.text(max_size=30) | st.lists(st.sampled_from(AWKWARD) | st.characters()).map("".join)).filter(
    lambda text: text_problem(text) is None
)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)  # noqa: DTZ001 - bounds are naive by Hypothesis's rule
HASHES = st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}")
FORMS: dict[FieldKind, st.SearchStrategy[Any]] = {
    FieldKind.DECIMAL: st.builds(format_scaled, st.integers(-(10**20), 10**20), st.integers(0, 12)),
    FieldKind.TIME: TIMES,
    FieldKind.SHA256: HASHES,
    FieldKind.IDENTIFIER: st.from_regex(IDENTIFIER_PATTERN, fullmatch=True),
    FieldKind.TEXT: TEXTS,
    FieldKind.TEXT_LIST: st.lists(TEXTS, max_size=4),
}
OBJECTS = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


class Log:
    """A log that keeps the lines that it takes, and counts how often it was settled."""

    def __init__(self, ts: str, events_emitted: int = 0) -> None:
        self.ts = ts
        self.events_emitted = events_emitted
        self.retries: list[str] = []
        self.lines: list[str] = []
        self.counts_when_settled: list[int] = []

    def take(self, line: str) -> None:
        """Keep a line, or raise when there are two."""
        if len(self.lines) > 1:
            raise OSError("full")
        self.lines.append(line)

    def settle(self) -> None:
        """Record the present count."""
        self.counts_when_settled.append(self.events_emitted)


def values_of(field: Field) -> st.SearchStrategy[Any]:
    """Return what a field of the contract may hold."""
    if field.kind is FieldKind.INTEGER:
        values: st.SearchStrategy[Any] = st.integers(-MAX_INTEGER if field.negative else 0, MAX_INTEGER)
    elif field.kind is FieldKind.CHOICE:
        values = st.sampled_from(field.choices)
    else:
        values = FORMS[field.kind]
    return st.none() | values if field.nullable else values


@pytest.mark.parametrize("kind", EventKind)
@settings(max_examples=25)
@given(data=st.data(), run_id=TEXTS, strategy_id=TEXTS, ts_sim=st.integers(0, MAX_INTEGER), ts_utc=TIMES)
def test_event_line_matches_reference(
    kind: EventKind, data: st.DataObject, run_id: str, strategy_id: str, ts_sim: int, ts_utc: str
) -> None:
    """A compiled event emitter writes the same line and event_id as the reference for canonical JSON."""
    values = data.draw(st.tuples(*map(values_of, PAYLOADS[kind])))
    payload = {field.name: value for field, value in zip(PAYLOADS[kind], values, strict=True)}
    log = Log(ts_utc, ts_sim)
    compile_event_emitter(kind, run_id, strategy_id, log)(*values)
    assert log.lines[0] == object_line(
        {
            "schema_version": EVENT_SCHEMA,
            "event_id": event_id(run_id, strategy_id, kind.value, ts_sim, payload),
            "run_id": run_id,
            "strategy_id": strategy_id,
            "event_type": kind.value,
            "ts_sim": ts_sim,
            "ts_utc": ts_utc,
            "payload": payload,
        }
    )


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_text_is_encoded(text: str) -> None:
    """Quotes, braces, line ends and emoji in ids or free text make one line that reads back unchanged."""
    log = Log("2026-01-01T00:00:00+00:00")
    compile_event_emitter(EventKind.FAULT_INJECTED, text, text, log)("f", "t", text)
    (line,) = log.lines
    (event,) = checked_events([line])
    assert (event["run_id"], event["strategy_id"], event["payload"]["detail"]) == (text, text, text)
    assert line.count("\n") == 1


def test_event_counts_when_taken() -> None:
    """An event counts only when its line was taken, and waiting retries are settled after that count."""
    log = Log("2026-01-01T00:00:00+00:00")
    emit = compile_event_emitter(EventKind.FAULT_INJECTED, "run", "strategy", log)
    emit("fault", "target", "detail")
    log.retries.append("a write was tried again")
    emit("fault", "target", "detail")
    assert (log.events_emitted, log.counts_when_settled) == (2, [2])
    with pytest.raises(OSError, match="full"):
        emit("fault", "target", "detail")
    assert (log.events_emitted, log.counts_when_settled) == (2, [2])


@given(
    st.fixed_dictionaries(
        {
            "seq": st.integers(0, MAX_INTEGER),
            "ts": TIMES,
            "level": st.sampled_from(("INFO", "WARN", "ERROR")),
            "code": st.sampled_from([str(code) for code in AUDIT_CODES]),
            "message": TEXTS,
            "meta": st.dictionaries(TEXTS, OBJECTS, max_size=3),
            "prev_hash": HASHES,
        }
    )
)
def test_audit_line_matches_reference(entry: dict[str, Any]) -> None:
    """An audit line is the canonical JSON of the entry, with a hash over all but entry_hash."""
    line, digest = audit_line(entry)
    assert digest == entry_hash(entry)
    assert line == canonical_json({**entry, "entry_hash": digest}) + "\n"


def test_entry_hash_is_pinned() -> None:
    """An entry hash equals the one that another program computed and changes with every field of the entry."""
    entry = {
        "seq": 0,
        "ts": "2026-01-01T00:00:00+00:00",
        "level": "INFO",
        "code": "C2_DRYRUN_START",
        "message": "grüezi",
        "meta": {"b": 1, "a": [None, True]},
        "prev_hash": "0" * 64,
    }
    golden = "030ac7c6bd6011fe8c42e2ba9428fae35b00f2edc3e1e00bde1087dcce6c1836"
    assert (audit_line(entry)[1], entry_hash({**entry, "entry_hash": "f" * 64})) == (golden, golden)
    for key in entry:
        assert audit_line({**entry, key: "changed"})[1] != golden


@pytest.mark.parametrize(("kind", "value"), [(FieldKind.INTEGER, 5), (FieldKind.DECIMAL, "5"), (FieldKind.TEXT, '"')])
def test_nullable_field_is_encoded(kind: FieldKind, value: Any) -> None:
    """A field that may be null is encoded in the canonical way with null and with a value."""
    source, names = _expression(Field("n", kind, "", nullable=True)), {"_quote": encode_basestring}
    assert eval(source, names, {"n": None}) == "null"
    assert eval(source, names, {"n": value}) == canonical_json(value)


@given(OBJECTS)
def test_object_line_is_canonical(value: Any) -> None:
    """An object line is canonical JSON with one newline at its end and reads back unchanged."""
    line = object_line({"value": value})
    assert line == canonical_json({"value": value}) + "\n"
    assert json.loads(line) == {"value": value}
