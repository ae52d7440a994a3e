"""The evidence draft and its pictures: written beside a run, and compared with it later.

What is in ``evidence/`` already and differs is the operator's: it is never written over, and nothing is written beside
it. Pictures need the extra ``notebooks``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from c2lib.app.paths import resource
from c2lib.app.runner import Progress, source_of
from c2lib.app.verify import Given, VerifyProgress, VerifyReport, anchored, report_on
from c2lib.core.canon import sha256_hex
from c2lib.core.errors import ConfigError, MissingExtraError, RunPathError
from c2lib.core.redaction import redact_secrets
from c2lib.core.regular_file import read_regular
from c2lib.core.vocabulary import EVIDENCE_DIR, Artifact
from c2lib.evidence.claims import Claim, Replay, Verification, evaluate, failed_names, passed
from c2lib.evidence.figures import Measured, measure
from c2lib.evidence.plots import PICTURES, plot_files
from c2lib.evidence.render import (
    MAX_EVIDENCE,
    TEMPLATE_NAME,
    Stated,
    compare_evidence,
    evidence_name,
    parse_evidence,
    render,
    verify_outcome,
)
from c2lib.record.files import add_to_run
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.reader import why
from c2lib.witness.run import Run, open_run

MAX_PICTURE = 64 << 20
"""Longest picture, in bytes."""

REPLAY_AS_STATED = "the evidence's word on the re-execution: taken as it stands"
NOT_DRAWN = "pictures: not drawn again"


@dataclass(frozen=True, slots=True)
class EvidenceDraft:
    """A draft as it was written: where, what it says, the claims behind it, and the bytes of its pictures by name."""

    path: str
    passed: bool
    text: str
    claims: tuple[Claim, ...]
    plots: Mapping[str, bytes]
    report: VerifyReport

    @property
    def failed_claims(self) -> tuple[str, ...]:
        """The names of the claims that do not hold."""
        return failed_names(self.claims)


def write_evidence(
    run_dir: str | os.PathLike[str],
    *,
    date: str,
    owner: str,
    market: Any = None,
    strategy: Any = None,
    run_kept_strategy: bool = False,
    plots: bool = True,
    progress: VerifyProgress | None = None,
) -> EvidenceDraft:
    """Verify a run with replay, draw it, and write the draft into its ``evidence`` folder.

    Args:
        run_dir: the run directory.
        date: the day of the evidence, ``YYYY-MM-DD``.
        owner: the name of who answers for it.
        market: the market file that the run used, or the ``pandas.DataFrame``, for the replay.
        strategy: the strategy that the run used, a class, ``FILE.py:CLASS`` or a source, for the replay.
        run_kept_strategy: whether the replay may execute the ``strategy.py`` that the run keeps instead.
        plots: whether to draw the pictures.
        progress: called now and then; see :data:`~c2lib.app.verify.VerifyProgress`.

    Raises, beside what :func:`~c2lib.app.verify.verify_run` does:
        ConfigError: for a date or an owner that cannot stand in a draft.
        MissingExtraError: for pictures without matplotlib.
        RunPathError: there is no run, a symlink is on the way, or a different file of that name is there already.
        OutputError: the disk refused a file.
    """
    given = Given(market, source_of(strategy), run_kept_strategy, progress=progress)
    spec = strategy.rpartition(":")[0] if isinstance(strategy, str) else None
    with open_run(run_dir, progress=given.counting("B"), keep_open=True) as run:
        report = report_on(run, given, replay=True)
        measured = measure(run) if Artifact.EVENTS in run.summary.artifacts else None
        pictures = plot_files(run, given.counting("picture"), measured) if plots else {}
        digests = {name: sha256_hex(data) for name, data in sorted(pictures.items())}
        stated = Stated(date, owner, digests, _seen_from(run_dir, market), _seen_from(run_dir, spec))
        name, text, claims = _draft(run, measured, verification_of(report), stated)
    add_to_run(run_dir, EVIDENCE_DIR, {**pictures, name: text.encode()})
    return EvidenceDraft(str(Path(run_dir, EVIDENCE_DIR, name)), passed(claims), text, claims, pictures, report)


def _draft(
    run: Run, measured: Measured | None, verification: Verification, stated: Stated
) -> tuple[str, str, tuple[Claim, ...]]:
    """Return file name, text and claims of the draft of a run."""
    claims = evaluate(run.summary, verification)
    template = (resource("evidence_templates") / TEMPLATE_NAME).read_text(encoding="utf-8")
    text = render(template, run.summary, claims, verification, measured or Measured(), stated)
    return evidence_name(stated.date, passed(claims)), text, claims


def _seen_from(run_dir: str | os.PathLike[str], path: Any) -> str | None:
    """Return a file as a shell in the run directory names it; whole where the two have no folder in common."""
    if not isinstance(path, str | os.PathLike):
        return None
    folder, (parent, name) = Path(run_dir).resolve(), os.path.split(path)
    place = Path(parent).resolve() / name
    near = os.path.relpath(place, folder)
    return str(place) if os.path.commonpath((place, folder)) == os.sep else f"./{near}" if near[:1] == "-" else near


def verification_of(report: VerifyReport) -> Verification:
    """Return what a report of a run that was to be executed again says in its draft."""
    replay = Replay.IMPOSSIBLE if not report.replayed else Replay.IDENTICAL if report.ok else Replay.DIFFERENT
    return Verification(report.verdict, len(report.findings), replay)


def is_evidence(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is meant for an evidence file: ``EV-….md``, and no folder of that name."""
    name = Path(path).name
    return name.startswith("EV-") and name.endswith(".md") and not Path(path).is_dir()


def verify_evidence(
    path: str | os.PathLike[str],
    replay: bool = True,
    *,
    run: str | os.PathLike[str] | None = None,
    require_sealed: bool = False,
    expect_digest: str | None = None,
    market: Any = None,
    strategy: Any = None,
    require_namespace: bool = False,
    run_kept_strategy: bool = False,
    progress: VerifyProgress | None = None,
) -> VerifyReport:
    """Return the report on an evidence file and on its run: findings on the run first, then on the file.

    See :func:`~c2lib.app.verify.verify_run` for the arguments beside ``run``: the run directory; left out, the folder
    around the ``evidence`` folder that the file lies in. Without a replay the file's word on it is taken as it stands.

    Raises:
        RunPathError: there is no such file, or no run to compare it with.
    """
    given = Given(market, source_of(strategy), run_kept_strategy, require_namespace, progress)
    place = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link out of the run
    findings = Findings()
    seen = _read_evidence(place, findings)
    if run is None and place.parent.name != EVIDENCE_DIR:
        raise RunPathError(f"{place} is not in a run's {EVIDENCE_DIR} folder: name its run with --run DIR")
    folder = place.parent.parent if run is None else run
    with open_run(folder, progress=given.counting("B"), keep_open=replay) as opened:
        report = report_on(opened, given, replay=replay)
        unchecked = [*report.unchecked, *([] if replay or seen is None else [REPLAY_AS_STATED])]
        if seen is not None:
            verification = verification_of(report) if replay else _as_stated(report, seen.text)
            unchecked += _compare(place.name, seen, opened, verification, findings, given.counting("picture"))
    report = anchored(report, require_sealed=require_sealed, expect_digest=expect_digest)
    every, name = (*report.findings, *findings.all()), redact_secrets(os.fspath(path))
    return replace(report, path=name, findings=every, unchecked=tuple(unchecked))


def _read_evidence(place: Path, findings: Findings) -> Stated | None:
    """Return what an evidence file states; ``None``, with a finding, when it cannot be read."""
    try:
        data = read_regular(place, MAX_EVIDENCE)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise RunPathError(f"{place} is not there: name a run directory, or its evidence file") from None
    except OSError as error:
        findings.add(FindingCode.UNREADABLE_FILE, place.name, expected="a regular file", seen=why(error))
        return None
    return parse_evidence(data, place.name, findings)


def _compare(
    name: str, seen: Stated, run: Run, verification: Verification, findings: Findings, progress: Progress | None
) -> tuple[str, ...]:
    """Compare a file with the draft of its run, and its pictures; return what was not checked."""
    digests = {file: digest for file, digest in seen.pictures.items() if file in PICTURES}
    measured = measure(run) if Artifact.EVENTS in run.summary.artifacts else None
    try:
        proper, draft, _ = _draft(run, measured, verification, seen._replace(pictures=digests))
    except ConfigError as error:
        findings.add(FindingCode.EVIDENCE_MALFORMED, name, expected="what a draft can hold", seen=str(error))
        return ()
    if name != proper:
        findings.add(FindingCode.EVIDENCE_DIFFERS, name, expected=f"the file name {proper}", seen=name)
    compare_evidence(seen.text, draft, name, findings)
    draw = partial(plot_files, run, progress, measured)
    return _compare_pictures(run, digests, name, findings, draw) if digests else ()


def _as_stated(report: VerifyReport, text: str) -> Verification:
    """Return the outcome that the file names, of those that verifying with replay could have had; else the best one."""
    verdict, findings = report.verdict, len(report.findings)
    ways = (
        Verification(verdict, findings, Replay.DIFFERENT if findings else Replay.IDENTICAL),
        Verification(verdict, findings + 1, Replay.DIFFERENT),
        Verification(verdict, findings + 1, Replay.IMPOSSIBLE),
        Verification(verdict, findings, Replay.IMPOSSIBLE),
    )
    return next((way for way in ways if f": {verify_outcome(way)}.\n" in text), ways[0])


def _compare_pictures(
    run: Run, digests: Mapping[str, str], name: str, findings: Findings, draw: Callable[[], Mapping[str, bytes]]
) -> tuple[str, ...]:
    """Compare the pictures with the hashes that the file ``name`` gives them: as they lie there, and drawn again."""
    for file in sorted(set(PICTURES).difference(digests)):
        findings.add(FindingCode.PICTURE_DIFFERS, name, expected=f"{file} beside the others", seen="none")
    for file, digest in digests.items():
        try:
            own = sha256_hex(read_regular(Path(run.path, EVIDENCE_DIR, file), MAX_PICTURE))
        except FileNotFoundError:
            findings.add(FindingCode.MISSING_FILE, file)
        except OSError as error:
            findings.add(FindingCode.UNREADABLE_FILE, file, expected="a regular file", seen=why(error))
        else:
            if own != digest:
                findings.add(FindingCode.PICTURE_DIFFERS, file, expected=f"sha256 {digest}", seen=own)
    try:
        drawn = draw()
    except (MissingExtraError, RunPathError) as error:
        return (f"{NOT_DRAWN}: {error}",)
    for file, digest in digests.items():
        own = sha256_hex(drawn[file])
        if own != digest:
            expected = f"{own}, drawn from the run by matplotlib {metadata.version('matplotlib')}"
            findings.add(FindingCode.PICTURE_DIFFERS, name, expected=f"{file} of sha256 {expected}", seen=digest)
    return ()
