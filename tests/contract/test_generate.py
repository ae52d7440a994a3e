"""The generator of the pages of the contract, ``docs/contract/generate.py``."""

import re
from pathlib import Path

import generate
import pytest
from generate import diagram, fields_page, main, pages, states_page

from c2lib.core.contract import (
    AUDIT_CODES,
    AUDIT_FIELDS,
    EVENT_FIELDS,
    MANIFEST_FIELDS,
    PAYLOADS,
    SCHEMA_OF,
    SNAPSHOT_FIELDS,
    schemas,
)
from c2lib.core.states import (
    ORDER_ENDS,
    ORDER_TABLE,
    SESSION_ENDS,
    SESSION_TABLE,
    STATUS_OF_PHASE,
    OrderStatus,
    SessionPhase,
)
from c2lib.core.vocabulary import StopReason

PAGES = pages()
SESSION = diagram(SESSION_TABLE, SessionPhase.INIT, SESSION_ENDS)
ORDER = diagram(ORDER_TABLE, OrderStatus.PENDING_NEW, ORDER_ENDS)


def arrows(diagram: str) -> set[tuple[str, str, str]]:
    """Read a diagram back: every (before, trigger, after) that an arrow with a label says."""
    found = re.findall(r"^    (\w+) --> (\w+): (.+)$", diagram, re.MULTILINE)
    return {(before, trigger, after) for before, after, label in found for trigger in label.split(" or ")}


def rows(page: str) -> list[list[str]]:
    """Read the tables of a page back: the cells of each row, heads among them."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return [[cell.replace("\\|", "|") for cell in re.split(r"(?<!\\) ?\| ?", line)[1:-1]] for line in lines]


def test_session_diagram_is_the_table() -> None:
    """The arrows of the session diagram are the rows of the session table."""
    table = {(before.value, trigger.value, after.value) for (before, trigger), after in SESSION_TABLE.items()}
    assert arrows(SESSION) == table


def test_order_diagram_is_the_table() -> None:
    """The arrows of the order diagram are the rows of the order table."""
    table = {(before.value, trigger.value, after.value) for (before, trigger), after in ORDER_TABLE.items()}
    assert arrows(ORDER) == table


@pytest.mark.parametrize(
    ("machine", "start", "ends"),
    [
        (SESSION, "INIT", {"STOPPED", "PREFLIGHT_FAILED", "ERROR_REQUIRES_OPERATOR"}),
        (ORDER, "PENDING_NEW", {"FILLED", "CANCELLED", "REJECTED", "EXPIRED"}),
    ],
)
def test_diagram_has_start_and_ends(machine: str, start: str, ends: set[str]) -> None:
    """A state diagram has one arrow in, and one arrow out of every end state."""
    assert machine.startswith("stateDiagram-v2\n")
    assert re.findall(r"\[\*\] --> (\w+)", machine) == [start]
    assert set(re.findall(r"(\w+) --> \[\*\]", machine)) == ends


def test_states_page_has_two_machines() -> None:
    """The states page has the two diagrams, every transition as a row and the status of every phase."""
    page = states_page()
    assert re.findall(r"```mermaid\n(.*?)```", page, re.DOTALL) == [SESSION, ORDER]
    listed = rows(page)
    for before, trigger, after in arrows(SESSION) | arrows(ORDER):
        assert [f"`{before}`", f"`{trigger}`", f"`{after}`"] in listed
    for phase, status in STATUS_OF_PHASE.items():
        assert [f"`{phase.value}`", f"`{status.value}`"] in listed


def test_fields_page_has_every_field() -> None:
    """The fields page has each field with its meaning under the name of its artifact or event."""
    page = fields_page()
    listed = rows(page)
    for fields in (EVENT_FIELDS, SNAPSHOT_FIELDS, AUDIT_FIELDS, MANIFEST_FIELDS, *PAYLOADS.values()):
        for field in fields:
            matching = [row for row in listed if row[0] == f"`{field.name}`" and row[-1] == field.meaning]
            assert matching
            assert all(row[2] == ("yes" if field.nullable else "no") for row in matching)
    for name in (*(kind.value for kind in PAYLOADS), *(artifact.value for artifact in SCHEMA_OF)):
        assert f"### `{name}`\n" in page


def test_fields_page_has_every_code() -> None:
    """The fields page lists codes and stop reasons one a line, and a short vocabulary in its cell."""
    page = fields_page()
    for word in (*AUDIT_CODES, *StopReason):
        assert f"- `{word}`\n" in page
    assert ["`side`", "`BUY` or `SELL`", "no", "direction"] in rows(page)
    assert ["`seed`", "integer, also negative", "no", "the run's seed"] in rows(page)


def test_long_vocabularies_are_listed() -> None:
    """A vocabulary that is too long for a table cell is listed below the table, as the cell says."""
    page = fields_page()
    for row in rows(page):
        assert "see below" not in row[1] or row[1] in [f"one of {count} words, see below" for count in (8, 12, 15, 33)]
    assert "one of 33: all of the first three lists" in page


def test_every_page_is_generated() -> None:
    """Two pages and the schemas are generated, each by its name in the folder of the contract."""
    assert set(PAGES) == {"states.md", "fields.md", *schemas()}
    assert PAGES["states.md"] == states_page()
    assert PAGES["fields.md"] == fields_page()


@pytest.mark.parametrize("name", PAGES)
def test_page_is_clean_text(name: str) -> None:
    """A generated page has one newline at its end, no blanks at line ends, and, if Markdown, its source named."""
    text = PAGES[name]
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not re.search(r"[ \t]$", text, re.MULTILINE)
    assert ("Generated by `make generate`" in text) is name.endswith(".md")


@pytest.mark.parametrize("name", ["states.md", "fields.md"])
def test_tables_are_regular(name: str) -> None:
    """Every row of a generated table has as many cells as the table's head."""
    for block in re.findall(r"(?:^\|.*\n)+", PAGES[name], re.MULTILINE):
        assert len({len(row) for row in rows(block)}) == 1


def test_pages_of_checkout_are_current() -> None:
    """The generated pages on disk are those that the contract tables make."""
    assert main(["--check"]) == 0


def test_stale_page_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page that is missing or was changed is named by --check and written only without --check."""
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    assert main([]) == 0
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == PAGES
    (tmp_path / "states.md").unlink()
    (tmp_path / "fields.md").write_text("other")
    assert main(["--check"]) == 1
    named = [line.split(" (")[0] for line in capsys.readouterr().err.splitlines()]
    assert named == [f"stale: {tmp_path}/{name}" for name in ("states.md", "fields.md")]
    assert not (tmp_path / "states.md").exists()
    assert main(["--chekc"]) == 2
