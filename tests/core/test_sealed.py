from typing import Any

import pytest
from pydantic import ValidationError

from c2lib.core.errors import ConfigError
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
    config_error,
)

SECRET = "pass" + "word=hunter2hunter2"


class Inner(Sealed):
    """A model inside another."""

    symbol: Symbol = "A"
    file_hash: Sha256 | None = None


class Outer(Sealed):
    """One field of each kind."""

    name: Text
    count: Integer = 0
    none_yet: Zero = 0
    amount: NonNegativeDecimal = "0"
    price: PositiveDecimal = "1"
    words: TextTuple = ()
    nothing: EmptyTuple = ()
    inner: Inner = Inner()


def complaint(**values: Any) -> str:
    """Return what is said about a model of these values."""
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    return str(config_error(caught.value, Outer))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "name: is missing"),
        ({"name": 1}, "name: input should be a valid string"),
        ({"name": "e\u0301"}, "name: text is not in Unicode NFC"),
        ({"name": "x" * 1025}, "name: string should have at most 1024 characters"),
        ({"name": "n", "count": True}, "count: input should be a valid integer"),
        ({"name": "n", "count": "1"}, "count: input should be a valid integer"),
        ({"name": "n", "count": 1.0}, "count: input should be a valid integer"),
        ({"name": "n", "count": 2**53}, "count: must lie below 2**53 in magnitude"),
        ({"name": "n", "none_yet": 1}, "none_yet: is not built yet; leave it out"),
        ({"name": "n", "none_yet": False}, "none_yet: input should be a valid integer"),
        ({"name": "n", "amount": "-1"}, "amount: must not be negative"),
        (
            {"name": "n", "amount": 1},
            "amount: must be text, since a number could lose digits: quote it, such as '0.0002'",
        ),
        (
            {"name": "n", "amount": 0.5},
            "amount: must be text, since a number could lose digits: quote it, such as '0.0002'",
        ),
        ({"name": "n", "amount": True}, "amount: input should be a valid string"),
        ({"nam": 1}, "nam: unknown field (did you mean 'name'?)"),
        ({"name": "n", "amount": "1e60"}, "amount: is not a decimal number of at most 60 digits"),
        ({"name": "n", "price": "0.0"}, "price: must be greater than 0"),
        ({"name": "n", "price": "-2"}, "price: must be greater than 0"),
        ({"name": "n", "words": ["a", 2]}, "words.1: input should be a valid string"),
        ({"name": "n", "nothing": ["a"]}, "nothing: is not built yet; leave it out"),
        ({"name": "n", "inner": 3}, "inner: input should be a valid dictionary or instance of Inner"),
        (
            {"name": "n", "inner": {"file_hash": "f" * 63}},
            "inner.file_hash: string should match pattern '^[0-9a-f]{64}$'",
        ),
        ({"name": "n", "nam": 1}, "nam: unknown field (did you mean 'name'?)"),
        ({"name": "n", "zzz": 1}, "zzz: unknown field (remove it)"),
        ({"name": "n", "inner": {"symbl": 1}}, "inner.symbl: unknown field (did you mean 'symbol'?)"),
    ],
)
def test_complaint_names_its_field(values: dict[str, Any], message: str) -> None:
    """The first problem of a model is reported with the dotted field name and, if unknown, a similar name."""
    assert complaint(**values) == message


@pytest.mark.parametrize(
    "values",
    [
        {"name": SECRET + "\ud800"},
        {"name": SECRET + "e\u0301"},
        {"name": SECRET * 100},
        {"name": "n", "count": SECRET},
        {"name": "n", "none_yet": SECRET},
        {"name": "n", "amount": SECRET},
        {"name": "n", "price": SECRET},
        {"name": "n", "words": SECRET},
        {"name": "n", "nothing": [SECRET]},
        {"name": "n", "inner": SECRET},
        {"name": "n", "inner": {"symbol": SECRET + " "}},
        {"name": "n", "inner": {"file_hash": SECRET}},
        {"name": "n", "zzz": SECRET},
    ],
)
def test_complaint_shows_no_value(values: dict[str, Any]) -> None:
    """No error about a model, from c2lib or from pydantic, shows the refused value."""
    assert "hunter2" not in complaint(**values)
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    assert "hunter2" not in str(caught.value)


def test_whole_complaint_names_config() -> None:
    """An error about a model as a whole has the field name config."""
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(["a list"])
    assert config_error(caught.value, Outer).field == "config"


def test_suggestion_stops_at_last_model() -> None:
    """The suggestion for an unknown field below a non-model comes from the last model above that field."""
    error = ValidationError.from_exception_data(
        "Outer", [{"type": "extra_forbidden", "loc": ("words", 0, "nam"), "input": 1}]
    )
    assert str(config_error(error, Outer)) == "words.0.nam: unknown field (did you mean 'name'?)"


def test_equal_decimals_are_stored_alike() -> None:
    """Two spellings of one decimal amount are stored as the same text."""
    assert Outer(name="n", amount="1.50", price="1e2") == Outer(name="n", amount="+01.5", price="100.0")
    assert Outer(name="n", amount="-0").amount == "0"


def test_canonical_form_is_plain_json() -> None:
    """The canonical form of a model is plain JSON, with tuples as lists and models as objects."""
    model = Outer.model_validate({"name": "n", "words": ["a"], "nothing": [], "inner": {"symbol": "B"}})
    assert model.canonical() == {
        "name": "n",
        "count": 0,
        "none_yet": 0,
        "amount": "0",
        "price": "1",
        "words": ["a"],
        "nothing": [],
        "inner": {"symbol": "B", "file_hash": None},
    }


def test_canonical_form_holds_no_secret() -> None:
    """The canonical form redacts secrets, in lists and inner models too, and the model keeps its values."""
    model = Outer(name=SECRET, words=("plain", SECRET), inner=Inner(symbol="AK" + "IA" + "QWERTYUIOP012345"))
    canonical = model.canonical()
    assert canonical["name"] == "[REDACTED:assignment]"
    assert canonical["words"] == ["plain", "[REDACTED:assignment]"]
    assert canonical["inner"]["symbol"] == "[REDACTED:aws-key-id]"
    assert model.name == SECRET


@pytest.mark.parametrize("symbol", ["BTC/USD:perp", "EURUSD=X", "^GSPC", "A\n", "A B", "", "Ä"])
def test_symbol_is_an_identifier(symbol: str) -> None:
    """A symbol is an ASCII identifier without blanks or quotes, and a newline at its end is refused."""
    good = symbol in ("BTC/USD:perp", "EURUSD=X")
    if good:
        assert Inner(symbol=symbol).symbol == symbol
    else:
        with pytest.raises(ConfigError, match="symbol"):
            Inner(symbol=symbol)
