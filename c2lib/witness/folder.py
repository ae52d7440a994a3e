"""A run directory as a folder: opened once, listed once, never followed out of.

Rules kept here:

* everything is reached through one descriptor, so that nothing is exchanged between two looks;
* an extra file is a finding; ``evidence/`` may hold regular files and nothing else;
* no symlink is followed, but for the one that the caller may name the folder by.

>>> Folder("/dev/null")
Traceback (most recent call last):
c2lib.core.errors.RunPathError: /dev/null is no directory that can be read (ENOTDIR): name a run directory
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from c2lib.core.errors import RunPathError
from c2lib.core.vocabulary import EVIDENCE_DIR, SEALED_BY_MANIFEST, STAGING_PREFIX, Artifact
from c2lib.witness.facts import FindingCode
from c2lib.witness.findings import Findings
from c2lib.witness.reader import why

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC
_FILES = frozenset(Artifact)


class Folder:
    """An open run directory; a context manager that closes it.

    ``name`` is its own name, whatever it was called by. Raises :class:`RunPathError` when it cannot be opened
    as a directory.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        try:
            self.descriptor = os.open(self.path, _FLAGS)
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
    descriptor = os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_regular(directory: int, name: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except OSError:
        return False
