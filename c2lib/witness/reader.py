r"""Reads the files of a run directory that may be damaged, hostile or no files at all.

Rules kept here:

* a file is opened once, never through a symlink, never waiting (a FIFO is no file), and must be a regular one;
* one pass: what is hashed, measured and parsed are the same bytes;
* a file that grows while it is read is not followed: it is given up, so that reading comes to an end;
* lines end in ``\n`` and in nothing else; a line is bounded, and one that is too long is skipped, not kept;
* JSON is strict: UTF-8 without a mark, no key twice, no NaN, bounded integers, nesting and brackets;
* whatever is wrong with a file becomes a finding, never an exception.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import TracebackType

from c2lib.core.errors import RunPathError
from c2lib.core.regular_file import NOT_REGULAR, open_regular
from c2lib.core.vocabulary import EVIDENCE_DIR, SEALED_BY_MANIFEST, STAGING_PREFIX, Artifact
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.lines import MAX_LINE
from c2lib.witness.run import FileFacts

_CHUNK = 1 << 18


def why(error: OSError) -> str:
    """Return the reason of an operating system error in words that no locale changes."""
    if error.errno in NOT_REGULAR:
        return "not a regular file"
    if error.errno == errno.ELOOP:
        return "a symbolic link"
    if error.errno == errno.EFBIG:
        return "growing while it is read"
    return errno.errorcode.get(error.errno or 0, "unreadable")


class ArtifactFile:
    """One file of a run directory, read once by :meth:`lines` or :meth:`blocks`.

    :meth:`head` looks at the first line ahead of that.

    ``facts`` is there when it was read to its end; ``told`` is told of each number of bytes that was read.
    """

    def __init__(
        self,
        directory: int,
        name: str,
        findings: Findings,
        limit: int = MAX_LINE,
        told: Callable[[int], object] | None = None,
    ) -> None:
        self.name = name
        self.facts: FileFacts | None = None
        self._directory = directory
        self._findings = findings
        self._limit = limit
        self._told = told
        self._rest: Iterator[tuple[int, bytes]] | None = None

    def head(self) -> bytes | None:
        """Return the bytes of the first line that is not too long, or ``None``; it is still read by the others."""
        blocks = self._read()
        first = next(blocks, None)
        self._rest = blocks if first is None else chain([first], blocks)
        return None if first is None else first[1].partition(b"\n")[0]

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the number, from 1, and the bytes of every line that is not too long, its end left off."""
        for number, block in self.blocks():
            yield from enumerate(block.split(b"\n"), number)

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        r"""Return the same lines by many: the number of the first, and the lines joined by ``\n``."""
        return self._rest if self._rest is not None else self._read()

    def _read(self) -> Iterator[tuple[int, bytes]]:
        try:
            descriptor = open_regular(self.name, self._directory)
        except FileNotFoundError:
            self._findings.add(FindingCode.MISSING_FILE, self.name)
            return
        except OSError as error:
            self._unreadable(error)
            return
        try:
            yield from self._split(descriptor)
        except OSError as error:
            self._unreadable(error)
        finally:
            os.close(descriptor)

    def _unreadable(self, error: OSError) -> None:
        self._findings.add(FindingCode.UNREADABLE_FILE, self.name, expected="a regular file", seen=why(error))

    def _split(self, descriptor: int) -> Iterator[tuple[int, bytes]]:
        digest, size, number = hashlib.sha256(), 0, 1
        begun: list[bytes] = []
        length, planned = 0, os.fstat(descriptor).st_size
        while chunk := os.read(descriptor, _CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if size > planned:
                raise OSError(errno.EFBIG, "longer than it was")
            if self._told is not None:
                self._told(len(chunk))
            end = chunk.rfind(b"\n")
            if end >= 0:
                yield from self._whole(number, begun, length, chunk[:end])
                number += chunk.count(b"\n")
                begun, length = [], 0
            length = self._keep(begun, length, chunk[end + 1 :])
        self.facts = FileFacts(digest.hexdigest(), size, number - 1)
        if length:
            self._findings.add(
                FindingCode.MALFORMED_LINE, self.name, number, expected="a line that ends", seen="no line end"
            )
            yield from self._whole(number, begun, length, b"")

    def _keep(self, begun: list[bytes], length: int, part: bytes) -> int:
        """Add ``part`` to a line that was begun, unless the line is too long already; return its length."""
        length += len(part)
        if length > self._limit:
            begun.clear()
        else:
            begun.append(part)
        return length

    def _whole(self, number: int, begun: list[bytes], length: int, rest: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the line that was begun and has ``length`` so far, with ``rest``: its own and further whole lines."""
        if length + len(rest) <= self._limit:
            yield number, b"".join((*begun, rest))
            return
        first, *others = rest.split(b"\n")
        length = self._keep(begun, length, first)
        lines = [(length, b"".join(begun)), *((len(line), line) for line in others)]
        for at, (size, line) in enumerate(lines, number):
            if size <= self._limit:
                yield at, line
            else:
                expected = f"a line of at most {self._limit} bytes"
                self._findings.add(FindingCode.MALFORMED_LINE, self.name, at, expected=expected, seen=f"{size} bytes")


_FLAGS_folder = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC
_FILES = frozenset(Artifact)
_READ = frozenset({*SEALED_BY_MANIFEST, Artifact.MANIFEST})


class Folder:
    """An open run directory; a context manager that closes it.

    ``name`` is its own name, whatever it was called by. Raises :class:`RunPathError` when it cannot be opened
    as a directory.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        try:
            self.descriptor = os.open(self.path, _FLAGS_folder)
        except OSError as error:
            raise self._refusal(error) from None
        except ValueError:
            raise RunPathError(f"{self.path!r} cannot be a path") from None
        try:
            self.name = Path(self.path).resolve().name
            self.entries = _names(self.descriptor)
        except OSError as error:
            os.close(self.descriptor)
            raise self._refusal(error) from None

    def _refusal(self, error: OSError) -> RunPathError:
        return RunPathError(f"{self.path} is no directory that can be read ({why(error)}): name a run directory")

    def __enter__(self) -> Folder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)

    @property
    def has_manifest(self) -> bool:
        """Whether there is something of the manifest's name."""
        return Artifact.MANIFEST in self.entries

    @property
    def missing(self) -> tuple[str, ...]:
        """Which of the four files of the contract are not there."""
        return tuple(artifact.value for artifact in SEALED_BY_MANIFEST if artifact not in self.entries)

    @property
    def is_staging(self) -> bool:
        """Whether the run was never published."""
        return self.name.startswith(STAGING_PREFIX)

    def size(self) -> int:
        """Return how many bytes there are to read, as far as can be told beforehand."""
        return sum(_size(self.descriptor, name) for name in self.entries & _READ)

    @property
    def others(self) -> list[str]:
        """What is there beside the files of a run."""
        return sorted(self.entries - _FILES - {EVIDENCE_DIR})

    def look_for_strangers(self, findings: Findings) -> None:
        """Note everything that does not belong into a run directory."""
        for name in sorted(self.entries):
            if name == EVIDENCE_DIR:
                self._look_into_evidence(findings)
            elif name not in _FILES:
                findings.add(FindingCode.UNEXPECTED_FILE, name)
            elif name == Artifact.ENVIRONMENT and not _is_regular(self.descriptor, name):
                findings.add(FindingCode.UNREADABLE_FILE, name, expected="a regular file", seen="something else")

    def _look_into_evidence(self, findings: Findings) -> None:
        try:
            with _opened(self.descriptor, EVIDENCE_DIR) as descriptor:
                for name in sorted(_names(descriptor)):
                    if not _is_regular(descriptor, name):
                        seen = "something else"
                        file = f"{EVIDENCE_DIR}/{name}"
                        findings.add(FindingCode.UNEXPECTED_FILE, file, expected="a regular file", seen=seen)
        except OSError as error:
            findings.add(FindingCode.UNEXPECTED_FILE, EVIDENCE_DIR, expected="a directory", seen=why(error))


def _names(directory: int) -> frozenset[str]:
    with os.scandir(directory) as entries:
        return frozenset(entry.name for entry in entries)


@contextmanager
def _opened(directory: int, name: str) -> Iterator[int]:
    descriptor = os.open(name, _FLAGS_folder | os.O_NOFOLLOW, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_regular(directory: int, name: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _size(directory: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_size
    except OSError:
        return 0
