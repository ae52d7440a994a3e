"""Tables of HTML: escaped, cut off, plain."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.core.html import MAX_CELL, MAX_ROWS, cell_text, facts_table, rows_table
from tests.core.configs import SECRET

HOSTILE = [
    "<script>alert(1)</script>",
    '" onload="x',
    "</td></table><img src=x>",
    "&lt;b&gt;",
    "a\nb\u2028c",
    "--><!--",
]
TEXTS = st.text(max_size=40) | st.sampled_from(HOSTILE)


class Read(HTMLParser):
    """What a parser sees: the tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.markup: list[object] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.markup.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        """Keep the end of a tag."""
        self.markup.append(tag)

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        """Keep a comment as markup."""
        self.markup.append(data)

    def handle_decl(self, decl: str) -> None:
        """Keep a declaration as markup."""
        self.markup.append(decl)

    handle_pi = unknown_decl = handle_comment


@given(texts=st.lists(TEXTS, min_size=6, max_size=6))
def test_value_never_becomes_markup(texts: list[str]) -> None:
    """Whatever the values are, tags and attributes are the same, and the text is that of the values."""
    title, status, name, value, column, cell = texts
    seen = Read(facts_table(title, status, [(name, value)]) + rows_table(title, [column, "b"], [(cell, value)], 1))
    plain = Read(facts_table("x", "x", [("x", "x")]) + rows_table("x", ["x", "b"], [("x", "x")], 1))
    assert seen.markup == plain.markup
    parts = [title, " ", status, "\n", name, value, "\n", title, ": 1 row\n", column, "b\n", cell, value]
    expected = "".join(part if part in (" ", "\n", ": 1 row\n", "b\n") else cell_text(part) for part in parts)
    assert "".join("".join(seen.text).split()) == "".join(expected.split())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (("a", "b"), "a, b"),
        ({"fast": 3}, "fast=3"),
        ("a\nb", "a\\nb"),
        ("\u202eabc", "\\u202eabc"),
        ("\ud800", "\\ud800"),
        ("東京", "東京"),
    ],
)
def test_value_is_one_line(value: object, text: str) -> None:
    """A value is shown as one line of printable text."""
    assert cell_text(value) == text


@pytest.mark.parametrize("value", [SECRET, ["a", SECRET], {"name": SECRET}, "x" * (MAX_CELL - 5) + " " + SECRET])
def test_value_holds_no_secret(value: object) -> None:
    """A secret in a value is not shown, also where the value is cut off within it."""
    assert "hunter2" not in cell_text(value)


def test_long_value_is_cut() -> None:
    """A value longer than the bound ends in an ellipsis."""
    assert cell_text("ab " * MAX_CELL) == ("ab " * MAX_CELL)[: MAX_CELL - 1] + "…"


@pytest.mark.parametrize(
    ("count", "caption", "shown"),
    [(0, "fills: 0 rows", 0), (1, "fills: 1 row", 1), (20, "fills: 20 rows", 20), (1340, "first 20 of 1,340 rows", 20)],
)
def test_cut_off_is_stated(count: int, caption: str, shown: int) -> None:
    """A table shows the first rows and says how many there are."""
    html = rows_table("fills", ["n", "square"], ((n, n * n) for n in range(count)), count)
    assert f"{caption}</caption>" in html
    assert html.count("<td") == shown <= MAX_ROWS


def test_tables_stand_alone() -> None:
    """A table has no id, script, link or colour of its own, and is the same each time."""
    html = facts_table("run", "SEALED", [("a", 1)]) + rows_table("fills", ["a", "b"], [(1, 2)], 1)
    assert html == facts_table("run", "SEALED", [("a", 1)]) + rows_table("fills", ["a", "b"], [(1, 2)], 1)
    assert not re.search(r"\bid=|<script|<style|href|src|url\(|#[0-9a-f]{3}|rgb|white|black", html)
    tags = {entry[0] for entry in Read(html).markup if isinstance(entry, tuple)}
    assert tags == {"table", "caption", "strong", "em", "thead", "tr", "th", "td"}
