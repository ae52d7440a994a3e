"""The composition root of a run: config, market, strategy, sinks, directory.

Whatever is malformed is refused before the first byte is written. A directory that is there already is never written
over: its run is executed again and compared. The manifest is written last, then one rename publishes the directory,
unless a sink failed for good, or something tried to leave the process while the record was being closed.
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from c2lib.app.paths import environment_facts, output_root
from c2lib.app.replay import (
    ComparingSink,
    Published,
    RecordedClock,
    compare_kept,
    other_versions,
    published_run,
    repeating_failures,
)
from c2lib.app.strategy_files import strategy_from_file, strategy_from_object
from c2lib.app.strategy_host import StrategyHost
from c2lib.core.config import DryrunConfig, SealedConfig, check_run_id_for_directory, seal
from c2lib.core.errors import ConfigError, InputError, RunConflictError, RunPathError
from c2lib.core.model import Clock, MarketData
from c2lib.core.redaction import find_secret
from c2lib.core.text import field_differences
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from c2lib.market.files import open_market_file
from c2lib.record.files import PublishedAlready, StagedRun, find_run, held, run_path
from c2lib.record.lines import object_line
from c2lib.record.seal import ArtifactDigest
from c2lib.session.nolive import NAMESPACE, NoLiveGuard
from c2lib.session.orchestrator import LiveSessionOrchestrator
from c2lib.session.result import DryrunResult
from c2lib.session.session import RECENT, DryrunSession
from c2lib.session.strategy import StrategySource, built_in_source, ending_again
from c2lib.witness.findings import Finding
from c2lib.witness.lines import at

Progress = Callable[[int, int], None]
"""Called with ``(steps made, steps planned)`` from time to time."""

_CHUNK = 4096
"""Steps between two calls of a progress."""

_NO_INPUTS: Mapping[str, Any] = {"cancel": None, "clock_readings": None, "sink_failures": [], "strategy_end": None}

_SINKS = {
    "event_sink": Artifact.EVENTS,
    "state_sink": Artifact.SNAPSHOTS,
    "audit_sink": Artifact.AUDIT,
    "metrics_sink": Artifact.METRICS,
}


@dataclass(frozen=True, slots=True)
class Job:
    """Everything a session is run with.

    Args:
        config: what to run.
        market: the bars; left out: the synthetic walk.
        clock: the caller's clock; left out, the inputs' readings of one.
        source: the strategy.
        inputs: those of an earlier execution, to be met again.
        progress: called between chunks of steps.
        host: where the strategy runs; left out: in this process.
        layer: the NO-LIVE layer that it runs in there; left out: the required one, whose canary then decides.
        problem: what the canary reported in the execution that is repeated.
    """

    config: SealedConfig
    market: MarketData | None
    clock: Clock | None
    source: StrategySource | None
    inputs: Mapping[str, Any]
    progress: Progress | None = None
    host: StrategyHost | None = None
    layer: str | None = None
    problem: str | None = None

    def execute(
        self, sink: Callable[[Artifact], Any], stop_asked: Callable[[], bool] = lambda: False
    ) -> tuple[DryrunSession, DryrunResult]:
        """Run the session into a ``sink`` for each file; it ends early when ``stop_asked`` says so, now and then."""
        planned, cancel = self.config.steps, self.inputs["cancel"]
        bound = cancel["step"] if cancel else planned
        with ExitStack() as stack:
            sinks = {name: repeating_failures(sink(file), file, self.inputs) for name, file in _SINKS.items()}
            session = self.open(stack, sinks, bound=True)
            while session.steps < bound and not stop_asked():
                if not session.run_n_steps(min(_CHUNK, bound - session.steps)):
                    break
                if self.progress is not None:
                    self.progress(session.steps, planned)
            if cancel:
                session.cancel(cancel["reason"])
            return session, session.stop()

    def open(self, stack: ExitStack, sinks: Mapping[str, Any], *, bound: bool) -> DryrunSession:
        """Open the session, its strategy in the host where there is one.

        Closing ``stack`` ends the strategy's child, to whose core this thread is ``bound`` until then.
        """
        clock, source, readings = self.clock, self.source, self.inputs["clock_readings"]
        if readings is not None and self.config.clock_start is None:
            clock = RecordedClock([(int(index), str(text)) for index, text in readings])
        required = self.config.no_live_required
        if self.host is None or source is None:
            guard = NoLiveGuard(required, self.problem)
        else:
            child = stack.enter_context(self.host.session(self.layer or required, self.config.strategy_timeout_s))
            if bound:
                stack.enter_context(child.bound())
            guard = child.guard
            guard.layer = required
            if self.layer is not None:
                guard.problem = self.problem
            name = source.class_name or self.config.strategy_id
            source = replace(source, factory=partial(child.load, name, source.source), finish=child.finish)
        if source and self.inputs["strategy_end"]:
            source = ending_again(source, self.inputs["strategy_end"])
        opener = LiveSessionOrchestrator(guard=lambda: guard)
        return opener.open(self.config, clock=clock, market=self.market, strategy=source, **sinks)

    @property
    def kept(self) -> bytes | None:
        """The strategy file that the run keeps, where it keeps one."""
        return self.source.source if self.source and self.config.keep_strategy else None

    def again(self, session: DryrunSession) -> Job:
        """Return the job that repeats what ``session`` met."""
        return replace(self, clock=None, inputs=session.inputs(), progress=None)


def run_dryrun(
    config: DryrunConfig,
    *,
    out_dir: str | os.PathLike[str] | None = None,
    market: Any = None,
    strategy: Any = None,
    clock: Clock | None = None,
    progress: Progress | None = None,
) -> DryrunResult:
    """Run a dry run into ``<out_dir>/finish_c/c2/<run_id>`` and return its result.

    A strategy file runs in a process of its own, and so does a built-in strategy in the NO-LIVE layer ``namespace``. A
    run on a class given in Python leaves no directory unless ``out_dir`` asks for one: nobody could execute it again.

    Args:
        config: what to run.
        out_dir: the output root; left out: ``$C2LIB_OUT``, else ``out/`` of the checkout, else ``./out``.
        market: path of a market file, or a ``pandas.DataFrame``; left out: the synthetic walk.
        strategy: ``"FILE.py:CLASS"``, or a class taking a ``StrategySettings``; left out: the built-in one.
        clock: anything with ``.now()``; left out: the config's fixed clock, or the time of the bars.
        progress: called with the steps made and the steps planned, now and then.

    Returns:
        The result, REJECTED and FAILED ones included; ``reproduced`` when the same run was there already.

    Raises:
        ConfigError: a field or an argument is malformed, or they do not go together; nothing was written.
        MarketDataError: the market file cannot be used; nothing was written.
        MissingExtraError: reading the market file needs an extra that is not installed.
        StrategyLoadError: the strategy file cannot be loaded; nothing was written.
        RunPathError: the output root or the run's place in it cannot be used.
        RunConflictError: another run of that name is there; it was left as it is.
        OutputError: the machine failed while the run was written.
    """
    root = output_root(out_dir)
    if find_secret(os.fspath(root)):
        raise ConfigError("out_dir", "looks like a secret", hint="it stands in results and messages; write elsewhere")
    with ExitStack() as stack:
        job = _job(stack, config, market, source_of(strategy), clock)
        job = replace(job, progress=progress)
        if job.config.strategy.origin == "object" and out_dir is None:
            # sinks that drop every line
            return job.execute(lambda _: deque(maxlen=0))[1]
        found = find_run(root, job.config.run_id)
        if found is not None:
            with held(found):
                return _reproduce(job, run_path(root, job.config.run_id), found)
        return _publish(job, root, market)


def open_session(
    config: DryrunConfig,
    *,
    market: Any = None,
    strategy: Any = None,
    clock: Clock | None = None,
    **sinks: Any,
) -> DryrunSession:
    """Open a session to step through, and write no directory; its steps give the bytes that :func:`run_dryrun` writes.

    A strategy file runs in a process of its own, which ends when the session is stopped, left as a context manager, or
    no longer used. Raises what :func:`run_dryrun` raises before it writes.

    Args:
        config: what to run.
        market: path of a market file, a ``pandas.DataFrame``, or a market that is open; left out: the synthetic walk.
        strategy: ``"FILE.py:CLASS"``, or a class taking a ``StrategySettings``; left out: the built-in one.
        clock: anything with ``.now()``; left out: the config's fixed clock, or the time of the bars.
        sinks: those of :meth:`LiveSessionOrchestrator.open`; left out: the last events are kept, and nothing else.
    """
    with ExitStack() as stack:
        job = _job(stack, config, market, source_of(strategy), clock)
        kept = {name: deque[str](maxlen=RECENT if file is Artifact.EVENTS else 0) for name, file in _SINKS.items()}
        session = job.open(stack, {**kept, **sinks}, bound=False)
        session.resources.push(stack.pop_all())
    weakref.finalize(session, session.resources.close)
    return session


def _job(
    stack: ExitStack,
    config: DryrunConfig,
    market: Any,
    source: StrategySource | None,
    clock: Clock | None,
) -> Job:
    """Return what to run, sealed; ``stack`` closes its market and the process of its strategy."""
    if not isinstance(config, DryrunConfig):
        raise ConfigError("config", f"must be a DryrunConfig, not {type(config).__name__}")
    isolated = config.no_live_required == NAMESPACE
    if isolated and source is not None and source.origin == "object":
        hint = "save it in a file: strategy='FILE.py:CLASS', or --strategy-file FILE.py:CLASS"
        raise ConfigError("strategy", "is in this process, and no_live_required 'namespace' runs in another", hint=hint)
    if config.run_id is not None:
        check_run_id_for_directory(config.run_id)
    host = stack.enter_context(StrategyHost()) if isolated or (source and source.source is not None) else None
    data = stack.enter_context(opened_market(config, market))
    sealed = seal(config, data, strategy=source, clock_injected=clock is not None)
    return Job(sealed, data, clock, source or built_in_source(sealed.strategy_id), _NO_INPUTS, host=host)


def opened_market(config: DryrunConfig, source: Any) -> AbstractContextManager[MarketData | None]:
    """Return a context that gives the market file or frame ``source``, read and checked; as it is, what is open."""
    if source is None or hasattr(type(source), "bars"):
        return nullcontext(source)
    if isinstance(source, str) and not source:
        raise ConfigError("market", "is empty", hint="name a file, or leave it out")
    if not isinstance(source, str | os.PathLike) and not hasattr(source, "iloc"):
        raise ConfigError("market", f"must be a path, a DataFrame or an open market, not {type(source).__name__}")
    asked = config.market
    return open_market_file(source, tick_size=asked.tick_size, lot_size=asked.lot_size, rounding=asked.rounding)


def source_of(strategy: Any) -> StrategySource | None:
    """Return the source of the strategy that a caller gave: a class, ``FILE.py:CLASS``, a source, or nothing."""
    if isinstance(strategy, str):
        return strategy_from_file(strategy)
    return strategy if strategy is None or isinstance(strategy, StrategySource) else strategy_from_object(strategy)


def _publish(job: Job, root: Path, market: Any) -> DryrunResult:
    run_id = job.config.run_id
    with StagedRun(root, run_id) as staged:
        try:
            session, result = job.execute(staged.sink)
        except InputError:
            # what is given in Python can prove malformed as late as when the session opens
            staged.discard()
            raise
        if result.dead_sinks or result.violated_late:
            return replace(result, staging=str(staged.path))
        artifacts = staged.seal()
        if job.kept is not None:
            artifacts[Artifact.STRATEGY.value] = staged.add(Artifact.STRATEGY, job.kept)
        manifest = session.manifest(artifacts)
        staged.add(Artifact.ENVIRONMENT, object_line(environment_facts(market)))
        staged.add(Artifact.MANIFEST, object_line(manifest))
        try:
            path = staged.publish()
        except PublishedAlready:
            staged.discard()
            with held(staged.open_published()) as found:
                return _reproduce(job.again(session), run_path(root, run_id), found)
        return replace(result, run_digest=manifest["run_digest"], path=str(path))


def _reproduce(job: Job, place: Path, folder: int) -> DryrunResult:
    if job.config.strategy.origin == "object":
        problem = "is there already, and a run on a class given in Python is compared with none"
        raise RunPathError(f"{place} {problem}: leave run_id out, or save the class in a file (%%writefile FILE.py)")
    with published_run(folder) as published:
        difference, manifest, result = compare_with(job, place, published)
    if difference is None:
        return replace(result, run_digest=manifest["run_digest"], path=str(place), reproduced=True)
    # of a damaged manifest the difference itself is all that is shown
    config = at(published.manifest, "config") or manifest["config"]
    fields = tuple(name for name, _, _ in field_differences(config, manifest["config"], within_lists=False) if name)
    versions = other_versions(published.manifest, job.source)
    sides = difference.seen, difference.expected
    raise RunConflictError(str(place), difference.file, difference.line, *sides, fields, versions)


def compare_with(job: Job, place: Path, published: Published) -> tuple[Finding | None, dict[str, Any], DryrunResult]:
    """Execute a session again and compare it with its published directory.

    Args:
        job: the session.
        place: the path of the directory, for messages.
        published: what was read of it.

    Returns:
        The first difference or ``None``, the manifest computed, and the result.

    Raises:
        RunPathError: a file of the directory cannot be read.
    """
    try:
        source, recorded = job.source, at(published.manifest, "strategy", "imports")
        if source and isinstance(recorded, dict) and recorded.keys() == source.imports.keys():
            # versions belong to the machine: where they matter, the record itself differs
            job = replace(job, source=replace(source, imports=recorded))
        # in the order of the contract, in which the first difference is looked for
        sinks = {name: ComparingSink(published.files[name]) for name in (*SEALED_BY_MANIFEST, Artifact.MANIFEST)}
        sealed = sinks.pop(Artifact.MANIFEST)
        # when the events differ, which are reported first, no further step can change the answer
        session, result = job.execute(sinks.__getitem__, lambda: sinks[Artifact.EVENTS].difference() is not None)
        difference = next(filter(None, [sink.finish() for sink in sinks.values()]), None)
        artifacts = {name.value: sink.facts() for name, sink in sinks.items()}
        if job.kept is not None:
            difference = difference or compare_kept(published.strategy, job.kept)
            artifacts[Artifact.STRATEGY.value] = ArtifactDigest.of(job.kept).facts()
        manifest = session.manifest(artifacts)
        sealed.write(object_line(manifest))
        difference = difference or sealed.finish()
    except OSError as error:
        name = Path(error.filename or place).name
        raise RunPathError(f"{place} cannot be compared: {name}: {error.strerror}") from None
    return difference, manifest, result
