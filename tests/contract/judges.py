"""What both verifiers say of a run directory."""

from pathlib import Path
from typing import NamedTuple

import verify_run

from c2lib.witness.run import open_run


class Judgement(NamedTuple):
    """What a verifier says of a run: its verdict, and the files that it blames."""

    verdict: str
    blamed: frozenset[str]

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.blamed


def judged(folder: Path) -> tuple[Judgement, Judgement]:
    """Return what c2lib's witness and the second verifier say; blame of no file in particular is an empty name."""
    first, second = open_run(folder), verify_run.verify(folder)
    return (
        Judgement(first.verdict.value, frozenset(finding.file for finding in first.findings)),
        Judgement(second.verdict, frozenset(finding.file for finding in second.findings)),
    )


def assert_both_find(folder: Path, file: str) -> None:
    """Expect the same verdict from both, findings from both, and that both blame ``file``, unless that is empty."""
    first, second = judged(folder)
    assert first.verdict == second.verdict
    assert not first.clean, "the witness finds nothing"
    assert not second.clean, "the second verifier finds nothing"
    if file:
        assert file in first.blamed, first
        assert file in second.blamed, second
