r"""The run directory on disk: staged, sealed, published by one rename.

Rules kept here:

* a run directory exists whole or not at all: it is written in a staging folder beside its place and renamed
  there after the manifest; an existing one is never overwritten;
* below the output root nothing is written through a symlink: each folder is opened from its parent's handle;
* files are created, never reopened; lines are handed on in batches by count, and a short write goes on where it
  stopped;
* what a file's digest covers is what was handed on, never what is read back.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as root:
...     with StagedRun(root, "run_demo_001") as staged:
...         staged.sink(Artifact.EVENTS).write("{}\n")
...         facts = staged.seal()["events.jsonl"]["lines"]
...         path = staged.publish()
>>> facts
1
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Any

from c2lib.core.errors import OutputError, RunPathError
from c2lib.core.vocabulary import RUN_SUBDIRS, SEALED_BY_MANIFEST, STAGING_PREFIX, Artifact
from c2lib.record.seal import ArtifactDigest

BATCH_LINES = 64
"""Lines that a file sink gathers before it hands them to the system."""

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755


class PublishedAlready(OutputError):  # noqa: N818 - it is an answer to a race, not a fault
    """Somebody else published a run of this name first."""


def run_path(root: str | os.PathLike[str], run_id: str) -> Path:
    """Return where the run directory of ``run_id`` has its place below an output root."""
    return Path(root, *RUN_SUBDIRS, run_id)


class FileSink:
    """A sink that writes lines to one file, in batches; ``close`` returns what the manifest says of it."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lines: list[str] = []
        self._pending = b""
        self._offset = 0
        self._digest = ArtifactDigest()

    def write(self, line: str) -> None:
        """Take a line; raises :class:`OSError` without having taken it when an earlier batch cannot be handed on."""
        lines = self._lines
        if len(lines) >= BATCH_LINES:
            self.flush()
        lines.append(line)

    def flush(self) -> None:
        """Hand everything on; after an :class:`OSError` the next call goes on where this one stopped."""
        if self._pending:
            self._hand_on()
        if self._lines:
            self._pending = "".join(self._lines).encode()
            self._digest.update(self._pending, len(self._lines))
            self._lines.clear()
            self._hand_on()

    def close(self) -> dict[str, Any]:
        """Flush to the disk itself, close the file and return its hash, bytes and lines."""
        self.flush()
        os.fsync(self._handle)
        self.abandon()
        return self._digest.facts()

    def abandon(self) -> None:
        """Close the file as it is."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            os.close(handle)

    def _hand_on(self) -> None:
        while self._offset < len(self._pending):
            written = os.write(self._handle, memoryview(self._pending)[self._offset :])
            if written < 1:
                raise OSError(errno.EIO, "nothing was taken")
            self._offset += written
        self._pending, self._offset = b"", 0


def _open_below(parent: int, name: str, shown: str) -> int:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, _FOLDER_MODE, dir_fd=parent)
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise RunPathError(f"{shown} is a symlink or no folder: nothing is written through it") from None
        raise


def _open_runs_folder(root: str | os.PathLike[str]) -> int:
    """Return a handle of the folder that holds the run directories, made where it was missing."""
    try:
        os.makedirs(root, _FOLDER_MODE, exist_ok=True)
        handle = os.open(root, _FOLDER)
    except (FileExistsError, NotADirectoryError):
        raise RunPathError(f"the output root {os.fspath(root)} is no folder") from None
    except ValueError:
        raise RunPathError(f"the output root {os.fspath(root)!r} cannot be a path") from None
    except OSError as error:
        raise RunPathError(f"the output root {os.fspath(root)} cannot be used: {error.strerror}") from None
    shown = os.fspath(root)
    for name in RUN_SUBDIRS:
        shown = os.path.join(shown, name)
        parent = handle
        try:
            handle = _open_below(parent, name, shown)
        except OSError as error:
            raise RunPathError(f"{shown} cannot be used: {error.strerror}") from None
        finally:
            os.close(parent)
    return handle


class StagedRun:
    """A run directory in the making; leaving the context without :meth:`publish` leaves the staging folder."""

    def __init__(self, root: str | os.PathLike[str], run_id: str) -> None:
        self._root = root
        self._run_id = run_id
        self._name = f"{STAGING_PREFIX}{run_id}-{os.urandom(4).hex()}"
        self.path = run_path(root, self._name)
        self._parent = _open_runs_folder(root)
        self._folder = -1
        self._sinks: dict[Artifact, FileSink] = {}
        try:
            os.mkdir(self._name, _FOLDER_MODE, dir_fd=self._parent)
            self._folder = os.open(self._name, _FOLDER | os.O_NOFOLLOW, dir_fd=self._parent)
            for artifact in SEALED_BY_MANIFEST:
                self._sinks[artifact] = FileSink(self._create(artifact))
        except OSError as error:
            self.close()
            raise RunPathError(f"{self.path} cannot be written: {error.strerror}") from None

    def sink(self, artifact: Artifact) -> FileSink:
        """Return the sink of one of the four files that a session writes."""
        return self._sinks[artifact]

    def seal(self) -> dict[str, Any]:
        """Close the four files and return what the manifest says of each; raises :class:`OutputError`."""
        try:
            return {artifact.value: sink.close() for artifact, sink in self._sinks.items()}
        except OSError as error:
            raise OutputError(f"{self.path} could not be written to the end: {error.strerror}") from None

    def add(self, artifact: Artifact, text: str) -> None:
        """Write a whole file; raises :class:`OutputError`."""
        try:
            sink = FileSink(self._create(artifact))
            try:
                sink.write(text)
                sink.close()
            finally:
                sink.abandon()
        except OSError as error:
            raise OutputError(f"{self.path}/{artifact} could not be written: {error.strerror}") from None

    def publish(self) -> Path:
        """Rename the staging folder into its place and return that; raises :class:`PublishedAlready`."""
        try:
            if self._is_taken():
                raise PublishedAlready(f"a run {self._run_id} is there already")
            os.fsync(self._folder)
            os.rename(self._name, self._run_id, src_dir_fd=self._parent, dst_dir_fd=self._parent)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise PublishedAlready(f"a run {self._run_id} is there already") from None
            raise OutputError(f"{self.path} could not be published: {error.strerror}") from None
        place = run_path(self._root, self._run_id)
        try:
            os.fsync(self._parent)
        except OSError as error:
            raise OutputError(f"{place} is published, but the disk did not confirm it: {error.strerror}") from None
        return place

    def discard(self) -> None:
        """Remove the staging folder, for a run that needs none; raises :class:`OutputError`."""
        try:
            for name in os.listdir(self._folder):
                os.unlink(name, dir_fd=self._folder)
            os.rmdir(self._name, dir_fd=self._parent)
        except OSError as error:
            raise OutputError(f"{self.path} could not be removed: {error.strerror}") from None

    def close(self) -> None:
        """Let go of every handle; what was staged stays."""
        for sink in self._sinks.values():
            sink.abandon()
        for handle in (self._folder, self._parent):
            if handle >= 0:
                os.close(handle)
        self._folder = self._parent = -1

    def __enter__(self) -> StagedRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _create(self, artifact: Artifact) -> int:
        return os.open(artifact.value, _NEW_FILE, _FILE_MODE, dir_fd=self._folder)

    def _is_taken(self) -> bool:
        try:
            os.stat(self._run_id, dir_fd=self._parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True
