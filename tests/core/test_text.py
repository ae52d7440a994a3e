"""What messages and reports show of values, and where two values differ."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.core.text import ABSENT, MAX_SHOWN, excerpts, field_differences, first_difference, nearest, quoted, shown


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.integers())))
def test_shown_is_one_line(value: object) -> None:
    """Any value is shown as one bounded line of printable ASCII, so that no value can forge a finding."""
    text = shown(value)
    assert len(text) <= MAX_SHOWN
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        ("a\nb", "a\\nb"),
        ("\ud800é", "\\ud800\\xe9"),
        ({"a": 1}, "an object"),
        ([1], "a list"),
        ("x" * 201, "x" * 197 + "..."),
        ("x" * 200, "x" * 200),
    ],
)
def test_shown_by_kind(value: object, text: str) -> None:
    """A value is shown by its kind, with escapes for non-ASCII text and a mark where a text was cut."""
    assert shown(value) == text


def test_shown_hides_secrets() -> None:
    """A shown text holds no secret, not even a secret that begins where a long text is cut."""
    secret = "AK" + "IA" + "QWERTYUIOP012345"
    assert shown(f"x {secret} y") == "x [REDACTED:aws-key-id] y"
    assert "QWERTY" not in shown("x" * 190 + " " + secret)


def test_quoted_is_cut() -> None:
    """A caller's text is repeated in quotes, escaped, and marked where cut."""
    assert (quoted("a\n"), quoted("x" * 41)) == ("'a\\n'", "'" + "x" * 40 + "'…")


@given(st.text(alphabet="ab", max_size=20), st.text(alphabet="ab", max_size=20))
def test_first_difference_splits(left: str, right: str) -> None:
    """Two texts are equal before their first difference and not at that place, as text and as bytes."""
    at = first_difference(left, right)
    assert left[:at] == right[:at]
    assert at == len(left) or at == len(right) or left[at] != right[at]
    assert first_difference(left.encode(), right.encode()) == at


def test_excerpts_begin_before_difference() -> None:
    """Bounded excerpts of two long texts show where the texts differ."""
    left, right = "x" * 500 + "left", "x" * 500 + "right"
    assert excerpts(left, right, before=40) == ("x" * 40 + "left", "x" * 40 + "right")
    assert excerpts(left, right, before=2, limit=4) == ("xxle", "xxri")


@pytest.mark.parametrize(
    ("left", "right", "names"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["a"]),
        ({"a": 1}, {"a": True}, ["a"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, ["a.c"]),
        ({"a": {"b": 1}}, {"a": 5}, ["a"]),
        ({"a": 1}, {"b": 1}, ["a", "b"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a"]),
        ({}, {}, []),
    ],
)
def test_field_differences_have_dotted_names(left: Any, right: Any, names: list[str]) -> None:
    """A field that differs is named as a config file would name the field."""
    assert [name for name, _, _ in field_differences(left, right, within_lists=False)] == names


def test_absent_is_no_null() -> None:
    """A field that one side lacks differs from a field that is null."""
    assert list(field_differences({"a": [None]}, {"a": []}, within_lists=True)) == [("a[0]", None, ABSENT)]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("sma", "did you mean 'sma_cross'?"),
        ("strat-demo", "did you mean 'strat_demo'?"),
        ("demo", "did you mean 'strat_demo'?"),
        ("s", "otherwise"),
        ("SMA_CROSS", "otherwise"),
        ("", "otherwise"),
        ("x" * 1000, "otherwise"),
    ],
)
def test_nearest_name_is_advised(name: str, advice: str) -> None:
    """The nearest known name is advised, and where none is near the other advice is given."""
    assert nearest(name, ["strat_demo", "sma_cross"], "otherwise") == advice
