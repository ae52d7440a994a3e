"""The golden vector of the determinism contract: two runs, their evidence drafts, and the digests that they have.

Run as a module, it makes both in a folder, prints what they came to as one JSON line, and ends with 0 when that is
``GOLDEN``: so can another interpreter, machine or user be tried, without pytest::

    python -m tests.app.vector FOLDER

The digests pin ``BEHAVIOUR_VERSION``, like those of ``tests/session/golden.py``, where it is said what to do when one
of them changes. Nothing here asserts, as ``python -O`` runs it too.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from c2lib.app import runner
from c2lib.app.evidence import write_evidence
from c2lib.core.canon import sha256_hex
from c2lib.core.config import DryrunConfig
from tests.app.runs import manifest_of, market_csv, sealed_bytes
from tests.app.sessions import Ticking

GOLDEN = {
    "walk": {
        "events.jsonl": "663d939e9ab2d7922708b7bfdd705feb224bb0f680070c690814cec68013461a",
        "state_snapshots.jsonl": "d60b821c54935e39e61917313b4bb86583191d25934bb9b1355b4ad8c2d1b90d",
        "audit.jsonl": "58502a69347797502b69275f8dab4dafb72af22a4ad9c7351a406722f74d3801",
        "metrics.json": "7d103f28800709811d552af4bd0b9c5fcd7905b4bbc51af182e65a28d6952f5c",
        "run_manifest.json": "f8973178e1d4d4185d558d62b7229fbd8ecb272963184f605dd0b6d4d8997472",
        "EV-20260203-FINISH_C2-ORCH-DRYRUN-PASS.md": "7ed70fcc5c348de02c3e803ae1ec160a8f25ef3cd7a15acb3e4b916f7dbecd42",
        "run_digest": "3ecabb3dbc258a313eeb00f899b9321afc9d52b713a1fe46928953fb237b2c55",
    },
    "file": {
        "events.jsonl": "485bbb4736640425a727375ab69f891c985bd9230591a71109b9b825e17ab68d",
        "state_snapshots.jsonl": "d7929e3b76a166f7c204ee26e4bc0b273a9e44dabf38a9d13b59ae344e787fd3",
        "audit.jsonl": "e1208195d7ac5b63bec3323f4c3cb391a7688df35933f64a5914606723eb5ac5",
        "metrics.json": "141b2b2f5dc4b96b3f9c6773b6baeb07c5b7c8b7b8af28e1723b40d6fd3e3927",
        "run_manifest.json": "9895c7b26728b94a681d835a3cd61c9b29e59bfa118717692a615065120edc73",
        "EV-20260203-FINISH_C2-ORCH-DRYRUN-PASS.md": "a6c818afb97f22163b8c0ee1a847ba9136f802cbd5e48031d97d84268680e701",
        "run_digest": "1e29c75380e4e792ff43ac9ce0f2536ace8e3c659974a393fd0f2cd0db073d2f",
    },
}

WALK = DryrunConfig(
    strategy_id="strat_demo",
    run_id="vector_walk",
    seed=7,
    steps=96,
    clock_mode="injected",
    broker={"slippage_ticks": 1, "latency_steps": 1, "participation": "0.05", "reject_rate": "0.2", "max_retries": 2},
)
"""A synthetic walk under an injected clock, with a broker that draws random numbers."""

FILE = DryrunConfig(strategy_id="sma_cross", run_id="vector_file", seed=7, clock_mode="market")
"""A market file in its own time."""

_Entries = Iterator["os.DirEntry[str]"]


def turn_listings_round() -> None:
    """Let every folder be listed from its end, as another file system may."""
    listdir, scandir = os.listdir, os.scandir

    @contextmanager
    def scanned(path: Any = ".") -> Iterator[_Entries]:
        with scandir(path) as entries:
            yield iter(list(entries)[::-1])

    vars(os).update(listdir=lambda path=".": listdir(path)[::-1], scandir=scanned)


def facts_of(place: Path, **needed: Any) -> dict[str, str]:
    """Return the digests of a run's sealed files and of its draft, and its own digest."""
    draft = write_evidence(place, date="2026-02-03", owner="Zoë Q.", plots=False, **needed)
    facts = {name: sha256_hex(data) for name, data in sealed_bytes(place).items()}
    written = Path(draft.path).read_bytes()
    return facts | {Path(draft.path).name: sha256_hex(written), "run_digest": manifest_of(place)["run_digest"]}


def made_in(folder: Path, market: str) -> dict[str, dict[str, str]]:
    """Make both runs and their drafts below ``folder``, the market file under the name given, and return the facts."""
    bars = market_csv(folder / market)
    walk = runner.run_dryrun(WALK, out_dir=folder / "out", clock=Ticking())
    file = runner.run_dryrun(FILE, out_dir=folder / "out", market=bars)
    return {"walk": facts_of(Path(walk.path or "")), "file": facts_of(Path(file.path or ""), market=bars)}


def main() -> int:
    """Make the vector and compare it."""
    parser = argparse.ArgumentParser(prog="python -m tests.app.vector")
    parser.add_argument("folder", type=Path, help="where to write; it must be there")
    parser.add_argument("--market", default="day.csv", help="name of the market file")
    parser.add_argument("--cut", type=int, default=runner._CHUNK, help="steps at a time")
    parser.add_argument("--reversed", action="store_true", help="list folders from their end")
    words = parser.parse_args()
    runner._CHUNK = words.cut
    if words.reversed:
        turn_listings_round()
    facts = made_in(words.folder, words.market)
    sys.stdout.write(json.dumps(facts) + "\n")
    return 0 if facts == GOLDEN else 1


if __name__ == "__main__":
    sys.exit(main())
