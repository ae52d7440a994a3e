import json
from decimal import Decimal
from typing import Any
from unicodedata import is_normalized

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.canon import MAX_INTEGER, canonical_json, sha256_hex
from c2lib.core.contract import EVENT_FIELDS, PAYLOADS, Field, FieldKind
from c2lib.core.model import OrderIntent
from c2lib.core.vocabulary import EventKind
from c2lib.witness.events import Event, EventLog
from c2lib.witness.findings import Findings
from c2lib.witness.lines import MAX_DECIMAL, LineCheck, RunName
from c2lib.witness.recognise import (
    MOST_KNOWN,
    RECOGNISED_KINDS,
    SORTED_FIELDS,
    decimal,
    recogniser_of,
    values_of,
)
from c2lib.witness.refold import Books
from tests.core.event_ids import event_id
from tests.witness.sample_runs import (
    Line,
    Run,
    cancelled_run,
    failed_run,
    make_run,
    rejected_run,
    retried_run,
    scripted,
    tripped_run,
)

START = "2026-01-01T00:00:00+00:00"
WORDY = scripted(
    {
        0: [OrderIntent("BUY", 2, tag="plain"), OrderIntent("BUY", 1, "LIMIT", 9000, tag='a "quoted" wörd\n\\ 中 😀')],
        2: [OrderIntent("SELL", 1)],
        4: [OrderIntent("SELL", 1, "STOP", None, 9000), OrderIntent("BUY", 3, tag="é")],
    }
)
RUNS = {
    "plain": make_run(),
    "wordy": make_run(strategy=WORDY, steps=10, broker={"maker_fee_rate": "0.001", "taker_fee_rate": "0.002"}),
    "market time": make_run(clock_mode="market"),
    "odd name": make_run(run_id='run "é"'),
    "cancelled": cancelled_run(),
    "failed": failed_run(),
    "rejected": rejected_run(),
    "retried": retried_run(),
    "tripped": tripped_run(),
}


def raw(event: Line) -> str:
    """Return the text of an event as canonical JSON would write it, also where it has no canonical form."""
    return json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def lines_of(run: Run) -> list[bytes]:
    """Return the lines of a run's events."""
    return [canonical_json(event).encode() for event in run.events]


def state(log: EventLog) -> dict[str, Any]:
    """Return everything that a log and its books came to."""
    own = {"_recognise", "findings", "_name", "books", "_observer"}
    kept: dict[str, Any] = {name: value for name, value in vars(log).items() if name not in own}
    for name, value in vars(log.books).items():
        if name not in ("folds", "_report"):
            kept[f"books {name}"] = value
    return kept


def taken(data: bytes, *, in_blocks: bool) -> Any:
    """Return what came of the lines of ``data``, taken in at once or one by one; being observed changes nothing."""
    findings, run, events = Findings(), RunName(), list[tuple[Event, Decimal]]()
    log = EventLog(findings, run, lambda event, books: events.append((event, books.cash)))
    quiet = EventLog(Findings(), RunName())
    for one in (log, quiet):
        if in_blocks:
            one.take_block(1, data)
        else:
            for number, line in enumerate(data.split(b"\n"), 1):
                one.take(number, line)
    assert state(log) == state(quiet)
    return findings.all(), state(log), run.run_id, run.strategy_id, events


@pytest.mark.parametrize("name", RUNS)
def test_blocks_equal_single_lines(name: str) -> None:
    """A correct run taken in blocks gives the same counts, ids, times and books as line by line."""
    data = b"\n".join(lines_of(RUNS[name]))
    at_once, one_by_one = taken(data, in_blocks=True), taken(data, in_blocks=False)
    assert at_once == one_by_one
    assert at_once[0] == ()


class Counting(EventLog):
    """Counts the lines that were checked one by one."""

    judged = 0

    def take(self, number: int, data: bytes) -> None:
        """Take the next line in and count it."""
        self.judged += 1
        super().take(number, data)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("observed", [False, True])
def test_inner_events_are_recognised(name: str, observed: bool) -> None:
    """Only SESSION_START, SESSION_STOP and REJECTED of a correct run need the strict check."""
    log = Counting(Findings(), RunName(), (lambda *seen: None) if observed else None)
    log.take_block(1, b"\n".join(lines_of(RUNS[name])))
    outer = sum(event["event_type"] not in RECOGNISED_KINDS for event in RUNS[name].events)
    assert log.judged == max(outer, 1)
    assert log.emitted == len(RUNS[name].events)


ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, 7, -1, 10**15, MAX_INTEGER, MAX_INTEGER + 1]),
    st.sampled_from(["0", "-0", "-0.5", "1.50", "01", "1e3", "100", "9" * 400, "9" * 401, "", "BUY", "SELL", "c-1"]),
    st.sampled_from(["e\u0301", "\u0301", "中\u0338", "=\u0338", "\ud800", "\x1f", "\b", "\u00e9\U0001f600"]),
    st.sampled_from(["GTC", "MARKET", "é", "\x7f", 'a"b', "a\\b", "a\nb", "A/B:c", "HOLD", "b-000001", "c-000001"]),
    st.sampled_from([START, "2026-02-31T00:00:00+00:00", "2026-13-01T00:00:00+00:00", "2025-01-01T00:00:00.5+00:00"]),
    st.sampled_from([[], ["a"], ["é", 'b"'], ["e\u0301"], [1], [None]]),
    st.just({}),
)


def hashed(event: Line) -> str:
    """Return the id that a forger gives an event, whatever it holds."""
    identity = {key: event.get(key) for key in ("run_id", "strategy_id", "event_type", "ts_sim", "payload")}
    return sha256_hex(raw(identity | {"kind": "c2_dryrun_event"}).encode(errors="surrogatepass"))


def change_a_field(draw: st.DrawFn, events: list[Line]) -> None:
    """Change, add or take away a field of an event or its payload; its id may be made to fit."""
    event = draw(st.sampled_from(events))
    payload = event.get("payload")
    target = draw(st.sampled_from([event, payload if isinstance(payload, dict) else event]))
    name = draw(st.sampled_from([*sorted(target), "extra"]))
    if draw(st.integers(0, 4)):
        target[name] = draw(ODD_VALUES)
    else:
        target.pop(name, None)
    if draw(st.booleans()):
        event["event_id"] = hashed(event)


@st.composite
def altered_events(draw: st.DrawFn) -> bytes:
    """Return the lines of a real run with some of them changed, lost, doubled or exchanged, and some bytes altered."""
    run = RUNS[draw(st.sampled_from(sorted(RUNS)))]
    events: list[Line] = [{**event, "payload": dict(event["payload"])} for event in run.events]
    try:
        for _ in range(draw(st.integers(0, 2))):
            change_a_field(draw, events)
        lines = [raw(event).encode() for event in events]
    except ValueError:
        lines = lines_of(run)
    for _ in range(draw(st.integers(0, 2))):
        at, to = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(["lose", "double", "exchange", "of another run"]))
        if kind == "exchange":
            lines[at], lines[to] = lines[to], lines[at]
        elif kind == "lose":
            lines = [*lines[:at], *lines[at + 1 :]] or lines
        else:
            other = draw(st.sampled_from(lines_of(RUNS["wordy"])))
            lines.insert(to, lines[at] if kind == "double" else other)
    data = bytearray(b"\n".join(lines))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(data) - 1))
        byte = draw(st.sampled_from(b' "\\:,{}[]0123456789abcTZ.+-\n\r\x00\x7f\xc3\xa9\xff'))
        data[at : at + draw(st.integers(0, 1))] = bytes([byte])
    return bytes(data)


@settings(max_examples=600)
@given(altered_events())
def test_altered_runs_have_same_findings(data: bytes) -> None:
    """An altered run taken in blocks gives the same findings, counts and books as line by line."""
    assert taken(data, in_blocks=True) == taken(data, in_blocks=False)


def test_every_byte_is_recognised() -> None:
    """A recognised line with any byte changed or removed, outside its ts_utc, is not recognised."""
    kinds = set()
    for event in RUNS["wordy"].events:
        kind, ts_sim = event["event_type"], event["ts_sim"]
        recognise, line = recogniser_of(event["run_id"], event["strategy_id"]), canonical_json(event)
        if kind in kinds or kind not in RECOGNISED_KINDS:
            continue
        kinds.add(kind)
        assert recognise(line, ts_sim, START) is not None
        assert recognise(f"{line}\n", ts_sim, START) is None
        for at, there in enumerate(line[: -len(START) - 2]):
            for other in {chr(ord(there) ^ 1), chr(ord(there) ^ 128), "0", "9", '"', " "} - {there}:
                assert recognise(line[:at] + other + line[at + 1 :], ts_sim, START) is None
            assert recognise(line[:at] + line[at + 1 :], ts_sim, START) is None
    assert len(kinds) >= 5


TEXTS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["0", "-0", "1.50", "1.5", "-2", "", "null", "é", 'a"b', "a\\b", "\x7f", "9" * 16, "9" * 401]),
    st.sampled_from(["e\u0301", "\u0301", '"\u0338', "\n\u0303", "\x1f\u0301", "\ud800", "\u2028", "😀"]),
    st.sampled_from([START, "2026-13-01T00:00:00+00:00", "0" * 64, "A" * 64, "c-1", "-c"]),
)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 2**53), TEXTS, st.lists(TEXTS, max_size=2), st.just({}), st.floats()
)


def good(field: Field) -> st.SearchStrategy[Any]:
    """Return values that are good in a field, plain ones and odd ones."""
    values: dict[FieldKind, st.SearchStrategy[Any]] = {
        FieldKind.INTEGER: st.sampled_from([0, 7, 10**14, 10**15, 2**53 - 1]),
        FieldKind.DECIMAL: st.sampled_from(["0", "-1.5", "100000", "9" * MAX_DECIMAL, "9" * (MAX_DECIMAL + 1)]),
        FieldKind.TIME: st.sampled_from([START, "2026-01-01T00:00:00.000001+00:00"]),
        FieldKind.SHA256: st.just("0f" * 32),
        FieldKind.IDENTIFIER: st.sampled_from(["c-1", "A/B:c"]),
        FieldKind.CHOICE: st.sampled_from(field.choices or ("x",)),
        FieldKind.TEXT: TEXTS,
        FieldKind.TEXT_LIST: st.lists(TEXTS, max_size=2),
    }
    chosen = values[field.kind]
    return st.one_of(st.none(), chosen) if field.nullable else chosen


@st.composite
def event_lines(draw: st.DrawFn) -> tuple[Line, bytes]:
    """Return what a line should be of, and the line: good but for one field or a stray byte, its id made to fit."""
    kind = draw(st.sampled_from(EventKind))
    payload = {field.name: draw(good(field)) for field in PAYLOADS[kind]}
    event = {
        "schema_version": "C2_DRYRUN_V1",
        "event_id": "0f" * 32,
        "run_id": draw(st.sampled_from(["run_demo_001", "é", 'a "b"\\', "\n"])),
        "strategy_id": "strat_demo",
        "event_type": draw(st.sampled_from([kind.value, kind.value, kind.value, "FILL", "NONE"])),
        "ts_sim": draw(st.sampled_from([0, 12, MAX_INTEGER])),
        "ts_utc": START,
        "payload": payload,
    }
    asked = {"names": (event["run_id"], event["strategy_id"]), "ts_sim": event["ts_sim"]}
    target = draw(st.sampled_from([event, payload]))
    name = draw(st.sampled_from(["", "", "", *target, "extra"]))
    if name:
        target[name] = draw(ODD)
    event["event_id"] = hashed(event)
    data = bytearray(raw(event).encode(errors="surrogatepass"))
    if not draw(st.integers(0, 3)):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.sampled_from(b' "\\:,{}[]0a\n\xff\xc3'))
    return asked, bytes(data)


def strictly(data: bytes) -> Line | None:
    """Return the event of a line that the strict check finds nothing wrong with."""
    findings = Findings()
    check = LineCheck("events.jsonl", EVENT_FIELDS, findings)
    event = check.value(1, data)
    if event is None or not check.well_formed(PAYLOADS[EventKind(event["event_type"])], event["payload"], closed=False):
        return None
    facts = (event[name] for name in ("run_id", "strategy_id", "event_type", "ts_sim", "payload"))
    return None if findings.all() or event["event_id"] != event_id(*facts) else event


def is_usual(event: Line) -> bool:
    """Whether an event that keeps the contract is of those that are recognised."""
    fields, payload = PAYLOADS[EventKind(event["event_type"])], event["payload"]
    small = all((payload[field.name] or 0) < 10**15 for field in fields if field.kind is FieldKind.INTEGER)
    # a combining letter behind an escape joins with the escape's last letter, and only there
    as_written = is_normalized("NFC", raw(payload))
    empty = not any(payload[field.name] for field in fields if field.kind is FieldKind.TEXT_LIST)
    return event["event_type"] in RECOGNISED_KINDS and len(payload) == len(fields) and small and as_written and empty


@settings(max_examples=1000)
@given(event_lines())
def test_recognition_equals_strict_check(drawn: tuple[Line, bytes]) -> None:
    """A usual line is recognised exactly when the strict check finds nothing wrong, with the same values."""
    facts, data = drawn
    line = data.decode(errors="surrogateescape")
    recognised = recogniser_of(*facts["names"])(line, facts["ts_sim"], START) if "\n" not in line else None
    event = strictly(data)
    expected = None
    if event and is_usual(event) and (event["run_id"], event["strategy_id"]) == facts["names"]:
        ts_utc, ts_sim = event["ts_utc"], event["ts_sim"]
        if ts_sim == facts["ts_sim"] and ts_utc >= START:
            kind = event["event_type"]
            expected = (kind, event["event_id"], ts_utc, values_of(kind, event["payload"]))
    assert recognised == expected


def a_tick() -> Line:
    """Return the first tick of a run."""
    return next(event for event in make_run().events if event["event_type"] == "STRATEGY_TICK")


RECOGNISE = recogniser_of("run_demo_001", "strat_demo")


def test_recognised_line_has_values() -> None:
    """A recognised line gives the event's kind, id, time and the values that the refold takes."""
    tick = a_tick()
    expected = ("STRATEGY_TICK", tick["event_id"], START, values_of("STRATEGY_TICK", tick["payload"]))
    assert RECOGNISE(canonical_json(tick), tick["ts_sim"], START) == expected
    assert RECOGNISE(canonical_json(tick), tick["ts_sim"], "2025-12-31T00:00:00+00:00") == expected


def test_misplaced_line_is_not_recognised() -> None:
    """A line with another event number, an earlier time or a number beyond the bound is not recognised."""
    tick = a_tick()
    assert RECOGNISE(canonical_json(tick), tick["ts_sim"] + 1, START) is None
    assert RECOGNISE(canonical_json(tick), tick["ts_sim"], "2026-01-01T00:00:00.000001+00:00") is None
    for ts_sim in (MAX_INTEGER, MAX_INTEGER + 1):
        far = {**tick, "ts_sim": ts_sim}
        line = raw({**far, "event_id": hashed(far)})
        assert (RECOGNISE(line, ts_sim, START) is None) is (ts_sim > MAX_INTEGER)


def test_too_long_decimal_not_recognised() -> None:
    """A line whose decimal text is longer than the bound is not recognised."""
    for digits in (MAX_DECIMAL, MAX_DECIMAL + 1):
        tick = a_tick()
        tick["payload"]["close"] = "9" * digits
        line = canonical_json({**tick, "event_id": hashed(tick)})
        assert (RECOGNISE(line, tick["ts_sim"], START) is None) is (digits > MAX_DECIMAL)


def test_event_after_stop_is_found() -> None:
    """An event after SESSION_STOP is found although its id and its form are right."""
    events = make_run().events
    late = {**a_tick(), "ts_sim": len(events)}
    late["event_id"] = hashed(late)
    findings = Findings()
    EventLog(findings, RunName()).take_block(1, b"\n".join(canonical_json(event).encode() for event in [*events, late]))
    assert "no event after SESSION_STOP" in [finding.expected for finding in findings.all()]


def test_values_keep_their_types() -> None:
    """Null values become None, decimal texts become decimals, and integers stay integers."""
    values = values_of("ORDER_SUBMITTED", next(iter(make_run().payloads("ORDER_SUBMITTED"))))
    by_name = dict(zip((field.name for field in SORTED_FIELDS["ORDER_SUBMITTED"]), values, strict=True))
    assert (by_name["limit_price"], by_name["stop_price"], by_name["tag"]) == (None, None, None)
    assert by_name["quantity"] == Decimal(1)
    assert type(by_name["bar_index"]) is int


def test_additional_payload_fields_are_ignored() -> None:
    """A payload field that the contract does not name is left out of the values."""
    payload = make_run().payloads("STRATEGY_TICK")[0]
    assert values_of("STRATEGY_TICK", {**payload, "aside": 1}) == values_of("STRATEGY_TICK", payload)


def test_recognised_kinds_have_folds() -> None:
    """The books have a fold for every recognised event kind and for no other."""
    assert set(Books(print).folds) == set(RECOGNISED_KINDS)


def test_sorted_fields_match_contract() -> None:
    """The sorted fields of each event kind are exactly the contract's fields of that kind, in sorted order."""
    for kind in EventKind:
        names = [field.name for field in SORTED_FIELDS[kind]]
        assert names == sorted(field.name for field in PAYLOADS[kind])


def test_remembered_texts_are_bounded() -> None:
    """The cache of parsed numbers has a bound, so that memory does not grow with a run."""
    for ticks in range(MOST_KNOWN + 10):
        assert decimal(f"{ticks}.5") == Decimal(ticks) + Decimal("0.5")
    info = decimal.cache_info()
    assert info.currsize == info.maxsize == MOST_KNOWN
