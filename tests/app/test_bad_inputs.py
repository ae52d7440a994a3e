"""Hostile run directories: each is a finding or a clear error, without a traceback, a wait or much memory."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from c2lib.core.vocabulary import Artifact
from tests.app.conftest import Command
from tests.app.runs import SEALED, Answer

FILES = (*SEALED, Artifact.ENVIRONMENT)
GIB = 1 << 30
MOST_KIB = 200 << 10
"""Most memory that reading an endless line may take: less than the shortest of these lines has."""

Spoil = Callable[[Path], object]
"""Makes something bad of the file at a path."""


def first_line(change: Callable[[bytes], bytes]) -> Spoil:
    """Return what changes the first line of a file, its end left off."""

    def spoil(path: Path) -> None:
        line, end, rest = path.read_bytes().partition(b"\n")
        path.write_bytes(change(line) + end + rest)

    return spoil


def with_value(text: bytes) -> Spoil:
    """Return what gives the first object of a file one field more, of the value that ``text`` is."""
    return first_line(lambda line: b'{"a":' + text + b"," + line[1:])


def with_bytes(change: Callable[[bytes], bytes]) -> Spoil:
    """Return what changes all bytes of a file."""
    return lambda path: path.write_bytes(change(path.read_bytes()))


def in_place(make: Callable[[Path], object]) -> Spoil:
    """Return what puts something else in the place of a file, which is moved out of the run."""

    def spoil(path: Path) -> None:
        path.rename(elsewhere(path))
        make(path)

    return spoil


def elsewhere(path: Path) -> Path:
    """Return the place outside the run that a file is moved to."""
    return path.parent.parent / f"elsewhere-{path.name}"


def listen(path: Path) -> None:
    """Leave a socket at a path."""
    here = Path.cwd()
    os.chdir(path.parent)  # the whole path may be longer than a socket's may be
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


IN_A_LINE: dict[str, Spoil] = {
    "100,000 brackets": with_value(b"[" * 100_000 + b"]" * 100_000),
    "100,000 brackets that nothing closes": first_line(lambda line: b"[" * 100_000),
    "100,000 braces": with_value(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "empty objects without number": with_value(b"[" + b"{}," * (5 << 20) + b"{}]"),
    "an integer of 10**7 digits": with_value(b"9" * 10**7),
    "a float of 10**7 digits": with_value(b"9" * 10**7 + b".5"),
    "an integer of 5,000 digits": with_value(b"9" * 5_000),
    "a float of 10**5 digits": with_value(b"9" * 10**5 + b".5"),
    "a huge exponent": with_value(b"1e999999999"),
    "a key twice": with_value(b'1,"a":1'),
    "a key twice, spelled in two ways": with_value(rb'1,"\u0061":1'),
    "NaN": with_value(b"NaN"),
    "Infinity": with_value(b"-Infinity"),
    "a lone surrogate, escaped": with_value(rb'"\ud800"'),
    "a lone surrogate, escaped, in a key": with_value(rb'1,"\udfff":1'),
    "a lone surrogate, raw": with_value(b'"\xed\xa0\x80"'),
    "bytes that are no UTF-8": with_value(b'"\xff\xfe"'),
    "NUL, escaped": with_value(rb'"\u0000"'),
    "NUL, raw": with_value(b'"\0"'),
    "NUL between the fields": first_line(lambda line: line + b"\0"),
    "U+2028": with_value('"\u2028"'.encode()),
    "U+2028 behind the line": first_line(lambda line: line + "\u2028".encode()),
}

IN_A_FILE: dict[str, Spoil] = {
    "CRLF": with_bytes(lambda data: data.replace(b"\n", b"\r\n")),
    "CR": with_bytes(lambda data: data.replace(b"\n", b"\r")),
    "a byte order mark": with_bytes(lambda data: b"\xef\xbb\xbf" + data),
    "UTF-16": with_bytes(lambda data: data.decode().encode("utf-16")),
    "nothing at all": with_bytes(lambda data: b""),
    "line ends only": with_bytes(lambda data: b"\n" * 1_500),
    "other JSON": with_bytes(lambda data: b"[null]\n"),
}

NO_FILE: dict[str, Spoil] = {
    "a directory": in_place(Path.mkdir),
    "a FIFO": in_place(os.mkfifo),
    "a socket": in_place(listen),
    "a link out of the run": in_place(lambda path: path.symlink_to(elsewhere(path))),
    "a link to nowhere": in_place(lambda path: path.symlink_to("nowhere")),
    "a link to itself": in_place(lambda path: path.symlink_to(path.name)),
    "a link to an endless device": in_place(lambda path: path.symlink_to("/dev/zero")),
}


def tried(command: Command, *words: str | Path) -> Answer:
    """Run a command; expect nothing odd on the terminal, and a message where there is an error."""
    answer = command(*words)
    assert "Traceback" not in answer.err
    assert answer.out.isascii()
    assert len(answer.out) < 1 << 20
    assert answer.complaint if answer.code == 2 else answer.err == ""
    return answer


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("bad", [*IN_A_LINE, *IN_A_FILE, *NO_FILE])
def test_hostile_content_is_a_finding(bad: str, file: str, command: Command, published: Path, tmp_path: Path) -> None:
    """Verify and diff report a hostile file of a run by name, sealed or not, without a traceback."""
    if file == Artifact.ENVIRONMENT and bad not in NO_FILE:
        # its bytes are outside the seal: nobody reads them
        return
    sound = Path(shutil.copytree(published, tmp_path / "sound"))
    (IN_A_LINE | IN_A_FILE | NO_FILE)[bad](published / file)
    for words in (("verify", "--text"), ("verify", "--text", "--no-replay")):
        answer = tried(command, *words, published)
        assert answer.code == 1
        assert f" {file}" in answer.out
    if file != Artifact.ENVIRONMENT:
        assert tried(command, "diff", "--text", published, sound).code in {1, 2}
    if file != Artifact.MANIFEST:
        (published / Artifact.MANIFEST).unlink()
        assert tried(command, "verify", "--text", published).code == 1


@pytest.mark.parametrize("file", SEALED)
def test_unreadable_file_is_a_finding(file: str, command: Command, published: Path) -> None:
    """A sealed file without read permission is an UNREADABLE_FILE finding, except to a user who may read all."""
    (published / file).chmod(0)
    readable = os.access(published / file, os.R_OK)
    answer = tried(command, "verify", "--text", published)
    assert answer.code == (0 if readable else 1)
    assert readable or f"UNREADABLE_FILE {file} expected a regular file, seen EACCES" in answer.out


@pytest.mark.parametrize("file", SEALED)
def test_growing_file_reading_ends(
    file: str, command: Command, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verify reads no more than the first size and one chunk of a file that grows, and reports the growth."""
    read = os.pread
    descriptor = os.open(published / file, os.O_WRONLY | os.O_APPEND)
    grown = os.fstat(descriptor).st_ino

    def reading(source: int, size: int, offset: int) -> bytes:
        if os.fstat(source).st_ino == grown:
            os.write(descriptor, b"x" * size)
        return read(source, size, offset)

    monkeypatch.setattr(os, "pread", reading)
    answer = command("verify", "--text", "--no-replay", published)
    size = os.fstat(descriptor).st_size
    os.close(descriptor)
    assert answer.code == 1
    assert f"UNREADABLE_FILE {file} expected a regular file, seen growing while it is read" in answer.out
    assert size < 1 << 21


PEAK = """
import sys
from c2lib.cli.main import main
from tests.bench.measure import peak_rss_kib
code = main(sys.argv[1:])
print(code, peak_rss_kib())
"""


def peak_of(*words: str | Path) -> tuple[int, int, str]:
    """Run a command in a process of its own; return its exit code, its peak of memory in KiB, and what it said."""
    child = [sys.executable, "-c", PEAK, *map(str, words)]
    done = subprocess.run(child, capture_output=True, text=True, check=True, timeout=120)
    said, _, last = done.stdout.rstrip("\n").rpartition("\n")
    code, peak = last.split()
    return int(code), int(peak), said


def test_endless_line_needs_little_memory(published: Path, tmp_path: Path) -> None:
    """Verify and diff report a line of up to 1 GiB as malformed and take less than 200 MiB of memory."""
    places = {file: Path(shutil.copytree(published, tmp_path / file / published.name)) for file in SEALED}
    for file, place in places.items():
        os.truncate(place / file, GIB if file == Artifact.EVENTS else GIB // 4)
    code, peak, said = peak_of("verify", "--text", *places.values())
    assert code == 1
    for file in SEALED:
        assert f"finding: MALFORMED_LINE {file}" in said
    assert peak < MOST_KIB
    code, peak, _ = peak_of("diff", places[Artifact.METRICS], places[Artifact.MANIFEST])
    assert (code, peak < MOST_KIB) == (1, True)
