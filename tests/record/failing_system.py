"""An operating system of which chosen calls fail, for the module that calls it to write a run directory."""

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

WATCHED = ("write", "fsync", "rename", "mkdir", "open", "stat", "unlink", "rmdir", "listdir")
"""The calls that change or read the disk."""


class FailingSystem:
    """Stands in for ``os``: counts the watched calls, and fails those that ``fails(name, number)`` says."""

    def __init__(self, fails: Callable[[str, int], bool], code: int = errno.ENOSPC, behind: Any = os) -> None:
        self.calls: Counter[str] = Counter()
        self._fails = fails
        self._code = code
        self._behind = behind

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._behind, name)
        return self._watched(name, call) if name in WATCHED else call

    def _watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **options: Any) -> Any:
            number = self.calls[name]
            self.calls[name] += 1
            if self._fails(name, number):
                raise OSError(self._code, os.strerror(self._code))
            return call(*args, **options)

        return watched


class ShortSystem:
    """Stands in for ``os``: each write takes as many bytes as ``sizes`` says, and everything once they are used up."""

    def __init__(self, sizes: list[int]) -> None:
        self._sizes = list(sizes)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, handle: int, data: Any) -> int:
        """Take the first bytes of ``data``."""
        size = self._sizes.pop(0) if self._sizes else len(data)
        return os.write(handle, data[:size])


@contextmanager
def system(stand_in: Any) -> Iterator[Any]:
    """Let the run directory be written through ``stand_in`` instead of ``os``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("c2lib.record.files.os", stand_in)
        yield stand_in


def failing(name: str, *numbers: int, code: int = errno.ENOSPC) -> FailingSystem:
    """Return a system whose calls of ``name`` fail: those numbered from 0 that are given, or all of them."""
    return FailingSystem(lambda called, number: called == name and (not numbers or number in numbers), code)
