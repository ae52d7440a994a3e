"""Whatever is altered is found, a sample of each kind here, and ``docs/tamper.md`` tells the figures as they are."""

import random

import pytest

from c2lib.core.vocabulary import EventKind
from c2lib.witness.findings import FindingCode
from tests.tamper import kinds, page
from tests.tamper.alterations import Alteration
from tests.tamper.campaign import reach, tallied, tallied_evidence
from tests.tamper.forgeries import Record
from tests.tamper.judge import PROOF_OF, Judge
from tests.tamper.sample import CONFIGS, SEALED, Sample, content_of

MOST = 100
"""Kinds of no more alterations than these are tried whole."""

PICKED = 60
"""How many of a larger kind are tried."""

NOT_BUILT = {EventKind.FAULT_INJECTED, EventKind.ORDER_BLOCKED, EventKind.CANCEL_REJECTED}
"""Events that no config can ask for."""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Return the runs that are altered."""
    return Sample(tmp_path_factory.mktemp("tamper"))


@pytest.fixture(scope="module")
def figures() -> page.Figures:
    """Return the figures that the page tells."""
    return page.parsed(page.generated(page.PAGE.read_text(encoding="utf-8")))


def picked(kind: kinds.Kind, sample: Sample) -> tuple[int, list[Alteration]]:
    """Return how many alterations of a kind there are, and those that are tried."""
    every = list(kind.alterations(sample))
    return len(every), every if len(every) <= MOST else random.Random(kind.title).sample(every, PICKED)


def test_the_untouched_runs_are_clean(sample: Sample) -> None:
    """Sealed, executed again, no finding, and so is the evidence: what is found is found for the alteration."""
    assert Judge(sample).is_clean()


def test_the_runs_have_every_event_that_there_is(sample: Sample) -> None:
    """Nothing that a run can hold is left out."""
    records = (Record(content) for content in sample.contents.values())
    seen = {event["event_type"] for record in records for event in record.lines["events.jsonl"]}
    assert seen == set(EventKind) - NOT_BUILT


@pytest.mark.parametrize("kind", kinds.REACHABLE, ids=lambda kind: kind.title)
def test_every_alteration_is_found(sample: Sample, figures: page.Figures, kind: kinds.Kind) -> None:
    """There are as many as the page says, and it says by which proofs they are found."""
    number, tried = picked(kind, sample)
    tally = tallied(Judge(sample), kind.title, tried)
    assert tally.missed == []
    row = figures.found[kind.title]
    assert row[:2] == (number, number)
    if number == len(tried):
        assert row == tally.row


@pytest.mark.parametrize("kind", kinds.EVIDENCE, ids=lambda kind: kind.title)
def test_every_alteration_of_the_evidence_is_found(sample: Sample, figures: page.Figures, kind: kinds.Kind) -> None:
    """The same for the evidence file, of a run that is as it was."""
    number, tried = picked(kind, sample)
    assert tallied_evidence(Judge(sample), kind.title, tried).missed == []
    assert figures.evidence[kind.title] == (number, number)


@pytest.mark.parametrize("kind", kinds.OUT_OF_REACH, ids=lambda kind: kind.title)
def test_what_is_out_of_reach_is_no_more_than_the_page_says(
    sample: Sample, figures: page.Figures, kind: kinds.Kind
) -> None:
    """The run alone tells none of it apart; what each anchor finds of it is told."""
    row = reach(Judge(sample), kind, sample)
    assert row == figures.reach[kind.title]
    assert (row[0] > 0, row[1]) == (True, 0)


def test_an_anchor_finds_every_other_run(figures: page.Figures) -> None:
    """All that is sealed and out of reach is within the reach of the digest, and of the evidence."""
    for kind in kinds.OUT_OF_REACH[:3]:
        number, _, by_digest, by_evidence = figures.reach[kind.title]
        assert number == by_digest == by_evidence


def test_the_page_is_what_its_figures_give(figures: page.Figures) -> None:
    """Nobody wrote into the part that the campaign makes."""
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.with_tables(text, page.tables(figures)) == text
    assert figures.missed == []


def test_every_finding_on_a_run_belongs_to_a_proof() -> None:
    """What is left are the findings on evidence."""
    of_evidence = {code for code in FindingCode if code.startswith(("EVIDENCE_", "PICTURE_"))}
    assert set(PROOF_OF) == set(FindingCode) - of_evidence


def test_what_alters_nothing_is_no_alteration(sample: Sample) -> None:
    """The suite cannot count what it did not do."""
    same = Alteration("full", "nothing", lambda: dict(sample.contents["full"]))
    with pytest.raises(AssertionError, match="nothing alters nothing"):
        Judge(sample).proofs(same)


def test_an_alteration_that_nothing_finds_is_named(sample: Sample) -> None:
    """The suite can fail: what lies outside the seal is missed, and said by name."""
    outside = next(kind for kind in kinds.OUT_OF_REACH if "environment" in kind.title)
    tally = tallied(Judge(sample), outside.title, outside.alterations(sample))
    assert tally.row[:2] == (3, 0)
    assert tally.missed[0] == "`environment.json` altered: full: emptied"


def test_the_runs_are_as_they_were(sample: Sample) -> None:
    """Every alteration was taken back, whatever came of it."""
    for name in CONFIGS:
        place = sample.places[name]
        assert content_of(place) == sample.contents[name]
        assert {path.name for path in place.iterdir()} <= {*SEALED, "environment.json", "evidence"}
    assert [path.name for path in sample.evidence.parent.iterdir()] == [sample.evidence.name]
