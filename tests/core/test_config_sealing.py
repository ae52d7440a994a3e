import json
from typing import Any, NamedTuple

import pytest

from c2lib.core.config import DryrunConfig, SealedConfig, check_run_id_for_directory, seal
from c2lib.core.errors import ConfigError
from tests.core.configs import GOLDEN_CONFIG, GOLDEN_RUN_ID, GOLDEN_SHA256, SECRET, config, plain_sha256

SHA, OTHER_SHA = "a" * 64, "b" * 64


class Facts(NamedTuple):
    """What a market says of itself."""

    sha256: str
    tick_size: str = "0.01"
    bar_count: int = 64


def test_the_default_config_is_pinned() -> None:
    """Sealed, it is this very object, with this run id and this hash; a change of any of them is a change of format."""
    sealed = seal(config())
    assert plain_sha256(GOLDEN_CONFIG)[:12] == GOLDEN_RUN_ID.removeprefix("dry-")
    assert plain_sha256({**GOLDEN_CONFIG, "run_id": GOLDEN_RUN_ID}) == GOLDEN_SHA256
    assert sealed.canonical() == {**GOLDEN_CONFIG, "run_id": GOLDEN_RUN_ID}
    assert sealed.run_id == GOLDEN_RUN_ID
    assert sealed.sha256() == GOLDEN_SHA256


def test_a_sealed_config_comes_back_from_its_canonical_form() -> None:
    """The manifest holds all that a replay needs, and sealing again changes nothing."""
    sealed = seal(config(market={"tick_size": "0.00050"}, broker={"initial_cash": "1e59"}, faults=[]))
    again = SealedConfig.parse(json.loads(json.dumps(sealed.canonical())))
    assert again == sealed
    assert seal(again) == sealed


def test_the_seed_may_be_negative_and_the_call_of_the_runbook_is_taken() -> None:
    """The keyword arguments of the runbook's own call, and its derived neighbours."""
    runbook = DryrunConfig(
        strategy_id="strat_demo", run_id="run_demo_001", seed=123, clock_mode="fixed", max_sink_retries=0
    )
    assert seal(runbook).run_id == "run_demo_001"
    assert config(seed=-5).seed == -5


def test_times_of_a_config_are_kept_in_utc() -> None:
    """Two spellings of one instant hash equally."""
    east = config(clock_start="2026-01-01T02:00:00+02:00", market={"synthetic": {"start_time": "2026-01-01T00:00:00Z"}})
    assert seal(east) == seal(config())
    assert config(clock_start=None).clock_start is None


def test_sealing_fills_in_what_was_left_out() -> None:
    """Steps, tick, clock and run id are concrete, and what was said stays."""
    plain = seal(config())
    assert (plain.steps, plain.market.tick_size, plain.clock_start) == (64, "0.01", "2026-01-01T00:00:00+00:00")
    said = config(run_id="r", steps=7, market={"tick_size": "0.5"}, clock_start="2025-06-01T00:00:00Z")
    sealed = seal(said)
    assert (sealed.run_id, sealed.steps, sealed.market.tick_size) == ("r", 7, "0.5")
    assert sealed.clock_start == "2025-06-01T00:00:00+00:00"


def test_sealing_with_a_file_names_it_by_its_hash() -> None:
    """The file offers its bars and its tick where the config leaves them out."""
    sealed = seal(config(), Facts(SHA, "0.0001", 500))
    assert (sealed.market.source, sealed.market.file_sha256) == ("file", SHA)
    assert (sealed.market.tick_size, sealed.steps) == ("0.0001", 500)
    named = config(market={"source": "file", "file_sha256": SHA})
    assert seal(named, Facts(SHA)).market.file_sha256 == SHA


def test_a_walk_may_have_more_steps_than_its_default() -> None:
    """Only a file ends."""
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
def test_a_config_that_does_not_go_with_what_was_handed_over_is_refused(
    values: dict[str, Any], handed_over: dict[str, Any], field: str
) -> None:
    """Market, clock and config must tell one story; the field that does not is named."""
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
    """Each field stands in a sealed config, and a manifest that lacks one is refused by its name."""
    with pytest.raises(ConfigError) as caught:
        SealedConfig.parse(without(seal(config()).canonical(), name))
    assert caught.value.field == name


def test_sealed_null_is_meant() -> None:
    """Null stands for no bound or no file, and never for a field that was left out."""
    null = {name for name, value in leaves(seal(config()).canonical()).items() if value is None}
    bounds = {"limits.max_position", "limits.max_order_quantity", "limits.max_open_orders"}
    assert null == bounds | {"broker.participation", "broker.rate_limit", "market.file_sha256"}


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
    """A manifest's config is taken as it stands and never completed or tidied up."""
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
    """A secret that was put into a sealed config later is taken out when a session takes it."""
    later = seal(config()).model_copy(update={"strategy_id": SECRET})
    assert seal(later).strategy_id == "[REDACTED:assignment]"


@pytest.mark.parametrize(("mode", "injected"), [("injected", True), ("fixed", True), ("market", False)])
def test_a_clock_from_elsewhere_has_no_start(mode: str, injected: bool) -> None:
    """Only the built-in fixed clock stands at a time that the config says."""
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
def test_the_derived_run_id_changes_with_any_parameter(values: dict[str, Any]) -> None:
    """So that a changed parameter never collides with an earlier run."""
    run_id = seal(config(**values)).run_id
    assert run_id != GOLDEN_RUN_ID
    assert len(run_id) == len(GOLDEN_RUN_ID)
    check_run_id_for_directory(run_id)


def test_the_derived_run_id_changes_with_the_market_file() -> None:
    """Two files are two runs."""
    one, other = seal(config(), Facts(SHA)), seal(config(), Facts(OTHER_SHA))
    assert one.run_id != other.run_id


def test_a_run_id_of_ones_own_stays_out_of_the_derived_one() -> None:
    """The derived name is of everything else."""
    own = seal(config(run_id="mine")).canonical()
    assert "dry-" + plain_sha256({name: value for name, value in own.items() if name != "run_id"})[:12] == GOLDEN_RUN_ID


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
def test_a_money_unit_is_fine_enough(values: dict[str, Any], money_scale: int) -> None:
    """Tick, lot and fee decimals together, or those of the initial cash when they are more."""
    sealed = seal(config(**values))
    assert sealed.grid().money_scale == money_scale
    assert sealed.grid().money_text(sealed.grid().money(sealed.broker.initial_cash)) == sealed.broker.initial_cash


@pytest.mark.parametrize(
    "run_id", ["r", "run_demo_001", GOLDEN_RUN_ID, "2026-01-01.a_b-C", "x" * 128, "console", "com10"]
)
def test_a_plain_run_id_names_a_directory(run_id: str) -> None:
    """Letters, digits, dot, underscore and dash, up to 128 of them."""
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
def test_a_run_id_that_cannot_name_a_directory_is_refused(run_id: str) -> None:
    """On no file system does a run end up anywhere but below its root, and the name is not repeated."""
    with pytest.raises(ConfigError) as caught:
        check_run_id_for_directory(run_id)
    assert caught.value.field == "run_id"
    assert caught.value.problem == "cannot name a run directory"


@pytest.mark.parametrize("run_id", ["AK" + "IA" + "QWERTYUIOP012345", "run_gh" + "p_" + "Ab3" * 12])
def test_a_run_id_that_looks_like_a_secret_is_refused(run_id: str) -> None:
    """It would stand in every line; the message does not repeat it."""
    with pytest.raises(ConfigError, match="run_id: looks like a secret") as caught:
        check_run_id_for_directory(run_id)
    assert run_id not in str(caught.value)
