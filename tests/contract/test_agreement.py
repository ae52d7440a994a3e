"""Two verifiers, written apart from the same contract, judge the same run directories alike."""

import os
import socket
from pathlib import Path

import pytest
import verify_run

from tests.contract.alterations import BYTES, FILES, FOLDERS, Change, lines_swapped
from tests.contract.judges import assert_both_find, judged
from tests.contract.vectors import GOOD, SOURCE, good_run, wild_run
from tests.witness.sample_runs import AUDIT, EVENTS, MANIFEST, METRICS, SEALED, SNAPSHOTS, STRATEGY


@pytest.mark.parametrize("name", GOOD)
def test_good_run_is_clean(tmp_path: Path, name: str) -> None:
    """A good run is SEALED and without findings for each of the two verifiers."""
    assert judged(good_run(name).write(tmp_path)) == (("SEALED", frozenset()),) * 2


@pytest.mark.parametrize("name", GOOD)
def test_unsealed_files_are_clean(tmp_path: Path, name: str) -> None:
    """A good run without its manifest is UNSEALED and without findings for each of the two verifiers."""
    run = good_run(name)
    run.sealed = False
    assert judged(run.write(tmp_path)) == (("UNSEALED", frozenset()),) * 2


@pytest.mark.parametrize("seed", [2, 8, 10])
@pytest.mark.parametrize("rate", ["0.0002", "1.5"])
def test_scarce_cash_is_clean(tmp_path: Path, seed: int, rate: str) -> None:
    """A run whose orders lack cash at random, at any fee rate, is without findings for each of the two verifiers."""
    run = wild_run(seed, initial_cash="500", taker_fee_rate=rate, participation="0.5")
    assert "insufficient_funds" in {end["reason"] for end in run.payloads("ORDER_CANCELLED")}
    assert judged(run.write(tmp_path)) == (("SEALED", frozenset()),) * 2


def test_good_runs_cover_the_contract() -> None:
    """The good runs hold all events but those of later features, partial fills, MAKER and TAKER, all endings."""
    runs = [good_run(name) for name in GOOD]
    kinds = {event["event_type"] for run in runs for event in run.events}
    assert kinds == set(verify_run.WORDS["<kind>"]) - {"FAULT_INJECTED", "ORDER_BLOCKED", "CANCEL_REJECTED"}
    fills = [fill for run in runs for fill in run.payloads("FILL")]
    assert {fill["liquidity"] for fill in fills} == {"MAKER", "TAKER"}
    assert any(fill["leaves_quantity"] != "0" for fill in fills)
    assert {run.status for run in runs} == {"COMPLETED", "REJECTED", "FAILED"}


def _altered(tmp_path: Path, base: str, file: str, change: Change, *, sealed: bool = True) -> Path | None:
    folder = good_run(base).write(tmp_path)
    before = (folder / file).read_bytes()
    after = change(before)
    (folder / file).write_bytes(after)
    if not sealed:
        (folder / MANIFEST).unlink()
    return folder if after != before else None


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", BYTES)
def test_changed_bytes_are_found(tmp_path: Path, name: str, file: str) -> None:
    """Changed bytes of a sealed file are found in that file by each of the two verifiers."""
    folder = _altered(tmp_path, "retried", file, BYTES[name])
    if folder is None:
        assert judged(tmp_path / "run_demo_001") == (("SEALED", frozenset()),) * 2
    else:
        assert_both_find(folder, file)


@pytest.mark.parametrize("file", [EVENTS, SNAPSHOTS, AUDIT])
def test_swapped_lines_are_found(tmp_path: Path, file: str) -> None:
    """Two swapped lines of a log are found by each of the two verifiers."""
    folder = _altered(tmp_path, "retried", file, lines_swapped)
    assert folder is not None
    assert_both_find(folder, file)


@pytest.mark.parametrize("file", SEALED)
@pytest.mark.parametrize("name", BYTES)
def test_new_manifest_hides_no_change(tmp_path: Path, name: str, file: str) -> None:
    """Changed bytes whose manifest was made anew are found by each of the two verifiers."""
    run = good_run("retried")
    contents = {key: data for key, data in run.contents().items() if key != MANIFEST}
    after = BYTES[name](contents[file])
    run.manifest = run.make_manifest({**contents, file: after})
    folder = run.write(tmp_path)
    (folder / file).write_bytes(after)
    if after != contents[file]:
        assert_both_find(folder, "")
    else:
        assert judged(folder) == (("SEALED", frozenset()),) * 2


@pytest.mark.parametrize("name", FOLDERS)
def test_changed_folder_is_found(tmp_path: Path, name: str) -> None:
    """A missing or additional file, or an entry that is no file, is found by each of the two verifiers."""
    change, file = FOLDERS[name]
    folder = good_run("completed").write(tmp_path)
    change(folder)
    (found,) = tmp_path.iterdir()
    assert_both_find(found, file)


def test_missing_file_is_incomplete(tmp_path: Path) -> None:
    """A run without its manifest that lacks another file is INCOMPLETE for each of the two verifiers."""
    run = good_run("completed")
    run.sealed = False
    folder = run.write(tmp_path)
    (folder / METRICS).unlink()
    assert [judgement.verdict for judgement in judged(folder)] == ["INCOMPLETE"] * 2
    assert_both_find(folder, METRICS)


@pytest.mark.parametrize("file", SEALED)
def test_other_runs_file_is_found(tmp_path: Path, file: str) -> None:
    """A file taken from another good run is found by each of the two verifiers."""
    folder = good_run("completed").write(tmp_path)
    (folder / file).write_bytes(good_run("ticking clock").contents()[file])
    assert_both_find(folder, file)


@pytest.mark.parametrize("sealed_again", [False, True])
def test_other_strategy_file_is_found(tmp_path: Path, sealed_again: bool) -> None:
    """A kept strategy file with another byte is found by each of the two verifiers, even when sealed again."""
    run = good_run("strategy file")
    if sealed_again:
        run.source = SOURCE + b"\n"
    folder = run.write(tmp_path)
    (folder / STRATEGY).write_bytes(SOURCE + b"\n")
    assert_both_find(folder, "" if sealed_again else STRATEGY)


@pytest.mark.parametrize(("base", "there"), [("strategy file", False), ("completed", True)])
def test_misplaced_strategy_file_is_found(tmp_path: Path, base: str, there: bool) -> None:
    """A kept strategy file that is missing, or one that no manifest seals, is found by each of the two verifiers."""
    folder = good_run(base).write(tmp_path)
    if there:
        (folder / STRATEGY).write_bytes(SOURCE)
    else:
        (folder / STRATEGY).unlink()
    assert_both_find(folder, STRATEGY)


def test_socket_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket in place of a file is found by each of the two verifiers."""
    folder = good_run("completed").write(tmp_path)
    (folder / EVENTS).unlink()
    # the name of a socket must be short
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(EVENTS)
        assert_both_find(folder, EVENTS)


def test_non_utf8_name_is_found(tmp_path: Path) -> None:
    """A file name that is not UTF-8 is found by each of the two verifiers."""
    folder = good_run("completed").write(tmp_path)
    with Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).open("wb"):
        pass
    assert_both_find(folder, "")
