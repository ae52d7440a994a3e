"""Re-execution: the same orchestrator makes the same lines again, and sinks compare them instead of writing.

The published files were read before. Lines are compared with the hashes that were taken then, so that the bytes that
were examined are the bytes that are compared. A file is read again only to show where it differs, without secrets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from typing import Any, NamedTuple

from c2lib.core.clock import parse_utc
from c2lib.core.errors import ConfigError
from c2lib.core.model import MAX_SOURCE_BYTES
from c2lib.core.redaction import redact_secrets
from c2lib.core.regular_file import read_regular
from c2lib.core.text import excerpts, first_difference, shown
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from c2lib.record.files import BATCH_LINES
from c2lib.session.strategy import StrategySource
from c2lib.witness.findings import Finding, FindingCode, Findings
from c2lib.witness.lines import LineCheck, at
from c2lib.witness.reader import ArtifactFile

_SHOWN = 120


def difference_at(file: str, line: int, published: bytes, computed: bytes) -> Finding:
    """Return the finding on a line that is computed otherwise, as excerpts around the place that are safe to print."""
    # before they are cut: what is left of a secret is not recognised as one
    left, right = (redact_secrets(data.decode("utf-8", "replace")) for data in (published, computed))
    left, right = excerpts(left, right, before=30, limit=_SHOWN)
    seen, expected = (ascii(text) if text else "nothing" for text in (left, right))
    return Finding(FindingCode.REPLAY_DIVERGED, file, line, None, expected, seen)


def other_versions(manifest: Mapping[str, Any] | None, source: StrategySource | None) -> tuple[str, ...]:
    """Return the modules that ``source`` imports in another version than the record says, each with both."""
    recorded, imports = at(manifest, "strategy", "imports"), source.imports if source else {}
    known = recorded if isinstance(recorded, dict) else {}
    other = [name for name, version in imports.items() if known.get(name, version) != version]
    return tuple(f"{name} {shown(known[name])} then, {imports[name] or 'null'} now" for name in other)


class Published(NamedTuple):
    """What was read of a run directory: its files, its manifest where that is an object, its strategy.py if any."""

    files: Mapping[str, ArtifactFile]
    manifest: Mapping[str, Any] | None
    strategy: bytes


@contextmanager
def published_run(folder: int) -> Iterator[Published]:
    """Read the files of an open run directory, each once, and close them in the end."""
    with ExitStack() as stack:
        files, manifest, strategy = {}, None, b""
        check = LineCheck(Artifact.MANIFEST, (), Findings())
        for name in (*SEALED_BY_MANIFEST, Artifact.MANIFEST):
            files[name.value] = file = ArtifactFile(folder, name, Findings(), kept=True)
            stack.callback(file.close)
            for number, block in file.blocks():
                if name is Artifact.MANIFEST and number == 1:
                    manifest = check.value(1, block)
        with suppress(OSError):
            strategy = read_regular(Artifact.STRATEGY, MAX_SOURCE_BYTES, folder)
        yield Published(files, manifest, strategy)


def compare_kept(published: bytes, source: bytes) -> Finding | None:
    """Return where the strategy file that a run keeps differs from ``source``."""
    if published == source:
        return None
    at = first_difference(published, source)
    start, line = source.rfind(b"\n", 0, at) + 1, source.count(b"\n", 0, at) + 1
    return difference_at(Artifact.STRATEGY, line, *(data[start : at + _SHOWN] for data in (published, source)))


class ComparingSink:
    """A sink that compares the lines that it is given with a file that was read.

    Raises :class:`OSError` when the file could not be read.
    """

    def __init__(self, file: ArtifactFile) -> None:
        file.measured()
        self._file = file
        self._marks = iter(file.marks.items())
        self._next = next(self._marks, None)
        self._lines: list[str] = []
        self._hash = hashlib.sha256()
        # what was computed behind the last mark, and before it the line that the mark cuts and how many are before that
        self._offset, self._pending = 0, bytearray()
        self._cut, self._before = b"", 0
        self._difference: Finding | None = None

    def write(self, line: str) -> None:
        """Take the next line; after the first difference nothing more is compared."""
        lines = self._lines
        if len(lines) >= BATCH_LINES:
            self._compare()
        lines.append(line)

    def flush(self) -> None:
        """Do nothing: lines are compared when there are many, or when :meth:`difference` is asked for."""

    def difference(self) -> Finding | None:
        """Return the first difference, as far as what was written so far fills whole pieces of the published file."""
        self._compare()
        return self._difference

    def finish(self) -> Finding | None:
        """Return the first difference, also where the published file goes on behind the last line."""
        if self.difference() is None and (self._pending or self._next is not None):
            self._difference = self._located(_SHOWN)
        return self._difference

    def facts(self) -> dict[str, Any]:
        """Return what a manifest says of the computed lines, once :meth:`finish` was called."""
        digest = self._hash.copy()
        digest.update(self._pending)
        lines = self._before + self._pending.count(b"\n")
        return {"sha256": digest.hexdigest(), "bytes": self._offset + len(self._pending), "lines": lines}

    def _compare(self) -> None:
        self._pending += "".join(self._lines).encode()
        self._lines.clear()
        while self._pending:
            # behind the last mark nothing was published
            end, mark = self._next or (self._offset + len(self._pending), b"")
            if self._offset + len(self._pending) < end:
                break
            piece = bytes(self._pending[: end - self._offset])
            self._hash.update(piece)
            if self._difference is None and self._hash.copy().digest() != mark:
                self._difference = self._located(0)
            self._before += piece.count(b"\n")
            self._cut = (self._cut + piece).rpartition(b"\n")[2]
            self._offset, self._next = end, next(self._marks, None)
            del self._pending[: len(piece)]

    def _located(self, rest: int) -> Finding:
        """Return the difference that is behind the last mark; up to ``rest`` bytes of a published rest are shown."""
        computed, start, name = self._cut + self._pending, self._offset - len(self._cut), self._file.name
        try:
            published = self._file.at(start, len(computed) + rest)
        except OSError:
            published = bytes(computed)
        if published == computed:
            sides = "what is there now", "other bytes, altered since they were read"
            return Finding(FindingCode.REPLAY_DIVERGED, name, self._before + 1, None, *sides)
        at = first_difference(published, computed)
        begin, number = computed.rfind(b"\n", 0, at) + 1, self._before + computed.count(b"\n", 0, at) + 1
        line = computed[begin : computed.find(b"\n", begin) + 1 or None]
        return difference_at(name, number, published[begin : begin + (len(line) or rest)], line)


class RecordedClock:
    """Returns what another clock returned: ``readings`` are ``(index of the reading, text)`` where the time changed."""

    def __init__(self, readings: Sequence[tuple[int, str]]) -> None:
        self._changes = {index: parse_utc(text, "inputs.clock_readings") for index, text in readings}
        if next(iter(self._changes), None) != 0:
            raise ConfigError("inputs.clock_readings", "must begin with reading 0")
        self._moment = self._changes[0]
        self._next = 0

    def now(self) -> datetime:
        """Return the next recorded time; the last one stands from then on."""
        self._moment = self._changes.get(self._next, self._moment)
        self._next += 1
        return self._moment


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
