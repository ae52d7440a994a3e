"""Ways to make a good run directory bad by changing bytes, lines and files on disk."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.witness.sample_runs import EVENTS, MANIFEST, SEALED

FILES = (*SEALED, MANIFEST)

Change = Callable[[bytes], bytes]


def _edit(line: int, edit: Callable[[list[bytes], int], object]) -> Change:
    def change(data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        edit(lines, line % len(lines))
        return b"".join(lines)

    return change


def _swapped(lines: list[bytes], at: int) -> None:
    lines[at - 1], lines[at] = lines[at], lines[at - 1]


def _flip(at: float) -> Change:
    def change(data: bytes) -> bytes:
        place = int(at * (len(data) - 1))
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    return change


def _replaced(old: bytes, new: bytes) -> Change:
    return lambda data: data.replace(old, new, 1)


BYTES: Mapping[str, Change] = {
    "first byte flipped": _flip(0.0),
    "byte in the middle flipped": _flip(0.5),
    "last byte flipped": _flip(1.0),
    "last byte missing": lambda data: data[:-1],
    "cut in the middle": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "first line deleted": _edit(0, lambda lines, at: lines.pop(at)),
    "last line deleted": _edit(-1, lambda lines, at: lines.pop(at)),
    "last line doubled": _edit(-1, lambda lines, at: lines.append(lines[at])),
    "blank line added": lambda data: data + b"\n",
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "NUL": lambda data: b"\0" * 200 + data,
    "no UTF-8": _replaced(b"run_demo_001", b"run_demo_\xff01"),
    "text not in NFC": _replaced(b"run_demo_001", "run_demo_e\u0301".encode()),
    "lone surrogate": _replaced(b"run_demo_001", b"\\ud800"),
    "line separator in a text": _replaced(b"run_demo_001", "run\u2028demo".encode()),
    "escape that is not needed": _replaced(b"run_demo_001", b"run_demo\\u005f001"),
    "blank behind a comma": _replaced(b',"', b', "'),
    "key twice": _replaced(b'{"', b'{"run_id":"run_demo_001","'),
    "no number": _replaced(b":0,", b":NaN,"),
    "infinite": _replaced(b":0,", b":-Infinity,"),
    "float": _replaced(b":0,", b":0.0,"),
    "negative zero": _replaced(b":0,", b":-0,"),
    "integer of many digits": _replaced(b":0,", b":" + b"9" * 100_000 + b","),
    "integer of 2**53": _replaced(b":0,", b":9007199254740992,"),
    "true for 1": _replaced(b":1,", b":true,"),
    "deep nesting": lambda data: b"[" * 100_000 + b"]" * 100_000 + b"\n" + data,
    "deep object": _replaced(b'{"', b'{"' + b'":{"' * 70 + b'":1' + b"}" * 70 + b',"'),
    "a list": lambda data: b"[]\n" + data,
    "line of 2 MiB": lambda data: b'{"' + b"a" * (2 << 20) + b'":1}\n' + data,
    "line of 2 MiB without an end": lambda data: data + b"a" * (2 << 20),
}
"""Changes of one file's bytes; where one has nothing to change in a file, it is left out there."""


def lines_swapped(data: bytes) -> bytes:
    """Return a file with its two last lines in the other order."""
    return _edit(-1, _swapped)(data)


def _instead(make: Callable[[Path], object], name: str = EVENTS) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return change


def _link_in_evidence(folder: Path) -> None:
    (folder / "evidence").mkdir()
    (folder / "evidence" / "x").symlink_to("y")


def _missing(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def _linked(path: Path) -> None:
    path.symlink_to("nowhere")


def _linked_to_itself(path: Path) -> None:
    path.symlink_to(path)


def _linked_outside(path: Path) -> None:
    path.symlink_to("/dev/zero")


FOLDERS: Mapping[str, tuple[Callable[[Path], object], str]] = {
    **{f"{name} is missing": (_missing(name), name) for name in SEALED},
    **{f"{name} is a folder": (_instead(Path.mkdir, name), name) for name in FILES},
    "a file is a fifo": (_instead(os.mkfifo), EVENTS),
    "a file is a link to nowhere": (_instead(_linked), EVENTS),
    "a file is a link to itself": (_instead(_linked_to_itself), EVENTS),
    "a file is a link out of the folder": (_instead(_linked_outside), EVENTS),
    "a file too many": (lambda folder: (folder / "notes.txt").write_text("hello"), "notes.txt"),
    "a hidden file too many": (lambda folder: (folder / ".events.jsonl.swp").touch(), ".events.jsonl.swp"),
    "a folder too many": (lambda folder: (folder / "more").mkdir(), "more"),
    "environment.json is a folder": (lambda folder: (folder / "environment.json").mkdir(), "environment.json"),
    "evidence is a file": (lambda folder: (folder / "evidence").touch(), "evidence"),
    "a link in evidence": (_link_in_evidence, "evidence/x"),
    "a staging folder": (lambda folder: folder.rename(folder.parent / ".staging-run_demo_001-x"), "."),
}
"""Changes of the folder, and the file that both verifiers blame."""
