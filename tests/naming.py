"""Pages that name the tests which show what they say: the names that a page holds, and those that are no test.

>>> named("see `app/test_race.py::test_x`, and `test_race.py` alone")
{('app/test_race.py', 'test_x')}
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_NAMED = re.compile(r"`((?:\w+/)*test_\w+\.py)::(\w+)`")


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
