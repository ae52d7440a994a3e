"""Set-up from a lock: what it names is all that is needed, and all that is installed, whatever else is on offer."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted(ROOT.glob("**/requirements*.lock"))


def pinned(lock: Path) -> dict[str, str]:
    """Return the versions that a lock names, by package."""
    lines = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in lines}


def wanted() -> list[Requirement]:
    """Return what the project asks for, all extras and the build's own needs among it."""
    facts = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, groups = facts["project"], facts["dependency-groups"]
    lists = [project["dependencies"], *project["optional-dependencies"].values(), *groups.values()]
    return [Requirement(text) for texts in lists for text in texts]


def needed_by(requirement: Requirement) -> list[Requirement]:
    """Return what an installed package needs here, with the extras that it is asked for."""
    needs = [Requirement(text) for text in distribution(requirement.name).requires or ()]
    extras = ("", *requirement.extras)
    return [need for need in needs if not need.marker or any(need.marker.evaluate({"extra": name}) for name in extras)]


def test_lock_is_complete() -> None:
    """Every package that the project needs, directly or through another, has its version in the lock."""
    versions, waiting, seen = pinned(ROOT / "requirements.lock"), wanted(), set()
    while waiting:
        requirement = waiting.pop()
        if (key := str(requirement)) in seen:
            continue
        seen.add(key)
        name = canonicalize_name(requirement.name)
        assert name in versions, f"{requirement} is in no line of the lock"
        assert requirement.specifier.contains(versions[name], prereleases=True), (requirement, versions[name])
        waiting += needed_by(requirement)
    assert len(seen) > 100


def wheel(folder: Path, name: str, version: str, *facts: str) -> str:
    """Write an empty wheel and return its line in a lock."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(
            f"{info}/METADATA", "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *facts, ""])
        )
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


TOML = ("Provides-Extra: toml", 'Requires-Dist: c2dummy-toml; extra == "toml"')


@pytest.fixture
def offer(tmp_path: Path) -> Path:
    """Return a project of ours with a lock of two packages; a newer release of one of them is on offer."""
    (tmp_path / "offer").mkdir()
    (tmp_path / "tests" / "bench").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", tmp_path)
    lock = [
        wheel(tmp_path / "offer", "c2dummy_plugin", "1.0", "Requires-Dist: c2dummy_tool[toml]>=1"),
        wheel(tmp_path / "offer", "c2dummy_tool", "1.0", *TOML),
        wheel(tmp_path / "offer", "c2dummy_toml", "1.0"),
    ]
    wheel(tmp_path / "offer", "c2dummy_tool", "2.0", *TOML)
    (tmp_path / "tests" / "bench" / "requirements-peers.lock").write_text("\n".join(lock) + "\n")
    return tmp_path


def set_up(project: Path) -> subprocess.CompletedProcess[str]:
    """Make an environment from the project's lock by the Makefile's own rule, with the pip that Python brings."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("PIP_", "MAKE"))}
    environ |= {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(project / "offer"),
        "PIP_NO_CACHE_DIR": "1",
        "PIP_CONFIG_FILE": os.devnull,
    }
    return subprocess.run(
        ["make", f"PYTHON={sys.executable}", ".venv-peers/.made"],
        cwd=project,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_newer_release_is_ignored(offer: Path) -> None:
    """A lock's own versions are installed although a newer release of one of its packages is on offer."""
    done = set_up(offer)
    assert done.returncode == 0, done.stdout + done.stderr
    installed = {path.name for path in (offer / ".venv-peers").glob("lib/*/site-packages/c2dummy*.dist-info")}
    assert installed == {f"c2dummy_{name}-1.0.dist-info" for name in ("plugin", "tool", "toml")}


def test_incomplete_lock_stops(offer: Path) -> None:
    """A lock that lacks what one of its packages needs makes no environment, and that package is named."""
    lock = offer / "tests" / "bench" / "requirements-peers.lock"
    lock.write_text(lock.read_text().splitlines()[0] + "\n")
    done = set_up(offer)
    assert done.returncode != 0
    assert "c2dummy-plugin 1.0 requires c2dummy-tool, which is not installed" in done.stdout.replace("_", "-")
    assert not (offer / ".venv-peers" / ".made").exists()


def test_locks_are_installed_exactly() -> None:
    """Every Makefile command that installs a lock requires hashes and leaves the resolver out."""
    lines = [line for line in (ROOT / "Makefile").read_text().splitlines() if "pip install" in line]
    assert len(LOCKS) == 6
    assert [line for line in lines if "--require-hashes" in line]
    for line in lines:
        assert "--no-deps" in line, line
        assert "--require-hashes" in line or line.endswith("-e ."), line
