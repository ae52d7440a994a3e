"""The command line.

Rules kept here:

* results go to stdout, one JSON line or a table, progress and messages to stderr;
* exit 0 done and good, 1 done and not good, 2 could not do it; no traceback for anything that a user can cause;
* a complaint names the option and never repeats what was given for it, which may be a secret;
* what a command does not need is not imported, so that help is quick.

>>> main(["--version"])
c2lib 0.1.0
0
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from importlib import import_module, metadata
from typing import Any, NoReturn

from c2lib.cli.console import say
from c2lib.core.errors import C2Error, ConfigError, RunConflictError
from c2lib.core.redaction import redact_secrets

GOOD, NOT_GOOD, COULD_NOT = 0, 1, 2
_INTERRUPTED = 130
_OPTION_NAME = re.compile(r"--?[a-z][a-z-]{0,30}", re.ASCII)

_COMMANDS = {
    "dryrun": "run a dry run and publish its run directory",
    "verify": "check run directories: refold the log, and execute the session again",
    "diff": "say where and why two runs part",
    "evidence": "render the evidence draft of a run",
    "schema": "write or check the generated pages of the contract",
}


class _Parser(argparse.ArgumentParser):
    """A parser that quotes no value: not of an option that it does not know, and not of one that does not fit."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the options; complain of those that are unknown by their names alone."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            names = [name[0] for word in unknown if (name := _OPTION_NAME.match(word))]
            self.error(f"unknown option {', '.join(names)}" if names else "an argument that no option takes")
        return options

    def error(self, message: str) -> NoReturn:
        """Show the usage and the message, and leave."""
        super().error(redact_secrets(message))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    empty = next((word for word in words if word.startswith("--") and word.endswith("=--")), None)
    if empty is not None:
        # argparse makes an empty list of such a value
        say(f"{empty.removesuffix('=--')}: -- is no value")
        return COULD_NOT
    parser, name = _parser(words)
    try:
        options = parser.parse_args(words)
    except SystemExit as stop:
        return GOOD if not stop.code else COULD_NOT
    if options.version or name is None:
        print(f"c2lib {metadata.version('c2lib')}" if options.version else parser.format_help().rstrip())
        return GOOD if options.version else COULD_NOT
    try:
        code: int = _command(name).run(options)
        if sys.stdout is not None:
            # at exit it would be too late to say that the result reached nobody
            sys.stdout.flush()
    except RunConflictError as error:
        say(str(error))
        return NOT_GOOD
    except C2Error as error:
        say(str(error))
        return COULD_NOT
    except BrokenPipeError:
        # whoever read stdout has gone: nothing is left to say, and nowhere to say it
        sys.stdout = None  # keeps the interpreter from flushing it at exit
        return NOT_GOOD
    except OSError as error:
        say(str(ConfigError(str(error.filename or "output"), str(error.strerror))))
        return COULD_NOT
    except KeyboardInterrupt:
        say("interrupted; a staging folder of an unfinished run may be left")
        return _INTERRUPTED
    return code


def _command(name: str) -> Any:
    return import_module(f"c2lib.cli.{name}")


def _parser(words: Sequence[str]) -> tuple[argparse.ArgumentParser, str | None]:
    """Return the parser, with the options of the one command that is asked for, and that command's name."""
    parser = _Parser(
        prog="c2lib",
        description="Deterministic, bounded, NO-LIVE dry runs, and evidence that anybody can check.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    commands = parser.add_subparsers(metavar="COMMAND")
    asked = next((word for word in words if not word.startswith("-")), None)
    for name, purpose in _COMMANDS.items():
        sub = commands.add_parser(
            name, help=purpose, description=purpose[:1].upper() + purpose[1:] + ".", allow_abbrev=False
        )
        if name == asked:
            _command(name).add_options(sub)
    return parser, asked
