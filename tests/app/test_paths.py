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
from c2lib.core.errors import ConfigError, InputError
from c2lib.core.vocabulary import Artifact
from c2lib.record.lines import object_line

ROOT = Path(__file__).resolve().parents[2]


def test_checkout_is_found() -> None:
    """The checkout is the folder that holds pyproject.toml and the package."""
    assert checkout() == ROOT


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the package lie where no checkout is, and return its folder."""
    package = tmp_path / "site-packages" / "c2lib"
    package.mkdir(parents=True)
    monkeypatch.setattr(paths, "PACKAGE", package)
    return package


def test_installed_package_has_no_checkout(installed: Path) -> None:
    """An installed package has no checkout, also when a pyproject.toml lies beside the package."""
    assert checkout() is None
    (installed.parent / "pyproject.toml").write_text("")
    assert checkout() is None


def test_argument_decides_output_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """An output root given as an argument is used in place of the environment variable."""
    monkeypatch.setenv("C2LIB_OUT", "from-environment")
    assert output_root("chosen") == Path("chosen")
    assert output_root(Path("chosen")) == Path("chosen")


def test_variable_decides_output_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument $C2LIB_OUT is the output root, and an empty argument is refused."""
    monkeypatch.setenv("C2LIB_OUT", "from-environment")
    assert output_root() == Path("from-environment")
    with pytest.raises(ConfigError, match=r"^out_dir: is empty \(name a folder, or leave it out\)$"):
        output_root("")


@pytest.mark.parametrize("value", [None, ""])
def test_default_root_is_out(
    monkeypatch: pytest.MonkeyPatch, installed: Path, tmp_path: Path, value: str | None
) -> None:
    """Without argument and variable the output root is out/ of the checkout, or of the working folder."""
    monkeypatch.delenv("C2LIB_OUT")
    if value is not None:
        monkeypatch.setenv("C2LIB_OUT", value)
    monkeypatch.chdir(tmp_path)
    assert output_root() == tmp_path / "out"
    monkeypatch.setattr(paths, "PACKAGE", ROOT / "c2lib")
    assert output_root() == ROOT / "out"


def test_checkout_provides_resources() -> None:
    """In a checkout, notebooks and evidence templates come from that checkout."""
    assert resource("notebooks") == ROOT / "notebooks"
    assert resource("evidence_templates") == ROOT / "evidence_templates"


def test_installation_provides_resources(installed: Path) -> None:
    """Without a checkout, resources come from the copy inside the installed package."""
    (installed / "_data" / "notebooks").mkdir(parents=True)
    assert resource("notebooks") == installed / "_data" / "notebooks"


@pytest.mark.usefixtures("installed")
def test_missing_resource_is_an_error() -> None:
    """A missing resource raises an InputError that names the resource and says to install c2lib again."""
    with pytest.raises(InputError, match="the folder notebooks of this installation is missing: install c2lib again"):
        resource("notebooks")


def test_environment_lists_versions() -> None:
    """The environment facts list versions and the market file's name, but not the file's folder."""
    facts = environment_facts("/home/someone/day.csv")
    assert facts["python"] == platform.python_version()
    assert facts["packages"]["c2lib"]
    assert facts["hints"] == {"market_file": "day.csv"}
    assert "unsealed" in facts["note"]


def test_environment_is_canonical() -> None:
    """The environment facts have a canonical line, whatever bytes the market file's name holds."""
    facts = environment_facts("ol\udce9.csv")
    assert json.loads(object_line(facts)) == facts


def test_hint_is_redacted() -> None:
    """A secret in the market file's path is redacted in the environment facts."""
    secret = "pass" + "word=hunter2hunter2"
    assert "hunter2" not in json.dumps(environment_facts(f"/data/{secret}.csv"))


def test_environment_names_nobody(published: Path) -> None:
    """The environment facts of a run contain no name of the user or of the host."""
    facts = json.loads((published / Artifact.ENVIRONMENT).read_bytes())
    words = set(json.dumps(facts).replace('"', " ").replace(",", " ").split())
    assert not words & {getpass.getuser(), socket.gethostname()}


def test_missing_package_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is not installed has the version null in the environment facts."""

    def missing(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert set(environment_facts(None)["packages"].values()) == {None}
