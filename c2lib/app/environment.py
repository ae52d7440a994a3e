"""What may differ between machines, written beside the sealed files and sealed by nothing.

Rules kept here:

* nothing in it decides anything: a reader may learn from it, no check relies on it;
* no name of a user or a host, no environment variable; of a path its last name alone, since folders bear the names
  of users and worse.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from c2lib.core.redaction import clean_value

_PACKAGES = ("c2lib", "pydantic", "PyYAML", "matplotlib", "papermill")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def environment_facts(market_file: str | os.PathLike[str] | None) -> dict[str, Any]:
    """Return versions, platform and wall time of this process, and the name of the market file as a hint."""
    facts: dict[str, Any] = {
        "note": "unsealed: differs between machines, and no check relies on it",
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "packages": {package: _version(package) for package in _PACKAGES},
        "written_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "hints": {"market_file": Path(market_file).name if market_file is not None else None},
    }
    cleaned: dict[str, Any] = clean_value(facts)
    return cleaned
