import re

import pytest

from c2lib.core.contract import AUDIT_CODES, AUDIT_FIELDS, EVENT_FIELDS, MANIFEST_FIELDS, PAYLOADS, SNAPSHOT_FIELDS
from c2lib.core.diagrams import codes_page, generated_pages, order_diagram, session_diagram, states_page
from c2lib.core.schema import schemas
from c2lib.core.states import ORDER_TABLE, SESSION_TABLE, STATUS_OF_PHASE
from c2lib.core.vocabulary import Artifact, StopReason

PAGES = generated_pages()


def arrows(diagram: str) -> set[tuple[str, str, str]]:
    """Read a diagram back: every (before, trigger, after) that an arrow with a label says."""
    found = re.findall(r"^    (\w+) --> (\w+): (.+)$", diagram, re.MULTILINE)
    return {(before, trigger, after) for before, after, label in found for trigger in label.split(" or ")}


def rows(page: str) -> list[list[str]]:
    """Read the tables of a page back: the cells of each row, heads among them."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return [[cell.replace("\\|", "|") for cell in re.split(r"(?<!\\) ?\| ?", line)[1:-1]] for line in lines]


def test_the_session_diagram_is_the_table() -> None:
    """Reading the arrows back gives the table, no row more or less."""
    table = {(before.value, trigger.value, after.value) for (before, trigger), after in SESSION_TABLE.items()}
    assert arrows(session_diagram()) == table


def test_the_order_diagram_is_the_table() -> None:
    """Reading the arrows back gives the table, no row more or less."""
    table = {(before.value, trigger.value, after.value) for (before, trigger), after in ORDER_TABLE.items()}
    assert arrows(order_diagram()) == table


@pytest.mark.parametrize(
    ("diagram", "start", "ends"),
    [
        (session_diagram(), "INIT", {"STOPPED", "PREFLIGHT_FAILED", "ERROR_REQUIRES_OPERATOR"}),
        (order_diagram(), "PENDING_NEW", {"FILLED", "CANCELLED", "REJECTED", "EXPIRED"}),
    ],
)
def test_a_diagram_shows_where_it_begins_and_ends(diagram: str, start: str, ends: set[str]) -> None:
    """One arrow in, one arrow out of every end."""
    assert diagram.startswith("stateDiagram-v2\n")
    assert re.findall(r"\[\*\] --> (\w+)", diagram) == [start]
    assert set(re.findall(r"(\w+) --> \[\*\]", diagram)) == ends


def test_the_page_of_states_has_both_machines() -> None:
    """Both diagrams in fences, every transition as a row, the status of every phase."""
    page = states_page()
    assert re.findall(r"```mermaid\n(.*?)```", page, re.DOTALL) == [session_diagram(), order_diagram()]
    listed = rows(page)
    for before, trigger, after in arrows(session_diagram()) | arrows(order_diagram()):
        assert [f"`{before}`", f"`{trigger}`", f"`{after}`"] in listed
    for phase, status in STATUS_OF_PHASE.items():
        assert [f"`{phase.value}`", f"`{status.value}`"] in listed


def test_the_page_of_fields_has_every_field() -> None:
    """Each with its meaning, under the name of its artifact or event."""
    page = codes_page()
    listed = rows(page)
    for fields in (EVENT_FIELDS, SNAPSHOT_FIELDS, AUDIT_FIELDS, MANIFEST_FIELDS, *PAYLOADS.values()):
        for field in fields:
            matching = [row for row in listed if row[0] == f"`{field.name}`" and row[-1] == field.meaning]
            assert matching
            assert all(row[2] == ("yes" if field.nullable else "no") for row in matching)
    for name in (*(kind.value for kind in PAYLOADS), *(a.value for a in Artifact if a is not Artifact.ENVIRONMENT)):
        assert f"### `{name}`\n" in page


def test_the_page_of_fields_has_every_code_and_word() -> None:
    """Codes and stop reasons are listed one a line; a short vocabulary stands in its cell."""
    page = codes_page()
    for word in (*AUDIT_CODES, *StopReason):
        assert f"- `{word}`\n" in page
    assert ["`side`", "`BUY` or `SELL`", "no", "direction"] in rows(page)
    assert ["`seed`", "integer, also negative", "no", "the run's seed"] in rows(page)


def test_the_vocabularies_that_are_too_long_for_a_cell_are_on_the_page() -> None:
    """A cell that says "see below" keeps its word."""
    page = codes_page()
    for row in rows(page):
        assert row[1] in ("one of 12 words, see below", "one of 13 words, see below", "one of 30 words, see below") or (
            "see below" not in row[1]
        )
    assert "one of 30: all of the first three lists" in page


def test_everything_that_is_generated_is_handed_out() -> None:
    """Two pages and the schemas, by their path below the folder of the contract."""
    assert set(PAGES) == {"states.md", "fields.md", *schemas()}
    assert PAGES["states.md"] == states_page()
    assert PAGES["fields.md"] == codes_page()


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_text_is_a_clean_text_file(name: str) -> None:
    """One newline at the end, no blank at the end of a line, and what it was made from where a page can say so."""
    text = PAGES[name]
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not re.search(r"[ \t]$", text, re.MULTILINE)
    assert ("Generated by `c2lib schema`" in text) is name.endswith(".md")


@pytest.mark.parametrize("name", ["states.md", "fields.md"])
def test_the_tables_of_a_page_are_regular(name: str) -> None:
    """Within a table, every row has as many cells as its head."""
    for block in re.findall(r"(?:^\|.*\n)+", PAGES[name], re.MULTILINE):
        assert len({len(row) for row in rows(block)}) == 1
