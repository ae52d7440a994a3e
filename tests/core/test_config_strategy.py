from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from c2lib.core.config import DryrunConfig, SealedConfig, seal
from c2lib.core.errors import ConfigError
from c2lib.core.model import BUILT_IN_PARAMS, StrategyFacts
from tests.core.configs import SECRET, config


@dataclass(frozen=True)
class Given(StrategyFacts):
    """The facts of a strategy at hand."""

    origin: str | None = "file"
    class_name: str | None = "Mine"
    sha256: str | None = "ab" * 32


def own(**values: Any) -> DryrunConfig:
    """Return a config of a strategy of one's own."""
    return config(**{"strategy_id": "mine", "strategy_allowlist": ("mine",)} | values)


def with_params(strategy_id: str = "sma_cross", **params: Any) -> DryrunConfig:
    """Return a config with parameters of the strategy."""
    return config(strategy_id=strategy_id, strategy={"params": params})


def test_sealing_fills_in_strategy() -> None:
    """Sealing fills in origin, class and hash of the strategy at hand, and the parameters of a built-in one."""
    sealed = seal(with_params(fast=5)).canonical()["strategy"]
    params = {"fast": 5, "slow": 30, "quantity": 1}
    assert sealed == {"origin": "built-in", "class_name": None, "sha256": None, "params": params}
    facts = {"origin": "file", "class_name": "Mine", "sha256": "ab" * 32}
    assert seal(own(), strategy=Given()).canonical()["strategy"] == {**facts, "params": {}}
    assert seal(own()).canonical()["strategy"] == dict.fromkeys(facts) | {"params": {}}


@pytest.mark.parametrize("name", ["origin", "class_name", "sha256"])
def test_sealed_strategy_must_be_given(name: str) -> None:
    """A draft or a sealed config whose strategy is not the one at hand is refused by the name of the field."""
    other = replace(Given(), **{name: "object" if name == "origin" else "cd" * 32})
    for asked in (own(strategy={name: getattr(Given(), name)}), seal(own(), strategy=Given())):
        assert seal(asked, strategy=Given()).strategy.class_name == "Mine"
        with pytest.raises(ConfigError, match=rf"^strategy\.{name}: is .*, but that of the strategy given is "):
            seal(asked, strategy=other)


def test_derived_run_id_knows_strategy() -> None:
    """Another source, class, parameter or value of one gives another derived run_id, the same ones the same."""
    drafts = (own(), own(strategy={"params": {"a": 1}}), own(strategy={"params": {"a": "1"}}))
    names = {seal(draft, strategy=Given()).run_id for draft in drafts}
    names |= {seal(own(), strategy=given).run_id for given in (Given(sha256="cd" * 32), Given(class_name="Other"))}
    assert len(names) == 5
    assert seal(own(), strategy=Given()).run_id in names


def test_object_gets_random_run_id() -> None:
    """A run on an object is named at random where no name was chosen, and keeps its name when it is sealed again."""
    given = Given(origin="object")
    one, two = (seal(own(), strategy=given) for _ in range(2))
    assert one.run_id != two.run_id
    assert one.run_id.startswith("mem-")
    assert len(one.run_id) == 16
    assert seal(one, strategy=given) == one
    assert seal(own(run_id="chosen"), strategy=given).run_id == "chosen"


@pytest.mark.parametrize("origin", ["file", "object"])
@pytest.mark.parametrize("strategy_id", sorted(BUILT_IN_PARAMS))
def test_built_in_names_are_reserved(strategy_id: str, origin: str) -> None:
    """A strategy of one's own under the name of a built-in one is refused."""
    with pytest.raises(ConfigError, match=r"^strategy_id: .* is the name of a strategy of c2lib's own"):
        seal(config(strategy_id=strategy_id), strategy=Given(origin))


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"fasst": 5}, r"fasst: sma_cross has no such parameter \(did you mean 'fast'\?\)"),
        ({"xyz": 5}, r"xyz: sma_cross has no such parameter \(it takes fast, slow, quantity\)"),
        ({"fast": "5"}, "fast: must be a whole number from 1 to 100000"),
        ({"fast": True}, "fast: must be a whole number"),
        ({"quantity": 0}, "quantity: must be a whole number"),
        ({"slow": 100_001}, "slow: must be a whole number"),
        ({"fast": 30}, "fast: must be smaller than slow"),
        ({"slow": 9}, "fast: must be smaller than slow"),
    ],
)
def test_built_in_params_are_checked(params: Mapping[str, Any], problem: str) -> None:
    """A parameter that a built-in strategy does not have or cannot use is refused by its name."""
    with pytest.raises(ConfigError, match=rf"^strategy\.params\.{problem}"):
        seal(with_params(**params))


def test_sealed_params_are_whole() -> None:
    """A config of a manifest that lacks a parameter of its built-in strategy is refused."""
    values = seal(with_params()).canonical()
    del values["strategy"]["params"]["slow"]
    with pytest.raises(ConfigError, match=r"^strategy\.params\.slow: is missing$"):
        SealedConfig.parse(values)


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"a": 0.5}, "a: must be text where it has a fraction, such as '0.5'"),
        ({"a": Decimal("0.5")}, "a: must be text where it has a fraction"),
        ({"a": None}, "a: must be text, a whole number, true or false"),
        ({"a": [1]}, "a: must be text, a whole number"),
        ({"a": {"b": 1}}, "a: must be text, a whole number"),
        ({"a": 2**53}, r"a: must lie below 2\*\*53 in magnitude"),
        ({"a": "x" * 1025}, "a: must have at most 1024 characters"),
        ({"a": "e\u0301"}, "a: text "),
        ({"two words": 1}, "two words: must be a name of letters, digits and _"),
        ({"1a": 1}, "1a: must be a name"),
        ({"a" * 65: 1}, "a{65}: must be a name"),
    ],
)
def test_params_are_plain_values(params: Mapping[str, Any], problem: str) -> None:
    """A parameter that is no text, whole number, true or false, or has no plain name, is refused by its name."""
    with pytest.raises(ConfigError, match=rf"^strategy\.params\.{problem}"):
        own(strategy={"params": params})


def test_params_are_bounded() -> None:
    """More than 64 parameters are refused."""
    assert len(own(strategy={"params": {f"p{n}": n for n in range(64)}}).strategy.params) == 64
    with pytest.raises(ConfigError, match=r"^strategy\.params: "):
        own(strategy={"params": {f"p{n}": n for n in range(65)}})


def test_read_only_params_are_taken() -> None:
    """Parameters may be given as any mapping, and each keeps its type."""
    params = {"text": "0.50", "count": -3, "flag": True, "none": ""}
    assert own(strategy={"params": MappingProxyType(params)}).strategy.params == params


@pytest.mark.parametrize("params", [{"note": SECRET}, {"api_key": "abcdef123456"}])
def test_secret_param_is_refused(params: Mapping[str, Any]) -> None:
    """A parameter that holds a secret, by its value or by name and value, is refused, and its value is not shown."""
    with pytest.raises(ConfigError, match=r"^strategy\.params: \w+ looks like a secret") as caught:
        own(strategy={"params": params})
    assert not any(value in str(caught.value) for value in params.values())


def test_misspelt_params_are_named() -> None:
    """A field of the strategy that does not exist is refused with the nearest one."""
    with pytest.raises(ConfigError, match=r"^strategy\.parms: unknown field \(did you mean 'params'\?\)$"):
        own(strategy={"parms": {}})
