import json
from typing import Any

import numpy
import pytest

from c2lib.core.config import (
    BrokerConfig,
    DryrunConfig,
    LimitsConfig,
    MarketConfig,
    SealedConfig,
    SyntheticMarket,
    seal,
)
from c2lib.core.errors import ConfigError
from c2lib.core.sealed import MAX_TEXT
from tests.core.configs import SECRET, config

KEY_ID = "AK" + "IA" + "QWERTYUIOP012345"
ASSIGNMENT = "[REDACTED:assignment]"


def complaint(**values: Any) -> ConfigError:
    """Return the error that these values raise."""
    with pytest.raises(ConfigError) as caught:
        config(**values)
    return caught.value


def test_config_has_designed_fields() -> None:
    """DryrunConfig has exactly the fields of the design."""
    listed = (
        "run_id, strategy_id, strategy, seed, clock_mode, clock_start, steps, max_sink_retries, strategy_allowlist, "
        "enabled, tick_events, market, broker, limits, reconcile_every, faults, criteria, no_live_required, "
        "strategy_timeout_s, keep_strategy"
    )
    assert sorted(DryrunConfig.model_fields) == sorted(listed.split(", "))


def test_no_field_is_a_path() -> None:
    """No field of the config names a path."""
    models = (DryrunConfig, MarketConfig, SyntheticMarket, BrokerConfig, LimitsConfig)
    names = {name for model in models for name in model.model_fields}
    assert not {name for name in names if "path" in name or "dir" in name or name in ("file", "out")}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("run_id", ""),
        ("strategy_id", ""),
        ("max_sink_retries", -1),
        ("enabled", True),
        ("strategy_allowlist", ()),
        ("strategy_allowlist", None),
        ("strategy_allowlist", ("", "twice", "twice")),
        ("broker", BrokerConfig(kind="live")),
        ("run_id", "../x"),
    ],
)
def test_disallowed_value_is_kept(name: str, value: object) -> None:
    """A well-formed value that is not allowed passes construction and sealing unchanged, for preflight to reject."""
    assert getattr(config(**{name: value}), name) == value
    assert getattr(seal(config(**{name: value})), name) == value


def test_sealed_config_is_redacted() -> None:
    """Sealing redacts the secrets of a config, and the redacted config seals and parses unchanged."""
    kept = config(run_id=SECRET, strategy_allowlist=("a", SECRET), market={"symbol": KEY_ID}, broker={"kind": SECRET})
    assert kept.run_id == SECRET
    sealed = seal(kept)
    assert (sealed.run_id, sealed.strategy_allowlist) == (ASSIGNMENT, ("a", ASSIGNMENT))
    assert (sealed.market.symbol, sealed.broker.kind) == ("[REDACTED:aws-key-id]", ASSIGNMENT)
    assert seal(kept) == sealed
    assert SealedConfig.parse(json.loads(json.dumps(sealed.canonical()))) == sealed


def test_redaction_keeps_text_bounds() -> None:
    """The longest text that a field takes still fits the field after a secret was redacted."""
    text = "x" * (MAX_TEXT - 13) + " " + "pass" + "wd=abc"
    sealed = seal(config(broker={"kind": text}))
    assert SealedConfig.parse(sealed.canonical()) == sealed


def test_repr_shows_no_secret() -> None:
    """The repr and str of a config show redacted secrets, and other values as given."""
    shown = str(config(broker={"kind": SECRET}, strategy_allowlist=("a", SECRET)))
    assert "hunter2" not in shown
    assert "hunter2" not in repr(config(strategy_id=SECRET))
    assert "strategy_allowlist=['a', '[REDACTED:assignment]']" in shown
    assert "seed=123" in repr(config(seed=123))


def test_list_becomes_tuple() -> None:
    """A list is accepted for a tuple field of the config, since JSON and YAML have only lists."""
    assert config(strategy_allowlist=["a", "b"]).strategy_allowlist == ("a", "b")
    assert config(faults=[]).faults == ()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"reconcile_every": 1}, "reconcile_every"),
        ({"reconcile_every": False}, "reconcile_every"),
        ({"faults": ["sink"]}, "faults"),
        ({"faults": None}, "faults"),
        ({"broker": {"fill_model": "close"}}, "broker.fill_model"),
        ({"limits": {"max_position": "1"}}, "limits.max_position"),
        ({"limits": {"max_order_quantity": "1"}}, "limits.max_order_quantity"),
        ({"limits": {"max_open_orders": 1}}, "limits.max_open_orders"),
        ({"limits": {"max_drawdown": "0.1"}}, "limits.max_drawdown"),
        ({"limits": {"max_orders_per_step": 1}}, "limits.max_orders_per_step"),
        ({"strategy_timeout_s": 0}, "strategy_timeout_s"),
        ({"strategy_timeout_s": 3601}, "strategy_timeout_s"),
        ({"keep_strategy": 1}, "keep_strategy"),
    ],
)
def test_unbuilt_feature_is_refused(values: dict[str, Any], field: str) -> None:
    """A field whose feature is not built refuses all but its neutral value with its dotted name."""
    error = complaint(**values)
    assert error.field == field
    assert str(error).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"seed": "123"}, "seed"),
        ({"seed": True}, "seed"),
        ({"seed": 1.0}, "seed"),
        ({"seed": None}, "seed"),
        ({"seed": 2**53}, "seed"),
        ({"strategy_id": None}, "strategy_id"),
        ({"strategy_id": "e\u0301"}, "strategy_id"),
        ({"run_id": 7}, "run_id"),
        ({"run_id": "x" * 1025}, "run_id"),
        ({"clock_mode": "wall"}, "clock_mode"),
        ({"market": {"rounding": "up"}}, "market.rounding"),
        ({"clock_start": "noon"}, "clock_start"),
        ({"clock_start": "2026-01-01T00:00:00"}, "clock_start"),
        ({"steps": 0}, "steps"),
        ({"steps": 100_000_001}, "steps"),
        ({"steps": "5"}, "steps"),
        ({"max_sink_retries": "0"}, "max_sink_retries"),
        ({"enabled": 0}, "enabled"),
        ({"enabled": "false"}, "enabled"),
        ({"strategy_allowlist": "strat_demo"}, "strategy_allowlist"),
        ({"strategy_allowlist": ["a", 1]}, "strategy_allowlist.1"),
        ({"tick_events": "none"}, "tick_events"),
        ({"market": "AAPL"}, "market"),
        ({"market": {"source": "web"}}, "market.source"),
        ({"market": {"tick_size": "0"}}, "market.tick_size"),
        ({"market": {"lot_size": 1}}, "market.lot_size"),
        ({"market": {"file_sha256": "A" * 64}}, "market.file_sha256"),
        ({"market": {"synthetic": {"start_price": "-1"}}}, "market.synthetic.start_price"),
        ({"market": {"synthetic": {"start_time": "noon"}}}, "market.synthetic.start_time"),
        ({"market": {"synthetic": {"interval_seconds": 0}}}, "market.synthetic.interval_seconds"),
        ({"market": {"synthetic": {"volatility_ticks": 10_001}}}, "market.synthetic.volatility_ticks"),
        ({"broker": {"initial_cash": "-1"}}, "broker.initial_cash"),
        ({"broker": {"taker_fee_rate": "0,1"}}, "broker.taker_fee_rate"),
        ({"broker": {"kind": None}}, "broker.kind"),
        ({"broker": {"slippage_ticks": 10_001}}, "broker.slippage_ticks"),
        ({"broker": {"slippage_ticks": -1}}, "broker.slippage_ticks"),
        ({"broker": {"latency_steps": 1_001}}, "broker.latency_steps"),
        ({"broker": {"latency_steps": True}}, "broker.latency_steps"),
        ({"broker": {"participation": "0"}}, "broker.participation"),
        ({"broker": {"participation": "1.01"}}, "broker.participation"),
        ({"broker": {"reject_rate": "-0.1"}}, "broker.reject_rate"),
        ({"broker": {"reject_rate": "1.1"}}, "broker.reject_rate"),
        ({"broker": {"touch_fills": 1}}, "broker.touch_fills"),
        ({"broker": {"rate_limit": 5}}, "broker.rate_limit"),
        ({"broker": {"rate_limit": {"burst": 0, "per_second": "1"}}}, "broker.rate_limit.burst"),
        ({"broker": {"rate_limit": {"burst": 1, "per_second": "0"}}}, "broker.rate_limit.per_second"),
        ({"broker": {"rate_limit": {"burst": 1}}}, "broker.rate_limit.per_second"),
        ({"broker": {"max_retries": 21}}, "broker.max_retries"),
        ({"criteria": {"min_fills": -1}}, "criteria.min_fills"),
        ({"criteria": {"status": "FINE"}}, "criteria.status"),
        ({"no_live_required": "none"}, "no_live_required"),
    ],
)
def test_malformed_value_names_its_field(values: dict[str, Any], field: str) -> None:
    """A malformed value raises an error with the field's dotted name, and no value is coerced."""
    assert complaint(**values).field == field


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sead": 1}, "sead: unknown field (did you mean 'seed'?)"),
        ({"out_dir": "x"}, "out_dir: unknown field (remove it)"),
        ({"market": {"tick": "1"}}, "market.tick: unknown field (did you mean 'tick_size'?)"),
        (
            {"market": {"synthetic": {"start_prise": "1"}}},
            "market.synthetic.start_prise: unknown field (did you mean 'start_price'?)",
        ),
        ({"criteria": {"fills": 1}}, "criteria.fills: unknown field (did you mean 'min_fills'?)"),
    ],
)
def test_unknown_field_gets_a_suggestion(values: dict[str, Any], message: str) -> None:
    """An unknown field raises an error that suggests a similar field name where there is one."""
    assert str(complaint(**values)) == message


def test_unknown_field_explains_missing_one() -> None:
    """A misspelt field is named with the right one, also where required fields are missing, at any depth."""
    for values, message in (
        ({"sed": 1}, "sed: unknown field (did you mean 'seed'?)"),
        ({"stategy_id": "strat_demo", "seed": 1}, "stategy_id: unknown field (did you mean 'strategy_id'?)"),
        ({"broker": {"rate_limit": {"bursts": 1}}}, "broker.rate_limit.bursts: unknown field (did you mean 'burst'?)"),
        ({"seed": "x", "criteria": {"fills": 1}}, "criteria.fills: unknown field (did you mean 'min_fills'?)"),
    ):
        with pytest.raises(ConfigError) as caught:
            DryrunConfig(**values)
        assert str(caught.value) == message


class Whole:
    """An integer of a kind of its own, as numpy's are."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number


def test_foreign_integers_are_integers() -> None:
    """An integer of another kind, numpy's among them, is kept as Python's, in fields and parameters of a strategy."""
    plain = config(seed=3, steps=5, broker={"slippage_ticks": 2}, strategy={"params": {"fast": 4}})
    for kind in (Whole, numpy.int64, numpy.uint8, numpy.int16):
        same = config(
            seed=kind(3), steps=kind(5), broker={"slippage_ticks": kind(2)}, strategy={"params": {"fast": kind(4)}}
        )
        assert same == plain
        assert type(same.seed) is type(same.strategy.params["fast"]) is int
        assert same.canonical() == plain.canonical()


def test_other_numbers_are_no_integers() -> None:
    """A number that is no integer by its type is refused as a seed and as a parameter, whatever its value."""
    for value in (True, numpy.bool_(True), 3.0, numpy.float64(3), numpy.array([3, 4]), Whole(2**53)):
        assert complaint(seed=value).field == "seed"
        if value is not True:
            assert complaint(strategy={"params": {"fast": value}}).field in ("strategy.params.fast", "strategy.params")


def test_missing_field_is_named() -> None:
    """A config without seed or strategy_id raises an error that names the missing field."""
    with pytest.raises(ConfigError, match=r"^seed: is missing$"):
        DryrunConfig.parse({"strategy_id": "strat_demo"})
    with pytest.raises(ConfigError, match=r"^strategy_id: is missing$"):
        DryrunConfig.parse({"seed": 1})


def test_non_text_name_is_refused() -> None:
    """A field name that is not text raises ConfigError."""
    strange: dict[Any, Any] = {"strategy_id": "strat_demo", "seed": 1, False: 2}
    with pytest.raises(ConfigError, match="False: a field name must be text"):
        DryrunConfig.parse(strange)


@pytest.mark.parametrize(
    "values",
    [
        {"seed": SECRET},
        {"clock_start": SECRET},
        {"clock_mode": SECRET},
        {"steps": SECRET},
        {"enabled": SECRET},
        {"strategy_id": SECRET * 100},
        {"strategy_allowlist": SECRET},
        {"faults": [SECRET]},
        {"market": {"tick_size": SECRET}},
        {"market": {"symbol": SECRET + " "}},
        {"market": {"file_sha256": SECRET}},
        {"market": {"synthetic": {"start_time": SECRET}}},
        {"broker": {"initial_cash": SECRET}},
        {"broker": {"reject_rate": SECRET}},
        {"limits": {"max_position": SECRET}},
        {"password": SECRET},
    ],
)
def test_errors_show_no_value(values: dict[str, Any]) -> None:
    """A config error shows the refused value in no message and keeps no cause that holds the value."""
    error = complaint(**values)
    assert "hunter2" not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_config_is_immutable() -> None:
    """A field of a config cannot be assigned after construction."""
    with pytest.raises(ValueError, match="frozen"):
        setattr(config(), "enabled", True)  # noqa: B010 - mypy refuses the plain assignment, which is what is tried
