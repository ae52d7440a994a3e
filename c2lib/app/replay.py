"""Re-execution: the same orchestrator makes the same lines again, and sinks compare them instead of writing.

The published files are only read, through one handle of their directory, and never waited for. Lines are compared many
at a time, as they were written; the first difference is kept with both sides, without secrets.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO

from c2lib.core.model import MAX_SOURCE_BYTES
from c2lib.core.redaction import redact_secrets
from c2lib.core.regular_file import open_regular, read_regular
from c2lib.core.text import excerpts, first_difference, shown
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from c2lib.record.files import BATCH_LINES
from c2lib.record.seal import ArtifactDigest
from c2lib.witness.lines import MAX_OBJECT

_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference between a published file and what was computed; ``line`` counts from 1."""

    file: str
    line: int
    published: str
    computed: str


def difference_at(file: str, line: int, published: bytes, computed: bytes) -> Difference:
    """Return the difference of two lines, as excerpts around its place that are safe to print."""
    # before they are cut: what is left of a secret is not recognised as one
    left, right = (redact_secrets(data.decode("utf-8", "replace")) for data in (published, computed))
    left, right = excerpts(left, right, before=30, limit=_SHOWN)
    return Difference(file, line, *(ascii(text) if text else "nothing" for text in (left, right)))


def recorded_imports(manifest: bytes) -> dict[str, str | None]:
    """Return the imports of the strategy that a manifest records, with their versions; none of a damaged one."""
    try:
        imports = json.loads(manifest)["strategy"]["imports"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return imports if isinstance(imports, dict) else {}


def other_versions(recorded: Mapping[str, Any], imports: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the modules that have another version than the record says, each with both."""
    found = []
    for name, version in imports.items():
        if name in recorded and recorded[name] != version:
            found.append(f"{name} {shown(recorded[name])} then, {version or 'null'} now")
    return tuple(found)


def compare_kept(folder: int, source: bytes) -> Difference | None:
    """Return where the strategy file that a run keeps differs from ``source``; raise :class:`OSError` without one."""
    published = read_regular(Artifact.STRATEGY, MAX_SOURCE_BYTES, folder)
    if published == source:
        return None
    at = first_difference(published, source)
    start, line = source.rfind(b"\n", 0, at) + 1, source.count(b"\n", 0, at) + 1
    return difference_at(Artifact.STRATEGY, line, *(data[start : at + _SHOWN] for data in (published, source)))


def read_manifest(folder: int) -> bytes:
    """Return the bytes of a published manifest; raise :class:`OSError` unless it is a regular file."""
    return read_regular(Artifact.MANIFEST, MAX_OBJECT, folder)


class ComparingSink:
    """A sink that reads a published file along with the lines that it is given."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self._name = name
        self._file = file
        self._lines: list[str] = []
        self._compared = 0
        self._digest = ArtifactDigest()
        self._difference: Difference | None = None

    def write(self, line: str) -> None:
        """Take the next line; after the first difference nothing more is compared."""
        lines = self._lines
        if len(lines) >= BATCH_LINES:
            self._compare()
        lines.append(line)

    def flush(self) -> None:
        """Do nothing: lines are compared when there are many, or when :meth:`difference` is asked for."""

    def difference(self) -> Difference | None:
        """Return the first difference between what was written so far and as much of the published file."""
        self._compare()
        return self._difference

    def finish(self) -> Difference | None:
        """Return the first difference, also where the published file goes on behind the last line."""
        if self.difference() is None:
            rest = self._file.read(_SHOWN)
            if rest:
                self._difference = difference_at(self._name, self._compared + 1, rest, b"")
        return self._difference

    def facts(self) -> dict[str, Any]:
        """Return what a manifest says of the computed lines, once :meth:`finish` was called."""
        return self._digest.facts()

    def _compare(self) -> None:
        lines = self._lines[:]
        self._lines.clear()
        computed = "".join(lines).encode()
        self._digest.update(computed, len(lines))
        if self._difference is not None:
            return
        published = self._file.read(len(computed))
        if published != computed:
            at = first_difference(published, computed)
            start, index = computed.rfind(b"\n", 0, at) + 1, computed.count(b"\n", 0, at)
            line = lines[index].encode()
            there = published[start : start + len(line)]
            self._difference = difference_at(self._name, self._compared + index + 1, there, line)
        self._compared += len(lines)


class ComparedRun:
    """The four sinks of a session, compared with an open run directory; a context manager that closes its files."""

    def __init__(self, folder: int) -> None:
        with ExitStack() as files:
            self._sinks = {
                name: ComparingSink(name, files.enter_context(os.fdopen(open_regular(name, folder), "rb")))
                for name in SEALED_BY_MANIFEST
            }
            self._files = files.pop_all()

    def sink(self, artifact: Artifact) -> ComparingSink:
        """Return the sink of one of the four files."""
        return self._sinks[artifact]

    @property
    def diverged(self) -> bool:
        """Whether the events differ, the file that is reported first: no further step can change the answer."""
        return self._sinks[Artifact.EVENTS].difference() is not None

    def seal(self) -> dict[str, Any]:
        """Return what a manifest says of each computed file."""
        return {artifact.value: sink.facts() for artifact, sink in self._sinks.items()}

    def finish(self) -> Difference | None:
        """Return the first difference, in the order in which the contract names the files."""
        found = [sink.finish() for sink in self._sinks.values()]
        return next((difference for difference in found if difference), None)

    def __enter__(self) -> ComparedRun:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()


class _FailingSink:
    """A sink that fails where a recorded one failed, and as often, and gives the lines to another."""

    def __init__(self, sink: Any, failures: Sequence[tuple[int, Sequence[str]]]) -> None:
        self._sink = sink
        self._planned = {call: list(errors) for call, errors in failures}
        self._call = 0

    def write(self, line: str) -> None:
        """Fail as recorded, or write the line."""
        self._forward(self._sink.write, line)

    def flush(self) -> None:
        """Fail as recorded, or flush."""
        self._forward(self._sink.flush)

    def _forward(self, call: Callable[..., object], *line: str) -> None:
        errors = self._planned.get(self._call)
        if errors:
            # the audit names the type of an error, and nothing else of it
            raise type(str(errors.pop(0)), (Exception,), {})
        call(*line)
        self._call += 1


def repeating_failures(sink: Any, artifact: Artifact, inputs: Mapping[str, Any]) -> Any:
    """Return ``sink``, made to fail as the manifest's ``inputs`` say of ``artifact``."""
    failures = [(call, errors) for name, call, errors in inputs["sink_failures"] if name == artifact.value]
    return _FailingSink(sink, failures) if failures else sink
