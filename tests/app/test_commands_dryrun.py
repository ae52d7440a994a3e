"""``c2lib dryrun``: what an operator can ask for, and what happens when it is not allowed or not possible."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from c2lib.core.vocabulary import Artifact
from tests.app.conftest import Command
from tests.app.runs import (
    BUYER,
    DEMO,
    OWN,
    RUN,
    flip_byte,
    in_process_of_its_own,
    manifest_of,
    market_csv,
    place_below,
    sealed_bytes,
    tree,
)
from tests.market.csv_text import GOOD, HEADER, text_of
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


def strategy_file(folder: Path, text: str = BUYER) -> Path:
    """Write a strategy file."""
    path = folder / "mine.py"
    path.write_text(text)
    return path


def test_a_run_gives_one_json_line(command: Command, out: Path) -> None:
    """And nothing else on stdout or stderr."""
    answer = command("dryrun", *DEMO, "--out", out)
    assert (answer.code, answer.err) == (0, "")
    assert set(answer.facts) == SUMMARY
    assert (answer.facts["status"], answer.facts["run_id"], answer.facts["accepted"]) == ("COMPLETED", RUN, True)
    assert answer.facts["path"] == str(place_below(out))
    assert answer.facts["run_digest"] == manifest_of(place_below(out))["run_digest"]
    assert answer.facts["fills"] > 0
    assert answer.facts["reproduced"] is False


def test_again_into_the_same_place_is_reproduced(command: Command, out: Path) -> None:
    """Nothing changes, neither bytes nor times."""
    first = command("dryrun", *DEMO, "--out", out)
    before = tree(out)
    second = command("dryrun", *DEMO, "--out", out)
    assert second.code == 0
    assert second.facts == first.facts | {"reproduced": True}
    assert tree(out) == before


def test_the_same_run_anywhere_has_the_same_bytes(command: Command, out: Path, tmp_path: Path) -> None:
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


def test_another_seed_under_the_same_name_is_refused(command: Command, out: Path) -> None:
    """Exit 1, the first differing line, the field, and nothing changed."""
    command("dryrun", *DEMO, "--out", out)
    before = tree(out)
    answer = command("dryrun", *DEMO, "--seed", "8", "--out", out)
    assert answer.code == 1
    assert "differs from this run, first in events.jsonl, line 1: published" in answer.complaint
    assert "the configs differ in seed (nothing was changed; use another run_id" in answer.complaint
    assert tree(out) == before


def test_a_changed_byte_is_refused_by_its_line(command: Command, out: Path) -> None:
    """A directory that was tampered with is not confirmed."""
    command("dryrun", *DEMO, "--out", out)
    path = place_below(out) / Artifact.EVENTS
    lines = path.read_bytes().splitlines(keepends=True)
    flip_byte(path, sum(map(len, lines[:9])) + 20)
    answer = command("dryrun", *DEMO, "--out", out)
    assert answer.code == 1
    assert "first in events.jsonl, line 10: published" in answer.complaint


@pytest.mark.parametrize("run_id", ["../x", "a/b", "", "two\nlines", "x" * 300, ".hidden", "-x", "nul", "ends.", "é"])
def test_a_run_id_that_can_name_no_directory_is_refused(command: Command, out: Path, run_id: str) -> None:
    """Exit 2, the field, and nothing written."""
    answer = command("dryrun", "--strategy-id", "strat_demo", "--seed", "7", f"--run-id={run_id}", "--out", out)
    assert answer.code == 2
    assert answer.complaint.startswith("run_id: cannot name a run directory")
    assert not out.exists()


def test_a_run_id_that_looks_like_a_secret_is_refused(command: Command, out: Path) -> None:
    """And not repeated."""
    secret = "gh" + "p_" + "a1B2" * 9
    answer = command("dryrun", "--strategy-id", "strat_demo", "--seed", "7", "--run-id", secret, "--out", out)
    assert (answer.code, secret in answer.err) == (2, False)
    assert not out.exists()


@pytest.mark.parametrize("how", ["flag", "yaml", "json"])
@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("enabled", True, "C2_REJECT_LIVE_ENABLED"),
        ("strategy_allowlist", [], "C2_REJECT_ALLOWLIST_MISSING"),
        ("strategy_allowlist", None, "C2_REJECT_ALLOWLIST_MISSING"),
        ("strategy_allowlist", ["sma_cross"], "C2_REJECT_STRATEGY_NOT_ALLOWED"),
        ("strategy_allowlist", ["strat_demo", "strat_demo"], "C2_REJECT_ALLOWLIST_MALFORMED"),
        ("strategy_id", "", "C2_REJECT_MISSING_STRATEGY_ID"),
        ("max_sink_retries", -1, "C2_REJECT_BAD_RETRY_CONFIG"),
        ("broker.kind", "live", "C2_REJECT_BROKER_NOT_MOCK"),
        ("no_live_required", "namespace", "C2_REJECT_NO_LIVE_GUARD"),
    ],
)
def test_what_is_not_allowed_is_rejected_with_full_artifacts(
    command: Command, out: Path, tmp_path: Path, how: str, field: str, value: object, code: str
) -> None:
    """Exit 1, the code, no step, and a run directory."""
    if how == "flag":
        answer = command("dryrun", *DEMO, "--set", f"{field}={json.dumps(value)}", "--out", out)
    else:
        group, _, name = field.rpartition(".")
        given = {"run_id": RUN, "strategy_id": "strat_demo", "seed": 7}
        file = tmp_path / f"run.{how}"
        file.write_text(json.dumps(given | ({group: {name: value}} if group else {name: value})))
        answer = command("dryrun", "--config", file, "--out", out)
    assert answer.code == 1
    assert (answer.facts["status"], answer.facts["accepted"], answer.facts["steps"]) == ("REJECTED", False, 0)
    assert answer.facts["reject_code"] == code
    assert answer.err.startswith("c2lib: REJECTED: ")
    assert answer.err.count("\n") == 1
    assert manifest_of(place_below(out))["status"] == "REJECTED"
    assert len((place_below(out) / Artifact.EVENTS).read_bytes().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--set", "stepps=5"), "stepps: unknown field (did you mean 'steps'?)"),
        (("--set", "broker.cash=5"), "broker.cash: unknown field (remove it)"),
        (("--set", "two\nlines=1"), "--set: write FIELD=VALUE"),
        (("--set", "é=1"), "é: unknown field"),
        (("--set", 'seed="7"'), "seed: input should be a valid integer"),
        (("--steps", "0"), "steps: input should be greater than or equal to 1"),
        (("--steps", str(10**9)), "steps: input should be less than or equal to 100000000"),
        (("--seed", str(2**53)), "seed: must lie below 2**53"),
        (("--tick-size", "nan"), "market.tick_size: is not a decimal number"),
        (("--clock-start", "2026-01-01"), "clock_start: has no time zone"),
        (("--clock-mode", "injected"), "clock_mode: 'injected' needs a clock handed over in Python"),
        (("--clock-mode", "sundial"), "clock_mode: "),
        (("--symbol", "two\nlines"), "market.symbol: "),
        (("--config", "none.yaml"), "none.yaml: cannot be read: No such file or directory"),
        (("--market", "none.csv"), "none.csv: there is no such file"),
        (("--strategy-file", "none.py:Mine"), "the strategy file none.py cannot be read: No such file"),
        (("--strategy-file", "mine"), "'mine' does not name a strategy: write FILE.py:CLASS"),
    ],
)
def test_what_is_malformed_is_refused_with_nothing_written(
    command: Command, out: Path, words: tuple[str, ...], complaint: str
) -> None:
    """Exit 2, and one line that names the field or the file."""
    answer = command("dryrun", *DEMO, *words, "--out", out)
    assert answer.code == 2
    assert answer.complaint.startswith(complaint)
    assert not out.exists()


def test_strategy_and_seed_must_be_given(command: Command, out: Path) -> None:
    """There is no default for what makes a run."""
    assert command("dryrun", "--seed", "7", "--out", out).complaint == "strategy_id: is missing"
    assert command("dryrun", "--strategy-id", "strat_demo", "--out", out).complaint == "seed: is missing"


def test_flags_win_over_the_config_file(command: Command, out: Path, tmp_path: Path) -> None:
    """And what only the file says stays."""
    file = tmp_path / "run.yaml"
    file.write_text(f"strategy_id: strat_demo\nseed: 1\nsteps: 20\nrun_id: {RUN}\nbroker: {{initial_cash: '5000'}}\n")
    command("dryrun", "--config", file, "--seed", "7", "--symbol", "ADA", "--min-fills", "0", "--out", out)
    config = manifest_of(place_below(out))["config"]
    assert (config["seed"], config["steps"], config["market"]["symbol"]) == (7, 20, "ADA")
    assert (config["broker"]["initial_cash"], config["criteria"]["min_fills"]) == ("5000", 0)


def test_an_unknown_field_in_the_config_file_is_refused(command: Command, out: Path, tmp_path: Path) -> None:
    """With a newline in its name it is still one line."""
    file = tmp_path / "run.json"
    file.write_text('{"strategy_id": "strat_demo", "seed": 1, "two\\nlines": 1}')
    answer = command("dryrun", "--config", file, "--out", out)
    assert (answer.code, answer.complaint) == (2, "two\\nlines: unknown field (remove it)")
    assert not out.exists()


def test_without_a_root_the_environment_says_where(command: Command, tmp_path: Path) -> None:
    """The line names the place."""
    assert command("dryrun", *DEMO).facts["path"] == str(place_below(tmp_path / "forgotten"))


@pytest.mark.parametrize("where", ["file", "file/deeper"])
def test_an_output_root_that_is_a_file_is_refused(command: Command, tmp_path: Path, where: str) -> None:
    """Exit 2, and the file stays."""
    (tmp_path / "file").write_text("mine")
    answer = command("dryrun", *DEMO, "--out", tmp_path / where)
    assert (answer.code, answer.complaint) == (2, f"the output root {tmp_path / where} is no folder")
    assert (tmp_path / "file").read_text() == "mine"


BAD_MARKETS = {
    "a NaN": (text_of(HEADER, GOOD[0], GOOD[1].replace("2.5", "nan"), GOOD[2]), "line 3"),
    "high below low": (text_of(HEADER, GOOD[0], GOOD[1].replace("2.5", "1.0"), GOOD[2]), "line 3"),
    "a time that goes back": (text_of(HEADER, GOOD[0], GOOD[2], GOOD[1]), "line 4"),
    "a line cut in the middle": (text_of(HEADER, *GOOD)[:-9], "line 4"),
}


@pytest.mark.parametrize("kind", BAD_MARKETS)
def test_bad_market_data_writes_nothing(command: Command, out: Path, tmp_path: Path, kind: str) -> None:
    """Exit 2, and the line of the file."""
    text, line = BAD_MARKETS[kind]
    file = tmp_path / "day.csv"
    file.write_text(text)
    answer = command("dryrun", *DEMO, "--market", file, "--out", out)
    assert answer.code == 2
    assert answer.complaint.startswith(f"day.csv, {line}: ")
    assert not out.exists()


def test_a_market_file_is_run_in_its_own_time(command: Command, out: Path, tmp_path: Path) -> None:
    """Every bar of it, with fills."""
    market = market_csv(tmp_path / "day.csv")
    answer = command(
        "dryrun", *DEMO, "--strategy-id", "sma_cross", "--clock-mode", "market", "--market", market, "--out", out
    )
    assert (answer.code, answer.facts["steps"]) == (0, 80)
    assert answer.facts["fills"] > 0
    first = json.loads((place_below(out) / Artifact.EVENTS).read_bytes().splitlines()[0])
    assert first["ts_utc"] == "2026-01-02T00:00:00+00:00"


def test_more_steps_than_bars_are_refused(command: Command, out: Path, tmp_path: Path) -> None:
    """A file has no more bars than it has."""
    market = market_csv(tmp_path / "day.csv", bars=10)
    answer = command("dryrun", *DEMO, "--steps", "11", "--market", market, "--out", out)
    assert (answer.code, answer.complaint) == (2, "steps: 11 steps, but the market file has 10 bars")


def test_a_strategy_of_ones_own_runs(command: Command, out: Path, tmp_path: Path) -> None:
    """When it is named and allowed."""
    file = strategy_file(tmp_path)
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fills"]) == (0, 1)


def test_a_strategy_of_ones_own_must_be_allowed(command: Command, out: Path, tmp_path: Path) -> None:
    """A file alone opens no gate."""
    words = (
        "--strategy-id",
        "mine",
        "--seed",
        "7",
        "--run-id",
        RUN,
        "--strategy-file",
        f"{strategy_file(tmp_path)}:Buyer",
    )
    assert command("dryrun", *words, "--out", out).facts["reject_code"] == "C2_REJECT_STRATEGY_NOT_ALLOWED"


def test_a_name_without_a_file_is_no_strategy(command: Command, out: Path) -> None:
    """Nothing is discovered by itself."""
    assert command("dryrun", *OWN, "--out", out).facts["reject_code"] == "C2_REJECT_UNKNOWN_STRATEGY"


def test_a_strategy_file_that_changed_is_another_run(command: Command, out: Path, tmp_path: Path) -> None:
    """The hash of the file is sealed: exit 1, and the manifest is the first file that differs."""
    file = strategy_file(tmp_path)
    command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    before = tree(out)
    file.write_text(BUYER + "# a remark\n")
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert answer.code == 1
    assert "first in run_manifest.json, line 1" in answer.complaint
    assert tree(out) == before


@pytest.mark.parametrize(
    "text",
    [
        "import socket\nsocket.create_connection(('127.0.0.1', 9))\n",
        "import socket\ntry:\n    socket.getaddrinfo('localhost', 80)\nexcept BaseException:\n    pass\n",
        "import subprocess\nsubprocess.run(['true'])\n",
        "import os\nos.system('true')\n",
    ],
)
def test_code_that_leaves_the_process_while_it_is_loaded_fails(
    command: Command, out: Path, tmp_path: Path, text: str
) -> None:
    """Swallowed or not: exit 1, the code, and a published record of it."""
    file = strategy_file(tmp_path, text + BUYER)
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert answer.code == 1
    assert (answer.facts["status"], answer.facts["fail_code"]) == ("FAILED", "C2_ABORT_NO_LIVE_VIOLATION")
    assert answer.facts["path"] == str(place_below(out))
    assert answer.err.startswith("c2lib: FAILED: ")


def test_a_strategy_that_breaks_says_so_in_one_line(command: Command, out: Path, tmp_path: Path) -> None:
    """Exit 1, and its message cannot forge a second line."""
    text = "class Buyer:\n    def __init__(self, settings):\n        raise RuntimeError('one\\ntwo')\n"
    answer = command("dryrun", *OWN, "--strategy-file", f"{strategy_file(tmp_path, text)}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fail_code"]) == (1, "C2_ABORT_EXCEPTION")
    assert answer.err == "c2lib: FAILED: RuntimeError: one\\ntwo\n"


@pytest.mark.parametrize("what", ["raise SystemExit(0)", "import sys; sys.exit()"])
def test_a_strategy_cannot_exit_into_success(command: Command, out: Path, tmp_path: Path, what: str) -> None:
    """Leaving is an exception like any other."""
    file = strategy_file(tmp_path, f"{what}\n{BUYER}")
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fail_code"]) == (1, "C2_ABORT_EXCEPTION")


def test_an_interrupt_leaves_a_staging_folder(command: Command, out: Path, tmp_path: Path) -> None:
    """Exit 130, no result, no run directory, and the next run is not disturbed."""
    file = strategy_file(tmp_path, BUYER.replace("return [", "raise KeyboardInterrupt\n        return ["))
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert (answer.code, "interrupted" in answer.complaint) == (130, True)
    (left,) = place_below(out).parent.iterdir()
    assert left.name.startswith(f".staging-{RUN}-")
    assert command("dryrun", *DEMO, "--out", out).code == 0


def test_progress_is_shown_to_who_watches(command: Command, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long run at a terminal has a bar on stderr; stdout stays one line."""
    monkeypatch.setattr("c2lib.app.commands.dryrun.is_terminal", lambda: True)
    answer = command("dryrun", *DEMO, "--steps", "5000", "--tick-events", "decisions", "--out", out)
    assert answer.facts["steps"] == 5000
    assert "step" in answer.err
    short = command("dryrun", *DEMO, "--run-id", "short", "--out", out)
    assert short.err == ""


def test_a_disk_that_fails_for_good_leaves_a_staging_folder(command: Command, out: Path) -> None:
    """Exit 1, neither path nor digest, and stderr names the folder, which verify calls INCOMPLETE."""
    with system(failing("write")):
        answer = command("dryrun", *DEMO, "--max-sink-retries", "2", "--out", out)
    assert answer.code == 1
    assert (answer.facts["status"], answer.facts["fail_code"]) == ("FAILED", "C2_ABORT_SINK_WRITE_FAILED")
    assert (answer.facts["path"], answer.facts["run_digest"]) == (None, None)
    (left,) = place_below(out).parent.iterdir()
    assert answer.err.splitlines()[-1] == f"c2lib: not published; what was written is in {left}"
    checked = command("verify", left)
    assert (checked.code, checked.out.startswith("INCOMPLETE NOT OK")) == (1, True)


def test_a_disk_that_fails_once_is_no_trouble_with_a_retry(command: Command, out: Path) -> None:
    """The run completes, and verify meets the same failure again."""
    with system(failing("write", 1)):
        answer = command("dryrun", *DEMO, "--max-sink-retries", "1", "--out", out)
    assert answer.code == 0
    assert len(manifest_of(place_below(out))["inputs"]["sink_failures"]) == 1
    assert command("verify", place_below(out)).code == 0


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


def test_of_two_racing_processes_one_publishes(tmp_path: Path) -> None:
    """In every round one publishes and the other reproduces, and no staging folder is left."""
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
