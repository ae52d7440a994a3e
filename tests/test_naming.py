"""The names of tests on a page are those of tests that exist, and every test is named and described by one rule."""

import pytest

from tests.naming import ROOT, breaches, missing, named


def test_missing_test_is_noticed() -> None:
    """A named test whose file or function does not exist is found to be missing."""
    made_up = {
        ("core/test_none.py", "test_x"),
        ("test_naming.py", "test_none"),
        ("test_naming.py", "named"),
    }
    assert missing(made_up) == made_up


def test_existing_test_is_found() -> None:
    """A test named by its file below tests and its function is found."""
    names = named("shown by `test_naming.py::test_existing_test_is_found`, and `test_naming.py` alone")
    assert names == {("test_naming.py", "test_existing_test_is_found")}
    assert not missing(names)


def test_every_test_keeps_rule() -> None:
    """Every test has a name of two to five words, unique in its file, and a docstring of one sentence."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    assert len(files) > 100
    assert [f"{file.name}: {breach}" for file in files for breach in breaches(file.read_bytes())] == []


TEST = 'def {name}() -> None:\n    """{docstring}"""\n'


@pytest.mark.parametrize(
    ("name", "docstring"),
    [
        ("test_order", "An order fills."),
        ("test_an_order_fills_at_the_open", "An order fills."),
        ("test__order_fills", "An order fills."),
        ("test_order_fills", "An order fills"),
        ("test_order_fills", "An order fills. It ends."),
        ("test_order_fills", "An order\n    fills."),
        ("test_order_fills", ""),
    ],
)
def test_breach_of_rule_is_found(name: str, docstring: str) -> None:
    """A name of too few or too many words, and a docstring that is not one sentence, are found."""
    assert [breach.split(":")[0] for breach in breaches(TEST.format(name=name, docstring=docstring))] == [name]


def test_repeated_name_is_found() -> None:
    """Two tests of one name in a file are found once, and version numbers or file names end no sentence."""
    source = TEST.format(name="test_order_fills", docstring="An order of BUY 1.5 in events.jsonl fills.")
    assert list(breaches(source)) == []
    assert list(breaches(source * 2)) == ["test_order_fills: stands 2 times in the file"]
