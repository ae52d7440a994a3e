"""``c2lib dryrun``: one seeded dry run, and one JSON line on what came of it.

A flag is a config field or a run option, never both. A field is given once; flags win over ``--config``. Exit 1 when
the session was REJECTED or FAILED.
"""

from __future__ import annotations

import argparse
import re
from functools import partial
from itertools import combinations
from typing import Any, Literal, get_args, get_origin

from c2lib.app.runner import run_dryrun
from c2lib.cli.config_files import parse_assignment, takes_text
from c2lib.cli.console import GOOD, NOT_GOOD, ProgressBar, report, say
from c2lib.cli.parameters import CLOCKS, CONFIG_FIELDS, DryrunFlags, Given, Request, flag_of, is_within
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError
from c2lib.core.sealed import fields_at


def whole_number(text: str) -> int:
    """Return the integer that ``text`` is, digits alone, or an error that does not repeat it."""
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", text, re.ASCII):
        raise argparse.ArgumentTypeError("must be a whole number of at most 20 digits")
    return int(text)


_AGAIN = ("allow", "strategy_params", "set")


def _reading(name: str, title: str | None) -> dict[str, Any]:
    """Return how argparse reads an option: again and again, as a word of few, a whole number, or text."""
    if name in _AGAIN:
        return {"metavar": title, "action": "append"}
    *above, last = CONFIG_FIELDS.get(name, "run_id").split(".")
    kind = CLOCKS if name == "clock_mode" else fields_at(DryrunConfig, above)[last].annotation
    if kind == CLOCKS or get_origin(kind) is Literal:
        return {"choices": kind if kind == CLOCKS else get_args(kind)}
    return {"metavar": title or flag_of(name)[2:].upper(), "type": None if takes_text(kind) else whole_number}


USAGE = "c2lib dryrun --strategy-id ID --seed N [options]"
OPTIONS = [
    (
        flag_of(name),
        f"{field.description}{'; may be given again' * (name in _AGAIN)}",
        {"dest": name, **_reading(name, field.title)},
    )
    for name, field in DryrunFlags.model_fields.items()
]


def run(options: argparse.Namespace) -> int:
    """Run it and print the summary."""
    request = Request(_given(options), options.config_file)
    with request.named():
        config = request.config(own_strategy=options.strategy_file is not None)
        with ProgressBar() as bar:
            result = run_dryrun(
                config,
                out_dir=options.out_dir,
                market=options.market,
                strategy=options.strategy_file,
                progress=partial(bar, "step"),
            )
    report(options, result.summary())
    for problem in (result.reject_reason, result.fail_reason):
        if problem:
            say(f"{result.status.value}: {problem}")
    if result.reject_code == "C2_REJECT_STRATEGY_NOT_ALLOWED":
        say(f"  if it may run, add: --allow {config.strategy_id}")
    for line in result.fail_lines:
        say(f"  {line}")
    if result.staging:
        say(f"not published; what was written is in {result.staging}")
    return GOOD if result.status.value == "COMPLETED" else NOT_GOOD


def _given(options: argparse.Namespace) -> list[Given]:
    """Return the config fields that the command line gives; raise :class:`ConfigError` where one is given twice."""
    values = [(flag_of(name), field, getattr(options, name)) for name, field in CONFIG_FIELDS.items()]
    given: list[Given] = [one for one in values if one[2] is not None]
    for name, value in map(parse_param, options.strategy_params or ()):
        given.append((f"--param {name}", f"strategy.params.{name}", value))
    given += [(f"--set {field}", field, value) for field, value in map(parse_assignment, options.set or ())]
    for (one, same, _), (other, field, _) in combinations(given, 2):
        if is_within(same, field) or is_within(field, same):
            raise ConfigError(field, f"is given by {one} and by {other}", hint="give it once")
    return given


def parse_param(text: str) -> tuple[str, int | bool | str]:
    """Return name and value of ``NAME=VALUE``: a whole number, true or false where it reads as one, else text."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ConfigError("--param", "write NAME=VALUE, such as fast=5")
    if not value.strip():
        raise ConfigError(f"--param {name}", "is empty", hint="give a value, or leave it out")
    if value in ("true", "false"):
        return name, value == "true"
    return name, int(value) if re.fullmatch(r"-?(?:0|[1-9][0-9]{0,19})", value, re.ASCII) else value
