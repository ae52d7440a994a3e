"""What may differ between machines."""

import getpass
import json
import platform
import socket
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from c2lib.app.paths import environment_facts
from c2lib.core.vocabulary import Artifact
from c2lib.record.lines import object_line


def test_it_tells_versions_and_hints() -> None:
    """A reader learns what ran, and from which file, but not where it lies: folders bear the names of people."""
    facts = environment_facts("/home/someone/day.csv")
    assert facts["python"] == platform.python_version()
    assert facts["packages"]["c2lib"]
    assert facts["hints"] == {"market_file": "day.csv"}
    assert "unsealed" in facts["note"]


def test_it_is_an_object_that_an_artifact_can_hold() -> None:
    """It has a canonical line, whatever bytes a file name is made of."""
    facts = environment_facts("ol\udce9.csv")
    assert json.loads(object_line(facts)) == facts


def test_a_hint_shows_no_secret() -> None:
    """A path that holds a password is redacted."""
    secret = "pass" + "word=hunter2hunter2"
    assert "hunter2" not in json.dumps(environment_facts(f"/data/{secret}.csv"))


def test_it_names_neither_user_nor_host(published: Path) -> None:
    """What a run leaves says nothing of who ran it where."""
    facts = json.loads((published / Artifact.ENVIRONMENT).read_bytes())
    words = set(json.dumps(facts).replace('"', " ").replace(",", " ").split())
    assert not words & {getpass.getuser(), socket.gethostname()}


def test_a_package_that_is_not_there_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an extra the version is null."""

    def missing(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert set(environment_facts(None)["packages"].values()) == {None}
