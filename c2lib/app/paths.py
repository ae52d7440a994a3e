"""Where things are on this machine: the output root, the notebooks, the templates.

Rules kept here:

* the output root is what the caller says, else ``$C2LIB_OUT``, else ``out/`` of the checkout, else ``./out``;
* notebooks and templates come from the checkout when there is one, else from the installed package.

>>> resource("evidence_templates").name
'evidence_templates'
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from c2lib.core.errors import InputError
from c2lib.core.regular_file import NOT_REGULAR, open_regular

PACKAGE = Path(__file__).resolve().parent.parent


def checkout() -> Path | None:
    """Return the root of the checkout that this package is run from, or ``None`` when it is installed."""
    root = PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "evidence_templates").is_dir() else None


def output_root(chosen: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder below which run directories are written."""
    if chosen is not None and os.fspath(chosen):
        return Path(chosen)
    from_environment = os.environ.get("C2LIB_OUT")
    if from_environment:
        return Path(from_environment)
    root = checkout()
    return (root or Path.cwd()) / "out"


def resource(kind: str) -> Path:
    """Return the folder of ``notebooks`` or ``evidence_templates``; raise :class:`InputError` when it is missing."""
    root = checkout()
    folder = root / kind if root else PACKAGE / "_data" / kind
    if not folder.is_dir():
        raise InputError(f"the folder {kind} of this installation is missing: install c2lib again")
    return folder


def read_input(path: str | os.PathLike[str], bound: int) -> bytes:
    """Return the bytes of a regular file, the first ``bound + 1`` of a larger one; a symlink is followed.

    Raises :class:`OSError` for whatever cannot be read, also for what no path can be.
    """
    try:
        handle = open_regular(path, follow=True)
    except ValueError:
        raise OSError(errno.EINVAL, "no path can be spelled like this") from None
    except OSError as error:
        if error.errno in NOT_REGULAR:
            error.strerror = "it is a folder" if error.errno == errno.EISDIR else "it is no regular file"
        raise
    with os.fdopen(handle, "rb") as file:
        return file.read(bound + 1)
