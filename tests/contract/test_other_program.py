"""Runs of another program are judged alike by both verifiers: sound ones, forged ones, and forged at random."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import verify_run
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.judges import assert_both_find, judged
from tests.witness import test_foreign_lines, test_foreign_run
from tests.witness.other_program import OtherRun
from tests.witness.sample_runs import BUY_ONE, make_run, scripted


def own_word(run: OtherRun) -> None:
    """Record an audit entry of a code of the program's own."""
    run.note("OWN", {})
    run.metrics["audit_events"] += 1


FILES = test_foreign_run.FILES
IDENTITY = {"run_id", "strategy_id", "event_type", "ts_sim", "payload"}
SOUND: dict[str, Callable[[OtherRun], object]] = {
    "as it is": lambda run: None,
    "with own fields": lambda run: [line.update(own=[1.5, {"x": None}]) for line in (*run.events, run.metrics)],
    "without a seed": lambda run: run.metrics.pop("seed"),
    "named in the audit": lambda run: run.audit[0]["meta"].update(run_id="run_demo_001", seed=123),
    "with late retries": lambda run: run.retry(behind=1),
    "with own words": lambda run: own_word(run),
}


@pytest.mark.parametrize("status", ["COMPLETED", "REJECTED", "FAILED"])
@pytest.mark.parametrize("name", SOUND)
def test_sound_run_is_clean(name: str, status: str, tmp_path: Path) -> None:
    """A sound run of another program is UNSEALED and without findings for each of the two verifiers."""
    run = OtherRun(status)
    if name not in ("with late retries", "with own words") or status != "REJECTED":
        SOUND[name](run)
    assert judged(run.write(tmp_path / "run")) == (("UNSEALED", frozenset()),) * 2


def test_stripped_run_is_clean(tmp_path: Path) -> None:
    """A run of c2lib without seal, chain and phases is UNSEALED and without findings for each of the two verifiers."""
    folder = test_foreign_run.stripped(make_run(strategy=scripted({0: BUY_ONE})), tmp_path)
    assert judged(folder) == (("UNSEALED", frozenset()),) * 2
    assert verify_run.UNSEALED_OTHER in verify_run.verify(folder).unchecked


FORGED = {**test_foreign_lines.WRONG, **test_foreign_run.WRONG}


@pytest.mark.parametrize("name", FORGED)
def test_forged_run_is_found(name: str, tmp_path: Path) -> None:
    """A forged run of another program is found by each of the two verifiers, in the same file."""
    change, expected = FORGED[name]
    run = OtherRun()
    change(run)
    assert_both_find(run.write(tmp_path / "run"), expected.split(" ")[1])


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_found(name: str, tmp_path: Path) -> None:
    """A run of another program without one of its files is INCOMPLETE for each of the two verifiers."""
    folder = OtherRun().write(tmp_path / "run")
    (folder / name).unlink()
    assert_both_find(folder, name)
    assert judged(folder)[1].verdict == "INCOMPLETE"


@settings(max_examples=400)
@given(data=st.data())
def test_random_forgeries_are_judged_alike(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Arbitrary values in any field, lines left out, doubled or moved are found by both verifiers or by neither."""
    run = OtherRun(data.draw(st.sampled_from(["COMPLETED", "REJECTED", "FAILED"])))
    for _ in range(data.draw(st.integers(1, 2))):
        lines = data.draw(st.sampled_from([run.events, run.audit, run.snapshots, [run.metrics]]))
        at = data.draw(st.integers(0, max(len(lines) - 1, 0)))
        act = data.draw(st.sampled_from(["value", "value", "value", "leave out", "double", "move"]))
        if act == "value" and lines:
            names = [*sorted(lines[at]), "prev_hash", "code", "step", "fail_code", "reject_reason", "ended_ts", "seed"]
            lines[at][data.draw(st.sampled_from(names))] = data.draw(test_foreign_run.VALUES)
        elif act == "leave out" and lines:
            del lines[at]
        elif act == "double" and lines:
            lines.insert(at, dict(lines[at]))
        elif lines:
            lines.append(lines.pop(at))
    if data.draw(st.booleans()):
        for lines, number in ((run.events, "ts_sim"), (run.audit, "seq"), (run.snapshots, "ts_sim")):
            for at, line in enumerate(lines):
                line[number] = at
    if data.draw(st.booleans()) and all(event.keys() >= IDENTITY for event in run.events):
        run.identify()
    folder = run.write(tmp_path_factory.mktemp("forged") / "run")
    first, second = judged(folder)
    assert (first.verdict, first.clean) == (second.verdict, second.clean), (first, second)
    shutil.rmtree(folder)
