r"""Reads the files of a run directory that may be damaged, hostile or no files at all.

Rules kept here:

* a file is opened once, never through a symlink, never waiting (a FIFO is no file), and must be a regular one;
* one pass: what is hashed, measured and parsed are the same bytes;
* a file that grows while it is read is not followed: it is given up, so that reading comes to an end;
* lines end in ``\n`` and in nothing else; a line is bounded, and one that is too long is skipped, not kept;
* JSON is strict: UTF-8 without a mark, no key twice, no NaN, bounded integers, nesting and brackets;
* whatever is wrong with a file becomes a finding, never an exception.

>>> strict_json(b'{"a":[1,true]}')
{'a': [1, True]}
>>> strict_json(b'{"a":1,"a":2}')
Traceback (most recent call last):
c2lib.witness.reader.JsonError: has a key twice in one object
"""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from c2lib.core.canon import MAX_DEPTH
from c2lib.witness.facts import FileFacts, FindingCode
from c2lib.witness.findings import Findings

MAX_LINE = 1 << 20
"""Longest line, in bytes, its end not counted."""

MAX_OBJECT = 64 << 20
"""Longest manifest, in bytes: the readings of an injected clock stand in it, one for each step at worst."""

MAX_BRACKETS = MAX_OBJECT // 32
"""Most brackets of one JSON text: each reading of a clock, in the longest manifest, has one in more than 32 bytes."""

MAX_INTEGER_CHARS = 17
"""Most characters of an integer, its sign included; more is far beyond what an artifact may hold."""

_CHUNK = 1 << 18
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TEXT = re.compile(rb'"[^"]*"?')
_PLAIN = bytes(set(range(256)) - set(b'"[]{}'))


class JsonError(ValueError):
    """Bytes that are no strict JSON; the message says why."""


def _integer(text: str) -> int:
    if len(text) > MAX_INTEGER_CHARS:
        raise JsonError(f"has an integer of more than {MAX_INTEGER_CHARS} characters")
    return int(text)


def _constant(name: str) -> None:
    raise JsonError(f"has {name}, which is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise JsonError("has a key twice in one object")
    return value


def strict_decoder(parse_float: Callable[[str], Any] = float) -> json.JSONDecoder:
    """Return a decoder of strict JSON; ``parse_float`` says what becomes of a float's text."""
    return json.JSONDecoder(
        parse_float=parse_float, parse_int=_integer, parse_constant=_constant, object_pairs_hook=_object
    )


_DECODER = strict_decoder()


def brackets(data: bytes) -> int:
    """Return how many brackets open in ``data``, in texts or outside: it cannot be nested deeper."""
    return data.count(b"[") + data.count(b"{")


def _is_deep(data: bytes) -> bool:
    if brackets(data) <= MAX_DEPTH:
        return False
    # without its escapes a text ends at the next quote; whole passes, since a look at each token takes a minute
    bare = data.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _PLAIN)
    # two quotes side by side leave what stands around them inside or outside, as it was
    bare = bare.replace(b'""', b"")
    depth = 0
    for bracket in _TEXT.sub(b"", bare):
        depth += 1 if bracket in b"[{" else -1
        if not 0 <= depth <= MAX_DEPTH:
            # one that closes what was never open is no JSON: the parser says so
            return depth > 0
    return False


def strict_json(data: bytes, limit: int = MAX_LINE, decoder: json.JSONDecoder = _DECODER) -> Any:
    """Return the value of JSON bytes, or raise :class:`JsonError`.

    Floats are returned as floats, unless ``decoder`` makes something else of them: they are JSON, and the contract's
    to refuse.
    """
    if len(data) > limit:
        raise JsonError(f"is longer than {limit} bytes")
    if data.startswith(codecs.BOM_UTF8):
        raise JsonError("begins with a byte order mark")
    if max(brackets(data), data.count(b"]") + data.count(b"}")) > MAX_BRACKETS:
        raise JsonError(f"has more than {MAX_BRACKETS} brackets")
    if _is_deep(data):
        raise JsonError(f"is nested deeper than {MAX_DEPTH}")
    try:
        return decoder.decode(data.decode())
    except UnicodeDecodeError as error:
        raise JsonError(f"is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise JsonError(f"is no JSON: {error.msg} at character {error.pos}") from None


def open_regular(directory: int, name: str) -> int:
    """Return a descriptor of the regular file ``name`` in an open directory; raise :class:`OSError` otherwise."""
    descriptor = os.open(name, _FLAGS, dir_fd=directory)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def why(error: OSError) -> str:
    """Return the reason of an operating system error in words that no locale changes."""
    if error.errno == errno.EINVAL:
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
            descriptor = open_regular(self._directory, self.name)
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
