"""What a notebook cell needs: checked parameters, pictures with their hash, the draft."""

from pathlib import Path
from typing import Any

import pytest

from c2lib.core.canon import sha256_hex
from c2lib.core.errors import ConfigError
from c2lib.jupyter.notebook import NotebookParameters, check_parameters, show_markdown, show_png


def refusal(**values: Any) -> ConfigError:
    """Return the error that parameters are refused with."""
    with pytest.raises(ConfigError) as caught:
        NotebookParameters(**values)
    return caught.value


def test_neutral_values_mean_left_out() -> None:
    """An empty text and a zero lead to the config's own defaults."""
    config = NotebookParameters(run_id="", steps=0, symbol="", clock_start="").config()
    assert (config.run_id, config.steps, config.clock_start) == (None, None, None)
    assert config.market.symbol == "SYNTH"


def test_values_reach_the_config() -> None:
    """Each notebook parameter reaches the config field of the same name."""
    given = NotebookParameters(
        run_id="r", strategy_id="sma_cross", seed=9, steps=5, symbol="ADA", clock_start="2026-02-01T00:00:00+00:00"
    )
    config = given.config()
    assert (config.run_id, config.strategy_id, config.seed, config.steps) == ("r", "sma_cross", 9, 5)
    assert (config.market.symbol, config.clock_start) == ("ADA", "2026-02-01T00:00:00+00:00")


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
        ({"symbol": "no symbol"}, "market.symbol"),
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
        ({"owner": ""}, "owner"),
        ({"owner": "two\nlines"}, "owner"),
        ({"owner": "x" * 101}, "owner"),
    ],
)
def test_unfit_parameter_is_named(values: dict[str, Any], field: str) -> None:
    """A notebook parameter that the config would refuse is refused by its field name."""
    assert refusal(**values).field == field


@pytest.mark.parametrize("field", [name for name, field in NotebookParameters.model_fields.items() if name != "seed"])
def test_secret_parameter_is_refused(field: str) -> None:
    """A notebook parameter with a secret is refused by its field, and the error does not repeat the value."""
    error = refusal(**{field: "pass" + "word=hunter2hunter2"})
    assert error.field == field
    assert "hunter2" not in str(error)


def test_unknown_parameter_is_refused() -> None:
    """An unknown notebook parameter is refused with the nearest name, or with the list of known names."""
    with pytest.raises(ConfigError) as caught:
        check_parameters({"sede": 1}, {"seed", "steps"})
    assert str(caught.value) == "sede: is no parameter of this notebook (did you mean 'seed'?)"
    with pytest.raises(ConfigError) as caught:
        check_parameters({"x=1;import os": 1}, {"seed", "steps"})
    assert str(caught.value) == "x=1;import os: is no parameter of this notebook (it has seed, steps)"
    check_parameters({"seed": 1}, {"seed", "steps"})
    check_parameters({}, set())


@pytest.mark.parametrize("name", ["run_id", "strategy_id", "market", "symbol", "clock_start", "out_dir", "owner"])
@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_given_parameter_is_not_empty(name: str, value: str) -> None:
    """A parameter that is given but empty is refused by its name, as a shell variable that is not set would be."""
    with pytest.raises(ConfigError) as caught:
        check_parameters({"seed": 7, name: value}, set(NotebookParameters.model_fields))
    assert str(caught.value) == f"{name}: is empty (give a value, or leave it out)"


@pytest.mark.parametrize(("name", "near"), [("sma", "did you mean 'sma_cross'?"), ("xyz", "built in are strat_demo, ")])
def test_unknown_strategy_is_refused(name: str, near: str) -> None:
    """A strategy that is not known is refused before the notebook runs, with the nearest one."""
    error = refusal(strategy_id=name)
    assert error.field == "strategy_id"
    assert near in str(error)
    assert refusal(strategy_id="").field == "strategy_id"


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


def test_draft_shows_picture_links(displayed: list[Any]) -> None:
    """A displayed draft has links in the place of pictures, since a notebook has no files beside itself."""
    show_markdown("# Title\n\n![phases](phases.png)\n")
    assert displayed[0].data == "# Title\n\n[phases](phases.png)\n"
