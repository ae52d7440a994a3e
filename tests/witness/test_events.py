from collections.abc import Callable
from typing import Any

import pytest

from c2lib.core.canon import canonical_json, event_id
from c2lib.core.model import OrderIntent
from c2lib.witness.events import EventLog
from c2lib.witness.findings import Findings
from c2lib.witness.lines import RunName
from c2lib.witness.refold import Books
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


def test_the_events_of_a_session_are_counted_and_borne() -> None:
    """The counts and the ids that bear them are those of the log."""
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


def test_an_id_that_does_not_follow_from_the_event_is_found() -> None:
    """Whichever of the id's facts was changed."""
    for change in (
        {"event_id": "0" * 64},
        {"payload": {**make_run().events[0]["payload"], "steps": 9}},
        {"payload": {**make_run().events[0]["payload"], "note": "more"}},
    ):
        events = make_run().events
        events[0].update(change)
        assert take(events)[1][0] == "EVENT_ID_WRONG:1"


def test_a_lost_event_is_one_finding_of_the_sequence() -> None:
    """The count goes on from what was seen."""
    events = make_run().events
    tick = next(at for at, event in enumerate(events) if event["payload"].get("decision") == "HOLD")
    del events[tick]
    assert take(events)[1] == [f"SEQUENCE_BROKEN:{tick + 1}"]


def test_a_broken_line_is_skipped_and_counted() -> None:
    """The events after it are not out of sequence for that."""
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
    """An earlier time than the one before is found where it stands."""
    events = make_run().events
    events[4]["ts_utc"] = "2025-12-31T23:59:59.999999+00:00"
    assert take(events)[1] == ["CLOCK_WENT_BACK:5"]


def test_another_run_is_found() -> None:
    """Lines of two runs do not make one."""
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
def test_first_events_stand_first_and_last_ones_last(arrange: Callable[[list[Line]], list[Line]], finding: str) -> None:
    """Once each, whatever the numbers say."""
    assert finding in take(renumbered(arrange(make_run().events)))[1]


def test_a_line_that_needs_a_close_look_counts_like_any_other() -> None:
    """Quotes, umlauts and mismatches in it change nothing."""
    run: Run = make_run(strategy=scripted({0: [OrderIntent("BUY", 1, tag='a "quoted" wörd')]}))
    log, found = take(run.events)
    assert found == []
    assert log.counts["ORDER_SUBMITTED"] == 1


def test_the_last_clean_reconciliation_is_kept() -> None:
    """One with mismatches is not clean."""
    run = make_run()
    assert take(run.events)[0].clean_reconciled_ts == "2026-01-01T00:00:00+00:00"
    run.payloads("RECONCILED")[0]["mismatches"] = ["ghost_broker_order:c-1"]
    log, _ = take(renumbered(run.events))
    assert log.clean_reconciled_ts is None
    assert log.books.mismatches == 1


def test_an_observer_is_told_of_each_event_with_the_books_after_it() -> None:
    """It sees what the books came to."""
    told: list[tuple[str, str]] = []

    def observe(event: Any, books: Books) -> None:
        told.append((event["event_type"], str(books.position)))

    run = make_run()
    take(run.events, observe)
    assert [kind for kind, _ in told] == [event["event_type"] for event in run.events]
    assert ("FILL", "1") in told
