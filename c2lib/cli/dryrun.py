"""``c2lib dryrun``: one seeded dry run, and one JSON line on what came of it.

A flag is a config field or a run option, never both; flags win over ``--config``. Exit 1 when the session was REJECTED
or FAILED.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from c2lib.cli.console import GOOD, NOT_GOOD, ProgressBar, say, show
from c2lib.core.errors import ConfigError


def whole_number(text: str) -> int:
    """Return the integer that ``text`` is, digits alone, or an error that does not repeat it."""
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", text, re.ASCII):
        raise argparse.ArgumentTypeError("must be a whole number of at most 20 digits")
    return int(text)


_FIELDS: tuple[tuple[str, str, Callable[[str], Any], str], ...] = (
    ("--run-id", "run_id", str, "name of the run; left out: derived from the config"),
    ("--strategy-id", "strategy_id", str, "strategy: strat_demo, sma_cross, or your own with --strategy-file"),
    ("--seed", "seed", whole_number, "seed of every random number"),
    ("--steps", "steps", whole_number, "most steps; left out: every bar of the file, 64 of the walk"),
    ("--symbol", "market.symbol", str, "instrument"),
    ("--tick-size", "market.tick_size", str, "smallest step of a price; left out: proposed from the data"),
    ("--rounding", "market.rounding", str, "price off the tick size: refuse or nearest"),
    ("--lot-size", "market.lot_size", str, "smallest step of a quantity"),
    ("--clock-mode", "clock_mode", str, "fixed or market"),
    ("--clock-start", "clock_start", str, "time of the fixed clock, ISO 8601 with a zone"),
    ("--max-sink-retries", "max_sink_retries", whole_number, "how often a failing write is tried again"),
    ("--tick-events", "tick_events", str, "every or decisions"),
    ("--no-live", "no_live_required", str, "NO-LIVE layer that must hold: hook or namespace (Linux)"),
    ("--initial-cash", "broker.initial_cash", str, "cash before the first step"),
    ("--min-fills", "criteria.min_fills", whole_number, "least number of fills for a PASS"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    fields = parser.add_argument_group("config fields")
    for flag, field, kind, meaning in _FIELDS:
        name = flag[2:].upper().replace("-", "_")
        fields.add_argument(flag, dest=field, type=kind, metavar=name, help=meaning)
    fields.add_argument(
        "--allow",
        dest="strategy_allowlist",
        action="append",
        metavar="ID",
        help="strategy that may run; may be given again; replaces the default",
    )
    fields.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="parameter of the strategy, such as fast=5; a whole number, true, false, or text; may be given again",
    )
    fields.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any other field, dotted; the value is JSON or text",
    )
    options = parser.add_argument_group("run options")
    options.add_argument("--config", metavar="FILE", help="config fields as YAML or JSON; flags win")
    options.add_argument("--market", metavar="FILE", help="market file: CSV, plain or gzipped, Feather or Parquet")
    options.add_argument(
        "--strategy-file", metavar="FILE:CLASS", help="your own strategy, with --strategy-id and --allow"
    )
    options.add_argument("--out", metavar="DIR", help="output root; left out: $C2LIB_OUT, the checkout's out/, ./out")


def run(options: argparse.Namespace) -> int:
    """Run it and print the summary."""
    from c2lib.app.runner import run_dryrun
    from c2lib.core.config import DryrunConfig

    config = DryrunConfig.parse(_values(options))
    with ProgressBar() as bar:
        result = run_dryrun(
            config,
            out_dir=options.out,
            market=options.market,
            strategy=options.strategy_file or None,
            progress=partial(bar, "step"),
        )
    show(json.dumps(result.summary()))
    for problem in (result.reject_reason, result.fail_reason):
        if problem:
            say(f"{result.status.value}: {problem}")
    for line in result.fail_lines():
        say(f"  {line}")
    if result.staging:
        say(f"not published; what was written is in {result.staging}")
    return GOOD if result.status.value == "COMPLETED" else NOT_GOOD


def _values(options: argparse.Namespace) -> dict[str, Any]:
    """Return the config's fields: those of the file, then the flags, ``--param`` and ``--set``."""
    values: dict[str, Any] = {}
    assigned: list[tuple[str, Any]] = []
    if options.config or options.set:
        # PyYAML takes longer to load than a short run needs
        from c2lib.cli.config_files import parse_assignment, read_config_file

        values = read_config_file(options.config) if options.config else {}
        assigned = [parse_assignment(assignment) for assignment in options.set]
    for field in (*(row[1] for row in _FIELDS), "strategy_allowlist"):
        value = getattr(options, field)
        if value is not None:
            set_field(values, field, value)
    for param in options.param:
        name, value = parse_param(param)
        set_field(values, f"strategy.params.{name}", value)
    for field, value in assigned:
        set_field(values, field, value)
    return values


def parse_param(text: str) -> tuple[str, int | bool | str]:
    """Return name and value of ``NAME=VALUE``: a whole number, true or false where it reads as one, else text."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ConfigError("--param", "write NAME=VALUE, such as fast=5")
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
