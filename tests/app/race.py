"""Two processes that run under the same name at the same moment, round after round.

Rules kept here:

* they are two processes of their own, each with the whole command line in it; a barrier lets them start together, and
  each round has an output root of its own;
* a round is judged from the outside: exit codes, what was printed, and every byte below the output root.

``python -m tests.app.race 200`` plays so many rounds with the same config and with two configs, and prints the counts;
exit 1 when any round was something else than one run published whole and the other reproduced or refused.
"""

import io
import json
import multiprocessing
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from c2lib.app.verify import verify_run
from c2lib.cli.main import main
from tests.app.runs import DEMO, RUN, Answer, place_below, sealed_bytes

SAME = (DEMO, DEMO)
DIFFERENT = (DEMO, (*DEMO[:2], "--seed", "8", *DEMO[4:]))

_SECONDS = 120


def run_once(words: Sequence[str], root: Path) -> Answer:
    """Run the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["dryrun", *words, "--out", str(root)])
    return Answer(code, out.getvalue(), err.getvalue())


def _racer(words: Sequence[str], roots: Sequence[Path], start: Barrier, answers: Any) -> None:
    for root in roots:
        start.wait(_SECONDS)
        answers.send(run_once(words, root))


def race(words: Sequence[Sequence[str]], roots: Sequence[Path]) -> list[list[Answer]]:
    """Return, by round, what each of the racing processes came to."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(len(words))
    racers, ends = [], []
    for own in words:
        end, answers = context.Pipe(duplex=False)
        racers.append(context.Process(target=_racer, args=(own, roots, start, answers), daemon=True))
        racers[-1].start()
        answers.close()
        ends.append(end)
    told = [[end.recv() for end in ends] for _ in roots]
    for racer, end in zip(racers, ends, strict=True):
        racer.join(_SECONDS)
        end.close()
    return told


def outcome(answer: Answer) -> str:
    """Return how one process ended: published, reproduced, refused, or its error."""
    if answer.code == 0:
        return "reproduced" if answer.facts["reproduced"] else "published"
    refused = answer.code == 1 and f"{RUN} exists and differs from this run" in answer.complaint
    return "refused" if refused else f"exit {answer.code}: {answer.err.strip()}"


def play(words: Sequence[Sequence[str]], rounds: int) -> Counter[str]:
    """Return how often the rounds ended how, such as ``published + reproduced``, or in what was wrong."""
    ends: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        lone = [sealed_run(own, Path(folder, f"lone-{number}")) for number, own in enumerate(words)]
        roots = [Path(folder, f"round-{number}") for number in range(rounds)]
        for root, told in zip(roots, race(words, roots), strict=True):
            found = sorted(outcome(answer) for answer in told)
            ends[problem_below(root, told, lone) or " + ".join(found)] += 1
    return ends


def sealed_run(words: Sequence[str], root: Path) -> dict[str, bytes]:
    """Return the sealed bytes of a run that nobody disturbs."""
    assert run_once(words, root).code == 0
    return sealed_bytes(place_below(root))


def problem_below(root: Path, told: Sequence[Answer], lone: Sequence[dict[str, bytes]]) -> str | None:
    """Say what is wrong with what a round left, or ``None``: the publisher's run, whole, and nothing beside it."""
    place = place_below(root)
    left = sorted(path.name for path in place.parent.iterdir())
    if left != [RUN]:
        return f"left {left}"
    publishers = [number for number, answer in enumerate(told) if outcome(answer) == "published"]
    if len(publishers) != 1:
        return f"{len(publishers)} said that they published"
    if sealed_bytes(place) != lone[publishers[0]]:
        return "a mix: not the bytes of the one that published"
    return None if verify_run(place, replay=True, require_sealed=True).ok else "verify finds something"


def rounds_of_both(rounds: int) -> dict[str, Counter[str]]:
    """Return the counts with the same config and with two."""
    return {"same config": play(SAME, rounds), "two configs": play(DIFFERENT, rounds)}


EXPECTED = {"same config": "published + reproduced", "two configs": "published + refused"}


if __name__ == "__main__":
    counts = rounds_of_both(int(sys.argv[1]))
    sys.stdout.write(f"{json.dumps(counts)}\n")
    sys.exit(any(set(counted) != {EXPECTED[name]} for name, counted in counts.items()))
