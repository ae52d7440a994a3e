"""Both proofs in one report: the witness refolds the log, the replay executes the session again.

Rules kept here:

* a damaged directory is a finding, never an exception; an exception means that no report is possible;
* a manifest makes no code run and opens no path: a strategy or market file comes from the caller, by hash;
* a replay that was asked for and could not be done is a finding, since a gate must not pass for want of its tool;
* a run that required the layer ``namespace`` is executed again with what its canary recorded; with a strategy of
  one's own that happens away from the network too, where the kernel lets it, and is said where it does not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from c2lib.app.namespace import Progress, replay_in_namespace
from c2lib.app.replay import read_manifest
from c2lib.app.runner import Job, compare_with, opened_market, source_of
from c2lib.core.clock import RecordedClock
from c2lib.core.config import SealedConfig
from c2lib.core.errors import C2Error, ConfigError, MarketDataError, RunPathError, StrategyLoadError
from c2lib.core.model import Clock, MarketData
from c2lib.core.redaction import redact_secrets
from c2lib.core.text import shown
from c2lib.core.vocabulary import Artifact, RejectCode
from c2lib.record.files import held
from c2lib.session.nolive import RecordedGuard
from c2lib.session.strategy import StrategySource, built_in_source
from c2lib.witness.findings import Finding, FindingCode, Verdict
from c2lib.witness.lines import MAX_OBJECT, strict_json
from c2lib.witness.run import Run, RunSummary, open_run

VerifyProgress = Callable[[str, int, int], None]
"""Told ``("B", bytes read, bytes in all)``, then ``("step", steps executed again, steps planned)``, now and then."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What verifying a run directory gave.

    ``replayed`` says whether the session was executed again, ``unchecked`` what could not be looked at.
    """

    path: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]
    replayed: bool
    summary: RunSummary

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def facts(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "path": self.path,
            "ok": self.ok,
            "verdict": self.verdict.value,
            "replayed": self.replayed,
            "run_id": self.summary.run_id,
            "status": self.summary.status,
            "run_digest": self.summary.run_digest,
            "findings": [finding.facts() for finding in self.findings],
            "unchecked": list(self.unchecked),
        }


def verify_run(
    path: str | os.PathLike[str],
    replay: bool = False,
    *,
    require_sealed: bool = False,
    expect_digest: str | None = None,
    market: str | os.PathLike[str] | None = None,
    strategy: Any = None,
    progress: VerifyProgress | None = None,
) -> VerifyReport:
    """Return the report on a run directory.

    ``replay`` executes the session again; ``market``, a path, and ``strategy``, a class or a source, are what it
    needs when the run used a file or a strategy of one's own, and a finding when they cannot be used. ``progress``
    is told how far it is. Raises :class:`RunPathError` when there is no directory to report on.
    """
    source = source_of(strategy)
    seen = open_run(path, progress=partial(progress, "B") if progress else None)
    findings = list(seen.findings)
    unchecked = list(seen.unchecked)
    findings.extend(anchor_findings(seen, require_sealed=require_sealed, expect_digest=expect_digest))
    replayed = False
    if not replay or seen.verdict is not Verdict.SEALED:
        unchecked.append("re-execution: " + ("left out" if not replay else "needs a manifest"))
    elif not _is_replayable(seen):
        unchecked.append("re-execution: left out, since the manifest itself is wrong")
    else:
        step = partial(progress, "step") if progress else None
        finding, refusal = _replay(Path(path), market, source, seen.summary, step)
        unchecked.extend([f"the network while executing again: hook alone, since {refusal}"] if refusal else [])
        replayed = finding is None or finding.code is FindingCode.REPLAY_DIVERGED
        findings.extend([finding] if finding else [])
    place = redact_secrets(os.fspath(path))
    return VerifyReport(place, seen.verdict, tuple(findings), tuple(unchecked), replayed, seen.summary)


def anchor_findings(
    seen: Run | VerifyReport, *, require_sealed: bool = False, expect_digest: str | None = None
) -> list[Finding]:
    """Return what is wrong with a run by what its reader knows of it from elsewhere."""
    findings = []
    if require_sealed and seen.verdict is not Verdict.SEALED:
        findings.append(Finding(FindingCode.NOT_SEALED, Artifact.MANIFEST, expected="SEALED", seen=seen.verdict))
    if expect_digest is not None and seen.summary.run_digest != expect_digest:
        got, asked = seen.summary.run_digest or "none", shown(expect_digest)
        findings.append(Finding(FindingCode.RUN_DIGEST_WRONG, Artifact.MANIFEST, expected=asked, seen=got))
    return findings


def _is_replayable(seen: Run) -> bool:
    broken = {FindingCode.RUN_DIGEST_WRONG, FindingCode.CONFIG_HASH_WRONG, FindingCode.OTHER_BEHAVIOUR_VERSION}
    about_manifest = {finding.code for finding in seen.findings if finding.file == Artifact.MANIFEST}
    return not about_manifest & (broken | {FindingCode.MALFORMED_LINE, FindingCode.CONTRACT_BROKEN})


def _impossible(seen: str, expected: str) -> Finding:
    return Finding(FindingCode.REPLAY_IMPOSSIBLE, Artifact.MANIFEST, expected=expected, seen=seen)


def _replay(
    place: Path,
    market: str | os.PathLike[str] | None,
    strategy: StrategySource | None,
    summary: RunSummary,
    progress: Progress | None,
) -> tuple[Finding | None, str | None]:
    """Return the finding, and why code of the caller's ran without the namespace that its run required."""
    recorded = summary.reject_reason if summary.reject_code == RejectCode.NO_LIVE_GUARD else None
    if strategy is None or summary.no_live_required != "namespace":
        return replay_here(place, market, strategy, recorded, progress), None
    try:
        return replay_in_namespace(place, market, strategy, recorded, progress)
    except C2Error as error:
        return _impossible(str(error), "a run that can be executed again"), None


def replay_here(
    place: Path,
    market: str | os.PathLike[str] | None,
    strategy: StrategySource | None,
    recorded: str | None,
    progress: Progress | None = None,
) -> Finding | None:
    """Execute the run at ``place`` again in this process, under the hook, and return where it parts, if it does.

    ``recorded`` is what the canary of the layer ``namespace`` complained of when the run was made.
    """
    try:
        with held(os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) as folder:
            return _first_difference(place, folder, market, strategy, recorded, progress)
    except (MarketDataError, StrategyLoadError, ConfigError, RunPathError) as error:
        return _impossible(str(error), "a run that can be executed again")
    except (KeyError, TypeError, ValueError, OSError, C2Error) as error:
        return _impossible(f"{type(error).__name__} in the manifest", "a manifest that can be executed again")


def _first_difference(
    place: Path,
    folder: int,
    market: str | os.PathLike[str] | None,
    strategy: StrategySource | None,
    recorded: str | None,
    progress: Progress | None,
) -> Finding | None:
    manifest = strict_json(read_manifest(folder), MAX_OBJECT)
    config = SealedConfig.parse(manifest["config"])
    source = _strategy_for(manifest["strategy"], config.strategy_id, strategy)
    if config.market.source == "file" and market is None:
        return _impossible("no market file", f"--market FILE with sha256 {config.market.file_sha256}")
    with opened_market(config, market if config.market.source == "file" else None) as data:
        if data is not None and market is not None and data.sha256 != config.market.file_sha256:
            seen = f"{redact_secrets(Path(market).name)} of sha256 {data.sha256}"
            return _impossible(seen, f"a market file of sha256 {config.market.file_sha256}")
        guard = partial(RecordedGuard, recorded) if config.no_live_required == "namespace" else None
        job = replace(_job(config, data, source, manifest["inputs"]), guard=guard, progress=progress)
        difference, _, _ = compare_with(job, place, folder)
    if difference is None:
        return None
    return Finding(
        FindingCode.REPLAY_DIVERGED,
        difference.file,
        difference.line,
        expected=difference.computed,
        seen=difference.published,
    )


def _strategy_for(facts: Mapping[str, Any], strategy_id: str, given: StrategySource | None) -> StrategySource | None:
    if facts["origin"] in (None, "built-in"):
        return built_in_source(strategy_id) if facts["origin"] else None
    if given is None:
        raise StrategyLoadError(
            f"the strategy is the caller's own: --strategy-file FILE:CLASS of sha256 {facts['sha256']}"
        )
    if given.sha256 is None or given.sha256 != facts["sha256"]:
        raise StrategyLoadError(f"the strategy handed over has sha256 {given.sha256}, the run used {facts['sha256']}")
    return replace(given, origin=facts["origin"])


def _job(
    config: SealedConfig, data: MarketData | None, source: StrategySource | None, inputs: Mapping[str, Any]
) -> Job:
    clock: Clock | None = None
    readings = inputs["clock_readings"]
    if readings is not None and config.clock_start is None:
        clock = RecordedClock([(int(index), str(text)) for index, text in readings])
    return Job(config, data, clock, source, inputs)
