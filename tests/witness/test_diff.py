"""Where and why two runs differ: real sessions, whole and damaged."""

import gc
import json
import os
import random
import shutil
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.errors import RunPathError
from c2lib.core.model import OrderIntent
from c2lib.witness import reader
from c2lib.witness.diff import NOTE_HASHES, Outcome, RunDiff, Tally, diff_runs
from tests.witness.other_program import OtherRun
from tests.witness.sample_runs import (
    AUDIT,
    BUY_ONE,
    EVENTS,
    MANIFEST,
    METRICS,
    SEALED,
    SNAPSHOTS,
    Run,
    cancelled_run,
    failed_run,
    make_run,
    rejected_run,
    retried_run,
    scripted,
)

FILES = (*SEALED, MANIFEST)


def compared(runs: Sequence[Run], parent: Path) -> RunDiff:
    """Write two runs and compare them."""
    a, b = runs
    return diff_runs(a.write(parent / "a"), b.write(parent / "b"))


def whys(found: RunDiff) -> list[str]:
    """Return the causes as text."""
    return [field.text() for field in found.causes]


def everything(found: RunDiff) -> list[str]:
    """Return every difference as text."""
    firsts = [one.first.text() for one in (found.events, found.audit) if one.first]
    return [*(field.text() for field in (*found.causes, *found.ending)), *firsts, *found.files]


def tally(found: RunDiff, kind: str) -> Tally:
    """Return the counts of a kind of event."""
    return {row.kind: row for row in found.events.counts}[kind]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a sealed run with trades; nobody changes it."""
    return make_run(strategy_id="sma_cross", seed=3, steps=60).write(tmp_path_factory.mktemp("a"))


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return Path(shutil.copytree(folder, tmp_path / folder.name))


@pytest.mark.parametrize("make", [make_run, cancelled_run, failed_run, rejected_run, retried_run])
def test_same_session_is_identical(make: Callable[[], Run], tmp_path: Path) -> None:
    """Two executions of one session are IDENTICAL and have no difference, however the session ended."""
    found = compared([make(), make()], tmp_path)
    assert (found.outcome, found.same, everything(found), found.notes) == (Outcome.IDENTICAL, True, [], ())
    assert [row.differing + row.only_a + row.only_b for row in (*found.events.counts, *found.audit.counts) if row] == [
        0
    ] * (len(found.events.counts) + len(found.audit.counts))


def test_another_run_id_is_same(tmp_path: Path) -> None:
    """Runs that differ in the run_id alone are the same, although every line has other bytes."""
    a, b = (make_run(run_id=name, strategy_id="sma_cross", seed=3, steps=60) for name in ("one", "another"))
    found = compared([a, b], tmp_path)
    assert (found.outcome, found.same) == (Outcome.SAME_BUT_FOR_RUN_ID, True)
    assert (everything(found), found.notes) == ([], (NOTE_HASHES,))
    assert (found.a.run_id, found.b.run_id) == ("one", "another")
    assert tally(found, "all").same == len(a.events)


@pytest.mark.parametrize("names", [("r", "r"), ("r", "other")])
def test_config_field_is_the_cause(names: tuple[str, str], tmp_path: Path) -> None:
    """A differing config field is the cause with its two values, and the first event that follows is named."""
    script = scripted({2: BUY_ONE, 4: [OrderIntent("SELL", 1)]})
    rates = ("0.0002", "0.0003")
    runs = [
        make_run(run_id=n, strategy=script, broker={"taker_fee_rate": r}) for n, r in zip(names, rates, strict=True)
    ]
    found = compared(runs, tmp_path)
    assert whys(found) == ["config.broker.taker_fee_rate: 0.0002 | 0.0003"]
    assert found.outcome is Outcome.DIFFERENT
    first = found.events.first
    assert first is not None
    assert (first.kind, first.bar_index, [field.name for field in first.fields]) == ("FILL", 3, ["fee"])
    assert tally(found, "FILL") == Tally("FILL", 0, 2, 0, 0)
    assert tally(found, "ORDER_SUBMITTED") == Tally("ORDER_SUBMITTED", 2, 0, 0, 0)
    assert [field.name for field in found.ending] == ["cash", "equity"]


def test_another_seed_is_a_cause(tmp_path: Path) -> None:
    """Another seed is reported as a cause beside the market hash that follows from the seed."""
    found = compared([make_run(seed=seed) for seed in (1, 2)], tmp_path)
    assert [field.name for field in found.causes] == ["config.seed", "market.sha256"]
    assert found.events.first is not None
    assert found.events.first.text().startswith("STRATEGY_TICK bar ")
    assert "metrics.seed: 1 | 2" in [field.text() for field in found.ending]


def test_longer_run_differs_after_end(tmp_path: Path) -> None:
    """A longer run first differs at its first further bar, not at the close of the shorter run."""
    found = compared([make_run(steps=steps) for steps in (8, 12)], tmp_path)
    assert [field.name for field in found.causes] == ["config.steps", "market.bars"]
    first = found.events.first
    assert first is not None
    assert (first.line_a, first.kind, first.bar_index) == (None, "STRATEGY_TICK", 8)
    assert "steps: 8 | 12" in [field.text() for field in found.ending]


def test_unrecorded_ticks_are_counted(tmp_path: Path) -> None:
    """Where one run does not record ticks, the orders and fills of both stay side by side."""
    runs = [make_run(strategy_id="sma_cross", seed=3, steps=60, tick_events=how) for how in ("every", "decisions")]
    found = compared(runs, tmp_path)
    assert whys(found) == ["config.tick_events: every | decisions"]
    assert tally(found, "STRATEGY_TICK") == Tally("STRATEGY_TICK", 1, 0, 59, 0)
    assert tally(found, "all") == Tally("all", len(runs[1].events), 0, 59, 0)


def test_additional_order_keeps_pairs(tmp_path: Path) -> None:
    """After an additional order in one run, later orders are still compared in pairs under other names."""
    a = make_run(strategy=scripted({1: BUY_ONE, 4: [OrderIntent("BUY", 2)]}))
    b = make_run(strategy=scripted({0: [OrderIntent("BUY", 5, tag="more")], 1: BUY_ONE, 4: [OrderIntent("BUY", 2)]}))
    found = compared([a, b], tmp_path)
    for kind in ("ORDER_SUBMITTED", "FILL"):
        assert tally(found, kind) == Tally(kind, 2, 0, 0, 1)


def test_changed_order_terms_are_named(tmp_path: Path) -> None:
    """An order with other terms is compared with the order in its place, and the differing terms are named."""
    runs = [make_run(strategy=scripted({1: [OrderIntent("BUY", lots)]})) for lots in (1, 2)]
    found = compared(runs, tmp_path)
    assert tally(found, "ORDER_SUBMITTED") == Tally("ORDER_SUBMITTED", 0, 1, 0, 0)
    assert tally(found, "FILL") == Tally("FILL", 0, 1, 0, 0)


def test_other_status_is_reported(tmp_path: Path) -> None:
    """Another status is reported with its path, its code and the first audit entry that differs."""
    scripts: list[dict[int, Any]] = [{0: BUY_ONE}, {0: BUY_ONE, 3: ValueError()}]
    found = compared([make_run(strategy=scripted(script)) for script in scripts], tmp_path)
    assert (found.a.status, found.b.status) == ("COMPLETED", "FAILED")
    ending = [field.text() for field in found.ending]
    assert "statuses: INIT, RUNNING, COMPLETED | INIT, RUNNING, FAILED" in ending
    assert "fail_code: null | C2_ABORT_EXCEPTION" in ending
    assert [row for row in found.audit.counts if row.kind == "C2_ABORT_EXCEPTION"] == [
        Tally("C2_ABORT_EXCEPTION", 0, 0, 0, 1)
    ]
    assert found.audit.first is not None


def test_other_clock_changes_times(tmp_path: Path) -> None:
    """Another clock makes no event differ, and the first differing time is named."""
    a, b = (make_run(clock_start=f"2026-01-0{day}T00:00:00+00:00") for day in (1, 2))
    found = compared([a, b], tmp_path)
    assert whys(found)[0].startswith("config.clock_start: 2026-01-01T00:00:00+00:00 | 2026-01-02")
    assert tally(found, "all") == Tally("all", len(a.events), 0, 0, 0)
    assert found.events.first is not None
    assert (found.events.first.kind, found.events.first.fields[-1].name) == ("SESSION_START", "ts_utc")


class TestWithoutManifests:
    """Unsealed and incomplete directories are compared as far as they go."""

    def test_other_name_without_manifests(self, tmp_path: Path) -> None:
        """Without manifests, a note says that their configs are not compared."""
        runs = [make_run(run_id=name) for name in ("one", "another")]
        for run in runs:
            run.sealed = False
        found = compared(runs, tmp_path)
        assert found.outcome is Outcome.SAME_BUT_FOR_RUN_ID
        assert found.notes == (NOTE_HASHES, f"no {MANIFEST} that can be read in A and B: configs are not compared")

    def test_first_event_names_other_market(self, tmp_path: Path) -> None:
        """Without manifests, another market is reported as a cause from SESSION_START."""
        runs = [make_run(seed=seed) for seed in (1, 2)]
        for run in runs:
            run.sealed = False
        found = compared(runs, tmp_path)
        assert [field.name for field in found.causes] == [
            "SESSION_START config_sha256",
            "SESSION_START market_sha256",
        ]

    def test_one_manifest_compares_files(self, copy: Path, folder: Path) -> None:
        """With one manifest alone the four files are compared, and the configs are reported as not compared."""
        (copy / MANIFEST).unlink()
        found = diff_runs(folder, copy)
        assert found.outcome is Outcome.IDENTICAL
        assert found.notes == (f"no {MANIFEST} that can be read in B: configs are not compared",)
        assert (found.a.verdict, found.b.verdict) == ("SEALED", "UNSEALED")

    @pytest.mark.parametrize("name", [SNAPSHOTS, AUDIT, METRICS])
    def test_file_on_one_side_differs(self, name: str, copy: Path, folder: Path) -> None:
        """A file that one run lacks is a difference, and the rest is compared."""
        (copy / name).unlink()
        found = diff_runs(folder, copy)
        assert (found.same, found.files) == (False, (f"{name}: can be read in A alone",))
        assert found.events.first is None

    def test_staging_folder_is_compared(self, tmp_path: Path) -> None:
        """The unfinished run in a staging folder is compared with the complete run."""
        a, b = make_run(), make_run()
        b.lines[EVENTS] = b.events[:5]
        b.lines[METRICS] = []
        b.sealed = False
        found = diff_runs(a.write(tmp_path), b.write(tmp_path, ".staging-run_demo_001-x"))
        assert found.b.verdict == "INCOMPLETE"
        assert found.events.first is not None
        assert (found.events.first.line_b, tally(found, "all").same) == (None, 5)

    def test_runs_of_other_program_compared(self, tmp_path: Path) -> None:
        """Runs of another program are compared with their floats, their own events and ticks counted as bars."""
        changed = OtherRun()
        changed.events[2]["payload"]["price"] = 7.5
        changed.identify()
        places = [run.write(tmp_path / name) for name, run in (("a", OtherRun()), ("b", changed), ("c", OtherRun()))]
        assert diff_runs(places[0], places[2]).outcome is Outcome.IDENTICAL
        found = diff_runs(places[0], places[1])
        assert found.events.first is not None
        assert [field.name for field in found.events.first.fields] == ["price"]
        assert tally(found, "all").differing == 1

    def test_other_strategy_is_one_cause(self, tmp_path: Path) -> None:
        """Another strategy_id is one cause, although every event names the strategy."""
        a, b = OtherRun(), OtherRun()
        for line in (*b.events, *b.snapshots, b.metrics):
            line.update(strategy_id="other", run_id="other")
        b.identify()
        found = diff_runs(a.write(tmp_path / "a"), b.write(tmp_path / "b"))
        assert (whys(found), found.events.first, found.same) == (["strategy_id: strat_demo | other"], None, False)


TAMPERING: dict[str, tuple[str, Callable[[dict[str, Any]], object], str]] = {
    "an event id": (EVENTS, lambda line: line.update(event_id="0" * 64), "event_id"),
    "a number": (EVENTS, lambda line: line.update(ts_sim=77), "ts_sim"),
    "a time": (EVENTS, lambda line: line.update(ts_utc="2026-01-01T00:00:09+00:00"), "ts_utc"),
    "another run's event": (EVENTS, lambda line: line.update(run_id="other"), "run_id: (nothing) | other"),
    "a payload": (EVENTS, lambda line: line["payload"].update(extra=1), "extra: (nothing) | 1"),
    "a hash of the chain": (AUDIT, lambda line: line.update(entry_hash="0" * 64), "entry_hash"),
    "a time of the trail": (AUDIT, lambda line: line.update(ts="2026-01-01T00:00:09+00:00"), "ts: "),
    "a message": (AUDIT, lambda line: line.update(message="other"), "message"),
    "a snapshot": (SNAPSHOTS, lambda line: line.update(step=77), "state_snapshots.jsonl: not the same"),
    "a metric": (METRICS, lambda line: line.update(fills_total=77), "fills_total"),
    "a sealed hash": (MANIFEST, lambda line: line.update(run_digest="0" * 64), "run_manifest.json: not the same"),
    "a sealed name": (MANIFEST, lambda line: line["config"].update(run_id="other"), "config.run_id"),
    "a sealed seed": (MANIFEST, lambda line: line["config"].update(seed=4), "config.seed: 3 | 4"),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_altered_field_is_named(name: str, copy: Path, folder: Path) -> None:
    """A field altered in a copy of a run, in any file, is named."""
    file, change, expected = TAMPERING[name]
    lines = [json.loads(line) for line in (copy / file).read_bytes().splitlines()]
    change(lines[len(lines) // 2])
    text = "".join(json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n" for line in lines)
    (copy / file).write_text(text)
    found = diff_runs(folder, copy)
    assert not found.same
    assert expected in "; ".join(everything(found))


@pytest.mark.parametrize("name", FILES)
def test_no_altered_byte_passes(name: str, copy: Path, folder: Path) -> None:
    """A copy with one flipped bit is not the same (tested at every 97th byte, fewer under a tracer)."""
    flips = random.Random(7)
    data = (copy / name).read_bytes()
    silent = []
    for at in range(0, len(data), 97 if sys.gettrace() is None else 997):
        (copy / name).write_bytes(data[:at] + bytes([data[at] ^ (1 << flips.randrange(8))]) + data[at + 1 :])
        if diff_runs(folder, copy).same:
            silent.append(at)
    assert silent == []


@pytest.mark.parametrize("name", SEALED)
def test_displaced_lines_differ(name: str, copy: Path, folder: Path) -> None:
    """A copy with a line removed, doubled or exchanged with the next is not the same."""
    lines = (copy / name).read_bytes().splitlines(keepends=True)
    for at in range(0, len(lines), 9):
        changes = [[*lines[:at], *lines[at + 1 :]], [*lines[:at], lines[at], *lines[at:]]]
        if at:
            changes.append([*lines[: at - 1], lines[at], lines[at - 1], *lines[at + 1 :]])
        for changed in changes:
            (copy / name).write_bytes(b"".join(changed))
            assert not diff_runs(folder, copy).same


def test_other_spelling_is_a_difference(tmp_path: Path) -> None:
    """A line that is not canonical is a difference between runs of different names, too."""
    places = [make_run(run_id=name).write(tmp_path) for name in ("one", "other")]
    text = (places[1] / METRICS).read_bytes()
    (places[1] / METRICS).write_bytes(text.replace(b"{", b"{ ", 1))
    found = diff_runs(*places)
    assert (found.same, found.b.damage[0][:13], found.events.first) == (False, "NOT_CANONICAL", None)


def test_names_are_bounded_lines(tmp_path: Path) -> None:
    """A run_id is shown as one bounded line, and names that differ only beyond the bound still differ."""
    runs = [OtherRun(), OtherRun()]
    for run, end in zip(runs, "ab", strict=True):
        for line in (*run.events, *run.snapshots, run.metrics):
            line["run_id"] = "\n" * 500 + end
        run.identify()
    found = diff_runs(*(run.write(tmp_path / str(at)) for at, run in enumerate(runs)))
    assert found.outcome is Outcome.SAME_BUT_FOR_RUN_ID
    assert found.a.run_id == found.b.run_id
    assert (len(found.a.run_id), found.a.run_id[:4]) == (200, "\\n\\n")


def test_space_in_copy_is_damage(copy: Path, folder: Path) -> None:
    """A copy with a space in a line is not the same, and the line is reported as not canonical."""
    text = (copy / EVENTS).read_bytes()
    (copy / EVENTS).write_bytes(text.replace(b'{"event_id"', b'{ "event_id"', 1))
    found = diff_runs(folder, copy)
    assert (found.same, found.events.first) == (False, None)
    assert found.b.damage[0].startswith("NOT_CANONICAL events.jsonl:1")


def test_damage_is_bounded(copy: Path, folder: Path) -> None:
    """The first damaged lines are reported one by one, and the rest are counted."""
    (copy / AUDIT).write_bytes(b"x\n" * 50)
    found = diff_runs(folder, copy)
    assert len(found.b.damage) == 11
    assert found.b.damage[-1] == "40 more"
    assert found.audit.first is not None
    assert (found.audit.first.line_a, found.audit.first.line_b) == (1, None)


def test_surplus_snapshots_compare_bytes(copy: Path, folder: Path) -> None:
    """Snapshots beyond the number that is kept are compared by their bytes."""
    other = shutil.copytree(copy, copy.parent / "other")
    line = (copy / SNAPSHOTS).read_bytes().splitlines(keepends=True)[0]
    (copy / SNAPSHOTS).write_bytes(line * 150)
    (other / SNAPSHOTS).write_bytes(line * 160)
    found = diff_runs(copy, other)
    assert found.files == (f"{SNAPSHOTS}: not the same",)
    assert not found.same


@pytest.mark.parametrize("kind", ["nothing", "fifo", "folder", "link"])
def test_unreadable_events_raise(kind: str, copy: Path, folder: Path) -> None:
    """An events.jsonl that cannot be read, on either side, is an error that names the directory."""
    (copy / EVENTS).unlink()
    if kind == "fifo":
        os.mkfifo(copy / EVENTS)
    elif kind == "folder":
        (copy / EVENTS).mkdir()
    elif kind == "link":
        (copy / EVENTS).symlink_to(folder / EVENTS)
    for pair in ((folder, copy), (copy, folder)):
        with pytest.raises(RunPathError, match=r"events\.jsonl cannot be read"):
            diff_runs(*pair)


@pytest.mark.parametrize("name", [MANIFEST, METRICS, SNAPSHOTS, AUDIT])
def test_fifo_is_reported_as_damage(name: str, copy: Path, folder: Path) -> None:
    """A FIFO in the place of another file is reported without waiting, and the rest is compared."""
    (copy / name).unlink()
    os.mkfifo(copy / name)
    found = diff_runs(folder, copy)
    assert (found.same, found.events.first) == (False, None)
    assert found.b.damage[0].startswith(f"UNREADABLE_FILE {name}")


@pytest.mark.parametrize(
    "text", [b"", b"[]\n", b"{}\n", b'{"config":[]}\n', b'{"config":{},"inputs":1}\n{}\n', b"\xff"]
)
def test_broken_manifest_is_a_difference(text: bytes, copy: Path, folder: Path) -> None:
    """A manifest that cannot be read is a difference on either side."""
    (copy / MANIFEST).write_bytes(text)
    assert not diff_runs(folder, copy).same
    assert not diff_runs(copy, folder).same


def test_memory_is_independent_of_bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing runs of three times as many bars keeps no more of them."""
    # of larger pieces, how many lines they cut decides about 100 kB
    monkeypatch.setattr(reader, "_CHUNK", 1 << 14)
    peaks = []
    for steps in (2000, 6000):
        runs = [make_run(strategy_id="sma_cross", steps=steps, run_id=f"r{seed}", seed=seed) for seed in (1, 2)]
        places = [run.write(tmp_path / str(steps)) for run in runs]
        gc.collect()
        tracemalloc.start()
        assert not diff_runs(*places).same
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # the 4,000 further bars have 1.5 MB of lines a side
    assert peaks[1] < peaks[0] + 50_000


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60)
@given(data=st.data())
def test_arbitrary_bytes_differ(
    name: str, data: st.DataObject, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Arbitrary bytes in the place of a piece of any file are a difference, found without an exception."""
    place = Path(shutil.copytree(folder, tmp_path_factory.mktemp("odd") / "run"))
    whole = (folder / name).read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 200)))
    pieces = [b"null", b"[]", b"{}", b'""', b"true", b"1e5", b"-1", b"\n", b'{"a":1}', b"[" * 70, b'"\\ud800"']
    piece = data.draw(st.one_of(st.binary(max_size=50), st.sampled_from(pieces)))
    changed = whole[:start] + piece + whole[end:]
    (place / name).write_bytes(changed)
    assert diff_runs(folder, place).same is (changed == whole)
    shutil.rmtree(place)
