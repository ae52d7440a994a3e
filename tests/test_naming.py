"""The names of tests on a page are checked against the tests that exist."""

from tests.naming import missing, named


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
