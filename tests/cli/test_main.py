"""The command line: results on stdout, one clear line on stderr, exit codes that can be trusted."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

from c2lib.cli import main as cli
from c2lib.cli.main import main
from c2lib.core.errors import ConfigError, InvariantError, OutputError
from tests.app.conftest import Command
from tests.app.runs import DEMO, RUN, in_process_of_its_own, place_below


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let every command raise an error when it runs."""
    module = ModuleType("raising")

    def run(options: object) -> int:
        raise error

    vars(module).update(run=run, add_options=lambda parser: None)
    monkeypatch.setattr(cli, "_command", lambda name: module)


def test_the_version_is_that_of_the_package(command: Command) -> None:
    """One line, and nothing is run."""
    answer = command("--version")
    assert (answer.code, answer.out, answer.err) == (0, f"c2lib {metadata.version('c2lib')}\n", "")


@pytest.mark.parametrize(("words", "code"), [((), 2), (("--help",), 0), (("dryrun", "--help"), 0)])
def test_help_is_shown_on_stdout(command: Command, words: tuple[str, ...], code: int) -> None:
    """Without a command nothing was done, which is no success."""
    answer = command(*words)
    assert answer.code == code
    assert answer.out.startswith("usage: c2lib")
    assert answer.err == ""


def test_help_lists_every_command(command: Command) -> None:
    """Each with what it is for."""
    shown = command("--help").out
    for name in ("dryrun", "verify", "diff", "evidence", "schema"):
        assert f"    {name} " in shown


@pytest.mark.parametrize(
    "words", [("nonsense",), ("dryrun", "--nonsense"), ("dryrun", "extra"), ("verify",), ("dryrun", "--seed", "x")]
)
def test_a_command_line_that_makes_no_sense_is_refused(command: Command, words: tuple[str, ...]) -> None:
    """Exit 2, and nothing on stdout."""
    answer = command(*words)
    assert (answer.code, answer.out) == (2, "")
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("option", ["--out", "--run-id", "--market", "--config", "--strategy-file", "--set"])
def test_two_dashes_are_no_value(command: Command, option: str) -> None:
    """The option is named, in one line."""
    answer = command("dryrun", "--strategy-id", "strat_demo", "--seed", "7", f"{option}=--")
    assert (answer.code, answer.complaint) == (2, f"{option}: -- is no value")


def test_help_imports_next_to_nothing() -> None:
    """Help is quick: neither pydantic nor a plotting library is loaded for it."""
    program = (
        "import sys; from c2lib.cli.main import main; main(['--help'])\n"
        "sys.stderr.write(' '.join(sorted({'pydantic', 'yaml', 'matplotlib', 'papermill'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConfigError("seed", "is missing"), "seed: is missing"),
        (ConfigError("se\ned", "is \x1b[31mred"), "se\\ned: is \\x1b[31mred"),
        (OutputError("disk full"), "disk full"),
        (InvariantError("rail", "this", "that"), "rail: expected this, seen that"),
        (OSError(28, "No space left on device"), "output: No space left on device"),
        (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied"),
    ],
)
def test_what_could_not_be_done_is_one_line(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    """Exit 2 and no traceback."""
    raising(monkeypatch, error)
    answer = command("dryrun")
    assert (answer.code, answer.complaint) == (2, message)


def test_an_interrupt_has_its_own_exit_code(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell expects of a program that was interrupted."""
    raising(monkeypatch, KeyboardInterrupt())
    answer = command("dryrun")
    assert answer.code == 130
    assert answer.complaint == "interrupted; a staging folder of an unfinished run may be left"


def test_a_broken_pipe_is_not_complained_of(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is left to read it."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    raising(monkeypatch, BrokenPipeError(32, "Broken pipe"))
    answer = command("dryrun")
    assert (answer.code, answer.out, answer.err) == (1, "", "")


def test_a_closed_stdout_takes_nothing(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that only looks at the exit code may close it."""
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["verify", str(published)]) == 0


def test_a_defect_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no user can cause is not hidden."""
    raising(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["dryrun"])


def test_the_arguments_are_those_of_the_process(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The console script hands over none."""
    monkeypatch.setattr(sys, "argv", ["c2lib", "--version"])
    assert main() == 0


def with_stdout(make: Callable[[], int], *words: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a command whose stdout is the descriptor that ``make`` returns."""
    descriptor = make()
    try:
        return subprocess.run(
            [sys.executable, "-m", "c2lib", *words],
            stdout=descriptor,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    finally:
        os.close(descriptor)


def deaf_pipe() -> int:
    """Return the writing end of a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    return write


def test_a_reader_that_has_gone_is_no_traceback(out: Path) -> None:
    """The run is published all the same, and the exit code says that its result reached nobody."""
    done = with_stdout(deaf_pipe, "dryrun", *DEMO, "--out", str(out))
    assert (done.returncode, done.stderr) == (1, b"")
    assert place_below(out).is_dir()


def test_a_full_disk_behind_stdout_is_one_line(out: Path) -> None:
    """A result that could not be written is no success."""
    done = with_stdout(lambda: os.open("/dev/full", os.O_WRONLY), "dryrun", *DEMO, "--out", str(out))
    assert (done.returncode, done.stderr) == (2, b"c2lib: output: No space left on device\n")


def test_closed_streams_are_no_trouble(out: Path) -> None:
    """With stdout and stderr closed a run is published and its exit code tells."""
    line = f'exec "{sys.executable}" -m c2lib dryrun --set enabled=true --out "{out}" "$@" >&- 2>&-'
    done = subprocess.run(["/bin/sh", "-c", line, "sh", *DEMO], check=False, timeout=60)
    assert done.returncode == 1
    assert place_below(out).is_dir()


def test_the_installed_script_is_this_program(out: Path) -> None:
    """The console script runs and gives one JSON line."""
    done = subprocess.run(
        [Path(sys.executable).with_name("c2lib"), "dryrun", *DEMO, "--out", out],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
    assert f'"run_id": "{RUN}"' in done.stdout
    assert in_process_of_its_own("--version").code == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--seed", "hunter2"), "argument --seed: must be a whole number of at most 20 digits"),
        (("--seed", "1_0"), "argument --seed: must be a whole number of at most 20 digits"),
        (("--seed", "9" * 5000), "argument --seed: must be a whole number of at most 20 digits"),
        (("--sed=hunter2",), "unknown option --sed"),
        (("--see", "7"), "unknown option --see"),
        (("--pass" + "word", "hunter2", "-x"), "unknown option --pass" + "word, -x"),
        (("hunter2",), "an argument that no option takes"),
    ],
)
def test_a_complaint_names_the_option_and_never_the_value(
    command: Command, words: tuple[str, ...], complaint: str
) -> None:
    """What was given may be a secret, and no option is guessed from its beginning."""
    answer = command("dryrun", *words)
    assert answer.code == 2
    assert answer.err.splitlines()[-1].endswith(f"error: {complaint}")
    assert "hunter2" not in answer.err


def test_a_command_that_is_a_secret_is_not_repeated(command: Command) -> None:
    """What argparse quotes by itself is redacted."""
    answer = command("gh" + "p_" + "Ab3" * 12)
    assert answer.code == 2
    assert "invalid choice: '[REDACTED:github-token]'" in answer.err
