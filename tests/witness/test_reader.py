import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.core.canon import MAX_DEPTH
from c2lib.witness import reader
from c2lib.witness.findings import Findings
from c2lib.witness.lines import MAX_BRACKETS, MAX_OBJECT, JsonError, strict_json
from c2lib.witness.reader import ArtifactFile, FileFacts


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"a":1,"a":1}', "has a key twice in one object"),
        (b'{"b":{"a":1,"a":2}}', "has a key twice in one object"),
        (b"[NaN]", "has NaN, which is no JSON"),
        (b"[Infinity]", "has Infinity, which is no JSON"),
        (b"[-Infinity]", "has -Infinity, which is no JSON"),
        (b"[" + b"9" * 18 + b"]", "has an integer of more than 17 characters"),
        (b"[" + b"9" * 5000 + b"]", "has an integer of more than 17 characters"),
        (b"[" * 65 + b"]" * 65, "is nested deeper than 64"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "is nested deeper than 64"),
        (b"[" * 100_000, "is nested deeper than 64"),
        (b'["' + b"\\" * 6 + b'",' + b"[" * 64 + b"]" * 65, "is nested deeper than 64"),
        (b"]" + b"[" * 65, "is no JSON: Expecting value at character 0"),
        (b'["\xff"]', "is not UTF-8 at byte 2"),
        (b'["\xed\xa0\x80"]', "is not UTF-8 at byte 2"),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark"),
        (b"", "is no JSON: Expecting value at character 0"),
        (b"{} {}", "is no JSON: Extra data at character 3"),
        (b"[1", "is no JSON: Expecting ',' delimiter at character 2"),
    ],
)
def test_ambiguous_json_is_refused(data: bytes, why: str) -> None:
    """JSON that two readers could read differently, or that exceeds a bound, is refused with the reason."""
    with pytest.raises(JsonError) as caught:
        strict_json(data)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"[" * 64 + b"]" * 64, None),
        (b"[" + b"[]," * 200 + b"[]]", [[]] * 201),
        (b'["' + b"[{" * 100 + b'\\"]"]', ["[{" * 100 + '"]']),
        (rb'["\\\\",' + b"[]," * 70 + b"[]]", ["\\\\", *([[]] * 71)]),
        (rb'["\\\"' + b"[" * 70 + b'"]', ['\\"' + "[" * 70]),
        (b"[1.5]", [1.5]),
        ('{"a":"é"}'.encode(), {"a": "é"}),
        (b"[12345678901234567,-1]", [12345678901234567, -1]),
    ],
)
def test_strict_json_is_read(data: bytes, value: Any) -> None:
    """Strict JSON is read to its value, and brackets inside texts do not count as nesting."""
    assert value is None or strict_json(data) == value
    strict_json(data)


def test_nesting_bound_is_64() -> None:
    """The nesting bound of the reader, 64, is the bound of canonical JSON."""
    assert MAX_DEPTH == 64


def test_too_many_brackets_are_refused() -> None:
    """JSON with more brackets than any manifest can have is refused before parsing."""
    with pytest.raises(JsonError, match="has more than 2097152 brackets"):
        strict_json(b"[" + b"{}," * MAX_BRACKETS + b"{}]")
    assert len(b'[0,"2026-01-01T00:00:00+00:00"],') * MAX_BRACKETS >= MAX_OBJECT


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_json_error(data: bytes) -> None:
    """Arbitrary bytes are read as JSON or refused with JsonError."""
    try:
        strict_json(data)
    except JsonError:
        return


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    """Return a descriptor of the test's own folder."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def read(directory: int, limit: int = 1 << 20) -> tuple[list[tuple[int, bytes]], FileFacts | None, list[str]]:
    """Read the file ``f``: its lines, its facts and what was found."""
    findings = Findings()
    file = ArtifactFile(directory, "f", findings, limit)
    lines = [line for number, block in file.blocks() for line in enumerate(block.split(b"\n"), number)]
    return lines, file.facts, [finding.text() for finding in findings.all()]


def test_only_line_feeds_split_lines(tmp_path: Path, directory: int) -> None:
    """Lines are split at line feeds only, not at carriage returns or the separators of Unicode."""
    data = "a\r\n\n\u2028b\x0b\x85\x1cc\n".encode()
    (tmp_path / "f").write_bytes(data)
    lines, facts, found = read(directory)
    assert lines == [(1, b"a\r"), (2, b""), (3, "\u2028b\x0b\x85\x1cc".encode())]
    assert facts == FileFacts(hashlib.sha256(data).hexdigest(), len(data), 3)
    assert found == []


def test_unfinished_last_line_is_read(tmp_path: Path, directory: int) -> None:
    """A last line without a line end is read and is a MALFORMED_LINE finding."""
    (tmp_path / "f").write_bytes(b"a\nb")
    lines, facts, found = read(directory)
    assert lines == [(1, b"a"), (2, b"b")]
    assert facts is not None
    assert facts.lines == 1
    assert found == ["MALFORMED_LINE f:2 expected a line that ends, seen no line end"]


def test_empty_file_has_facts(tmp_path: Path, directory: int) -> None:
    """An empty file has no lines, no finding, and the hash and size of an empty text."""
    (tmp_path / "f").write_bytes(b"")
    assert read(directory) == ([], FileFacts(hashlib.sha256(b"").hexdigest(), 0, 0), [])


@pytest.mark.parametrize("size", [11, 3 * (1 << 18) + 7])
def test_too_long_line_is_skipped(tmp_path: Path, directory: int, size: int) -> None:
    """A line that is too long is skipped and measured; later lines and the hash of the file are unaffected."""
    data = b"a\n" + b"x" * size + b"\nb\n" + b"y" * size
    (tmp_path / "f").write_bytes(data)
    lines, facts, found = read(directory, limit=10)
    assert lines == [(1, b"a"), (3, b"b")]
    assert facts == FileFacts(hashlib.sha256(data).hexdigest(), len(data), 3)
    assert found == [
        f"MALFORMED_LINE f:2 expected a line of at most 10 bytes, seen {size} bytes",
        "MALFORMED_LINE f:4 expected a line that ends, seen no line end",
        f"MALFORMED_LINE f:4 expected a line of at most 10 bytes, seen {size} bytes",
    ]


@given(pieces=st.lists(st.integers(min_value=0, max_value=9), max_size=12), chunk=st.integers(1, 8))
def test_chunk_size_changes_no_line(tmp_path_factory: pytest.TempPathFactory, pieces: list[int], chunk: int) -> None:
    """The size of the chunks in which a file is read changes no line, hash or finding."""
    data = b"".join(bytes([97 + number]) * number + b"\n" for number in pieces)
    folder = tmp_path_factory.mktemp("chunks")
    (folder / "f").write_bytes(data)
    descriptor = os.open(folder, os.O_RDONLY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_CHUNK", chunk)
        lines, facts, found = read(descriptor)
    os.close(descriptor)
    assert [line for _, line in lines] == data.split(b"\n")[:-1]
    assert facts == FileFacts(hashlib.sha256(data).hexdigest(), len(data), len(pieces))
    assert found == []


def test_missing_file_is_found(directory: int) -> None:
    """A missing file is a MISSING_FILE finding, with no lines and no facts."""
    assert read(directory) == ([], None, ["MISSING_FILE f"])


def test_symlink_is_not_followed(tmp_path: Path, directory: int) -> None:
    """A symlink to a regular file is not followed and is an UNREADABLE_FILE finding."""
    (tmp_path / "g").write_bytes(b"a\n")
    (tmp_path / "f").symlink_to("g")
    assert read(directory) == ([], None, ["UNREADABLE_FILE f expected a regular file, seen a symbolic link"])


def test_fifo_does_not_block(tmp_path: Path, directory: int) -> None:
    """A FIFO in the place of a file is an UNREADABLE_FILE finding and does not block the reader."""
    os.mkfifo(tmp_path / "f")
    assert read(directory) == ([], None, ["UNREADABLE_FILE f expected a regular file, seen not a regular file"])


def test_directory_is_unreadable(tmp_path: Path, directory: int) -> None:
    """A directory in the place of a file is an UNREADABLE_FILE finding."""
    (tmp_path / "f").mkdir()
    assert read(directory) == ([], None, ["UNREADABLE_FILE f expected a regular file, seen not a regular file"])


def test_read_error_is_found(tmp_path: Path, directory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be read to its end is an UNREADABLE_FILE finding with the system's error code."""
    (tmp_path / "f").write_bytes(b"a\nb\n")

    def broken(descriptor: int, size: int, offset: int) -> bytes:
        raise OSError(errno.EIO, "the disk's own words")

    monkeypatch.setattr(os, "pread", broken)
    assert read(directory) == ([], None, ["UNREADABLE_FILE f expected a regular file, seen EIO"])


def test_growing_file_is_unreadable(tmp_path: Path, directory: int) -> None:
    """A file that grows during reading gives the lines of its first size, a finding and no facts."""
    (tmp_path / "f").write_bytes(b"a\n" * (1 << 18))
    findings = Findings()
    file = ArtifactFile(directory, "f", findings)
    lines = 0
    for _, block in file.blocks():
        if lines == 0:
            with (tmp_path / "f").open("ab") as more:
                more.write(b"b\n")
        lines += block.count(b"\n") + 1
    assert (lines, file.facts) == (1 << 18, None)
    assert [finding.text() for finding in findings.all()] == [
        "UNREADABLE_FILE f expected a regular file, seen growing while it is read"
    ]


def test_unnumbered_error_has_text() -> None:
    """An OSError without an error number is described as unreadable."""
    assert reader.why(OSError("odd")) == "unreadable"


@given(data=st.binary(max_size=60).map(lambda data: data.replace(b"a", b"\n")), chunk=st.integers(1, 8))
def test_blocks_hold_same_lines(tmp_path_factory: pytest.TempPathFactory, data: bytes, chunk: int) -> None:
    """Reading a file in blocks gives the same lines, facts and findings as reading single lines."""
    folder = tmp_path_factory.mktemp("blocks")
    (folder / "f").write_bytes(data)
    told: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_CHUNK", chunk)
        descriptor = os.open(folder, os.O_RDONLY)
        findings = Findings()
        file = ArtifactFile(descriptor, "f", findings, 5, told.append)
        blocks = [line for number, block in file.blocks() for line in enumerate(block.split(b"\n"), number)]
        lines, facts, found = read(descriptor, limit=5)
        os.close(descriptor)
    assert (blocks, file.facts, [finding.text() for finding in findings.all()]) == (lines, facts, found)
    assert sum(told) == len(data)
    ends = data.split(b"\n")
    whole = ends if ends[-1] else ends[:-1]
    assert lines == [(number, line) for number, line in enumerate(whole, 1) if len(line) <= 5]


def test_findings_follow_earlier_lines(tmp_path: Path, directory: int) -> None:
    """The finding on a line that is too long is added after the lines before that line were taken."""
    (tmp_path / "f").write_bytes(b"a\nbbbbbbbbbb\nc\n")
    findings = Findings()
    counts = [len(findings.all()) for _ in ArtifactFile(directory, "f", findings, 5).blocks()]
    assert counts == [0, 1]
