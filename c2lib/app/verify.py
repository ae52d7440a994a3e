"""Both proofs in one report: the witness refolds the log, the replay executes the session again.

A damaged directory is a finding, never an exception. A manifest makes no code run and opens no path: a strategy or a
market file comes from the caller and must have the sealed hash; without it there is no report, since nothing was found
that is wrong with the run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from c2lib.app.replay import Published, other_versions
from c2lib.app.runner import Job, Progress, compare_with, opened_market, source_of
from c2lib.app.strategy_files import strategy_from_source
from c2lib.app.strategy_host import StrategyHost
from c2lib.core.canon import sha256_hex
from c2lib.core.config import SealedConfig
from c2lib.core.errors import (
    C2Error,
    ConfigError,
    InputError,
    MarketDataError,
    MissingExtraError,
    OutputError,
    StrategyLoadError,
)
from c2lib.core.redaction import redact_secrets
from c2lib.core.regular_file import open_regular
from c2lib.core.rich import Look, RichRows
from c2lib.core.text import shown
from c2lib.core.vocabulary import Artifact, RejectCode
from c2lib.market.csv_file import FRAME, frame_csv
from c2lib.session.nolive import HOOK, NAMESPACE
from c2lib.session.strategy import StrategySource, built_in_source
from c2lib.witness.findings import FINDING_COLUMNS, Finding, FindingCode, Verdict
from c2lib.witness.lines import at
from c2lib.witness.run import Run, open_run
from c2lib.witness.summary import RunSummary

VerifyProgress = Callable[[str, int, int], None]
"""Called now and then with ``"B"``, then ``"step"``, then ``"picture"``, how many are done, and how many there are."""

_WRONG_MANIFEST = {
    FindingCode.RUN_DIGEST_WRONG,
    FindingCode.CONFIG_HASH_WRONG,
    FindingCode.OTHER_BEHAVIOUR_VERSION,
    FindingCode.MALFORMED_LINE,
    FindingCode.CONTRACT_BROKEN,
}
"""Findings on a manifest that leave nothing to execute again."""

_DAMAGED = (KeyError, TypeError, ValueError, OSError, C2Error)
"""What a record that was not written by c2lib can raise where it is executed."""


@dataclass(frozen=True, slots=True, repr=False)
class VerifyReport(RichRows):
    """What verifying a run directory gave.

    ``replayed``: the session was executed again; ``unchecked`` could not be checked; ``notes`` are no findings.
    """

    _look: ClassVar[Look] = Look(
        "summary.run_id", "verdict", "ok replayed summary.status notes unchecked", {"findings": FINDING_COLUMNS}
    )

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
            **{name: getattr(self.summary, name) for name in ("run_id", "status", "run_digest")},
            "findings": [finding.facts() for finding in self.findings],
            "unchecked": list(self.unchecked),
            "notes": list(self.notes),
        }


def verify_run(
    path: str | os.PathLike[str],
    replay: bool = True,
    *,
    require_sealed: bool = False,
    expect_digest: str | None = None,
    market: Any = None,
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
        market: path of the market file, or the ``pandas.DataFrame``, which the replay needs when the run used one.
        strategy: a class or ``"FILE.py:CLASS"``, which the replay needs when the run used one's own.
        require_namespace: whether to execute a strategy file only where it has no network to reach.
        run_kept_strategy: whether the replay may execute the ``strategy.py`` that lies in the directory instead.
        progress: called now and then; see :data:`VerifyProgress`.

    Raises:
        RunPathError: there is no directory to report on.
        StrategyLoadError: ``strategy`` cannot be loaded, or is another one than the run used.
        OutputError: this machine cannot execute it, or gives no namespace though one is required.
        ConfigError: the market or strategy file that the replay needs was not given, or ``strategy`` is no class.
        MarketDataError: ``market`` cannot be read, or is another file than the run used.
        MissingExtraError: reading it needs an extra that is not installed.
    """
    given = Given(market, source_of(strategy), run_kept_strategy, require_namespace, progress)
    with open_run(path, progress=given.counting("B"), keep_open=replay) as run:
        report = report_on(run, given, replay=replay)
    return anchored(report, require_sealed=require_sealed, expect_digest=expect_digest)


@dataclass(frozen=True, slots=True)
class Given:
    """What the reader of a run gave for its replay; see :func:`verify_run` for the fields."""

    market: Any
    source: StrategySource | None
    run_kept_strategy: bool
    require_namespace: bool = False
    progress: VerifyProgress | None = None

    def counting(self, unit: str) -> Progress | None:
        """Return what is called with how many of a unit are done, and how many there are."""
        return partial(self.progress, unit) if self.progress else None


def report_on(run: Run, given: Given, *, replay: bool) -> VerifyReport:
    """Return the report on a run that :func:`open_run` gave; raises as :func:`verify_run` does."""
    findings, unchecked, replayed = list(run.findings), list(run.unchecked), False
    wrong = any(finding.file == Artifact.MANIFEST and finding.code in _WRONG_MANIFEST for finding in run.findings)
    origin, sha256 = (at(run.manifest, "config", "strategy", name) for name in ("origin", "sha256"))
    if not replay or run.verdict is not Verdict.SEALED:
        unchecked.append(f"re-execution: {'needs a manifest' if replay else 'left out'}")
    elif run.manifest is None or wrong:
        unchecked.append("re-execution: left out, since the manifest itself is wrong")
    elif origin == "object" and None in (given.source, sha256):
        unchecked.append("re-execution: the strategy was a class in memory, which nobody can hand over as a file")
    else:
        finding, notes = _replay(run, run.manifest, given)
        unchecked.extend(notes)
        replayed = finding is None or finding.code is FindingCode.REPLAY_DIVERGED
        findings.extend([finding] if finding else [])
    place = redact_secrets(run.path)
    return VerifyReport(place, run.verdict, tuple(findings), tuple(unchecked), run.notes, replayed, run.summary)


def anchored(report: VerifyReport, *, require_sealed: bool, expect_digest: str | None) -> VerifyReport:
    """Return a report with what is wrong by what the reader of the run knows of it from elsewhere."""
    findings = list(report.findings)
    if require_sealed and report.verdict is not Verdict.SEALED:
        findings.append(Finding(FindingCode.NOT_SEALED, Artifact.MANIFEST, expected="SEALED", seen=report.verdict))
    if expect_digest is not None and report.summary.run_digest != expect_digest:
        got, asked = report.summary.run_digest or "none", shown(expect_digest)
        findings.append(Finding(FindingCode.RUN_DIGEST_WRONG, Artifact.MANIFEST, expected=asked, seen=got))
    return replace(report, findings=tuple(findings))


def _impossible(error: Exception) -> Finding:
    """Return the finding on a run whose own record keeps it from being executed again."""
    seen = str(error) if isinstance(error, InputError) else f"{type(error).__name__} in the manifest"
    return Finding(FindingCode.REPLAY_IMPOSSIBLE, Artifact.MANIFEST, 0, None, "a run that can be executed again", seen)


def _replay(run: Run, manifest: Mapping[str, Any], given: Given) -> tuple[Finding | None, list[str]]:
    """Execute a run again; return the first difference or why that is impossible, and what was not checked."""
    notes: list[str] = []
    problem = run.summary.reject_reason if run.summary.reject_code == RejectCode.NO_LIVE_GUARD else None
    try:
        config, inputs = SealedConfig.parse(manifest["config"]), manifest["inputs"]
        kept = _kept_strategy(run, config) if given.run_kept_strategy and given.source is None else None
    except _DAMAGED as error:
        return _impossible(error), notes
    handed = given.source or kept
    empty = isinstance(given.market, str) and not given.market
    market = None if empty or config.market.source != "file" else given.market
    _require_files(run, config, market=market is not None, strategy=handed is not None)
    source = _strategy_for(run, config, handed)
    name = "" if market is None else _checked_market(run, market, config.market.file_sha256)
    notes.extend(f"what the strategy imports: {version}" for version in other_versions(manifest, source))
    with ExitStack() as stack:
        host = stack.enter_context(StrategyHost()) if source and source.source is not None else None
        refusal = host.namespace_problem() if host is not None else None
        if refusal and given.require_namespace:
            raise OutputError(f"{run.path} was not executed again: {refusal}")
        if refusal:
            notes.append(f"the network while executing again: hook alone, since {refusal}")
        layer, step = HOOK if refusal else NAMESPACE, given.counting("step")
        published = Published(run.files, manifest, run.kept_strategy or b"")
        try:
            data = stack.enter_context(opened_market(config, market))
            if data is not None and data.sha256 != config.market.file_sha256:
                raise OutputError(f"{name} was altered while it was read")
            job = Job(config, data, None, source, inputs, step, host, layer, problem)
            finding, _, _ = compare_with(job, Path(run.path), published)
        except (MissingExtraError, OutputError):
            # the machine's fault, which says nothing of the run
            raise
        except _DAMAGED as error:
            return _impossible(error), notes
    return finding, notes


def _kept_strategy(run: Run, config: SealedConfig) -> StrategySource | None:
    """Return the strategy that a run keeps, ``None`` for one that keeps none; raise :class:`StrategyLoadError`."""
    sealed = config.strategy
    if sealed.origin != "file" or not config.keep_strategy:
        return None
    if run.kept_strategy is None or sha256_hex(run.kept_strategy) != sealed.sha256:
        raise StrategyLoadError(f"the run keeps no {Artifact.STRATEGY} of the sealed sha256 {sealed.sha256}")
    return strategy_from_source(Artifact.STRATEGY, str(sealed.class_name), run.kept_strategy)


def _require_files(run: Run, config: SealedConfig, *, market: bool, strategy: bool) -> None:
    """Raise :class:`ConfigError` that names every file which the replay needs and the caller did not give."""
    lacking = {}
    if config.market.source == "file" and not market:
        lacking["market"] = f"--market FILE of sha256 {config.market.file_sha256}"
    if config.strategy.origin == "file" and not strategy:
        kept = ", or --run-kept-strategy for the one that the run keeps" if config.keep_strategy else ""
        name, sha256 = config.strategy.class_name, config.strategy.sha256
        lacking["strategy"] = f"--strategy-file FILE.py:{name} of sha256 {sha256}{kept}"
    if lacking:
        problem = f"not given, and {run.path} cannot be executed again without"
        raise ConfigError(" and ".join(lacking), problem, hint=f"add {'; add '.join(lacking.values())}")


def _checked_market(run: Run, market: Any, sealed: str | None) -> str:
    """Return what messages call a market; raise :class:`MarketDataError` unless it has the sealed hash."""
    name = FRAME if hasattr(market, "iloc") else os.fspath(market)
    try:
        if name is FRAME:
            seen = sha256_hex(b"".join(frame_csv(market)))
        else:
            with os.fdopen(open_regular(market, follow=True), "rb") as file:
                seen = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise MarketDataError(name, 0, f"cannot be read: {getattr(error, 'strerror', error)}") from None
    if seen != sealed:
        raise MarketDataError(name, 0, f"has sha256 {seen}, and {run.path} used {sealed}")
    return name


def _strategy_for(run: Run, config: SealedConfig, given: StrategySource | None) -> StrategySource | None:
    """Return the strategy that a config seals: a built-in one, or the caller's when it has the sealed hash."""
    sealed = config.strategy
    if given is None or sealed.origin in (None, "built-in"):
        return built_in_source(config.strategy_id) if sealed.origin else None
    for name in ("sha256", "class_name") if sealed.origin == "file" else ("sha256",):
        seen, used = getattr(given, name), getattr(sealed, name)
        if seen is None or seen != used:
            raise StrategyLoadError(f"the strategy handed over has {name} {seen}, and {run.path} used {used}")
    return replace(given, origin=sealed.origin)
