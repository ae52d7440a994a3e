"""Returns by which proof an alteration is found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from c2lib.app.evidence import verify_evidence
from c2lib.app.verify import VerifyReport, verify_run
from c2lib.core.errors import RunPathError, StrategyLoadError
from c2lib.core.vocabulary import Artifact
from c2lib.witness.findings import FindingCode
from tests.tamper.alterations import Alteration
from tests.tamper.sample import STRATEGIES, Sample


class Proof(StrEnum):
    """What finds an alteration; the first four read the record alone."""

    SEAL = "seal"
    CHAIN = "ids and chain"
    CONTRACT = "contract"
    REFOLD = "refold"
    REPLAY = "re-execution alone"


_C = FindingCode

PROOF_OF: Mapping[FindingCode, Proof] = {
    **dict.fromkeys((_C.DIGEST_WRONG, _C.RUN_DIGEST_WRONG, _C.CONFIG_HASH_WRONG, _C.NOT_SEALED), Proof.SEAL),
    **dict.fromkeys((_C.EVENT_ID_WRONG, _C.CHAIN_BROKEN), Proof.CHAIN),
    **dict.fromkeys(
        (
            _C.MISSING_FILE,
            _C.UNREADABLE_FILE,
            _C.UNEXPECTED_FILE,
            _C.INCOMPLETE_RUN,
            _C.MALFORMED_LINE,
            _C.NOT_CANONICAL,
            _C.CONTRACT_BROKEN,
            _C.WRONG_RUN,
            _C.OTHER_BEHAVIOUR_VERSION,
        ),
        Proof.CONTRACT,
    ),
    **dict.fromkeys(
        (
            _C.SEQUENCE_BROKEN,
            _C.CLOCK_WENT_BACK,
            _C.PHASE_PATH_FORBIDDEN,
            _C.STATUS_PATH_WRONG,
            _C.COUNTER_WRONG,
            _C.LEDGER_WRONG,
        ),
        Proof.REFOLD,
    ),
    **dict.fromkeys((_C.REPLAY_DIVERGED, _C.REPLAY_IMPOSSIBLE), Proof.REPLAY),
}
"""The proof that each finding on a run belongs to."""


def _facts(report: VerifyReport) -> object:
    """Return what the report says, except the hashes of this one run."""
    return report.verdict, report.replayed, [finding.code for finding in report.findings], report.unchecked


class Judge:
    """Alters the runs of a sample in their places, asks the verifier, and puts back what was there."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self.digest: str = json.loads(sample.contents["full"][str(Artifact.MANIFEST)])["run_digest"]

    @contextmanager
    def altered(self, alteration: Alteration) -> Iterator[Path]:
        """Give the run directory, altered; raise :class:`AssertionError` for what alters nothing."""
        place = self._sample.places[alteration.run]
        files = alteration.change()
        before = {name: _read(place / name) for name in files}
        assert any(before[name] != data for name, data in files.items()), f"{alteration.what} alters nothing"
        try:
            _write(place, files)
            yield place
        finally:
            _write(place, before)

    def proofs(self, alteration: Alteration) -> frozenset[Proof]:
        """Return what finds an alteration of a run of which nothing is known but that it must be sealed.

        The session is executed again where nothing else finds it: with the replay, verify finds what it finds without.
        """
        with self.altered(alteration) as place:
            report = verify_run(place, False, require_sealed=True)
            if report.ok:
                try:
                    report = verify_run(place, True, require_sealed=True, strategy=STRATEGIES[alteration.run])
                except StrategyLoadError:
                    # the run is not of the strategy at hand: there is no report, which is no good end
                    return frozenset({Proof.REPLAY})
            return frozenset(PROOF_OF[finding.code] for finding in report.findings)

    def is_clean(self) -> bool:
        """Return whether the untouched runs and the evidence are: sealed, executed again, nothing found."""
        reports = [
            verify_run(place, True, require_sealed=True, strategy=STRATEGIES[name])
            for name, place in self._sample.places.items()
        ]
        reports.append(verify_evidence(self._sample.evidence, True, strategy=STRATEGIES["full"]))
        return all(report.ok and report.replayed for report in reports)

    def is_told_apart(self, alteration: Alteration, *, with_strategy: bool) -> bool:
        """Return whether the report to a reader without an anchor differs from that of the unaltered run.

        Without the strategy the session cannot be executed again, altered or not.
        """
        strategy = STRATEGIES[alteration.run] if with_strategy else None
        place = self._sample.places[alteration.run]
        plain = verify_run(place, True, require_sealed=True, strategy=strategy)
        with self.altered(alteration):
            return _facts(verify_run(place, True, require_sealed=True, strategy=strategy)) != _facts(plain)

    def is_found_by_digest(self, alteration: Alteration) -> bool:
        """Return whether ``--expect-digest`` finds an alteration."""
        with self.altered(alteration) as place:
            findings = verify_run(place, False, require_sealed=True, expect_digest=self.digest).findings
            return FindingCode.RUN_DIGEST_WRONG in {finding.code for finding in findings}

    def is_found_by_evidence(self, alteration: Alteration) -> bool:
        """Return whether the evidence file, kept, finds an alteration of its run, or one of itself."""
        with self.altered(alteration) as place:
            try:
                findings = verify_evidence(self._sample.evidence, False, run=place).findings
            except RunPathError:
                # without a file there is no report, which is no good end
                return True
            return any(finding.code.startswith("EVIDENCE_") for finding in findings)


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _write(place: Path, files: Mapping[str, bytes | None]) -> None:
    for name, data in files.items():
        if data is None:
            (place / name).unlink(missing_ok=True)
        else:
            (place / name).write_bytes(data)
