"""``c2lib dryrun``: one seeded dry run, and one JSON line on what came of it.

A flag is a config field or a run option, never both. A field is given once; flags win over ``--config``. Exit 1 when
the session was REJECTED or FAILED.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from c2lib.cli.console import GOOD, NOT_GOOD, ProgressBar, say, show
from c2lib.core.errors import ConfigError

if TYPE_CHECKING:
    from c2lib.core.config import DryrunConfig


def whole_number(text: str) -> int:
    """Return the integer that ``text`` is, digits alone, or an error that does not repeat it."""
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", text, re.ASCII):
        raise argparse.ArgumentTypeError("must be a whole number of at most 20 digits")
    return int(text)


_CLOCKS, _EVENTS, _LAYERS = ("fixed", "market"), ("every", "decisions"), ("hook", "namespace")
_ROUNDINGS = ("refuse", "nearest")

_FIELDS: tuple[tuple[str, str, Any, str], ...] = (
    ("--run-id", "run_id", str, "name of the run; left out: derived from the config"),
    ("--strategy-id", "strategy_id", str, "strat_demo, sma_cross, or your own; required, here or in --config"),
    ("--seed", "seed", whole_number, "seed of every random number; required, here or in --config"),
    ("--steps", "steps", whole_number, "most steps; left out: every bar of the file, 64 of the walk"),
    ("--symbol", "market.symbol", str, "instrument; default SYNTH"),
    ("--tick-size", "market.tick_size", str, "smallest step of a price; left out: from the file, 0.01 of the walk"),
    ("--rounding", "market.rounding", _ROUNDINGS, "what happens to a price off the tick size; default refuse"),
    ("--lot-size", "market.lot_size", str, "smallest step of a quantity; default 1"),
    ("--clock-mode", "clock_mode", _CLOCKS, "a clock that stands still, or the time of the bars; default fixed"),
    ("--clock-start", "clock_start", str, "time of the fixed clock; default 2026-01-01T00:00:00+00:00"),
    ("--max-sink-retries", "max_sink_retries", whole_number, "how often a failing write is tried again; default 0"),
    ("--tick-events", "tick_events", _EVENTS, "bars that are recorded; default every"),
    ("--no-live", "no_live_required", _LAYERS, "NO-LIVE layer that must hold; namespace needs Linux; default hook"),
    ("--initial-cash", "broker.initial_cash", str, "cash before the first step; default 100000"),
    ("--min-fills", "criteria.min_fills", whole_number, "least number of fills for a PASS; default 1"),
)
"""Flags of config fields: flag, field, how its text is read or the words that it may be, and its meaning."""

_LISTS = (
    ("--allow", "strategy_allowlist", "ID", "strategy that may run; replaces the default, strat_demo and sma_cross"),
    ("--param", "param", "NAME=VALUE", "parameter of the strategy, such as fast=5; whole number, true, false or text"),
    ("--set", "set", "FIELD=VALUE", "any other field, dotted, such as broker.slippage_ticks=2; JSON or text"),
)
"""Flags that may be given again: flag, where it is kept, its value and its meaning."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.usage = "c2lib dryrun --strategy-id ID --seed N [options]"
    fields = parser.add_argument_group("config fields", "each is given once; flags win over --config")
    for flag, field, kind, meaning in _FIELDS:
        words = {"choices": kind} if isinstance(kind, tuple) else {"type": kind, "metavar": flag[2:].upper()}
        fields.add_argument(flag, dest=field, help=meaning, **words)
    for flag, dest, metavar, meaning in _LISTS:
        fields.add_argument(flag, dest=dest, action="append", metavar=metavar, help=f"{meaning}; may be given again")
    options = parser.add_argument_group("run options")
    options.add_argument("--config", metavar="FILE", help="config fields as YAML or JSON; flags win")
    options.add_argument("--market", metavar="FILE", help="CSV, .csv.gz, Feather or Parquet; left out: a seeded walk")
    options.add_argument("--strategy-file", metavar="FILE.py:CLASS", help="your own, with --strategy-id and --allow")
    options.add_argument("--out", metavar="DIR", help="output root; left out: $C2LIB_OUT, the checkout's out/, ./out")


def run(options: argparse.Namespace) -> int:
    """Run it and print the summary."""
    from c2lib.app.runner import run_dryrun
    from c2lib.session.strategy import check_strategy_is_known

    flags = _flags(options)
    values: dict[str, Any] = {}
    text = ""
    if options.config is not None:
        from c2lib.cli.config_files import read_config_file

        values, text = read_config_file(options.config)
    try:
        for _, field, value in flags:
            set_field(values, field, value)
        config = config_of(values)
        if options.strategy_file is None:
            check_strategy_is_known(config.strategy_id)
        with ProgressBar() as bar:
            result = run_dryrun(
                config,
                out_dir=options.out,
                market=options.market,
                strategy=options.strategy_file,
                progress=partial(bar, "step"),
            )
    except ConfigError as error:
        raise located(error, options.config, flags, text) from None
    show(json.dumps(result.summary()))
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


def config_of(values: Mapping[str, Any]) -> DryrunConfig:
    """Return the config of what a person gave outside Python, where there is no clock to hand over."""
    from c2lib.core.config import DryrunConfig

    if values.get("clock_mode", _CLOCKS[0]) not in _CLOCKS:
        raise ConfigError("clock_mode", "must be 'fixed' or 'market'", hint="any other clock is handed over in Python")
    return DryrunConfig.parse(values)


_Given = tuple[str, str, Any]
"""A config field of the command line: what gave it, the field, the value."""


def _flags(options: argparse.Namespace) -> list[_Given]:
    """Return the config fields that the command line gives; raise :class:`ConfigError` where one is given twice."""
    rows = [*(row[:2] for row in _FIELDS), ("--allow", "strategy_allowlist")]
    given = [(flag, field, value) for flag, field in rows if (value := getattr(options, field)) is not None]
    for name, value in map(parse_param, options.param or ()):
        given.append((f"--param {name}", f"strategy.params.{name}", value))
    if options.set:
        # PyYAML takes longer to load than a short run needs
        from c2lib.cli.config_files import parse_assignment

        given += [(f"--set {field}", field, value) for field, value in map(parse_assignment, options.set)]
    for at, (source, field, _) in enumerate(given):
        for other, same, _ in given[:at]:
            if _is_within(field, same) or _is_within(same, field):
                raise ConfigError(field, f"is given by {other} and by {source}", hint="give it once")
    return given


def _is_within(field: str, other: str) -> bool:
    return f"{field}.".startswith(f"{other}.")


def located(error: ConfigError, path: str | None, flags: list[_Given], text: str) -> ConfigError:
    """Return ``error`` with what its field comes from: a flag, a line of the config file, else the flag for it."""
    field = error.field
    given = (*flags, ("--out", "out_dir", None))
    source = next((source for source, name, _ in given if _is_within(field, name)), None)
    if source is None and text:
        from c2lib.cli.config_files import line_of

        line = line_of(field, text)
        source = f"{path}, line {line}" if line else None
    source = source or next((row[0] for row in _FIELDS if row[1] == field), field)
    where = source if source.replace("-", "_").endswith(field) else f"{source}: {field}"
    return ConfigError(where, error.problem, hint=error.hint)


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


def set_field(values: dict[str, Any], field: str, value: Any) -> None:
    """Set a dotted field in nested mappings; raise :class:`ConfigError` when a field above it is no mapping."""
    *above, last = field.split(".")
    for depth, name in enumerate(above, start=1):
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            raise ConfigError(".".join(above[:depth]), "is no mapping")
    values[last] = value
