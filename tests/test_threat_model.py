"""The page of threats names tests that exist, and at least one for each threat."""

import re

import pytest

from tests.naming import ROOT, missing, named

PAGE = ROOT / "docs" / "threat-model.md"


def sections(text: str) -> dict[str, str]:
    """Return the threats of the page by their headings."""
    _, _, threats = text.partition("\n## Threats\n")
    return {part.partition("\n")[0]: part for part in threats.split("\n### ")[1:]}


def test_named_tests_exist() -> None:
    """Every test that the page of threats names exists."""
    names = named(PAGE.read_text(encoding="utf-8"))
    assert len(names) > 50
    assert not missing(names)


@pytest.mark.parametrize("threat", sections(PAGE.read_text(encoding="utf-8")))
def test_threat_sections_are_complete(threat: str) -> None:
    """Every threat on the page has a control, the tests that show the control, and what is left."""
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
    """The page of threats covers every threat of the reviewers' list."""
    assert threat in sections(PAGE.read_text(encoding="utf-8"))
