"""``from c2lib import …``: every public name, loaded when it is first asked for."""

import ast
import inspect
import re
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest

import c2lib

HEAVY = ("pydantic", "matplotlib", "numpy", "pandas", "papermill", "socket", "yaml", "IPython", "importlib.metadata")
NAMES = [name for name in c2lib.__all__ if name != "__version__"]


def test_importing_the_package_loads_next_to_nothing() -> None:
    """Neither a model, nor a plotting library, nor a network client."""
    program = f"import sys, c2lib; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_that_of_its_room(name: str) -> None:
    """It is loaded, kept, and the same object as in the module that it comes from."""
    value = getattr(c2lib, name)
    assert vars(c2lib)[name] is value
    assert getattr(import_module(f"c2lib.{c2lib._HOMES[name]}"), name) is value


def test_the_public_names_are_told() -> None:
    """Sorted, each once, in ``__all__`` and in ``dir``."""
    assert c2lib.__all__ == sorted(set(c2lib.__all__))
    assert set(c2lib.__all__) <= set(dir(c2lib))


def test_types_and_table_agree() -> None:
    """What a type checker reads of the public names is what the table says: the same names from the same modules."""
    tree = ast.parse(Path(c2lib.__file__).read_bytes())
    (typed,) = [node for node in tree.body if isinstance(node, ast.If)]
    read = {
        (alias.asname, f"{node.module}")
        for node in typed.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    assert read == {(name, f"c2lib.{home}") for name, home in c2lib._HOMES.items()}


def test_version_is_the_packages() -> None:
    """``c2lib.__version__`` is read from the package's metadata."""
    assert c2lib.__version__ == metadata.version("c2lib")


def raised(text: str | None) -> set[str]:
    """Return the errors of c2lib that a docstring names."""
    return set(re.findall(r"\b(?!C2Error\b)[A-Z][A-Za-z0-9]+Error\b", text or "")) - {"OSError", "ValueError"}


def test_documented_errors_are_public() -> None:
    """Every error that the docstring of a public function or method names can be imported from ``c2lib``."""
    documented: set[str] = set()
    for name in NAMES:
        value = getattr(c2lib, name)
        members = vars(value).values() if isinstance(value, type) and not issubclass(value, Exception) else ()
        for item in (value, *(member for member in members if inspect.isfunction(member))):
            documented |= raised(item.__doc__)
    assert documented <= set(c2lib.__all__), documented - set(c2lib.__all__)
    assert {"ConfigError", "RunPathError", "RunConflictError"} <= documented


def test_any_other_name_is_unknown() -> None:
    """The error is the one that Python expects of a module."""
    with pytest.raises(AttributeError, match="module 'c2lib' has no attribute 'Nonsense'"):
        _ = c2lib.Nonsense
    assert not hasattr(c2lib, "numpy")
