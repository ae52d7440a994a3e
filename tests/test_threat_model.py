"""The page of threats names tests that exist, and no threat without one."""

import re

import pytest

from tests.naming import ROOT, missing, named

PAGE = ROOT / "docs" / "threat-model.md"


def sections(text: str) -> dict[str, str]:
    """Return the threats of the page by their headings."""
    _, _, threats = text.partition("\n## Threats\n")
    return {part.partition("\n")[0]: part for part in threats.split("\n### ")[1:]}


def test_every_test_that_the_page_names_exists() -> None:
    """A test that was renamed takes its line on the page along."""
    names = named(PAGE.read_text(encoding="utf-8"))
    assert len(names) > 50
    assert not missing(names)


@pytest.mark.parametrize("threat", sections(PAGE.read_text(encoding="utf-8")))
def test_every_threat_has_a_control_a_test_and_a_rest(threat: str) -> None:
    """In this order, and everything in backticks with two colons is the name of a test."""
    text = sections(PAGE.read_text(encoding="utf-8"))[threat]
    control, shown, left = re.split(r"\n\* (?:shown by|left:) ", text)
    assert control.partition("\n\n")[2].strip()
    assert named(shown)
    assert shown.count("::") == len(named(shown))
    assert left.strip()


@pytest.mark.parametrize(
    "threat",
    [
        "Accidental enablement",
        "Secret leakage",
        "Replayed or duplicate orders",
        "Partial fills and races",
        "Retry storms",
        "Forged evidence",
        "Hostile run directory",
        "Hostile strategy",
        "Hostile market file, hostile config",
        "Hostile notebook",
        "Supply chain",
    ],
)
def test_no_threat_is_left_out(threat: str) -> None:
    """Those that a reviewer asks for first."""
    assert threat in sections(PAGE.read_text(encoding="utf-8"))
