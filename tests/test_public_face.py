"""``from c2lib import …``: every public name, loaded when it is first asked for."""

import subprocess
import sys
from importlib import import_module

import pytest

import c2lib

HEAVY = ("pydantic", "matplotlib", "numpy", "pandas", "papermill", "socket", "yaml", "IPython")


def test_importing_the_package_loads_next_to_nothing() -> None:
    """Neither a model, nor a plotting library, nor a network client."""
    program = f"import sys, c2lib; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", c2lib.__all__)
def test_every_public_name_is_that_of_its_room(name: str) -> None:
    """It is loaded, kept, and the same object as in the module that it comes from."""
    value = getattr(c2lib, name)
    assert vars(c2lib)[name] is value
    assert getattr(import_module(f"c2lib.{c2lib._HOMES[name]}"), name) is value


def test_the_public_names_are_told() -> None:
    """Sorted, each once, the same in ``__all__``, in ``dir`` and in the table of homes."""
    assert c2lib.__all__ == sorted(set(c2lib.__all__))
    assert set(c2lib._HOMES) == set(c2lib.__all__)
    assert set(c2lib.__all__) <= set(dir(c2lib))


def test_any_other_name_is_unknown() -> None:
    """The error is the one that Python expects of a module."""
    with pytest.raises(AttributeError, match="module 'c2lib' has no attribute 'Nonsense'"):
        _ = c2lib.Nonsense
    assert not hasattr(c2lib, "numpy")
