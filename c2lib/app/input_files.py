"""Reads a file that a caller named: whole, bounded, and only if it is one.

Rules kept here:

* a pipe or a device is not waited for, and a file is read no further than its bound;
* what was looked at is what is read: the file is opened once.

>>> read_input("/dev/null", 10)
Traceback (most recent call last):
OSError: [Errno 22] it is no regular file
"""

from __future__ import annotations

import errno
import os
import stat


def read_input(path: str | os.PathLike[str], bound: int) -> bytes:
    """Return the bytes of a regular file, the first ``bound + 1`` of a larger one; a symlink is followed.

    Raises :class:`OSError` for whatever cannot be read, also for what no path can be.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError:
        raise OSError(errno.EINVAL, "no path can be spelled like this") from None
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is a folder" if stat.S_ISDIR(mode) else "it is no regular file")
    with os.fdopen(handle, "rb") as file:
        return file.read(bound + 1)
