"""What belongs to this machine: the output root, what the package ships, and the facts that may differ."""

import getpass
import json
import platform
import socket
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from c2lib.app import paths
from c2lib.app.paths import checkout, environment_facts, output_root, resource
from c2lib.core.errors import InputError
from c2lib.core.vocabulary import Artifact
from c2lib.record.lines import object_line

ROOT = Path(__file__).resolve().parents[2]


def test_the_checkout_is_found_from_the_package() -> None:
    """The folder that holds pyproject.toml and the package is the checkout."""
    assert checkout() == ROOT


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the package lie where no checkout is, and return its folder."""
    package = tmp_path / "site-packages" / "c2lib"
    package.mkdir(parents=True)
    monkeypatch.setattr(paths, "PACKAGE", package)
    return package


def test_an_installed_package_has_no_checkout(installed: Path) -> None:
    """A folder around the package that only looks like a checkout is none."""
    assert checkout() is None
    (installed.parent / "pyproject.toml").write_text("")
    assert checkout() is None


def test_what_the_caller_says_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The output root is the argument, before the environment."""
    monkeypatch.setenv("C2LIB_OUT", "from-environment")
    assert output_root("chosen") == Path("chosen")
    assert output_root(Path("chosen")) == Path("chosen")


@pytest.mark.parametrize("left_out", [None, ""])
def test_the_environment_comes_next(monkeypatch: pytest.MonkeyPatch, left_out: str | None) -> None:
    """An argument left out, or empty as in a notebook, lets $C2LIB_OUT decide."""
    monkeypatch.setenv("C2LIB_OUT", "from-environment")
    assert output_root(left_out) == Path("from-environment")


@pytest.mark.parametrize("value", [None, ""])
def test_then_the_checkout_and_then_the_folder_at_hand(
    monkeypatch: pytest.MonkeyPatch, installed: Path, tmp_path: Path, value: str | None
) -> None:
    """Without argument and environment it is out/ of the checkout, and without a checkout ./out."""
    monkeypatch.delenv("C2LIB_OUT")
    if value is not None:
        monkeypatch.setenv("C2LIB_OUT", value)
    monkeypatch.chdir(tmp_path)
    assert output_root() == tmp_path / "out"
    monkeypatch.setattr(paths, "PACKAGE", ROOT / "c2lib")
    assert output_root() == ROOT / "out"


def test_resources_come_from_the_checkout() -> None:
    """What is edited there is what is used."""
    assert resource("notebooks") == ROOT / "notebooks"
    assert resource("evidence_templates") == ROOT / "evidence_templates"


def test_resources_come_from_an_installed_package(installed: Path) -> None:
    """Without a checkout the frozen copy in the package is used."""
    (installed / "_data" / "notebooks").mkdir(parents=True)
    assert resource("notebooks") == installed / "_data" / "notebooks"


@pytest.mark.usefixtures("installed")
def test_a_broken_installation_says_what_to_do() -> None:
    """A resource that is not there is an error that names it."""
    with pytest.raises(InputError, match="the folder notebooks of this installation is missing: install c2lib again"):
        resource("notebooks")


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
