"""``make audit`` and what it needs: no silence is taken for an answer, and its own tools are pinned by hash."""

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


def test_a_lock_that_was_audited_whole_is_clean() -> None:
    """And the number of packages is told."""
    assert judge(report(SOUND), {"pydantic"}) == (CLEAN, ["1 package(s) audited, no advisory is known"])


def test_an_advisory_is_told() -> None:
    """With its number and the version to go to; a fix that is not there is told too."""
    unfixed = ADVISED | {"name": "left", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
    code, told = judge(report(SOUND, ADVISED, unfixed), {"pydantic", "pyyaml", "left"})
    assert code == ADVISORIES
    assert told == ["left: PYSEC-2 (fixed in no version)", "pyyaml: PYSEC-1 (fixed in 5.4)"]


@pytest.mark.parametrize("entries", [(SOUND,), (SOUND, SKIPPED), (SKIPPED,), ()])
def test_a_package_that_was_not_audited_is_no_success(entries: tuple[dict[str, Any], ...]) -> None:
    """Skipped, or not in the report at all: pip-audit itself exits 0 for both."""
    code, told = judge(report(*entries), {"pydantic", "tqdm"})
    assert code == NOT_AUDITED
    assert "not audited, the advisory source has no answer" in told[-1]
    assert told[-1].endswith("tqdm")


def test_an_advisory_counts_more_than_what_was_not_audited() -> None:
    """Both are told."""
    code, told = judge(report(ADVISED, SKIPPED), {"pyyaml", "tqdm"})
    assert (code, len(told)) == (ADVISORIES, 2)


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", '{"dependencies": [{}]}', '{"dependencies": 5}'])
def test_a_report_that_is_none_is_no_success(text: str) -> None:
    """That is how it looks when the advisory source cannot be reached."""
    assert judge(text, {"pydantic"})[0] == NOT_AUDITED


def test_the_packages_of_a_lock_are_those_for_this_python() -> None:
    """Markers, extras, hashes and continued lines are understood."""
    here = "A_b[x]==1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\n"
    elsewhere = "c==2 ; python_version < '3' \\\n    --hash=sha256:02\n"
    assert pinned_here(f"# by hand\n{here}{elsewhere}") == {"a-b"}
    assert {"pydantic", "pyyaml", "tqdm", "papermill"} <= pinned_here(LOCKS[0].read_text())


def test_a_pip_audit_that_says_nothing_is_no_success(tmp_path: Path) -> None:
    """Its exit code is not looked at; its last words are passed on."""
    lock = tmp_path / "lock"
    lock.write_text("pydantic==2.11 --hash=sha256:00\n")
    code, told = audit([sys.executable, "-c", "import sys; sys.exit('no such host')"], lock)
    assert code == NOT_AUDITED
    assert told[-1] == "pip-audit's last words: no such host"
    assert audit([sys.executable, "-c", ""], lock)[0] == NOT_AUDITED
    assert audit([sys.executable, "-c", f"print({report(SOUND)!r})"], lock)[0] == CLEAN


def test_a_pip_audit_that_is_not_there_is_no_success(tmp_path: Path) -> None:
    """A gate does not pass for want of its tool."""
    code, told = audit([str(tmp_path / "none")], tmp_path / "lock")
    assert (code, told) == (NOT_AUDITED, ["nothing was audited: pip-audit cannot be run: No such file or directory"])


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_package_of_a_lock_is_pinned_by_hash(lock: Path) -> None:
    """One version each, and at least one hash of its files."""
    lines = lock.read_text().replace("\\\n", " ").splitlines()
    assert lines
    assert all("==" in line and "--hash=sha256:" in line for line in lines)


def test_the_tools_of_the_supply_chain_are_in_their_own_lock() -> None:
    """The environment in which they run holds nothing of ours, and ours nothing of theirs."""
    assert {"pip-audit", "cyclonedx-bom"} <= pinned_here(LOCKS[1].read_text())
    assert not {"pip-audit", "cyclonedx-bom"} & pinned_here(LOCKS[0].read_text())
