import re
from datetime import date
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from c2lib.core.contract import TIME_PATTERN, Field, FieldKind

SHA = "0123456789abcdef" * 4

GOOD: tuple[tuple[Field, Any], ...] = (
    (Field("n", FieldKind.INTEGER, ""), 0),
    (Field("n", FieldKind.INTEGER, ""), 2**53 - 1),
    (Field("n", FieldKind.INTEGER, "", negative=True), -(2**53) + 1),
    (Field("d", FieldKind.DECIMAL, ""), "0"),
    (Field("d", FieldKind.DECIMAL, ""), "-0.05"),
    (Field("d", FieldKind.DECIMAL, ""), "1200"),
    (Field("d", FieldKind.DECIMAL, "", nullable=True), None),
    (Field("t", FieldKind.TIME, ""), "2026-12-31T23:59:59+00:00"),
    (Field("t", FieldKind.TIME, ""), "2026-12-31T23:59:59.000001+00:00"),
    (Field("t", FieldKind.TIME, "", nullable=True), None),
    (Field("h", FieldKind.SHA256, ""), SHA),
    (Field("i", FieldKind.IDENTIFIER, ""), "BTC/USD:perp+1=a^b_c-d.e"),
    (Field("c", FieldKind.CHOICE, "", choices=("A", "B")), "B"),
    (Field("c", FieldKind.CHOICE, "", choices=("A", "B"), nullable=True), None),
    (Field("x", FieldKind.TEXT, ""), ""),
    (Field("x", FieldKind.TEXT, ""), "any | text\n"),
    (Field("l", FieldKind.TEXT_LIST, ""), []),
    (Field("l", FieldKind.TEXT_LIST, ""), ["a", ""]),
    (Field("o", FieldKind.OBJECT, ""), {"a": 1}),
    (Field("o", FieldKind.OBJECT, "", nullable=True), None),
)

BAD: tuple[tuple[Field, Any, str], ...] = (
    (Field("n", FieldKind.INTEGER, ""), "0", "is not an integer"),
    (Field("n", FieldKind.INTEGER, ""), True, "is not an integer"),
    (Field("n", FieldKind.INTEGER, ""), 1.5, "is not an integer"),
    (Field("n", FieldKind.INTEGER, ""), -1, "is out of range"),
    (Field("n", FieldKind.INTEGER, ""), 2**53, "is out of range"),
    (Field("n", FieldKind.INTEGER, "", negative=True), -(2**53), "is out of range"),
    (Field("n", FieldKind.INTEGER, ""), None, "is null"),
    (Field("d", FieldKind.DECIMAL, ""), "1.0", "is not a decimal"),
    (Field("d", FieldKind.DECIMAL, ""), "-0", "is not a decimal"),
    (Field("d", FieldKind.DECIMAL, ""), "01", "is not a decimal"),
    (Field("d", FieldKind.DECIMAL, ""), ".5", "is not a decimal"),
    (Field("d", FieldKind.DECIMAL, ""), "1\n", "is not a decimal"),
    (Field("d", FieldKind.DECIMAL, ""), "٣", "is not a decimal"),
    (Field("d", FieldKind.DECIMAL, ""), 1, "is not text but int"),
    (Field("t", FieldKind.TIME, ""), "2026-12-31T23:59:59Z", "is not a time"),
    (Field("t", FieldKind.TIME, ""), "2026-12-31T23:59:59+01:00", "is not a time"),
    (Field("t", FieldKind.TIME, ""), "2026-13-01T00:00:00+00:00", "is not a time"),
    (Field("t", FieldKind.TIME, ""), "2026-12-31T24:00:00+00:00", "is not a time"),
    (Field("t", FieldKind.TIME, ""), "2026-12-31T23:59:59+00:00\n", "is not a time"),
    (Field("h", FieldKind.SHA256, ""), SHA.upper(), "is not a sha256"),
    (Field("h", FieldKind.SHA256, ""), SHA[:-1], "is not a sha256"),
    (Field("h", FieldKind.SHA256, ""), SHA + "\n", "is not a sha256"),
    (Field("i", FieldKind.IDENTIFIER, ""), "", "is not a identifier"),
    (Field("i", FieldKind.IDENTIFIER, ""), "a b", "is not a identifier"),
    (Field("i", FieldKind.IDENTIFIER, ""), 'a"b', "is not a identifier"),
    (Field("i", FieldKind.IDENTIFIER, ""), "-a", "is not a identifier"),
    (Field("i", FieldKind.IDENTIFIER, ""), "a" * 129, "is not a identifier"),
    (Field("c", FieldKind.CHOICE, "", choices=("A", "B")), "C", "is not one of A, B"),
    (Field("c", FieldKind.CHOICE, "", choices=("A", "B")), None, "is null"),
    (Field("x", FieldKind.TEXT, ""), 5, "is not text but int"),
    (Field("l", FieldKind.TEXT_LIST, ""), ["a", 1], "is not a list of texts"),
    (Field("l", FieldKind.TEXT_LIST, ""), "a", "is not a list of texts"),
    (Field("o", FieldKind.OBJECT, ""), [], "is not an object"),
)


@pytest.mark.parametrize(("field", "value"), GOOD)
def test_a_good_value_passes_the_check_and_the_schema(field: Field, value: Any) -> None:
    """The check and the JSON Schema of a field agree on what fits."""
    assert field.problem_with(value) is None
    assert Draft202012Validator(field.json_schema()).is_valid(value)


@pytest.mark.parametrize(("field", "value", "problem"), BAD)
def test_a_bad_value_fails_the_check_and_the_schema(field: Field, value: Any, problem: str) -> None:
    """They agree on what does not, a newline at the end among it."""
    assert field.problem_with(value) == problem
    assert not Draft202012Validator(field.json_schema()).is_valid(value)


@pytest.mark.parametrize("kind", FieldKind)
@pytest.mark.parametrize("nullable", [True, False])
def test_the_schema_of_every_kind_is_a_schema(kind: FieldKind, nullable: bool) -> None:
    """It fits draft 2020-12, carries the meaning, and takes null only where null is meant."""
    choices = ("A",) if kind is FieldKind.CHOICE else ()
    schema = Field("f", kind, "what it means", nullable=nullable, choices=choices).json_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["description"] == "what it means"
    assert Draft202012Validator(schema).is_valid(None) is nullable


def test_free_text_kinds() -> None:
    """Text, lists of text and objects hold what people and foreign code write; what has a form does not."""
    free = [kind for kind in FieldKind if Field("f", kind, "").is_free_text]
    assert free == [FieldKind.TEXT, FieldKind.TEXT_LIST, FieldKind.OBJECT]


def test_every_day_of_the_calendar_is_a_time_and_no_other() -> None:
    """The pattern knows the months and the leap years: 400 years are one whole turn of the calendar."""
    first, last = date(1600, 1, 1).toordinal(), date(2000, 1, 1).toordinal()
    days = {date.fromordinal(number).isoformat() for number in range(first, last)}
    for year in range(1600, 2000):
        for month in range(14):
            for day in range(33):
                text = f"{year}-{month:02d}-{day:02d}"
                assert (re.fullmatch(TIME_PATTERN, f"{text}T00:00:00+00:00") is not None) == (text in days), text


@pytest.mark.parametrize(
    "text", ["0000-01-01T00:00:00+00:00", "0000-02-29T00:00:00+00:00", "2026-01-01T00:00:00.000000+00:00"]
)
def test_a_time_that_isoformat_never_writes_is_none(text: str) -> None:
    """There is no year 0, and no fraction of nothing."""
    assert re.fullmatch(TIME_PATTERN, text) is None
