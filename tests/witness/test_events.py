from collections.abc import Callable
from typing import Any

import pytest

from c2lib.core.canon import canonical_json
from c2lib.core.model import OrderIntent
from c2lib.witness.events import Event, EventLog
from c2lib.witness.findings import Findings
from c2lib.witness.lines import RunName
from c2lib.witness.refold import Books
from tests.core.event_ids import event_id
from tests.witness.sample_runs import Line, Run, make_run, rejected_run, scripted, tripped_run


def take(events: list[Line], observer: Any = None) -> tuple[EventLog, list[str]]:
    """Return the log of ``events``, and what was found."""
    findings = Findings()
    log = EventLog(findings, RunName(), observer)
    for number, event in enumerate(events, start=1):
        log.take(number, canonical_json(event).encode())
    return log, [f"{finding.code}:{finding.line}" for finding in findings.all()]


def renumbered(events: list[Line]) -> list[Line]:
    """Return events with numbers and ids that fit."""
    fresh = [{**event, "ts_sim": number} for number, event in enumerate(events)]
    for event in fresh:
        facts = (event[name] for name in ("run_id", "strategy_id", "event_type", "ts_sim", "payload"))
        event["event_id"] = event_id(*facts)
    return fresh


def test_events_are_counted() -> None:
    """The event log counts the events of each kind and keeps the ids that evidence refers to."""
    run = make_run()
    log, found = take(run.events)
    assert found == []
    assert log.emitted == len(run.events)
    assert log.counts["FILL"] == len(run.payloads("FILL"))
    ids = {name: [event["event_id"] for event in run.events if event["event_type"] == name] for name in log.counts}
    assert log.references == {
        "session_start": ids["SESSION_START"][0],
        "first_fill": ids["FILL"][0],
        "last_fill": ids["FILL"][-1],
        "session_stop": ids["SESSION_STOP"][0],
    }
    assert take(tripped_run().events)[0].references["rail_tripped"]
    assert list(take(rejected_run().events)[0].references) == ["rejected"]


def test_wrong_event_id_is_found() -> None:
    """An event whose id or payload was changed is EVENT_ID_WRONG."""
    for change in (
        {"event_id": "0" * 64},
        {"payload": {**make_run().events[0]["payload"], "steps": 9}},
        {"payload": {**make_run().events[0]["payload"], "note": "more"}},
    ):
        events = make_run().events
        events[0].update(change)
        assert take(events)[1][0] == "EVENT_ID_WRONG:1"


def test_lost_event_is_one_finding() -> None:
    """A lost event is one SEQUENCE_BROKEN finding, and counting continues from the number that was read."""
    events = make_run().events
    tick = next(at for at, event in enumerate(events) if event["payload"].get("decision") == "HOLD")
    del events[tick]
    assert take(events)[1] == [f"SEQUENCE_BROKEN:{tick + 1}"]


def test_broken_line_is_counted() -> None:
    """An event line that breaks the contract is counted, so that the events after the line stay in sequence."""
    run = make_run()
    tick = next(at for at, event in enumerate(run.events) if event["payload"].get("decision") == "HOLD")
    broken: Line
    for broken in ({"payload": {}}, {"event_type": "NONE"}):
        events = [dict(event) for event in run.events]
        events[tick].update(broken)
        log, found = take(events)
        assert set(found) == {f"CONTRACT_BROKEN:{tick + 1}"}
        assert log.emitted == len(events)


def test_time_never_goes_back() -> None:
    """An event with an earlier time than the event before is CLOCK_WENT_BACK at its line."""
    events = make_run().events
    events[4]["ts_utc"] = "2025-12-31T23:59:59.999999+00:00"
    assert take(events)[1] == ["CLOCK_WENT_BACK:5"]


def test_event_of_another_run_found() -> None:
    """An event of another run is WRONG_RUN at its line."""
    events = make_run().events
    events[4:5] = make_run(run_id="another").events[4:5]
    assert take(events)[1] == ["WRONG_RUN:5"]


@pytest.mark.parametrize(
    ("arrange", "finding"),
    [
        (lambda events: events[1:], "SEQUENCE_BROKEN:1"),
        (lambda events: [*events, events[-2]], "SEQUENCE_BROKEN:21"),
        (lambda events: [*events[:-2], events[0], *events[-2:]], "SEQUENCE_BROKEN:19"),
        (lambda events: [*events[:-2], *rejected_run().events, *events[-2:]], "SEQUENCE_BROKEN:19"),
        (lambda events: [*rejected_run().events, *events], "SEQUENCE_BROKEN:2"),
    ],
)
def test_outer_events_keep_their_place(arrange: Callable[[list[Line]], list[Line]], finding: str) -> None:
    """SESSION_START and REJECTED stand first, and SESSION_STOP last, each once, whatever the event numbers are."""
    assert finding in take(renumbered(arrange(make_run().events)))[1]


def test_quoted_tag_is_accepted() -> None:
    """An order whose tag has quotes and letters beyond ASCII is an order like any other."""
    run: Run = make_run(strategy=scripted({0: [OrderIntent("BUY", 1, tag='a "quoted" wörd')]}))
    log, found = take(run.events)
    assert found == []
    assert log.counts["ORDER_SUBMITTED"] == 1


def test_clean_reconciliation_time_is_kept() -> None:
    """The event log keeps the time of the last reconciliation without mismatches."""
    run = make_run()
    assert take(run.events)[0].clean_reconciled_ts == "2026-01-01T00:00:00+00:00"
    run.payloads("RECONCILED")[0]["mismatches"] = ["ghost_broker_order:c-1"]
    log, _ = take(renumbered(run.events))
    assert log.clean_reconciled_ts is None
    assert log.books.mismatches == 1


def test_observer_gets_every_event() -> None:
    """An observer is called with every event and the books after that event."""
    told: list[tuple[str, str]] = []

    def observe(event: Event, books: Books) -> None:
        told.append((event.kind, str(books.position)))

    run = make_run()
    take(run.events, observe)
    assert [kind for kind, _ in told] == [event["event_type"] for event in run.events]
    assert ("FILL", "1") in told
