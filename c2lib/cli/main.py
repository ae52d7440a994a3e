"""The command line: results on stdout, progress and messages on stderr.

Exit 0 done and good, 1 done and not good, 2 could not do it. There is no traceback for anything that a user can cause,
and no message repeats what was given for an option, which may be a secret.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module, metadata
from typing import Any, NoReturn

from c2lib.cli.console import COULD_NOT, GOOD, NOT_GOOD, say
from c2lib.core.errors import C2Error, ConfigError, RunConflictError
from c2lib.core.redaction import redact_secrets
from c2lib.core.text import nearest, quoted

_INTERRUPTED = 130
_OPTION_NAME = re.compile(r"--?[a-z][a-z-]{0,30}", re.ASCII)
_VALUE = re.compile(r"(?<=invalid choice: ).* (?=\(choose from)|(?<=ignored explicit argument) .*", re.DOTALL)
"""A value within a message of argparse."""

_COMMANDS = {
    "dryrun": ("run a dry run and publish its run directory", "--strategy-id sma_cross --seed 7 --market day.csv"),
    "verify": ("check run directories: refold the log, and execute the session again", "out/finish_c/c2/RUN_ID"),
    "diff": ("say where and why two runs part", "out/finish_c/c2/ONE out/finish_c/c2/OTHER"),
    "evidence": ("render the evidence draft of a run", 'out/finish_c/c2/RUN_ID --owner "J. Doe" --market day.csv'),
    "show": ("show the facts of a run, and draw its tear sheet", "out/finish_c/c2/RUN_ID --picture run.png"),
    "export": ("write the tables of a run as files", "out/finish_c/c2/RUN_ID --format parquet"),
    "notebook": ("run a notebook by papermill", "01_dryrun -p seed 7 -p market day.csv"),
    "schema": ("write or check the JSON Schemas of the artifacts", "--check"),
}
"""Each command: what it is for, and what stands behind its name in an example."""


def _given(text: str) -> str:
    """Return the value of an option; one that is empty is a mistake, such as a shell variable that is not set."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty (give a value, or leave it out)")
    return text


class _Once(argparse.Action):
    """Stores a value and refuses another one."""

    def __call__(self, *called_with: Any) -> None:
        """Store the value, the third of what argparse calls this with."""
        _, namespace, values, *_ = called_with
        if getattr(namespace, self.dest) is not self.default:
            raise argparse.ArgumentError(self, "is given twice")
        setattr(namespace, self.dest, values)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and quote no value: not of an unknown option, and not of one that is wrong."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)
        self.register("action", None, _Once)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            names = [name[0] for word in unknown if (name := _OPTION_NAME.match(word))]
            near = nearest(names[0], self._option_string_actions) if names else ""
            what = f"unknown option {', '.join(names)}" if names else "an argument that no option takes"
            self.error(f"{what} ({near})" if near else what)
        return options, unknown

    def error(self, message: str) -> NoReturn:
        message = redact_secrets(_VALUE.sub("", message).removeprefix("argument "))
        say(f"{message}; see {self.prog} --help")
        raise SystemExit(COULD_NOT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code.

    >>> main(["--version"])
    c2lib 0.1.0
    0
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    _complete()
    empty = next((word for word in words if word.startswith("--") and word.endswith("=--")), None)
    if empty is not None:
        # argparse makes an empty list of such a value
        say(f"{empty.removesuffix('=--')}: -- is no value")
        return COULD_NOT
    try:
        parser, name = _parser(words)
        options = parser.parse_args(words)
    except SystemExit as stop:
        return GOOD if not stop.code else COULD_NOT
    if options.version:
        print(f"c2lib {metadata.version('c2lib')}")
        return GOOD
    if name is None:
        print(parser.format_help().rstrip())
        return COULD_NOT
    try:
        code: int = _command(name).run(options)
        if sys.stdout is not None:
            # at exit it would be too late to report that the result reached nobody
            sys.stdout.flush()
    except C2Error as error:
        say(str(error))
        return NOT_GOOD if isinstance(error, RunConflictError) else COULD_NOT
    except BrokenPipeError:
        # nobody reads stdout any more; None keeps the interpreter from flushing it at exit
        sys.stdout = None
        return NOT_GOOD
    except OSError as error:
        say(str(ConfigError(str(error.filename or "output"), str(error.strerror))))
        return COULD_NOT
    except KeyboardInterrupt:
        say("interrupted; a staging folder of an unfinished run may be left")
        return _INTERRUPTED
    return code


def _complete() -> None:
    """Answer a shell that asks how a command line may go on, and leave; return where none does."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        words = os.environ.get("COMP_LINE", "").split()
        argcomplete.autocomplete(_parser([word for word in words if word in _COMMANDS][:1])[0])


def _command(name: str) -> Any:
    """Return a command's module, imported when it is asked for, so that help is quick."""
    return import_module(f"c2lib.cli.{name}")


def _parser(words: Sequence[str]) -> tuple[argparse.ArgumentParser, str | None]:
    """Return the parser, with the options of the one command that is asked for, and that command's name."""
    parser = _Parser(
        prog="c2lib",
        description="Deterministic, bounded, NO-LIVE dry runs, and evidence that anybody can check.",
        epilog="c2lib COMMAND --help has the options, defaults and examples of a command.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    commands = parser.add_subparsers(metavar="COMMAND")
    asked = next((word for word in words if not word.startswith("-")), None)
    if asked is not None and asked not in _COMMANDS:
        parser.error(f"unknown command {quoted(asked)} ({nearest(asked, _COMMANDS, 'one of ' + ', '.join(_COMMANDS))})")
    for name, (purpose, example) in _COMMANDS.items():
        description = f"{purpose[:1].upper()}{purpose[1:]}."
        sub = commands.add_parser(
            name, help=purpose, description=description, epilog=f"example: c2lib {name} {example}"
        )
        sub.register("type", None, _given)
        sub.register("type", str, _given)
        if name == asked:
            command = _command(name)
            sub.usage = getattr(command, "USAGE", None)
            for option, meaning, how in command.OPTIONS:
                sub.add_argument(option, help=meaning, **how)
            sub.add_argument("--json", action="store_const", const=True, help="one JSON line, also at a terminal")
            sub.add_argument("--text", action="store_const", const=False, dest="json", help="text, also into a pipe")
    return parser, asked
