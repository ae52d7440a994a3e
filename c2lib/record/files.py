"""Run directories on disk: staged, sealed, published by one rename, and found again.

A run directory exists whole or not at all: it is written in a staging folder beside its place and renamed after the
manifest, and an existing one is never overwritten. Below the output root folders are opened by handles and through no
symlink, so that a folder exchanged meanwhile is an error.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from c2lib.core.errors import ConfigError, OutputError, RunPathError, output_errors
from c2lib.core.regular_file import read_regular
from c2lib.core.vocabulary import RUN_SUBDIRS, SEALED_BY_MANIFEST, STAGING_PREFIX, Artifact
from c2lib.record.seal import ArtifactDigest

BATCH_LINES = 64
"""Lines that a file sink gathers before it gives them to the system."""

_FILE_MODE, _FOLDER_MODE = 0o644, 0o755
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class PublishedAlready(OutputError):  # noqa: N818 - it is an answer to a race, not a fault
    """Somebody else published a run of this name first."""


def run_path(root: str | os.PathLike[str], run_id: str) -> Path:
    """Return where the run directory of ``run_id`` has its place below an output root."""
    return Path(root, *RUN_SUBDIRS, run_id)


@contextlib.contextmanager
def held(handle: int) -> Iterator[int]:
    """Give ``handle``, and close it in the end."""
    try:
        yield handle
    finally:
        os.close(handle)


def open_root(root: str | os.PathLike[str], *, make: bool = False) -> int:
    """Return a handle of an output root; raise :class:`RunPathError` when it is none.

    What is missing of it is made when ``make`` is set, and is a :class:`FileNotFoundError` else.
    """
    shown = os.fspath(root)
    if _CONTROL.search(shown):
        raise RunPathError(f"the output root {shown!r} cannot be a path that is printed: it holds a control character")
    try:
        if make:
            # one by one: the mode of os.makedirs reaches the last folder only
            path = Path(root)
            missing = list(takewhile(lambda folder: not folder.is_dir(), (path, *path.parents)))
            for folder in reversed(missing):
                _make(folder)
        return os.open(root, _FOLDER)
    except NotADirectoryError:
        raise RunPathError(f"the output root {shown} is no folder") from None
    except ValueError:
        raise RunPathError(f"the output root {shown!r} cannot be a path") from None
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not make:
            raise
        raise RunPathError(f"the output root {shown} cannot be used: {error.strerror}") from None


def _make(name: str | os.PathLike[str], parent: int | None = None) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, _FOLDER_MODE, dir_fd=parent)


def open_below(parent: int, names: Iterable[str], shown: str, *, make: bool = False) -> int:
    """Return a handle of the folder ``names`` below an open folder; follow no symlink.

    Args:
        parent: a handle of the folder to begin at, which stays open.
        names: the folders on the way, each within the one before.
        shown: what messages call ``parent``.
        make: whether what is missing is made.

    Raises:
        RunPathError: a folder on the way cannot be used, or is a symlink.
        FileNotFoundError: one is missing, and ``make`` is not set.
    """
    handle = os.dup(parent)
    for name in names:
        shown = os.path.join(shown, name)
        with held(handle):
            try:
                if make:
                    _make(name, handle)
                handle = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            except OSError as error:
                if isinstance(error, FileNotFoundError) and not make:
                    raise
                problem = f"cannot be used: {error.strerror}"
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    problem = "is a symlink or no folder: nothing is written through it; remove it, or write elsewhere"
                raise RunPathError(f"{shown} {problem}") from None
    return handle


def find_run(root: str | os.PathLike[str], run_id: str) -> int | None:
    """Return a handle of the run directory of ``run_id``, or ``None`` when there is none; make nothing.

    Raises:
        RunPathError: something else is in its place or on the way.
        ConfigError: there is one whose name differs in letter case alone.
    """
    shown = os.fspath(root)
    try:
        with held(open_root(root)) as base, held(open_below(base, RUN_SUBDIRS, shown)) as runs:
            shown = os.path.join(shown, *RUN_SUBDIRS)
            _refuse_twin(runs, run_id, shown)
            return open_below(runs, (run_id,), shown)
    except FileNotFoundError:
        return None


def _refuse_twin(runs: int, run_id: str, shown: str) -> None:
    with output_errors(f"{shown} cannot be used", RunPathError):
        names = os.listdir(runs)
    twin = next((name for name in names if name.lower() == run_id.lower() and name != run_id), None)
    if twin is not None:
        problem = f"differs in letter case alone from {twin}, which is there already"
        raise ConfigError("run_id", problem, hint="on many file systems the two are one; choose another")


def open_run_to_add(path: str | os.PathLike[str]) -> int:
    """Return a handle of a published run directory that something is to be written into.

    Neither it nor, where it has them, the two fixed folders above it may be a symlink. Raises
    :class:`RunPathError`.
    """
    names = Path(path).parts
    count = 1 + len(RUN_SUBDIRS) if names[-3:-1] == RUN_SUBDIRS else 1
    above = Path(*names[:-count])
    try:
        with held(open_root(above)) as base:
            return open_below(base, names[-count:], str(above))
    except FileNotFoundError:
        raise RunPathError(f"{os.fspath(path)} is not there: name a run directory") from None


def add_to_run(path: str | os.PathLike[str], folder: str, files: Mapping[str, bytes]) -> None:
    """Write those of ``files`` that are missing in a folder of a published run directory: all of them, or none.

    Args:
        path: the run directory.
        folder: the folder's name; it is made when it is missing.
        files: the bytes of each file by its name.

    Raises:
        RunPathError: there is no run, a symlink is on the way, or a different file of that name is there already.
        OutputError: the disk refused a file.
    """
    place = Path(path, folder)
    with (
        held(open_run_to_add(path)) as run,
        held(open_below(run, (folder,), str(place.parent), make=True)) as handle,
    ):
        missing = {name: data for name, data in files.items() if not _is_there(handle, place / name, data)}
        for name, data in missing.items():
            _add(handle, place / name, data)


def _is_there(folder: int, place: Path, data: bytes) -> bool:
    """Return whether the same file is there; raise :class:`RunPathError` when another one is."""
    try:
        if read_regular(place.name, len(data), folder) == data:
            return True
    except FileNotFoundError:
        return False
    except OSError as error:
        problem = "is a symlink: nothing is written through it" if error.errno == errno.ELOOP else error.strerror
        raise RunPathError(f"{place} is there already and cannot be read: {problem}") from None
    raise RunPathError(f"{place} is there already and differs: move it away first")


def _add(folder: int, place: Path, data: bytes) -> None:
    with output_errors(f"{place} cannot be written"):
        handle = os.open(place.name, _NEW_FILE, _FILE_MODE, dir_fd=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
        except OSError:
            # half a file would be taken for the operator's
            os.unlink(place.name, dir_fd=folder)
            raise


class FileSink:
    """A sink that writes lines to one file, in batches; ``close`` returns what the manifest says of it."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lines: list[str] = []
        self._pending = b""
        self._digest = ArtifactDigest()

    def write(self, line: str) -> None:
        """Take a line; raises :class:`OSError` without having taken it when an earlier batch cannot be written."""
        lines = self._lines
        if len(lines) >= BATCH_LINES:
            self.flush()
        lines.append(line)

    def put(self, data: bytes) -> None:
        """Take a whole file at once."""
        self._pending += data
        self._digest.update(data, data.count(b"\n"))

    def flush(self) -> None:
        """Give every line to the system; after an :class:`OSError` the next call goes on where this one stopped."""
        self._write_pending()
        if self._lines:
            self._pending = "".join(self._lines).encode()
            self._digest.update(self._pending, len(self._lines))
            self._lines.clear()
            self._write_pending()

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

    def _write_pending(self) -> None:
        while self._pending:
            written = os.write(self._handle, self._pending)
            if written < 1:
                raise OSError(errno.EIO, "nothing was taken")
            self._pending = self._pending[written:]


class StagedRun(contextlib.AbstractContextManager["StagedRun"]):
    """A run directory in the making; leaving the context without :meth:`publish` leaves the staging folder."""

    def __init__(self, root: str | os.PathLike[str], run_id: str) -> None:
        self._root = root
        self._run_id = run_id
        self._name = f"{STAGING_PREFIX}{run_id}-{os.urandom(4).hex()}"
        self.path = run_path(root, self._name)
        self._top = self._parent = self._folder = -1
        self._sinks: dict[Artifact, FileSink] = {}
        try:
            with output_errors(f"{self.path} cannot be written", RunPathError):
                self._top = open_root(root, make=True)
                self._parent = open_below(self._top, RUN_SUBDIRS, os.fspath(root), make=True)
                os.mkdir(self._name, _FOLDER_MODE, dir_fd=self._parent)
                self._folder = open_below(self._parent, (self._name,), str(self.path.parent))
                for artifact in SEALED_BY_MANIFEST:
                    self._sinks[artifact] = FileSink(self._create(artifact))
        except BaseException:
            self.close()
            raise

    def sink(self, artifact: Artifact) -> FileSink:
        """Return the sink of one of the four files that a session writes."""
        return self._sinks[artifact]

    def seal(self) -> dict[str, Any]:
        """Close the four files and return what the manifest says of each; raises :class:`OutputError`."""
        with output_errors(f"{self.path} could not be written to the end"):
            return {artifact.value: sink.close() for artifact, sink in self._sinks.items()}

    def add(self, artifact: Artifact, content: str | bytes) -> dict[str, Any]:
        """Write a whole file and return what the manifest says of it; raises :class:`OutputError`."""
        with output_errors(f"{self.path}/{artifact} could not be written"):
            sink = FileSink(self._create(artifact))
            try:
                sink.put(content.encode() if isinstance(content, str) else content)
                return sink.close()
            finally:
                sink.abandon()

    def publish(self) -> Path:
        """Rename the staging folder into its place and return that.

        Raises:
            PublishedAlready: something has the place.
            OutputError: the folder could not be renamed or was exchanged, or the disk did not confirm it.
        """
        try:
            with contextlib.suppress(FileNotFoundError):
                # the rename would replace an empty folder
                os.stat(self._run_id, dir_fd=self._parent, follow_symlinks=False)
                raise FileExistsError(errno.EEXIST, self._run_id)
            self._check_place(self._name, "could not be published")
            os.fsync(self._folder)
            os.rename(self._name, self._run_id, src_dir_fd=self._parent, dst_dir_fd=self._parent)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise PublishedAlready(f"a run {self._run_id} is there already") from None
            raise OutputError(f"{self.path} could not be published: {error.strerror}") from None
        place = run_path(self._root, self._run_id)
        with output_errors(f"{place} is published, but the disk did not confirm it"):
            os.fsync(self._parent)
        self._check_place(self._run_id, "is published, but not where it belongs")
        return place

    def open_published(self) -> int:
        """Return a handle of the run directory that has the place; raises :class:`RunPathError` when it is none."""
        return open_below(self._parent, (self._run_id,), str(self.path.parent))

    def discard(self) -> None:
        """Remove the staging folder, for a run that needs none; raises :class:`OutputError`."""
        with output_errors(f"{self.path} could not be removed"):
            for name in os.listdir(self._folder):
                os.unlink(name, dir_fd=self._folder)
            os.rmdir(self._name, dir_fd=self._parent)

    def close(self) -> None:
        """Close every handle; what was staged stays."""
        for sink in self._sinks.values():
            sink.abandon()
        for handle in (self._folder, self._parent, self._top):
            if handle >= 0:
                os.close(handle)
        self._folder = self._parent = self._top = -1

    def __exit__(self, *_: object) -> None:
        self.close()

    def _create(self, artifact: Artifact) -> int:
        return os.open(artifact.value, _NEW_FILE, _FILE_MODE, dir_fd=self._folder)

    def _check_place(self, name: str, problem: str) -> None:
        """Raise :class:`OutputError` unless the folder of that name, reached from the root, is the one written."""
        try:
            with held(open_below(self._top, (*RUN_SUBDIRS, name), os.fspath(self._root))) as found:
                if os.path.samestat(os.fstat(found), os.fstat(self._folder)):
                    return
            why = "another folder has its place"
        except FileNotFoundError:
            why = "its place is gone"
        except RunPathError as error:
            why = str(error)
        raise OutputError(f"{self.path} {problem}: {why}")
