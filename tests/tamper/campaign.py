"""The whole campaign: every alteration of every kind, counted, and the figures set into ``docs/tamper.md``.

``python -m tests.tamper.campaign [--jobs N] [--check]``; exit 1 when one was missed or, with ``--check``, the page is
stale. Each worker has runs of its own, in memory where the system has a place for that.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tests.tamper import kinds, page
from tests.tamper.alterations import Alteration
from tests.tamper.judge import Judge, Proof
from tests.tamper.sample import Sample

SHARDS = 24
"""Pieces that a kind is cut into, so that the workers finish together."""

_MEMORY = Path("/dev/shm")


class Tally(NamedTuple):
    """What became of some alterations of a kind."""

    number: int
    proofs: Counter[Proof]
    missed: list[str]

    @property
    def row(self) -> tuple[int, ...]:
        """The numbers of a row of the page."""
        return (self.number, self.number - len(self.missed), *(self.proofs[proof] for proof in Proof))


def tallied(judge: Judge, title: str, alterations: Iterable[Alteration]) -> Tally:
    """Check alterations of a kind."""
    number, proofs, missed = 0, Counter[Proof](), []
    for alteration in alterations:
        found = judge.proofs(alteration)
        number += 1
        proofs.update(found)
        if not found:
            missed.append(f"{title}: {alteration.run}: {alteration.what}")
    return Tally(number, proofs, missed)


def tallied_evidence(judge: Judge, title: str, alterations: Iterable[Alteration]) -> Tally:
    """Check alterations of the evidence file."""
    every = list(alterations)
    missed = [f"{title}: {one.what}" for one in every if not judge.is_found_by_evidence(one)]
    return Tally(len(every), Counter(), missed)


def reach(judge: Judge, kind: kinds.Kind, sample: Sample) -> tuple[int, ...]:
    """Return how many alterations of a kind out of reach there are, are detected, and are found by each anchor."""
    every = list(kind.alterations(sample))
    kept_back = kind is kinds.KEPT_BACK
    if kept_back:
        every = [one for one in every if judge.proofs(one) == {Proof.REPLAY}]
    return (
        len(every),
        sum(judge.is_told_apart(one, with_strategy=not kept_back) for one in every),
        sum(judge.is_found_by_digest(one) for one in every),
        sum(judge.is_found_by_evidence(one) for one in every),
    )


_ROOMS: list[tempfile.TemporaryDirectory[str]] = []
_SAMPLES: list[Sample] = []


def _begin() -> None:
    folder = _MEMORY if _MEMORY.is_dir() else None
    _ROOMS.append(tempfile.TemporaryDirectory(prefix="c2lib-tamper-", dir=folder))
    _SAMPLES.append(Sample(Path(_ROOMS[0].name)))


def _shard(title: str, shard: int) -> Tally:
    sample = _SAMPLES[0]
    judge = Judge(sample)
    kind = next(kind for kind in (*kinds.REACHABLE, *_EVIDENCE) if kind.title == title)
    part = islice(kind.alterations(sample), shard, None, SHARDS)
    return (tallied_evidence if kind in _EVIDENCE else tallied)(judge, title, part)


_EVIDENCE = tuple(kind._replace(title=f"evidence: {kind.title}") for kind in kinds.EVIDENCE)


def _sum(parts: Sequence[Tally]) -> Tally:
    proofs = sum((part.proofs for part in parts), Counter[Proof]())
    return Tally(sum(part.number for part in parts), proofs, [name for part in parts for name in part.missed])


def campaign(jobs: int) -> page.Figures:
    """Check everything and return the figures."""
    _begin()
    sample, judge = _SAMPLES[0], Judge(_SAMPLES[0])
    if not judge.is_clean():
        raise SystemExit("the untouched runs are not clean: there is nothing to be found")
    sums: dict[str, Tally] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin) as pool:
        titles = [kind.title for kind in (*kinds.REACHABLE, *_EVIDENCE)]
        parts = {title: [pool.submit(_shard, title, shard) for shard in range(SHARDS)] for title in titles}
        for title in titles:
            sums[title] = _sum([part.result() for part in parts[title]])
            sys.stderr.write(f"{title}: {sums[title].row}\n")
    return page.Figures(
        {kind.title: sums[kind.title].row for kind in kinds.REACHABLE},
        {kind.title: reach(judge, kind, sample) for kind in kinds.OUT_OF_REACH},
        {kind.title: sums[own.title].row[:2] for kind, own in zip(kinds.EVIDENCE, _EVIDENCE, strict=True)},
        [name for tally in sums.values() for name in tally.missed],
    )


def main() -> int:
    """Run the campaign; write the page, or compare it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="change nothing, fail when the page is stale")
    options = parser.parse_args()
    figures = campaign(options.jobs)
    text, old = page.tables(figures), page.PAGE.read_text(encoding="utf-8")
    sys.stdout.write(text)
    if options.check:
        return 1 if figures.missed or page.generated(old) != text else 0
    page.PAGE.write_text(page.with_tables(old, text), encoding="utf-8")
    return 1 if figures.missed else 0


if __name__ == "__main__":
    sys.exit(main())
