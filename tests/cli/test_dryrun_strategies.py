"""``c2lib dryrun --strategy-file``: code of one's own, named, allowed, hashed and guarded."""

from pathlib import Path

import pytest

from c2lib.app.runner import run_dryrun
from c2lib.cli.dryrun import parse_param
from c2lib.core.config import DryrunConfig
from tests.app.conftest import Command
from tests.app.runs import (
    BUYER,
    OWN,
    RUN,
    manifest_of,
    place_below,
    strategy_file,
    tree,
)


def test_allowed_strategy_file_runs(command: Command, out: Path, tmp_path: Path) -> None:
    """A strategy from a file runs when the strategy_id is named and allowed."""
    file = strategy_file(tmp_path)
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fills"]) == (0, 1)


def test_strategy_file_must_be_allowed(command: Command, out: Path, tmp_path: Path) -> None:
    """A strategy from a file that is not on the allowlist is rejected."""
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
    answer = command("dryrun", *words, "--out", out)
    assert answer.facts["reject_code"] == "C2_REJECT_STRATEGY_NOT_ALLOWED"
    assert answer.err.splitlines()[1:] == ["c2lib:   if it may run, add: --allow mine"]


def test_strategy_name_needs_file(command: Command, out: Path) -> None:
    """A strategy_id that is no built-in and has no strategy file is refused with the way to give one."""
    answer = command("dryrun", *OWN, "--out", out)
    assert answer.code == 2
    assert answer.complaint == (
        "--strategy-id: 'mine' is no built-in strategy, and no strategy file is given (built in are strat_demo, "
        "sma_cross; one of your own needs a file, and --allow: --strategy-file FILE.py:CLASS --allow mine)"
    )
    assert not out.exists()


def test_similar_strategy_is_named(command: Command, out: Path, tmp_path: Path) -> None:
    """A misspelt strategy_id, from a flag or a config file, is refused with the nearest built-in one."""
    (tmp_path / "run.yaml").write_text("seed: 1\nstrategy_id: sma_cros\n")
    for words in (("--strategy-id", "sma", "--seed", "1"), ("--config", tmp_path / "run.yaml")):
        answer = command("dryrun", *words, "--out", out)
        assert answer.code == 2
        assert "(did you mean 'sma_cross'?; one of your own needs a file, and --allow: " in answer.complaint
    assert answer.complaint.startswith(f"{tmp_path / 'run.yaml'}, line 2: strategy_id: 'sma_cros' is no built-in")
    assert not out.exists()


def test_python_rejects_unknown_strategy(out: Path) -> None:
    """An unknown strategy_id given in Python is REJECTED with a published record."""
    result = run_dryrun(DryrunConfig(strategy_id="sma", seed=1, strategy_allowlist=("sma",)), out_dir=out)
    assert result.reject_code == "C2_REJECT_UNKNOWN_STRATEGY"
    assert result.path


def test_changed_strategy_file_conflicts(command: Command, out: Path, tmp_path: Path) -> None:
    """A changed strategy file under a published run_id is refused: the first event differs by its config_sha256."""
    file = strategy_file(tmp_path)
    command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    before = tree(out)
    file.write_text(BUYER + "# a remark\n")
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert answer.code == 1
    assert "first in events.jsonl, line 1" in answer.complaint
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
def test_leaving_code_fails_the_run(command: Command, out: Path, tmp_path: Path, text: str) -> None:
    """Strategy code that tries to leave the process on loading fails the run with a published record."""
    file = strategy_file(tmp_path, text + BUYER)
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert answer.code == 1
    assert (answer.facts["status"], answer.facts["fail_code"]) == ("FAILED", "C2_ABORT_NO_LIVE_VIOLATION")
    assert answer.facts["path"] == str(place_below(out))
    assert answer.err.startswith("c2lib: FAILED: ")


def test_broken_strategy_reports_its_line(command: Command, out: Path, tmp_path: Path) -> None:
    """Exit 1, its message, which cannot forge a second line, and the line of its file."""
    text = "class Buyer:\n    def __init__(self, settings):\n        raise RuntimeError('one\\ntwo')\n"
    answer = command("dryrun", *OWN, "--strategy-file", f"{strategy_file(tmp_path, text)}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fail_code"]) == (1, "C2_ABORT_EXCEPTION")
    lines = ["FAILED: RuntimeError: one\\ntwo", "  strategy.py:3: raise RuntimeError('one\\ntwo')"]
    assert answer.err.splitlines() == [f"c2lib: {line}" for line in lines]


@pytest.mark.parametrize("what", ["raise SystemExit(0)", "import sys; sys.exit()"])
def test_strategy_exit_is_an_exception(command: Command, out: Path, tmp_path: Path, what: str) -> None:
    """A strategy that calls exit fails the run like any other exception."""
    file = strategy_file(tmp_path, f"{what}\n{BUYER}")
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fail_code"]) == (1, "C2_ABORT_EXCEPTION")


def test_raised_interrupt_is_an_exception(command: Command, out: Path, tmp_path: Path) -> None:
    """An interrupt that a strategy raises is its exception, with its bar and line, and nobody's at the keyboard."""
    file = strategy_file(tmp_path, BUYER.replace("return [", "raise KeyboardInterrupt\n        return ["))
    answer = command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    assert (answer.code, answer.facts["fail_code"]) == (1, "C2_ABORT_EXCEPTION")
    lines = ["FAILED: KeyboardInterrupt", "  on bar 0", "  strategy.py:9: raise KeyboardInterrupt"]
    assert answer.err.splitlines() == [f"c2lib: {line}" for line in lines]


def test_built_in_name_is_reserved(command: Command, out: Path, tmp_path: Path) -> None:
    """A file under a built-in strategy's name is refused with exit 2, and nothing is written."""
    file = strategy_file(tmp_path)
    answer = command(
        "dryrun", "--strategy-id", "sma_cross", "--strategy-file", f"{file}:Buyer", "--seed", "1", "--out", out
    )
    assert answer.code == 2
    assert answer.complaint.startswith("--strategy-id: 'sma_cross' is the name of a strategy of c2lib's own")
    assert not out.exists()


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("fast=5", 5),
        ("x=-3", -3),
        ("x=true", True),
        ("x=false", False),
        ("x=0.50", "0.50"),
        ("x=a=b", "a=b"),
    ],
)
def test_param_keeps_its_type(param: str, value: object) -> None:
    """A parameter of the command line is a whole number, true or false where it reads as one, else text."""
    name, read = parse_param(param)
    assert (name, read, type(read)) == (param.partition("=")[0], value, type(value))


def test_params_are_sealed(command: Command, out: Path, tmp_path: Path) -> None:
    """Parameters of the config file and of the command line are sealed, those of the command line in front."""
    config = tmp_path / "config.yaml"
    config.write_text("strategy: {params: {fast: 4, slow: 20}}\n")
    words = (
        "dryrun",
        "--strategy-id",
        "sma_cross",
        "--seed",
        "1",
        "--config",
        config,
        "--param",
        "fast=5",
        "--out",
        out,
    )
    answer = command(*words)
    sealed = manifest_of(Path(answer.facts["path"]))["config"]["strategy"]
    assert sealed["params"] == {"fast": 5, "slow": 20, "quantity": 1}


@pytest.mark.parametrize(
    ("param", "problem"),
    [
        ("fast", "--param: write NAME=VALUE, such as fast=5"),
        ("a.b=1", "--param: write NAME=VALUE, such as fast=5"),
        ("fast=", "--param fast: is empty (give a value, or leave it out)"),
        ("fast= ", "--param fast: is empty"),
        ("fasst=5", "--param fasst: strategy.params.fasst: sma_cross has no such parameter (did you mean 'fast'?)"),
        ("fast=0.5", "--param fast: strategy.params.fast: must be a whole number from 1 to 100000"),
        ("fast=30", "--param fast: strategy.params.fast: must be smaller than slow"),
        ("api_key=abcdef123456", "strategy.params: api_key looks like a secret"),
    ],
)
def test_bad_param_is_named(command: Command, out: Path, param: str, problem: str) -> None:
    """A parameter that cannot be used is refused by its name with exit 2, and nothing is written."""
    answer = command("dryrun", "--strategy-id", "sma_cross", "--seed", "1", "--param", param, "--out", out)
    assert (answer.code, answer.complaint.startswith(problem)) == (2, True), answer
    assert "abcdef" not in answer.err
    assert not out.exists()


def test_kept_strategy_runs_on_demand(command: Command, out: Path, tmp_path: Path) -> None:
    """Verify executes the strategy that a run keeps when it is asked to, and names the flag when it is not."""
    file = strategy_file(tmp_path)
    command("dryrun", *OWN, "--strategy-file", f"{file}:Buyer", "--out", out)
    file.unlink()
    assert "or --run-kept-strategy" in command("verify", "--text", place_below(out)).complaint
    answer = command("verify", "--text", place_below(out), "--run-kept-strategy")
    assert (answer.code, "executed again" in answer.out) == (0, True)
    draft = command("evidence", place_below(out), "--run-kept-strategy", "--no-plots", "--date", "2026-01-31")
    assert draft.facts["passed"]
    assert command("verify", "--text", draft.facts["path"], "--run-kept-strategy").code == 0
