"""Re-execution: lines compared instead of written, failures that happen again."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from c2lib.app.replay import (
    ComparingSink,
    difference_at,
    published_run,
    repeating_failures,
)
from c2lib.app.runner import run_dryrun
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import RunConflictError, SinkWriteError
from c2lib.core.vocabulary import SEALED_BY_MANIFEST, Artifact
from c2lib.record.files import BATCH_LINES, held
from c2lib.record.sinks import RetryingSink
from c2lib.witness import reader
from c2lib.witness.findings import Finding, FindingCode, Findings
from c2lib.witness.reader import ArtifactFile
from tests.app.runs import RUN, flip_byte


def diverged(file: str, line: int, published: str, computed: str) -> Finding:
    """Return the finding on a line that is computed otherwise."""
    return Finding(FindingCode.REPLAY_DIVERGED, file, line, None, computed, published)


@contextmanager
def files_of(folder: Path) -> Iterator[Mapping[str, ArtifactFile]]:
    """Give the files of a run directory, read and open."""
    with held(os.open(folder, os.O_RDONLY)) as handle, published_run(handle) as found:
        yield found.files


@contextmanager
def comparing(folder: Path, published: bytes) -> Iterator[ComparingSink]:
    """Give a sink that compares with a file of these bytes, which was read before."""
    (folder / "log").write_bytes(published)
    with held(os.open(folder, os.O_RDONLY)) as handle:
        file = ArtifactFile(handle, "log", Findings(), kept=True)
        for _ in file.blocks():
            pass
        yield ComparingSink(file)
        file.close()


LINES = ("first\n", "second\n", "third\n")


def difference_between(folder: Path, published: bytes, lines: tuple[str, ...]) -> Finding | None:
    """Return what comparing ``lines`` with a published file gives."""
    with comparing(folder, published) as sink:
        for line in lines:
            sink.write(line)
            sink.flush()
        return sink.finish()


def test_equal_lines_do_not_differ(tmp_path: Path) -> None:
    """Lines equal to the published file have no difference, and the facts are the file's hash, size and lines."""
    data = "".join(LINES).encode()
    with comparing(tmp_path, data) as sink:
        for line in LINES:
            sink.write(line)
        assert sink.finish() is None
        assert sink.finish() is None
        assert sink.facts() == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "lines": 3}


@pytest.mark.parametrize(
    ("published", "line", "seen", "computed"),
    [
        (b"first\nsecXnd\nthird\n", 2, "'secXnd\\n'", "'second\\n'"),
        (b"First\nsecond\nthird\n", 1, "'First\\n'", "'first\\n'"),
        (b"first\nsecond\n", 3, "nothing", "'third\\n'"),
        (b"first\nsecond\nthi", 3, "'thi'", "'third\\n'"),
        (b"first\nsecond\nthird\nfourth\n", 4, "'fourth\\n'", "nothing"),
        (b"", 1, "nothing", "'first\\n'"),
        (b"first\n\xff\x1b[2J\nthird\n", 2, "'\\ufffd\\x1b[2J\\nt'", "'second\\n'"),
    ],
)
def test_first_difference_is_reported(tmp_path: Path, published: bytes, line: int, seen: str, computed: str) -> None:
    """The first difference has the line number and the published and computed text, escaped for printing."""
    assert difference_between(tmp_path, published, LINES) == diverged("log", line, seen, computed)


def one_by_one(published: bytes, lines: list[str]) -> Finding | None:
    """Return the first difference, found the plain way."""
    at = 0
    for number, line in enumerate(lines, 1):
        if published[at : at + len(line)] != line.encode():
            return difference_at("log", number, published[at : at + len(line)], line.encode())
        at += len(line)
    return diverged("log", len(lines) + 1, ascii(published[at:].decode()), "nothing") if published[at:] else None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 3 * BATCH_LINES),
    st.integers(0, 1000),
    st.sampled_from(["alter", "cut", "lengthen", "leave"]),
    st.sampled_from([1, 7, 64, 1000, 1 << 18]),
)
def test_batches_match_single_comparison(tmp_path: Path, count: int, place: int, kind: str, piece: int) -> None:
    """Lines compared in batches, with a file read in any pieces, give the same first difference as one by one."""
    lines = [f"line {number}\n" for number in range(count)]
    data = "".join(lines).encode()
    at = place % (len(data) + 1)
    published = {
        "alter": data[:at] + b"X" + data[at + 1 :],
        "cut": data[:at],
        "lengthen": data + b"more",
        "leave": data,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_CHUNK", piece)
        with comparing(tmp_path, published[kind]) as sink:
            for number, line in enumerate(lines):
                sink.write(line)
                if number == place:
                    assert sink.difference() in (None, one_by_one(published[kind], lines))
            assert sink.finish() == one_by_one(published[kind], lines)
            assert sink.facts() == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "lines": count}


def test_differences_stop_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference is known as soon as the piece that holds it was computed."""
    monkeypatch.setattr(reader, "_CHUNK", 8)
    with comparing(tmp_path, b"first\nSecond\nthird\nfourth\n") as sink:
        sink.write("first\nsecond\n")
        assert sink.difference() == diverged("log", 2, "'Second\\n'", "'second\\n'")


def test_comparison_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that does not differ is not read again; one that did, and was altered meanwhile, differs."""
    with comparing(tmp_path, "".join(LINES).encode()) as sink, monkeypatch.context() as patch:
        patch.setattr(os, "pread", None)
        for line in LINES:
            sink.write(line)
        assert sink.finish() is None
    with comparing(tmp_path, b"first\nsecond\nTHIRD\n") as sink:
        (tmp_path / "log").write_bytes("".join(LINES).encode())
        for line in LINES:
            sink.write(line)
        seen = "other bytes, altered since they were read"
        assert sink.finish() == diverged("log", 1, seen, "what is there now")


def test_excerpt_surrounds_difference(tmp_path: Path) -> None:
    """The excerpt of a long line is cut around the first byte that differs."""
    difference = difference_between(tmp_path, b"a" * 500 + b"X" + b"b" * 500 + b"\n", ("a" * 500 + "Y" + "b" * 500,))
    assert difference is not None
    assert difference.seen == repr("a" * 30 + "X" + "b" * 89)
    assert difference.expected == repr("a" * 30 + "Y" + "b" * 89)


def make_obstacle(path: Path, kind: str) -> None:
    """Put something that is no regular file in a published file's place."""
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "symlink":
        (path.parent / "real").write_bytes(b"")
        path.symlink_to(path.parent / "real")


@pytest.mark.parametrize("kind", ["nothing", "folder", "fifo", "symlink"])
@pytest.mark.parametrize("name", [Artifact.METRICS, Artifact.MANIFEST])
def test_irregular_file_is_refused(published: Path, kind: str, name: Artifact) -> None:
    """A published file that is no regular file raises an OSError with its name and leaks no handle."""
    handles = len(os.listdir("/proc/self/fd"))
    make_obstacle(published / name, kind)
    with files_of(published) as files, pytest.raises(OSError, match=r".") as caught:
        assert [ComparingSink(file) for file in files.values()]
    assert caught.value.filename == name
    del caught
    assert len(os.listdir("/proc/self/fd")) == handles


@pytest.mark.parametrize("reverse", [True, False])
def test_files_compare_in_order(published: Path, *, reverse: bool) -> None:
    """The first difference of a run is that of the first differing file in the order of the contract."""
    for name in reversed(SEALED_BY_MANIFEST) if reverse else SEALED_BY_MANIFEST[1:]:
        flip_byte(published / name, 3)
    config = DryrunConfig(strategy_id="strat_demo", seed=7, run_id=RUN)
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(config, out_dir=published.parents[2])
    assert (caught.value.file, caught.value.line) == (SEALED_BY_MANIFEST[0 if reverse else 1], 1)


@pytest.mark.parametrize(("name", "made"), [(Artifact.EVENTS, []), (Artifact.AUDIT, [4096, 8192, 9000])])
def test_events_decide_divergence(out: Path, name: Artifact, made: list[int]) -> None:
    """A run that differs in its events is executed no further, and one that differs in its audit log to the end."""
    config, steps = DryrunConfig(strategy_id="strat_demo", seed=7, run_id=RUN, steps=9000), list[int]()
    flip_byte(Path(str(run_dryrun(config, out_dir=out).path)) / name, 3)
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(config, out_dir=out, progress=lambda done, _: steps.append(done))
    assert (caught.value.file, steps) == (name, made)


class Keeping:
    """A sink that keeps lines and counts flushes."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.flushes = 0

    def write(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)

    def flush(self) -> None:
        """Count a flush."""
        self.flushes += 1


def again(failures: list[Any]) -> Any:
    """Return a sink of the events that fails as recorded."""
    return repeating_failures(Keeping(), Artifact.EVENTS, {"sink_failures": failures})


def test_unfailed_sink_stays_plain() -> None:
    """A sink without recorded failures of its own is used unchanged."""
    assert type(again([])) is Keeping
    assert type(again([["audit.jsonl", 0, ["OSError"]]])) is Keeping


def test_recorded_failures_repeat() -> None:
    """Recorded sink failures happen again at the same calls and give the same record of failures."""
    recorded = [["events.jsonl", 1, ["OSError", "Disk"]], ["events.jsonl", 2, ["OSError"]]]
    heard: list[tuple[str, str]] = []
    sink = RetryingSink("events.jsonl", again(recorded), 2, lambda name, error: heard.append((name, error)))
    sink.write("a\n")
    sink.write("b\n")
    sink.flush()
    sink.write("c\n")
    assert [[f.sink, f.call, list(f.errors)] for f in sink.failures] == recorded
    assert [error for _, error in heard] == ["OSError", "Disk", "OSError"]


def test_recorded_death_repeats() -> None:
    """A sink with more recorded failures than retries fails for good again."""
    sink = RetryingSink("events.jsonl", again([["events.jsonl", 0, ["OSError", "OSError"]]]), 1)
    with pytest.raises(SinkWriteError):
        sink.write("a\n")
    assert sink.dead


def test_difference_hides_secrets() -> None:
    """A secret in a differing line is redacted before the excerpt of the line is cut."""
    head, secret = b'{"a":"', b"AK" + b"IA" + b"QWERTYUIOP012345"
    difference = difference_at("events.jsonl", 1, head + secret + b'"}', head + b'x"}')
    assert "QWERTYUIOP" not in difference.seen + difference.expected
    assert "[REDACTED:aws-key-id]" in difference.seen
