"""Two processes, one name: one publishes, the other reproduces or refuses, never a mix (``make race``: 200 rounds)."""

from pathlib import Path

import pytest

from tests.app.race import DIFFERENT, EXPECTED, SAME, outcome, play, problem_below, run_once, sealed_run
from tests.app.runs import DEMO, RUN, Answer, flip_byte, place_below

ROUNDS = 5


@pytest.mark.parametrize(("name", "words"), [("same config", SAME), ("two configs", DIFFERENT)])
def test_of_two_processes_one_publishes_and_the_other_reproduces_or_refuses(
    name: str, words: tuple[tuple[str, ...], ...]
) -> None:
    """In every round, with nothing left beside the one run directory, which is that of a run nobody disturbed."""
    assert play(words, ROUNDS) == {EXPECTED[name]: ROUNDS}


def test_the_judge_of_a_round_sees_what_is_wrong(tmp_path: Path) -> None:
    """A staging folder that was left, no publisher or two, bytes of another run, and a run that does not verify."""
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


def test_an_answer_is_told_in_a_word(tmp_path: Path) -> None:
    """What is neither published nor reproduced nor refused is told as it is."""
    first, again = run_once(DEMO, tmp_path), run_once(DEMO, tmp_path)
    other = run_once((*DEMO, "--seed", "8"), tmp_path)
    assert [outcome(answer) for answer in (first, again, other)] == ["published", "reproduced", "refused"]
    assert outcome(Answer(2, "", "c2lib: no room\n")) == "exit 2: c2lib: no room"
