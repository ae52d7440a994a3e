"""Both verifiers find nothing in any run that c2lib makes: generated ones of every kind."""

from collections import Counter
from pathlib import Path

import pytest
import verify_run

from tests.contract.generated import COURSES, VARIANTS, generated_run
from tests.contract.judges import judged
from tests.witness.sample_runs import Run

CLEAN = frozenset[str]()


def every_run() -> list[Run]:
    """Return every generated run."""
    return [generated_run(name, variant) for name in COURSES for variant in range(VARIANTS)]


@pytest.mark.parametrize("name", COURSES)
def test_generated_run_is_clean(tmp_path: Path, name: str) -> None:
    """A generated run, sealed and unsealed, is without findings for each of the two verifiers."""
    for variant in range(VARIANTS):
        run = generated_run(name, variant)
        for sealed in (True, False):
            run.sealed = sealed
            folder = run.write(tmp_path / f"{variant} {sealed}")
            verdict = "SEALED" if sealed else "UNSEALED"
            assert judged(folder) == ((verdict, CLEAN),) * 2, verify_run.verify(folder).findings


@pytest.mark.parametrize("name", COURSES)
def test_course_ends_as_named(name: str) -> None:
    """A generated run ends with the codes of its course."""
    course = COURSES[name]
    for variant in range(VARIANTS):
        last = generated_run(name, variant).snapshots[-1]
        assert (last["fail_code"], last["reject_code"]) == (course.fail_code, course.reject_code)


def test_generated_runs_cover_the_contract() -> None:
    """The generated runs have every event that is written yet, every order, every reason and every rejection."""
    runs = every_run()
    kinds = Counter(event["event_type"] for run in runs for event in run.events)
    assert set(kinds) == set(verify_run.WORDS["<kind>"]) - {"ORDER_BLOCKED", "CANCEL_REJECTED", "FAULT_INJECTED"}
