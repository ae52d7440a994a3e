import os
import random
import shutil
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.config import check_run_id_for_directory
from c2lib.core.errors import ConfigError, RunPathError
from c2lib.core.model import OrderIntent
from c2lib.witness.findings import Verdict
from c2lib.witness.run import NOT_CHECKED_UNSEALED, open_run
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
    examined,
    failed_run,
    found,
    make_run,
    rejected_run,
    retried_run,
    scripted,
    tripped_run,
    write_files,
)

FILES = (*SEALED, MANIFEST)

CLEAN: dict[str, Callable[[], Run]] = {
    "completed": make_run,
    "cancelled": cancelled_run,
    "cancelled before the first step": lambda: make_run(lambda session: None),
    "rejected": rejected_run,
    "rejected for its retries": lambda: make_run(max_sink_retries=-1),
    "rejected for a secret": lambda: make_run(strategy_allowlist=("strat_demo", "password=hunter2hunter2")),
    "failed": failed_run,
    "failed on loading": lambda: make_run(strategy=lambda settings: 1 / 0),
    "failed on its first bar": lambda: make_run(strategy=scripted({0: "no decision"})),
    "failed by a rail": tripped_run,
    "an order open at the end": lambda: make_run(strategy=scripted({7: BUY_ONE})),
    "an order rejected by the broker": lambda: make_run(
        strategy=scripted({0: [OrderIntent("BUY", 1, "LIMIT", 5, tag="wörd")]})
    ),
    "decisions only": lambda: make_run(tick_events="decisions", steps=64),
    "failed, decisions only": lambda: make_run(tick_events="decisions", strategy=scripted({0: BUY_ONE, 3: "bad"})),
    "the market's time": lambda: make_run(clock_mode="market"),
    "retries": retried_run,
    "an open gate, overridden": lambda: make_run(enabled=True, enabled_override=True),
    "no fees": lambda: make_run(broker={"taker_fee_rate": "0"}),
    "a fine grid": lambda: make_run(market={"tick_size": "0.00005", "lot_size": "0.001"}, steps=40),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a sealed run of 8 steps; a test that changes it puts it back."""
    return make_run().write(tmp_path_factory.mktemp("sealed"))


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """Return a copy of the sealed run."""
    return Path(shutil.copytree(folder, tmp_path / folder.name))


@pytest.mark.parametrize("name", CLEAN)
def test_correct_run_has_no_findings(name: str, tmp_path: Path) -> None:
    """A correct run has no findings, however the session ended, sealed or not."""
    run = CLEAN[name]()
    examination = examined(run, tmp_path / "sealed")
    assert [finding.text() for finding in examination.findings] == []
    assert (examination.verdict, examination.unchecked) == (Verdict.SEALED, ())
    run.sealed = False
    examination = examined(run, tmp_path / "unsealed")
    assert [finding.text() for finding in examination.findings] == []
    assert (examination.verdict, examination.unchecked) == (Verdict.UNSEALED, NOT_CHECKED_UNSEALED)


CALLS = st.lists(st.integers(0, 30), max_size=12)


@settings(max_examples=60)
@given(failing=st.fixed_dictionaries({EVENTS: CALLS, AUDIT: CALLS, SNAPSHOTS: CALLS, METRICS: CALLS}))
def test_sink_retries_are_no_findings(failing: dict[str, list[int]], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Sinks that fail now and then, at a write or a flush, leave a run without findings."""
    run = make_run(max_sink_retries=40, failing=failing)
    examination = examined(run, tmp_path_factory.mktemp("retries"))
    assert [finding.text() for finding in examination.findings] == []


@pytest.mark.parametrize(("sink", "calls"), [(EVENTS, 21), (SNAPSHOTS, 4), (AUDIT, 20), (METRICS, 2)])
def test_late_violation_leaves_correct_record(sink: str, calls: int, tmp_path: Path) -> None:
    """An attempt to leave the process at any write, late ones included, leaves a run without findings."""
    for call in range(calls):
        run = make_run(leaking={sink: call})
        examination = examined(run, tmp_path / str(call))
        assert [finding.text() for finding in examination.findings] == [], call
        closings = len(run.entries("C2_DRYRUN_STOP"))
        assert bool(examination.unchecked) is (closings == 2)
        assert (examination.summary.status == "FAILED") is bool(run.entries("C2_ABORT_NO_LIVE_VIOLATION"))


def test_memory_is_independent_of_steps(tmp_path: Path) -> None:
    """Verifying three times as many ticks takes no more memory."""
    peaks = []
    for steps in (2000, 6000):
        folder = make_run(strategy_id="sma_cross", steps=steps, run_id=f"r{steps}").write(tmp_path)
        tracemalloc.start()
        assert open_run(folder).findings == ()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 50_000


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    """One flipped bit in any byte of any sealed file is a finding (every 13th byte under a tracer)."""
    stride = 1 if sys.gettrace() is None else 13
    folder = make_run(run_id="r", tick_events="decisions", seed=3).write(tmp_path)
    flips = random.Random(7)
    silent = []
    for name in FILES:
        data = (folder / name).read_bytes()
        descriptor = os.open(folder / name, os.O_WRONLY)
        for at, byte in list(enumerate(data))[::stride]:
            os.pwrite(descriptor, bytes([byte ^ (1 << flips.randrange(8))]), at)
            if not open_run(folder).findings:
                silent.append((name, at))
            os.pwrite(descriptor, bytes([byte]), at)
        os.close(descriptor)
    assert silent == []
    assert open_run(folder).findings == ()


def line_changes(lines: list[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines with each one taken out, doubled, or changed with the next."""
    for at in range(len(lines)):
        yield [*lines[:at], *lines[at + 1 :]]
        yield [*lines[:at], lines[at], *lines[at:]]
        if at + 1 < len(lines):
            yield [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("sealed", [True, False])
def test_displaced_lines_are_found(name: str, sealed: bool, copy: Path) -> None:
    """A line that is removed, doubled or exchanged with the next is found, with and without a seal."""
    if not sealed:
        (copy / MANIFEST).unlink()
    if name == MANIFEST and not sealed:
        return
    lines = (copy / name).read_bytes().splitlines(keepends=True)
    for changed in line_changes(lines):
        (copy / name).write_bytes(b"".join(changed))
        assert open_run(copy).findings, changed


@pytest.mark.parametrize("name", FILES)
def test_cut_file_is_found(name: str, copy: Path) -> None:
    """A file of a sealed run that is cut at any place is found."""
    data = (copy / name).read_bytes()
    ends = [at + 1 for at, byte in enumerate(data) if byte == 10]
    for cut in {0, 1, len(data) // 3, len(data) // 2, len(data) - 2, len(data) - 1, *ends[:-1]}:
        (copy / name).write_bytes(data[:cut])
        assert open_run(copy).findings, cut


@pytest.mark.parametrize("name", SEALED)
def test_removed_file_is_found(name: str, copy: Path) -> None:
    """A removed file is MISSING_FILE, and an unsealed run without that file is INCOMPLETE."""
    (copy / name).unlink()
    assert f"MISSING_FILE {name}" in found(open_run(copy))
    assert open_run(copy).verdict is Verdict.SEALED
    (copy / MANIFEST).unlink()
    examination = open_run(copy)
    assert examination.verdict is Verdict.INCOMPLETE
    assert {f"MISSING_FILE {name}", "INCOMPLETE_RUN ."} <= found(examination)


def test_run_without_manifest_is_unsealed(copy: Path) -> None:
    """A run without a manifest is UNSEALED and lists what was not checked."""
    (copy / MANIFEST).unlink()
    examination = open_run(copy)
    assert (examination.verdict, examination.findings) == (Verdict.UNSEALED, ())
    assert any("hash" in text for text in examination.unchecked)
    assert any("orders_query_total" in text for text in examination.unchecked)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["fifo", "directory", "link", "dangling"])
def test_only_regular_files_are_read(name: str, kind: str, copy: Path, tmp_path: Path) -> None:
    """A FIFO, directory or symlink in the place of any file of a run is an UNREADABLE_FILE finding."""
    place = copy / name
    place.rename(tmp_path / "elsewhere")
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "directory":
        place.mkdir()
    else:
        place.symlink_to(tmp_path / ("elsewhere" if kind == "link" else "nowhere"))
    examination = open_run(copy)
    assert f"UNREADABLE_FILE {name}" in found(examination)
    assert examination.verdict is Verdict.SEALED


def test_staging_folder_is_incomplete(tmp_path: Path) -> None:
    """A complete run in a staging folder is INCOMPLETE, and the folder's name is no further finding."""
    folder = make_run().write(tmp_path, ".staging-run_demo_001")
    examination = open_run(folder)
    assert examination.verdict is Verdict.INCOMPLETE
    assert found(examination) == {"INCOMPLETE_RUN ."}


def test_empty_folder_is_incomplete(tmp_path: Path) -> None:
    """An empty folder is INCOMPLETE, with a finding for each of the four missing files."""
    examination = open_run(tmp_path)
    assert examination.verdict is Verdict.INCOMPLETE
    assert found(examination) == {"INCOMPLETE_RUN .", *(f"MISSING_FILE {name}" for name in SEALED)}
    assert examination.summary.status == ""


def test_unexpected_file_is_found(copy: Path) -> None:
    """A file that the contract does not name is found; environment.json and evidence are allowed."""
    (copy / "environment.json").write_bytes(b'{"wall_time": 1.5}\n')
    (copy / "evidence").mkdir()
    assert open_run(copy).findings == ()
    (copy / "notes.txt").write_bytes(b"")
    assert found(open_run(copy)) == {"UNEXPECTED_FILE notes.txt"}


def test_missing_path_raises(tmp_path: Path) -> None:
    """Opening a run at a path that does not exist raises RunPathError."""
    with pytest.raises(RunPathError):
        open_run(tmp_path / "missing")


def test_findings_are_repeatable(copy: Path) -> None:
    """Verifying a run twice gives equal results, which name the path that was given."""
    (copy / EVENTS).write_bytes((copy / EVENTS).read_bytes().replace(b"BUY", b"SELL"))
    assert open_run(copy) == open_run(str(copy))
    assert open_run(copy).path == str(copy)


def test_finding_names_changed_line(copy: Path) -> None:
    """The first finding on a changed event names the file, the line and the event id."""
    lines = (copy / EVENTS).read_bytes().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if b'"FILL"' in line)
    lines[at] = lines[at].replace(b'"price":"1', b'"price":"2')
    (copy / EVENTS).write_bytes(b"".join(lines))
    first = open_run(copy).findings[0]
    assert (first.code.value, first.file, first.line) == ("EVENT_ID_WRONG", EVENTS, at + 1)
    assert first.event_id is not None


def test_kept_findings_are_bounded(copy: Path) -> None:
    """The findings kept for a damaged file have a bound, and the last finding counts the rest."""
    (copy / AUDIT).write_bytes(b"x\n" * 3000)
    findings = [finding for finding in open_run(copy).findings if finding.file == AUDIT]
    assert len(findings) == 1001
    assert findings[-1].seen.endswith(" and 2000 more lines, left out")


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60)
@given(data=st.data())
def test_arbitrary_bytes_are_found(name: str, data: st.DataObject, folder: Path) -> None:
    """Arbitrary bytes in the place of a piece of any file are found without an exception."""
    whole = (folder / name).read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 200)))
    piece = data.draw(
        st.one_of(
            st.binary(max_size=50),
            st.sampled_from([b"null", b"[]", b"{}", b'""', b"true", b"1e5", b"-1", b"\n", b'{"a":1}', b"[" * 70]),
        )
    )
    changed = whole[:start] + piece + whole[end:]
    (folder / name).write_bytes(changed)
    findings = open_run(folder).findings
    (folder / name).write_bytes(whole)
    assert bool(findings) is (changed != whole)


VALUES: st.SearchStrategy[object] = st.sampled_from(
    [None, True, 0, -1, 2**53 - 1, "", "x", "0", "-1", "9" * 401, [], [[]], {}, {"a": None}, "FILL", "2026", "\u00e9"]
)


@settings(max_examples=200)
@given(data=st.data())
def test_arbitrary_values_never_raise(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Arbitrary values in any field of any file, with all hashes adjusted, raise no exception."""
    run = make_run()
    for _ in range(data.draw(st.integers(1, 3))):
        lines = data.draw(st.sampled_from(list(run.lines.values())))
        target = data.draw(st.sampled_from(lines))
        inner = data.draw(st.sampled_from([target, target.get("payload", target), target.get("meta", target)]))
        if isinstance(inner, dict) and inner:
            inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(VALUES)
    try:
        run.rehash()
        files = run.contents()
    except (TypeError, ValueError, KeyError):
        run.sealed = False
        files = run.contents()
    folder = tmp_path_factory.mktemp("odd") / run.run_id
    folder.mkdir()
    write_files(folder, files)
    open_run(folder)
    shutil.rmtree(folder)


@settings(max_examples=100)
@given(data=st.data())
def test_arbitrary_manifest_values_never_raise(data: st.DataObject, folder: Path) -> None:
    """Arbitrary values in any field of the manifest raise no exception."""
    run = make_run()
    whole = run.contents()
    run.manifest = run.make_manifest({name: whole[name] for name in SEALED})
    targets = [run.manifest, *(value for value in run.manifest.values() if isinstance(value, dict))]
    targets += [run.manifest["config"]["broker"], run.manifest["artifacts"][EVENTS]]
    target = data.draw(st.sampled_from(targets))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(VALUES)
    (folder / MANIFEST).write_bytes(run.contents()[MANIFEST])
    open_run(folder)
    (folder / MANIFEST).write_bytes(whole[MANIFEST])


def test_staging_names_are_refused() -> None:
    """A run_id that begins like the name of a staging folder is refused."""
    with pytest.raises(ConfigError):
        check_run_id_for_directory(".staging-run")


def test_verification_closes_its_files(copy: Path) -> None:
    """Verifying a correct or a damaged run leaves no descriptor open."""
    before = len(os.listdir("/proc/self/fd"))
    open_run(copy)
    for name in (SNAPSHOTS, METRICS):
        (copy / name).unlink()
        os.mkfifo(copy / name)
    open_run(copy)
    assert len(os.listdir("/proc/self/fd")) == before


def test_progress_counts_bytes(copy: Path) -> None:
    """Progress is reported in increasing bytes up to the size of all files that are there."""
    told: list[tuple[int, int]] = []
    for missing in ([], [SNAPSHOTS]):
        for name in missing:
            (copy / name).unlink()
        told.clear()
        open_run(copy, progress=lambda done, planned: told.append((done, planned)))
        size = sum((copy / name).stat().st_size for name in (*SEALED, MANIFEST) if name not in missing)
        assert told[-1] == (size, size)
        assert [done for done, _ in told] == sorted({done for done, _ in told})
