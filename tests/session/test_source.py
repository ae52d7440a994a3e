import ast

import pytest

from c2lib.session.source import imported_modules, line_of_secret, top_level_names

KEY = "AKIA" + "IOSFODNN7EXAMPLE"
WORD = "hunter2" * 2


def imports(text: str) -> dict[str, int]:
    """Return what a text imports."""
    return imported_modules(ast.parse(text))


def secret(text: str) -> int | None:
    """Return the line of a secret in a text."""
    return line_of_secret(text.encode(), ast.parse(text.encode()))


def test_imports_are_named_once() -> None:
    """A module is named by its top level and its first line, wherever in the file it is imported."""
    text = "import numpy as np\ndef f():\n    from scipy.stats import norm\n    import numpy.linalg\nimport a.b, c\n"
    assert imports(text) == {"numpy": 1, "scipy": 3, "a": 5, "c": 5}


def test_own_imports_are_left_out() -> None:
    """The standard library and c2lib are no imports to name."""
    assert imports("import os.path, c2lib\nfrom __future__ import annotations\nfrom c2lib.core import model\n") == {}


@pytest.mark.parametrize(
    "text",
    [
        "class Mine: pass",
        "Mine: type = object",
        "if True:\n    class Mine: pass",
        "try:\n    from fast import Mine\nexcept ImportError:\n    class Mine: pass",
        "with context():\n    Mine = make()",
        "async def Mine(): pass",
        "Other, (Mine, *rest) = made",
        "(Mine := object)",
        "for Mine in kinds: pass",
        "import mine.strategy as Mine",
        "match kind:\n    case Mine: pass",
        "# -*- coding: latin-1 -*-\n\xe9t\xe9 = 1; Mine = object",
    ],
)
def test_bound_name_is_found(text: str) -> None:
    """A name is at the top level of a file whatever statement binds it there, and in whatever encoding."""
    assert "Mine" in top_level_names(text.encode("latin-1"), "mine.py")


@pytest.mark.parametrize("text", ["", "print(Mine)", "def f(): Mine = 1", "class A: Mine = 1", "import a.Mine"])
def test_unbound_name_is_none(text: str) -> None:
    """A name that is only read, or bound in a function, a class or another module, is not at the top level."""
    assert "Mine" not in top_level_names(text.encode(), "mine.py")


@pytest.mark.parametrize("line", ["from . import a", "from .a import b", "from .. import a"])
def test_relative_import_is_dot(line: str) -> None:
    """A relative import is named by a dot."""
    assert imports(f"\n{line}\n") == {".": 2}


@pytest.mark.parametrize(
    "line",
    [
        f"x = '{KEY}'",
        f"x = b'{KEY}'",
        f"x = f'{KEY} {{y}}'",
        f"f(['{KEY}'])",
        f"# {KEY}",
        f"y = 1  # the password: {WORD}",
        f"password = '{WORD}'",
        f"self.api_key: str = '{WORD}'",
        f"f(api_key='{WORD}')",
        f"x = {{'api_key': '{WORD}'}}",
        f"x['api_key'] = '{WORD}'",
        f"def f(a, password='{WORD}'): pass",
        f"def f(*, password='{WORD}'): pass",
        f"(password := '{WORD}')",
        "password = 123456789",
        f"x = '''\npassword = {WORD}'''",
    ],
)
def test_secret_is_found(line: str) -> None:
    """A secret in a literal, in a comment, or as what a name of a secret is given is found by its line."""
    assert secret(f"import os\n{line}\n") == 2


@pytest.mark.parametrize(
    "line",
    [
        "password = os.environ['PASSWORD']",
        "self.api_key = settings.params['api_key']",
        "def f(api_key: str, password=None): pass",
        "secret = compute_it()",
        "password = ''",
        "token: str",
        "x = {**y, 'fast': 10}",
        "seed = '0123456789abcdef0123456789abcdef'",
    ],
)
def test_plain_code_is_no_secret(line: str) -> None:
    """A name that is given no literal, and a literal that is no secret, are left alone."""
    assert secret(f"{line}\n") is None


def test_other_encodings_are_read() -> None:
    """A comment of a file in another encoding is read in it."""
    data = f"# -*- coding: latin-1 -*-\n# Schlüssel password={WORD}\n".encode("latin-1")
    assert line_of_secret(data, ast.parse(data)) == 2
