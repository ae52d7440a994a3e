"""What a dry run is run with: :class:`DryrunConfig` as a person writes it, :class:`SealedConfig` with nothing left out.

It holds everything that decides the bytes of a run, and no path: where to read and write are run options. *Malformed*
raises :class:`~c2lib.core.errors.ConfigError`; *well-formed but not allowed* is kept, and rejected by preflight.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field

from c2lib.core.canon import canonical_sha256
from c2lib.core.clock import parse_utc, utc_text
from c2lib.core.criteria import Criteria
from c2lib.core.decimals import parse_decimal
from c2lib.core.errors import ConfigError
from c2lib.core.model import BUILT_IN_PARAMS, Grid, MarketFacts, Param, StrategyFacts
from c2lib.core.redaction import find_secret
from c2lib.core.rich import Look, Rich
from c2lib.core.sealed import (
    DecimalText,
    EmptyTuple,
    Integer,
    NonNegativeDecimal,
    NotBuilt,
    Params,
    PositiveDecimal,
    Sealed,
    Sha256,
    Symbol,
    Text,
    TextTuple,
    Zero,
    check_names,
    must,
)
from c2lib.core.text import field_differences, nearest
from c2lib.core.vocabulary import BEHAVIOUR_VERSION

BUILT_IN_STRATEGIES = tuple(BUILT_IN_PARAMS)
MAX_BUILT_IN_PARAM = 100_000
DEFAULT_CLOCK_START = "2026-01-01T00:00:00+00:00"
MAX_STEPS = 100_000_000

_STRATEGY_FACTS = ("origin", "class_name", "sha256")
_SAFE_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_RESERVED_NAMES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.ASCII | re.IGNORECASE)


def _in_utc(text: str) -> str:
    try:
        return utc_text(parse_utc(text))
    except ConfigError as error:
        raise ValueError(error.problem) from None


_IS_SHARE = must(lambda text: Decimal(text) <= 1, "must not be greater than 1")
Share = Annotated[NonNegativeDecimal, _IS_SHARE]
PositiveShare = Annotated[PositiveDecimal, _IS_SHARE]
UtcTime = Annotated[Text, AfterValidator(_in_utc)]
"""A time, ISO 8601 with a zone, kept in UTC."""


class SyntheticMarket(Sealed):
    """Parameters of the seeded walk that stands in for a market file."""

    start_price: PositiveDecimal = "100"
    """Opening price of the first bar."""

    start_time: UtcTime = DEFAULT_CLOCK_START
    """Time of the first bar."""

    interval_seconds: Integer = Field(default=60, ge=1, le=86_400 * 31)
    """Seconds from bar to bar."""

    volatility_ticks: Integer = Field(default=8, ge=1, le=10_000)
    """Widest move of one leg within a bar, in ticks."""


class MarketConfig(Sealed):
    """Which market: a synthetic walk, or a file named by the hash of its bytes."""

    source: Literal["synthetic", "file"] = "synthetic"
    symbol: Symbol = "SYNTH"
    tick_size: PositiveDecimal | None = None
    """Smallest step of a price; left out: 0.01 of the walk, else the widest grid that holds every price of the file."""
    lot_size: PositiveDecimal = "1"
    """Smallest step of a quantity."""
    rounding: Literal["refuse", "nearest"] = "refuse"
    """What happens to a price off the grid: the file is refused, or the price goes to the nearest tick, from halfway
    between two to the one further from zero. The order of two prices survives it. ``nearest`` needs a ``tick_size``."""
    file_sha256: Sha256 | None = None
    synthetic: SyntheticMarket = SyntheticMarket()


class SealedMarket(MarketConfig):
    """A market whose tick size is known."""

    tick_size: PositiveDecimal


class RateLimit(Sealed):
    """A token bucket on the placing of orders: it starts full and refills with the session's time."""

    burst: Integer = Field(ge=1)
    """Orders that may be placed at one time."""

    per_second: PositiveDecimal
    """Orders a second that the bucket is refilled with."""


class BrokerConfig(Sealed):
    """How the mock broker fills and what it takes."""

    kind: Text = "mock"
    """Only ``mock`` passes preflight."""
    initial_cash: NonNegativeDecimal = "100000"
    fill_model: Literal["next_open"] = "next_open"
    """Orders meet the bar after the one that decided them, first its open and then its range."""
    maker_fee_rate: NonNegativeDecimal = "0"
    taker_fee_rate: NonNegativeDecimal = "0.0002"
    """Fee as a share of price times quantity."""
    slippage_ticks: Integer = Field(default=0, ge=0, le=10_000)
    """Ticks by which a fill of a market or stop order is worse than its price."""
    latency_steps: Integer = Field(default=0, ge=0, le=1_000)
    """Bars that an order or a cancel is on its way for."""
    participation: PositiveShare | None = None
    """Share of a bar's volume that all orders together may fill; left out: no bound."""
    reject_rate: Share = "0"
    """Share of well-formed orders that the venue rejects, drawn from the seed."""
    touch_fills: bool = False
    """Whether a limit that a bar only touches is filled; else the bar must trade through it."""
    rate_limit: RateLimit | None = None
    max_retries: Integer = Field(default=0, ge=0, le=20)
    """How often a call of the broker that failed for now is tried again."""


class StrategyConfig(Sealed):
    """Which strategy: a person writes ``params``, the rest is filled in from the strategy at hand."""

    origin: Literal["built-in", "file", "object"] | None = None
    """Where it comes from; sealed as null for a name that is not known, which preflight rejects."""
    class_name: Text | None = None
    sha256: Sha256 | None = None
    """Hash of the source; null for a built-in one, which the behaviour version stands for."""
    params: Params = Field(default={}, max_length=64)
    """What the strategy is given in ``StrategySettings.params``."""


class LimitsConfig(Sealed):
    """Bounds that the rails watch; ``None`` sets no bound, and of the others than ``min_equity`` no value is built."""

    max_position: NotBuilt = None
    max_order_quantity: NotBuilt = None
    max_order_notional: NotBuilt = None
    max_answer_quantity: NotBuilt = None
    max_open_orders: NotBuilt = None
    max_orders_per_step: NotBuilt = None
    max_orders: NotBuilt = None
    max_drawdown: NotBuilt = None
    min_equity: DecimalText = "0"
    """Least equity, checked at each bar's close; negative to let a session go on in debt."""


class DryrunConfig(Rich, Sealed):
    """Everything that decides the bytes of a dry run."""

    _look: ClassVar[Look] = Look(
        "strategy_id",
        "run_id",
        "seed steps clock_mode market.symbol strategy.params strategy.origin strategy.class_name strategy.sha256 "
        "market.tick_size market.lot_size market.rounding market.file_sha256 broker.initial_cash broker.fill_model "
        "broker.maker_fee_rate broker.taker_fee_rate broker.slippage_ticks broker.latency_steps broker.participation "
        "broker.reject_rate broker.rate_limit limits.min_equity clock_start tick_events strategy_allowlist enabled "
        "no_live_required",
    )

    run_id: Text | None = None
    """Name of the run; left out: derived from the hash of the rest."""
    strategy_id: Text
    strategy: StrategyConfig = StrategyConfig()
    seed: Integer
    clock_mode: Literal["fixed", "injected", "market"] = "fixed"
    clock_start: UtcTime | None = None
    """Time at which the fixed clock stands."""
    steps: Integer | None = Field(default=None, ge=1, le=MAX_STEPS)
    """Bound on the loop; left out: every bar of the file, 64 of the walk."""
    max_sink_retries: Integer = 0
    strategy_allowlist: TextTuple | None = BUILT_IN_STRATEGIES
    enabled: bool = False
    """The gate to live trading; only ``False`` passes preflight."""
    tick_events: Literal["every", "decisions"] = "every"
    market: MarketConfig = MarketConfig()
    broker: BrokerConfig = BrokerConfig()
    limits: LimitsConfig = LimitsConfig()
    reconcile_every: Zero = 0
    faults: EmptyTuple = ()
    criteria: Criteria = Criteria()
    no_live_required: Literal["hook", "namespace"] = "hook"
    strategy_timeout_s: Integer = Field(default=60, ge=1, le=3_600)
    """Most seconds that a strategy file may take for one answer."""
    keep_strategy: bool = True
    """Whether the run directory keeps a strategy file's bytes, as ``strategy.py``."""

    def __init__(self, **values: Any) -> None:  # typed so: a mapping stands for the model of its field
        super().__init__(**values)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Return the config of a mapping, as read from a file; raise :class:`ConfigError` naming the field."""
        check_names(values)
        return cls(**values)


class SealedConfig(DryrunConfig):
    """A config with nothing left out and no secret in it, made by :func:`seal`.

    Null stands only where null is meant: no bound, no fixed clock, no file, no allowlist.
    """

    run_id: Text
    steps: Integer = Field(ge=1, le=MAX_STEPS)
    market: SealedMarket

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Return the config of a manifest; raise :class:`ConfigError` unless it has every field in canonical form."""
        sealed = super().parse(values)
        for name, _, _ in field_differences(dict(values), sealed.canonical(), within_lists=False):
            raise ConfigError(name, "is left out, or is not what sealing makes of it")
        if sealed.strategy.origin == "built-in":
            _check_built_in(sealed.strategy_id, sealed.strategy.params)
        return sealed

    def grid(self) -> Grid:
        """Return the units of the run; a money unit is fine enough for every fee, initial cash and min_equity."""
        grid = Grid.of(self.market.tick_size, self.market.lot_size)
        rates = (self.broker.maker_fee_rate, self.broker.taker_fee_rate)
        fee_scale = max(parse_decimal(rate)[1] for rate in rates)
        cash_scale = max(parse_decimal(text)[1] for text in (self.broker.initial_cash, self.limits.min_equity))
        return replace(grid, fee_scale=max(fee_scale, cash_scale - grid.money_scale))


def seal(
    config: DryrunConfig,
    market: MarketFacts | None = None,
    *,
    strategy: StrategyFacts | None = None,
    clock_injected: bool = False,
) -> SealedConfig:
    """Return the config with everything filled in that was left out; a sealed one comes back unchanged.

    >>> sealed = seal(DryrunConfig(strategy_id="strat_demo", seed=123))
    >>> sealed.steps, sealed.market.tick_size, sealed.run_id.startswith("dry-")
    (64, '0.01', True)

    Args:
        config: what a person wrote, or a sealed config.
        market: the market given beside it; ``None`` is the synthetic walk.
        strategy: the strategy given beside it; ``None`` is the built-in one of that name.
        clock_injected: whether a clock is given beside it.

    Raises:
        ConfigError: the config does not keep its model, or does not go with market, strategy and clock.
    """
    # a config can be changed past its model, and a given market is foreign: both are held against the model
    kind = SealedConfig if isinstance(config, SealedConfig) else DryrunConfig
    checked = kind(**config.model_dump(warnings=False))
    strategy = strategy or StrategyFacts("built-in" if checked.strategy_id in BUILT_IN_PARAMS else None, None, None)
    if isinstance(checked, SealedConfig):
        sealed = checked.redacted()
    else:
        sealed = _filled_in(checked, market, strategy, clock_injected=clock_injected)
    _check_strategy(sealed, strategy)
    _check_given(sealed, market, clock_injected=clock_injected)
    return sealed


def _filled_in(
    draft: DryrunConfig, market: MarketFacts | None, strategy: StrategyFacts, *, clock_injected: bool
) -> SealedConfig:
    """Return ``draft`` without secrets, and with what market, strategy and clock decide."""
    values = draft.model_dump()
    for name in _STRATEGY_FACTS:
        if values["strategy"][name] is None:
            values["strategy"][name] = getattr(strategy, name)
    if strategy.origin == "built-in":
        values["strategy"]["params"] = {**BUILT_IN_PARAMS[draft.strategy_id], **draft.strategy.params}
    asked = values["market"]
    if market is not None:
        asked |= {"source": "file", "file_sha256": asked["file_sha256"] or market.sha256}
    asked["tick_size"] = asked["tick_size"] or ("0.01" if market is None else market.tick_size)
    if values["steps"] is None:
        values["steps"] = 64 if market is None else market.bar_count
    if values["clock_start"] is None and values["clock_mode"] == "fixed" and not clock_injected:
        values["clock_start"] = DEFAULT_CLOCK_START
    sealed = SealedConfig(**{**values, "run_id": draft.run_id or ""}).redacted()
    if draft.run_id is None:
        rest = {name: value for name, value in sealed.canonical().items() if name != "run_id"}
        digest = canonical_sha256({"behaviour_version": BEHAVIOUR_VERSION, "config": rest})
        # what the bytes of a run of an object follow from cannot be known
        run_id = f"mem-{secrets.token_hex(6)}" if strategy.origin == "object" else f"dry-{digest[:12]}"
        sealed = sealed.model_copy(update={"run_id": run_id})
    return sealed


def _check_strategy(config: SealedConfig, given: StrategyFacts) -> None:
    asked = config.strategy
    if given.origin in ("file", "object") and config.strategy_id in BUILT_IN_PARAMS:
        raise ConfigError(
            "strategy_id",
            f"{config.strategy_id!r} is the name of a strategy of c2lib's own, and another one is given",
            hint="give yours a name of its own, and allow that: --strategy-id mine --allow mine",
        )
    for name in _STRATEGY_FACTS:
        sealed, seen = getattr(asked, name), getattr(given, name)
        if sealed != seen:
            problem = f"is {sealed or 'null'}, but that of the strategy given is {seen or 'null'}"
            raise ConfigError(f"strategy.{name}", problem)
    if asked.origin == "built-in":
        _check_built_in(config.strategy_id, asked.params)


def _check_built_in(strategy_id: str, params: Mapping[str, Param]) -> None:
    known = BUILT_IN_PARAMS.get(strategy_id, {})
    for name, value in params.items():
        field = f"strategy.params.{name}"
        if name not in known:
            hint = nearest(name, known, f"it takes {', '.join(known)}")
            raise ConfigError(field, f"{strategy_id} has no such parameter", hint=hint)
        if type(value) is not int or not 1 <= value <= MAX_BUILT_IN_PARAM:
            raise ConfigError(field, f"must be a whole number from 1 to {MAX_BUILT_IN_PARAM}")
    if missing := [name for name in known if name not in params]:
        raise ConfigError(f"strategy.params.{missing[0]}", "is missing")
    if strategy_id == "sma_cross" and params["fast"] >= params["slow"]:  # type: ignore[operator] # checked above
        raise ConfigError("strategy.params.fast", "must be smaller than slow")


def _check_given(config: SealedConfig, market: MarketFacts | None, *, clock_injected: bool) -> None:
    asked, steps, mode, start = config.market, config.steps, config.clock_mode, config.clock_start
    if market is None:
        faults = [
            (asked.source == "file", "market.source", "is 'file' but no market file was handed over"),
            (asked.file_sha256, "market.file_sha256", "is given but no market file was handed over"),
        ]
    else:
        source, sealed_tick = asked.source, asked.tick_size
        sha256, bars, tick = market.sha256, market.bar_count, market.tick_size
        faults = [
            (source != "file", "market.source", f"is sealed as {source!r}, but a market is given beside it"),
            (asked.file_sha256 != sha256, "market.file_sha256", f"the file handed over has sha256 {sha256}"),
            (steps > bars, "steps", f"{steps} steps, but the market file has {bars} bars"),
            (sealed_tick != tick, "market.tick_size", f"is {sealed_tick}, but the market given counts in {tick}"),
        ]
    built_in = mode == "fixed" and not clock_injected
    faults += [
        (mode == "market" and clock_injected, "clock_mode", "'market' takes its time from the bars; give no clock"),
        (mode == "injected" and not clock_injected, "clock_mode", "'injected' needs a clock handed over in Python"),
        (start and not built_in, "clock_start", "only the built-in fixed clock has a start; leave it out"),
        (built_in and not start, "clock_start", "is sealed as null, but no clock is given beside it"),
    ]
    for found, field, problem in faults:
        if found:
            raise ConfigError(field, problem)


def check_run_id_for_directory(run_id: str) -> None:
    """Raise :class:`ConfigError` unless ``run_id`` can name a run directory on any file system."""
    if not _SAFE_RUN_ID.fullmatch(run_id) or run_id.endswith(".") or _RESERVED_NAMES.fullmatch(run_id):
        hint = "1 to 128 of A-Z a-z 0-9 . _ -, beginning with a letter or digit, no reserved name"
        raise ConfigError("run_id", "cannot name a run directory", hint=hint)
    if find_secret(run_id):
        raise ConfigError("run_id", "looks like a secret", hint="a run_id stands in every line; choose another")
