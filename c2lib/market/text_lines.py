r"""The bytes of a market file as lines of text.

Rules kept here:

* the bytes come in blocks and go out in blocks of whole lines, so memory does not grow with the file;
* a line ends in ``\n`` (``\r\n`` becomes it), the last one too: a file whose last line has no end may have been
  cut in the middle of a number, which nothing else would show;
* text is UTF-8, with or without a byte order mark; no NUL; no line beyond 65,536 characters, no end of lines.

>>> list(line_blocks(iter([b"date,op", b"en\r\n2026,1\n"]), "day.csv"))
['date,open\n2026,1\n']
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from c2lib.core.config import MAX_STEPS
from c2lib.core.errors import MarketDataError

BLOCK_BYTES = 1 << 16
"""How much is read at a time."""

MAX_LINE = 1 << 16
"""Longest line, in characters."""

MAX_LINES = MAX_STEPS + 1
"""Most lines: the header, and a bar for each step that a run may have."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_blocks(stream: BinaryIO, file: str) -> Iterator[bytes]:
    """Yield the bytes of a stream; raise :class:`MarketDataError` when they cannot be read or unpacked."""
    hint = "fetch or pack the file again"
    while True:
        try:
            block = stream.read(BLOCK_BYTES)
        except EOFError:
            raise MarketDataError(file, 0, "the gzip data ends in the middle", hint=hint) from None
        except (gzip.BadGzipFile, zlib.error):
            raise MarketDataError(file, 0, "is no gzip data, or it is damaged", hint=hint) from None
        except OSError as error:
            raise MarketDataError(file, 0, f"cannot be read: {error.strerror}") from None
        if not block:
            return
        yield block


def line_blocks(blocks: Iterator[bytes], file: str) -> Iterator[str]:
    """Yield the lines of a file, as many at a time as a block completes.

    Raises :class:`MarketDataError` at the first line that is no text.
    """
    tail = b""
    line = 1
    at_start = True
    for block in blocks:
        data = tail + (block.removeprefix(_BYTE_ORDER_MARK) if at_start else block)
        at_start = False
        cut = data.rfind(b"\n") + 1
        tail = data[cut:]
        if cut:
            yield _text(data[:cut], file, line)
            line += data.count(b"\n")
        if len(tail) > MAX_LINE:
            raise _too_long(file, line)
        if line > MAX_LINES + 1:
            raise MarketDataError(file, line - 1, f"the file has more than {MAX_LINES} lines", hint="split it")
    if tail:
        hint = "the file may be cut in the middle of it; if it is whole, add one"
        raise MarketDataError(file, line, "the last line has no line end", hint=hint)


def _text(data: bytes, file: str, first_line: int) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        raise MarketDataError(file, line, "is not UTF-8 text", hint="save the file as UTF-8") from None
    if "\0" in text:
        line = first_line + text.count("\n", 0, text.index("\0"))
        raise MarketDataError(file, line, "holds a NUL byte", hint="the file is damaged, or not a text file")
    # a line too long would fill one of these stretches, whose number is small
    stretch = MAX_LINE // 2
    if any(text.find("\n", at, at + stretch) < 0 for at in range(0, len(text), stretch)):
        lengths = [len(line) > MAX_LINE for line in text.split("\n")]
        if any(lengths):
            raise _too_long(file, first_line + lengths.index(True))
    return text.replace("\r\n", "\n")


def _too_long(file: str, line: int) -> MarketDataError:
    hint = "the file is not a CSV file of bars, or its line ends are not \\n"
    return MarketDataError(file, line, f"the line is longer than {MAX_LINE} characters", hint=hint)
