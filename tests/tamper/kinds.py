"""The kinds of alterations that are tried, in the order in which the page lists them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

from c2lib.core.vocabulary import EVIDENCE_DIR, Artifact
from tests.tamper import forgeries
from tests.tamper.alterations import (
    Alteration,
    Edit,
    added,
    bit_of_each_byte,
    bits,
    cuts,
    deleted,
    doubled,
    edited,
    mixed,
    removed,
    resealed,
    stripped,
    swapped,
)
from tests.tamper.sample import CONFIGS, STRATEGY, Sample
from tests.tamper.values import values

Alterations = Callable[[Sample], Iterator[Alteration]]


class Kind(NamedTuple):
    """One kind of alterations: what it is called, and all of them."""

    title: str
    alterations: Alterations


def _full(edit: Edit) -> Alterations:
    return lambda sample: edited("full", sample.contents["full"], edit)


def _full_resealed(edit: Edit) -> Alterations:
    return lambda sample: resealed("full", sample.contents["full"], edit)


def _every(edit: Edit) -> Alterations:
    return lambda sample: chain.from_iterable(edited(run, sample.contents[run], edit) for run in CONFIGS)


def _every_resealed(edit: Edit) -> Alterations:
    return lambda sample: chain.from_iterable(resealed(run, sample.contents[run], edit) for run in CONFIGS)


def _kept(how: Callable[..., Iterator[Alteration]], *edits: Edit) -> Alterations:
    return lambda sample: chain.from_iterable(how("kept", sample.contents["kept"], edit, (STRATEGY,)) for edit in edits)


def _lines(what: str) -> Alterations:
    return lambda sample: chain.from_iterable(forgeries.lines(run, sample.contents[run], what) for run in CONFIGS)


def _sessions(sample: Sample) -> Iterator[Alteration]:
    return forgeries.sessions("full", sample.contents["full"], sample.others)


AS_IT_STANDS = (
    Kind("a bit flipped", _full(bits)),
    Kind("a file cut short at a byte", _full(cuts)),
    Kind("a line deleted", _every(deleted)),
    Kind("a line doubled", _every(doubled)),
    Kind("a line exchanged with the next", _every(swapped)),
    Kind("a file removed", lambda sample: chain.from_iterable(map(removed, CONFIGS))),
    Kind("a bit of the kept strategy file flipped, the file cut short", _kept(edited, bits, cuts)),
    Kind("a file added", lambda sample: added("full", sample.contents["full"])),
    Kind(
        "files exchanged with another run's of the same name",
        lambda sample: mixed("full", sample.contents["full"], sample.others["another seed"]),
    ),
    Kind(
        "manifest, chain, or both taken away",
        lambda sample: chain.from_iterable(stripped(run, sample.contents[run]) for run in CONFIGS),
    ),
)
"""Without knowledge of the format."""

MANIFEST_REBUILT = (
    Kind("a bit of each byte flipped, manifest rebuilt", _full_resealed(bit_of_each_byte)),
    Kind("a file cut short at a byte, manifest rebuilt", _full_resealed(cuts)),
    Kind("a bit of each byte of the kept strategy file flipped, the same", _kept(resealed, bit_of_each_byte)),
    Kind("a line deleted, manifest rebuilt", _every_resealed(deleted)),
    Kind("a line doubled, manifest rebuilt", _every_resealed(doubled)),
    Kind("a line exchanged with the next, manifest rebuilt", _every_resealed(swapped)),
)
"""Hashes, sizes, line counts and the run digest recomputed, nothing else."""

FORGED = (
    Kind(
        "a value exchanged; ids, chain, balances, manifest recomputed",
        lambda sample: chain.from_iterable(values(run, sample.contents[run]) for run in CONFIGS),
    ),
    Kind("a line deleted; numbers, counters and all of these recomputed", _lines("deleted")),
    Kind("a line doubled; the same recomputed", _lines("doubled")),
    Kind("a line exchanged with the next; the same recomputed", _lines("swapped")),
    Kind(
        "an order left out with all that became of it; the same recomputed",
        lambda sample: forgeries.orders("full", sample.contents["full"]),
    ),
    Kind(
        "the sound log of another session under this run's config and strategy",
        _sessions,
    ),
)
"""Everything that follows from the change made to fit, by somebody who knows how."""

REACHABLE = (*AS_IT_STANDS, *MANIFEST_REBUILT, *FORGED)


def _other_runs(sample: Sample) -> Iterator[Alteration]:
    for name, content in sample.others.items():
        if name != "another strategy":
            yield Alteration("full", name, partial(dict, content))
    yield from forgeries.renamed("full", sample.contents["full"])


def _damaged(run: str, name: str) -> Iterator[Alteration]:
    for what, data in (("emptied", b""), ("other words", b'{"python":"9.99"}\n'), ("taken away", None)):
        yield Alteration(run, what, partial(dict, {name: data}))


_PICTURE = Alteration("full", "a picture", partial(dict, {f"{EVIDENCE_DIR}/tear_sheet.png": b"no picture"}))


OUT_OF_REACH = (
    Kind("a whole other sound run in the run's place", _other_runs),
    Kind(
        "a value of the manifest exchanged for another as sound, with the same log",
        lambda sample: values("full", sample.contents["full"], free=True),
    ),
    Kind("a consistent log of another session, the strategy's file not handed over", _sessions),
    Kind("`environment.json` altered", lambda sample: _damaged("full", Artifact.ENVIRONMENT)),
    Kind("the evidence file altered", lambda sample: _damaged("full", f"{EVIDENCE_DIR}/{sample.evidence.name}")),
    Kind("a picture that no evidence names, added", lambda sample: iter([_PICTURE])),
)
"""What a run alone cannot show; of :data:`KEPT_BACK`, what re-execution alone finds with the file."""

KEPT_BACK = OUT_OF_REACH[2]


def _of_evidence(edit: Edit) -> Alterations:
    def alterations(sample: Sample) -> Iterator[Alteration]:
        data = sample.evidence.read_bytes()
        for what, change in edit(data):
            yield Alteration("full", what, partial(_evidence_of, sample.evidence.name, change))

    return alterations


def _evidence_of(name: str, change: Callable[[], bytes]) -> dict[str, bytes]:
    return {f"{EVIDENCE_DIR}/{name}": change()}


_OWN_WORDS = re.compile(rb"(?<=\n- \*\*Owner:\*\* )[^\n]*|(?<=`: )to be filled in(?=\n)")
"""What the file alone says, and no run can contradict: its owner, and the operator's result of each check."""


def _but_for_own_words(data: bytes) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield one bit of every byte flipped, but for those of the file's own words."""
    own = {at for words in _OWN_WORDS.finditer(data) for at in range(*words.span())}
    yield from (pair for at, pair in enumerate(bit_of_each_byte(data)) if at not in own)


EVIDENCE = (
    Kind("a bit of each byte flipped", _of_evidence(_but_for_own_words)),
    Kind("cut short at a byte", _of_evidence(cuts)),
    Kind("a line deleted", _of_evidence(deleted)),
    Kind("a line doubled", _of_evidence(doubled)),
    Kind("a line exchanged with the next", _of_evidence(swapped)),
)
"""What is done to the evidence file; the run is as it was."""
