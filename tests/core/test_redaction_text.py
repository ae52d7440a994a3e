import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.core import redaction
from c2lib.core.canon import text_problem
from c2lib.core.redaction import (
    MAX_FREE_TEXT,
    clean_text,
    clean_value,
    describe_exception,
    find_secret,
    is_own_hash,
    secret_field,
)

SECRET = "pass" + "word=hunter2hunter2"
KEY_ID = "AK" + "IA" + "A" * 16
PIECES = (SECRET, KEY_ID, "secret = 'foo bar'", "ab://x:", "@host", "basic ", "x" * 16, "e\u0301", "\ud800", "\u0338")


class MuteError(Exception):
    """An exception that cannot say why."""

    def __str__(self) -> str:
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("", ""),
        ("plain words, 12.5", "plain words, 12.5"),
        (f"a {SECRET} b", "a [REDACTED:assignment] b"),
        ("e\u0301", "é"),
        ("a\ud800b", "a?b"),
        ('quote " backslash \\ line\nend \u2028 😀', 'quote " backslash \\ line\nend \u2028 😀'),
    ],
)
def test_text_is_cleaned_where_it_enters(text: str, cleaned: str) -> None:
    """Secrets go, normal form comes, everything else stays."""
    assert clean_text(text) == cleaned


def test_text_of_the_bound_stays_and_longer_text_is_cut_and_marked() -> None:
    """The bound holds for the text that comes out."""
    assert clean_text("x" * MAX_FREE_TEXT) == "x" * MAX_FREE_TEXT
    longer = clean_text("x" * (MAX_FREE_TEXT + 1))
    assert len(longer) == MAX_FREE_TEXT
    assert longer.endswith("x…[cut]")


def test_a_cut_never_leaves_something_that_looks_like_a_secret() -> None:
    """A long word that only the cut makes look like a key is looked at again."""
    text = "." * (MAX_FREE_TEXT - len("…[cut]") - len(KEY_ID)) + KEY_ID + "A" * 50
    assert find_secret(text) is None
    assert find_secret(clean_text(text)) is None


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=12).map("".join))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    """What is clean comes back unchanged, has a canonical form and holds no secret."""
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    assert text_problem(cleaned) is None
    assert find_secret(cleaned) is None


def test_values_are_cleaned_in_depth_and_own_hashes_are_left_alone() -> None:
    """Keys and values are free text; a field that holds a hash of our own is exempt by its name."""
    value = {"a": [SECRET, {"b": (SECRET, 1, None, True)}], SECRET: "x", "config_sha256": SECRET, "event_id": SECRET}
    assert clean_value(value) == {
        "a": ["[REDACTED:assignment]", {"b": ["[REDACTED:assignment]", 1, None, True]}],
        "[REDACTED:assignment]": "x",
        "config_sha256": SECRET,
        "event_id": SECRET,
    }


@pytest.mark.parametrize(
    ("field", "own"),
    [("sha256", True), ("prev_hash", True), ("run_digest", True), ("event_id", True), ("run_id", False), ("", False)],
)
def test_own_hashes_are_known_by_name(field: str, own: bool) -> None:
    """Only names that c2lib gives to hashes are exempt."""
    assert is_own_hash(field) is own


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"run_id": "r", "n": 1, "none": None}, None),
        ({"run_id": SECRET}, "run_id"),
        ({"market": {"symbol": "A", "source": SECRET}}, "market.source"),
        ({"strategy_allowlist": ("a", SECRET)}, "strategy_allowlist[1]"),
        ({"file_sha256": SECRET}, None),
        ({"run_id": "[REDACTED:api-key]"}, "run_id"),
    ],
)
def test_a_secret_is_named_by_its_field(value: object, field: str | None) -> None:
    """The first field that holds one is told, never its value."""
    assert secret_field(value) == field


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no"), "ValueError: no"),
        (ValueError(), "ValueError"),
        (ValueError(f"login {SECRET}"), "ValueError: login [REDACTED:assignment]"),
        (SystemExit(0), "SystemExit: 0"),
        (MuteError(), "MuteError: cannot say why"),
        (type("E\u0301", (Exception,), {})("x"), "É: x"),
    ],
)
def test_an_exception_is_told_by_type_and_clean_message(error: BaseException, told: str) -> None:
    """Nothing that foreign code puts into an exception gets through uncleaned, or raises on the way."""
    assert describe_exception(error) == told


def test_a_class_named_like_a_secret_is_redacted() -> None:
    """A class name is free text as well."""
    assert KEY_ID not in describe_exception(type(KEY_ID, (Exception,), {})())


def test_the_passes_of_cleaning_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no unbounded loop anywhere, and a text that comes to no rest is left out whole."""
    monkeypatch.setattr(redaction, "_MOST_PASSES", 1)
    assert clean_text("plain") == "plain"
    assert clean_text(SECRET) == "[REDACTED:text]"
