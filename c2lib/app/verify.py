"""Both proofs in one report: the witness refolds the log, the replay executes the session again.

A damaged directory is a finding, never an exception, and so is a replay that was asked for and could not be done: what
was not checked does not pass. A manifest makes no code run and opens no path: a strategy or a market file
comes from the caller and must have the sealed hash.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from c2lib.app.replay import other_versions
from c2lib.app.runner import Job, Progress, compare_with, opened_market, source_of
from c2lib.app.strategy_files import strategy_from_source
from c2lib.app.strategy_host import StrategyHost
from c2lib.core.canon import sha256_hex
from c2lib.core.clock import RecordedClock
from c2lib.core.config import SealedConfig, StrategyConfig
from c2lib.core.errors import C2Error, ConfigError, MarketDataError, OutputError, RunPathError, StrategyLoadError
from c2lib.core.redaction import redact_secrets
from c2lib.core.text import shown
from c2lib.core.vocabulary import Artifact, RejectCode
from c2lib.record.files import held
from c2lib.session.nolive import HOOK, NAMESPACE
from c2lib.session.strategy import StrategySource, built_in_source
from c2lib.witness.findings import Finding, FindingCode, Verdict
from c2lib.witness.run import Run, open_run
from c2lib.witness.summary import RunSummary

VerifyProgress = Callable[[str, int, int], None]
"""Called with ``("B", bytes read, bytes in all)``, then ``("step", steps executed, steps planned)``, now and then."""

_WRONG_MANIFEST = {
    FindingCode.RUN_DIGEST_WRONG,
    FindingCode.CONFIG_HASH_WRONG,
    FindingCode.OTHER_BEHAVIOUR_VERSION,
    FindingCode.MALFORMED_LINE,
    FindingCode.CONTRACT_BROKEN,
}
"""Findings on a manifest that leave nothing to execute again."""

_Outcome = tuple[Finding | None, str | None]
"""A finding of the replay, and why a strategy file was executed without the namespace that was tried."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What verifying a run directory gave.

    ``replayed`` says whether the session was executed again, ``unchecked`` what could not be checked, ``notes`` what is
    no finding.
    """

    path: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]
    notes: tuple[str, ...]
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
            "notes": list(self.notes),
        }


def verify_run(
    path: str | os.PathLike[str],
    replay: bool = False,
    *,
    require_sealed: bool = False,
    expect_digest: str | None = None,
    market: str | os.PathLike[str] | None = None,
    strategy: Any = None,
    require_namespace: bool = False,
    run_kept_strategy: bool = False,
    progress: VerifyProgress | None = None,
) -> VerifyReport:
    """Return the report on a run directory.

    Args:
        path: the run directory.
        replay: whether to execute the session again and compare every byte.
        require_sealed: whether a run without a manifest is a finding.
        expect_digest: the ``run_digest`` that the run must have, kept elsewhere.
        market: path of the market file, which the replay needs when the run used one.
        strategy: a class or ``"FILE.py:CLASS"``, which the replay needs when the run used one's own.
        require_namespace: whether to execute a strategy file only where it has no network to reach.
        run_kept_strategy: whether the replay may execute the ``strategy.py`` that lies in the directory instead.
        progress: called now and then; see :data:`VerifyProgress`.

    Raises:
        RunPathError: there is no directory to report on.
        StrategyLoadError: ``strategy`` cannot be loaded.
        OutputError: this machine cannot execute it, or gives no namespace though one is required.
        ConfigError: ``strategy`` is neither a class nor a factory.
    """
    source = source_of(strategy)
    with open_run(path, progress=partial(progress, "B") if progress else None) as run:
        anchored = anchor_findings(run, require_sealed=require_sealed, expect_digest=expect_digest)
        given: dict[str, Any] = {
            "market": market,
            "source": source,
            "run_kept_strategy": run_kept_strategy,
            "require_namespace": require_namespace,
        }
        return report_on(run, replay, anchored=anchored, progress=progress, **given)


def report_on(
    run: Run,
    replay: bool = False,
    *,
    anchored: tuple[Finding, ...] = (),
    market: str | os.PathLike[str] | None = None,
    source: StrategySource | None = None,
    require_namespace: bool = False,
    run_kept_strategy: bool = False,
    progress: VerifyProgress | None = None,
) -> VerifyReport:
    """Return the report on a run that :func:`open_run` gave; see :func:`verify_run` for the arguments.

    ``anchored`` are findings of :func:`anchor_findings`, to stand behind those of the run.
    """
    findings, unchecked, replayed = [*run.findings, *anchored], list(run.unchecked), False
    if not replay or run.verdict is not Verdict.SEALED:
        unchecked.append(f"re-execution: {'needs a manifest' if replay else 'left out'}")
    elif run.manifest is None or any(
        finding.file == Artifact.MANIFEST and finding.code in _WRONG_MANIFEST for finding in run.findings
    ):
        unchecked.append("re-execution: left out, since the manifest itself is wrong")
    else:
        step = partial(progress, "step") if progress else None
        try:
            source = source or (kept_strategy(run) if run_kept_strategy else None)
            again = partial(_execute, run, run.manifest, market, source, step, require_namespace)
            finding, refusal = _replay(again)
        except StrategyLoadError as error:
            finding, refusal = _impossible(str(error)), None
        if source is not None:
            versions = other_versions(run.manifest["strategy"].get("imports", {}), source.imports)
            unchecked.extend(f"what the strategy imports: {version}" for version in versions)
        if refusal:
            unchecked.append(f"the network while executing again: hook alone, since {refusal}")
        replayed = finding is None or finding.code is FindingCode.REPLAY_DIVERGED
        if finding is not None:
            findings.append(finding)
    place = redact_secrets(run.path)
    return VerifyReport(place, run.verdict, tuple(findings), tuple(unchecked), run.notes, replayed, run.summary)


def kept_strategy(run: Run) -> StrategySource | None:
    """Return the strategy that a run keeps a file of, ``None`` for a run without its own.

    Raises :class:`StrategyLoadError` when there should be one, and none of the sealed hash is there.
    """
    sealed = run.summary.config.get("strategy", {})
    if sealed.get("origin") != "file":
        return None
    data = run.kept_strategy
    if data is None or sha256_hex(data) != sealed.get("sha256"):
        raise StrategyLoadError(f"the run keeps no strategy.py of sha256 {sealed.get('sha256')}: use --strategy-file")
    return strategy_from_source(Artifact.STRATEGY, str(sealed.get("class_name")), data)


def anchor_findings(
    seen: Run | VerifyReport, *, require_sealed: bool = False, expect_digest: str | None = None
) -> tuple[Finding, ...]:
    """Return what is wrong with a run by what its reader knows of it from elsewhere."""
    findings = []
    if require_sealed and seen.verdict is not Verdict.SEALED:
        findings.append(Finding(FindingCode.NOT_SEALED, Artifact.MANIFEST, expected="SEALED", seen=seen.verdict))
    if expect_digest is not None and seen.summary.run_digest != expect_digest:
        got, asked = seen.summary.run_digest or "none", shown(expect_digest)
        findings.append(Finding(FindingCode.RUN_DIGEST_WRONG, Artifact.MANIFEST, expected=asked, seen=got))
    return tuple(findings)


def _impossible(seen: str, expected: str = "a run that can be executed again") -> Finding:
    return Finding(FindingCode.REPLAY_IMPOSSIBLE, Artifact.MANIFEST, expected=expected, seen=seen)


def _replay(execute: Callable[[], _Outcome]) -> _Outcome:
    """Return what executing a run again gives: the first difference or why that is impossible, and the refusal."""
    try:
        return execute()
    except OutputError:
        # the machine's fault, which says nothing of the run
        raise
    except (MarketDataError, StrategyLoadError, ConfigError, RunPathError) as error:
        return _impossible(str(error)), None
    except (KeyError, TypeError, ValueError, OSError, C2Error) as error:
        return _impossible(f"{type(error).__name__} in the manifest", "a manifest that can be executed again"), None


def _execute(
    run: Run,
    manifest: Mapping[str, Any],
    market: str | os.PathLike[str] | None,
    given: StrategySource | None,
    progress: Progress | None,
    require_namespace: bool,
) -> _Outcome:
    config = SealedConfig.parse(manifest["config"])
    source = _strategy_for(config.strategy, config.strategy_id, given)
    sealed = config.market.file_sha256 if config.market.source == "file" else None
    if sealed and market is None:
        return _impossible("no market file", f"--market FILE with sha256 {sealed}"), None
    clock, inputs = None, manifest["inputs"]
    if inputs["clock_readings"] is not None and config.clock_start is None:
        clock = RecordedClock([(int(index), str(text)) for index, text in inputs["clock_readings"]])
    problem = run.summary.reject_reason if run.summary.reject_code == RejectCode.NO_LIVE_GUARD else None
    with ExitStack() as stack:
        foreign = source is not None and source.source is not None
        host = stack.enter_context(StrategyHost()) if foreign else None
        folder = stack.enter_context(held(os.open(run.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)))
        data = stack.enter_context(opened_market(config, market if sealed else None))
        if data is not None and market is not None and data.sha256 != sealed:
            seen = f"{redact_secrets(Path(market).name)} of sha256 {data.sha256}"
            return _impossible(seen, f"a market file of sha256 {sealed}"), None
        refusal = host.namespace_problem() if host is not None else None
        if refusal and require_namespace:
            raise OutputError(f"{run.path} was not executed again: {refusal}")
        layer = HOOK if refusal else NAMESPACE
        job = Job(config, data, clock, source, inputs, progress, host, layer, problem)
        difference, _, _ = compare_with(job, Path(run.path), folder)
    if difference is None:
        return None, refusal
    sides = {"expected": difference.computed, "seen": difference.published}
    return Finding(FindingCode.REPLAY_DIVERGED, difference.file, difference.line, **sides), refusal


def _strategy_for(sealed: StrategyConfig, strategy_id: str, given: StrategySource | None) -> StrategySource | None:
    """Return the strategy that a config seals: a built-in one, or the caller's when it has the sealed hash."""
    if sealed.origin in (None, "built-in"):
        return built_in_source(strategy_id) if sealed.origin else None
    if given is None:
        kept = ", or --run-kept-strategy for the one that the run keeps" if sealed.origin == "file" else ""
        problem = f"the strategy is the caller's own: --strategy-file FILE:CLASS of sha256 {sealed.sha256}{kept}"
        raise StrategyLoadError(problem)
    if given.sha256 is None or given.sha256 != sealed.sha256:
        raise StrategyLoadError(f"the strategy handed over has sha256 {given.sha256}, the run used {sealed.sha256}")
    return replace(given, origin=sealed.origin)
