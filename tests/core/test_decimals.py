import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.decimals import (
    DECIMAL_PATTERN,
    MAX_DIGITS,
    MOST_KNOWN,
    Known,
    canonical_decimal,
    format_scaled,
    parse_decimal,
    units_of,
)

PLAIN = st.from_regex(r"[+-]?[0-9]{1,20}(\.[0-9]{0,20})?([eE][+-]?[0-9])?", fullmatch=True, alphabet="+-.eE0123456789")


@settings(max_examples=100)
@given(PLAIN)
def test_parsing_keeps_the_exact_value(text: str) -> None:
    """A parsed decimal has the exact value of its text, with the smallest scale."""
    value, scale = parse_decimal(text)
    assert Fraction(value, 10**scale) == Fraction(Decimal(text))
    assert scale == 0 or value % 10 != 0


@settings(max_examples=100)
@given(PLAIN)
def test_canonical_text_is_unique(text: str) -> None:
    """Canonical decimal text has the canonical form, keeps the value and is its own canonical text."""
    canonical = canonical_decimal(text)
    assert re.fullmatch(DECIMAL_PATTERN, canonical)
    assert Decimal(canonical) == Decimal(text)
    assert canonical_decimal(canonical) == canonical


@settings(max_examples=60)
@given(st.integers(-(10**25), 10**25), st.integers(0, 12), st.integers(0, 5))
def test_formatting_ignores_scale(value: int, scale: int, more: int) -> None:
    """A value gets the same text when scaled with more decimals than needed."""
    assert format_scaled(value * 10**more, scale + more) == format_scaled(value, scale)
    assert Fraction(format_scaled(value, scale)) == Fraction(value, 10**scale)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.000", "0"),
        ("0e-60", "0"),
        ("+1.50", "1.5"),
        ("007", "7"),
        ("7.", "7"),
        ("100", "100"),
        ("-0.25", "-0.25"),
        ("1e3", "1000"),
        ("1.25E1", "12.5"),
        ("5e-3", "0.005"),
        ("-12.3400e-1", "-1.234"),
    ],
)
def test_canonical_text_by_example(text: str, canonical: str) -> None:
    """Canonical decimal text has no exponent, plus sign or minus zero, and no leading or trailing zeros."""
    assert canonical_decimal(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1 ",
        "1\n",
        ".5",
        "1,5",
        "1_000",
        "0x1",
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "--1",
        "1e",
        "1e1000",
        "٣",
        "1.2.3",
    ],
)
def test_non_decimals_are_refused(text: str) -> None:
    """Infinities, NaN, foreign digits, separators and blanks raise ValueError as no decimal numbers."""
    with pytest.raises(ValueError, match="is not a decimal number"):
        parse_decimal(text)


@pytest.mark.parametrize(
    "text", ["1" * 61, "0." + "1" * 60, "1e61", "1e-61", "1e60", "1e-60", "1" * 60 + "e1", "1" * 60 + "e60"]
)
def test_overlong_decimal_is_refused(text: str) -> None:
    """A decimal whose given or canonical text has more than 60 digits raises ValueError."""
    with pytest.raises(ValueError, match="more than 60 digits"):
        canonical_decimal(text)


@pytest.mark.parametrize("text", ["9" * 60, "-" + "9" * 60, "1e59", "1e-59", "-0." + "0" * 58 + "1"])
def test_longest_decimals_read_back(text: str) -> None:
    """A decimal whose canonical text has exactly 60 digits reads back from that text."""
    canonical = canonical_decimal(text)
    assert sum(char.isdigit() for char in canonical) == MAX_DIGITS
    assert canonical_decimal(canonical) == canonical


@settings(max_examples=60)
@given(st.integers(-(10**9), 10**9), st.integers(1, 10**6), st.integers(0, 8))
def test_units_count_whole_steps(count: int, step_value: int, step_scale: int) -> None:
    """units_of counts how many steps make up an amount."""
    step, amount = format_scaled(step_value, step_scale), format_scaled(count * step_value, step_scale)
    assert units_of(amount, step) == count


@settings(max_examples=60)
@given(st.integers(-(10**9), 10**9), st.integers(0, 6), st.integers(1, 10**5), st.integers(0, 6))
def test_units_agree_with_fractions(value: int, scale: int, step_value: int, step_scale: int) -> None:
    """units_of agrees with exact fractions and refuses an amount that is no whole multiple of the step."""
    text, step = format_scaled(value, scale), format_scaled(step_value, step_scale)
    quotient = Fraction(text) / Fraction(step)
    if quotient.denominator == 1:
        assert units_of(text, step) == quotient
    else:
        with pytest.raises(ValueError, match="is not a multiple of"):
            units_of(text, step)


def test_zero_step_is_refused() -> None:
    """A step of zero raises ValueError."""
    with pytest.raises(ValueError, match="1 is not a multiple of 0"):
        units_of("1", "0")


def test_known_texts_are_made_once() -> None:
    """Known makes the text of a number once and then returns the same text."""
    asked: list[int] = []

    def text_of(number: int) -> str:
        asked.append(number)
        return format_scaled(number, 2)

    texts = Known(text_of)
    assert [texts[number] for number in (5, -5, 5, 100)] == ["0.05", "-0.05", "0.05", "1"]
    assert asked == [5, -5, 100]


def test_known_texts_stay_bounded() -> None:
    """Known keeps a bounded number of texts and returns the right text for any number."""
    texts: Known[int, str] = Known(str)
    for number in range(3 * MOST_KNOWN + 1):
        assert texts[number] == str(number)
        assert len(texts) <= MOST_KNOWN
