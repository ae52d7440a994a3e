"""The wheel: built offline, complete, without what an editor leaves behind, and enough to run from."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("c2lib", "notebooks", "evidence_templates")
VERIFIER = "docs/contract/verify_run.py"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def run(*words: str | Path, cwd: Path, **env: str) -> str:
    """Run a command away from the checkout and return its stdout."""
    environ = {**os.environ, "PIP_NO_INDEX": "1", "C2LIB_OUT": str(cwd / "out"), **env}
    done = subprocess.run(words, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of a copy of the project in which JupyterLab has been at work, and which git does not know."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        (source / name / ".ipynb_checkpoints").mkdir(exist_ok=True)
        (source / name / ".ipynb_checkpoints" / "planted-checkpoint.ipynb").write_text("{}")
    (source / VERIFIER).parent.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE", VERIFIER):
        shutil.copy(ROOT / name, source / name)
    (source / VERIFIER).with_name("page.md").write_text("a page beside it")
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", target, source, cwd=target)
    (made,) = target.glob("c2lib-*.whl")
    return made


def test_checkout_installs_editable(tmp_path: Path) -> None:
    """The project installs editable, as make setup does, and is imported from its checkout alone."""
    place = tmp_path / "installed"
    run(*PIP, "install", "--no-deps", "--no-build-isolation", "--target", place, "-e", ROOT, cwd=tmp_path)
    (pointer,) = place.glob("*c2lib*.pth")
    assert pointer.read_text().split() == [str(ROOT)]
    assert not (place / "c2lib").exists()


def test_wheel_is_complete(wheel: Path) -> None:
    """The wheel holds the package with its type marker, notebooks, templates and second verifier, and nothing else."""
    names = set(zipfile.ZipFile(wheel).namelist())
    package = [path for end in ("*.py", "*.js", "*.html") for path in (ROOT / "c2lib").rglob(end)]
    expected = {path.relative_to(ROOT).as_posix() for path in package}
    expected |= {"c2lib/py.typed", f"c2lib/_data/{VERIFIER}", "c2lib/evidence/timeline.js"}
    for folder in FOLDERS[1:]:
        expected |= {f"c2lib/_data/{folder}/{path.name}" for path in (ROOT / folder).iterdir() if path.is_file()}
    assert {name for name in names if name.startswith("c2lib/")} == expected


def test_wheel_runs_alone(wheel: Path, tmp_path: Path) -> None:
    """The wheel, installed into an empty folder, gives its version, a run, its evidence draft, and two notebooks."""
    place = tmp_path / "installed"
    run(*PIP, "install", "--no-deps", "--target", place, wheel, cwd=tmp_path)
    command = (sys.executable, "-P", "-m", "c2lib")
    where = run(sys.executable, "-P", "-c", "import c2lib; print(c2lib.__file__)", cwd=tmp_path, PYTHONPATH=str(place))
    assert where.strip() == str(place / "c2lib" / "__init__.py")
    version = wheel.name.split("-")[1]
    assert run(*command, "--version", cwd=tmp_path, PYTHONPATH=str(place)) == f"c2lib {version}\n"
    words = ("dryrun", "--strategy-id", "strat_demo", "--seed", "7", "--run-id", "alone")
    run(*command, *words, cwd=tmp_path, PYTHONPATH=str(place))
    made = tmp_path / "out" / "finish_c" / "c2" / "alone"
    run(*command, "evidence", made, "--no-plots", cwd=tmp_path, PYTHONPATH=str(place))
    assert [path.name.endswith("-PASS.md") for path in (made / "evidence").iterdir()] == [True]
    told = run(*command, "notebook", "01_dryrun", "-p", "run_id", "by_name", cwd=tmp_path, PYTHONPATH=str(place))
    assert '"said": "PASS: finish_c/c2/by_name/evidence"' in told
    assert (tmp_path / "out" / "notebooks" / "01_dryrun.ipynb").is_file()
    assert (made.parent / "by_name" / "run_manifest.json").is_file()
    told = run(*command, "notebook", "02_verify", "-p", "received", made, cwd=tmp_path, PYTHONPATH=str(place))
    assert '"said": "SEALED OK (executed again; run_digest ' in told
