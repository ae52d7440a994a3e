"""What a person gives for a dry run outside Python: one model for the flags of ``c2lib dryrun`` and for ``01_dryrun``.

Its fields are the notebook's parameters; flags and help texts are made of them, and how a flag is read follows from the
config field that it sets. What is given wins over the config file. An error names what gave the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from c2lib.cli.config_files import line_of, parse_assignment, read_config_file
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError
from c2lib.core.sealed import Integer, Params, Sealed, Text, TextTuple
from c2lib.session.strategy import check_strategy_is_known


def _number_text(value: Any) -> Any:
    """Return a number as text: papermill's ``-p`` makes a number of what reads as one."""
    if type(value) not in (int, float):
        return value
    if len(Decimal(repr(value)).as_tuple().digits) > 15:  # all that a binary float keeps
        raise ValueError("has more digits than a number keeps: give it as text, by papermill's -r")
    return f"{Decimal(repr(value)):f}"


def _listed(value: Any) -> Any:
    return [name for name in re.split(r"[,\s]+", value) if name] if isinstance(value, str) else value


def _params(value: Any) -> Any:
    """Return the mapping that a JSON text holds."""
    if isinstance(value, str):
        value = parse_assignment(f"strategy_params={value}")[1]
        if not isinstance(value, dict):
            raise ValueError('must be a mapping, or its JSON text, such as {"fast": 5}')
    return value


def _given(meaning: str, value: str | None = None, empty: Any = "") -> Any:
    """Return an option that may be left out: its meaning, what stands for its value in a help text."""
    return Field(empty, title=value, description=meaning)


DecimalNumber = Annotated[Text, BeforeValidator(_number_text)]


class DryrunOptions(Sealed):
    """What flags and notebook have in common; the fields that were given are ``model_fields_set``."""

    strategy_file: Text = _given("your own, with --strategy-id and --allow", "FILE.py:CLASS")
    strategy_id: Text = _given("strat_demo, sma_cross, or your own; required, here or in --config")
    strategy_params: Annotated[Params, BeforeValidator(_params)] = _given(
        "parameter of the strategy, such as fast=5: a whole number, true, false or text", "NAME=VALUE", {}
    )
    allow: Annotated[TextTuple, BeforeValidator(_listed)] = _given(
        "strategy that may run; replaces the default, strat_demo and sma_cross", "ID", ()
    )
    market: Text = _given("CSV, .csv.gz, Feather or Parquet; left out: a seeded walk", "FILE")
    symbol: Text = _given("instrument; default SYNTH")
    tick_size: DecimalNumber = _given("smallest step of a price; left out: from the file, 0.01 of the walk")
    lot_size: DecimalNumber = _given("smallest step of a quantity; default 1")
    rounding: Text = _given("what happens to a price off the tick size; default refuse")
    seed: Integer = _given("seed of every random number; required, here or in --config", empty=0)
    steps: Integer = _given("most steps; left out: every bar of the file, 64 of the walk", empty=0)
    initial_cash: DecimalNumber = _given("cash before the first step; default 100000")
    clock_mode: Text = _given("a clock that stands still, or the time of the bars; default fixed")
    clock_start: Text = _given("time of the fixed clock; default 2026-01-01T00:00:00+00:00")
    no_live_required: Text = _given("NO-LIVE layer that must hold; namespace needs Linux; default hook")
    config_file: Text = _given("config fields as YAML or JSON; flags win", "FILE")
    run_id: Text = _given("name of the run; left out: derived from the config")
    out_dir: Text = _given("output root; left out: $C2LIB_OUT, the checkout's out/, ./out", "DIR")


class DryrunFlags(DryrunOptions):
    """What the command line has beside."""

    max_sink_retries: Integer = _given("how often a failing write is tried again; default 0", empty=0)
    tick_events: Text = _given("bars that are recorded; default every")
    min_fills: Integer = _given("least number of fills for a PASS; default 1", empty=0)
    set: TextTuple = _given("any other field, dotted, such as broker.slippage_ticks=2; JSON or text", "FIELD=VALUE", ())


_SAME = "run_id strategy_id seed steps clock_mode clock_start no_live_required max_sink_retries tick_events"
CONFIG_FIELDS = {name: name for name in _SAME.split()}
CONFIG_FIELDS |= {name: f"market.{name}" for name in ("symbol", "tick_size", "lot_size", "rounding")}
CONFIG_FIELDS |= {
    "initial_cash": "broker.initial_cash",
    "min_fills": "criteria.min_fills",
    "allow": "strategy_allowlist",
}
"""The config fields that options set by one value."""

_FLAGS = {"strategy_params": "--param", "no_live_required": "--no-live", "config_file": "--config", "out_dir": "--out"}
CLOCKS = ("fixed", "market")


def flag_of(name: str) -> str:
    """Return the flag of an option."""
    return _FLAGS.get(name, f"--{name.replace('_', '-')}")


Given = tuple[str, str, Any]
"""A config field that was given: by what, which one, and its value."""


class Request:
    """The config fields that were given, and the config file behind them."""

    def __init__(self, given: Sequence[Given], config_file: str | None) -> None:
        self._given, self._path = given, config_file
        self.values, self._text = read_config_file(config_file) if config_file else ({}, "")

    def config(self, *, own_strategy: bool, **defaults: Any) -> DryrunConfig:
        """Return the config; there is no clock to hand over, and no strategy but ``own_strategy`` is not built in."""
        for _, field, value in self._given:
            set_field(self.values, field, value)
        if self.values.get("clock_mode", CLOCKS[0]) not in CLOCKS:
            hint = "any other clock is handed over in Python"
            raise ConfigError("clock_mode", "must be 'fixed' or 'market'", hint=hint)
        config = DryrunConfig.parse({**defaults, **self.values})
        if not own_strategy:
            check_strategy_is_known(config.strategy_id)
        return config

    @contextmanager
    def named(self) -> Iterator[None]:
        """Let a :class:`ConfigError` name what gave its field: a flag, a line of the file, else the flag for it."""
        try:
            yield
        except ConfigError as error:
            field, given = error.field, (*self._given, ("--out", "out_dir", None))
            source = next((source for source, name, _ in given if is_within(field, name)), None)
            if source is None and (line := line_of(field, self._text)):
                source = f"{self._path}, line {line}"
            source = source or next((flag_of(name) for name, same in CONFIG_FIELDS.items() if same == field), field)
            where = source if source.replace("-", "_").endswith(field) else f"{source}: {field}"
            raise ConfigError(where, error.problem, hint=error.hint) from None


def is_within(field: str, other: str) -> bool:
    """Return whether a dotted field is another one, or a part of it."""
    return f"{field}.".startswith(f"{other}.")


def set_field(values: dict[str, Any], field: str, value: Any) -> None:
    """Set a dotted field in nested mappings; raise :class:`ConfigError` when a field above it is no mapping."""
    *above, last = field.split(".")
    for depth, name in enumerate(above, start=1):
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            raise ConfigError(".".join(above[:depth]), "is no mapping")
    values[last] = value
