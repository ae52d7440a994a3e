"""The command line: results on stdout, one clear line on stderr, exit codes that can be trusted."""

import os
import signal
import subprocess
import sys
import time
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

    vars(module).update(run=run, OPTIONS=())
    monkeypatch.setattr(cli, "_command", lambda name: module)


def test_version_matches_the_package(command: Command) -> None:
    """The option --version prints the package's version in one line and runs nothing."""
    answer = command("--version")
    assert (answer.code, answer.out, answer.err) == (0, f"c2lib {metadata.version('c2lib')}\n", "")


@pytest.mark.parametrize(("words", "code"), [((), 2), (("--help",), 0), (("dryrun", "--help"), 0)])
def test_help_is_on_stdout(command: Command, words: tuple[str, ...], code: int) -> None:
    """Help is printed on stdout, with exit code 0 where asked for and 2 where no command was given."""
    answer = command(*words)
    assert answer.code == code
    assert answer.out.startswith("usage: c2lib")
    assert answer.err == ""


def test_help_lists_every_command(command: Command) -> None:
    """The main help lists every command."""
    shown = command("--help").out
    for name in ("dryrun", "verify", "diff", "evidence", "show", "export", "notebook", "schema"):
        assert f"    {name} " in shown


@pytest.mark.parametrize(
    "words", [("nonsense",), ("dryrun", "--nonsense"), ("dryrun", "extra"), ("verify",), ("dryrun", "--seed", "x")]
)
def test_invalid_command_line_is_refused(command: Command, words: tuple[str, ...]) -> None:
    """An invalid command line is refused with exit code 2, no traceback and nothing on stdout."""
    answer = command(*words)
    assert (answer.code, answer.out) == (2, "")
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("option", ["--out", "--run-id", "--market", "--config", "--strategy-file", "--set"])
def test_two_dashes_are_no_value(command: Command, option: str) -> None:
    """Two dashes as the value of an option are refused in one line that names the option."""
    answer = command("dryrun", "--strategy-id", "strat_demo", "--seed", "7", f"{option}=--")
    assert (answer.code, answer.complaint) == (2, f"{option}: -- is no value")


def test_help_imports_little() -> None:
    """Printing the help loads no pydantic, YAML, plotting or papermill module."""
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
def test_expected_error_is_one_line(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    """An expected error of a command is one escaped line with exit code 2 and no traceback."""
    raising(monkeypatch, error)
    answer = command("dryrun")
    assert (answer.code, answer.complaint) == (2, message)


def test_interrupt_exits_130(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted command exits with code 130, as shells expect."""
    raising(monkeypatch, KeyboardInterrupt())
    answer = command("dryrun")
    assert answer.code == 130
    assert answer.complaint == "interrupted; a staging folder of an unfinished run may be left"


def test_broken_pipe_is_silent(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken pipe on stdout is exit code 1 without a message."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    raising(monkeypatch, BrokenPipeError(32, "Broken pipe"))
    answer = command("dryrun")
    assert (answer.code, answer.out, answer.err) == (1, "", "")


def test_closed_stdout_keeps_exit_code(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command with a closed stdout still returns its exit code."""
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["verify", str(published)]) == 0


def test_defect_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that no user can cause is raised with its traceback."""
    raising(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["dryrun"])


def test_default_arguments_are_sys_argv(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The main function without arguments takes those of the process."""
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


def test_lost_reader_is_silent(out: Path) -> None:
    """A run whose stdout pipe has no reader is published and exits 1 without a traceback."""
    done = with_stdout(deaf_pipe, "dryrun", *DEMO, "--out", str(out))
    assert (done.returncode, done.stderr) == (1, b"")
    assert place_below(out).is_dir()


def test_full_stdout_disk_exits_2(out: Path) -> None:
    """A result that cannot be written to a full disk is one line on stderr with exit code 2."""
    done = with_stdout(lambda: os.open("/dev/full", os.O_WRONLY), "dryrun", *DEMO, "--out", str(out))
    assert (done.returncode, done.stderr) == (2, b"c2lib: output: No space left on device\n")


def test_closed_streams_publish_run(out: Path) -> None:
    """A run with closed stdout and stderr is published and returns its exit code."""
    line = f'exec "{sys.executable}" -m c2lib dryrun --set enabled=true --out "{out}" "$@" >&- 2>&-'
    done = subprocess.run(["/bin/sh", "-c", line, "sh", *DEMO], check=False, timeout=60)
    assert done.returncode == 1
    assert place_below(out).is_dir()


def test_installed_script_runs(out: Path) -> None:
    """The installed console script runs a dry run and prints one JSON line."""
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
        (("--seed", "hunter2"), "--seed: must be a whole number of at most 20 digits"),
        (("--seed", "1_0"), "--seed: must be a whole number of at most 20 digits"),
        (("--seed", "9" * 5000), "--seed: must be a whole number of at most 20 digits"),
        (("--sed=hunter2",), "unknown option --sed (did you mean '--seed'?)"),
        (("--see", "7"), "unknown option --see (did you mean '--seed'?)"),
        (
            ("--set", "seed=1", "--strategyfile", "hunter2"),
            "unknown option --strategyfile (did you mean '--strategy-file'?)",
        ),
        (("--clock-mode", "hunter2"), "--clock-mode: invalid choice: (choose from 'fixed', 'market')"),
        (("--seed", "1", "--seed", "2"), "--seed: is given twice"),
        (("--seed",), "--seed: expected one argument"),
        (("--pass" + "word", "hunter2", "-x"), "unknown option --pass" + "word, -x"),
        (("hunter2",), "an argument that no option takes"),
    ],
)
def test_errors_never_repeat_values(command: Command, words: tuple[str, ...], complaint: str) -> None:
    """An error on the command line names the option, never the value, and no option is guessed by prefix."""
    answer = command("dryrun", *words)
    assert (answer.code, answer.complaint) == (2, f"{complaint}; see c2lib dryrun --help")
    assert "hunter2" not in answer.err


def test_secret_command_is_redacted(command: Command) -> None:
    """A command name that is a secret is redacted in the error."""
    answer = command("gh" + "p_" + "Ab3" * 12)
    known = "one of dryrun, verify, diff, evidence, show, export, notebook, schema"
    assert answer.complaint == f"unknown command '[REDACTED:github-token]' ({known}); see c2lib --help"
    assert answer.code == 2


@pytest.mark.parametrize("module", ["typing", "argparse", "pydantic"])
def test_interrupted_import_is_one_line(tmp_path: Path, module: str) -> None:
    """Ctrl-C while the command line or a command is imported is exit code 130 and one line, with no traceback."""
    slow = f"import time\nopen({str(tmp_path / 'mark')!r}, 'w').close()\ntime.sleep(60)\n"
    (tmp_path / f"{module}.py").write_text(slow)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "c2lib", "dryrun", *DEMO, "--out", str(tmp_path)],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            while not (tmp_path / "mark").exists():
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (process.returncode, out, err.count("\n")) == (130, "", 1)
    assert err.startswith("c2lib: interrupted")


def test_similar_command_is_named(command: Command) -> None:
    """A command that is misspelt is refused with the nearest one."""
    answer = command("dry-run", "--seed", "1")
    assert (answer.code, answer.complaint) == (
        2,
        "unknown command 'dry-run' (did you mean 'dryrun'?); see c2lib --help",
    )
