"""Audit trails and snapshots of two runs, side by side."""

from collections.abc import Sequence
from typing import Any

from c2lib.witness.align import MAX_FIELDS, Line
from c2lib.witness.diff import AuditDiff, snapshot_differences


def entry(number: int, code: str = "C2_NOTE", entry_hash: str = "h", ts: str = "t", **meta: Any) -> Line:
    """Return an audit entry."""
    value = {"seq": number - 1, "ts": ts, "code": code, "meta": meta, "entry_hash": entry_hash}
    return Line(number, value, repr(value).encode())


def compared(a: Sequence[Line], b: Sequence[Line], *, with_times: bool = True) -> AuditDiff:
    """Return what comparing two trails gives."""
    diff = AuditDiff(with_times=with_times)
    diff.read(a, b)
    return diff


def move(number: int, to: str, ts_sim: int, **more: Any) -> Line:
    """Return a phase move."""
    return entry(number, "C2_PHASE_TRANSITION", to=to, ts_sim=ts_sim, **more)


def test_the_same_trails_differ_in_nothing() -> None:
    """Neither in counts nor in phases."""
    trail = [entry(1), move(2, "STOPPED", 7)]
    found = compared(trail, trail)
    assert (found.first, found.phases(), found.counts()) == (None, None, ())


def test_the_first_entry_that_differs_is_told_by_its_field() -> None:
    """And the counts behind it go on."""
    found = compared([entry(1), entry(2, step=1), entry(3)], [entry(1), entry(2, step=2), entry(3, "C2_OTHER")])
    assert found.first is not None
    assert found.first.text() == "audit.jsonl:2 C2_NOTE meta.step: 1 | 2"
    assert [count.text() for count in found.counts()] == ["C2_NOTE: 3 | 2", "C2_OTHER: 0 | 1"]


def test_an_entry_without_a_counterpart_is_told() -> None:
    """On either side."""
    for pair, text in (
        (([entry(1)], []), "audit.jsonl:1 C2_NOTE: there | (nothing)"),
        (([], [entry(1)]), "audit.jsonl:1 C2_NOTE: (nothing) | there"),
    ):
        found = compared(*pair)
        assert found.first is not None
        assert found.first.text() == text


def test_a_hash_counts_as_long_as_everything_before_was_the_same() -> None:
    """Behind a difference it is another anyway."""
    found = compared([entry(1), entry(2)], [entry(1), entry(2, entry_hash="x")])
    assert found.first is not None
    assert found.first.name == "audit.jsonl:2 C2_NOTE entry_hash"
    moved = compared([move(1, "STOPPED", 5), entry(2)], [move(1, "STOPPED", 6), entry(2, entry_hash="x")])
    assert moved.first is None


def test_phases_are_told_with_the_events_at_which_they_moved() -> None:
    """They are no difference of the entries."""
    found = compared([move(1, "STOPPED", 5)], [move(1, "STOPPED", 6)])
    assert (found.first, found.phases()) is not None
    phases = found.phases()
    assert phases is not None
    assert phases.text() == "phases: STOPPED at 5 | STOPPED at 6"
    found = compared([move(1, "STOPPED", 5, trigger="CLOSED")], [move(1, "STOPPED", 5, trigger="OTHER")])
    assert found.first is not None
    assert found.first.text() == "audit.jsonl:1 C2_PHASE_TRANSITION meta.trigger: CLOSED | OTHER"


def test_times_are_left_out_where_they_all_differ() -> None:
    """And counted as a difference where they do not."""
    pair = [entry(1, ts="1")], [entry(1, ts="2", entry_hash="x")]
    assert compared(*pair, with_times=False).first is None
    assert compared(*pair).first is not None


def test_snapshots_are_compared_by_their_place() -> None:
    """What one side lacks is told by its status."""
    a: list[dict[str, Any]] = [{"status": "INIT", "started_ts": "1"}, {"status": "RUNNING", "step": 3}]
    b: list[dict[str, Any]] = [{"status": "INIT", "started_ts": "2"}]
    told = [field.text() for field in snapshot_differences(a, b, with_times=True)]
    assert told == ["snapshot 1 started_ts: 1 | 2", "snapshot 2: RUNNING | (nothing)"]
    assert [field.text() for field in snapshot_differences(a, b, with_times=False)] == told[1:]
    assert len(snapshot_differences(a * 50, [], with_times=True)) == MAX_FIELDS
