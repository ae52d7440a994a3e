import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.core.canon import canonical_json
from c2lib.core.contract import AUDIT_FIELDS, EVENT_FIELDS, METRICS_FIELDS, PAYLOADS, SNAPSHOT_FIELDS, Field, FieldKind
from c2lib.core.vocabulary import EventKind
from c2lib.witness.findings import Findings
from c2lib.witness.lines import (
    MAX_DECIMAL,
    LineCheck,
    RunName,
    canonical_object,
    is_decimal,
    problems,
    strict_json,
)
from tests.witness.sample_runs import Line, make_run

RUN = make_run()
TABLES = {
    "events.jsonl": EVENT_FIELDS,
    "state_snapshots.jsonl": SNAPSHOT_FIELDS,
    "audit.jsonl": AUDIT_FIELDS,
    "metrics.json": METRICS_FIELDS,
}


def judge(file: str, data: bytes, run: RunName | None = None) -> tuple[Line | None, list[str]]:
    """Return what a check makes of a line of ``file``, and what it found."""
    findings = Findings()
    value = LineCheck(file, TABLES[file], findings, run).value(1, data)
    return value, [f"{finding.code}: {finding.expected} / {finding.seen}" for finding in findings.all()]


@pytest.mark.parametrize("file", TABLES)
def test_session_lines_keep_contract(file: str) -> None:
    """Every line that a session wrote to any artifact passes the line check with its value unchanged."""
    for line in RUN.lines[file]:
        assert judge(file, canonical_json(line).encode()) == (line, [])


@pytest.mark.parametrize("file", TABLES)
def test_wrong_fields_break_contract(file: str) -> None:
    """A missing, malformed or additional field of any artifact breaks the contract and is named."""
    line = RUN.lines[file][0]
    for field in TABLES[file]:
        less = {name: value for name, value in line.items() if name != field.name}
        value, found = judge(file, canonical_json(less).encode())
        assert value is None
        assert found == [f"CONTRACT_BROKEN: field {field.name} by the contract / is missing"]
        value, found = judge(file, canonical_json({**line, field.name: [{}]}).encode())
        assert value is None
        assert found[0].startswith(f"CONTRACT_BROKEN: field {field.name} by the contract / ")
    value, found = judge(file, canonical_json({**line, "zebra": 1, "extra": 1}).encode())
    assert value is None
    assert [text.split(" ")[2] for text in found] == ["extra", "zebra"]


@pytest.mark.parametrize(
    ("data", "finding"),
    [
        (b"[]", "MALFORMED_LINE: a JSON object / list"),
        (b"null", "MALFORMED_LINE: a JSON object / NoneType"),
        (b"{", "MALFORMED_LINE: strict JSON / is no JSON: "),
        (b'{"a":1,"a":2}', "MALFORMED_LINE: strict JSON / has a key twice"),
        (b'{"a":1.5}', "CONTRACT_BROKEN: a value with a canonical form / $.a: float"),
        (b'{"a":1e999}', "CONTRACT_BROKEN: a value with a canonical form / $.a: float"),
        (b'{"a":9007199254740992}', "CONTRACT_BROKEN: a value with a canonical form / $.a: integer"),
        (b'{"a":"\\ud800"}', "CONTRACT_BROKEN: a value with a canonical form / $.a: has a lone surrogate"),
        ('{"a":"e\u0301"}'.encode(), "CONTRACT_BROKEN: a value with a canonical form / $.a: is not in Unicode NFC"),
    ],
)
def test_line_without_canonical_form_rejected(data: bytes, finding: str) -> None:
    """A line without a canonical form is one finding and has no value, malformed JSON apart from bad values."""
    value, found = judge("audit.jsonl", data)
    assert value is None
    assert len(found) == 1
    assert found[0].startswith(finding)


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (lambda text: text.replace(b":", b": ", 1), 8),
        (lambda text: text + b" ", None),
        (lambda text: text + b"\r", None),
        (lambda text: text.replace(b"C2_DRYRUN_START", b"C2_DRYRUN\\u005fSTART"), 18),
        (lambda text: b"{" + text[1:-1].split(b",", 1)[1] + b"," + text[1:-1].split(b",", 1)[0] + b"}", 2),
    ],
)
def test_other_spelling_is_still_used(spoil: Any, place: int | None) -> None:
    """A line in another JSON spelling is NOT_CANONICAL from the first differing byte, and its value is used."""
    line = RUN.audit[0]
    text = canonical_json(line).encode()
    value, found = judge("audit.jsonl", spoil(text))
    at = len(text) if place is None else place
    assert value == line
    assert found == [f"NOT_CANONICAL: canonical JSON / another text from byte {at} on"]


def test_lines_name_one_run() -> None:
    """A line with another run_id or strategy_id than the first line is WRONG_RUN."""
    run = RunName()
    first, second = dict(RUN.snapshots[0]), dict(RUN.snapshots[1])
    assert judge("state_snapshots.jsonl", canonical_json(first).encode(), run)[1] == []
    second["run_id"] = "another"
    assert judge("state_snapshots.jsonl", canonical_json(second).encode(), run)[1] == [
        "WRONG_RUN: run_demo_001 / another"
    ]
    second = {**second, "run_id": "run_demo_001", "strategy_id": "other"}
    assert judge("state_snapshots.jsonl", canonical_json(second).encode(), run)[1] == ["WRONG_RUN: strat_demo / other"]


def test_payload_may_have_more_fields() -> None:
    """A payload may have more fields than the contract names, and must have every one that the contract names."""
    for event in RUN.events:
        fields, payload = PAYLOADS[EventKind(event["event_type"])], event["payload"]
        assert list(problems(fields, {**payload, "more": 1}, closed=False)) == []
        for name in payload:
            less = {key: value for key, value in payload.items() if key != name}
            assert list(problems(fields, less, closed=False)) == [(name, "is missing")]


def test_decimals_have_bounded_length() -> None:
    """A decimal text of more than 400 characters breaks the contract."""
    price = [Field("price", FieldKind.DECIMAL, "", nullable=True)]
    for value in ("9" * MAX_DECIMAL, None):
        assert list(problems(price, {"price": value}, closed=True)) == []
    longer = {"price": "9" * (MAX_DECIMAL + 1)}
    assert list(problems(price, longer, closed=True)) == [("price", "has more than 400 characters")]
    assert [is_decimal(value) for value in ("1.5", "1.50", None, 1, "9" * 401)] == [True, False, False, False, False]


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**54), 2**54), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=2), inner, max_size=3)),
    max_leaves=6,
)


@given(value=JSON, text_in_ascii=st.booleans())
def test_certain_lines_pass_strict_check(value: Any, text_in_ascii: bool) -> None:
    """A line that is taken for canonical beyond doubt passes the strict check, with the same value."""
    data = json.dumps({"a": value}, ensure_ascii=text_in_ascii, separators=(",", ":"), sort_keys=True)
    try:
        line = data.encode()
    except UnicodeEncodeError:
        return
    certain = canonical_object(line)
    assert certain is None or canonical_json(strict_json(line)).encode() == line
    assert certain is None or certain == strict_json(line)


def test_session_lines_are_certainly_canonical() -> None:
    """Every line that a session wrote is recognised as canonical without the strict check, letters included."""
    for file in TABLES:
        assert all(canonical_object(canonical_json(line).encode()) == line for line in RUN.lines[file])
    assert canonical_object('{"é":"é中"}'.encode()) is None
    assert canonical_object('{"é":"é中"}'.encode()) == {"é": "é中"}
    assert canonical_object(b'{"a":' + b"[" * 64 + b"]" * 64 + b"}") is None


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    """Arbitrary bytes as a line give a value or a finding, and never raise."""
    for file in TABLES:
        value, found = judge(file, data)
        assert value is not None or found
