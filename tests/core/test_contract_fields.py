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
def test_good_value_is_accepted(field: Field, value: Any) -> None:
    """A good value passes the check of a field and the field's JSON Schema."""
    assert field.problem_with(value) is None
    assert Draft202012Validator(field.json_schema()).is_valid(value)


@pytest.mark.parametrize(("field", "value", "problem"), BAD)
def test_bad_value_is_refused(field: Field, value: Any, problem: str) -> None:
    """A bad value fails the check of a field, with its problem named, and the field's JSON Schema."""
    assert field.problem_with(value) == problem
    assert not Draft202012Validator(field.json_schema()).is_valid(value)


@pytest.mark.parametrize("kind", FieldKind)
@pytest.mark.parametrize("nullable", [True, False])
def test_field_schema_is_valid(kind: FieldKind, nullable: bool) -> None:
    """The schema of every kind of field is valid draft 2020-12, has the meaning, and takes null where allowed."""
    choices = ("A",) if kind is FieldKind.CHOICE else ()
    schema = Field("f", kind, "what it means", nullable=nullable, choices=choices).json_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["description"] == "what it means"
    assert Draft202012Validator(schema).is_valid(None) is nullable


def test_free_text_kinds() -> None:
    """Of all kinds of field exactly text, lists of text and objects are free text."""
    free = [kind for kind in FieldKind if Field("f", kind, "").is_free_text]
    assert free == [FieldKind.TEXT, FieldKind.TEXT_LIST, FieldKind.OBJECT]


def test_time_pattern_follows_calendar() -> None:
    """The time pattern accepts every day of the calendar, leap years included, and no other day."""
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
def test_unwritten_time_is_refused(text: str) -> None:
    """A time that isoformat never writes, with year 0 or a zero fraction, does not match the time pattern."""
    assert re.fullmatch(TIME_PATTERN, text) is None
