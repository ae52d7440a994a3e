import json
from typing import Any, NamedTuple

import pytest

from c2lib.core.config import DryrunConfig, SealedConfig, check_run_id_for_directory, seal
from c2lib.core.errors import ConfigError
from c2lib.core.vocabulary import BEHAVIOUR_VERSION
from tests.core.configs import GOLDEN_CONFIG, GOLDEN_RUN_ID, GOLDEN_SHA256, SECRET, config, plain_sha256

SHA, OTHER_SHA = "a" * 64, "b" * 64


class Facts(NamedTuple):
    """What a market says of itself."""

    sha256: str
    tick_size: str = "0.01"
    bar_count: int = 64
    smallest_gap: int | None = None


def test_default_config_is_pinned() -> None:
    """The sealed default config has its pinned fields, its pinned run_id and its pinned hash."""
    sealed = seal(config())
    named = {"behaviour_version": BEHAVIOUR_VERSION, "config": GOLDEN_CONFIG}
    assert plain_sha256(named)[:12] == GOLDEN_RUN_ID.removeprefix("dry-")
    assert plain_sha256({**GOLDEN_CONFIG, "run_id": GOLDEN_RUN_ID}) == GOLDEN_SHA256
    assert sealed.canonical() == {**GOLDEN_CONFIG, "run_id": GOLDEN_RUN_ID}
    assert sealed.run_id == GOLDEN_RUN_ID
    assert sealed.digest() == GOLDEN_SHA256


def test_canonical_form_round_trips() -> None:
    """A sealed config parsed from its canonical form is equal, and sealing again changes nothing."""
    sealed = seal(config(market={"tick_size": "0.00050"}, broker={"initial_cash": "1e59"}, faults=[]))
    again = SealedConfig.parse(json.loads(json.dumps(sealed.canonical())))
    assert again == sealed
    assert seal(again) == sealed


def test_runbook_arguments_are_accepted() -> None:
    """The keyword arguments of the runbook's call make a config, and a seed may be negative."""
    runbook = DryrunConfig(
        strategy_id="strat_demo", run_id="run_demo_001", seed=123, clock_mode="fixed", max_sink_retries=0
    )
    assert seal(runbook).run_id == "run_demo_001"
    assert config(seed=-5).seed == -5


def test_times_are_kept_in_utc() -> None:
    """Two spellings of one instant give equal sealed configs."""
    east = config(clock_start="2026-01-01T02:00:00+02:00", market={"synthetic": {"start_time": "2026-01-01T00:00:00Z"}})
    assert seal(east) == seal(config())
    assert config(clock_start=None).clock_start is None


def test_sealing_fills_in_defaults() -> None:
    """Sealing fills in steps, tick size, clock start and run_id where left out, and keeps given values."""
    plain = seal(config())
    assert (plain.steps, plain.market.tick_size, plain.clock_start) == (64, "0.01", "2026-01-01T00:00:00+00:00")
    said = config(run_id="r", steps=7, market={"tick_size": "0.5"}, clock_start="2025-06-01T00:00:00Z")
    sealed = seal(said)
    assert (sealed.run_id, sealed.steps, sealed.market.tick_size) == ("r", 7, "0.5")
    assert sealed.clock_start == "2025-06-01T00:00:00+00:00"


def test_file_is_sealed_by_hash() -> None:
    """Sealing with a market file records the file's hash and takes tick size and steps from the file."""
    sealed = seal(config(), Facts(SHA, "0.0001", 500))
    assert (sealed.market.source, sealed.market.file_sha256) == ("file", SHA)
    assert (sealed.market.tick_size, sealed.steps) == ("0.0001", 500)
    named = config(market={"source": "file", "file_sha256": SHA})
    assert seal(named, Facts(SHA)).market.file_sha256 == SHA


def test_steps_may_exceed_default() -> None:
    """A config may have more steps than the default, on the synthetic walk and on a file with enough bars."""
    assert seal(config(steps=1000)).steps == 1000
    assert seal(config(steps=500), Facts(SHA, bar_count=500)).steps == 500


@pytest.mark.parametrize(
    ("values", "handed_over", "field"),
    [
        ({"market": {"source": "file"}}, {}, "market.source"),
        ({"market": {"file_sha256": SHA}}, {}, "market.file_sha256"),
        ({"market": {"file_sha256": SHA}}, {"market": Facts(OTHER_SHA)}, "market.file_sha256"),
        ({"steps": 11}, {"market": Facts(SHA, bar_count=10)}, "steps"),
        ({"clock_mode": "market"}, {"clock_injected": True}, "clock_mode"),
        ({"clock_mode": "injected"}, {}, "clock_mode"),
        ({"clock_start": "2026-01-01T00:00:00Z"}, {"clock_injected": True}, "clock_start"),
        ({"clock_start": "2026-01-01T00:00:00Z", "clock_mode": "market"}, {}, "clock_start"),
        (
            {"clock_start": "2026-01-01T00:00:00Z", "clock_mode": "injected"},
            {"clock_injected": True},
            "clock_start",
        ),
    ],
)
def test_contradicting_input_is_refused(values: dict[str, Any], handed_over: dict[str, Any], field: str) -> None:
    """A config that contradicts the given market or clock raises an error that names the field."""
    with pytest.raises(ConfigError) as caught:
        seal(config(**values), **handed_over)
    assert caught.value.field == field


def leaves(value: Any, name: str = "") -> dict[str, Any]:
    """Return the fields of nested objects by their dotted names."""
    if not isinstance(value, dict):
        return {name: value}
    return {leaf: item for key in value for leaf, item in leaves(value[key], f"{name}.{key}".lstrip(".")).items()}


def without(value: dict[str, Any], name: str) -> dict[str, Any]:
    """Return nested objects without the field of a dotted name."""
    head, _, rest = name.partition(".")
    return {key: without(item, rest) if rest and key == head else item for key, item in value.items() if key != name}


@pytest.mark.parametrize("name", list(leaves({**GOLDEN_CONFIG, "run_id": ""})))
def test_sealed_config_leaves_nothing_out(name: str) -> None:
    """A manifest's config that lacks any field of a sealed config raises an error that names the field."""
    with pytest.raises(ConfigError) as caught:
        SealedConfig.parse(without(seal(config()).canonical(), name))
    assert caught.value.field == name


def test_sealed_null_is_meant() -> None:
    """In a sealed config null stands only for no bound or no file."""
    null = {name for name, value in leaves(seal(config()).canonical()).items() if value is None}
    bounds = {f"limits.{name}" for name, bound in GOLDEN_CONFIG["limits"].items() if bound is None}
    strategy = {"strategy.class_name", "strategy.sha256"}
    assert null == bounds | strategy | {"broker.participation", "broker.rate_limit", "market.file_sha256"}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"market": {"tick_size": "0.010"}}, "market.tick_size"),
        ({"clock_start": "2026-01-01T00:00:00Z"}, "clock_start"),
        ({"run_id": None}, "run_id"),
        ({"steps": None}, "steps"),
        ({"market": {"tick_size": None}}, "market.tick_size"),
    ],
)
def test_manifest_config_is_canonical(changed: dict[str, Any], field: str) -> None:
    """A manifest's config is taken as written, so a value that sealing would change is refused by field name."""
    values = seal(config()).canonical()
    values |= {name: {**values[name], **value} if isinstance(value, dict) else value for name, value in changed.items()}
    with pytest.raises(ConfigError) as caught:
        SealedConfig.parse(values)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("update", "handed_over", "field"),
    [
        ({"run_id": None}, {}, "run_id"),
        ({"seed": "7"}, {}, "seed"),
        ({}, {"market": Facts(SHA)}, "market.source"),
        ({"clock_start": None}, {}, "clock_start"),
        ({}, {"clock_injected": True}, "clock_start"),
    ],
)
def test_changed_sealed_config_is_refused(update: dict[str, Any], handed_over: dict[str, Any], field: str) -> None:
    """A sealed config that was changed past its model, or meets another market or clock, is refused."""
    with pytest.raises(ConfigError) as caught:
        seal(seal(config()).model_copy(update=update), **handed_over)
    assert caught.value.field == field


def test_secret_set_later_is_redacted() -> None:
    """A secret put into an already sealed config is redacted when the config is sealed again."""
    later = seal(config()).model_copy(update={"run_id": SECRET})
    assert seal(later).run_id == "[REDACTED:assignment]"


@pytest.mark.parametrize(("mode", "injected"), [("injected", True), ("fixed", True), ("market", False)])
def test_other_clocks_have_no_start(mode: str, injected: bool) -> None:
    """Only the built-in fixed clock has a clock_start in the sealed config."""
    assert seal(config(clock_mode=mode), clock_injected=injected).clock_start is None


@pytest.mark.parametrize(
    "values",
    [
        {"strategy_id": "sma_cross"},
        {"seed": 124},
        {"clock_mode": "market"},
        {"clock_start": "2026-01-02T00:00:00Z"},
        {"steps": 65},
        {"max_sink_retries": 1},
        {"strategy_allowlist": ("strat_demo",)},
        {"enabled": True},
        {"tick_events": "decisions"},
        {"market": {"symbol": "OTHER"}},
        {"market": {"tick_size": "0.02"}},
        {"market": {"lot_size": "2"}},
        {"market": {"synthetic": {"start_price": "101"}}},
        {"market": {"synthetic": {"start_time": "2026-01-02T00:00:00Z"}}},
        {"market": {"synthetic": {"interval_seconds": 61}}},
        {"market": {"synthetic": {"volatility_ticks": 9}}},
        {"broker": {"kind": "other"}},
        {"broker": {"initial_cash": "1"}},
        {"broker": {"maker_fee_rate": "0.1"}},
        {"broker": {"taker_fee_rate": "0.1"}},
        {"criteria": {"min_fills": 2}},
        {"no_live_required": "namespace"},
    ],
)
def test_parameters_change_run_id(values: dict[str, Any]) -> None:
    """Every changed parameter gives another derived run_id, which can name a directory."""
    run_id = seal(config(**values)).run_id
    assert run_id != GOLDEN_RUN_ID
    assert len(run_id) == len(GOLDEN_RUN_ID)
    check_run_id_for_directory(run_id)


def test_market_file_changes_run_id() -> None:
    """Another market file gives another derived run_id."""
    one, other = seal(config(), Facts(SHA)), seal(config(), Facts(OTHER_SHA))
    assert one.run_id != other.run_id


def test_chosen_run_id_is_excluded() -> None:
    """The derived run_id is the hash of the behaviour version and of every field of the sealed config except run_id."""
    own = seal(config(run_id="mine")).canonical()
    rest = {name: value for name, value in own.items() if name != "run_id"}
    derived = "dry-" + plain_sha256({"behaviour_version": BEHAVIOUR_VERSION, "config": rest})[:12]
    assert derived == seal(config()).run_id == GOLDEN_RUN_ID


@pytest.mark.parametrize(
    ("values", "money_scale"),
    [
        ({}, 2 + 0 + 4),
        ({"broker": {"maker_fee_rate": "0.00001"}}, 2 + 0 + 5),
        ({"broker": {"taker_fee_rate": "0"}}, 2),
        ({"broker": {"taker_fee_rate": "0", "initial_cash": "0.123456"}}, 6),
        ({"market": {"tick_size": "0.0001", "lot_size": "0.001"}}, 4 + 3 + 4),
    ],
)
def test_money_unit_is_fine_enough(values: dict[str, Any], money_scale: int) -> None:
    """A money unit has the decimals of tick, lot and fee together, or those of the initial cash when more."""
    sealed = seal(config(**values))
    assert sealed.grid().money_scale == money_scale
    assert sealed.grid().money_text(sealed.grid().money(sealed.broker.initial_cash)) == sealed.broker.initial_cash


@pytest.mark.parametrize(
    "run_id", ["r", "run_demo_001", GOLDEN_RUN_ID, "2026-01-01.a_b-C", "x" * 128, "console", "com10"]
)
def test_plain_run_id_names_directory(run_id: str) -> None:
    """A run_id of up to 128 letters, digits, dots, underscores and dashes can name a directory."""
    check_run_id_for_directory(run_id)


@pytest.mark.parametrize(
    "run_id",
    [
        "",
        "../x",
        "..",
        ".",
        "a/b",
        "a\\b",
        "/a",
        "a\n",
        "\n",
        "a b",
        "a\x00b",
        "x" * 129,
        "x" * 300,
        ".hidden",
        ".staging-x",
        "-rf",
        "_x",
        "trailing.",
        "CON",
        "nul.txt",
        "Com1",
        "lpt9.a.b",
        "ü",
        "a:b",
    ],
)
def test_bad_run_id_is_refused(run_id: str) -> None:
    """A run_id that could not safely name a directory on every file system is refused without being repeated."""
    with pytest.raises(ConfigError) as caught:
        check_run_id_for_directory(run_id)
    assert caught.value.field == "run_id"
    assert caught.value.problem == "cannot name a run directory"


@pytest.mark.parametrize("run_id", ["AK" + "IA" + "QWERTYUIOP012345", "run_gh" + "p_" + "Ab3" * 12])
def test_secret_run_id_is_refused(run_id: str) -> None:
    """A run_id that resembles a secret is refused without being repeated."""
    with pytest.raises(ConfigError, match="run_id: looks like a secret") as caught:
        check_run_id_for_directory(run_id)
    assert run_id not in str(caught.value)
