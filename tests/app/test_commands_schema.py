"""``c2lib schema``: the generated pages of the contract, written or checked."""

import json
from pathlib import Path

import pytest

from c2lib.app import paths as places
from tests.app.conftest import Command

PAGES = {"fields.md", "states.md"} | {
    f"{name}.schema.json" for name in ("event", "state_snapshot", "audit_entry", "metrics", "run_manifest")
}


def test_the_pages_of_the_checkout_are_current(command: Command) -> None:
    """CI fails when they are stale."""
    answer = command("schema", "--check")
    assert (answer.code, answer.out, answer.err) == (0, "", "")


def test_the_pages_are_written_where_asked(command: Command, tmp_path: Path) -> None:
    """Their names are printed, and written again they are the same."""
    folder = tmp_path / "deep" / "pages"
    answer = command("schema", "--out", folder)
    assert answer.code == 0
    assert {path.name for path in folder.iterdir()} == PAGES
    assert set(answer.out.splitlines()) == {str(path) for path in folder.iterdir()}
    for path in folder.glob("*.json"):
        assert json.loads(path.read_text())
    assert command("schema", "--check", "--out", folder).code == 0


def test_a_stale_page_is_named(command: Command, tmp_path: Path) -> None:
    """One that is missing, one that was changed and one that is no text; none is written."""
    command("schema", "--out", tmp_path)
    (tmp_path / "states.md").unlink()
    (tmp_path / "fields.md").write_text("other")
    (tmp_path / "event.schema.json").write_bytes(b"\xff")
    answer = command("schema", "--check", "--out", tmp_path)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.count("\n") == 3
    for name in ("states.md", "fields.md", "event.schema.json"):
        assert f"c2lib: stale: {tmp_path}/{name} (write it again with: c2lib schema)\n" in answer.err
    assert not (tmp_path / "states.md").exists()


def test_a_folder_that_cannot_be_written_is_named(command: Command, tmp_path: Path) -> None:
    """Exit 2."""
    (tmp_path / "file").write_text("mine")
    answer = command("schema", "--out", tmp_path / "file")
    assert answer.code == 2
    assert str(tmp_path / "file") in answer.complaint


def test_a_page_that_is_a_symlink_is_not_written_through(command: Command, tmp_path: Path) -> None:
    """What it points to stays, and the page is named."""
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "states.md").symlink_to(tmp_path / "mine")
    answer = command("schema", "--out", tmp_path / "pages")
    assert (answer.code, (tmp_path / "mine").read_text()) == (2, "mine")
    assert answer.err == f"c2lib: {tmp_path / 'pages' / 'states.md'}: Too many levels of symbolic links\n"


def test_a_folder_that_no_path_can_be_is_refused(command: Command) -> None:
    """Exit 2 and one line that names the option."""
    answer = command("schema", "--out", "a\0b")
    assert (answer.code, answer.complaint) == (2, "--out: no path can be spelled like this")


def test_without_a_checkout_a_folder_must_be_named(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed package has no docs to write to."""
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "c2lib")
    assert command("schema").complaint == "--out: there is no checkout here; name a folder"
