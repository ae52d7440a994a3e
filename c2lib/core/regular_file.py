"""Opening a file that may be hostile: a regular one or none, without waiting."""

from __future__ import annotations

import errno
import os
import stat

NOT_REGULAR = (errno.EISDIR, errno.EINVAL)
"""``errno`` of the :class:`OSError` that :func:`open_regular` raises for a folder, and for a FIFO, device or socket."""


def open_regular(path: str | os.PathLike[str], directory: int | None = None, *, follow: bool = False) -> int:
    """Return a descriptor of the regular file at ``path``, open for reading.

    Args:
        path: the file; relative to ``directory`` when that is given.
        directory: a descriptor of an open folder.
        follow: whether ``path`` may be a symlink.

    Raises:
        OSError: it cannot be opened, or is no regular file.
        ValueError: no path can be spelled like this.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags, dir_fd=directory)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL, "not a regular file", path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_regular(
    path: str | os.PathLike[str], bound: int, directory: int | None = None, *, follow: bool = False
) -> bytes:
    """Return the bytes of a regular file, the first ``bound + 1`` of a longer one; see :func:`open_regular`."""
    with os.fdopen(open_regular(path, directory, follow=follow), "rb") as file:
        return file.read(bound + 1)
