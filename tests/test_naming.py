"""Names of tests that a page holds are held against the tests that there are."""

from tests.naming import missing, named


def test_a_test_that_does_not_exist_is_noticed() -> None:
    """Neither a file nor a function may be made up."""
    made_up = {
        ("core/test_none.py", "test_x"),
        ("test_naming.py", "test_none"),
        ("test_naming.py", "named"),
    }
    assert missing(made_up) == made_up


def test_a_test_that_exists_is_found() -> None:
    """By its file below the folder of tests, and its name."""
    names = named("shown by `test_naming.py::test_a_test_that_exists_is_found`, and `test_naming.py` alone")
    assert names == {("test_naming.py", "test_a_test_that_exists_is_found")}
    assert not missing(names)
