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
import shlex
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
        "events.jsonl": "0b7aaaedb3a297b1fe9be0ff5aa68224bea994a78dc3c5174db9658f0818e503",
        "state_snapshots.jsonl": "d60b821c54935e39e61917313b4bb86583191d25934bb9b1355b4ad8c2d1b90d",
        "audit.jsonl": "58502a69347797502b69275f8dab4dafb72af22a4ad9c7351a406722f74d3801",
        "metrics.json": "7d103f28800709811d552af4bd0b9c5fcd7905b4bbc51af182e65a28d6952f5c",
        "run_manifest.json": "1458df2c04d34d79116d7cbbfae2a9ad53b0d37856cdc1e78d4a231a471a1198",
        "EV-20260203-FINISH_C2-ORCH-DRYRUN-PASS.md": "c5859b41e60b93e8c3975e72853c8c5afa14414c1698bc5700dcbe56328e6b65",
        "run_digest": "ac821afb5ef5c7d5b06d067f85341616b2c3c96be034479e23d88f1bca60b397",
    },
    "file": {
        "events.jsonl": "a7b460ae751092399d755f9ce9aeb5785408c927c75cf05efff5b2782a7eded8",
        "state_snapshots.jsonl": "d7929e3b76a166f7c204ee26e4bc0b273a9e44dabf38a9d13b59ae344e787fd3",
        "audit.jsonl": "e1208195d7ac5b63bec3323f4c3cb391a7688df35933f64a5914606723eb5ac5",
        "metrics.json": "141b2b2f5dc4b96b3f9c6773b6baeb07c5b7c8b7b8af28e1723b40d6fd3e3927",
        "run_manifest.json": "6373dcf96698e67f63590cadbcb2f57dd92e511d55d9067952e40bcff54b6f40",
        "EV-20260203-FINISH_C2-ORCH-DRYRUN-PASS.md": "8fc92d72e5c6dd43b29a1c743830b38c88d3c8acb6a791b78ed5833ec99b998a",
        "run_digest": "aa9d56cd786c5e1a01534636e918460f238580a34f7535513f72fb48bfddd1ca",
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
    """Return the digests of a run's sealed files and of its draft, less the market file's name, and its own digest."""
    draft = write_evidence(place, date="2026-02-03", owner="Zoë Q.", plots=False, **needed)
    facts = {name: sha256_hex(data) for name, data in sealed_bytes(place).items()}
    written = Path(draft.path).read_text(encoding="utf-8")
    if "market" in needed:
        name = needed["market"].name
        for said in (shlex.quote(f"../../../../{name}"), f"`{name}`"):
            written = written.replace(said, "MARKET")
    return facts | {Path(draft.path).name: sha256_hex(written.encode()), "run_digest": manifest_of(place)["run_digest"]}


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
