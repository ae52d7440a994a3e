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


def test_equal_trails_have_no_difference() -> None:
    """Two equal audit trails differ in no entry, phase or count."""
    trail = [entry(1), move(2, "STOPPED", 7)]
    found = compared(trail, trail)
    assert (found.first, found.phases(), found.counts()) == (None, None, ())


def test_first_differing_entry_is_named() -> None:
    """The first differing audit entry is named with its field, and counting continues after that entry."""
    found = compared([entry(1), entry(2, step=1), entry(3)], [entry(1), entry(2, step=2), entry(3, "C2_OTHER")])
    assert found.first is not None
    assert found.first.text() == "audit.jsonl:2 C2_NOTE meta.step: 1 | 2"
    assert [count.text() for count in found.counts()] == ["C2_NOTE: 3 | 2", "C2_OTHER: 0 | 1"]


def test_entry_without_counterpart_differs() -> None:
    """An audit entry without a counterpart is a difference on either side."""
    for pair, text in (
        (([entry(1)], []), "audit.jsonl:1 C2_NOTE: there | (nothing)"),
        (([], [entry(1)]), "audit.jsonl:1 C2_NOTE: (nothing) | there"),
    ):
        found = compared(*pair)
        assert found.first is not None
        assert found.first.text() == text


def test_hash_differs_after_equal_entries() -> None:
    """A differing entry hash is a difference only where everything before the hash is equal."""
    found = compared([entry(1), entry(2)], [entry(1), entry(2, entry_hash="x")])
    assert found.first is not None
    assert found.first.name == "audit.jsonl:2 C2_NOTE entry_hash"
    moved = compared([move(1, "STOPPED", 5), entry(2)], [move(1, "STOPPED", 6), entry(2, entry_hash="x")])
    assert moved.first is None


def test_phases_name_their_events() -> None:
    """Phase paths name the event of each move, and another event number alone is no difference of an entry."""
    found = compared([move(1, "STOPPED", 5)], [move(1, "STOPPED", 6)])
    assert (found.first, found.phases()) is not None
    phases = found.phases()
    assert phases is not None
    assert phases.text() == "phases: STOPPED at 5 | STOPPED at 6"
    found = compared([move(1, "STOPPED", 5, trigger="CLOSED")], [move(1, "STOPPED", 5, trigger="OTHER")])
    assert found.first is not None
    assert found.first.text() == "audit.jsonl:1 C2_PHASE_TRANSITION meta.trigger: CLOSED | OTHER"


def test_times_can_be_left_out() -> None:
    """Differing times of audit entries are a difference unless the caller leaves times out."""
    pair = [entry(1, ts="1")], [entry(1, ts="2", entry_hash="x")]
    assert compared(*pair, with_times=False).first is None
    assert compared(*pair).first is not None


def test_snapshots_compare_by_position() -> None:
    """Snapshots are compared by position, and a snapshot without a counterpart is named by its status."""
    a: list[dict[str, Any]] = [{"status": "INIT", "started_ts": "1"}, {"status": "RUNNING", "step": 3}]
    b: list[dict[str, Any]] = [{"status": "INIT", "started_ts": "2"}]
    told = [field.text() for field in snapshot_differences(a, b, with_times=True)]
    assert told == ["snapshot 1 started_ts: 1 | 2", "snapshot 2: RUNNING | (nothing)"]
    assert [field.text() for field in snapshot_differences(a, b, with_times=False)] == told[1:]
    assert len(snapshot_differences(a * 50, [], with_times=True)) == MAX_FIELDS
