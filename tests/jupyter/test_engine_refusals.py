"""Papermill with our engine: a parameter that does not fit, or holds a secret, leaves nothing behind."""

import datetime
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import papermill
import pytest

from c2lib.app.paths import resource
from c2lib.jupyter.engine import RefusedParameterError, redact_record
from c2lib.jupyter.notebook import DryrunParameters
from tests.core.planted import SHAPES

NOTEBOOK = resource("notebooks") / "01_dryrun.ipynb"
KINDS = ("AWS key id", "GitHub token", "PostgreSQL", "equals", "RSA key", "bearer header")


def refusal(folder: Path, parameters: dict[str, Any]) -> str:
    """Execute the notebook with parameters and return why it was refused, with nothing written."""
    with pytest.raises(RefusedParameterError) as caught:
        papermill.execute_notebook(
            NOTEBOOK, folder / "out.ipynb", parameters, engine_name="c2lib", progress_bar=False, cwd=folder
        )
    assert caught.value.exit_code == 2
    assert list(folder.iterdir()) == []
    message: str = caught.value.message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"seed": "7"}, "seed: input should be a valid integer"),
        ({"seed": True}, "seed: input should be a valid integer"),
        ({"seed": 7.0}, "seed: input should be a valid integer"),
        ({"seed": float("nan")}, "seed: input should be a valid integer"),
        ({"seed": float("inf")}, "seed: input should be a valid integer"),
        ({"seed": None}, "seed: input should be a valid integer"),
        ({"seed": [7]}, "seed: input should be a valid integer"),
        ({"seed": {"a": {"b": [1]}}}, "seed: input should be a valid integer"),
        ({"seed": 2**53}, "seed: must lie below 2**53"),
        ({"run_id": 7}, "run_id: input should be a valid string"),
        ({"run_id": "x'); import os; ('"}, "run_id: cannot name a run directory"),
        ({"market": Path("day.csv")}, "market: input should be a valid string"),
        ({"evidence_date": datetime.date(2026, 1, 1)}, "evidence_date: input should be a valid string"),
        ({"owner": "two\nlines"}, "owner: must be one line"),
        ({"symbol": "A B"}, "symbol: market.symbol: string should match pattern"),
        ({"enabled": True}, "enabled: is no parameter of this notebook (it has allow, clock_mode"),
        ({"sed": 7}, "sed: is no parameter of this notebook (did you mean 'seed'?)"),
        ({"seed=1\nimport os": 7}, "seed=1\\nimport os: is no parameter of this notebook"),
        ({"__import__('os').system('true')#": 7}, "__import__('os').system('true')#: is no parameter"),
        ({"class": 7}, "class: is no parameter of this notebook"),
        ({"seed ": 7}, "seed : is no parameter of this notebook"),
    ],
)
def test_unfit_parameter_is_refused(tmp_path: Path, parameters: dict[str, Any], message: str) -> None:
    """An unfit parameter is named in one line before any cell runs, and nothing is written."""
    assert refusal(tmp_path, parameters).startswith(message)


@pytest.mark.parametrize("field", [*DryrunParameters.model_fields, "a name"])
def test_secret_parameter_is_never_written(
    tmp_path: Path, field: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A secret in a parameter's name or value reaches no notebook, no log and no message."""
    caplog.set_level(logging.DEBUG, "papermill")
    for kind in KINDS:
        text, core = SHAPES[kind]
        message = refusal(tmp_path, {text: 1} if field == "a name" else {field: text})
        told = "".join((message, caplog.text, *capfd.readouterr()))
        assert core not in told
    assert "Executing notebook" not in caplog.text


def test_log_filter_keeps_other_records() -> None:
    """The redaction of papermill's log leaves a record without a secret unchanged."""
    record = logging.LogRecord("papermill", logging.INFO, "x.py", 1, "%s of %s", ("one", "two"), None)
    assert redact_record(record)
    assert record.getMessage() == "one of two"


def papermill_process(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run papermill's own command line."""
    return subprocess.run(
        [sys.executable, "-m", "papermill", "--no-progress-bar", *words, str(NOTEBOOK), "out.ipynb"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("-p", "seed", "1.5"), "Error: seed: input should be a valid integer"),
        (("-p", "seed", "True"), "Error: seed: input should be a valid integer"),
        (("-p", "seed=1;import os", "5"), "Error: seed=1;import os: is no parameter of this notebook"),
        (("-y", "{seed: {a: 1}}"), "Error: seed: input should be a valid integer"),
        (("-r", "owner", "gh" + "p_" + "Ab3" * 12), "Error: owner: looks like a secret"),
    ],
)
def test_papermill_command_exits_2(tmp_path: Path, words: tuple[str, ...], complaint: str) -> None:
    """Papermill's command line with an unfit parameter exits 2, names the field and writes nothing."""
    done = papermill_process(tmp_path, "--engine", "c2lib", *words)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(complaint)
    assert "Traceback" not in done.stderr
    assert "Ab3" not in done.stderr + done.stdout
    assert list(tmp_path.iterdir()) == []


def test_notebook_cell_refuses_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the c2lib engine the notebook's own cell refuses an unfit parameter, and no run starts."""
    monkeypatch.setenv("C2LIB_OUT", str(tmp_path / "runs"))
    done = papermill_process(tmp_path, "-p", "seed", "abc")
    assert done.returncode == 1
    assert 'Exception encountered at "In [3]":\nConfigError: seed: input should be a valid integer' in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.ipynb"]
