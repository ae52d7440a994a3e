"""What a notebook cell needs: checked parameters, pictures with their hash, the draft."""

import json
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from c2lib.core.canon import sha256_hex
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError
from c2lib.core.vocabulary import RejectCode
from c2lib.jupyter.notebook import DryrunParameters, papermill_words, show_draft, show_png, why_no_pass


def refusal(**values: Any) -> ConfigError:
    """Return the error that parameters are refused with."""
    with pytest.raises(ConfigError) as caught:
        DryrunParameters(**values)
    return caught.value


def test_neutral_values_mean_left_out() -> None:
    """An empty text and a zero lead to the config's own defaults."""
    config = DryrunParameters(
        **{name: 0 if name in ("seed", "steps") else "" for name in DryrunParameters.model_fields}
    )
    assert config == DryrunParameters()
    assert config.config() == DryrunConfig(strategy_id="strat_demo", seed=123)
    assert config.inputs() == {"market": None, "strategy": None}


def test_values_reach_the_config() -> None:
    """Each notebook parameter reaches the config field of the same name."""
    config = DryrunParameters(
        run_id="r",
        strategy_id="sma_cross",
        strategy_params='{"fast": 2, "slow": 5}',
        allow="sma_cross, other",
        seed=9,
        steps=5,
        symbol="ADA",
        tick_size=0.00000001,
        lot_size=10,
        rounding="nearest",
        initial_cash=5000,
        clock_mode="fixed",
        clock_start="2026-02-01T00:00:00+00:00",
        no_live_required="namespace",
    ).config()
    assert config.model_dump(exclude_defaults=True) == {
        "run_id": "r",
        "strategy_id": "sma_cross",
        "strategy": {"params": {"fast": 2, "slow": 5}},
        "strategy_allowlist": ("sma_cross", "other"),
        "seed": 9,
        "steps": 5,
        "market": {"symbol": "ADA", "tick_size": "0.00000001", "lot_size": "10", "rounding": "nearest"},
        "broker": {"initial_cash": "5000"},
        "clock_start": "2026-02-01T00:00:00+00:00",
        "no_live_required": "namespace",
    }


@given(st.decimals(min_value="0.000000000001", max_value="999999", places=9))
def test_numbers_keep_digits(number: Decimal) -> None:
    """A decimal that papermill's command line makes a number of reaches the config with its digits."""
    text = f"{number:f}"
    assume(len(Decimal(repr(float(text))).as_tuple().digits) <= 15)
    assert DryrunParameters(tick_size=float(text)).config() == DryrunParameters(tick_size=text).config()


def test_mapping_equals_its_text() -> None:
    """Parameters of a strategy are the same as a mapping and as its JSON text, allowed names as a list and a text."""
    mapping = {"a": 1, "b": True, "c": "x"}
    assert DryrunParameters(strategy_params=mapping) == DryrunParameters(strategy_params=json.dumps(mapping))
    assert DryrunParameters(allow=["a", "b"]) == DryrunParameters(allow="a,b") == DryrunParameters(allow=" a  b ")


def test_notebook_names_are_picked() -> None:
    """The parameters of a cell are picked from all names of its notebook."""
    assert DryrunParameters.of({"seed": 9, "In": ["x"], "os": 1}) == DryrunParameters(seed=9)


def test_config_file_fills_gaps(tmp_path: Path) -> None:
    """A parameter wins over the config file, which wins over the defaults; parameters of the strategy are joined."""
    file = tmp_path / "run.yaml"
    text = "seed: 7\nsteps: 40\nstrategy_id: sma_cross\nstrategy: {params: {fast: 2, slow: 9}}\n"
    text += "broker: {slippage_ticks: 2}\n"
    file.write_text(text)
    config = DryrunParameters(config_file=str(file), steps=50, strategy_params={"slow": 5}).config()
    assert (config.seed, config.steps, config.strategy_id, config.broker.slippage_ticks) == (7, 50, "sma_cross", 2)
    assert config.strategy.params == {"fast": 2, "slow": 5}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("seed: 7\nstepps: 4\n", "{file}, line 2: stepps: unknown field (did you mean 'steps'?)"),
        ("seed: x\n", "{file}, line 1: seed: input should be a valid integer"),
        ("strategy_id: sma\n", "{file}, line 1: strategy_id: 'sma' is no built-in strategy"),
        ("seed: [\n", "{file}, line 2: "),
        (None, "{file}: cannot be read: No such file or directory"),
    ],
)
def test_unfit_config_file_is_named(tmp_path: Path, text: str | None, problem: str) -> None:
    """A config file that cannot be used is named with its line."""
    file = tmp_path / "run.yaml"
    if text is not None:
        file.write_text(text)
    assert str(refusal(config_file=str(file))).startswith(problem.format(file=file))


def test_strategy_file_needs_its_name() -> None:
    """A strategy file without a name for the strategy is refused with what to add."""
    assert papermill_words(str(refusal(strategy_file="mine.py:Mine"))).endswith(
        "strategy_id: is left out (name the strategy of the file, and allow it: -p strategy_id mine -p allow mine)"
    )


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"steps": "abc"}, "steps"),
        ({"steps": -1}, "steps"),
        ({"seed": "7"}, "seed"),
        ({"seed": True}, "seed"),
        ({"seed": 2**60}, "seed"),
        ({"strategy_id": False}, "strategy_id"),
        ({"run_id": "../x"}, "run_id"),
        ({"run_id": "a/b"}, "run_id"),
        ({"run_id": "two\nlines"}, "run_id"),
        ({"run_id": "x" * 300}, "run_id"),
        ({"symbol": "no symbol"}, "symbol: market.symbol"),
        ({"symbol": 7203}, "symbol"),
        ({"rounding": "nearst"}, "rounding: market.rounding"),
        ({"no_live_required": "none"}, "no_live_required"),
        ({"clock_mode": "injected?"}, "clock_mode"),
        ({"clock_mode": "injected"}, "clock_mode"),
        ({"tick_size": "x"}, "tick_size: market.tick_size"),
        ({"tick_size": 0.12345678901234567}, "tick_size"),
        ({"tick_size": -1}, "tick_size: market.tick_size"),
        ({"tick_size": float("nan")}, "tick_size: market.tick_size"),
        ({"initial_cash": True}, "initial_cash"),
        ({"strategy_params": "{fast: 2}"}, "strategy_params"),
        ({"strategy_params": "[1]"}, "strategy_params"),
        ({"strategy_params": [1]}, "strategy_params"),
        ({"strategy_params": {"fast": [1]}}, "strategy_params.fast"),
        ({"strategy_params": {"fast": 0.5}}, "strategy_params.fast"),
        ({"strategy_params": {"a b": 1}}, "strategy_params.a b"),
        ({"allow": [1]}, "allow.0"),
        ({"allow": {"mine": 1}}, "allow"),
        ({"clock_start": "yesterday"}, "clock_start"),
        ({"evidence_date": "20260101"}, "evidence_date"),
        ({"evidence_date": "2026-02-30"}, "evidence_date"),
        ({"evidence_date": "2026-W01-1"}, "evidence_date"),
        ({"nonsense": 1}, "nonsense"),
        ({"seed": 7.0}, "seed"),
        ({"seed": float("nan")}, "seed"),
        ({"seed": [7]}, "seed"),
        ({"seed": {"a": {"b": 1}}}, "seed"),
        ({"seed": None}, "seed"),
        ({"seed": 10**5000}, "seed"),
        ({"steps": 0.5}, "steps"),
        ({"market": Path("day.csv")}, "market"),
        ({"market": ["day.csv"]}, "market"),
        ({"out_dir": b"out"}, "out_dir"),
        ({"symbol": "\ud800"}, "symbol"),
        ({"owner": " "}, "owner"),
        ({"owner": "two\nlines"}, "owner"),
        ({"owner": "x" * 101}, "owner"),
    ],
)
def test_unfit_parameter_is_named(values: dict[str, Any], field: str) -> None:
    """A notebook parameter that the config would refuse is refused by its field name."""
    assert refusal(**values).field == field


@pytest.mark.parametrize("field", [name for name, field in DryrunParameters.model_fields.items() if name != "seed"])
def test_secret_parameter_is_refused(field: str) -> None:
    """A notebook parameter with a secret is refused by its field, and the error does not repeat the value."""
    error = refusal(**{field: "pass" + "word=hunter2hunter2"})
    assert error.field == field
    assert "hunter2" not in str(error)


def test_missing_names_are_left_out() -> None:
    """The check of given parameters takes none at all, and any that fit."""
    DryrunParameters.check({})
    DryrunParameters.check({"seed": 1, "strategy_params": {"a": 1}})


@pytest.mark.parametrize("name", DryrunParameters.model_fields)
@pytest.mark.parametrize("value", ["", " ", "\t", {}, [], 0])
def test_given_parameter_is_not_empty(name: str, value: Any) -> None:
    """A parameter that is given but empty is refused by its name, as a shell variable that is not set would be."""
    with pytest.raises(ConfigError) as caught:
        DryrunParameters.check({"steps": 7, name: value})
    problem = "is 0, which means left out" if value == 0 else "is empty"
    assert str(caught.value) == f"{name}: {problem} (give a value, or leave it out)"


@pytest.mark.parametrize(("name", "near"), [("sma", "did you mean 'sma_cross'?"), ("xyz", "built in are strat_demo, ")])
def test_unknown_strategy_is_refused(name: str, near: str) -> None:
    """A strategy that is not known is refused before the notebook runs, with the nearest one."""
    error = refusal(strategy_id=name)
    assert error.field == "strategy_id"
    assert near in str(error)


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what is displayed from now on."""
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    return shown


def test_picture_is_shown_with_hash(displayed: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    """A picture is displayed with its printed hash, which the notebook check compares."""
    data = b"\x89PNG\r\n\x1a\n" + b"\0" * 30
    show_png(data)
    assert capsys.readouterr().out == f"sha256 {sha256_hex(data)}\n"
    assert displayed[0].data == data


def test_draft_hides_day(displayed: list[Any]) -> None:
    """A displayed draft has links in the place of pictures and no day, so that it is the same on every day."""
    drafts = [
        SimpleNamespace(
            text=f"# EV-{day.replace('-', '')}-X\n\n- **Date:** {day}\n\n![phases](phases.png) 2026-01-01\n"
        )
        for day in ("2026-01-01", "2027-12-31")
    ]
    for draft in drafts:
        show_draft(draft)  # type: ignore[arg-type] # its text is all that is shown
    text = "# EV-YYYYMMDD-X\n\n- **Date:** YYYY-MM-DD\n\n[phases](phases.png) 2026-01-01\n"
    assert [shown.data for shown in displayed] == [text, text]


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (
            {"reject_code": RejectCode.STRATEGY_NOT_ALLOWED, "reject_reason": "not on the list"},
            "not on the list; -p allow mine; claims that do not hold: status",
        ),
        (
            {"fail_reason": "ValueError: x", "lines": ["on bar 3", "mine.py:7: raise"]},
            "ValueError: x; on bar 3; mine.py:7: raise; claims that do not hold: status",
        ),
        ({}, "claims that do not hold: status"),
    ],
)
def test_failure_names_reason(facts: dict[str, Any], why: str) -> None:
    """A run that is no PASS is described by its reason, the strategy's lines, and the claims that do not hold."""
    lines = facts.pop("lines", [])
    given = {"reject_code": None, "reject_reason": None, "fail_reason": None, "strategy_id": "mine", **facts}
    result = SimpleNamespace(**given, fail_lines=lines)
    draft = SimpleNamespace(failed_claims=("status",))
    assert why_no_pass(result, draft) == why  # type: ignore[arg-type] # both have what is read of them


def test_flags_become_parameters() -> None:
    """A message names parameters in the place of the command line's flags, and keeps everything else."""
    assert papermill_words("add --tick-size 0.01 --rounding nearest") == "add -p tick_size 0.01 -p rounding nearest"
    assert papermill_words("--- -p x a--b -- ----> 1") == "--- -p x a--b -- ----> 1"
