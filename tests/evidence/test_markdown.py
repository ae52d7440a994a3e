import html
import re
from collections import Counter
from types import SimpleNamespace
from typing import cast

import mistune
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.errors import ConfigError
from c2lib.evidence.markdown import (
    NOTHING,
    Encoded,
    code,
    encoded,
    events_table,
    inline,
    padded,
    short,
    visible,
    wrapped,
)
from c2lib.witness.rows import EventRow
from c2lib.witness.run import Run
from c2lib.witness.summary import RunSummary

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
def test_every_character_is_visible(text: str, shown: str) -> None:
    """In visible text, printable characters stay, invisible ones show their code point, and secrets are redacted."""
    assert visible(text) == shown


def test_cut_text_states_remainder() -> None:
    """A text cut to a limit keeps its beginning and states how many characters are left out."""
    assert visible("x" * 205) == "x" * 200 + "... (and 5 more)"
    assert visible("abc", 3) == "abc"
    assert visible("abcd", 3) == "abc... (and 1 more)"


def test_redaction_precedes_cutting() -> None:
    """A secret is redacted before a text is cut, so no piece of the secret is left."""
    assert "ghp_" not in visible("ghp_" + "a1" * 18, 10)


def test_ascii_text_shows_code_points() -> None:
    """With ascii_only, every character beyond ASCII shows its code point and ASCII characters stay."""
    assert visible("é$|", ascii_only=True) == "[U+00E9]$|"


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("run_demo-001.v2", "run_demo-001.v2"),
        ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"),
        ("A sentence. And a comma, here.", "A sentence. And a comma, here."),
        ("a|b", "a&#124;b"),
        ("`code`", "&#96;code&#96;"),
        ("<b>&amp;", "&#60;b&#62;&#38;amp;"),
        ("![x](y)", "&#33;&#91;x&#93;(y)"),
        ("ops (A. Reviewer): it's 5%; -3 or a/b?", "ops (A. Reviewer): it's 5%; -3 or a/b?"),
        ("1) item", "1&#41; item"),
        ("# head", "&#35; head"),
        ("- item", "&#45; item"),
        ("1. item", "1&#46; item"),
        ("_x_ *y* ~z~", "&#95;x&#95; &#42;y&#42; &#126;z&#126;"),
        ("www.evil.example", "www&#46;evil.example"),
        ("https://evil.example", "https&#58;&#47;&#47;evil.example"),
        ("a://b", "a&#58;&#47;&#47;b"),
        ("--x", "&#45;&#45;x"),
        ("a@b.example", "a&#64;b.example"),
        ("\\|", "&#92;&#124;"),
        (" a  b ", "&#32;a&#32; b&#32;"),
        ("---", "&#45;&#45;&#45;"),
    ],
)
def test_markdown_structure_is_escaped(text: str, encoded: str) -> None:
    """Every character that could be markdown structure becomes an entity; names, times and prose stay readable."""
    assert inline(text) == encoded


@settings(max_examples=300)
@given(HOSTILE)
def test_encoded_text_reads_back(text: str) -> None:
    """An encoded text is one printable line without markdown structure, and unescapes to the visible text."""
    encoded = inline(text)
    assert html.unescape(encoded) == visible(text)
    assert not re.search(
        r"[|`<>\[\]*~\\\"@=!\n\r]|//|&(?!#[0-9]+;)|#(?<!&#)|^-(?![0-9])|--|^[+ ]|^[0-9]+[.)] |www\.", encoded
    )
    assert encoded.isprintable()
    assert encoded.encode("utf-8").decode("utf-8") == encoded


@settings(max_examples=200)
@given(st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE), min_size=1, max_size=4))
def test_values_cannot_alter_table(values: list[tuple[str, str, str]]) -> None:
    """No cell value can add, remove or move a row or a cell of a table, nor change it when it is padded."""
    rows = [f"| {' | '.join(map(code, row))} |" for row in values]
    text = "\n".join(padded(["| a | b | c |", "| --- | ---: | --- |", *rows]))
    assert text.splitlines() == text.split("\n")
    cells = [line.split("|")[1:-1] for line in text.split("\n")]
    assert len(cells) == len(values) + 2
    assert all(len(row) == 3 for row in cells)
    for row, given_row in zip(cells[2:], values, strict=True):
        assert [read(cell.strip(" ")) for cell in row] == [visible(value) or NOTHING for value in given_row]


def read(cell: str) -> str:
    """Return what a cell shows, of a code span or of a tag."""
    tag = re.fullmatch("<code>(.*)</code>", cell)
    return html.unescape(tag[1]) if tag else cell.strip("`")


@settings(max_examples=300)
@given(HOSTILE)
def test_code_reads_back(text: str) -> None:
    """A value as code is one code span or one tag for every markdown parser, and shows the visible text."""
    shown = code(text)
    assert read(shown) == (visible(text) or NOTHING)
    rendered = mistune.create_markdown(escape=False, plugins=["table", "math", "url", "strikethrough"])(
        f"- a {shown} b"
    )
    assert isinstance(rendered, str)
    inside = re.fullmatch(r"<ul>\n<li>a (.*) b</li>\n</ul>\n", rendered)
    assert inside
    assert html.unescape(re.sub("</?code>", "", inside[1])) == (visible(text) or NOTHING)


@settings(max_examples=300)
@given(st.lists(HOSTILE | st.sampled_from(["word", "1.", "-", "#", "a - b", "> x"]), max_size=30), st.integers(2, 30))
def test_wrapped_text_keeps_structure(words: list[str], begun: int) -> None:
    """Wrapping a value moves blanks alone: no line of it begins a list, a heading or a quotation."""
    text = " ".join(words)
    lines = wrapped(text, begun).split("\n  ")
    assert " ".join(" ".join(lines).split()) == " ".join(encoded(text).split())
    assert not [line for line in lines if re.match(r"[-+*>#=~`|]|[0-9]+[.)] ", line) and not re.match(r"-[0-9]", line)]
    spans = Encoded("see `a - b` " * 20)
    assert all(line.count("`") % 2 == 0 for line in wrapped(spans).split("\n"))
    assert max(map(len, wrapped(spans).split("\n"))) <= 100


def test_plain_text_is_encoded_again() -> None:
    """A template shows an encoded value as it is; what is put together of it is plain text and is encoded."""
    assert encoded(code("a")) == "`a`"
    assert encoded(code("a") + "|") == "&#96;a&#96;&#124;"
    assert (encoded(None), encoded(False), encoded(3)) == (NOTHING, "false", "3")


def test_values_have_fixed_forms() -> None:
    """An absent value is a dash, and a hash within a text is cut to 12 digits."""
    assert code("--require-sealed out/x") == "`--require-sealed out/x`"
    assert code(None) == code("") == NOTHING
    assert code(0) == "`0`"
    assert code(" a") == "<code>&#32;a</code>"
    assert short(f"file of sha256 {'ab' * 32}") == "file of sha256 abababababab"
    assert short("ab" * 33) == "ab" * 33


def run_with(*events: tuple[str, int, dict[str, str]]) -> Run:
    """Return what stands for a run with these events, each a type, a bar and further fields."""
    rows = [EventRow(at, "", kind, "", {"bar_index": bar, **facts}) for at, (kind, bar, facts) in enumerate(events, 1)]
    counts = Counter(row.event_type for row in rows)
    return cast("Run", SimpleNamespace(events=lambda: iter(rows), summary=RunSummary(event_counts=counts)))


def tick(bar: int, close: str, decision: str) -> tuple[str, int, dict[str, str]]:
    """Return a tick."""
    return "STRATEGY_TICK", bar, {"bar_time": f"2026-01-01T00:0{bar}:00+00:00", "close": close, "decision": decision}


ORDER = {"side": "BUY", "quantity": "1", "client_order_id": "c-000001"}
EVENTS = (
    tick(0, "100", "HOLD"),
    tick(1, "100.64", "BUY"),
    ("ORDER_SUBMITTED", 1, ORDER),
    ("ORDER_ACKNOWLEDGED", 1, ORDER),
    ("FILL", 2, {**ORDER, "price": "100.53", "fee": "0.02"}),
    tick(2, "100.5", "HOLD"),
    tick(3, "100.6", "HOLD"),
)


def test_events_follow_log_order() -> None:
    """The events table has a row of each bar, order and fill in the order of the log and counts those left out."""
    assert events_table(run_with(*EVENTS), limit=5).split("\n") == [
        "ts_sim  bar  event            detail",
        "------  ---  ---------------  ------",
        "1       0    STRATEGY_TICK    2026-01-01T00:00:00+00:00 close 100 HOLD",
        "2       1    STRATEGY_TICK    2026-01-01T00:01:00+00:00 close 100.64 BUY",
        "3       1    ORDER_SUBMITTED  BUY 1 c-000001",
        "5       2    FILL             BUY 1 at 100.53, fee 0.02, c-000001",
        "6       2    STRATEGY_TICK    2026-01-01T00:02:00+00:00 close 100.5 HOLD",
        "... 1 more",
    ]


def test_complete_table_omits_count() -> None:
    """An events table that shows every event counts no more events, and without events is the header alone."""
    assert "more" not in events_table(run_with(*EVENTS), limit=6)
    assert events_table(run_with()) == "ts_sim  bar  event            detail\n------  ---  ---------------  ------"


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_below_one_is_refused(limit: int) -> None:
    """An events table with a limit below one raises a ConfigError that names the limit."""
    with pytest.raises(ConfigError, match="limit"):
        events_table(run_with(), limit)


@settings(max_examples=80)
@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=4))
def test_events_stay_lines(texts: list[tuple[str, str]]) -> None:
    """Each event of the table is one line without trailing blanks, whatever its values hold."""
    orders = [("ORDER_SUBMITTED", 1, {**ORDER, "side": side, "client_order_id": name}) for side, name in texts]
    text = events_table(run_with(*orders))
    assert text.splitlines() == text.split("\n")
    assert len(text.split("\n")) == len(texts) + 2
    assert all(line == line.rstrip() for line in text.split("\n"))


def test_newline_cannot_forge_event() -> None:
    """A newline in an order's name is shown as its code point and adds no row to the events table."""
    text = events_table(run_with(("ORDER_SUBMITTED", 1, {**ORDER, "client_order_id": "x\n99 FILL forged"})))
    assert len(text.split("\n")) == 3
    assert "x[U+000A]99 FILL forged" in text
