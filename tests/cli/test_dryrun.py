"""``c2lib dryrun``: what an operator can ask for, and what happens when it is not allowed or not possible."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from c2lib.core.vocabulary import Artifact
from tests.app.conftest import Command
from tests.app.runs import (
    DEMO,
    RUN,
    flip_byte,
    in_process_of_its_own,
    manifest_of,
    market_csv,
    place_below,
    sealed_bytes,
    tree,
)
from tests.record.failing_system import failing, system

SUMMARY = {
    "accepted",
    "run_id",
    "status",
    "stop_reason",
    "reject_code",
    "fail_code",
    "steps",
    "fills",
    "run_digest",
    "path",
    "reproduced",
}


RACER = """
import json, sys, time
from pathlib import Path
from c2lib import DryrunConfig, run_dryrun
me, other, out, rounds = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
for number in range(rounds):
    config = DryrunConfig(strategy_id="strat_demo", seed=number, run_id=f"race_{number}")
    (out / f"{number}-{me}").touch()
    until = time.monotonic() + 30
    while not (out / f"{number}-{other}").exists() and time.monotonic() < until:
        pass
    result = run_dryrun(config, out_dir=out)
    print(json.dumps([result.reproduced, result.status.value, result.run_digest]))
"""


def test_run_gives_one_json_line(command: Command, out: Path) -> None:
    """A dry run prints one JSON line with the result on stdout and nothing on stderr."""
    answer = command("dryrun", *DEMO, "--out", out)
    assert (answer.code, answer.err) == (0, "")
    assert set(answer.facts) == SUMMARY
    assert (answer.facts["status"], answer.facts["run_id"], answer.facts["accepted"]) == ("COMPLETED", RUN, True)
    assert answer.facts["path"] == str(place_below(out))
    assert answer.facts["run_digest"] == manifest_of(place_below(out))["run_digest"]
    assert answer.facts["fills"] > 0
    assert answer.facts["reproduced"] is False


def test_repeated_run_is_reproduced(command: Command, out: Path) -> None:
    """Running the same command into the same place reports the run as reproduced and changes no file."""
    first = command("dryrun", *DEMO, "--out", out)
    before = tree(out)
    second = command("dryrun", *DEMO, "--out", out)
    assert second.code == 0
    assert second.facts == first.facts | {"reproduced": True}
    assert tree(out) == before


def test_environment_changes_no_byte(command: Command, out: Path, tmp_path: Path) -> None:
    """Another process, hash seed, time zone, locale, folder and output root change no sealed byte."""
    market = market_csv(tmp_path / "day.csv")
    here = command("dryrun", *DEMO, "--market", market, "--out", out).facts
    cwd = tmp_path / "elsewhere"
    cwd.mkdir()
    env = {
        "PYTHONHASHSEED": "4711",
        "TZ": "Pacific/Auckland",
        "LC_ALL": "C",
        "LANG": "de_DE.UTF-8",
        "PYTHONUTF8": "0",
        "HOME": str(cwd),
        "USER": "somebody",
    }
    there = in_process_of_its_own("dryrun", *DEMO, "--market", "../day.csv", "--out", "deep/er", cwd=cwd, env=env)
    assert (there.code, there.err) == (0, "")
    assert there.facts["run_digest"] == here["run_digest"]
    assert sealed_bytes(place_below(cwd / "deep" / "er")) == sealed_bytes(place_below(out))


def test_conflicting_run_is_refused(command: Command, out: Path) -> None:
    """Another seed under a published run_id is refused with the first differing line and the differing field."""
    command("dryrun", *DEMO, "--out", out)
    before = tree(out)
    answer = command("dryrun", *DEMO[:2], "--seed", "8", *DEMO[4:], "--out", out)
    assert answer.code == 1
    assert "differs from this run, first in events.jsonl, line 1: published" in answer.complaint
    assert "the configs differ in seed (nothing was changed; leave run_id out" in answer.complaint
    assert tree(out) == before


def test_changed_byte_is_refused(command: Command, out: Path) -> None:
    """Repeating a run whose published directory was changed is refused with the file and the line."""
    command("dryrun", *DEMO, "--out", out)
    path = place_below(out) / Artifact.EVENTS
    lines = path.read_bytes().splitlines(keepends=True)
    flip_byte(path, sum(map(len, lines[:9])) + 20)
    answer = command("dryrun", *DEMO, "--out", out)
    assert answer.code == 1
    assert "first in events.jsonl, line 10: published" in answer.complaint


def test_market_file_sets_time(command: Command, out: Path, tmp_path: Path) -> None:
    """A dry run on a market file runs every bar and takes its times from the file in market clock mode."""
    market = market_csv(tmp_path / "day.csv")
    answer = command(
        "dryrun", "--strategy-id", "sma_cross", *DEMO[2:], "--clock-mode", "market", "--market", market, "--out", out
    )
    assert (answer.code, answer.facts["steps"]) == (0, 80)
    assert answer.facts["fills"] > 0
    first = json.loads((place_below(out) / Artifact.EVENTS).read_bytes().splitlines()[0])
    assert first["ts_utc"] == "2026-01-02T00:00:00+00:00"


def test_progress_is_shown_at_terminal(command: Command, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long dry run at a terminal shows progress on stderr; a short run shows none."""
    monkeypatch.setattr("c2lib.cli.console.is_terminal", lambda: True)
    answer = command("dryrun", *DEMO, "--steps", "5000", "--tick-events", "decisions", "--out", out)
    assert answer.facts["steps"] == 5000
    assert "step" in answer.err
    short = command("dryrun", *DEMO[:4], "--run-id", "short", "--out", out)
    assert short.err == ""


def test_failed_disk_leaves_staging_folder(command: Command, out: Path) -> None:
    """A run whose disk fails for good exits 1, is not published, and leaves an INCOMPLETE staging folder."""
    with system(failing("write")):
        answer = command("dryrun", *DEMO, "--max-sink-retries", "2", "--out", out)
    assert answer.code == 1
    assert (answer.facts["status"], answer.facts["fail_code"]) == ("FAILED", "C2_ABORT_SINK_WRITE_FAILED")
    assert (answer.facts["path"], answer.facts["run_digest"]) == (None, None)
    (left,) = place_below(out).parent.iterdir()
    assert answer.err.splitlines()[-1] == f"c2lib: not published; what was written is in {left}"
    checked = command("verify", "--text", left)
    assert (checked.code, checked.out.startswith("INCOMPLETE NOT OK")) == (1, True)


def test_single_disk_failure_is_retried(command: Command, out: Path) -> None:
    """A run whose disk fails once completes with a retry, and verify reproduces that failure."""
    with system(failing("write", 1)):
        answer = command("dryrun", *DEMO, "--max-sink-retries", "1", "--out", out)
    assert answer.code == 0
    assert len(manifest_of(place_below(out))["inputs"]["sink_failures"]) == 1
    assert command("verify", "--text", place_below(out)).code == 0


def test_one_racing_process_publishes(tmp_path: Path) -> None:
    """Of two processes that race for one run_id, one publishes, the other reproduces, and no staging is left."""
    rounds = 10
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, me, other, tmp_path, str(rounds)], stdout=subprocess.PIPE, text=True
        )
        for me, other in (("a", "b"), ("b", "a"))
    ]
    told = [[json.loads(line) for line in racer.communicate(timeout=90)[0].splitlines()] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    for left, right in zip(*told, strict=True):
        assert sorted([left[0], right[0]]) == [False, True]
        assert left[1:] == right[1:]
    assert len(told[0]) == rounds
    assert {path.name for path in place_below(tmp_path).parent.iterdir()} == {f"race_{n}" for n in range(rounds)}
