"""Shell completion: what a shell is answered by the command line that it completes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("c2lib dr", ["dryrun "]),
        ("c2lib e", ["evidence", "export"]),
        ("c2lib dryrun --strat", ["--strategy-file", "--strategy-id"]),
        ("c2lib dryrun --clock-mode ", ["fixed", "market"]),
        ("c2lib export RUN --format p", ["parquet "]),
        ("c2lib verify --require-s", ["--require-sealed "]),
        ("c2lib nonsense --s", []),
    ],
)
def test_shell_is_answered(tmp_path: Path, line: str, answers: list[str]) -> None:
    """A shell that asks how a line goes on is answered with commands, options or words, and nothing is run."""
    env = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "answer"),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    done = subprocess.run(
        [sys.executable, "-m", "c2lib"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "answer").read_text().splitlines() == answers
