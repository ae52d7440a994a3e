from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from c2lib.core.canon import canonical_json, event_id
from c2lib.core.contract import EVENT_FIELDS, PAYLOADS, Field, FieldKind
from c2lib.core.vocabulary import EventKind
from c2lib.witness.findings import Findings
from c2lib.witness.lines import MAX_DECIMAL, PAYLOAD_CHECKS, LineCheck
from c2lib.witness.recognise import quick_event
from tests.witness.sample_runs import Line, cancelled_run, failed_run, make_run, rejected_run, tripped_run

TEXTS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["0", "-0", "1.50", "1.5", "-2", "", "null", "é", 'a"b', "a\\b", "\x7f", "9" * 16, "9" * 401]),
    st.sampled_from(["2026-01-01T00:00:00+00:00", "2026-13-01T00:00:00+00:00", "0" * 64, "A" * 64, "c-1", "-c"]),
)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 2**53), TEXTS, st.lists(TEXTS, max_size=1), st.just({}), st.floats()
)


def close_look(data: bytes) -> tuple[Line, str] | None:
    """Judge a line field by field."""
    findings = Findings()
    check = LineCheck("events.jsonl", EVENT_FIELDS, findings)
    event = check.value(1, data)
    if event is None or check.breaks(1, PAYLOAD_CHECKS[event["event_type"]], event["payload"]) or findings.all():
        return None
    facts = (event[name] for name in ("run_id", "strategy_id", "event_type", "ts_sim", "payload"))
    return event, event_id(*facts)


def good(field: Field) -> st.SearchStrategy[Any]:
    """Return values that are good in a field, plain ones and odd ones."""
    values: dict[FieldKind, st.SearchStrategy[Any]] = {
        FieldKind.INTEGER: st.sampled_from([0, 7, 10**15, 2**53 - 1]),
        FieldKind.DECIMAL: st.sampled_from(["0", "-1.5", "100000", "9" * MAX_DECIMAL, "9" * (MAX_DECIMAL + 1)]),
        FieldKind.TIME: st.sampled_from(["2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00.000001+00:00"]),
        FieldKind.SHA256: st.just("0f" * 32),
        FieldKind.IDENTIFIER: st.sampled_from(["c-1", "A/B:c"]),
        FieldKind.CHOICE: st.sampled_from(field.choices or ("x",)),
        FieldKind.TEXT: st.sampled_from(["", "plain words", 'a "quote"', "é", "\n"]),
        FieldKind.TEXT_LIST: st.sampled_from([[], ["ghost_broker_order:c-1"]]),
    }
    chosen = values[field.kind]
    return st.one_of(st.none(), chosen) if field.nullable else chosen


@st.composite
def event_lines(draw: st.DrawFn) -> bytes:
    """Return event lines, most of them good but for one field or a stray byte."""
    kind = draw(st.sampled_from(EventKind))
    payload = {field.name: draw(good(field)) for field in PAYLOADS[kind]}
    event = {
        "schema_version": "C2_DRYRUN_V1",
        "event_id": "0f" * 32,
        "run_id": draw(st.sampled_from(["run_demo_001", "é"])),
        "strategy_id": "strat_demo",
        "event_type": draw(st.sampled_from([kind.value, kind.value, kind.value, "FILL", "NONE"])),
        "ts_sim": draw(st.sampled_from([0, 12])),
        "ts_utc": "2026-01-01T00:00:00+00:00",
        "payload": payload,
    }
    target = draw(st.sampled_from([event, payload]))
    name = draw(st.sampled_from(["", *target, "extra"]))
    if name:
        target[name] = draw(ODD)
    try:
        data = bytearray(canonical_json(event).encode())
    except ValueError:
        return b"{}"
    if draw(st.booleans()):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.sampled_from(b' "\\:,{}[]0a\n'))
    return bytes(data)


@given(event_lines())
def test_what_is_accepted_quickly_is_found_good_by_a_close_look_too(data: bytes) -> None:
    """Speed changes no verdict: the same event, the same id."""
    quick = quick_event(data)
    assert quick is None or quick == close_look(data)


def test_the_ordinary_lines_of_a_run_are_accepted_quickly() -> None:
    """The quick way is taken: else it would be of no use."""
    for run in (make_run(), cancelled_run(), failed_run(), tripped_run(), rejected_run()):
        for event in run.events:
            line = canonical_json(event).encode()
            assert quick_event(line) == (event, event["event_id"]) == close_look(line)


def test_a_line_end_does_not_belong_to_a_line() -> None:
    """A pattern that ends in a dollar sign would let it pass."""
    assert quick_event(canonical_json(make_run().events[0]).encode() + b"\n") is None


def test_a_hash_is_lower_case_hex_digits_and_nothing_else() -> None:
    """Another text of its length, as an id or within a payload, is for a close look."""
    start = make_run().events[0]
    for odd in ("A" * 64, "g" * 64):
        assert quick_event(canonical_json({**start, "event_id": odd}).encode()) is None
        payload = {**start["payload"], "market_sha256": odd}
        assert quick_event(canonical_json({**start, "payload": payload}).encode()) is None
