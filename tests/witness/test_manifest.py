from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from c2lib.core.canon import canonical_sha256, run_digest
from c2lib.witness.run import open_run
from tests.witness.sample_runs import (
    AUDIT,
    EVENTS,
    MANIFEST,
    METRICS,
    Line,
    Run,
    cancelled_run,
    examined,
    forged,
    found,
    make_run,
    retried_run,
)


def resealed(change: Callable[[Line], object], parent: Path, run: Run | None = None) -> set[str]:
    """Change the manifest of a run, make its digest fit, and return what is found."""
    run = run or make_run()
    files = run.contents()
    run.manifest = run.make_manifest({name: data for name, data in files.items() if name != MANIFEST})
    change(run.manifest)
    run.manifest["run_digest"] = run_digest(run.manifest)
    return found(examined(run, parent))


def test_correct_manifest_has_no_finding(tmp_path: Path) -> None:
    """An unchanged manifest of a sealed run has no finding."""
    assert resealed(lambda manifest: None, tmp_path) == set()


def test_run_digest_is_recomputed(tmp_path: Path) -> None:
    """A manifest that was changed without a new digest is RUN_DIGEST_WRONG."""
    folder = make_run().write(tmp_path)
    path = folder / MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"seed":123', b'"seed":124'))
    assert f"RUN_DIGEST_WRONG {MANIFEST}" in found(open_run(folder))


@pytest.mark.parametrize(
    ("change", "findings"),
    [
        ({"behaviour_version": 999}, {f"OTHER_BEHAVIOUR_VERSION {MANIFEST}"}),
        ({"status": "FAILED"}, {f"STATUS_PATH_WRONG {MANIFEST}"}),
        ({"config_sha256": "0" * 64}, {f"CONFIG_HASH_WRONG {MANIFEST}"}),
        ({"criteria_sha256": "0" * 64}, {f"CONFIG_HASH_WRONG {MANIFEST}"}),
        ({"run_id": "another"}, {f"WRONG_RUN {MANIFEST}"}),
        ({"strategy_id": "another"}, {f"WRONG_RUN {MANIFEST}"}),
        ({"market": {}}, {f"CONTRACT_BROKEN {MANIFEST}", f"DIGEST_WRONG {MANIFEST}"}),
        ({"strategy": {}}, {f"WRONG_RUN {MANIFEST}", f"CONTRACT_BROKEN {MANIFEST}"}),
        (
            {"strategy": {"origin": "elsewhere", "sha256": None}},
            {f"WRONG_RUN {MANIFEST}", f"CONTRACT_BROKEN {MANIFEST}"},
        ),
        ({"strategy": {"origin": ["file"], "sha256": None}}, {f"WRONG_RUN {MANIFEST}", f"CONTRACT_BROKEN {MANIFEST}"}),
        ({"inputs": {}}, {f"CONTRACT_BROKEN {MANIFEST}"}),
        ({"audit": {}}, {f"CONTRACT_BROKEN {MANIFEST}", f"CHAIN_BROKEN {MANIFEST}"}),
        ({"extra": 1}, {f"CONTRACT_BROKEN {MANIFEST}"}),
        ({"market": None}, {f"CONTRACT_BROKEN {MANIFEST}"}),
    ],
)
def test_wrong_manifest_fields_are_found(change: Line, findings: set[str], tmp_path: Path) -> None:
    """A manifest field that contradicts the log or breaks its own table is found although the digest fits."""
    assert resealed(lambda manifest: manifest.update(change), tmp_path) == findings


@pytest.mark.parametrize(
    ("path", "value", "findings"),
    [
        (("audit", "entries"), 17, {f"CHAIN_BROKEN {MANIFEST}"}),
        (("audit", "last_hash"), "0" * 64, {f"CHAIN_BROKEN {MANIFEST}"}),
        (("market", "sha256"), "0" * 64, {f"DIGEST_WRONG {MANIFEST}"}),
        (("artifacts", EVENTS, "sha256"), "0" * 64, {f"DIGEST_WRONG {EVENTS}"}),
        (("artifacts", AUDIT, "bytes"), 1, {f"DIGEST_WRONG {AUDIT}"}),
        (("artifacts", METRICS, "lines"), 2, {f"DIGEST_WRONG {METRICS}"}),
        (("artifacts", METRICS, "lines"), True, {f"DIGEST_WRONG {METRICS}"}),
        (("artifacts", EVENTS), [], {f"CONTRACT_BROKEN {MANIFEST}", f"DIGEST_WRONG {EVENTS}"}),
        (("artifacts", "more.txt"), {}, {f"CONTRACT_BROKEN {MANIFEST}"}),
        (("inputs", "sink_failures"), [["events.jsonl", 0, ["OSError"]]], {f"COUNTER_WRONG {MANIFEST}"}),
        (("inputs", "sink_failures"), [[], 7, [8]], set()),
        (("inputs", "sink_failures"), None, set()),
    ],
)
def test_wrong_nested_values_are_found(path: tuple[str, ...], value: Any, findings: set[str], tmp_path: Path) -> None:
    """A wrong value inside an object of the manifest is found although the digest fits."""

    def change(manifest: Line) -> None:
        target: Any = manifest
        for name in path[:-1]:
            target = target[name]
        target[path[-1]] = value

    assert resealed(change, tmp_path) == findings


@pytest.mark.parametrize(
    ("path", "value", "finding"),
    [
        (("seed",), 7, f"COUNTER_WRONG {MANIFEST}"),
        (("steps",), 7, f"CONFIG_HASH_WRONG {MANIFEST}"),
        (("clock_mode",), "market", f"CONFIG_HASH_WRONG {MANIFEST}"),
        (("run_id",), "another", f"WRONG_RUN {MANIFEST}"),
        (("strategy_id",), "another", f"WRONG_RUN {MANIFEST}"),
        (("market", "symbol"), "OTHER", f"CONFIG_HASH_WRONG {MANIFEST}"),
        (("broker", "initial_cash"), "1", f"CONFIG_HASH_WRONG {MANIFEST}"),
        (("broker", "taker_fee_rate"), "0.1", f"LEDGER_WRONG {EVENTS}"),
        (("broker", "taker_fee_rate"), 1, f"CONTRACT_BROKEN {MANIFEST}"),
        (("broker",), None, f"CONTRACT_BROKEN {MANIFEST}"),
        (("enabled",), True, f"PHASE_PATH_FORBIDDEN {MANIFEST}"),
        (("criteria",), {"min_fills": 0}, f"CONFIG_HASH_WRONG {MANIFEST}"),
    ],
)
def test_forged_config_contradicts_log(path: tuple[str, ...], value: Any, finding: str, tmp_path: Path) -> None:
    """A forged config whose hashes all fit, in the first event too, is found by the rest of the log."""
    run = make_run()
    target: Any = run.config
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value
    start = run.payloads("SESSION_START")[0]
    start["config_sha256"] = canonical_sha256(run.config)
    assert finding in found(forged(run, tmp_path))


def test_config_hash_matches_first_event(tmp_path: Path) -> None:
    """A config whose hash differs from the one in SESSION_START is CONFIG_HASH_WRONG."""
    run = make_run()
    run.config["max_sink_retries"] = 5
    assert found(examined(run, tmp_path)) == {f"CONFIG_HASH_WRONG {MANIFEST}"}


def test_missing_ticks_are_found(tmp_path: Path) -> None:
    """A missing tick of a run that records every bar is SEQUENCE_BROKEN, in the middle and at the end."""
    for name, gone in (("end", 7), ("middle", 6)):
        run = make_run()
        run.lines[EVENTS] = [
            event
            for event in run.events
            if event["event_type"] != "STRATEGY_TICK" or event["payload"]["bar_index"] != gone
        ]
        for number, event in enumerate(run.events):
            event["ts_sim"] = number
        assert f"SEQUENCE_BROKEN {EVENTS}" in found(forged(run, tmp_path / name))


def test_sink_failures_match_retries(tmp_path: Path) -> None:
    """A manifest whose inputs list fewer sink failures than the audited retries is COUNTER_WRONG."""
    run = retried_run()
    run.inputs["sink_failures"].pop()
    assert found(examined(run, tmp_path)) == {f"COUNTER_WRONG {MANIFEST}"}


def test_audited_override_is_no_finding(tmp_path: Path) -> None:
    """A run with enabled true has no finding when the override is audited or the run was rejected for that."""
    run = make_run(enabled=True, enabled_override=True)
    examination = examined(run, tmp_path / "overridden")
    assert examination.findings == ()
    assert examination.summary.enabled_overridden is True
    run = make_run(enabled=True)
    assert examined(run, tmp_path / "rejected").findings == ()


def test_folder_name_is_a_note(tmp_path: Path) -> None:
    """A run in a folder that is not named by its run_id has a note with both names, and no finding."""
    run = open_run(make_run().write(tmp_path, "another\nname"))
    assert (run.findings, run.summary.run_id) == ((), "run_demo_001")
    assert run.notes == ("the folder is called another\\nname, the run run_demo_001",)
    assert open_run(make_run().write(tmp_path)).notes == ()


def test_manifest_is_one_canonical_line(tmp_path: Path) -> None:
    """A manifest in another spelling, of two lines, cut or empty is found."""
    folder = make_run().write(tmp_path)
    path = folder / MANIFEST
    data = path.read_bytes()
    for changed, finding in (
        (data.replace(b":", b": "), f"NOT_CANONICAL {MANIFEST}"),
        (data * 2, f"MALFORMED_LINE {MANIFEST}"),
        (data + b"\n", f"MALFORMED_LINE {MANIFEST}"),
        (data[:-1], f"MALFORMED_LINE {MANIFEST}"),
        (b"", f"MALFORMED_LINE {MANIFEST}"),
    ):
        path.write_bytes(changed)
        assert finding in found(open_run(folder))


def test_foreign_manifest_seals_nothing(tmp_path: Path) -> None:
    """A run with the manifest of another run is DIGEST_WRONG in each sealed file that differs."""
    folder = make_run().write(tmp_path)
    other = cancelled_run().contents()[MANIFEST]
    (folder / MANIFEST).write_bytes(other)
    assert {f"DIGEST_WRONG {name}" for name in (EVENTS, AUDIT, METRICS)} <= found(open_run(folder))
