"""The page on NO-LIVE: its table is measured, and both of its layers are seen at work."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from c2lib.app.evidence import write_evidence
from c2lib.app.runner import run_dryrun
from c2lib.core.config import DryrunConfig
from c2lib.core.vocabulary import Artifact, FailCode, RejectCode
from tests.app.attempts import (
    BEGIN,
    END,
    HEADER,
    PAGE,
    Outcome,
    attempt,
    clean_process,
    listening,
    page_with,
    refusal_here,
    row,
)
from tests.app.ways_round import WAYS_ROUND, strategy_text
from tests.session.ways_out import WAYS_OUT

# a loop that asyncio was refused half-way complains of itself when it is collected
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

CTYPES, BASH = (name for name in WAYS_ROUND if "by `ctypes`" in name and "file system" not in name)


@pytest.fixture(scope="module")
def in_a_class() -> Iterator[Callable[[str], str]]:
    """Give what returns the word for an attempt of a class in a clean process."""
    with clean_process() as ask:
        yield ask


def rows() -> list[str]:
    """Return the rows of the page's table."""
    block = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    assert block.startswith(HEADER)
    return block.removeprefix(HEADER).splitlines(keepends=True)


def assert_rejected(outcome: Outcome) -> None:
    """Expect the answer of a machine whose kernel gives no namespace: no step, and nobody reached."""
    assert outcome.result.reject_code is RejectCode.NO_LIVE_GUARD
    assert outcome.result.reject_reason == refusal_here()
    assert (outcome.result.steps, outcome.reached) == (0, False)


def test_page_lists_every_attempt() -> None:
    """The table of docs/no-live.md has one row for every attempt, in the order of the list."""
    assert [line.split(" | ")[0] for line in rows()] == [f"| {name}" for name in (*WAYS_OUT, *WAYS_ROUND)]
    assert page_with("".join(rows())) == PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*WAYS_OUT, *WAYS_ROUND])
def test_row_matches_measurement(name: str, tmp_path: Path, in_a_class: Callable[[str], str]) -> None:
    """Each row of docs/no-live.md states what comes of an attempt, by a file in either layer and by a class."""
    (told,) = [line for line in rows() if line.startswith(f"| {name} |")]
    hook, namespace = (attempt(name, layer, tmp_path) for layer in ("hook", "namespace"))
    measured = row(name, hook.word, namespace.word, in_a_class(name)).split(" | ")
    expected = told.split(" | ")
    if refusal_here():
        assert_rejected(namespace)
        measured[2] = expected[2]
    assert measured == expected


def test_hook_works_in_namespace(tmp_path: Path) -> None:
    """An attempt that the hook refuses is refused and counted under the namespace layer as well."""
    outcome = attempt("`socket.getaddrinfo`", "namespace", tmp_path)
    if refusal_here():
        assert_rejected(outcome)
        return
    assert (outcome.result.fail_code, outcome.counted) == (FailCode.NO_LIVE_VIOLATION, 1)


def test_removed_guard_is_noticed(tmp_path: Path) -> None:
    """A session whose guard was taken out of its variable fails with NO_LIVE_VIOLATION."""
    outcome = attempt("the guard taken out of its variable, then a socket", "hook", tmp_path)
    assert (outcome.result.fail_code, outcome.counted) == (FailCode.NO_LIVE_VIOLATION, 1)


@pytest.mark.parametrize("layer", ["hook", "namespace"])
@pytest.mark.parametrize("name", [CTYPES, BASH])
def test_evidence_states_layer_limits(name: str, layer: str, tmp_path: Path) -> None:
    """Native code reaches nobody under the namespace layer, and the evidence states the limits of each layer."""
    config = DryrunConfig(
        strategy_id="mine", strategy_allowlist=("mine",), seed=7, run_id="run", no_live_required=layer
    )
    with listening() as (target, reached):
        file = tmp_path / "mine.py"
        file.write_text(strategy_text(name, target))
        strategy = f"{file}:Trying"
        result = run_dryrun(config, out_dir=tmp_path, strategy=strategy)
        assert result.path is not None
        draft = write_evidence(result.path, date="2026-01-01", owner="ops", strategy=strategy, plots=False)
        assert reached() is (layer == "hook")
    if layer == "namespace" and refusal_here():
        assert (draft.passed, "no_live_held" in draft.failed_claims) == (False, True)
        return
    assert draft.passed, draft.failed_claims
    (claim,) = [claim for claim in draft.claims if claim.name == "no_live_held"]
    assert claim.observed == f"layer {layer} held"
    unproven = " ".join(draft.text.split("does not prove")[1].split())
    assert ("native code and ctypes could go around it" in unproven) is (layer == "hook")
    assert ("programs that native code starts" in unproven) is (layer == "hook")
    assert ("takes away the network and the sight of other processes" in unproven) is (layer == "namespace")


def test_audit_names_the_layer(tmp_path: Path) -> None:
    """The audit entry of the NO-LIVE check names the layer namespace, and no layer under the hook."""
    for layer in ("hook", "namespace"):
        outcome = attempt("`socket.socket`", layer, tmp_path)
        audit = (Path(outcome.result.path or "") / Artifact.AUDIT).read_text().splitlines()
        (meta,) = [entry["meta"] for entry in map(json.loads, audit) if entry["meta"].get("check") == "no_live_guard"]
        passed = layer == "hook" or refusal_here() is None
        expected = {"check": "no_live_guard", "passed": passed}
        assert meta == (expected if layer == "hook" else {**expected, "layer": "namespace"})
