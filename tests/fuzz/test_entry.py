from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.vocabulary import Artifact
from c2lib.witness.findings import Verdict
from c2lib.witness.run import Run, open_run
from tests.fuzz.entry import FILES, HEAD, Alteration, Target
from tests.witness.sample_runs import make_run

settings.register_profile("c2lib", deadline=None, derandomize=True, database=None)
settings.load_profile("c2lib")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    """Return the target over a sound run of 8 steps."""
    root = tmp_path_factory.mktemp("fuzzed")
    return Target(make_run().write(root / "sound"), root / "copy")


def is_sound(target: Target) -> bool:
    """Whether the copy holds the bytes of the sound run."""
    return {file: (target.copy / file).read_bytes() for file in FILES} == target.whole


@settings(max_examples=150)
@given(
    head=st.tuples(
        st.integers(0, 4), st.integers(0, 1), st.integers(0, 7000), st.one_of(st.integers(0, 300), st.just(65535))
    ),
    piece=st.one_of(
        st.binary(max_size=60), st.sampled_from([b"[" * 70, b"NaN", rb'"\ud800"', b'{"a":1,"a":1}', b"\n", b"9" * 20])
    ),
)
def test_no_input_is_a_crash(head: tuple[int, int, int, int], piece: bytes, target: Target) -> None:
    """What make fuzz does for minutes is done here for a moment, without its guidance."""
    file, sealed, start, length = head
    target.feed(bytes([file, sealed]) + start.to_bytes(3) + length.to_bytes(2) + piece)
    assert is_sound(target)


@given(st.binary(max_size=20))
def test_any_bytes_are_an_input_that_its_alteration_asks_for(data: bytes) -> None:
    """Also those that are shorter than a head."""
    wanted = Alteration.of(data)
    assert Alteration.of(wanted.head() + wanted.piece) == wanted
    assert wanted.piece == data[HEAD:]


def test_the_seeds_leave_the_run_as_it_is(target: Target) -> None:
    """Each puts a piece where it is already: that is where coverage begins."""
    seeds = target.seeds()
    assert {Alteration.of(seed).file for seed in seeds} == set(FILES)
    for seed in seeds:
        wanted = Alteration.of(seed)
        assert wanted.apply(target.whole[Artifact(wanted.file)]) == target.whole[Artifact(wanted.file)]
    target.feed(seeds[0])
    assert is_sound(target)


def test_an_alteration_that_nobody_finds_is_a_crash(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """A witness that finds nothing does not pass for one."""

    def blind(path: Path) -> Run:
        seen = open_run(path)
        assert seen.verdict is Verdict.SEALED
        return replace(seen, findings=())

    monkeypatch.setattr("tests.fuzz.entry.open_run", blind)
    with pytest.raises(AssertionError, match="was not found"):
        target.feed(Alteration("events.jsonl", True, 5, 6, b"?").head() + b"?")
    assert is_sound(target)
