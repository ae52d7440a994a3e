"""Random alterations of a run: the two verifiers agree, or the replay finds what only the second one finds."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import verify_run
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.app import verify as c2lib_verify
from tests.contract.forgeries import with_digest
from tests.contract.generated import COURSES, generated_run
from tests.contract.judges import judged
from tests.contract.vectors import GOOD, good_run
from tests.witness.sample_runs import MANIFEST, SEALED, Line, Run, write_files

FILES = (*SEALED, MANIFEST)

RUNS: Mapping[str, Callable[[], Run]] = {
    **{name: partial(good_run, name) for name in GOOD},
    **{f"generated, {name}": partial(generated_run, name, 0) for name, course in COURSES.items() if course.publishable},
}
"""Runs that are altered: the good ones, and one of every course that the app publishes."""

REPLAYABLE = [
    name
    for name in RUNS
    if RUNS[name]().config["strategy"]["origin"] in ("built-in", None) and not {"violation", "gate"} & {*name.split()}
]
"""Runs that a replay can execute again: of a built-in strategy or of none, and nothing else that is not repeatable."""

ANY_WORD = sorted({"BUY", "SELL", "HOLD", "cancelled"}.union(*verify_run.WORDS.values()))


@st.composite
def byte_edits(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """Draw a run, one of its files, and other bytes for it: a slice of them is replaced."""
    name, file = draw(st.sampled_from(sorted(RUNS))), draw(st.sampled_from(FILES))
    data = RUNS[name]().contents()[file]
    begin = draw(st.integers(0, len(data)))
    end = draw(st.integers(begin, min(len(data), begin + 80)))
    piece = draw(st.binary(max_size=8) | st.sampled_from([data[begin : begin + 40], b"\n", b"null", b'{"a":1}\n']))
    return name, file, data[:begin] + piece + data[end:]


@settings(max_examples=150)
@given(byte_edits())
def test_edited_bytes_are_judged_alike(edit: tuple[str, str, bytes]) -> None:
    """Randomly edited bytes of a file are found in that file by each of the two verifiers."""
    name, file, data = edit
    run = RUNS[name]()
    with tempfile.TemporaryDirectory() as parent:
        folder = run.write(Path(parent))
        same = (folder / file).read_bytes() == data
        (folder / file).write_bytes(data)
        first, second = judged(folder)
    assert (first.verdict, first.clean) == (second.verdict, second.clean) == ("SEALED", same)
    assert same or (file in first.blamed and file in second.blamed)


@settings(max_examples=150)
@given(byte_edits())
def test_resealed_edits_are_judged_alike(edit: tuple[str, str, bytes]) -> None:
    """After random edits under a new manifest, the second verifier finds all that the witness finds."""
    name, file, data = edit
    run = RUNS[name]()
    contents = {key: value for key, value in run.contents().items() if key != MANIFEST}
    if file != MANIFEST:
        contents[file] = data
    run.manifest = run.make_manifest(contents)
    with tempfile.TemporaryDirectory() as parent:
        folder = run.write(Path(parent))
        write_files(folder, contents)
        assert_no_lenience(folder, replayable=name in REPLAYABLE)


def places(value: Any, inside: Any = None, key: Any = None) -> Iterator[tuple[Any, Any]]:
    """Yield container and key of everything within a JSON value."""
    if inside is not None:
        yield inside, key
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], value, name)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, value, number)


def near(value: Any) -> st.SearchStrategy[Any]:
    """Return values that could stand in the place of ``value``."""
    others = st.none() | st.booleans() | st.integers(-3, 40) | st.sampled_from(["", "0", "-1", "1.5", *ANY_WORD])
    if type(value) is int:
        return st.sampled_from([value + 1, abs(value - 1), value + 2**40]) | others
    if type(value) is str and value[:1].isdigit():
        return st.sampled_from([value + "1", "-" + value, value.replace("1", "2"), value.replace("00", "01")]) | others
    return others


def change_a_value(draw: st.DrawFn, whole: Any) -> None:
    """Change one value anywhere within a JSON value."""
    inside, key = draw(st.sampled_from(list(places(whole))))
    inside[key] = draw(near(inside[key]))


def change_the_lines(draw: st.DrawFn, lines: list[Line]) -> None:
    """Delete, double or move one line, and number them anew."""
    at = draw(st.integers(0, len(lines) - 1))
    change = draw(st.sampled_from(["delete", "double", "move"]))
    line = dict(lines[at]) if change == "double" else lines.pop(at)
    if change != "delete":
        lines.insert(draw(st.integers(0, len(lines))), line)
    for number, line in enumerate(lines):
        line.update({counter: number for counter in ("ts_sim", "seq") if counter in line})


@st.composite
def forgeries(draw: st.DrawFn) -> tuple[str, dict[str, bytes]]:
    """Draw the files of a run with a value, or the lines, of one changed and all hashes made to fit."""
    name, file = draw(st.sampled_from(REPLAYABLE)), draw(st.sampled_from(FILES))
    run = RUNS[name]()
    run_id = run.run_id
    run.manifest = run.make_manifest({key: data for key, data in run.contents().items() if key != MANIFEST})
    if file == MANIFEST:
        change_a_value(draw, run.manifest)
        run.manifest = with_digest(run.manifest)
    elif draw(st.booleans()):
        change_a_value(draw, draw(st.sampled_from(run.lines[file])))
    else:
        change_the_lines(draw, run.lines[file])
    if file != MANIFEST:
        # a change that takes away what ids, chain and manifest are made of leaves them as they were
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
            run.rehash()
            run.manifest = run.make_manifest({key: data for key, data in run.contents().items() if key != MANIFEST})
    return run_id, run.contents()


@settings(max_examples=300)
@given(forgeries())
def test_random_forgery_is_judged_alike(forgery: tuple[str, dict[str, bytes]]) -> None:
    """Of a random forgery the second verifier finds all that the witness finds, and nothing a replay misses."""
    run_id, contents = forgery
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / run_id
        folder.mkdir()
        write_files(folder, contents)
        assert_no_lenience(folder, replayable=True)


def assert_no_lenience(folder: Path, *, replayable: bool) -> None:
    """Expect the same verdict, and that the second verifier or the replay confirms every finding."""
    first, second = judged(folder)
    assert first.verdict == second.verdict
    if not first.clean:
        assert not second.clean, f"the witness blames {first.blamed}"
    elif not second.clean and replayable:
        assert not c2lib_verify.verify_run(folder, replay=True).ok, f"the second verifier blames {second.blamed}"
