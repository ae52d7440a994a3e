"""The page about secrets is complete."""

from pathlib import Path

from c2lib.core.redaction import DETECTORS

PAGE = Path(__file__).parents[2] / "docs" / "secrets.md"


def test_page_names_every_detector() -> None:
    """The page docs/secrets.md names every secret detector."""
    text = PAGE.read_text(encoding="utf-8")
    assert [detector.name for detector in DETECTORS if f"`{detector.name}`" not in text] == []
