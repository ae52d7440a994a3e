"""``c2lib dryrun``: what is malformed writes nothing, what is not allowed is rejected with full artifacts."""

import json
import os
from pathlib import Path

import pytest

from c2lib.core.vocabulary import Artifact
from tests.app.conftest import Command
from tests.app.runs import (
    DEMO,
    RUN,
    manifest_of,
    market_csv,
    place_below,
)
from tests.market.csv_text import GOOD, HEADER, text_of


@pytest.mark.parametrize("run_id", ["../x", "a/b", "two\nlines", "x" * 300, ".hidden", "-x", "nul", "ends.", "é"])
def test_impossible_run_id_is_refused(command: Command, out: Path, run_id: str) -> None:
    """A run_id that cannot name a directory is refused with exit code 2, and nothing is written."""
    answer = command("dryrun", "--strategy-id", "strat_demo", "--seed", "7", f"--run-id={run_id}", "--out", out)
    assert answer.code == 2
    assert answer.complaint.startswith("--run-id: cannot name a run directory")
    assert not out.exists()


def test_secret_run_id_is_refused(command: Command, out: Path) -> None:
    """A run_id that resembles a secret is refused with exit code 2 and not repeated."""
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
    ],
)
def test_disallowed_config_is_rejected(
    command: Command, out: Path, tmp_path: Path, how: str, field: str, value: object, code: str
) -> None:
    """A well-formed config that is not allowed is REJECTED with its code, no steps and full artifacts."""
    if how == "flag":
        flags = DEMO[2:] if field == "strategy_id" else DEMO
        answer = command("dryrun", *flags, "--set", f"{field}={json.dumps(value)}", "--out", out)
    else:
        group, _, name = field.rpartition(".")
        given = {"run_id": RUN, "strategy_id": "strat_demo", "seed": 7}
        file = tmp_path / f"run.{how}"
        file.write_text(json.dumps(given | ({group: {name: value}} if group else {name: value})))
        answer = command("dryrun", "--config", file, "--out", out)
    assert answer.code == 1
    assert (answer.facts["status"], answer.facts["accepted"], answer.facts["steps"]) == ("REJECTED", False, 0)
    assert answer.facts["reject_code"] == code
    problem, *advice = answer.err.splitlines()
    assert problem.startswith("c2lib: REJECTED: ")
    assert advice == ["c2lib:   if it may run, add: --allow strat_demo"] * (code == "C2_REJECT_STRATEGY_NOT_ALLOWED")
    assert manifest_of(place_below(out))["status"] == "REJECTED"
    assert len((place_below(out) / Artifact.EVENTS).read_bytes().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--set", "stepps=5"), "--set stepps: unknown field (did you mean 'steps'?)"),
        (("--set", "broker.cash=5"), "--set broker.cash: unknown field (did you mean 'initial_cash'?)"),
        (("--set", "two\nlines=1"), "--set: write FIELD=VALUE"),
        (("--set", "é=1"), "--set é: unknown field"),
        (("--set", 'steps="7"'), "--set steps: input should be a valid integer"),
        (("--steps", "0"), "--steps: input should be greater than or equal to 1"),
        (("--steps", str(10**9)), "--steps: input should be less than or equal to 100000000"),
        (("--set", f"max_sink_retries={2**53}"), "--set max_sink_retries: must lie below 2**53"),
        (("--tick-size", "nan"), "--tick-size: market.tick_size: is not a decimal number"),
        (("--clock-start", "2026-01-01"), "--clock-start: has no time zone"),
        (("--clock-mode", "injected"), "--clock-mode: invalid choice: (choose from 'fixed', 'market')"),
        *(
            (
                ("--set", f"clock_mode={word}"),
                "--set clock_mode: must be 'fixed' or 'market' (any other clock is handed",
            )
            for word in ("injected", "fixd", "3", "null", "[]", "{}")
        ),
        (("--symbol", "two\nlines"), "--symbol: market.symbol: "),
        (("--config", "none.yaml"), "none.yaml: cannot be read: No such file or directory"),
        (("--market", "none.csv"), "none.csv: there is no such file"),
        (("--strategy-file", "none.py:Mine"), "the strategy file none.py cannot be read: No such file"),
        (("--strategy-file", "mine"), "'mine' does not name a strategy: write FILE.py:CLASS"),
    ],
)
def test_malformed_option_is_refused(command: Command, out: Path, words: tuple[str, ...], complaint: str) -> None:
    """A malformed option is refused with exit code 2 and its field or file, and nothing is written."""
    answer = command("dryrun", *DEMO, *words, "--out", out)
    assert answer.code == 2
    assert answer.complaint.startswith(complaint)
    assert not out.exists()


def test_strategy_and_seed_are_required(command: Command, out: Path) -> None:
    """A dry run without a strategy_id or without a seed is refused with the missing field."""
    assert command("dryrun", "--seed", "7", "--out", out).complaint == "--strategy-id: is missing"
    assert command("dryrun", "--strategy-id", "strat_demo", "--out", out).complaint == "--seed: is missing"


def test_flags_override_config_file(command: Command, out: Path, tmp_path: Path) -> None:
    """Flags override the config file, and fields that only the file names keep the file's values."""
    file = tmp_path / "run.yaml"
    file.write_text(f"strategy_id: strat_demo\nseed: 1\nsteps: 20\nrun_id: {RUN}\nbroker: {{initial_cash: '5000'}}\n")
    command("dryrun", "--config", file, "--seed", "7", "--symbol", "ADA", "--min-fills", "0", "--out", out)
    config = manifest_of(place_below(out))["config"]
    assert (config["seed"], config["steps"], config["market"]["symbol"]) == (7, 20, "ADA")
    assert (config["broker"]["initial_cash"], config["criteria"]["min_fills"]) == ("5000", 0)


def test_unknown_config_field_is_refused(command: Command, out: Path, tmp_path: Path) -> None:
    """An unknown field of a config file is refused in one line, even with a newline in the field's name."""
    file = tmp_path / "run.json"
    file.write_text('{"strategy_id": "strat_demo", "seed": 1, "two\\nlines": 1}')
    answer = command("dryrun", "--config", file, "--out", out)
    assert (answer.code, answer.complaint) == (2, f"{file}, line 1: two\\nlines: unknown field (remove it)")
    assert not out.exists()


def test_environment_sets_output_root(command: Command, tmp_path: Path) -> None:
    """Without --out the environment decides the output root, and the result names the place."""
    assert command("dryrun", *DEMO).facts["path"] == str(place_below(tmp_path / "forgotten"))


@pytest.mark.parametrize("where", ["file", "file/deeper"])
def test_file_as_root_is_refused(command: Command, tmp_path: Path, where: str) -> None:
    """An output root that is a file is refused with exit code 2, and the file stays unchanged."""
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
def test_bad_market_data_is_refused(command: Command, out: Path, tmp_path: Path, kind: str) -> None:
    """Bad market data is refused with exit code 2 and the line of the file, and nothing is written."""
    text, line = BAD_MARKETS[kind]
    file = tmp_path / "day.csv"
    file.write_text(text)
    answer = command("dryrun", *DEMO, "--market", file, "--out", out)
    assert answer.code == 2
    assert answer.complaint.startswith(f"{file}, {line}: ")
    assert not out.exists()


def test_advised_flags_are_pasted(command: Command, out: Path, tmp_path: Path) -> None:
    """The flags in the refusal of float noise, pasted behind the same command, run the session."""
    file = tmp_path / "day.csv"
    file.write_text(text_of(HEADER, *GOOD[:2], "2026-01-03,1.5,2.0000000000000004,1.25,1.5,7"))
    refused = command("dryrun", *DEMO, "--market", file, "--out", out)
    assert refused.code == 2
    assert refused.complaint.startswith(f"{file}, line 4: column 'high': '2.0000000000000004' looks like float noise")
    flags = refused.complaint.strip().removesuffix(")").rpartition("read it with ")[2].split()
    assert flags == ["--tick-size", "0.25", "--rounding", "nearest"]
    assert command("dryrun", *DEMO, "--market", file, "--out", out, *flags).code == 0


def test_more_steps_than_bars_refused(command: Command, out: Path, tmp_path: Path) -> None:
    """A dry run of more steps than the market file has bars is refused with exit code 2."""
    market = market_csv(tmp_path / "day.csv", bars=10)
    answer = command("dryrun", *DEMO, "--steps", "11", "--market", market, "--out", out)
    assert (answer.code, answer.complaint) == (2, "--steps: 11 steps, but the market file has 10 bars")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("run.yaml", "seed: &a 1\nsteps: *a\n", "run.yaml, line 2: aliases are refused"),
        ("run.yaml", "seed: !!python/object/apply:os.system [ls]\n", "run.yaml, line 1: tags are refused"),
        ("run.yaml", "seed: " + "[" * 10_000, "run.yaml, line 1: nested deeper than 20"),
        ("run.json", "[" * 10_000 + "]" * 10_000, "run.json: nested deeper than 20"),
        ("run.yaml", "steps: 2\nsteps: 3\n", "run.yaml, line 2: 'steps' stands there twice"),
        ("run.json", '{"steps": 2, "steps": 3}', "run.json: 'steps' stands there twice"),
        ("run.json", '{"steps": ' + "9" * 90_000 + "}", "run.json, line 1: steps: must lie below 2**53"),
        ("run.yaml", "steps: 1:30\n", "run.yaml, line 1: steps: input should be a valid integer"),
        ("run.yaml", "enabled: on\n", "run.yaml, line 1: enabled: input should be a valid boolean"),
        ("run.json", '{"steps": NaN}', "run.json, line 1: steps: input should be a valid integer"),
        ("run.json", '{"steps": true}', "run.json, line 1: steps: input should be a valid integer"),
        (
            "run.json",
            '{"market": {"symbl": "A"}}',
            "run.json, line 1: market.symbl: unknown field (did you mean 'symbol'?)",
        ),
        ("run.json", '{"strategy_allowlist": ["\\ud800"]}', "run.json, line 1: strategy_allowlist.0: "),
        ("run.json", '{"\\ud800": 1}', "\\ud800: a field name has a lone surrogate"),
        ("run.yaml", "seed: 1\0", "run.yaml: is no YAML: unacceptable character #x0000"),
    ],
)
def test_config_must_be_plain_data(
    command: Command, out: Path, tmp_path: Path, name: str, content: str, complaint: str
) -> None:
    """A config file that is no plain data is refused with its field or line, and nothing is written."""
    (tmp_path / name).write_text(content)
    answer = command("dryrun", *DEMO, "--config", tmp_path / name, "--out", out)
    assert answer.code == 2
    assert answer.complaint.removeprefix(f"{tmp_path}/").startswith(complaint)
    assert not out.exists()


def test_pipe_as_config_is_refused(command: Command, out: Path, tmp_path: Path) -> None:
    """A FIFO as a config file is refused at once with exit code 2, and nothing is written."""
    os.mkfifo(tmp_path / "pipe.yaml")
    answer = command("dryrun", *DEMO, "--config", tmp_path / "pipe.yaml", "--out", out)
    assert (answer.code, answer.complaint) == (2, f"{tmp_path / 'pipe.yaml'}: cannot be read: it is no regular file")
    assert not out.exists()


def test_secret_output_root_is_refused(command: Command, tmp_path: Path) -> None:
    """An output root that resembles a secret is refused with exit code 2, and nothing is written."""
    answer = command("dryrun", *DEMO, "--out", tmp_path / ("pass" + "word=hunter2hunter2"))
    assert answer.code == 2
    assert answer.complaint.startswith("--out: out_dir: looks like a secret")
    assert list(tmp_path.iterdir()) == []
