"""``make audit``: a package that was not audited makes it fail, and its own tools are pinned by hash."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.supply.audit import ADVISORIES, CLEAN, NOT_AUDITED, audit, judge, pinned_here

ROOT = Path(__file__).resolve().parents[2]
LOCKS = (
    ROOT / "requirements.lock",
    ROOT / "tests" / "supply" / "requirements-supply.lock",
    ROOT / "tests" / "fuzz" / "requirements-fuzz.lock",
)

SOUND = {"name": "pydantic", "version": "2.11", "vulns": []}
ADVISED = {"name": "PyYAML", "version": "5.1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["5.4"], "aliases": []}]}
SKIPPED = {"name": "tqdm", "skip_reason": "Dependency not found on PyPI and could not be audited: tqdm (4.66)"}


def report(*entries: dict[str, Any]) -> str:
    """Return a report as pip-audit writes one."""
    return json.dumps({"dependencies": entries, "fixes": []})


def test_fully_audited_lock_is_clean() -> None:
    """A lock whose packages were all audited without advisories is clean, and their number is reported."""
    assert judge(report(SOUND), {"pydantic"}) == (CLEAN, ["1 package(s) audited, no advisory is known"])


def test_advisory_is_reported() -> None:
    """An advisory is reported with its number and the version that fixes the package, if there is one."""
    unfixed = ADVISED | {"name": "left", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
    code, told = judge(report(SOUND, ADVISED, unfixed), {"pydantic", "pyyaml", "left"})
    assert code == ADVISORIES
    assert told == ["left: PYSEC-2 (fixed in no version)", "pyyaml: PYSEC-1 (fixed in 5.4)"]


@pytest.mark.parametrize("entries", [(SOUND,), (SOUND, SKIPPED), (SKIPPED,), ()])
def test_unaudited_package_fails(entries: tuple[dict[str, Any], ...]) -> None:
    """A package that was skipped or is absent from the report makes the audit fail as not audited."""
    code, told = judge(report(*entries), {"pydantic", "tqdm"})
    assert code == NOT_AUDITED
    assert "not audited, the advisory source has no answer" in told[-1]
    assert told[-1].endswith("tqdm")


def test_advisory_outweighs_unaudited_package() -> None:
    """An advisory decides the exit code over a package not audited, and each of the two is reported."""
    code, told = judge(report(ADVISED, SKIPPED), {"pyyaml", "tqdm"})
    assert (code, len(told)) == (ADVISORIES, 2)


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", '{"dependencies": [{}]}', '{"dependencies": 5}'])
def test_unreadable_report_fails(text: str) -> None:
    """A report that cannot be read makes the audit fail as not audited."""
    assert judge(text, {"pydantic"})[0] == NOT_AUDITED


def test_lock_packages_fit_this_python() -> None:
    """The packages of a lock are those whose markers fit this Python."""
    here = "A_b[x]==1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\n"
    elsewhere = "c==2 ; python_version < '3' \\\n    --hash=sha256:02\n"
    assert pinned_here(f"# by hand\n{here}{elsewhere}") == {"a-b"}
    assert {"pydantic", "pyyaml", "tqdm", "papermill"} <= pinned_here(LOCKS[0].read_text())


def test_silent_pip_audit_fails(tmp_path: Path) -> None:
    """A pip-audit that writes no report fails as not audited, with its last error line passed on."""
    lock = tmp_path / "lock"
    lock.write_text("pydantic==2.11 --hash=sha256:00\n")
    code, told = audit([sys.executable, "-c", "import sys; sys.exit('no such host')"], lock)
    assert code == NOT_AUDITED
    assert told[-1] == "pip-audit's last words: no such host"
    assert audit([sys.executable, "-c", ""], lock)[0] == NOT_AUDITED
    assert audit([sys.executable, "-c", f"print({report(SOUND)!r})"], lock)[0] == CLEAN


def test_missing_pip_audit_fails(tmp_path: Path) -> None:
    """A pip-audit that cannot be started makes the audit fail as not audited."""
    code, told = audit([str(tmp_path / "none")], tmp_path / "lock")
    assert (code, told) == (NOT_AUDITED, ["nothing was audited: pip-audit cannot be run: No such file or directory"])


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_package_has_a_hash(lock: Path) -> None:
    """Every package of a lock is pinned to one version with at least one hash."""
    lines = lock.read_text().replace("\\\n", " ").splitlines()
    assert lines
    assert all("==" in line and "--hash=sha256:" in line for line in lines)


def test_supply_tools_have_own_lock() -> None:
    """The supply-chain tools are in a lock of their own and not in the project's lock."""
    assert {"pip-audit", "cyclonedx-bom"} <= pinned_here(LOCKS[1].read_text())
    assert not {"pip-audit", "cyclonedx-bom"} & pinned_here(LOCKS[0].read_text())
