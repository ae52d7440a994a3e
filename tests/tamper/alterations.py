"""What somebody without knowledge of the format does to files: bits, lines, cuts, files, seals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple

from c2lib.core.canon import canonical_json, run_digest, sha256_hex
from c2lib.core.vocabulary import Artifact
from tests.tamper.sample import SEALED, Content

MANIFEST = str(Artifact.MANIFEST)
AUDIT = str(Artifact.AUDIT)
LOGS = tuple(name for name in SEALED if name != MANIFEST)

Change = Callable[[], Mapping[str, bytes | None]]
"""Gives the files that are written, by name; ``None`` takes a file away."""


class Alteration(NamedTuple):
    """One way to alter a run: the run's name, what is done, and the files that come of it."""

    run: str
    what: str
    change: Change


def _flipped(data: bytes, bit: int) -> bytes:
    at = bit // 8
    return data[:at] + bytes([data[at] ^ 1 << bit % 8]) + data[at + 1 :]


def _cut(data: bytes, length: int) -> bytes:
    return data[:length]


def bits(data: bytes) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield every bit flipped."""
    for bit in range(len(data) * 8):
        yield f"bit {bit % 8} of byte {bit // 8}", partial(_flipped, data, bit)


def bit_of_each_byte(data: bytes) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield one bit of every byte flipped, each of the eight in turn."""
    for at in range(len(data)):
        yield f"bit {at % 8} of byte {at}", partial(_flipped, data, at * 8 + at % 8)


def cuts(data: bytes) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield every beginning, the empty one first."""
    for length in range(len(data)):
        yield f"the first {length} bytes", partial(_cut, data, length)


def _joined(*parts: list[bytes]) -> bytes:
    return b"".join(line for part in parts for line in part)


def deleted(data: bytes) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield every line left out."""
    lines = data.splitlines(keepends=True)
    for at in range(len(lines)):
        yield f"line {at + 1}", partial(_joined, lines[:at], lines[at + 1 :])


def doubled(data: bytes) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield every line written twice."""
    lines = data.splitlines(keepends=True)
    for at in range(len(lines)):
        yield f"line {at + 1}", partial(_joined, lines[: at + 1], lines[at:])


def swapped(data: bytes) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield every line exchanged with the next."""
    lines = data.splitlines(keepends=True)
    for at in range(len(lines) - 1):
        yield f"line {at + 1}", partial(_joined, lines[:at], [lines[at + 1], lines[at]], lines[at + 2 :])


Edit = Callable[[bytes], Iterator[tuple[str, Callable[[], bytes]]]]


def rebuilt(content: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return ``content`` with what its manifest says of the other files, and its own digest, made to fit."""
    manifest: dict[str, Any] = json.loads(content[MANIFEST])
    for name in manifest["artifacts"]:
        data = content[name]
        manifest["artifacts"][name] = {"sha256": sha256_hex(data), "bytes": len(data), "lines": data.count(b"\n")}
    manifest["run_digest"] = run_digest(manifest)
    return {**content, MANIFEST: f"{canonical_json(manifest)}\n".encode()}


def edited(run: str, content: Content, edit: Edit, names: Sequence[str] = SEALED) -> Iterator[Alteration]:
    """Yield every edit of every sealed file, or of those named, the manifest left as it is."""
    for name in names:
        for what, change in edit(content[name]):
            yield Alteration(run, f"{name}: {what}", partial(_only, name, change))


def _only(name: str, change: Callable[[], bytes]) -> dict[str, bytes]:
    return {name: change()}


def resealed(run: str, content: Content, edit: Edit, names: Sequence[str] = LOGS) -> Iterator[Alteration]:
    """Yield every edit of every log, or of the files named, with the manifest rebuilt around it."""
    for name in names:
        for what, change in edit(content[name]):
            yield Alteration(run, f"{name}: {what}", partial(_around, content, name, change))


def _around(content: Content, name: str, change: Callable[[], bytes]) -> dict[str, bytes]:
    files = rebuilt({**content, name: change()})
    return {name: files[name], MANIFEST: files[MANIFEST]}


def removed(run: str) -> Iterator[Alteration]:
    """Yield every sealed file taken away."""
    for name in SEALED:
        yield Alteration(run, name, partial(dict, {name: None}))


ADDED = ("notes.txt", ".events.jsonl.swp", "events.jsonl.bak", "events.jsonl.gz", "EVENTS.JSONL", "größe", "a b")


def added(run: str, content: Content) -> Iterator[Alteration]:
    """Yield files that do not belong there: empty ones, and copies of the events."""
    for name in ADDED:
        for data in (b"", content[Artifact.EVENTS]):
            yield Alteration(run, f"{name} of {len(data)} bytes", partial(dict, {name: data}))


def mixed(run: str, content: Content, other: Content) -> Iterator[Alteration]:
    """Yield every mixture of the sealed files of two runs of the same name."""
    names = [name for name in SEALED if content[name] != other[name]]
    for count in range(1, len(names)):
        for chosen in combinations(names, count):
            yield Alteration(run, " and ".join(chosen), partial(dict, {name: other[name] for name in chosen}))


def _without_chain(data: bytes) -> bytes:
    entries = [json.loads(line) for line in data.splitlines()]
    for entry in entries:
        del entry["prev_hash"], entry["entry_hash"]
    return "".join(f"{canonical_json(entry)}\n" for entry in entries).encode()


def stripped(run: str, content: Content) -> Iterator[Alteration]:
    """Yield the seal, the chain, and both taken away, the chain also under a manifest made to fit."""
    bare = _without_chain(content[AUDIT])
    yield Alteration(run, "manifest", partial(dict, {MANIFEST: None}))
    yield Alteration(run, "chain", partial(dict, {AUDIT: bare}))
    yield Alteration(run, "chain, manifest rebuilt", partial(rebuilt, {**content, AUDIT: bare}))
    yield Alteration(run, "manifest and chain", partial(dict, {MANIFEST: None, AUDIT: bare}))
