"""What hostile lines cost, counted in calls and bytes of memory: no more than as many bytes of honest lines."""

import cProfile
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import verify_run

from c2lib.witness.diff import diff_runs
from c2lib.witness.findings import MAX_PER_FILE
from c2lib.witness.run import open_run
from tests.contract.vectors import good_run
from tests.witness.other_program import OtherRun
from tests.witness.sample_runs import AUDIT, EVENTS, METRICS, SNAPSHOTS, make_run

LOGS = (EVENTS, SNAPSHOTS, AUDIT)
SIZES = (300_000, 600_000)

PIECES: Mapping[str, bytes] = {
    "empty lines": b"\n",
    "lines of one byte": b"x\n",
    "bytes that are no text": b"\xff\xfe{]\n",
    "empty objects": b"{}\n",
    "halves of lines": b'{"run_id":"r","seq":0\n',
}


def _rows(folder: Path) -> None:
    with open_run(folder) as run:
        for rows in (run.events, run.orders, run.round_trips, run.equity):
            list(rows())


JUDGES: Mapping[str, Callable[[Path], object]] = {
    "verify": open_run,
    "rows": _rows,
    "diff": lambda folder: diff_runs(folder, folder),
    "the second verifier": verify_run.verify,
}


def calls(judge: Callable[[Path], object], folder: Path) -> int:
    """Return how many calls of functions, of C too, a judge makes."""
    profile = cProfile.Profile()
    profile.runcall(judge, folder)
    return sum(entry.callcount for entry in profile.getstats())


def peak(judge: Callable[[Path], object], folder: Path) -> int:
    """Return the most bytes that a judge holds."""
    tracemalloc.start()
    judge(folder)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Return the calls for each byte of a sound run, by judge."""
    folder = make_run(steps=600).write(tmp_path_factory.mktemp("honest"))
    size = sum((folder / name).stat().st_size for name in LOGS)
    return {name: calls(judge, folder) / size for name, judge in JUDGES.items()}


def spoiled(parent: Path, pieces: bytes, *, own: bool, good: bool = False) -> Path:
    """Write a run, of c2lib or of another program, whose files go on with ``pieces``, every other one sound if so."""
    folder = make_run(steps=20).write(parent) if own else OtherRun().write(parent / "run_demo_001")
    for name in LOGS:
        sound = (folder / name).read_bytes()
        line = sound.splitlines(keepends=True)[-1]
        more = pieces.replace(b"\n", b"\n" + line) if good else pieces
        (folder / name).write_bytes(sound + more[: len(pieces)])
    with (folder / METRICS).open("ab") as file:
        file.write(pieces)
    return folder


@pytest.mark.parametrize("own", [True, False], ids=["c2lib", "other program"])
@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("name", PIECES)
def test_hostile_lines_cost_no_more(name: str, judge: str, own: bool, honest: dict[str, float], tmp_path: Path) -> None:
    """Each byte more of hostile lines takes no more calls than one of honest lines, and no more memory."""
    made = [spoiled(tmp_path / str(size), PIECES[name] * (size // len(PIECES[name])), own=own) for size in SIZES]
    less, more = (calls(JUDGES[judge], folder) for folder in made)
    assert more - less <= honest[judge] * (len(LOGS) + 1) * (SIZES[1] - SIZES[0])
    least, most = (peak(JUDGES[judge], folder) for folder in made)
    # the longer file fills one block more; a verifier that kept its lines would hold 50 bytes for each byte
    assert most <= least + 1_000_000


@pytest.mark.parametrize("judge", JUDGES)
def test_sound_lines_cost_no_more(judge: str, honest: dict[str, float], tmp_path: Path) -> None:
    """Sound lines between hostile ones make neither cost more."""
    made = [spoiled(tmp_path / str(size), b"\n" * size, own=True, good=True) for size in SIZES]
    less, more = (calls(JUDGES[judge], folder) for folder in made)
    assert more - less <= honest[judge] * (len(LOGS) + 1) * (SIZES[1] - SIZES[0])


@pytest.mark.parametrize("name", LOGS)
def test_given_up_rest_counts(name: str, tmp_path: Path) -> None:
    """A file with too many findings is given up by both verifiers, which say how many lines were left."""
    folder = good_run("completed").write(tmp_path)
    with (folder / name).open("ab") as file:
        file.write(b"\n" * 50_000)
    first, second = open_run(folder), verify_run.verify(folder)
    found = [finding for finding in first.findings if finding.file == name]
    assert len(found) == MAX_PER_FILE + 1
    assert found[-1].seen.endswith(f" {50_000 - MAX_PER_FILE} more lines, left out")
    assert any(name in what for what in first.unchecked)
    assert f"{50_000 - verify_run.MOST} more lines of {name}, behind {verify_run.MOST} findings" in second.unchecked
    assert second.total == 50_001
    assert {finding.file for finding in second.findings} == {finding.file for finding in first.findings} == {name}


LONG = (
    b'{"b":1,"a":[' + b"1," * 40_000 + b"1]}\n",
    b"{" + b",".join(b'"%06d":1' % field for field in range(9_000)) + b"}\n",
)


@pytest.mark.parametrize("line", LONG, ids=["unsorted keys", "unknown fields"])
def test_long_lines_are_few(line: bytes, tmp_path: Path) -> None:
    """Of long lines that break the contract in many places only the first few are read."""
    folder = make_run(steps=20).write(tmp_path)
    (folder / EVENTS).write_bytes(line * 40)
    (folder / "run_manifest.json").unlink()
    found = [finding for finding in open_run(folder).findings if finding.file == EVENTS]
    assert max(finding.line for finding in found) <= 14
    assert "more lines, left out" in found[-1].seen


def test_rows_end_with_reading(tmp_path: Path) -> None:
    """Rows of a log that was given up are those of the events before, and its bytes are hashed whole."""
    folder = make_run(steps=20).write(tmp_path)
    sound = (folder / EVENTS).read_bytes()
    (folder / EVENTS).write_bytes(sound + b"\n" * 5_000 + sound)
    with open_run(folder) as run:
        assert len(list(run.events())) == sound.count(b"\n")
        facts = run.summary.artifacts[EVENTS]
    assert (facts.bytes, facts.lines) == (2 * len(sound) + 5_000, 2 * sound.count(b"\n") + 5_000)
