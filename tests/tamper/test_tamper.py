"""Whatever is altered is found, a sample of each kind here, and ``docs/tamper.md`` gives the true figures."""

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
    """Return the figures that the page gives."""
    return page.parsed(page.generated(page.PAGE.read_text(encoding="utf-8")))


def picked(kind: kinds.Kind, sample: Sample) -> tuple[int, list[Alteration]]:
    """Return how many alterations of a kind there are, and those that are tried."""
    every = list(kind.alterations(sample))
    return len(every), every if len(every) <= MOST else random.Random(kind.title).sample(every, PICKED)


def test_untouched_runs_are_clean(sample: Sample) -> None:
    """The untouched runs and their evidence have no finding, so that every later finding is an alteration's."""
    assert Judge(sample).is_clean()


def test_runs_have_every_event_kind(sample: Sample) -> None:
    """The runs that are altered have every event kind that a config can ask for."""
    records = (Record(content) for content in sample.contents.values())
    seen = {event["event_type"] for record in records for event in record.lines["events.jsonl"]}
    assert seen == set(EventKind) - NOT_BUILT


@pytest.mark.parametrize("kind", kinds.REACHABLE, ids=lambda kind: kind.title)
def test_every_alteration_is_found(sample: Sample, figures: page.Figures, kind: kinds.Kind) -> None:
    """Every alteration within reach is found, in the number and by the proofs that docs/tamper.md gives."""
    number, tried = picked(kind, sample)
    tally = tallied(Judge(sample), kind.title, tried)
    assert tally.missed == []
    row = figures.found[kind.title]
    assert row[:2] == (number, number)
    if number == len(tried):
        assert row == tally.row


@pytest.mark.parametrize("kind", kinds.EVIDENCE, ids=lambda kind: kind.title)
def test_evidence_alterations_are_found(sample: Sample, figures: page.Figures, kind: kinds.Kind) -> None:
    """Every alteration of the evidence of an unaltered run is found, in the number that docs/tamper.md gives."""
    number, tried = picked(kind, sample)
    assert tallied_evidence(Judge(sample), kind.title, tried).missed == []
    assert figures.evidence[kind.title] == (number, number)


@pytest.mark.parametrize("kind", kinds.OUT_OF_REACH, ids=lambda kind: kind.title)
def test_out_of_reach_matches_page(sample: Sample, figures: page.Figures, kind: kinds.Kind) -> None:
    """The run alone finds no alteration out of reach, and each anchor finds what docs/tamper.md says."""
    row = reach(Judge(sample), kind, sample)
    assert row == figures.reach[kind.title]
    assert (row[0] > 0, row[1]) == (True, 0)


def test_anchors_find_other_runs(figures: page.Figures) -> None:
    """The digest and the evidence each find every sealed alteration that is out of reach of the run alone."""
    for kind in kinds.OUT_OF_REACH[:3]:
        number, _, by_digest, by_evidence = figures.reach[kind.title]
        assert number == by_digest == by_evidence


def test_page_matches_its_figures(figures: page.Figures) -> None:
    """The generated tables of docs/tamper.md are exactly those of its figures."""
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.with_tables(text, page.tables(figures)) == text
    assert figures.missed == []


def test_every_finding_has_proof() -> None:
    """Every finding code belongs to a proof, except the codes of findings on evidence."""
    of_evidence = {code for code in FindingCode if code.startswith(("EVIDENCE_", "PICTURE_"))}
    assert set(PROOF_OF) == set(FindingCode) - of_evidence


def test_unchanged_bytes_are_no_alteration(sample: Sample) -> None:
    """The tamper suite refuses to count an alteration that changes nothing."""
    same = Alteration("full", "nothing", lambda: dict(sample.contents["full"]))
    with pytest.raises(AssertionError, match="nothing alters nothing"):
        Judge(sample).proofs(same)


def test_undetected_alteration_is_named(sample: Sample) -> None:
    """An alteration that no proof finds is reported as missed by its name."""
    outside = next(kind for kind in kinds.OUT_OF_REACH if "environment" in kind.title)
    tally = tallied(Judge(sample), outside.title, outside.alterations(sample))
    assert tally.row[:2] == (3, 0)
    assert tally.missed[0] == "`environment.json` altered: full: emptied"


def test_runs_are_restored(sample: Sample) -> None:
    """The tamper suite leaves every run as before the alterations."""
    for name in CONFIGS:
        place = sample.places[name]
        assert content_of(place) == sample.contents[name]
        assert {path.name for path in place.iterdir()} <= {*SEALED, "environment.json", "evidence"}
    assert [path.name for path in sample.evidence.parent.iterdir()] == [sample.evidence.name]
