"""Puts the evidence draft and its pictures beside a run.

Rules kept here:

* the draft is a pure function of the run directory, the verify report, the date and the owner;
* what is in ``evidence/`` already and is different is the operator's: it is never written over, and nothing is
  written beside it;
* nothing is written through a symlink, whichever part of the way below the output root it is;
* pictures need the extra ``notebooks``; without them the draft says that there are none.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from c2lib.app.places import resource
from c2lib.app.verify import VerifyReport, verify_run
from c2lib.core.canon import sha256_hex
from c2lib.core.errors import OutputError, RunPathError
from c2lib.core.vocabulary import EVIDENCE_DIR
from c2lib.evidence.claims import Claim, Verification, evaluate, passed
from c2lib.evidence.plots import plot_files
from c2lib.evidence.render import evidence_name, render
from c2lib.record.folders import FILE_MODE, NEW_FILE, held, open_below, open_run_to_add
from c2lib.witness.reader import open_regular
from c2lib.witness.series import read_series

TEMPLATE = "EV-FINISH_C2-ORCH-DRYRUN.md"


@dataclass(frozen=True, slots=True)
class EvidenceDraft:
    """A draft as it was written: where, what it says, and the claims behind it."""

    path: str
    passed: bool
    text: str
    claims: tuple[Claim, ...]
    plots: dict[str, str]
    report: VerifyReport

    @property
    def failed_claims(self) -> tuple[str, ...]:
        """The names of the claims that do not hold."""
        return tuple(claim.name for claim in self.claims if not claim.passed)


def verification_of(report: VerifyReport) -> Verification:
    """Return what a report of a run that was to be executed again says in its draft."""
    return Verification(
        verdict=report.verdict,
        findings=len(report.findings),
        replayed=report.replayed,
        reproduced=report.replayed and report.ok,
    )


def draw_plots(run_dir: str | os.PathLike[str]) -> dict[str, bytes]:
    """Return the pictures of a run, by file name; raise :class:`MissingExtraError` without matplotlib."""
    return dict(plot_files(read_series(run_dir)))


def write_evidence(
    run_dir: str | os.PathLike[str],
    *,
    date: str,
    owner: str,
    market: str | os.PathLike[str] | None = None,
    strategy: Any = None,
    plots: bool = True,
) -> EvidenceDraft:
    """Verify the run at ``run_dir`` with replay, draw it, and write the draft into its ``evidence`` folder.

    ``date`` is ISO 8601, ``owner`` a name. ``market`` and ``strategy`` are what the replay needs. Raises
    :class:`RunPathError` when a different file of that name is there already, or a symlink is on the way.
    """
    report = verify_run(run_dir, replay=True, market=market, strategy=strategy)
    verification = verification_of(report)
    claims = evaluate(report.summary, verification)
    pictures = draw_plots(run_dir) if plots else {}
    digests = {name: sha256_hex(data) for name, data in sorted(pictures.items())}
    template = (resource("evidence_templates") / TEMPLATE).read_text(encoding="utf-8")
    text = render(template, report.summary, claims, verification, date=date, owner=owner, plots=digests)
    name = evidence_name(date, passed(claims))
    place = Path(run_dir) / EVIDENCE_DIR
    with held(open_run_to_add(run_dir)) as run:
        _add_missing(run, place, {**pictures, name: text.encode()})
    return EvidenceDraft(str(place / name), passed(claims), text, claims, digests, report)


def _add_missing(run: int, place: Path, files: Mapping[str, bytes]) -> None:
    """Write those of ``files`` that are not in the evidence folder of an open run directory; all of them, or none."""
    missing = dict(files)
    with suppress(FileNotFoundError), held(open_below(run, (place.name,), str(place.parent))) as folder:
        missing = {name: data for name, data in files.items() if not _is_there(folder, place / name, data)}
    if missing:
        with held(open_below(run, (place.name,), str(place.parent), make=True)) as folder:
            for name, data in missing.items():
                _put(folder, place / name, data)


def _is_there(folder: int, place: Path, data: bytes) -> bool:
    """Return whether the same file is there; raise :class:`RunPathError` when another one is."""
    try:
        with os.fdopen(open_regular(folder, place.name), "rb") as file:
            if file.read(len(data) + 1) == data:
                return True
    except FileNotFoundError:
        return False
    except OSError as error:
        problem = "is a symlink: nothing is written through it" if error.errno == errno.ELOOP else error.strerror
        raise RunPathError(f"{place} is there already and cannot be read: {problem}") from None
    raise RunPathError(f"{place} is there already and differs: move it away first")


def _put(folder: int, place: Path, data: bytes) -> None:
    try:
        handle = os.open(place.name, NEW_FILE, FILE_MODE, dir_fd=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
        except OSError:
            # half a file would be taken for the operator's
            os.unlink(place.name, dir_fd=folder)
            raise
    except OSError as error:
        raise OutputError(f"{place} cannot be written: {error.strerror}") from None
