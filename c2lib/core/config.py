"""The sealed config of a dry run.

Rules kept here:

* it holds everything that decides the bytes of a run, and no path: where to read and write are run options;
* *malformed* (wrong type, unknown field) raises :class:`~c2lib.core.errors.ConfigError` here; *well-formed but
  not allowed* (``enabled=True``, an empty allowlist) is kept, and rejected by preflight;
* a field whose feature is not built takes its neutral value and refuses any other;
* a sealed config is concrete: :meth:`DryrunConfig.sealed` fills in what was left out. It is redacted as well: a
  session never holds a secret of its config, and its record can be executed again.

>>> config = DryrunConfig(strategy_id="strat_demo", seed=123).sealed()
>>> config.steps, config.run_id.startswith("dry-")
(64, True)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, field_validator

from c2lib.core.canon import canonical_sha256
from c2lib.core.clock import parse_utc, utc_text
from c2lib.core.criteria import Criteria
from c2lib.core.decimals import parse_decimal
from c2lib.core.errors import ConfigError
from c2lib.core.model import Grid
from c2lib.core.redaction import find_secret
from c2lib.core.sealed import (
    EmptyTuple,
    Integer,
    NonNegativeDecimal,
    PositiveDecimal,
    Sealed,
    Sha256,
    Symbol,
    Text,
    TextTuple,
    Zero,
    check_names,
    config_error,
)

BUILT_IN_STRATEGIES = ("strat_demo", "sma_cross")
DEFAULT_CLOCK_START = "2026-01-01T00:00:00+00:00"
DEFAULT_STEPS = 64
DEFAULT_TICK_SIZE = "0.01"
MAX_STEPS = 100_000_000
DERIVED_RUN_ID_PREFIX = "dry-"

_SAFE_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_RESERVED_NAMES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.ASCII | re.IGNORECASE)


def _at_most_one(text: str) -> str:
    value, scale = parse_decimal(text)
    if value > 10**scale:
        raise ValueError("must not be greater than 1")
    return text


Share = Annotated[NonNegativeDecimal, AfterValidator(_at_most_one)]
PositiveShare = Annotated[PositiveDecimal, AfterValidator(_at_most_one)]


class SyntheticMarket(Sealed):
    """Parameters of the seeded walk that stands in for a market file."""

    start_price: PositiveDecimal = "100"
    """Opening price of the first bar."""

    start_time: Text = DEFAULT_CLOCK_START
    """Time of the first bar, ISO 8601 with a zone."""

    interval_seconds: Integer = Field(default=60, ge=1, le=86_400 * 31)
    """Seconds from bar to bar."""

    volatility_ticks: Integer = Field(default=8, ge=1, le=10_000)
    """Widest move of one leg within a bar, in ticks."""

    @field_validator("start_time")
    @classmethod
    def _in_utc(cls, text: str) -> str:
        try:
            return utc_text(parse_utc(text))
        except ConfigError as error:
            raise ValueError(error.problem) from None


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


class LimitsConfig(Sealed):
    """Bounds that the rails watch; ``None`` sets no bound."""

    max_position: None = None
    max_order_quantity: None = None
    max_open_orders: None = None


class DryrunConfig(Sealed):
    """Everything that decides the bytes of a dry run."""

    run_id: Text | None = None
    """Name of the run; left out: derived from the hash of the rest."""
    strategy_id: Text
    seed: Integer
    clock_mode: Literal["fixed", "injected", "market"] = "fixed"
    clock_start: Text | None = None
    """Time at which the fixed clock stands, ISO 8601 with a zone."""
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

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise config_error(error, type(self)) from None

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Return the config of a mapping, as read from a file; raise :class:`ConfigError` naming the field."""
        check_names(values)
        return cls(**values)

    @field_validator("clock_start")
    @classmethod
    def _in_utc(cls, text: str | None) -> str | None:
        if text is None:
            return None
        try:
            return utc_text(parse_utc(text))
        except ConfigError as error:
            raise ValueError(error.problem) from None

    def sealed(
        self,
        *,
        file_sha256: str | None = None,
        tick_size: str = DEFAULT_TICK_SIZE,
        bar_count: int = DEFAULT_STEPS,
        clock_injected: bool = False,
    ) -> Self:
        """Return the concrete config: market named, tick size, steps and clock filled in, ``run_id`` derived.

        ``tick_size`` and ``bar_count`` are what the market offers where the config leaves them out. Raises
        :class:`ConfigError` when the config and what was handed over do not go together.
        """
        market = self._sealed_market(file_sha256, tick_size)
        steps = self.steps if self.steps is not None else bar_count
        if market.source == "file" and steps > bar_count:
            raise ConfigError("steps", f"{steps} steps, but the market file has {bar_count} bars")
        update: dict[str, Any] = {
            "market": market,
            "steps": steps,
            "clock_start": self._sealed_clock_start(clock_injected),
        }
        concrete = self.model_copy(update=update).redacted()
        if concrete.run_id is None:
            concrete = concrete.model_copy(update={"run_id": concrete.derived_run_id()})
        return concrete

    def _sealed_market(self, file_sha256: str | None, tick_size: str) -> MarketConfig:
        market = self.market
        if file_sha256 is None and market.source == "file":
            raise ConfigError("market.source", "is 'file' but no market file was handed over")
        if file_sha256 is None and market.file_sha256 is not None:
            raise ConfigError("market.file_sha256", "is given but no market file was handed over")
        if file_sha256 is not None and market.file_sha256 not in (None, file_sha256):
            raise ConfigError("market.file_sha256", f"the file handed over has sha256 {file_sha256}")
        return market.model_copy(
            update={
                "source": "synthetic" if file_sha256 is None else "file",
                "file_sha256": file_sha256,
                "tick_size": market.tick_size or tick_size,
            }
        )

    def _sealed_clock_start(self, clock_injected: bool) -> str | None:
        if self.clock_mode == "market" and clock_injected:
            raise ConfigError("clock_mode", "'market' takes its time from the bars; hand over no clock")
        if self.clock_mode == "injected" and not clock_injected:
            raise ConfigError("clock_mode", "'injected' needs a clock handed over in Python")
        if self.clock_start is not None and (clock_injected or self.clock_mode != "fixed"):
            raise ConfigError("clock_start", "only the built-in fixed clock has a start; leave it out")
        if self.clock_mode == "fixed" and not clock_injected:
            return self.clock_start or DEFAULT_CLOCK_START
        return None

    def grid(self) -> Grid:
        """Return the units of a sealed config; a money unit is fine enough for every fee and the initial cash."""
        broker, market = self.broker, self.market
        grid = Grid.of(market.tick_size or DEFAULT_TICK_SIZE, market.lot_size)
        fee_scale = max(parse_decimal(rate)[1] for rate in (broker.maker_fee_rate, broker.taker_fee_rate))
        cash_scale = parse_decimal(broker.initial_cash)[1]
        return replace(grid, fee_scale=max(fee_scale, cash_scale - grid.money_scale))

    def derived_run_id(self) -> str:
        """Return the ``run_id`` that follows from everything else."""
        rest = {key: value for key, value in self.canonical().items() if key != "run_id"}
        return DERIVED_RUN_ID_PREFIX + canonical_sha256(rest)[:12]

    def sha256(self) -> str:
        """Return the hash of the canonical JSON of this config."""
        return canonical_sha256(self.canonical())


def check_run_id_for_directory(run_id: str) -> None:
    """Raise :class:`ConfigError` unless ``run_id`` can name a run directory on any file system."""
    if not _SAFE_RUN_ID.fullmatch(run_id) or run_id.endswith(".") or _RESERVED_NAMES.fullmatch(run_id):
        raise ConfigError(
            "run_id",
            "cannot name a run directory",
            hint="1 to 128 of A-Z a-z 0-9 . _ -, beginning with a letter or digit, no reserved name",
        )
    if find_secret(run_id):
        raise ConfigError("run_id", "looks like a secret", hint="a run_id stands in every line; choose another")
