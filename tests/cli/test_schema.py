"""``c2lib schema``: the JSON Schemas of the artifacts, written or checked."""

import json
from pathlib import Path

import pytest

from c2lib.app import paths as places
from tests.app.conftest import Command

SCHEMAS = {f"{name}.schema.json" for name in ("event", "state_snapshot", "audit_entry", "metrics", "run_manifest")}


def test_checkout_is_current(command: Command) -> None:
    """The schemas of the checkout are those of the package."""
    answer = command("schema", "--check")
    assert (answer.code, answer.facts, answer.err) == (0, {"stale": []}, "")


def test_schemas_are_written_where_asked(command: Command, tmp_path: Path) -> None:
    """The command schema writes current schemas into the given folder and prints the names of the files."""
    folder = tmp_path / "deep" / "pages"
    answer = command("schema", "--text", "--out", folder)
    assert answer.code == 0
    assert {path.name for path in folder.iterdir()} == SCHEMAS
    assert set(answer.out.splitlines()) == {str(path) for path in folder.iterdir()}
    for path in folder.glob("*.json"):
        assert json.loads(path.read_text())
    assert command("schema", "--check", "--out", folder).code == 0


def test_stale_schema_is_named(command: Command, tmp_path: Path) -> None:
    """A schema that is missing, was changed or is no text is named by ``--check``, and none is written."""
    command("schema", "--out", tmp_path)
    stale = ("metrics.schema.json", "audit_entry.schema.json", "event.schema.json")
    (tmp_path / stale[0]).unlink()
    (tmp_path / stale[1]).write_text("other")
    (tmp_path / stale[2]).write_bytes(b"\xff")
    answer = command("schema", "--check", "--out", tmp_path)
    assert (answer.code, sorted(answer.facts["stale"])) == (1, sorted(str(tmp_path / name) for name in stale))
    assert answer.err.count("\n") == 3
    for name in stale:
        assert f"c2lib: stale: {tmp_path}/{name} (write it again with: c2lib schema)\n" in answer.err
    assert not (tmp_path / stale[0]).exists()


def test_unwritable_folder_is_named(command: Command, tmp_path: Path) -> None:
    """A folder that cannot be written is named, with exit code 2."""
    (tmp_path / "file").write_text("mine")
    answer = command("schema", "--out", tmp_path / "file")
    assert answer.code == 2
    assert str(tmp_path / "file") in answer.complaint


def test_symlink_is_not_written_through(command: Command, tmp_path: Path) -> None:
    """A schema file that is a symlink is refused by name, and the symlink's target stays unchanged."""
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "event.schema.json").symlink_to(tmp_path / "mine")
    answer = command("schema", "--out", tmp_path / "pages")
    assert (answer.code, (tmp_path / "mine").read_text()) == (2, "mine")
    assert answer.err == f"c2lib: {tmp_path / 'pages' / 'event.schema.json'}: Too many levels of symbolic links\n"


def test_impossible_folder_is_refused(command: Command) -> None:
    """A folder that no path can be is refused by the name of its option."""
    answer = command("schema", "--out", "a\0b")
    assert (answer.code, answer.complaint) == (2, "--out: no path can be spelled like this")


def test_folder_is_needed_without_checkout(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package has no docs to write to, so that a folder must be named."""
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "c2lib")
    assert command("schema").complaint == "--out: there is no checkout here; name a folder"
