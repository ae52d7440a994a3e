"""The folders below an output root, walked by handles.

Rules kept here:

* the root is the caller's choice and may be a symlink; below it no symlink is followed, whichever part of the way it
  is and whenever it comes there: each folder is opened from its parent's handle;
* what is made is writable by its owner alone, whatever the umask;
* two run directories that differ in letter case alone would be one on many file systems: the second is refused.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as root:
...     find_run(root, "run_demo_001") is None
True
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path

from c2lib.core.errors import ConfigError, RunPathError
from c2lib.core.vocabulary import RUN_SUBDIRS

FILE_MODE, FOLDER_MODE = 0o644, 0o755
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


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
            _make_folders(Path(root))
        return os.open(root, _FOLDER)
    except NotADirectoryError:
        raise RunPathError(f"the output root {shown} is no folder") from None
    except ValueError:
        raise RunPathError(f"the output root {shown!r} cannot be a path") from None
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not make:
            raise
        raise RunPathError(f"the output root {shown} cannot be used: {error.strerror}") from None


def _make_folders(path: Path) -> None:
    # the modes of os.makedirs reach the last folder only
    missing = list(takewhile(lambda folder: not folder.is_dir(), (path, *path.parents)))
    for folder in reversed(missing):
        _make(folder, None)


def _make(name: str | os.PathLike[str], parent: int | None) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, FOLDER_MODE, dir_fd=parent)


def open_below(parent: int, names: Iterable[str], shown: str, *, make: bool = False) -> int:
    """Return a handle of the folder ``names`` below ``parent``, which messages call ``shown``; follow no symlink.

    What is missing is made when ``make`` is set, and is a :class:`FileNotFoundError` else. Raises
    :class:`RunPathError` naming the part of the way that cannot be used.
    """
    handle = os.dup(parent)
    for name in names:
        shown = os.path.join(shown, name)
        with held(handle):
            handle = _open_child(handle, name, shown, make)
    return handle


def _open_child(parent: int, name: str, shown: str, make: bool) -> int:
    try:
        if make:
            _make(name, parent)
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not make:
            raise
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            problem = "is a symlink or no folder: nothing is written through it; take it away, or write elsewhere"
            raise RunPathError(f"{shown} {problem}") from None
        raise RunPathError(f"{shown} cannot be used: {error.strerror}") from None


def find_run(root: str | os.PathLike[str], run_id: str) -> int | None:
    """Return a handle of the run directory of ``run_id``, or ``None`` when there is none; make nothing.

    Raises :class:`RunPathError` when there is something else in its place or on the way, and
    :class:`ConfigError` when there is one whose name differs in letter case alone.
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
    folded = run_id.lower()
    try:
        names = os.listdir(runs)
    except OSError as error:
        raise RunPathError(f"{shown} cannot be used: {error.strerror}") from None
    twin = next((name for name in names if name.lower() == folded and name != run_id), None)
    if twin is not None:
        problem = f"differs in letter case alone from {twin}, which is there already"
        raise ConfigError("run_id", problem, hint="on many file systems the two are one; choose another")


def open_run_to_add(path: str | os.PathLike[str]) -> int:
    """Return a handle of a published run directory that something is to be written into.

    Neither it nor, where it has them, the two fixed folders above it may be a symlink. Raises
    :class:`RunPathError`.
    """
    parts = Path(path).parts
    count = 1 + len(RUN_SUBDIRS) if parts[-3:-1] == RUN_SUBDIRS else 1
    above = Path(*parts[:-count])
    try:
        with held(open_root(above)) as base:
            return open_below(base, parts[-count:], str(above))
    except FileNotFoundError:
        raise RunPathError(f"{os.fspath(path)} is not there: name a run directory") from None
