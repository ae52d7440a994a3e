r"""Reads the files of a run directory that may be damaged, hostile or no files at all.

A file is opened once, never through a symlink, and read in one pass: what is hashed, measured and parsed are the same
bytes. Lines end in ``\n`` and in nothing else; one that is too long is skipped. Whatever is wrong is a finding.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from weakref import finalize

from c2lib.core.errors import RunPathError
from c2lib.core.regular_file import NOT_REGULAR, open_regular, read_regular
from c2lib.core.vocabulary import EVIDENCE_DIR, SEALED_BY_MANIFEST, STAGING_PREFIX, Artifact
from c2lib.witness.findings import FindingCode, Findings, Verdict
from c2lib.witness.lines import MAX_LINE, MAX_OBJECT

RunPath = str | os.PathLike[str]
"""Where a run directory is."""

_FIRST, _CHUNK = 1 << 8, 1 << 18
"""Bytes of the first and of the longest piece that is read at once; pieces double, so that marks begin early."""


_REASONS = {
    **errno.errorcode,
    **dict.fromkeys(NOT_REGULAR, "not a regular file"),
    errno.ELOOP: "a symbolic link",
    errno.EFBIG: "growing while it is read",
}


def why(error: OSError) -> str:
    """Return the reason of an operating system error in words that no locale changes."""
    return _REASONS.get(error.errno or 0, "unreadable")


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file really is: hash and size of its bytes, number of its line ends."""

    sha256: str
    bytes: int
    lines: int


@dataclass(eq=False)
class ArtifactFile:
    """One file of a run directory, read once by :meth:`blocks`; ``limit`` is its longest line, 0 for that of its name.

    ``facts`` are there when it was read to its end. Lines behind too many findings are hashed and counted, and not
    yielded. A file that is ``kept`` stays open, for :meth:`again` and :meth:`at`, until it is closed or no longer used;
    its ``marks`` map the end of each piece that was read to the sha256 of all bytes up to there.
    """

    directory: int
    name: str
    findings: Findings
    limit: int = 0
    progress: Callable[[int], object] | None = None
    kept: bool = field(default=False, kw_only=True)
    facts: FileFacts | None = field(default=None, init=False)
    marks: dict[int, bytes] = field(default_factory=dict, init=False)
    _rest: Iterator[tuple[int, bytes]] | None = field(default=None, init=False)
    _descriptor: int = field(default=-1, init=False)
    _closing: finalize[[int], ArtifactFile] | None = field(default=None, init=False)
    _error: OSError = field(default=OSError(errno.EIO, "not read"), init=False)

    def __post_init__(self) -> None:
        self.limit = self.limit or (MAX_OBJECT if self.name == Artifact.MANIFEST else MAX_LINE)

    def head(self) -> bytes | None:
        """Return the bytes of the first line that is not too long, or ``None``; it is still read by the others."""
        blocks = self._read()
        first = next(blocks, None)
        self._rest = blocks if first is None else chain([first], blocks)
        return None if first is None else first[1].partition(b"\n")[0]

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        r"""Return the lines that are not too long, many at once: the number of the first, and all joined by ``\n``."""
        return self._rest if self._rest is not None else self._read()

    def measured(self) -> FileFacts:
        """Return the facts of a file that was read; raise :class:`OSError` with its name when it could not be."""
        if self.facts is None:
            raise OSError(self._error.errno, self._error.strerror, self.name)
        return self.facts

    def again(self, findings: Findings) -> Iterator[tuple[int, bytes]]:
        """Return the blocks of a kept file once more, as far as with the same ``findings`` as before.

        Raises :class:`RunPathError` when the file was not read to its end or was closed, and in place of the first
        bytes that are not those that were read.
        """
        if self.facts is None or self._descriptor < 0:
            raise RunPathError(f"{self.name} cannot be read")
        try:
            facts = yield from self._split(findings)
        except OSError:
            facts = None
        if facts != self.facts:
            raise RunPathError(f"{self.name} is not what was read: it was altered since")

    def at(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes of a kept file as they are now, which may not be those that were read."""
        return os.pread(self._descriptor, size, offset)

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._closing is not None:
            self._closing()
            self._descriptor = -1

    def _read(self) -> Iterator[tuple[int, bytes]]:
        try:
            self._descriptor = open_regular(self.name, self.directory)
            self._closing = finalize(self, os.close, self._descriptor)
            self.facts = yield from self._split(self.findings)
        except FileNotFoundError as error:
            self._error = error
            self.findings.add(FindingCode.MISSING_FILE, self.name)
        except OSError as error:
            self._error = error
            self.findings.add(FindingCode.UNREADABLE_FILE, self.name, expected="a regular file", seen=why(error))
        finally:
            if not self.kept:
                self.close()

    def _pieces(self, digest: hashlib._Hash) -> Iterator[bytes]:
        """Yield the file piece by piece, taken into ``digest``; what is read again must be what was read."""
        size, planned = 0, os.fstat(self._descriptor).st_size
        while piece := os.pread(self._descriptor, min(max(_FIRST, size), _CHUNK), size):
            digest.update(piece)
            size += len(piece)
            if size > planned:
                raise OSError(errno.EFBIG, "longer than it was")
            mark = digest.copy().digest() if self.kept else b""
            if self.facts is not None and self.marks.get(size) != mark:
                raise OSError(errno.EIO, "altered")
            if self.kept:
                self.marks[size] = mark
            if self.facts is None and self.progress is not None:
                self.progress(len(piece))
            yield piece

    def _split(self, findings: Findings) -> Generator[tuple[int, bytes], None, FileFacts]:
        digest, size, number = hashlib.sha256(), 0, 1
        # the line that has begun; of one that is too long only how many bytes were dropped
        begun, dropped = bytearray(), 0
        for piece in self._pieces(digest):
            size += len(piece)
            whole, end, rest = piece.rpartition(b"\n")
            if end:
                if not findings.full(self.name):
                    begun += whole
                    yield from self._lines(number, bytes(begun), dropped, findings)
                number += piece.count(b"\n")
                begun, dropped = bytearray(), 0
            begun += rest
            if len(begun) > self.limit:
                begun, dropped = bytearray(), dropped + len(begun)
        unended = bool(begun or dropped)
        if unended:
            findings.add(FindingCode.MALFORMED_LINE, self.name, number, expected="a line that ends", seen="no line end")
            if not findings.full(self.name):
                yield from self._lines(number, bytes(begun), dropped, findings)
        findings.ended(self.name, number - (not unended))
        return FileFacts(digest.hexdigest(), size, number - 1)

    def _lines(self, number: int, data: bytes, dropped: int, findings: Findings) -> Iterator[tuple[int, bytes]]:
        """Yield those of the lines that are not too long; so many bytes of the first were dropped."""
        more = b"\n"
        while more and dropped + len(data) > self.limit:
            line, more, data = data.partition(b"\n")
            if (length := dropped + len(line)) <= self.limit:
                yield number, line
            else:
                expected = f"a line of at most {self.limit} bytes"
                findings.add(FindingCode.MALFORMED_LINE, self.name, number, expected=expected, seen=f"{length} bytes")
            dropped, number = 0, number + 1
        if more:
            yield number, data


_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC
_FILES = frozenset(Artifact)


class Folder:
    """An open run directory, and what is in it; a context manager that closes it.

    ``name`` is its own name, whatever it was called by. Raises :class:`RunPathError` when it cannot be opened as a
    directory.
    """

    def __init__(self, path: RunPath) -> None:
        self.path = os.fspath(path)
        with ExitStack() as closing:
            try:
                self.descriptor = os.open(self.path, _DIRECTORY)
                closing.callback(os.close, self.descriptor)
                self.name = Path(self.path).resolve().name
                self.entries = _entries(self.descriptor)
            except OSError as error:
                problem = f"is no directory that can be read ({why(error)}): name a run directory"
                raise RunPathError(f"{self.path} {problem}") from None
            except ValueError:
                raise RunPathError(f"{self.path!r} cannot be a path") from None
            self._closing = closing.pop_all()
        self.has_manifest = Artifact.MANIFEST in self.entries
        self.is_staging = self.name.startswith(STAGING_PREFIX)
        self.missing = tuple(artifact.value for artifact in SEALED_BY_MANIFEST if artifact not in self.entries)
        self.others = sorted(self.entries.keys() - _FILES - {EVIDENCE_DIR})

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    @property
    def verdict(self) -> Verdict:
        """How much of a seal there is, by the files that are there."""
        if self.is_staging or (self.missing and not self.has_manifest):
            return Verdict.INCOMPLETE
        return Verdict.SEALED if self.has_manifest else Verdict.UNSEALED

    def size(self) -> int:
        """Return how many bytes there are to read, as far as that is known beforehand."""
        size = 0
        for name in self.entries.keys() & {*SEALED_BY_MANIFEST, Artifact.MANIFEST}:
            with suppress(OSError):
                size += os.stat(name, dir_fd=self.descriptor, follow_symlinks=False).st_size
        return size

    def small(self, name: str, limit: int, findings: Findings) -> tuple[bytes, FileFacts] | None:
        """Return a file of at most ``limit`` bytes, whatever they are, with its facts; ``None`` without one."""
        if name not in self.entries:
            return None
        try:
            data = read_regular(name, limit, self.descriptor)
        except OSError as error:
            findings.add(FindingCode.UNREADABLE_FILE, name, expected="a regular file", seen=why(error))
            return None
        if len(data) > limit:
            findings.add(FindingCode.UNREADABLE_FILE, name, expected=f"at most {limit} bytes", seen="more")
            return None
        return data, FileFacts(hashlib.sha256(data).hexdigest(), len(data), data.count(b"\n"))

    def check_names(self, findings: Findings) -> None:
        """Record everything that does not belong into a run directory."""
        for name, is_regular in self.entries.items():
            if name == EVIDENCE_DIR:
                self._check_evidence(findings)
            elif name not in _FILES:
                findings.add(FindingCode.UNEXPECTED_FILE, name)
            elif name == Artifact.ENVIRONMENT and not is_regular:
                findings.add(FindingCode.UNREADABLE_FILE, name, expected="a regular file", seen="something else")

    def _check_evidence(self, findings: Findings) -> None:
        unexpected = FindingCode.UNEXPECTED_FILE
        try:
            descriptor = os.open(EVIDENCE_DIR, _DIRECTORY | os.O_NOFOLLOW, dir_fd=self.descriptor)
            try:
                entries = _entries(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            findings.add(unexpected, EVIDENCE_DIR, expected="a directory", seen=why(error))
            return
        for name in (name for name, is_regular in entries.items() if not is_regular):
            findings.add(unexpected, f"{EVIDENCE_DIR}/{name}", expected="a regular file", seen="something else")


def _entries(directory: int) -> dict[str, bool]:
    """Return the names in a directory, sorted, and whether each is that of a regular file."""
    with os.scandir(directory) as entries:
        return dict(sorted((entry.name, entry.is_file(follow_symlinks=False)) for entry in entries))
