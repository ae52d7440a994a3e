"""Re-execution: the same session again, its lines compared instead of written.

Rules kept here:

* the same orchestrator makes the lines; only the sinks differ;
* the first difference is kept with both sides, secrets taken out, and the published files are only read, never
  waited for;
* they are read through one handle of their directory, so that nothing is exchanged between two looks;
* lines are compared many at a time, as they were written; where they part, line by line;
* a replay opens no path and runs no code that the manifest names: both come from the caller.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import TracebackType
from typing import Any, BinaryIO

from c2lib.core.redaction import redact_secrets
from c2lib.core.regular_file import open_regular
from c2lib.core.text import excerpts
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from c2lib.record.files import BATCH_LINES
from c2lib.record.seal import ArtifactDigest
from c2lib.witness.lines import MAX_OBJECT

_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where a published file and a computed one part; ``line`` counts from 1."""

    file: str
    line: int
    published: str
    computed: str


def open_published(folder: int, name: str) -> BinaryIO:
    """Return a file of an open run directory, to be read; raise :class:`OSError` for anything but a regular file."""
    try:
        return os.fdopen(open_regular(name, folder), "rb")
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from None


def read_manifest(folder: int) -> bytes:
    """Return the bytes of a published manifest, no more than one may have and one; raise :class:`OSError`."""
    with open_published(folder, Artifact.MANIFEST) as file:
        return file.read(MAX_OBJECT + 1)


def compare_text(name: str, published: bytes, computed: bytes) -> Difference | None:
    """Return where two one-line files part, or ``None``."""
    return None if published == computed else Difference(name, 1, *_excerpts(published, computed))


def _excerpts(published: bytes, computed: bytes) -> tuple[str, str]:
    """Return both sides around the first place that differs, safe to print."""
    # before anything is cut out of them: the rest of a secret is not known for one
    left, right = (redact_secrets(data.decode("utf-8", "replace")) for data in (published, computed))
    left, right = excerpts(left, right, before=30, limit=_SHOWN)
    return ascii(left) if left else "nothing", ascii(right) if right else "nothing"


class ComparingSink:
    """A sink that reads a published file along with the lines that it is given."""

    def __init__(self, folder: int, name: str) -> None:
        self._name = name
        self._file = open_published(folder, name)
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
        """Do nothing: there is nothing to hand on."""

    def difference(self) -> Difference | None:
        """Return the first difference between what was written so far and as much of the published file."""
        self._compare()
        return self._difference

    def finish(self) -> Difference | None:
        """Return the first difference, a published rest among them, and close the file."""
        if self._file.closed:
            return self._difference
        with self._file:
            if self.difference() is None:
                rest = self._file.read(_SHOWN)
                if rest:
                    self._part(self._compared + 1, rest, b"")
        return self._difference

    def facts(self) -> dict[str, Any]:
        """Return what a manifest says of the computed lines, when they were finished."""
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
            self._name_the_first([line.encode() for line in lines], published)
        self._compared += len(lines)

    def _name_the_first(self, lines: Sequence[bytes], published: bytes) -> None:
        starts = accumulate(map(len, lines), initial=0)
        pairs = [(published[start : start + len(line)], line) for start, line in zip(starts, lines, strict=False)]
        index = next(index for index, (there, line) in enumerate(pairs) if there != line)
        self._part(self._compared + 1 + index, *pairs[index])

    def _part(self, number: int, published: bytes, computed: bytes) -> None:
        left, right = _excerpts(published, computed)
        self._difference = Difference(self._name, number, left, right)


class ComparedRun:
    """The four sinks of a session, compared with an open run directory."""

    def __init__(self, folder: int) -> None:
        self._sinks: dict[Artifact, ComparingSink] = {}
        try:
            for artifact in SEALED_BY_MANIFEST:
                self._sinks[artifact] = ComparingSink(folder, artifact.value)
        except OSError:
            self.close()
            raise

    def sink(self, artifact: Artifact) -> ComparingSink:
        """Return the sink of one of the four files."""
        return self._sinks[artifact]

    @property
    def diverged(self) -> bool:
        """Whether the events part, the file that is looked at first: no further step can change the answer."""
        return self._sinks[Artifact.EVENTS].difference() is not None

    def seal(self) -> dict[str, Any]:
        """Return what a manifest says of each computed file."""
        return {artifact.value: sink.facts() for artifact, sink in self._sinks.items()}

    def finish(self) -> Difference | None:
        """Return the first difference, looking at the files in the order of the contract."""
        found = [sink.finish() for sink in self._sinks.values()]
        return next((difference for difference in found if difference), None)

    def close(self) -> None:
        """Close the published files."""
        for sink in self._sinks.values():
            sink.finish()

    def __enter__(self) -> ComparedRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FailingAgain:
    """A sink in front of another that fails where a recorded one failed, and as often."""

    def __init__(self, sink: Any, failures: Sequence[tuple[int, Sequence[str]]]) -> None:
        self._sink = sink
        self._planned = {call: list(errors) for call, errors in failures}
        self._call = 0

    def write(self, line: str) -> None:
        """Fail as recorded, or hand the line on."""
        self._fail()
        self._sink.write(line)
        self._call += 1

    def flush(self) -> None:
        """Fail as recorded, or flush."""
        self._fail()
        self._sink.flush()
        self._call += 1

    def _fail(self) -> None:
        errors = self._planned.get(self._call)
        if errors:
            raise type(str(errors.pop(0)), (Exception,), {})


def failing_again(sink: Any, artifact: Artifact, inputs: Mapping[str, Any]) -> Any:
    """Return ``sink``, made to fail as the manifest's ``inputs`` say of ``artifact``."""
    failures = [(call, errors) for name, call, errors in inputs["sink_failures"] if name == artifact.value]
    return FailingAgain(sink, failures) if failures else sink
