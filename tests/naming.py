"""Names of tests: those that a page holds, those that are no test, and how a test is named and described.

>>> named("see `app/test_race.py::test_x`, and `test_race.py` alone")
{('app/test_race.py', 'test_x')}
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_NAMED = re.compile(r"`((?:\w+/)*test_\w+\.py)::(\w+)`")
_TEST_NAME = re.compile(r"test(?:_[a-z0-9]+){2,5}")
_SENTENCE = re.compile(r"(?:[^.!?\n]|[.!?](?!\s|$))+\.")


def named(text: str) -> set[tuple[str, str]]:
    """Return the tests that a text names, as file and function."""
    return {(match[1], match[2]) for match in _NAMED.finditer(text)}


def missing(names: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those that are no test function of their file."""
    return {(file, name) for file, name in names if name not in functions(ROOT / "tests" / file)}


def functions(path: Path) -> set[str]:
    """Return the test functions of a file; none when it is not there."""
    if not path.is_file():
        return set()
    nodes = ast.parse(path.read_bytes()).body
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def breaches(source: str | bytes) -> Iterator[str]:
    """Yield how a test file breaks the rule on names and docstrings; one that keeps the rule yields nothing."""
    tests = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")
    ]
    for name, times in Counter(test.name for test in tests).items():
        if times > 1:
            yield f"{name}: stands {times} times in the file"
        if not _TEST_NAME.fullmatch(name):
            yield f"{name}: has not two to five words"
    for test in tests:
        if not _SENTENCE.fullmatch(ast.get_docstring(test, clean=False) or ""):
            yield f"{test.name}: its docstring is not one sentence on one line with a full stop"
