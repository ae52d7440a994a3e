import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.canon import MAX_INTEGER, canonical_json, sha256_hex
from c2lib.core.model import OrderIntent
from c2lib.witness.events import EventLog
from c2lib.witness.findings import Findings
from c2lib.witness.lines import MAX_DECIMAL, RunName
from c2lib.witness.recognise import FREQUENT_KINDS, recognise, values_of
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
        0: [OrderIntent("BUY", 2, tag="plain"), OrderIntent("BUY", 1, "LIMIT", 9000, tag='a "quoted" wörd')],
        2: [OrderIntent("SELL", 1)],
        4: [OrderIntent("SELL", 1, "STOP", None, 9000), OrderIntent("BUY", 3)],
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


def lines_of(run: Run) -> list[bytes]:
    """Return the lines of a run's events."""
    return [canonical_json(event).encode() for event in run.events]


def state(log: EventLog) -> dict[str, Any]:
    """Return everything that a log and its books came to."""
    own = {"_recognise", "_findings", "_check", "_run", "books", "_observer"}
    kept: dict[str, Any] = {name: value for name, value in vars(log).items() if name not in own}
    for name, value in vars(log.books).items():
        if name not in ("folds", "_handlers", "_report", "_open"):
            kept[f"books {name}"] = value
    for name, order in log.books._open.items():
        kept[f"order {name}"] = [getattr(order, slot) for slot in order.__slots__]
    return kept


def both_ways(data: bytes) -> tuple[Any, Any]:
    """Return what came of the lines of ``data``, taken in at once and one by one."""
    answers = []
    for in_blocks in (True, False):
        findings, run = Findings(), RunName()
        log = EventLog(findings, run)
        if in_blocks:
            log.take_block(1, data)
        else:
            for number, line in enumerate(data.split(b"\n"), 1):
                log.take(number, line)
        answers.append((findings.all(), state(log), run.run_id, run.strategy_id))
    return answers[0], answers[1]


@pytest.mark.parametrize("name", RUNS)
def test_a_sound_run_comes_to_the_same_both_ways(name: str) -> None:
    """Nothing is found, and counts, ids, times and books are the same."""
    at_once, one_by_one = both_ways(b"\n".join(lines_of(RUNS[name])))
    assert at_once == one_by_one
    assert at_once[0] == ()


class Counting(EventLog):
    """Counts the lines that were judged one by one."""

    judged = 0

    def take(self, number: int, data: bytes) -> None:
        """Take the next line in and count it."""
        self.judged += 1
        super().take(number, data)


@pytest.mark.parametrize("name", ["plain", "market time", "cancelled"])
def test_the_frequent_lines_of_a_run_are_recognised(name: str) -> None:
    """Else the quick way would be of no use."""
    log = Counting(Findings(), RunName())
    log.take_block(1, b"\n".join(lines_of(RUNS[name])))
    assert log.judged == sum(event["event_type"] not in FREQUENT_KINDS for event in RUNS[name].events)
    assert log.emitted == len(RUNS[name].events)


ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, 7, -1, 10**15, MAX_INTEGER, MAX_INTEGER + 1]),
    st.sampled_from(["0", "-0", "-0.5", "1.50", "01", "1e3", "100", "9" * 400, "9" * 401, "", "BUY", "SELL", "c-1"]),
    st.sampled_from(["GTC", "MARKET", "é", "\x7f", 'a"b', "a\\b", "a\nb", "A/B:c", "HOLD", "b-000001", "c-000001"]),
    st.sampled_from([START, "2026-02-31T00:00:00+00:00", "2026-13-01T00:00:00+00:00", "2025-01-01T00:00:00.5+00:00"]),
    st.just([]),
    st.just({}),
)


def hashed(event: Line) -> str:
    """Return the id that a forger gives an event, whatever it holds."""
    identity = {key: event.get(key) for key in ("run_id", "strategy_id", "event_type", "ts_sim", "payload")}
    text = json.dumps(identity | {"kind": "c2_dryrun_event"}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256_hex(text.encode())


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
        lines = [canonical_json(event).encode() for event in events]
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
def test_an_altered_run_is_judged_the_same_both_ways(data: bytes) -> None:
    """Speed changes no finding, and nothing that is counted, borne or refolded."""
    at_once, one_by_one = both_ways(data)
    assert at_once == one_by_one


def test_every_byte_of_a_line_counts() -> None:
    """None can be altered or taken away, but for those of ``ts_utc``, which the id does not cover."""
    events = {event["event_type"]: event for event in RUNS["wordy"].events}
    looked_at = 0
    for kind in FREQUENT_KINDS:
        event = events.get(kind.value)
        if event is None:
            continue
        recogniser = recognise(event["run_id"], event["strategy_id"])
        line = canonical_json(event)
        assert recogniser is not None
        if recogniser(line, event["ts_sim"], START) is None:
            continue
        looked_at += 1
        for at, there in enumerate(line[: -len(START) - 2]):
            for other in {chr(ord(there) ^ 1), chr(ord(there) ^ 128), "0", "9", '"', " "} - {there}:
                assert recogniser(line[:at] + other + line[at + 1 :], event["ts_sim"], START) is None
            assert recogniser(line[:at] + line[at + 1 :], event["ts_sim"], START) is None
    assert looked_at >= 4


def a_tick() -> Line:
    """Return the first tick of a run."""
    return next(event for event in make_run().events if event["event_type"] == "STRATEGY_TICK")


def test_a_recognised_line_says_kind_id_time_and_values() -> None:
    """The values are those that the refold takes."""
    tick = a_tick()
    recogniser = recognise("run_demo_001", "strat_demo")
    assert recogniser is not None
    expected = ("STRATEGY_TICK", tick["event_id"], START, values_of("STRATEGY_TICK", tick["payload"]))
    assert recogniser(canonical_json(tick), tick["ts_sim"], START) == expected
    assert recogniser(canonical_json(tick), tick["ts_sim"], "2025-12-31T00:00:00+00:00") == expected


def test_a_line_has_its_place() -> None:
    """Another number, an earlier time or a number beyond all numbers is for a close look."""
    tick = a_tick()
    recogniser = recognise("run_demo_001", "strat_demo")
    assert recogniser is not None
    assert recogniser(canonical_json(tick), tick["ts_sim"] + 1, START) is None
    assert recogniser(canonical_json(tick), tick["ts_sim"], "2026-01-01T00:00:00.000001+00:00") is None
    for ts_sim in (MAX_INTEGER, MAX_INTEGER + 1):
        far = {**tick, "ts_sim": ts_sim}
        line = json.dumps({**far, "event_id": hashed(far)}, sort_keys=True, separators=(",", ":"))
        assert (recogniser(line, ts_sim, START) is None) is (ts_sim > MAX_INTEGER)


def test_a_decimal_has_a_longest_text() -> None:
    """What is beyond it is for a close look, with an id that fits and all."""
    recogniser = recognise("run_demo_001", "strat_demo")
    assert recogniser is not None
    for digits in (MAX_DECIMAL, MAX_DECIMAL + 1):
        tick = a_tick()
        tick["payload"]["close"] = "9" * digits
        line = canonical_json({**tick, "event_id": hashed(tick)})
        assert (recogniser(line, tick["ts_sim"], START) is None) is (digits > MAX_DECIMAL)


@pytest.mark.parametrize("name", ['a "quoted" name', "a\\b", "é", "a\nb"])
def test_names_that_json_cannot_write_as_they_are_have_no_recogniser(name: str) -> None:
    """Their lines are judged one by one."""
    assert recognise(name, "strat_demo") is None
    assert recognise("run_demo_001", name) is None


def test_nothing_is_recognised_behind_the_last_event() -> None:
    """After SESSION_STOP no line is a good one, however well it is made."""
    events = make_run().events
    late = {**a_tick(), "ts_sim": len(events)}
    late["event_id"] = hashed(late)
    findings = Findings()
    EventLog(findings, RunName()).take_block(1, b"\n".join(canonical_json(event).encode() for event in [*events, late]))
    assert "no event after SESSION_STOP" in [finding.expected for finding in findings.all()]
