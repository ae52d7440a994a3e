"""``from c2lib import …``: every public name, loaded when it is first asked for."""

import ast
import inspect
import re
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import pytest

import c2lib

HEAVY = ("pydantic", "matplotlib", "numpy", "pandas", "papermill", "socket", "yaml", "IPython", "importlib.metadata")
NAMES = [name for name in c2lib.__all__ if name not in ("__version__", "plot")]


def test_import_loads_little() -> None:
    """Importing c2lib loads no data model, plotting library or network client."""
    program = f"import sys, c2lib; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", NAMES)
def test_public_names_match_their_modules(name: str) -> None:
    """Each public name is loaded once and is the same object as in its module."""
    value = getattr(c2lib, name)
    assert vars(c2lib)[name] is value
    assert getattr(import_module(f"c2lib.{c2lib._MODULE_OF[name]}"), name) is value


def test_public_names_are_listed() -> None:
    """The public names are sorted, each once, in __all__ and in dir()."""
    assert c2lib.__all__ == sorted(set(c2lib.__all__))
    assert set(c2lib.__all__) <= set(dir(c2lib))


def test_types_and_table_agree() -> None:
    """The public names that a type checker reads are those of the loading table, from the same modules."""
    tree = ast.parse(Path(c2lib.__file__).read_bytes())
    (typed,) = [node for node in tree.body if isinstance(node, ast.If)]
    read = {
        (alias.asname, f"{node.module}")
        for node in typed.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    assert read - {("plot", "c2lib")} == {(name, f"c2lib.{module}") for name, module in c2lib._MODULE_OF.items()}


def test_version_is_the_packages() -> None:
    """c2lib.__version__ is the version in the package's metadata."""
    assert c2lib.__version__ == metadata.version("c2lib")


def parameters(item: Any) -> list[str]:
    """Return the names of a function's parameters, that of its object left out."""
    return [name for name in inspect.signature(item).parameters if name != "self"]


def test_public_functions_describe_arguments() -> None:
    """A public function or method of several parameters describes each, or names the function that does."""
    described = 0
    for name in NAMES:
        value = getattr(c2lib, name)
        members = vars(value).values() if isinstance(value, type) and not issubclass(value, Exception) else (value,)
        for item in filter(inspect.isfunction, members):
            if item.__name__.startswith("_") or len(parameters(item)) < 2:
                continue
            text = inspect.getdoc(item) or ""
            given, described = parameters(item), described + 1
            assert "for the arguments" in text or all(f"{one}: " in text for one in given), (name, item.__name__)
            assert "for the arguments" in text or "Args:" in text, (name, item.__name__)
    assert described >= 8


def raised(text: str | None) -> set[str]:
    """Return the errors of c2lib that a docstring names."""
    return set(re.findall(r"\b(?!C2Error\b)[A-Z][A-Za-z0-9]+Error\b", text or "")) - {"OSError", "ValueError"}


def test_documented_errors_are_public() -> None:
    """Every error that the docstring of a public function or method names can be imported from c2lib."""
    documented: set[str] = set()
    for name in NAMES:
        value = getattr(c2lib, name)
        members = vars(value).values() if isinstance(value, type) and not issubclass(value, Exception) else ()
        for item in (value, *(member for member in members if inspect.isfunction(member))):
            documented |= raised(item.__doc__)
    assert documented <= set(c2lib.__all__), documented - set(c2lib.__all__)
    assert {"ConfigError", "RunPathError", "RunConflictError"} <= documented


def test_unknown_name_is_refused() -> None:
    """An unknown name of c2lib raises AttributeError."""
    with pytest.raises(AttributeError, match="module 'c2lib' has no attribute 'Nonsense'"):
        _ = c2lib.Nonsense
    assert not hasattr(c2lib, "numpy")
