"""What the tests of the app share: commands run in this process, trees of files, small strategies and markets."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from c2lib.app.verify import verify_run
from c2lib.core.canon import canonical_json, run_digest
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from c2lib.record.files import run_path
from c2lib.witness.findings import FindingCode

RUN = "run_demo_001"
SEALED = (*SEALED_BY_MANIFEST, Artifact.MANIFEST)

DEMO = ("--strategy-id", "strat_demo", "--seed", "7", "--run-id", RUN)
"""The flags of the run that most tests make."""

OWN = ("--strategy-id", "mine", "--allow", "mine", "--seed", "7", "--run-id", RUN)
"""The flags of a run with a strategy of one's own, but for the file."""

BUYER = """
from c2lib import OrderIntent

class Buyer:
    def __init__(self, settings):
        pass

    def on_bar(self, bar, view):
        return [OrderIntent("BUY", 1)] if bar.bar_index == 2 else None
"""
"""A strategy file's text: one purchase on the third bar."""


@dataclass(frozen=True)
class Answer:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> dict[str, Any]:
        """The one JSON line that stdout holds, and nothing beside it."""
        assert self.out.count("\n") == 1, self
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    @property
    def complaint(self) -> str:
        """The one line that stderr holds, when stdout holds nothing."""
        assert self.out == "", self
        assert self.err.count("\n") == 1, self
        assert self.err.startswith("c2lib: "), self
        return self.err.removeprefix("c2lib: ").rstrip("\n")


def in_process_of_its_own(*words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Answer:
    """Run ``python -m c2lib`` and return what it came to."""
    done = subprocess.run(
        [sys.executable, "-m", "c2lib", *(str(word) for word in words)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def tree(root: Path) -> dict[str, tuple[bytes, int]]:
    """Return the bytes and the time of change of every file below ``root``, staging folders included."""
    return {
        str(path.relative_to(root)): (path.read_bytes() if path.is_file() else b"", path.lstat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
    }


def sealed_bytes(place: Path) -> dict[str, bytes]:
    """Return the sealed files of a run directory."""
    return {name: (place / name).read_bytes() for name in SEALED}


def place_below(root: Path, run_id: str = RUN) -> Path:
    """Return where a run directory has its place."""
    return run_path(root, run_id)


def manifest_of(place: Path) -> dict[str, Any]:
    """Return a run's manifest."""
    value = json.loads((place / Artifact.MANIFEST).read_bytes())
    assert isinstance(value, dict)
    return value


def flip_byte(path: Path, at: int) -> None:
    """Change one byte of a file in its place."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def market_csv(path: Path, bars: int = 80) -> Path:
    """Write a market file with so many bars, all good, that go up and down."""
    rows = ["date,open,high,low,close,volume"]
    for number in range(bars):
        price = 100 + (number % 20 if number % 40 < 20 else 20 - number % 20)
        moment = f"2026-01-02 {number // 60:02}:{number % 60:02}:00"
        rows.append(f"{moment},{price}.5,{price + 2},{price - 2},{price}.25,{number + 1}")
    path.write_text("".join(f"{row}\n" for row in rows))
    return path


def codes(place: Path, **options: Any) -> list[FindingCode]:
    """Return the codes of what verifying with a replay finds."""
    return [finding.code for finding in verify_run(place, replay=True, **options).findings]


def forge(place: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a manifest and give it the digest that fits, as a forger would."""
    manifest = manifest_of(place)
    change(manifest)
    manifest["run_digest"] = run_digest(manifest)
    (place / Artifact.MANIFEST).write_text(canonical_json(manifest) + "\n")


def strategy_file(folder: Path, text: str = BUYER) -> Path:
    """Write a strategy file."""
    path = folder / "mine.py"
    path.write_text(text)
    return path
