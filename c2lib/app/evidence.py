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
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from c2lib.app.paths import resource
from c2lib.app.verify import VerifyProgress, VerifyReport, anchor_findings, verify_run
from c2lib.core.canon import sha256_hex
from c2lib.core.errors import ConfigError, MissingExtraError, OutputError, RunPathError
from c2lib.core.redaction import redact_secrets
from c2lib.core.regular_file import open_regular
from c2lib.core.vocabulary import EVIDENCE_DIR
from c2lib.evidence.claims import Claim, Replay, Verification, evaluate, failed_names, passed
from c2lib.evidence.plots import PICTURES, plot_files
from c2lib.evidence.render import MAX_EVIDENCE, TEMPLATE_NAME, difference, evidence_name, render, stated, verify_outcome
from c2lib.record.files import FILE_MODE, NEW_FILE, held, open_below, open_run_to_add
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.reader import why
from c2lib.witness.run import read_series


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
        return failed_names(self.claims)


def verification_of(report: VerifyReport) -> Verification:
    """Return what a report of a run that was to be executed again says in its draft."""
    replay = Replay.IMPOSSIBLE if not report.replayed else Replay.IDENTICAL if report.ok else Replay.DIFFERENT
    return Verification(report.verdict, len(report.findings), replay)


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
    template = (resource("evidence_templates") / TEMPLATE_NAME).read_text(encoding="utf-8")
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
        with os.fdopen(open_regular(place.name, folder), "rb") as file:
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


MAX_PICTURE = 64 << 20
"""Longest picture, in bytes."""

TAKEN_ON_ITS_WORD = "the evidence's word on the re-execution: taken as it stands"
NOT_DRAWN = "pictures: not drawn again"


def is_evidence(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is meant for an evidence file: ``EV-….md``, and no folder of that name."""
    name = Path(path).name
    return name.startswith("EV-") and name.endswith(".md") and not Path(path).is_dir()


def verify_evidence(
    path: str | os.PathLike[str],
    replay: bool = False,
    *,
    run: str | os.PathLike[str] | None = None,
    require_sealed: bool = False,
    expect_digest: str | None = None,
    market: str | os.PathLike[str] | None = None,
    strategy: Any = None,
    progress: VerifyProgress | None = None,
) -> VerifyReport:
    """Return the report on an evidence file and on its run: findings on the run first, then on the file.

    ``run`` is the run directory; left out, it is the folder around the ``evidence`` folder that the file lies in.
    The other arguments are those of :func:`~c2lib.app.verify.verify_run`. Raises :class:`RunPathError` when there is
    no such file, or no run to check it against.
    """
    place = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link out of the run
    data, problem = _read(place)
    folder = _run_of(place) if run is None else Path(run)
    report = verify_run(folder, replay, market=market, strategy=strategy, progress=progress)
    findings, unchecked = Findings(), list(report.unchecked)
    if data is None:
        findings.add(FindingCode.UNREADABLE_FILE, place.name, expected="a regular file", seen=problem)
    else:
        unchecked.extend(_compare(place.name, data, folder, report, replay, findings))
    anchored = anchor_findings(report, require_sealed=require_sealed, expect_digest=expect_digest)
    every = (*report.findings, *anchored, *findings.all())
    return replace(report, path=redact_secrets(os.fspath(path)), findings=every, unchecked=tuple(unchecked))


def _run_of(place: Path) -> Path:
    if place.parent.name != EVIDENCE_DIR:
        raise RunPathError(f"{place} is not in a run's {EVIDENCE_DIR} folder: name its run with --run DIR")
    return place.parent.parent


def _read(place: Path) -> tuple[bytes | None, str]:
    """Return the bytes of a file, no more than an evidence file may have and one, or why they cannot be had."""
    try:
        return _bytes(place.parent, place.name, MAX_EVIDENCE), ""
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise RunPathError(f"{place} is not there: name a run directory, or its evidence file") from None
    except OSError as error:
        return None, why(error)


def _bytes(folder: Path, name: str, limit: int) -> bytes:
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        descriptor = open_regular(name, directory)
    finally:
        os.close(directory)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit + 1)


def _compare(
    name: str, data: bytes, run: Path, report: VerifyReport, replay: bool, findings: Findings
) -> tuple[str, ...]:
    """Compare a file with the draft of its run, and its pictures; return what was not looked at."""
    seen = stated(data, name, findings)
    if seen is None:
        return ()
    verification = verification_of(report) if replay else _on_its_word(report, seen.text)
    claims = evaluate(report.summary, verification)
    template = (resource("evidence_templates") / TEMPLATE_NAME).read_text(encoding="utf-8")
    digests = {file: digest for file, digest in seen.pictures.items() if file in PICTURES}
    try:
        proper = evidence_name(seen.date, passed(claims))
        draft = render(template, report.summary, claims, verification, date=seen.date, owner=seen.owner, plots=digests)
    except ConfigError as error:
        findings.add(FindingCode.EVIDENCE_MALFORMED, name, expected="what a draft can hold", seen=str(error))
        return ()
    if name != proper:
        findings.add(FindingCode.EVIDENCE_DIFFERS, name, expected=f"the file name {proper}", seen=name)
    difference(seen.text, draft, name, findings)
    return (*([] if replay else [TAKEN_ON_ITS_WORD]), *_pictures(run, digests, name, findings))


def _on_its_word(report: VerifyReport, text: str) -> Verification:
    """Return what a replay would have reported, of the ways in which one can end, as the file has it."""
    verdict, findings = report.verdict, len(report.findings)
    ways = (
        Verification(verdict, findings, Replay.DIFFERENT if findings else Replay.IDENTICAL),
        Verification(verdict, findings + 1, Replay.DIFFERENT),
        Verification(verdict, findings + 1, Replay.IMPOSSIBLE),
        Verification(verdict, findings, Replay.IMPOSSIBLE),
    )
    return next((way for way in ways if f": {verify_outcome(way)}.\n" in text), ways[0])


def _pictures(run: Path, digests: Mapping[str, str], name: str, findings: Findings) -> tuple[str, ...]:
    if not digests:
        return ()
    for file in PICTURES:
        if file not in digests:
            findings.add(FindingCode.PICTURE_DIFFERS, name, expected=f"{file} beside the others", seen="none")
    for file, digest in digests.items():
        _look_at(run / EVIDENCE_DIR, file, digest, findings)
    try:
        drawn = draw_plots(run)
    except (MissingExtraError, RunPathError) as error:
        return (f"{NOT_DRAWN}: {error}",)
    for file, digest in digests.items():
        own = sha256_hex(drawn[file])
        if own != digest:
            expected = f"{own}, drawn from the run by matplotlib {metadata.version('matplotlib')}"
            findings.add(FindingCode.PICTURE_DIFFERS, name, expected=f"{file} of sha256 {expected}", seen=digest)
    return ()


def _look_at(folder: Path, file: str, digest: str, findings: Findings) -> None:
    """Expect a picture of the hash that the evidence gives it."""
    try:
        data = _bytes(folder, file, MAX_PICTURE)
    except FileNotFoundError:
        findings.add(FindingCode.MISSING_FILE, file)
    except OSError as error:
        findings.add(FindingCode.UNREADABLE_FILE, file, expected="a regular file", seen=why(error))
    else:
        if sha256_hex(data) != digest:
            findings.add(FindingCode.PICTURE_DIFFERS, file, expected=f"sha256 {digest}", seen=sha256_hex(data))
