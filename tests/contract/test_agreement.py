"""Two verifiers, written apart from the same contract, judge the same run directories alike."""

import os
import socket
from pathlib import Path

import pytest
import verify_run

from tests.contract.alterations import BYTES, FILES, FOLDERS, Change, lines_swapped
from tests.contract.judges import assert_both_find, judged
from tests.contract.vectors import GOOD, good_run
from tests.witness.sample_runs import AUDIT, EVENTS, MANIFEST, METRICS, SEALED, SNAPSHOTS


@pytest.mark.parametrize("name", GOOD)
def test_a_good_run_is_clean(tmp_path: Path, name: str) -> None:
    """To both, and it is sealed."""
    assert judged(good_run(name).write(tmp_path)) == (("SEALED", frozenset()),) * 2


@pytest.mark.parametrize("name", GOOD)
def test_the_four_files_of_a_good_run_are_clean(tmp_path: Path, name: str) -> None:
    """Without a manifest they are unsealed, and nothing is wrong with them."""
    run = good_run(name)
    run.sealed = False
    assert judged(run.write(tmp_path)) == (("UNSEALED", frozenset()),) * 2


def test_the_good_runs_show_what_there_is_to_see() -> None:
    """Every kind of event and nearly every code of the audit, partial fills and both liquidities."""
    runs = [good_run(name) for name in GOOD]
    kinds = {event["event_type"] for run in runs for event in run.events}
    assert kinds == set(verify_run.WORDS["<kind>"]) - {"FAULT_INJECTED"}
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
def test_changed_bytes_are_found_in_their_file(tmp_path: Path, name: str, file: str) -> None:
    """Whatever is done to the bytes of a sealed file; what changes nothing leaves it clean."""
    folder = _altered(tmp_path, "retried", file, BYTES[name])
    if folder is None:
        assert judged(tmp_path / "run_demo_001") == (("SEALED", frozenset()),) * 2
    else:
        assert_both_find(folder, file)


@pytest.mark.parametrize("file", [EVENTS, SNAPSHOTS, AUDIT])
def test_lines_in_another_order_are_found(tmp_path: Path, file: str) -> None:
    """Two lines that changed places."""
    folder = _altered(tmp_path, "retried", file, lines_swapped)
    assert folder is not None
    assert_both_find(folder, file)


@pytest.mark.parametrize("file", SEALED)
@pytest.mark.parametrize("name", BYTES)
def test_a_manifest_made_anew_hides_no_changed_bytes(tmp_path: Path, name: str, file: str) -> None:
    """A forger without knowledge of the format who hashes the changed files again."""
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
def test_a_changed_folder_is_found(tmp_path: Path, name: str) -> None:
    """Files that are missing, too many or no files at all."""
    change, file = FOLDERS[name]
    folder = good_run("completed").write(tmp_path)
    change(folder)
    (found,) = tmp_path.iterdir()
    assert_both_find(found, file)


def test_a_folder_without_manifest_that_lacks_a_file_is_incomplete(tmp_path: Path) -> None:
    """That is a finding to both."""
    run = good_run("completed")
    run.sealed = False
    folder = run.write(tmp_path)
    (folder / METRICS).unlink()
    assert [judgement.verdict for judgement in judged(folder)] == ["INCOMPLETE"] * 2
    assert_both_find(folder, METRICS)


@pytest.mark.parametrize("file", SEALED)
def test_the_file_of_another_run_is_found(tmp_path: Path, file: str) -> None:
    """Each is good where it belongs."""
    folder = good_run("completed").write(tmp_path)
    (folder / file).write_bytes(good_run("ticking clock").contents()[file])
    assert_both_find(folder, file)


def test_a_socket_in_place_of_a_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never opened."""
    folder = good_run("completed").write(tmp_path)
    (folder / EVENTS).unlink()
    # the name of a socket must be short
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(EVENTS)
        assert_both_find(folder, EVENTS)


def test_a_name_that_is_no_text_is_found(tmp_path: Path) -> None:
    """A file whose name has bytes that are not UTF-8."""
    folder = good_run("completed").write(tmp_path)
    with Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).open("wb"):
        pass
    assert_both_find(folder, "")
