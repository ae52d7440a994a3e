"""Where and why two runs part: real sessions, whole and damaged."""

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
from c2lib.witness.diff import NOTE_CONFIG, NOTE_HASHES, Outcome, RunDiff, diff_runs
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
    fields = [*found.causes, *found.snapshots, *found.metrics, *filter(None, [found.phases, found.audit_first])]
    first = [found.events.first.text()] if found.events.first else []
    return [*(field.text() for field in fields), *first, *found.events.asides]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a sealed run with trades; nobody changes it."""
    return make_run(strategy_id="sma_cross", seed=3, steps=60).write(tmp_path_factory.mktemp("a"))


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return Path(shutil.copytree(folder, tmp_path / folder.name))


@pytest.mark.parametrize("make", [make_run, cancelled_run, failed_run, rejected_run, retried_run])
def test_the_same_session_twice_is_identical(make: Callable[[], Run], tmp_path: Path) -> None:
    """However it ended; and nothing is said to differ."""
    found = compared([make(), make()], tmp_path)
    assert (found.outcome, found.same, found.events.same) == (Outcome.IDENTICAL, True, True)
    assert (found.causes, found.snapshots, found.metrics, found.files, found.notes) == ((), (), (), (), ())


def test_another_name_is_no_difference(tmp_path: Path) -> None:
    """Every line differs in its bytes, and no event in what it says."""
    a, b = (make_run(run_id=name, strategy_id="sma_cross", seed=3, steps=60) for name in ("one", "another"))
    found = compared([a, b], tmp_path)
    assert (found.outcome, found.same) == (Outcome.SAME_BUT_FOR_RUN_ID, True)
    assert (found.causes, found.events.same, found.notes) == ((), True, (NOTE_HASHES,))
    assert (found.a.run_id, found.b.run_id) == ("one", "another")
    assert found.events.aligned == len(a.events)


@pytest.mark.parametrize("names", [("r", "r"), ("r", "other")])
def test_one_field_of_the_config_is_the_cause(names: tuple[str, str], tmp_path: Path) -> None:
    """With both values, and the first event that it made another."""
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
    assert first.a is not None
    assert (first.a.kind, first.a.bar_index, [field.name for field in first.fields]) == ("FILL", 3, ["fee"])
    assert found.events.fills_differing.count == 2
    assert (found.events.orders_only_a.count, found.events.orders_only_b.count, found.metrics) == (0, 0, ())


def test_another_seed_is_another_market(tmp_path: Path) -> None:
    """The hash of the market follows from it, and is told beside it."""
    found = compared([make_run(seed=seed) for seed in (1, 2)], tmp_path)
    assert [field.name for field in found.causes] == ["config.seed", "market.sha256"]
    assert found.events.first is not None
    assert found.events.first.text().startswith("A STRATEGY_TICK bar ")
    assert "seed: 1 | 2" in [field.text() for field in found.metrics]


def test_a_longer_run_parts_where_it_goes_on(tmp_path: Path) -> None:
    """Not where the shorter one closes."""
    found = compared([make_run(steps=steps) for steps in (8, 12)], tmp_path)
    assert [field.name for field in found.causes] == ["config.steps", "market.bars"]
    first = found.events.first
    assert first is not None
    assert first.b is not None
    assert (first.a, first.b.kind, first.b.bar_index) == (None, "STRATEGY_TICK", 8)
    assert "snapshot 3 step: 8 | 12" in [field.text() for field in found.snapshots]


def test_ticks_that_are_not_told_are_no_place_to_part(tmp_path: Path) -> None:
    """Orders and fills are the same, and stay side by side."""
    runs = [make_run(strategy_id="sma_cross", seed=3, steps=60, tick_events=how) for how in ("every", "decisions")]
    found = compared(runs, tmp_path)
    assert whys(found) == ["config.tick_events: every | decisions"]
    assert (found.events.first, found.events.differing) == (None, 0)
    assert found.events.quiet_ticks.text() == "ticks without a decision: 59 | 0"
    assert [count.text() for count in found.events.counts if count.a != count.b] == ["STRATEGY_TICK: 60 | 1"]
    assert list(found.events.asides) == ["numbers"]


def test_one_order_more_leaves_the_others_side_by_side(tmp_path: Path) -> None:
    """Though every later one has another name."""
    a = make_run(strategy=scripted({1: BUY_ONE, 4: [OrderIntent("BUY", 2)]}))
    b = make_run(strategy=scripted({0: [OrderIntent("BUY", 5, tag="more")], 1: BUY_ONE, 4: [OrderIntent("BUY", 2)]}))
    found = compared([a, b], tmp_path)
    events = found.events
    assert (events.orders_only_a.count, events.orders_only_b.count, events.orders_differing.count) == (0, 1, 0)
    assert (events.fills_only_a.count, events.fills_only_b.count, events.fills_differing.count) == (0, 1, 0)
    assert events.asides["names"].count == 6
    only = events.orders_only_b.first[0].b
    assert only is not None
    assert (only.bar_index, only.facts["quantity"]) == (0, "5")


def test_an_order_with_other_terms_stands_beside_the_one_it_replaces(tmp_path: Path) -> None:
    """The fields that differ are those of the terms."""
    runs = [make_run(strategy=scripted({1: [OrderIntent("BUY", lots)]})) for lots in (1, 2)]
    found = compared(runs, tmp_path)
    (differing,) = found.events.orders_differing.first
    assert [field.text() for field in differing.fields] == ["quantity: 1 | 2"]
    assert found.events.orders_only_a.count == found.events.orders_only_b.count == 0


def test_another_status_is_told_with_its_path(tmp_path: Path) -> None:
    """Snapshots, phases, and the first audit entry that is another."""
    scripts: list[dict[int, Any]] = [{0: BUY_ONE}, {0: BUY_ONE, 3: ValueError()}]
    found = compared([make_run(strategy=scripted(script)) for script in scripts], tmp_path)
    told = [field.text() for field in found.snapshots]
    assert "snapshot 3 status: COMPLETED | FAILED" in told
    assert found.phases is not None
    assert "ERROR_REQUIRES_OPERATOR" in str(found.phases.b)
    assert found.audit_first is not None
    assert found.audit_first.name.startswith(f"{AUDIT}:")
    assert [count.text() for count in found.audit_counts if count.name.startswith("C2_ABORT")] == [
        "C2_ABORT_EXCEPTION: 0 | 1"
    ]


def test_another_clock_is_an_aside(tmp_path: Path) -> None:
    """Every time differs, and no trade."""
    a, b = (make_run(clock_start=f"2026-01-0{day}T00:00:00+00:00") for day in (1, 2))
    found = compared([a, b], tmp_path)
    assert whys(found)[0].startswith("config.clock_start: 2026-01-01T00:00:00+00:00 | 2026-01-02")
    assert (found.events.first, list(found.events.asides), found.audit_first, found.snapshots) == (
        None,
        ["times"],
        None,
        (),
    )


class TestWithoutManifests:
    """Unsealed and incomplete directories are compared as far as they go."""

    def test_two_names_of_one_session(self, tmp_path: Path) -> None:
        """What the config hashes hide is said."""
        runs = [make_run(run_id=name) for name in ("one", "another")]
        for run in runs:
            run.sealed = False
        found = compared(runs, tmp_path)
        assert found.outcome is Outcome.SAME_BUT_FOR_RUN_ID
        assert found.notes[1:] == (NOTE_CONFIG, NOTE_HASHES)

    def test_another_market_is_told_by_the_first_event(self, tmp_path: Path) -> None:
        """Also where nobody knows the configs."""
        runs = [make_run(seed=seed) for seed in (1, 2)]
        for run in runs:
            run.sealed = False
        found = compared(runs, tmp_path)
        assert [field.name for field in found.causes] == [
            "SESSION_START config_sha256",
            "SESSION_START market_sha256",
        ]

    def test_a_seal_on_one_side_alone(self, copy: Path, folder: Path) -> None:
        """The four files are the same; what cannot be compared is said."""
        (copy / MANIFEST).unlink()
        found = diff_runs(folder, copy)
        assert found.outcome is Outcome.IDENTICAL
        assert found.notes == (f"no {MANIFEST} that can be read in B: configs are not compared",)
        assert (found.a.verdict, found.b.verdict) == ("SEALED", "UNSEALED")

    @pytest.mark.parametrize("name", [SNAPSHOTS, AUDIT, METRICS])
    def test_a_file_that_one_side_lacks(self, name: str, copy: Path, folder: Path) -> None:
        """Is the difference, and the rest is compared."""
        (copy / name).unlink()
        found = diff_runs(folder, copy)
        assert (found.same, found.files) == (False, (f"{name}: only in A",))
        assert (found.events.same, found.snapshots, found.metrics, found.audit_first) == (True, (), (), None)

    def test_a_staging_folder(self, tmp_path: Path) -> None:
        """A crash leaves a beginning, which is compared with the whole."""
        a, b = make_run(), make_run()
        b.lines[EVENTS] = b.events[:5]
        b.lines[METRICS] = []
        b.sealed = False
        found = diff_runs(a.write(tmp_path), b.write(tmp_path, ".staging-run_demo_001-x"))
        assert found.b.verdict == "INCOMPLETE"
        assert found.events.first is not None
        assert (found.events.first.b, found.events.aligned) == (None, 5)

    def test_runs_of_another_program(self, tmp_path: Path) -> None:
        """Floats, own events and all; its ticks name no bar and are counted."""
        changed = OtherRun()
        changed.events[2]["payload"]["price"] = 7.5
        changed.identify()
        places = [run.write(tmp_path / name) for name, run in (("a", OtherRun()), ("b", changed), ("c", OtherRun()))]
        assert diff_runs(places[0], places[2]).outcome is Outcome.IDENTICAL
        found = diff_runs(places[0], places[1])
        assert found.events.first is not None
        assert [field.name for field in found.events.first.fields] == ["price"]
        assert found.events.differing == 1

    def test_another_strategys_name_is_a_cause(self, tmp_path: Path) -> None:
        """The events name it in every line, and it is told once."""
        a, b = OtherRun(), OtherRun()
        for line in (*b.events, *b.snapshots, b.metrics):
            line.update(strategy_id="other", run_id="other")
        b.identify()
        found = diff_runs(a.write(tmp_path / "a"), b.write(tmp_path / "b"))
        assert (whys(found), found.events.same, found.same) == (["strategy_id: strat_demo | other"], True, False)


TAMPERING: dict[str, tuple[str, Callable[[dict[str, Any]], object], str]] = {
    "an event id": (EVENTS, lambda line: line.update(event_id="0" * 64), "ids"),
    "a number": (EVENTS, lambda line: line.update(ts_sim=77), "numbers"),
    "a time": (EVENTS, lambda line: line.update(ts_utc="2026-01-01T00:00:09+00:00"), "times"),
    "another run's event": (EVENTS, lambda line: line.update(run_id="other"), "(run_id): (nothing) | other"),
    "a payload": (EVENTS, lambda line: line["payload"].update(extra=1), "extra: (nothing) | 1"),
    "a hash of the chain": (AUDIT, lambda line: line.update(entry_hash="0" * 64), "entry_hash"),
    "a time of the trail": (AUDIT, lambda line: line.update(ts="2026-01-01T00:00:09+00:00"), "ts: "),
    "a message": (AUDIT, lambda line: line.update(message="other"), "message"),
    "a snapshot": (SNAPSHOTS, lambda line: line.update(step=77), "step"),
    "a metric": (METRICS, lambda line: line.update(fills_total=77), "fills_total"),
    "a sealed hash": (MANIFEST, lambda line: line.update(run_digest="0" * 64), "manifest.run_digest"),
    "a sealed name": (MANIFEST, lambda line: line["config"].update(run_id="other"), "config.run_id"),
    "a sealed seed": (MANIFEST, lambda line: line["config"].update(seed=4), "config.seed: 3 | 4"),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_what_was_altered_in_a_copy_is_named(name: str, copy: Path, folder: Path) -> None:
    """In whatever file, by its field."""
    file, change, expected = TAMPERING[name]
    lines = [json.loads(line) for line in (copy / file).read_bytes().splitlines()]
    change(lines[len(lines) // 2])
    text = "".join(json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n" for line in lines)
    (copy / file).write_text(text)
    found = diff_runs(folder, copy)
    assert not found.same
    assert expected in "; ".join(everything(found))


@pytest.mark.parametrize("name", FILES)
def test_no_altered_byte_of_a_copy_passes(name: str, copy: Path, folder: Path) -> None:
    """One flipped bit anywhere, and the copy is not the same; at every 97th byte, and more seldom under a tracer."""
    flips = random.Random(7)
    data = (copy / name).read_bytes()
    silent = []
    for at in range(0, len(data), 97 if sys.gettrace() is None else 997):
        (copy / name).write_bytes(data[:at] + bytes([data[at] ^ (1 << flips.randrange(8))]) + data[at + 1 :])
        if diff_runs(folder, copy).same:
            silent.append(at)
    assert silent == []


@pytest.mark.parametrize("name", SEALED)
def test_every_line_has_its_place(name: str, copy: Path, folder: Path) -> None:
    """One line less, one twice, two exchanged: the copy is not the same."""
    lines = (copy / name).read_bytes().splitlines(keepends=True)
    for at in range(0, len(lines), 9):
        changes = [[*lines[:at], *lines[at + 1 :]], [*lines[:at], lines[at], *lines[at:]]]
        if at:
            changes.append([*lines[: at - 1], lines[at], lines[at - 1], *lines[at + 1 :]])
        for changed in changes:
            (copy / name).write_bytes(b"".join(changed))
            assert not diff_runs(folder, copy).same


def test_a_run_of_another_name_with_spaces_is_not_the_same(tmp_path: Path) -> None:
    """Where no bytes can be compared, a line that is not canonical is a difference of its own."""
    places = [make_run(run_id=name).write(tmp_path) for name in ("one", "other")]
    text = (places[1] / METRICS).read_bytes()
    (places[1] / METRICS).write_bytes(text.replace(b"{", b"{ ", 1))
    found = diff_runs(*places)
    assert (found.same, found.b.damage[0][:13], found.metrics) == (False, "NOT_CANONICAL", ())


def test_names_are_told_as_one_bounded_line(tmp_path: Path) -> None:
    """However long or odd they are; what differs behind the bound differs."""
    runs = [OtherRun(), OtherRun()]
    for run, end in zip(runs, "ab", strict=True):
        for line in (*run.events, *run.snapshots, run.metrics):
            line["run_id"] = "\n" * 500 + end
        run.identify()
    found = diff_runs(*(run.write(tmp_path / str(at)) for at, run in enumerate(runs)))
    assert found.outcome is Outcome.SAME_BUT_FOR_RUN_ID
    assert found.a.run_id == found.b.run_id
    assert (len(found.a.run_id), found.a.run_id[:4]) == (200, "\\n\\n")


def test_a_copy_with_spaces_says_the_same_and_is_not(copy: Path, folder: Path) -> None:
    """The line is told as one that cannot be compared as it stands."""
    text = (copy / EVENTS).read_bytes()
    (copy / EVENTS).write_bytes(text.replace(b'{"event_id"', b'{ "event_id"', 1))
    found = diff_runs(folder, copy)
    assert (found.same, found.events.same) == (False, True)
    assert found.b.damage[0].startswith("NOT_CANONICAL events.jsonl:1")


def test_a_damaged_copy_is_told_line_by_line_up_to_a_bound(copy: Path, folder: Path) -> None:
    """Then in number."""
    (copy / AUDIT).write_bytes(b"x\n" * 50)
    found = diff_runs(folder, copy)
    assert len(found.b.damage) == 11
    assert found.b.damage[-1] == "40 more"
    assert found.audit_first is not None
    assert (found.audit_first.a, found.audit_first.b) == ("there", None)


def test_more_snapshots_than_any_run_has_are_told_by_their_bytes(copy: Path, folder: Path) -> None:
    """They are not kept."""
    other = shutil.copytree(copy, copy.parent / "other")
    line = (copy / SNAPSHOTS).read_bytes().splitlines(keepends=True)[0]
    (copy / SNAPSHOTS).write_bytes(line * 150)
    (other / SNAPSHOTS).write_bytes(line * 160)
    found = diff_runs(copy, other)
    assert found.files == (f"{SNAPSHOTS}: other bytes, though they say the same",)
    assert not found.same


@pytest.mark.parametrize("kind", ["nothing", "fifo", "folder", "link"])
def test_events_that_cannot_be_read_cannot_be_compared(kind: str, copy: Path, folder: Path) -> None:
    """On either side; the error names the directory."""
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
def test_what_stands_in_the_place_of_another_file_is_told(name: str, copy: Path, folder: Path) -> None:
    """A FIFO is not waited for, and the rest is compared."""
    (copy / name).unlink()
    os.mkfifo(copy / name)
    found = diff_runs(folder, copy)
    assert (found.same, found.events.same) == (False, True)
    assert found.b.damage[0].startswith(f"UNREADABLE_FILE {name}")


@pytest.mark.parametrize(
    "text", [b"", b"[]\n", b"{}\n", b'{"config":[]}\n', b'{"config":{},"inputs":1}\n{}\n', b"\xff"]
)
def test_a_manifest_that_is_none_is_told(text: bytes, copy: Path, folder: Path) -> None:
    """Whatever a stranger writes there."""
    (copy / MANIFEST).write_bytes(text)
    assert not diff_runs(folder, copy).same
    assert not diff_runs(copy, folder).same


def test_memory_does_not_grow_with_the_runs(tmp_path: Path) -> None:
    """Three times the bars take no more of it, whether the runs are the same or not."""
    peaks = []
    for steps in (2000, 6000):
        runs = [make_run(strategy_id="sma_cross", steps=steps, run_id=f"r{seed}", seed=seed) for seed in (1, 2)]
        places = [run.write(tmp_path / str(steps)) for run in runs]
        tracemalloc.start()
        assert not diff_runs(*places).same
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 50_000


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60)
@given(data=st.data())
def test_no_bytes_whatever_raise(
    name: str, data: st.DataObject, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A piece of any file exchanged for anything is a difference, found without an exception."""
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
