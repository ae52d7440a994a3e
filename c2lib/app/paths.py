"""What belongs to this machine: output root, resources, input files, unsealed facts, and who can read this process."""

from __future__ import annotations

import ctypes
import errno
import importlib.metadata
import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from c2lib.core.errors import ConfigError, InputError, OutputError
from c2lib.core.redaction import clean_value
from c2lib.core.regular_file import NOT_REGULAR, read_regular

PACKAGE = Path(__file__).resolve().parent.parent

_PACKAGES = ("c2lib", "pydantic", "PyYAML", "matplotlib", "papermill")


def checkout() -> Path | None:
    """Return the root of the checkout that this package is run from, or ``None`` when it is installed."""
    root = PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "evidence_templates").is_dir() else None


def output_root(chosen: str | os.PathLike[str] | None = None) -> Path:
    """Return where runs are written: ``chosen``, ``$C2LIB_OUT`` unless empty, the checkout's ``out`` or ``./out``."""
    if chosen is not None and not os.fspath(chosen):
        raise ConfigError("out_dir", "is empty", hint="name a folder, or leave it out")
    named = chosen or os.environ.get("C2LIB_OUT")
    return Path(named) if named else (checkout() or Path.cwd()) / "out"


def resource(kind: str) -> Path:
    """Return a folder that is shipped, such as ``notebooks``: the checkout's, else the installed package's.

    Raises :class:`InputError` when it is missing.
    """
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
        return read_regular(path, bound, follow=True)
    except ValueError:
        raise OSError(errno.EINVAL, "no path can be spelled like this") from None
    except OSError as error:
        if error.errno in NOT_REGULAR:
            error.strerror = "it is a folder" if error.errno == errno.EISDIR else "it is no regular file"
        raise


@contextmanager
def output_file(path: Path, option: str) -> Iterator[BinaryIO]:
    """Open a file to write that ``option`` asks for, in a folder that is made; never through a symlink, nor a pipe.

    Raises :class:`ConfigError` for what no path can be, and :class:`OutputError` with the name of what is refused.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o644), "wb") as out:
            yield out
    except OSError as error:
        raise OutputError(f"{error.filename or path}: {error.strerror}") from None
    except ValueError:
        raise ConfigError(option, "no path can be spelled like this") from None


def environment_facts(market: Any) -> dict[str, Any]:
    """Return what ``environment.json`` holds: versions, platform, wall time, and the name of the market file as a hint.

    It names no user, no host and no environment variable, and no folder, since folders are often named after users.
    """
    facts = {
        "note": "unsealed: differs between machines, and no check relies on it",
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "packages": {package: distribution_version(package) for package in _PACKAGES},
        "written_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "hints": {"market_file": Path(market).name if isinstance(market, str | os.PathLike) else None},
    }
    return dict(clean_value(facts))


def distribution_version(name: str) -> str | None:
    """Return the version of an installed distribution, or ``None``."""
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return None


_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
_prctl: Callable[..., int] = getattr(ctypes.CDLL(None), "prctl", lambda *_: 0)
_undumpable: list[int] = []
_undumpable_lock = threading.Lock()


@contextmanager
def undumpable() -> Iterator[None]:
    """Keep other processes of the same user, root aside, from tracing this one and from reading its memory."""
    with _undumpable_lock:
        _undumpable.append(_prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0))
        _prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    try:
        yield
    finally:
        # the last context to exit restores what the first one found
        with _undumpable_lock:
            before = _undumpable.pop()
            if not _undumpable and before == 1:
                _prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
