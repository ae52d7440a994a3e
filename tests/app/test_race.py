"""Two processes, one name: one publishes, the other reproduces or refuses, never a mix (``make race``: 200 rounds)."""

from pathlib import Path

import pytest

from tests.app.race import DIFFERENT, EXPECTED, SAME, outcome, play, problem_below, run_once, sealed_run
from tests.app.runs import DEMO, RUN, Answer, flip_byte, place_below

ROUNDS = 5


@pytest.mark.parametrize(("name", "words"), [("same config", SAME), ("two configs", DIFFERENT)])
def test_race_publishes_once(name: str, words: tuple[tuple[str, ...], ...]) -> None:
    """Of two processes with one run_id, one publishes the undisturbed run and the other reproduces or refuses."""
    assert play(words, ROUNDS) == {EXPECTED[name]: ROUNDS}


def test_judge_finds_every_fault(tmp_path: Path) -> None:
    """The judge of a race reports leftovers, a wrong number of publishers, mixed bytes and unsound runs."""
    lone = [sealed_run(DEMO, tmp_path / "lone")]
    root = tmp_path / "round"
    published = run_once(DEMO, root)
    again = run_once(DEMO, root)
    assert problem_below(root, [published, again], lone * 2) is None
    assert problem_below(root, [again, again], lone * 2) == "0 said that they published"
    assert problem_below(root, [published, published], lone * 2) == "2 said that they published"
    assert problem_below(root, [published], [{}]) == "a mix: not the bytes of the one that published"
    extra = place_below(root) / "extra"
    extra.write_text("")
    assert problem_below(root, [published], lone) == "verify finds something"
    extra.unlink()
    left = place_below(root, f".staging-{RUN}-00000000")
    left.mkdir()
    assert problem_below(root, [published], lone) == f"left {[left.name, RUN]}"
    left.rmdir()
    flip_byte(place_below(root) / "events.jsonl", 9)
    assert (problem_below(root, [published], lone) or "").startswith("a mix")


def test_outcome_is_named(tmp_path: Path) -> None:
    """The outcome of a process is published, reproduced or refused, or else its exit code and message."""
    first, again = run_once(DEMO, tmp_path), run_once(DEMO, tmp_path)
    other = run_once((*DEMO[:2], "--seed", "8", *DEMO[4:]), tmp_path)
    assert [outcome(answer) for answer in (first, again, other)] == ["published", "reproduced", "refused"]
    assert outcome(Answer(2, "", "c2lib: no room\n")) == "exit 2: c2lib: no room"
