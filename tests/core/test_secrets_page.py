"""The page about secrets names what there is."""

from pathlib import Path

from c2lib.core.redaction import DETECTORS

PAGE = Path(__file__).parents[2] / "docs" / "secrets.md"


def test_the_page_names_every_detector() -> None:
    """None is kept silent about."""
    text = PAGE.read_text(encoding="utf-8")
    assert [detector.name for detector in DETECTORS if f"`{detector.name}`" not in text] == []
