"""A strategy of one's own: ``FILE.py:CLASS``, or a class given in Python.

A file is read once, so that the bytes that are hashed are the bytes that run and that are kept; they run in the
strategy host alone.
"""

from __future__ import annotations

import ast
import inspect
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from c2lib.app.paths import distribution_version, read_input
from c2lib.core.canon import sha256_hex
from c2lib.core.errors import StrategyLoadError
from c2lib.core.model import MAX_SOURCE_BYTES, StrategySettings
from c2lib.core.text import nearest
from c2lib.session.source import imported_modules, line_of_secret, source_in_cell, top_level_names
from c2lib.session.strategy import StrategySource, object_source


def strategy_from_file(spec: str) -> StrategySource:
    """Return the source of ``FILE.py:CLASS``; raise :class:`StrategyLoadError` saying what is wrong with it."""
    file_name, colon, class_name = spec.rpartition(":")
    if not colon or not file_name or not class_name.isidentifier():
        raise StrategyLoadError(f"{spec!r} does not name a strategy: write FILE.py:CLASS")
    path = Path(file_name)
    try:
        source = read_input(path, MAX_SOURCE_BYTES)
    except OSError as error:
        raise StrategyLoadError(f"the strategy file {path} cannot be read: {error.strerror}") from None
    if len(source) > MAX_SOURCE_BYTES:
        raise StrategyLoadError(f"the strategy file {path} is larger than {MAX_SOURCE_BYTES} bytes")
    return strategy_from_source(file_name, class_name, source, path.parent)


def strategy_from_source(shown: str, class_name: str, source: bytes, folder: Path | None = None) -> StrategySource:
    """Return the source of a class of a file that was read.

    Args:
        shown: path of the file in messages.
        class_name: the class, or what else makes a strategy at the file's top level.
        source: its bytes.
        folder: the folder that it lies in, where there is one.

    Raises:
        StrategyLoadError: it is no Python, has no such class, holds a secret, or imports a file beside it.
    """
    try:
        tree = ast.parse(source, filename=shown)
        compile(tree, shown, "exec", dont_inherit=True)
        secret = line_of_secret(source, tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        where = f", line {line}" if line else ""
        raise StrategyLoadError(f"{shown}{where}: is no valid Python ({type(error).__name__})") from None
    names = top_level_names(source, shown)
    if class_name not in names:
        advice = nearest(class_name, sorted(names), "define it there, or import it by its name and not by *")
        raise StrategyLoadError(f"{shown} defines no {class_name} at its top level ({advice})")
    if secret is not None:
        problem = "holds what looks like a secret, and a run keeps its strategy's file: take it out"
        raise StrategyLoadError(f"{shown}, line {secret}: {problem}")
    imports: dict[str, str | None] = {}
    for module, line in imported_modules(tree).items():
        version = imports[module] = _version(module)
        if module == "." or (version is None and folder is not None and _is_beside(module, folder)):
            problem = f"imports {'a file' if module == '.' else module} from beside it, which the run could not seal"
            advice = "put the code into one file, or install it as a package"
            raise StrategyLoadError(f"{shown}, line {line}: {problem} ({advice})")
    return StrategySource("file", class_name, sha256_hex(source), _elsewhere, source, imports)


def _version(module: str) -> str | None:
    """Return the version of the installed distribution that a module belongs to, or ``None``."""
    version = distribution_version(module)
    if version is None:
        # this reads every distribution, so only for a module of another name than its own
        owners = metadata.packages_distributions().get(module)
        version = metadata.version(min(owners)) if owners else None
    return version


def _is_beside(module: str, folder: Path) -> bool:
    """Return whether a module would be a file of ``folder``, or could be nothing else."""
    if not (folder / f"{module}.py").is_file() and not (folder / module).is_dir():
        return False
    try:
        found = find_spec(module)
    except (ImportError, ValueError):
        found = None
    places = [found.origin, *(found.submodule_search_locations or ())] if found else []
    return not places or any(Path(place).resolve().is_relative_to(folder.resolve()) for place in places if place)


def strategy_from_object(factory: Any) -> StrategySource:
    """Return the source of a class given in Python; its hash is of its source text, ``None`` without one.

    The text is what Python finds for the class when it is given, which for a cell of a notebook is the text that was
    executed, and for a module the file as it is by then. Base classes, helpers and globals are no part of it: where
    that matters, name a file.
    """
    try:
        text: str | None = inspect.getsource(factory)
    except (OSError, TypeError):
        text = source_in_cell(factory) if inspect.isclass(factory) else None
    return object_source(factory, None if text is None else sha256_hex(text.encode()))


def _elsewhere(_settings: StrategySettings) -> NoReturn:
    raise StrategyLoadError("a strategy file runs in the strategy host: give it to c2lib dryrun or c2lib.run_dryrun")
