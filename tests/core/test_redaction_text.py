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
def test_free_text_is_cleaned(text: str, cleaned: str) -> None:
    """Cleaning a text redacts secrets, normalises to NFC and keeps all else."""
    assert clean_text(text) == cleaned


def test_overlong_text_is_cut() -> None:
    """A text of the maximum length stays, and a longer one is cut to that length with a mark."""
    assert clean_text("x" * MAX_FREE_TEXT) == "x" * MAX_FREE_TEXT
    longer = clean_text("x" * (MAX_FREE_TEXT + 1))
    assert len(longer) == MAX_FREE_TEXT
    assert longer.endswith("x…[cut]")


def test_cut_text_shows_no_secret() -> None:
    """A text cut so that a word becomes the shape of a secret is redacted again."""
    text = "." * (MAX_FREE_TEXT - len("…[cut]") - len(KEY_ID)) + KEY_ID + "A" * 50
    assert find_secret(text) is None
    assert find_secret(clean_text(text)) is None


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=12).map("".join))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    """A cleaned text is canonical, holds no secret and is cleaned unchanged."""
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    assert text_problem(cleaned) is None
    assert find_secret(cleaned) is None


def test_nested_values_are_cleaned() -> None:
    """Keys and values are cleaned at every depth, and fields named like c2lib's own hashes are kept."""
    value = {"a": [SECRET, {"b": (SECRET, 1, None, True)}], SECRET: "x", "config_sha256": SECRET, "event_id": SECRET}
    assert clean_value(value) == {
        "a": ["[REDACTED:assignment]", {"b": ["[REDACTED:assignment]", 1, None, True]}],
        "[REDACTED:assignment]": "x",
        "config_sha256": SECRET,
        "event_id": SECRET,
    }


MARK = "[REDACTED:assignment]"


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ({SECRET: 1, SECRET + "x": 2, MARK: 3}, {MARK: 1, f"(2) {MARK}": 2, f"(3) {MARK}": 3}),
        ({"e\u0301": 1, "é": 2}, {"é": 1, "(2) é": 2}),
        ({"(2) é": 0, "e\u0301": 1, "é": 2}, {"(2) é": 0, "é": 1, "(3) é": 2}),
        (
            {"x" * 2001: 1, "x" * 2002: 2},
            {"x" * 1994 + "…[cut]": 1, "(2) " + "x" * 1990 + "…[cut]": 2},
        ),
    ],
)
def test_colliding_keys_are_numbered(value: dict[str, int], cleaned: dict[str, int]) -> None:
    """Keys that become equal when they are cleaned are numbered, so that no value is lost."""
    assert clean_value(value) == cleaned
    assert clean_value(clean_value(value)) == cleaned


@given(st.dictionaries(st.sampled_from(PIECES) | st.text(max_size=5), st.integers(), max_size=8))
def test_cleaning_loses_no_value(value: dict[str, int]) -> None:
    """A cleaned mapping holds as many values as before, in their order, under clean keys."""
    cleaned = clean_value(value)
    assert list(cleaned.values()) == list(value.values())
    assert clean_value(cleaned) == cleaned
    assert not any(find_secret(key) for key in cleaned)


@pytest.mark.parametrize(
    ("field", "own"),
    [("sha256", True), ("prev_hash", True), ("run_digest", True), ("event_id", True), ("run_id", False), ("", False)],
)
def test_own_hashes_are_exempt(field: str, own: bool) -> None:
    """Only the names that c2lib gives to hashes are exempt from redaction."""
    assert (clean_value({field: SECRET})[field] == SECRET) is own


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"run_id": "r", "n": 1, "none": None}, None),
        ({"run_id": SECRET}, "run_id"),
        ({"market": {"symbol": "A", "source": SECRET}}, "market.source"),
        ({"strategy_allowlist": ("a", SECRET)}, "strategy_allowlist[1]"),
        ({"file_sha256": SECRET}, None),
        ({"run_id": "[REDACTED:api-key]"}, "run_id"),
        ({"": SECRET}, "(unnamed)"),
        ({"market": {"": SECRET}}, "market.(unnamed)"),
        ({"": {"": [SECRET]}}, "(unnamed).(unnamed)[0]"),
        ({"": "plain"}, None),
        (SECRET, "(unnamed)"),
    ],
)
def test_secret_is_named_by_field(value: object, field: str | None) -> None:
    """The first field that holds a secret is returned by its name, never its value."""
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
def test_exception_is_described_cleanly(error: BaseException, told: str) -> None:
    """An exception is described by its type and cleaned message, even when its __str__ raises."""
    assert describe_exception(error) == told


def test_secret_class_name_is_redacted() -> None:
    """An exception class that is named like a secret is redacted."""
    assert KEY_ID not in describe_exception(type(KEY_ID, (Exception,), {})())


def test_cleaning_passes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cleaning makes a bounded number of passes, and a text that is not settled by then is left out whole."""
    monkeypatch.setattr(redaction, "_MOST_PASSES", 1)
    assert clean_text("plain") == "plain"
    assert clean_text(SECRET) == "[REDACTED:text]"
