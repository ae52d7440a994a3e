"""Runs pip-audit over every package of a lock, and fails when a package was not audited.

pip-audit exits 0 also when its advisory source knows none of the packages, and with one code for an advisory and for a
source that cannot be reached. So its report is compared with the lock here:

* exit 0: every package of the lock that is for this Python was audited, and no advisory is known;
* exit 1: there are advisories, each printed;
* exit 3: something was not audited, so that nothing is proven; the message says what and why.

Run by ``make audit`` with the Python of an environment that holds pip-audit and nothing of c2lib.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CLEAN, ADVISORIES, NOT_AUDITED = 0, 1, 3


def pinned_here(lock: str) -> set[str]:
    """Return the names that a lock pins for this Python and platform."""
    lines = lock.replace("\\\n", " ").splitlines()
    pins = [Requirement(line.split(" --hash", 1)[0]) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name) for pin in pins if pin.marker is None or pin.marker.evaluate()}


def judge(report: str, pinned: Iterable[str]) -> tuple[int, list[str]]:
    """Return the exit code, and what to say of a report in pip-audit's JSON."""
    try:
        entries: list[dict[str, Any]] = json.loads(report)["dependencies"]
        audited = {canonicalize_name(entry["name"]): entry["vulns"] for entry in entries if "skip_reason" not in entry}
    except (ValueError, KeyError, TypeError):
        return NOT_AUDITED, ["nothing was audited: the advisory source cannot be reached, or its answer cannot be read"]
    told = [
        f"{name}: {found['id']} (fixed in {', '.join(found['fix_versions']) or 'no version'})"
        for name, vulns in sorted(audited.items())
        for found in vulns
    ]
    missed = sorted(set(pinned) - set(audited))
    if missed:
        told.append(
            f"{len(missed)} package(s) were not audited, the advisory source has no answer: {', '.join(missed)}"
        )
    if not told:
        told.append(f"{len(audited)} package(s) audited, no advisory is known")
        return CLEAN, told
    return ADVISORIES if len(told) > bool(missed) else NOT_AUDITED, told


def audit(pip_audit: Sequence[str], lock: Path) -> tuple[int, list[str]]:
    """Run pip-audit over a lock and return the exit code, and what to say."""
    options = ["--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            [*pip_audit, "--requirement", str(lock), *options], capture_output=True, text=True, check=False
        )
    except OSError as error:
        return NOT_AUDITED, [f"nothing was audited: pip-audit cannot be run: {error.strerror}"]
    code, told = judge(done.stdout, pinned_here(lock.read_text(encoding="utf-8")))
    if code == NOT_AUDITED and done.stderr.strip():
        told.append(f"pip-audit's last words: {done.stderr.strip().splitlines()[-1][:300]}")
    return code, told


if __name__ == "__main__":
    result, said = audit([str(Path(sys.executable).with_name("pip-audit"))], Path(sys.argv[1]))
    sys.stderr.writelines(f"audit: {line}\n" for line in said)
    sys.exit(result)
