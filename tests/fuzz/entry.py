"""What is fuzzed: the files of a sound run, altered as bytes ask, and given to the witness.

Rules kept here:

* an input is a head of :data:`HEAD` bytes, which says what to alter and where, and the bytes to put there;
* an alteration of a sealed file is found, whatever it is; no bytes whatever raise;
* nothing but the witness and the standard library is imported, so that an environment without c2lib's own
  dependencies can run it.

>>> Alteration.of(b"")
Alteration(file='events.jsonl', sealed=False, start=0, end=0, piece=b'')
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import NamedTuple

from c2lib.core.errors import RunPathError
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from c2lib.witness.diff import diff_runs
from c2lib.witness.lines import JsonError, strict_json
from c2lib.witness.run import open_run

FILES = (*SEALED_BY_MANIFEST, Artifact.MANIFEST)
HEAD = 7
_ALL = 0xFFFF


class Alteration(NamedTuple):
    """A piece of one file, exchanged for other bytes; ``sealed`` says whether the manifest stays."""

    file: str
    sealed: bool
    start: int
    end: int
    piece: bytes

    @classmethod
    def of(cls, data: bytes) -> Alteration:
        """Return what an input asks for: one byte each of file and seal, three of the start, two of the length."""
        head = data[:HEAD].ljust(HEAD, b"\0")
        start, length = int.from_bytes(head[2:5]), int.from_bytes(head[5:7])
        file = FILES[head[0] % len(FILES)]
        return cls(file.value, bool(head[1] & 1), start, start + length, data[HEAD:])

    def head(self) -> bytes:
        """Return the head of the input that asks for this."""
        place = FILES.index(Artifact(self.file))
        length = min(self.end - self.start, _ALL)
        return bytes([place, self.sealed]) + self.start.to_bytes(3) + length.to_bytes(2)

    def apply(self, whole: bytes) -> bytes:
        """Return the bytes of a file with the piece exchanged; the greatest length means up to its end."""
        end = len(whole) if self.end - self.start == _ALL else self.end
        start = self.start % (len(whole) + 1)
        return whole[:start] + self.piece + whole[start + max(0, end - self.start) :]


class Target:
    """A sound run, and a copy of it below ``scratch`` to alter; closed by nobody, since it holds nothing open."""

    def __init__(self, sound: Path, scratch: Path) -> None:
        self.sound = sound
        self.copy = scratch / sound.name
        self.copy.mkdir(parents=True)
        self.whole = {file: (sound / file).read_bytes() for file in FILES}
        for file in FILES:
            shutil.copyfile(sound / file, self.copy / file)

    def seeds(self) -> list[bytes]:
        """Return inputs to begin with: each file whole, each of its lines, with the seal and without."""
        found = []
        for file, whole in self.whole.items():
            for sealed in (True, False):
                found.append(Alteration(file.value, sealed, 0, _ALL, b"").head() + whole)
                start = 0
                for line in whole.splitlines(keepends=True):
                    found.append(Alteration(file.value, sealed, start, start + len(line), b"").head() + line)
                    start += len(line)
        return found

    def feed(self, data: bytes) -> None:
        """Give the witness the run as an input alters it; raise when it raises, or finds nothing wrong."""
        wanted = Alteration.of(data)
        with contextlib.suppress(JsonError):
            strict_json(wanted.piece)
        whole = self.whole[Artifact(wanted.file)]
        altered = wanted.apply(whole)
        manifest = self.copy / Artifact.MANIFEST
        (self.copy / wanted.file).write_bytes(altered)
        hidden = not wanted.sealed and wanted.file != Artifact.MANIFEST
        if hidden:
            manifest.unlink()
        try:
            self._look(must_find=not hidden and altered != whole)
        finally:
            (self.copy / wanted.file).write_bytes(whole)
            if hidden:
                manifest.write_bytes(self.whole[Artifact.MANIFEST])

    def _look(self, *, must_find: bool) -> None:
        found = open_run(self.copy).findings
        if must_find and not found:
            raise AssertionError("an altered file of a sealed run was not found")
        for finding in found:
            finding.text()
        with contextlib.suppress(RunPathError):
            diff_runs(self.copy, self.sound)
