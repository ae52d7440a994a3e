"""Where things are: the output root, and what the package ships."""

from pathlib import Path

import pytest

from c2lib.app import paths as places
from c2lib.app.paths import checkout, output_root, resource
from c2lib.core.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def test_the_checkout_is_found_from_the_package() -> None:
    """The folder that holds pyproject.toml and the package is the checkout."""
    assert checkout() == ROOT


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the package lie where no checkout is, and return its folder."""
    package = tmp_path / "site-packages" / "c2lib"
    package.mkdir(parents=True)
    monkeypatch.setattr(places, "PACKAGE", package)
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
    monkeypatch.setattr(places, "PACKAGE", ROOT / "c2lib")
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
