"""The page of threats names tests that exist, and no threat without one."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "threat-model.md"

_NAMED = re.compile(r"`((?:\w+/)*test_\w+\.py)::(\w+)`")


def named(text: str) -> set[tuple[str, str]]:
    """Return the tests that a text names, as file and function."""
    return {(match[1], match[2]) for match in _NAMED.finditer(text)}


def sections(text: str) -> dict[str, str]:
    """Return the threats of the page by their headings."""
    _, _, threats = text.partition("\n## Threats\n")
    return {part.partition("\n")[0]: part for part in threats.split("\n### ")[1:]}


def missing(names: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those that are no test function of their file."""
    return {(file, name) for file, name in names if name not in functions(ROOT / "tests" / file)}


def functions(path: Path) -> set[str]:
    """Return the test functions of a file; none when it is not there."""
    if not path.is_file():
        return set()
    nodes = ast.parse(path.read_bytes()).body
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_test_that_the_page_names_exists() -> None:
    """A test that was renamed takes its line on the page along."""
    names = named(PAGE.read_text(encoding="utf-8"))
    assert len(names) > 50
    assert not missing(names)


def test_a_test_that_does_not_exist_is_noticed() -> None:
    """Neither a file nor a function may be made up."""
    made_up = {
        ("core/test_none.py", "test_x"),
        ("test_threat_model.py", "test_none"),
        ("test_threat_model.py", "named"),
    }
    assert missing(made_up) == made_up


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
