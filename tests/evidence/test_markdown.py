import html
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.errors import ConfigError, DefectError
from c2lib.evidence.markdown import (
    NOTHING,
    Encoded,
    aligned,
    bullets,
    code,
    events_table,
    inline,
    short,
    table,
    visible,
)
from tests.evidence.runs import run_of, series_of

HOSTILE = st.text(
    st.sampled_from("|`~#*_[]()<>!&\\\n\r\t\u2028\u2029\u202e\u2066\u200b\ufeff\x00\x1b\x7f ab1.:/-+=")
    | st.characters(),
    max_size=40,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run_demo_001", "run_demo_001"),
        ("C2_REJECT: enabled is true", "C2_REJECT: enabled is true"),
        ("Grüße, 東京 ✓", "Grüße, 東京 ✓"),
        ("a\nb\r\tc", "a[U+000A]b[U+000D][U+0009]c"),
        ("\u202egnp.exe", "[U+202E]gnp.exe"),
        ("a\u2066b\u2069\u200b\ufeff", "a[U+2066]b[U+2069][U+200B][U+FEFF]"),
        ("x\u2028y\u2029z\x85", "x[U+2028]y[U+2029]z[U+0085]"),
        ("wide\u3000gap\u00a0", "wide[U+3000]gap[U+00A0]"),
        ("\u3164\u2800\ufe0f\xad", "[U+3164][U+2800][U+FE0F][U+00AD]"),
        ("\ud800", "[U+D800]"),
        ("\U000e0041", "[U+E0041]"),
        ("password=hunter2hunter2", "[REDACTED:assignment]"),
    ],
)
def test_every_character_shows(text: str, shown: str) -> None:
    """What has a shape stays; controls, direction marks and blanks that are no space show their code point."""
    assert visible(text) == shown


def test_what_is_cut_is_counted() -> None:
    """A long value keeps its beginning and says how much more there is."""
    assert visible("x" * 205) == "x" * 200 + "... (and 5 more)"
    assert visible("abc", 3) == "abc"
    assert visible("abcd", 3) == "abc... (and 1 more)"


def test_a_secret_is_taken_out_before_a_value_is_cut() -> None:
    """Cutting first could leave a piece that no detector knows."""
    assert "ghp_" not in visible("ghp_" + "a1" * 18, 10)


def test_fonts_without_a_letter_show_its_code_point() -> None:
    """For pictures everything beyond ASCII is named."""
    assert visible("é$|", ascii_only=True) == "[U+00E9]$|"


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("run_demo-001.v2", "run_demo-001.v2"),
        ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"),
        ("A sentence. And a comma, here.", "A sentence. And a comma, here."),
        ("a|b", "a&#124;b"),
        ("`code`", "&#96;code&#96;"),
        ("<b>&amp;", "&#60;b&#62;&#38;amp&#59;"),
        ("![x](y)", "&#33;&#91;x&#93;&#40;y&#41;"),
        ("# head", "&#35; head"),
        ("- item", "&#45; item"),
        ("1. item", "1&#46; item"),
        ("_x_ *y* ~z~", "&#95;x&#95; &#42;y&#42; &#126;z&#126;"),
        ("www.evil.example", "www&#46;evil.example"),
        ("https://evil.example", "https&#58;&#47;&#47;evil.example"),
        ("a@b.example", "a&#64;b.example"),
        ("\\|", "&#92;&#124;"),
        (" a  b ", "&#32;a&#32; b&#32;"),
        ("---", "&#45;&#45;&#45;"),
    ],
)
def test_markdown_has_nothing_to_take_hold_of(text: str, encoded: str) -> None:
    """Whatever could be structure is an entity; names, times and prose stay readable."""
    assert inline(text) == encoded


@settings(max_examples=300)
@given(HOSTILE)
def test_an_encoded_text_reads_back_and_holds_no_structure(text: str) -> None:
    """A browser shows the visible text, and the source is one line without any mark of its own."""
    encoded = inline(text)
    assert html.unescape(encoded) == visible(text)
    assert not re.search(r"[|`<>\[\]()*~\\\"'@/=!\n\r]|&(?!#[0-9]+;)|#(?<!&#)|^[-+ ]|^[0-9]+\. |www\.", encoded)
    assert encoded.isprintable()
    assert encoded.encode("utf-8").decode("utf-8") == encoded


@settings(max_examples=200)
@given(st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE), max_size=4))
def test_a_table_has_the_rows_and_cells_it_was_given(values: list[tuple[str, str, str]]) -> None:
    """No value can add a row, take one away or move a cell."""
    text = table(("a", "b", "c"), [tuple(code(value) for value in row) for row in values])
    rows = [line.split("|")[1:-1] for line in text.split("\n")]
    assert len(rows) == len(values) + 2
    assert text.splitlines() == text.split("\n")
    assert all(len(row) == 3 for row in rows)
    for row, given_row in zip(rows[2:], values, strict=True):
        shown = [html.unescape(re.sub("</?code>", "", cell))[1:-1] for cell in row]
        assert shown == [visible(value) or NOTHING for value in given_row]


def test_a_row_that_does_not_fit_is_a_defect() -> None:
    """A missing cell would move all that follow."""
    with pytest.raises(DefectError, match="1 cells in a table of 2"):
        table(("a", "b"), [(Encoded("x"),)])


def test_paths_nothing_and_lists_have_their_form() -> None:
    """A path has no bare slash, nothing is a dash, a short hash is its beginning, a list has one line an item."""
    assert code("out/x") == "<code>out&#47;x</code>"
    assert code(None) == code("") == NOTHING
    assert code(0) == "<code>0</code>"
    assert short("0123456789abcdef") == "0123456789ab"
    assert bullets(["one", "two"]) == "- one\n- two"


def test_the_events_of_a_run_stand_in_the_order_of_the_log() -> None:
    """Bars, orders and fills are merged by ts_sim, and what is left out is counted."""
    assert events_table(run_of(series_of(8)), limit=5).split("\n") == [
        "ts_sim  bar  event            detail",
        "------  ---  ---------------  -------------------------------------------",
        "1       0    STRATEGY_TICK    2026-01-01T00:00:00+00:00 close 100.00 HOLD",
        "2       1    STRATEGY_TICK    2026-01-01T00:01:00+00:00 close 100.64 BUY",
        "3       1    ORDER_SUBMITTED  BUY 1 run_demo_001-0",
        "4       2    FILL             BUY 1 at 100.53, fee 0.02, run_demo_001-0",
        "5       2    STRATEGY_TICK    2026-01-01T00:02:00+00:00 close 100.50 HOLD",
        "... 7 more",
    ]


def test_a_table_with_room_for_all_says_nothing_more() -> None:
    """Twelve events and a limit of twelve leave nothing out; no events leave the header."""
    assert "more" not in events_table(run_of(series_of(8)), limit=12)
    assert events_table(run_of(series_of(0))) == "ts_sim  bar  event  detail\n------  ---  -----  ------"


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    """A table of no rows would hide the run."""
    with pytest.raises(ConfigError, match="limit"):
        events_table(run_of(series_of(1)), limit)


@settings(max_examples=80)
@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=4))
def test_a_row_is_a_line_whatever_it_holds(rows: list[tuple[str, str]]) -> None:
    """No value breaks a line, hides behind a control or leaves a blank at the end."""
    text = aligned(("one", "two"), rows)
    assert text.splitlines() == text.split("\n")
    assert len(text.split("\n")) == len(rows) + 2
    assert all(line == line.rstrip() for line in text.split("\n"))


def test_a_hostile_name_cannot_forge_an_event() -> None:
    """A newline in an order's name is shown, not obeyed."""
    series = series_of(3)
    orders = tuple(replace(order, client_order_id="x\n99 FILL forged") for order in series.orders)
    text = events_table(run_of(replace(series, orders=orders)))
    assert len(text.split("\n")) == len(events_table(run_of(series)).split("\n"))
    assert "x[U+000A]99 FILL forged" in text
