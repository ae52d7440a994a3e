"""Checks an evidence file: the run that it is about, and every line and picture of it against that run.

Rules kept here:

* the draft is made again from the run, the report on it, and the date and owner that the file names; the file must be
  that draft, byte for byte;
* a damaged, hostile or strange file is findings, never an exception; an exception means that no report is possible;
* without a replay the file's own word on how the replay went is taken, and that is said;
* pictures are those in the run's evidence folder: of the hash that the file gives, and drawn again from the run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from c2lib.app.evidence import TEMPLATE, draw_plots, verification_of
from c2lib.app.places import resource
from c2lib.app.verify import VerifyProgress, VerifyReport, anchor_findings, verify_run
from c2lib.core.canon import sha256_hex
from c2lib.core.errors import ConfigError, MissingExtraError, RunPathError
from c2lib.core.secrets import redact_secrets
from c2lib.core.vocabulary import EVIDENCE_DIR
from c2lib.evidence.claims import Verification, evaluate, passed
from c2lib.evidence.compare import MAX_EVIDENCE, difference, stated
from c2lib.evidence.plots import PICTURES
from c2lib.evidence.render import evidence_name, render
from c2lib.evidence.sections import verify_outcome
from c2lib.witness.facts import FindingCode
from c2lib.witness.findings import Findings
from c2lib.witness.reader import open_regular, why

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
        descriptor = open_regular(directory, name)
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
    template = (resource("evidence_templates") / TEMPLATE).read_text(encoding="utf-8")
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
    plain = verification_of(report)
    ways = (
        replace(plain, replayed=True, reproduced=not plain.findings),
        replace(plain, findings=plain.findings + 1, replayed=True),
        replace(plain, findings=plain.findings + 1, replayed=False),
        replace(plain, replayed=False),
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
